package signer

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// Walking along the record finds of every row what looking it up finds,
// whatever lies between, before and after.
func TestKnownIsGet(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), RecordFile))
	if err != nil {
		t.Fatal(err)
	}
	keys := rapid.SliceOfDistinct(rapid.Uint8Max(60), rapid.ID[uint8])
	rapid.Check(t, func(rt *rapid.T) {
		recorded, asked := keys.Draw(rt, "recorded"), keys.Draw(rt, "asked")
		table := rapid.SampledFrom([]string{tSlot, "a", "zz"}).Draw(rt, "table")
		slices.Sort(asked)
		err := db.Update(t.Context(), func(tx store.Tx) error {
			for n := range uint8(61) {
				if err := tx.Delete(key(table, []byte{n})); err != nil {
					return err
				}
			}
			for _, n := range recorded {
				if err := tx.Put(key(table, []byte{n}), []byte{n}); err != nil {
					return err
				}
			}
			var rows []row
			for _, n := range asked {
				rows = append(rows, row{key: key(table, []byte{n})})
			}
			told := 0
			err := known(tx, rows, func(r row, have []byte) {
				want, err := tx.Get(r.key)
				if err != nil || !bytes.Equal(have, want) || (have == nil) != (want == nil) || !bytes.Equal(r.key, rows[told].key) {
					rt.Fatalf("row %d: %q, have %q, want %q (%v)", told, r.key, have, want, err)
				}
				told++
			})
			if told != len(rows) {
				rt.Fatalf("told of %d rows, want %d", told, len(rows))
			}
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}
