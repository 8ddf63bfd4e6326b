package payout

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Due is an account as the next payout run would find it.
type Due struct {
	Account string
	Amount  wallet.Amount // available
	To      *common.Address
	Code    string // why it would not be paid: one of Unpaid; empty if it would
	Reason  string
}

// Due lists accounts to which something of an asset is available, the one with
// most first, and says of each whether a run with this threshold would pay it, as
// far as the home knows: gates and funds are not looked at. It lists one account
// if it is named, whatever it has; else up to limit, 0 for all, after the given
// account. more says that the limit left some out.
func (s *Service) Due(ctx context.Context, asset wallet.AssetID, threshold wallet.Amount, account, after string, limit int) (list []Due, more bool, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, more = []Due{}, false
		take := func(h store.Holding) error {
			if limit > 0 && len(list) == limit {
				more = true
				return store.Stop
			}
			d, err := s.due(tx, h, asset, threshold)
			list = append(list, d)
			return err
		}
		holding := func(account string) (store.Holding, error) {
			b, err := store.BalanceOf(tx, account, asset)
			return store.Holding{Account: account, Amount: b[wallet.Available]}, err
		}
		if account != "" {
			h, err := holding(account)
			if err != nil {
				return err
			}
			return take(h)
		}
		if after == "" {
			return store.Holdings(tx, asset, nil, wallet.Amount{}, take)
		}
		h, err := holding(after)
		if err != nil {
			return err
		}
		return store.Holdings(tx, asset, &h, wallet.Amount{}, take)
	})
	return list, more, err
}

func (s *Service) due(tx store.Tx, h store.Holding, asset wallet.AssetID, threshold wallet.Amount) (Due, error) {
	d := Due{Account: h.Account, Amount: h.Amount}
	set, ok, err := store.PayoutAddressOf(tx, h.Account, asset)
	if err != nil {
		return d, err
	}
	if ok {
		d.To = &set.To
	}
	_, why, err := s.payee(tx, h, asset)
	if err != nil {
		return d, err
	}
	if h.Amount.Cmp(threshold) < 0 {
		a, err := store.Asset(tx, asset)
		if err != nil {
			return d, err
		}
		why = &Unpaid{Code: UnpaidBelow, Reason: "less than " + a.Format(threshold)}
	}
	if why != nil {
		d.Code, d.Reason = why.Code, why.Reason
	}
	return d, nil
}

// Runs lists up to limit payout runs, newest first; 0 for all. more says that the
// limit left some out.
func (s *Service) Runs(ctx context.Context, limit int) (list []wallet.PayoutRun, more bool, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, more = []wallet.PayoutRun{}, false
		return store.PayoutRuns(tx, s.Chain, func(r wallet.PayoutRun) error {
			if limit > 0 && len(list) == limit {
				more = true
				return store.Stop
			}
			list = append(list, r)
			return nil
		})
	})
	return list, more, err
}

// RunStory is what became of a payout run.
type RunStory struct {
	Run      wallet.PayoutRun
	Statuses map[wallet.WithdrawalStatus]Rest // how many payments, and how much
	Payments []outgoing.Withdrawal            // those in the status that was asked for
}

// ShowRun tells what became of a run, with its payments, largest first: all of
// them, or those in one status.
func (s *Service) ShowRun(ctx context.Context, id string, status wallet.WithdrawalStatus) (story RunStory, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		story = RunStory{Statuses: map[wallet.WithdrawalStatus]Rest{}, Payments: []outgoing.Withdrawal{}}
		run, ok, err := store.PayoutRun(tx, id)
		if err != nil {
			return err
		}
		if !ok || run.Asset.ChainID != s.Chain {
			return wallet.WithHint(wallet.As(wallet.ErrNotFound, "there is no payout run %q on chain %d", id, s.Chain), "airlock payouts list shows them")
		}
		story.Run = run
		return store.PaymentsOf(tx, run, func(w wallet.Withdrawal) error {
			sum := story.Statuses[w.Status]
			story.Statuses[w.Status] = Rest{sum.Accounts + 1, sum.Total.Add(w.Amount)}
			if status != "" && w.Status != status {
				return nil
			}
			v, err := outgoing.ViewWithdrawal(tx, w)
			story.Payments = append(story.Payments, v)
			return err
		})
	})
	return story, err
}

// History lists up to limit withdrawals of an account, newest first, 0 for all,
// from before the one with the given id on; empty for the newest. more says that
// the limit left some out.
func (s *Service) History(ctx context.Context, account, before string, limit int) (list []outgoing.Withdrawal, more bool, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, more = []outgoing.Withdrawal{}, false
		if before != "" {
			if _, err := s.find(tx, before); err != nil {
				return err
			}
		}
		return store.WithdrawalsOf(tx, account, before, func(w wallet.Withdrawal) error {
			if w.Asset.ChainID != s.Chain {
				return nil
			}
			if limit > 0 && len(list) == limit {
				more = true
				return store.Stop
			}
			v, err := outgoing.ViewWithdrawal(tx, w)
			list = append(list, v)
			return err
		})
	})
	return list, more, err
}

// Purse is what an account, or all of them together, has of an asset.
type Purse struct {
	Account string // empty for all together
	Asset   wallet.Asset
	Balance wallet.Balance
	Frozen  string // why the account is frozen
}

// Totals is what all accounts have together, by asset. It reads sums that the
// ledger keeps, however many accounts there are.
func (s *Service) Totals(ctx context.Context) (list []Purse, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list = []Purse{}
		totals, err := store.Totals(tx, s.Chain)
		if err != nil {
			return err
		}
		for _, t := range totals {
			asset, err := store.Asset(tx, t.Asset)
			if err != nil {
				return err
			}
			list = append(list, Purse{Asset: asset, Balance: t.Balance})
		}
		return nil
	})
	return list, err
}

// Purses lists what each account has, by account and asset: of one account if it
// is named, else of up to limit accounts and assets, 0 for all, from the account
// after the given one on. more says that the limit left some out; it never parts
// those of one account.
func (s *Service) Purses(ctx context.Context, account, after string, limit int) (list []Purse, more bool, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, more = []Purse{}, false
		from := account
		if from == "" {
			from = after
		}
		return store.Balances(tx, from, func(b store.OwnerBalance) error {
			if account != "" && b.Owner != account {
				return store.Stop
			}
			if b.Owner == wallet.House || b.Owner == after || b.Asset.ChainID != s.Chain {
				return nil
			}
			if limit > 0 && len(list) >= limit && list[len(list)-1].Account != b.Owner {
				more = true
				return store.Stop
			}
			asset, err := store.Asset(tx, b.Asset)
			if err != nil {
				return err
			}
			frozen, err := store.Frozen(tx, b.Owner)
			list = append(list, Purse{b.Owner, asset, b.Balance, frozen})
			return err
		})
	})
	return list, more, err
}
