package signer

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// Walking along the record finds what looking up each span finds, whatever lies
// between, before and after.
func TestWalk(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), RecordFile))
	if err != nil {
		t.Fatal(err)
	}
	keys := rapid.SliceOfDistinct(rapid.Uint8Max(60), rapid.ID[uint8])
	rapid.Check(t, func(rt *rapid.T) {
		recorded, asked := keys.Draw(rt, "recorded"), keys.Draw(rt, "asked")
		rows := rapid.IntRange(1, 7).Draw(rt, "rows of each")
		from := rapid.SampledFrom([]byte{0, 0, 3}).Draw(rt, "from")
		table := rapid.SampledFrom([]string{tSlot, "a", "zz"}).Draw(rt, "table")
		first := rapid.Bool().Draw(rt, "and the first of all")
		slices.Sort(asked)
		var got, want []string
		err := db.Update(t.Context(), func(tx store.Tx) error {
			var all [][]byte
			if err := tx.Scan(prefixed(key(table)), func(k, _ []byte) error {
				all = append(all, bytes.Clone(k))
				return nil
			}); err != nil {
				return err
			}
			for _, k := range all {
				if err := tx.Delete(k); err != nil {
					return err
				}
			}
			for _, n := range recorded {
				for r := range rows {
					if err := tx.Put(key(table, []byte{n, byte(r)}), []byte{n}); err != nil {
						return err
					}
				}
			}
			var spans []span
			if first {
				spans = append(spans, span{key(table), key(table), true})
			}
			for _, n := range asked {
				prefix := key(table, []byte{n})
				spans = append(spans, span{from: append(bytes.Clone(prefix), from), prefix: prefix})
			}
			for i, s := range spans {
				r := prefixed(s.prefix)
				r.From = s.from
				if err := tx.Scan(r, func(k, v []byte) error {
					want = append(want, fmt.Sprintf("%d %x %x", i, k, v))
					if s.first {
						return store.Stop
					}
					return nil
				}); err != nil {
					return err
				}
			}
			return walk(tx, spans, func(i int, k, v []byte) { got = append(got, fmt.Sprintf("%d %x %x", i, k, v)) })
		})
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("walked along %q, want %q", got, want)
		}
	})
}

// A chain that is whole in itself but in which time runs backwards was not
// written by a station.
func TestEntriesRunForwards(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), RecordFile))
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n, at := range []time.Time{noon, noon, noon.Add(-time.Second)} {
		if err := db.Update(t.Context(), func(tx store.Tx) error {
			last, err := lastLink(tx)
			if err == nil {
				_, err = last.append(tx, &Entry{Kind: KindUnlock, At: at}, nil)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		_, err := Verify(t.Context(), db, "")
		var broken *Broken
		if errors.As(err, &broken) != (n == 2) || n == 2 && broken.Entry != 3 {
			t.Errorf("after %d entries, Verify = %v", n+1, err)
		}
	}
}
