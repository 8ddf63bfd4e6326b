package formats

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/station"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// TestAuditExport exports the record of a station that signed the page's batch,
// and computes its heads and rows as the page says it.
func TestAuditExport(t *testing.T) {
	home := t.TempDir()
	record := must(bolt.Create(t.Context(), filepath.Join(home, signer.RecordFile)))(t)
	service := &signer.Service{
		Record: record, Policy: must(policy.Parse([]byte(example(t, "policy"))))(t), Now: func() time.Time { return signedAt },
	}
	b := must(batch.Parse([]byte(example(t, "batch"))))(t)
	signed := must(service.Sign(t.Context(), b, openVault(t).Own(), signer.Risks{signer.RiskRecordRestored: true}))(t)

	env, out, notes := cli.Test(home)
	if code := cli.Main(station.New(env), env, []string{"audit", "export", "--json"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, notes)
	}
	spread := jsontext.Value(out.Bytes())
	if err := spread.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	same(t, "audit-export", string(spread)+"\n")

	// As the page says it, without the package.
	var list []struct {
		Entry jsontext.Value
		Head  string
	}
	if err := json.Unmarshal([]byte(example(t, "audit-export")), &list); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, sha256.Size)
	for i, e := range list {
		var entry struct{ Sequence, Before, Rows string }
		if err := json.Unmarshal(e.Entry, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Before != hex.EncodeToString(head) {
			t.Errorf("entry %s comes after %s, want %x", entry.Sequence, entry.Before, head)
		}
		if got := rowsOf(t, record, uint64(i+1)); got != entry.Rows {
			t.Errorf("the rows of entry %s hash to %s, the page says %s", entry.Sequence, got, entry.Rows)
		}
		if err := e.Entry.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(append(head, e.Entry...))
		if head = sum[:]; hex.EncodeToString(head) != e.Head {
			t.Errorf("the head after entry %s is %x, the page says %s", entry.Sequence, head, e.Head)
		}
	}
	if got := hex.EncodeToString(head); got != signed.RecordHead || !strings.Contains(example(t, "signed-batch"), got) {
		t.Errorf("the last head is %s, which the signed batch does not carry", got)
	}
}

// rowsOf hashes the rows of an entry.
func rowsOf(t *testing.T, record *bolt.DB, entry uint64) string {
	t.Helper()
	h, rows := sha256.New(), 0
	err := record.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(store.Range{From: []byte("sign.")}, func(k, v []byte) error {
			for _, other := range []string{"sign.entry\x00", "sign.head\x00", "sign.batch\x00", "sign.last\x00"} {
				if strings.HasPrefix(string(k), other) {
					return nil
				}
			}
			if binary.BigEndian.Uint64(k[len(k)-8:]) != entry {
				return nil
			}
			rows++
			for _, part := range [][]byte{k, v} {
				h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
				h.Write(part)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows == 0 {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
