package payout

import (
	"context"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Batches returns the batches of the chain, newest first, without their files.
// A limit of 0 means all.
func (s *Service) Batches(ctx context.Context, limit int) (list []wallet.BatchRecord, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list = []wallet.BatchRecord{}
		return store.Batches(tx, func(b wallet.BatchRecord) error {
			if b.ChainID != s.Chain {
				return nil
			}
			list = append(list, b)
			if len(list) == limit {
				return store.Stop
			}
			return nil
		})
	})
	return list, err
}

// Batch returns a batch with its file.
func (s *Service) Batch(ctx context.Context, id string) (b wallet.BatchRecord, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		var ok bool
		b, ok, err = store.Batch(tx, id)
		if err == nil && (!ok || b.ChainID != s.Chain) {
			err = wallet.WithHint(wallet.As(wallet.ErrNotFound, "there is no batch %.40q on chain %d", id, s.Chain), "airlock batch list shows them")
		}
		return err
	})
	return b, err
}

// Discard gives a batch up. See outgoing.Discard: it frees nothing that a
// signed copy of the batch could still spend.
func (s *Service) Discard(ctx context.Context, id string) (d outgoing.Discarded, err error) {
	if _, err := s.Batch(ctx, id); err != nil {
		return d, err
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		d, err = outgoing.Discard(tx, id, s.now())
		return err
	})
	return d, err
}

// Halt stops building, signing and broadcasting on this home. A halt that is
// in force keeps its reason and time.
func (s *Service) Halt(ctx context.Context, reason string) (h store.Halt, err error) {
	if reason == "" || len(reason) > maxMemo {
		return h, wallet.As(wallet.ErrUsage, "want a reason of 1 to %d bytes", maxMemo)
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		var ok bool
		if h, ok, err = store.Halted(tx); err != nil || ok {
			return err
		}
		h = store.Halt{Reason: reason, Since: s.now().Truncate(time.Second)}
		return store.SetHalt(tx, &h)
	})
	return h, err
}

// Resume undoes Halt and reports what was in force, if anything was.
func (s *Service) Resume(ctx context.Context) (h store.Halt, was bool, err error) {
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		if h, was, err = store.Halted(tx); err != nil || !was {
			return err
		}
		return store.SetHalt(tx, nil)
	})
	return h, was, err
}
