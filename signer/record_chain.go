package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/wallet/store"
)

// Kind says what an entry of the record is about.
type Kind string

// The kinds of entries. They are stored and never change.
const (
	KindSignature Kind = "signature" // a batch was signed
	KindRefusal   Kind = "refusal"   // something was refused
	KindReview    Kind = "review"    // a batch was shown to somebody
	KindApproval  Kind = "approval"  // a batch was approved here
	KindUnlock    Kind = "unlock"    // the vault was opened
	KindVault     Kind = "vault"     // the vault was made, changed, copied, or let something out
	KindPolicy    Kind = "policy"    // another policy came into use
	KindRisk      Kind = "risk"      // a named risk was accepted that no other entry tells of
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{KindSignature, KindRefusal, KindReview, KindApproval, KindUnlock, KindVault, KindPolicy, KindRisk}
}

// Entry is one thing that happened on a station. Entries form one chain: the
// head after an entry is SHA-256 of the head before it (32 bytes, zero before
// the first) and the entry's RFC 8785 canonical form. So the head after a
// signature, which crosses with the signed batch, commits to all that happened
// before it.
type Entry struct {
	Sequence uint64 `json:"sequence,string"` // from 1
	Kind     Kind   `json:"kind"`
	// At is the station's time, UTC, in whole seconds: never before that of the
	// entry before, whatever the clock said.
	At time.Time `json:"at"`
	// Clock is what the clock said where the station's time is another.
	Clock time.Time `json:"clock,omitzero"`
	// Date is today's date as somebody gave it because the clock had run far
	// ahead of the entry before.
	Date string `json:"date,omitzero"`

	Vault      string `json:"vault,omitzero"` // fingerprint
	ChainID    uint64 `json:"chain_id,omitzero,string"`
	Batch      string `json:"batch,omitzero"` // its id
	Digest     string `json:"digest,omitzero"`
	Items      int    `json:"items,omitzero,string"`
	PolicyHash string `json:"policy_hash,omitzero"`

	What  string   `json:"what,omitzero"`  // in words
	Rules []string `json:"rules,omitzero"` // that refused
	Risks []string `json:"risks,omitzero"` // that were accepted by name
	// Rows is SHA-256 over what the entry added to the record: each row's key
	// and value, both with their length in 8 bytes before them, in the order
	// of the keys. It is empty if the entry added nothing.
	Rows string `json:"rows,omitzero"`
	// Before is the head before this entry.
	Before string `json:"before"`
}

// link is the end of the chain.
type link struct {
	sequence uint64 // 0 if the record is empty
	head     [32]byte
	at       time.Time // the station's time of the last entry
}

func lastLink(tx store.Tx) (l link, err error) {
	raw, err := tx.Get(key(tLast))
	if err != nil || raw == nil {
		return l, err
	}
	if len(raw) != 8+32 {
		return l, errors.New("signing record: its last head is damaged")
	}
	l = link{sequence: binary.BigEndian.Uint64(raw), head: [32]byte(raw[8:])}
	e, _, err := entryAt(tx, l.sequence)
	l.at = e.At
	return l, err
}

// entryAt reads an entry and its canonical form.
func entryAt(tx store.Tx, seq uint64) (e Entry, raw []byte, err error) {
	if raw, err = tx.Get(entryKey(seq)); err != nil {
		return e, nil, err
	}
	if err := json.Unmarshal(raw, &e); err != nil || e.Sequence != seq {
		return e, nil, fmt.Errorf("signing record: entry %d is damaged: %w", seq, errors.Join(err))
	}
	return e, raw, nil
}

