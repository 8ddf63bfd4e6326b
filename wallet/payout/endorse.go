package payout

import (
	"context"
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// ParseRequesters reads signatures as batch.ParseRequester does.
func ParseRequesters(texts []string) (list []wallet.Requester, err error) {
	for _, text := range texts {
		r, err := batch.ParseRequester(text)
		if err != nil {
			return nil, wallet.As(wallet.ErrUsage, "%w", err)
		}
		list = append(list, r)
	}
	return list, nil
}

// checkRequesters refuses a request with a signature that is not its requester's
// over just this request: what was signed was something else.
func checkRequesters(r wallet.WithdrawalRequest) error {
	for _, by := range r.RequestedBy {
		if err := batch.CheckRequester(by, r.ID, r.Asset, r.Amount, r.To); err != nil {
			return wallet.WithHint(wallet.As(wallet.ErrUsage, "withdrawal %s: %w", r.ID, err),
				"airlock withdraw typed-data shows what a requester signs; only keys can sign, not contracts")
		}
	}
	return nil
}

// addRequesters adds verified signatures to a withdrawal, in the order of the
// addresses, and none of a requester whose signature is there.
func addRequesters(w *wallet.Withdrawal, list []wallet.Requester) (added int, err error) {
	all := slices.Clone(w.RequestedBy)
	for _, r := range list {
		if !slices.ContainsFunc(all, func(o wallet.Requester) bool { return o.Requester == r.Requester }) {
			all = append(all, r)
			added++
		}
	}
	if len(all) > batch.MaxRequesters {
		return 0, wallet.As(wallet.ErrUsage, "withdrawal %s: signatures of %d requesters, and it takes at most %d", w.ID, len(all), batch.MaxRequesters)
	}
	slices.SortFunc(all, func(a, b wallet.Requester) int { return a.Requester.Cmp(b.Requester) })
	w.RequestedBy = all
	return added, nil
}

// Endorse adds requesters' signatures to a withdrawal that no batch holds. One
// whose signature is there already changes nothing. The error is of class
// wallet.ErrUsage for a signature that is not the requester's over this
// withdrawal, and of wallet.ErrConflict once a batch holds it.
func (s *Service) Endorse(ctx context.Context, id string, list []wallet.Requester) (v outgoing.Withdrawal, err error) {
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		w, err := s.find(tx, id)
		if err != nil {
			return err
		}
		signed := w.WithdrawalRequest
		signed.RequestedBy = list
		if err := checkRequesters(signed); err != nil {
			return err
		}
		if w, err = s.endorse(tx, w, list); err != nil {
			return err
		}
		v, err = outgoing.ViewWithdrawal(tx, w)
		return err
	})
	return v, err
}

// endorse adds verified signatures to a withdrawal in the store.
func (s *Service) endorse(tx store.Tx, w wallet.Withdrawal, list []wallet.Requester) (wallet.Withdrawal, error) {
	added, err := addRequesters(&w, list)
	if err != nil || added == 0 {
		return w, err
	}
	if w.Status != wallet.WithdrawalRequested && w.Status != wallet.WithdrawalApproved {
		return w, wallet.WithHint(fmt.Errorf("%w: withdrawal %s is %s, and signatures come before a batch holds it", wallet.ErrConflict, w.ID, w.Status),
			"discard its batch, add the signature, and build it again")
	}
	w.UpdatedAt = s.now()
	return w, store.PutWithdrawal(tx, w)
}

// TypedData is what a requester of a withdrawal signs.
func (s *Service) TypedData(ctx context.Context, id string) (data batch.TypedData, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		w, err := s.find(tx, id)
		data = batch.RequestTypedData(w.ID, w.Asset, w.Amount, w.To)
		return err
	})
	return data, err
}
