package signer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Verified is a record whose every entry and row was held against its chain.
type Verified struct {
	Entries  uint64
	Rows     uint64
	Kinds    map[Kind]uint64 // entries of each
	Head     string          // after the last entry, in hex; empty for an empty record
	From, To time.Time       // of the first and the last entry
	// At is the entry that the head asked for is the head after; nil if none
	// was asked for.
	At *Entry
}

// Broken says where a record was tampered with or damaged. It is of class
// [wallet.ErrRefused].
type Broken struct {
	Entry uint64 // the first entry that is not as it was written; 0 if none can be named
	Why   string
}

func (b *Broken) Error() string {
	if b.Entry == 0 {
		return "the signing record is not whole: " + b.Why
	}
	return fmt.Sprintf("the signing record is not whole: entry %d: %s", b.Entry, b.Why)
}

// Unwrap puts the error in the class of refusals.
func (b *Broken) Unwrap() error { return wallet.ErrRefused }

// Verify reads a whole record: that its entries form a chain, that the tables
// hold the rows which the entries commit to and no others, and that every head
// and batch is found where it belongs. head, unless it is empty, must be one
// that the record had: on paper or in a signed batch it proves that nothing
// before it was changed, which a record cannot prove of itself. The error of a
// record that fails is a [*Broken].
func Verify(ctx context.Context, record store.DB, head string) (*Verified, error) {
	head = strings.ToLower(strings.Join(strings.Fields(head), ""))
	v := &verifier{
		Verified: Verified{Kinds: map[Kind]uint64{}}, head: head,
		want: map[uint64]string{}, rows: map[uint64]hash.Hash{},
	}
	if raw, err := hex.DecodeString(head); head != "" && (err != nil || len(raw) != sha256.Size) {
		return nil, wallet.As(wallet.ErrUsage, "%.80q is no head: want 64 hex digits", head)
	}
	err := record.View(ctx, func(tx store.Tx) error {
		if err := v.walkEntries(tx); err != nil {
			return err
		}
		return v.walkRows(tx)
	})
	if err != nil {
		return nil, err
	}
	if head != "" && v.At == nil {
		return nil, wallet.WithHint(&Broken{0, fmt.Sprintf("it is in itself, and never had the head %s", head)},
			"this is an old copy of the record, another station's, or was written anew: find the record that has this head")
	}
	return &v.Verified, nil
}

type verifier struct {
	Verified
	head string
	want map[uint64]string    // sequence -> Entry.Rows
	rows map[uint64]hash.Hash // sequence -> over the rows that are there
}

// walkEntries follows the chain, and looks up every head and batch.
func (v *verifier) walkEntries(tx store.Tx) error {
	return Entries(tx, func(e Entry, head string) error {
		if v.Entries == 0 {
			v.From = e.At
		}
		v.Entries, v.Head, v.To = e.Sequence, head, e.At
		v.Kinds[e.Kind]++
		if e.Rows != "" {
			v.want[e.Sequence] = e.Rows
		}
		if head == v.head {
			v.At = &e
		}
		if err := isFound(tx, tHead, head, e.Sequence); err != nil || e.Kind != KindSignature {
			return err
		}
		return isFound(tx, tBatch, e.Digest, e.Sequence)
	})
}

// isFound reports an error if an entry is not found by a hash.
func isFound(tx store.Tx, table, hash string, entry uint64) error {
	raw, err := hex.DecodeString(hash)
	if err != nil {
		return &Broken{entry, err.Error()}
	}
	seq, err := tx.Get(key(table, raw))
	if err == nil && !bytes.Equal(seq, number(entry)) {
		err = &Broken{entry, "is not found by its head or batch: it was changed, or " + table + " was"}
	}
	return err
}

// walkRows reads everything, and names the first entry whose rows are not those
// that it wrote.
func (v *verifier) walkRows(tx store.Tx) error {
	heads, batches := uint64(0), uint64(0)
	first := &Broken{Entry: v.Entries + 1}
	fail := func(entry uint64, why string) {
		if entry < first.Entry {
			*first = Broken{entry, why}
		}
	}
	err := tx.Scan(store.Range{}, func(k, value []byte) error {
		name, rest, _ := bytes.Cut(k, []byte{0})
		switch table := string(name); {
		case table == tEntry || table == tLast || !strings.HasPrefix(table, recordTables):
		case table == tHead:
			heads++
		case table == tBatch:
			batches++
		case len(rest) < 8 || !isRowTable(table):
			fail(0, fmt.Sprintf("there is a row that no entry writes, %q", k))
		default:
			v.Rows++
			seq := by(k)
			if v.want[seq] == "" {
				fail(min(seq, v.Entries), fmt.Sprintf("there is a row that it did not write, in %s", table))
				return nil
			}
			h := v.rows[seq]
			if h == nil {
				h = sha256.New()
				v.rows[seq] = h
			}
			hashRow(h, k, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for seq, want := range v.want {
		if h := v.rows[seq]; h == nil || hex.EncodeToString(h.Sum(nil)) != want {
			fail(seq, "the rows that it wrote are not those that are there: one was changed, added or taken out")
		}
	}
	if heads != v.Entries || batches != v.Kinds[KindSignature] {
		fail(0, "there are heads or batches of entries that are not there")
	}
	if first.Entry <= v.Entries {
		return first
	}
	return nil
}

// recordTables begins the names of all tables of the record.
const recordTables = "sign."

func isRowTable(name string) bool { return slices.Contains(rowTables, name) }

// by is the sequence of the entry that added a row.
func by(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }
