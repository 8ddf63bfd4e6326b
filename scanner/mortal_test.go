package scanner_test

import (
	"context"
	"errors"

	"github.com/airlock-wallet/airlock/wallet/store"
)

// mortalDB is a store whose process is killed before or after one of its
// transactions.
type mortalDB struct {
	store.DB

	left int // transactions until then
}

var errKilled = errors.New("killed")

func (m *mortalDB) die() bool {
	m.left--
	return m.left < 0
}

func (m *mortalDB) View(ctx context.Context, fn func(store.Tx) error) error {
	if m.die() {
		return errKilled
	}
	return m.DB.View(ctx, fn)
}

func (m *mortalDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if m.die() {
		return errKilled
	}
	if err := m.DB.Update(ctx, fn); err != nil {
		return err
	}
	if m.die() {
		return errKilled
	}
	return nil
}

// frailDB is a store whose disk fails at one of its writes and stays so until the
// process ends. Nothing of that transaction may remain, and nobody may take it
// for written.
type frailDB struct {
	store.DB

	left   int // writes until then
	failed bool
	hidden bool // a transaction went on after its write had failed
}

var errDisk = errors.New("no space left on device")

func (f *frailDB) View(ctx context.Context, fn func(store.Tx) error) error {
	if f.failed {
		return errDisk
	}
	return f.DB.View(ctx, fn)
}

func (f *frailDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if f.failed {
		return errDisk
	}
	return f.DB.Update(ctx, func(tx store.Tx) error {
		err := fn(frailTx{tx, f})
		if f.failed && !errors.Is(err, errDisk) {
			f.hidden = true
		}
		return err
	})
}

type frailTx struct {
	store.Tx

	db *frailDB
}

func (t frailTx) write(do func() error) error {
	if t.db.left--; t.db.left < 0 {
		t.db.failed = true
		return errDisk
	}
	return do()
}

func (t frailTx) Put(key, value []byte) error {
	return t.write(func() error { return t.Tx.Put(key, value) })
}

func (t frailTx) Delete(key []byte) error {
	return t.write(func() error { return t.Tx.Delete(key) })
}
