package scanner_test

import (
	"context"
	"errors"
	"testing"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// ending is a store that has something done after each of its transactions that
// write.
type ending struct {
	store.DB
	after func()
}

func (e ending) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := e.DB.Update(ctx, fn)
	e.after()
	return err
}

// TestFollowTellsOfTheLastPass guards against a deposit that was credited and is
// in no summary, since the interrupt came before the pass was over.
func TestFollowTellsOfTheLastPass(t *testing.T) {
	h := newHome(t, three, deep)
	h.fund(h.address(alice), 9)
	h.mine(3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	db := ending{h.db, func() {
		if h.available("alice", h.coin()).Sign() > 0 {
			cancel()
		}
	}}
	var total scanner.Summary
	s := scanner.New(db, h.client, h.net.ChainID(), scanner.Options{Now: now})
	err := s.Follow(ctx, func(sum scanner.Summary, _ error) error {
		total = total.Plus(sum)
		return nil
	})
	if !errors.Is(err, context.Canceled) || total.Deposits != 1 || total.Confirmed != 1 {
		t.Errorf("ended with %v after %d deposits and %d confirmed, want 1 and 1", err, total.Deposits, total.Confirmed)
	}
	// One that breaks off at once says nothing of how far the chain was read.
	err = s.Follow(ctx, func(sum scanner.Summary, _ error) error {
		if next := total.Plus(sum); next.To != total.To || next.To == 0 {
			t.Errorf("read to block %d, and then to %d", total.To, next.To)
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
