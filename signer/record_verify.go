package signer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

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
	var (
		head [32]byte
		last []byte
	)
	err := tx.Scan(prefixed(key(tEntry)), func(k, raw []byte) error {
		n := v.Entries + 1
		broken := func(why string, args ...any) error { return &Broken{n, fmt.Sprintf(why, args...)} }
		if !bytes.Equal(k, entryKey(n)) {
			return broken("is missing")
		}
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return broken("cannot be read: %v", err)
		}
		if canon, err := e.canonical(); err != nil || !bytes.Equal(canon, raw) {
			return broken("was changed: it is not in the form in which entries are written")
		}
		if e.Sequence != n || e.Before != hex.EncodeToString(head[:]) {
			return broken("does not follow the entry before: one of the two was changed")
		}
		if e.At.Before(v.To) {
			return broken("is earlier than the entry before")
		}
		head = nextHead(head, raw)
		last = append(number(n), head[:]...)
		if v.Entries == 0 {
			v.From = e.At
		}
		v.Entries, v.Head, v.To = n, hex.EncodeToString(head[:]), e.At
		v.Kinds[e.Kind]++
		if e.Rows != "" {
			v.want[n] = e.Rows
		}
		if v.Head == v.head {
			v.At = &e
		}
		if seq, err := tx.Get(key(tHead, head[:])); err != nil || !bytes.Equal(seq, number(n)) {
			return errors.Join(err, broken("was changed: the head after it is another"))
		}
		if e.Kind != KindSignature {
			return nil
		}
		digest, err := hex.DecodeString(e.Digest)
		if err != nil {
			return broken("has no digest")
		}
		if seq, err := tx.Get(key(tBatch, digest)); err != nil || !bytes.Equal(seq, number(n)) {
			return errors.Join(err, broken("its batch is not found by its digest"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if have, err := tx.Get(key(tLast)); err != nil || !bytes.Equal(have, last) {
		return errors.Join(err, &Broken{v.Entries + 1, "is missing, or entries were put behind the last"})
	}
	return nil
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
