package payout

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// paid is what the chain says that somebody holds.
func (s *outgoingSchedule) paid(r wallet.WithdrawalRequest) wallet.Amount {
	s.Helper()
	var n *big.Int
	var err error
	if r.Asset.IsCoin() {
		n, err = s.sim.Client().BalanceAt(s.ctx, r.To, nil)
	} else {
		n, err = s.TokenBalance(s.ctx, s.token, r.To)
	}
	s.must(err)
	return wallet.AmountOf(n)
}

// never checks what holds at every instant, on whatever the head is.
func (s *outgoingSchedule) never() {
	s.Helper()
	s.watch.mu.Lock()
	broken := slices.Clone(s.watch.broken)
	s.watch.mu.Unlock()
	if len(broken) > 0 {
		s.Fatalf("%s", strings.Join(broken, "\n"))
	}
	for _, r := range s.requests {
		got := s.paid(r)
		if got.Cmp(r.Amount) > 0 {
			s.Fatalf("withdrawal %s of %s was paid %s", r.ID, r.Amount, got)
		}
		v, err := s.s.Show(s.ctx, r.ID)
		if err == nil && !got.IsZero() && (v.Status == wallet.WithdrawalCanceled || v.Status == wallet.WithdrawalRejected || v.Status == wallet.WithdrawalFailed) {
			s.Fatalf("withdrawal %s is %s (%s), and was paid %s", r.ID, v.Status, v.Reason, got)
		}
	}
}

// settled compares the end with the chain.
func (s *outgoingSchedule) settled() {
	s.Helper()
	s.never()
	paid := map[wallet.AssetID]wallet.Amount{}
	back := map[wallet.AssetID]wallet.Amount{coinID: ether.Mul(50), s.tokenID(): wallet.NewAmount(5_000_000_000)}
	told := s.told()
	for _, r := range s.requests {
		v, err := s.s.Show(s.ctx, r.ID)
		if errors.Is(err, wallet.ErrNotFound) {
			continue // the crash was before the commit
		}
		s.must(err)
		if !v.Status.Settled() {
			s.Fatalf("withdrawal %s is %s for ever: %s", r.ID, v.Status, v.Reason)
		}
		if got := s.paid(r); (v.Status == wallet.WithdrawalConfirmed) != (got.Cmp(r.Amount) == 0) {
			s.Fatalf("withdrawal %s is %s (%s), and was paid %s of %s", r.ID, v.Status, v.Reason, got, r.Amount)
		}
		s.done.Add(string(v.Status))
		s.checkTold(v, told["withdrawal:"+r.ID])
		if r.Account == "alice" && v.Status == wallet.WithdrawalConfirmed {
			paid[r.Asset] = paid[r.Asset].Add(r.Amount)
			back[r.Asset] = back[r.Asset].Sub(r.Amount)
		}
	}
	for _, asset := range []wallet.AssetID{coinID, s.tokenID()} {
		for book, want := range map[wallet.Book]wallet.Amount{wallet.Pending: {}, wallet.Paid: paid[asset], wallet.Available: back[asset]} {
			if have := s.balance("alice", asset, book); have.Cmp(want) != 0 {
				s.Fatalf("alice has %s of %s %s, her withdrawals say %s", have, asset, book, want)
			}
		}
	}
	s.reconcile()
	s.booksAgree()
	s.countRungs()
}

// told are the events of each subject, in order.
func (s *outgoingSchedule) told() map[string][]wallet.EventType {
	s.Helper()
	all := map[string][]wallet.EventType{}
	s.view(func(tx store.Tx) error {
		for seq := uint64(1); ; seq++ {
			e, err := store.EventAt(tx, seq)
			if err != nil {
				return nil //nolint:nilerr // the end
			}
			all[e.Subject] = append(all[e.Subject], e.Type)
		}
	})
	return all
}

// checkTold checks that the outside was told the end of a withdrawal once and
// last, and before it that it was out, once for each nonce that it had.
func (s *outgoingSchedule) checkTold(v outgoing.Withdrawal, told []wallet.EventType) {
	s.Helper()
	end := map[wallet.WithdrawalStatus]wallet.EventType{
		wallet.WithdrawalConfirmed: wallet.WithdrawalConfirmedEvent, wallet.WithdrawalFailed: wallet.WithdrawalFailedEvent,
		wallet.WithdrawalCanceled: wallet.WithdrawalCanceledEvent, wallet.WithdrawalRejected: wallet.WithdrawalRejectedEvent,
	}[v.Status]
	slots := map[string]bool{}
	for _, b := range s.batches {
		for i := range b.Items {
			if it := &b.Items[i]; it.Intent.Kind == wallet.IntentWithdrawal && it.Intent.ID == v.ID {
				slots[fmt.Sprint(it.From, it.Nonce)] = true
			}
		}
	}
	out := 0
	for i, e := range told {
		last := i == len(told)-1
		if e == wallet.WithdrawalBroadcastEvent {
			out++
		}
		if last != (e == end) || !last && e != wallet.WithdrawalBroadcastEvent {
			s.Fatalf("withdrawal %s is %s, and the outside was told %v", v.ID, v.Status, told)
		}
	}
	mined := v.Status == wallet.WithdrawalConfirmed || v.Status == wallet.WithdrawalFailed
	if len(told) == 0 || out > max(1, len(slots)) || mined && out == 0 && len(slots) > 0 {
		s.Fatalf("withdrawal %s is %s and had %d nonces, and the outside was told %v", v.ID, v.Status, len(slots), told)
	}
}

// countRungs counts what was mined at a higher fee than the first.
func (s *outgoingSchedule) countRungs() {
	s.Helper()
	s.view(func(tx store.Tx) error {
		for _, b := range s.leaked {
			for i := range b.Batch.Items {
				it := &b.Batch.Items[i]
				m, ok, err := store.MinedAt(tx, wallet.Slot{ChainID: s.s.Chain, Sender: it.From, Nonce: it.Nonce})
				if err != nil {
					return err
				}
				for r := 1; ok && r < len(it.Rungs); r++ {
					if b.Transactions[i][r].Hash == m.TxHash {
						s.done.Add("mined above the first rung")
					}
				}
			}
		}
		return nil
	})
}