// append puts an entry at the end of the chain that l is the end of, with the
// rows that it adds, in the order of their keys, and returns the head after it.
func (l link) append(tx store.Tx, e *Entry, rows []row) (head string, err error) {
	e.Sequence, e.Before, e.Rows = l.sequence+1, hex.EncodeToString(l.head[:]), hashRows(rows)
	raw, err := e.canonical()
	if err != nil {
		return "", err
	}
	after := nextHead(l.head, raw)
	seq := number(e.Sequence)
	rows = append(rows,
		row{entryKey(e.Sequence), raw},
		row{key(tHead, after[:]), seq},
		row{key(tLast), append(bytes.Clone(seq), after[:]...)})
	if e.Kind == KindSignature {
		digest, err := hex.DecodeString(e.Digest)
		if err != nil {
			return "", err
		}
		rows = append(rows, row{key(tBatch, digest), seq})
	}
	for _, r := range rows {
		if err := tx.Put(r.key, r.value); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(after[:]), nil
}

// signedBefore finds the entry of a signed batch and the head after it.
func signedBefore(tx store.Tx, digest string) (e Entry, head string, ok bool, err error) {
	d, err := hex.DecodeString(digest)
	if err != nil {
		return e, "", false, err
	}
	seq, err := tx.Get(key(tBatch, d))
	if err != nil || seq == nil {
		return e, "", false, err
	}
	e, raw, err := entryAt(tx, binary.BigEndian.Uint64(seq))
	if err != nil {
		return e, "", false, err
	}
	before, err := hex.DecodeString(e.Before)
	if err != nil || len(before) != 32 || e.Digest != digest || e.Kind != KindSignature {
		return e, "", false, fmt.Errorf("signing record: entry %d is damaged: it is not that of batch %s", e.Sequence, digest)
	}
	after := nextHead([32]byte(before), raw)
	return e, hex.EncodeToString(after[:]), true, nil
}

// isBehind reports whether the record never had a head that somebody saw.
func isBehind(tx store.Tx, head string) (bool, error) {
	if head == "" {
		return false, nil
	}
	raw, err := hex.DecodeString(head)
	if err != nil {
		return false, err
	}
	seq, err := tx.Get(key(tHead, raw))
	return seq == nil, err
}

func nextHead(before [32]byte, entry []byte) [32]byte {
	return sha256.Sum256(append(before[:], entry...))
}

func (e *Entry) canonical() ([]byte, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("signing record: %w", err)
	}
	if err := (*jsontext.Value)(&raw).Canonicalize(); err != nil {
		return nil, fmt.Errorf("signing record: %w", err)
	}
	return raw, nil
}

// Entries calls fn with the record's entries and the head after each, oldest
// first, until fn returns [store.Stop]. It stops with a [*Broken] where the
// chain is broken. [Verify] looks at all the rest, too.
func Entries(tx store.Tx, fn func(e Entry, head string) error) error {
	var (
		l       link
		stopped bool
	)
	err := tx.Scan(prefixed(key(tEntry)), func(k, raw []byte) error {
		e, err := l.follow(k, raw)
		if err != nil {
			return err
		}
		err = fn(e, hex.EncodeToString(l.head[:]))
		stopped = errors.Is(err, store.Stop)
		return err
	})
	if err != nil || stopped {
		return err
	}
	return l.isLast(tx)
}

// follow reads the entry that comes after l, and makes l the end of the chain
// with it.
func (l *link) follow(k, raw []byte) (e Entry, err error) {
	n := l.sequence + 1
	broken := func(why string, args ...any) error { return &Broken{n, fmt.Sprintf(why, args...)} }
	if !bytes.Equal(k, entryKey(n)) {
		return e, broken("is missing")
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, broken("cannot be read: %v", err)
	}
	if canon, err := e.canonical(); err != nil || !bytes.Equal(canon, raw) {
		return e, broken("was changed: it is not in the form in which entries are written")
	}
	if e.Sequence != n || e.Before != hex.EncodeToString(l.head[:]) {
		return e, broken("does not follow the entry before: one of the two was changed")
	}
	if e.At.Before(l.at) {
		return e, broken("is earlier than the entry before")
	}
	*l = link{n, nextHead(l.head, raw), e.At}
	return e, nil
}

// isLast reports an error if the record says that its chain ends elsewhere.
func (l *link) isLast(tx store.Tx) error {
	var want []byte
	if l.sequence > 0 {
		want = append(number(l.sequence), l.head[:]...)
	}
	have, err := tx.Get(key(tLast))
	if err == nil && !bytes.Equal(have, want) {
		err = &Broken{l.sequence + 1, "is missing, or was put behind the last"}
	}
	return err
}
