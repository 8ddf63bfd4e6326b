// Package store is the seam between the records of airlock and the engine
// that keeps them: an ordered key-value space in serialisable transactions.
// Package bolt implements it on one file; a replicated engine can stand in
// without touching the typed records, which live here.
//
// Records are functions over a Tx, so that whoever owns the transaction
// composes them: what changes together is written together.
//
// The key space is one ordered map. A key begins with the name of its table
// and a zero byte; see keys.go. Values are JSON, with explicit names.
package store

import (
	"context"
	"errors"
	"io"
)

// Tx is a transaction. What Get and Scan return is valid until it ends.
// Nothing of the transaction may be used after the function that got it
// returned.
type Tx interface {
	// Get returns the value at key, or nil if there is none.
	Get(key []byte) ([]byte, error)
	// Put stores value at key. It fails in a View.
	Put(key, value []byte) error
	// Delete removes key; a key that is not there is not an error.
	Delete(key []byte) error
	// Scan calls fn for each key of r in order. It ends early without error
	// when fn returns Stop. fn must not write: collect first.
	Scan(r Range, fn func(key, value []byte) error) error
}

// Range is the keys k with From ≤ k < To, in ascending order or in descending
// order if Reverse is set. A nil To has no upper bound.
type Range struct {
	From, To []byte
	Reverse  bool
}

// Stop ends a Scan early.
var Stop = errors.New("stop") //nolint:errname,revive,staticcheck // a signal, not a failure, as io.EOF is

// DB gives transactions. Each is a unit of work of its own: the engine may
// open and close its file for it, so that many processes can share a home.
// A call to the world must never happen inside of one.
type DB interface {
	// View runs fn on a consistent snapshot.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn and commits what it wrote if it returns nil. A process
	// that waited for the store too long gets an error of wallet.ErrBusy.
	Update(ctx context.Context, fn func(Tx) error) error
	// Backup writes a consistent copy of the whole store.
	Backup(ctx context.Context, w io.Writer) error
}
