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
