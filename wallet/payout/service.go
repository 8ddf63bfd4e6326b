package payout

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Service works on the withdrawals of one chain of a home.
type Service struct {
	DB    store.DB
	Chain uint64
	Now   func() time.Time
	// Terms are how transactions are offered; zero is outgoing.DefaultTerms.
	Terms outgoing.Terms
	// Offered, if set, hears how many transactions Offer and Confirm have
	// offered so far.
	Offered func(done int)
}

// Node is what building asks of a chain.
type Node interface {
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
	NonceAt(ctx context.Context, account common.Address, number *big.Int) (uint64, error)
	BalanceAtHash(ctx context.Context, account common.Address, block common.Hash) (*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
	EstimateGas(ctx context.Context, msg ethereum.CallMsg) (uint64, error)
	CodeAt(ctx context.Context, account common.Address, number *big.Int) ([]byte, error)
	CallContract(ctx context.Context, msg ethereum.CallMsg, number *big.Int) ([]byte, error)
}

// chunk is how many records one transaction of the store changes at most, so
// that others get their turn.
const chunk = 500

func (s *Service) now() time.Time { return s.Now().UTC() }

// Request asks for a withdrawal and sets aside what it pays. The same request
// again is the same withdrawal, whatever became of it, with the signatures that
// it brings added as by Endorse; another one under its id is wallet.ErrConflict.
// What can never be paid, or was signed by somebody as something else, is of
// class wallet.ErrUsage; too little available is store.ErrInsufficient.
func (s *Service) Request(ctx context.Context, r wallet.WithdrawalRequest) (v outgoing.Withdrawal, err error) {
	if err := checkRequesters(r); err != nil {
		return v, err
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		w, err := s.request(tx, r)
		if err != nil {
			return err
		}
		v, err = outgoing.ViewWithdrawal(tx, w)
		return err
	})
	return v, err
}

// request is Request for a request whose signatures were verified.
func (s *Service) request(tx store.Tx, r wallet.WithdrawalRequest) (w wallet.Withdrawal, err error) {
	if err := checkWords(r); err != nil {
		return w, err
	}
	w, known, err := store.Withdrawal(tx, r.ID)
	if err != nil {
		return w, err
	}
	if known {
		if !w.Same(r) {
			return w, wallet.WithHint(fmt.Errorf("%w: withdrawal %s was requested before with other content", wallet.ErrConflict, r.ID),
				"airlock withdraw show %s tells what it was; a new payment needs a new id", r.ID)
		}
		return s.endorse(tx, w, r.RequestedBy)
	}
	if r.Asset.ChainID != s.Chain {
		return w, wallet.As(wallet.ErrUsage, "withdrawal %s: %s is not of chain %d", r.ID, r.Asset, s.Chain)
	}
	if r.Amount.Sign() <= 0 {
		return w, wallet.As(wallet.ErrUsage, "withdrawal %s: amount %s: want more than zero", r.ID, r.Amount)
	}
	asset, err := store.Asset(tx, r.Asset)
	if errors.Is(err, wallet.ErrNotFound) {
		return w, wallet.WithHint(wallet.As(wallet.ErrUsage, "withdrawal %s: %w", r.ID, err), "%s", wallet.Hint(err))
	}
	if err != nil {
		return w, err
	}
	if err := checkRecipient(tx, s.Chain, r.To); err != nil {
		return w, fmt.Errorf("withdrawal %s: %w", r.ID, err)
	}
	if err := checkAccount(tx, r.Account); err != nil {
		return w, fmt.Errorf("withdrawal %s: %w", r.ID, err)
	}
	w = wallet.Withdrawal{WithdrawalRequest: r, Status: wallet.WithdrawalRequested, RequestedAt: s.now(), UpdatedAt: s.now()}
	w.RequestedBy = nil
	if _, err := addRequesters(&w, r.RequestedBy); err != nil {
		return w, err
	}
	if err := freeze(tx, w, asset); err != nil {
		return w, err
	}
	return w, store.PutWithdrawal(tx, w)
}

func checkWords(r wallet.WithdrawalRequest) error {
	if err := wallet.CheckID("withdrawal id", r.ID); err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	if r.Account != wallet.House {
		if err := wallet.CheckID("account", r.Account); err != nil {
			return wallet.As(wallet.ErrUsage, "withdrawal %s: %w", r.ID, err)
		}
	}
	if r.Order != "" {
		if err := wallet.CheckID("order", r.Order); err != nil {
			return wallet.As(wallet.ErrUsage, "withdrawal %s: %w", r.ID, err)
		}
	}
	if len(r.Memo) > maxMemo {
		return wallet.As(wallet.ErrUsage, "withdrawal %s: memo of %d bytes: want at most %d", r.ID, len(r.Memo), maxMemo)
	}
	return nil
}

// maxMemo bounds a memo, in bytes.
const maxMemo = 1024

// checkRecipient refuses places from which what was sent never comes back, and
// our own addresses that no customer is paid at. A deposit address of ours is
// a good recipient: what it gets is a deposit.
func checkRecipient(tx store.Tx, chain uint64, to common.Address) error {
	if (to == common.Address{}) {
		return wallet.As(wallet.ErrUsage, "recipient %s is the zero address: what it gets is lost", to)
	}
	if token, err := store.IsToken(tx, chain, to); err != nil {
		return err
	} else if token {
		return wallet.WithHint(wallet.As(wallet.ErrUsage, "recipient %s is a token contract: what it gets is lost", to), "ask the recipient for an address of their own")
	}
	ours, ok, err := store.OurAddress(tx, to)
	if err != nil || !ok || ours.Role == wallet.DepositRole {
		return err
	}
	return wallet.WithHint(wallet.As(wallet.ErrUsage, "recipient %s is our own %s address", to, ours.Role), "a withdrawal pays somebody else, or a deposit address of an account")
}

func checkAccount(tx store.Tx, account string) error {
	if account == wallet.House {
		return nil
	}
	why, err := store.Frozen(tx, account)
	if err != nil || why == "" {
		return err
	}
	return wallet.WithHint(fmt.Errorf("%w: account %s is frozen: %s", wallet.ErrConflict, account, why), "airlock ledger balances --account %s shows what it owes", account)
}

// freeze sets aside what a withdrawal pays and says in the asset's own units
// what is missing.
func freeze(tx store.Tx, w wallet.Withdrawal, asset wallet.Asset) error {
	if w.Account == wallet.House {
		return nil
	}
	have, err := store.BalanceOf(tx, w.Account, w.Asset)
	if err != nil {
		return err
	}
	if have[wallet.Available].Cmp(w.Amount) < 0 {
		return wallet.WithHint(
			fmt.Errorf("withdrawal %s: %w: account %s has %s, and %s is asked for", w.ID, store.ErrInsufficient, w.Account, asset.Format(have[wallet.Available]), asset.Format(w.Amount)),
			"airlock ledger balances --account %s shows what is available; deposits count once they are confirmed", w.Account)
	}
	return outgoing.Freeze(tx, w, w.RequestedAt)
}

// Approve lets withdrawals be built: all of them, or none and an error. One
// that is approved or further already stays as it is.
func (s *Service) Approve(ctx context.Context, ids []string) ([]outgoing.Withdrawal, error) {
	return s.change(ctx, ids, func(tx store.Tx, w *wallet.Withdrawal) (bool, error) {
		switch w.Status {
		case wallet.WithdrawalRequested:
			if err := checkAccount(tx, w.Account); err != nil {
				return false, fmt.Errorf("withdrawal %s: %w", w.ID, err)
			}
			w.Status = wallet.WithdrawalApproved
			return true, nil
		case wallet.WithdrawalRejected, wallet.WithdrawalFailed, wallet.WithdrawalCanceled:
			return false, wallet.WithHint(fmt.Errorf("%w: withdrawal %s is %s", wallet.ErrConflict, w.ID, w.Status), "a new payment needs a new id")
		}
		if canceling, err := outgoing.Canceling(tx, w); err != nil || !canceling {
			return false, err
		}
		return false, wallet.WithHint(fmt.Errorf("%w: withdrawal %s is %s", wallet.ErrConflict, w.ID, w.Reason), "that cannot be taken back; a new payment needs a new id")
	})
}

// Reject refuses withdrawals that were not built yet and gives back what was
// set aside: all of them, or none and an error. Once a batch was written a
// signed copy may exist, and only the chain can free the funds.
func (s *Service) Reject(ctx context.Context, ids []string, reason string) ([]outgoing.Withdrawal, error) {
	if reason == "" || len(reason) > maxMemo {
		return nil, wallet.As(wallet.ErrUsage, "want a reason of 1 to %d bytes", maxMemo)
	}
	return s.change(ctx, ids, func(tx store.Tx, w *wallet.Withdrawal) (bool, error) {
		switch {
		case w.Status == wallet.WithdrawalRejected:
			return false, nil
		case w.Slot != nil:
			return false, wallet.WithHint(
				fmt.Errorf("%w: withdrawal %s is %s and bound to nonce %d of %s", wallet.ErrConflict, w.ID, w.Status, w.Slot.Nonce, w.Slot.Sender),
				"it may have been signed, so its funds stay set aside until the chain has decided that nonce: airlock withdraw cancel %s has it taken by something else", w.ID)
		case w.Status != wallet.WithdrawalRequested && w.Status != wallet.WithdrawalApproved:
			return false, fmt.Errorf("%w: withdrawal %s is %s", wallet.ErrConflict, w.ID, w.Status)
		}
		if err := outgoing.CheckUnclaimed(tx, w); err != nil {
			return false, err
		}
		w.Status, w.Reason, w.UpdatedAt = wallet.WithdrawalRejected, reason, s.now()
		if err := outgoing.Release(tx, *w, s.now()); err != nil {
			return false, err
		}
		return true, outgoing.EmitWithdrawal(tx, wallet.WithdrawalRejectedEvent, *w, s.now())
	})
}

// change applies fn to withdrawals in one transaction.
func (s *Service) change(ctx context.Context, ids []string, fn func(store.Tx, *wallet.Withdrawal) (bool, error)) (views []outgoing.Withdrawal, err error) {
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		views = nil
		for _, id := range ids {
			w, err := s.find(tx, id)
			if err != nil {
				return err
			}
			changed, err := fn(tx, &w)
			if err != nil {
				return err
			}
			if changed {
				w.UpdatedAt = s.now()
				if err := store.PutWithdrawal(tx, w); err != nil {
					return err
				}
			}
			v, err := outgoing.ViewWithdrawal(tx, w)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return views, nil
}

// find returns a withdrawal of the service's chain.
func (s *Service) find(tx store.Tx, id string) (wallet.Withdrawal, error) {
	w, ok, err := store.Withdrawal(tx, id)
	if err != nil {
		return w, err
	}
	if !ok {
		return w, wallet.WithHint(wallet.As(wallet.ErrNotFound, "there is no withdrawal %q", id), "airlock withdraw list shows them")
	}
	if w.Asset.ChainID != s.Chain {
		return w, wallet.As(wallet.ErrUsage, "withdrawal %s is of chain %d, not %d", id, w.Asset.ChainID, s.Chain)
	}
	return w, nil
}

// Show returns one withdrawal. For one that is on its way it fills in why it
// is where it is.
func (s *Service) Show(ctx context.Context, id string) (v outgoing.Withdrawal, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		w, err := s.find(tx, id)
		if err != nil {
			return err
		}
		v, err = outgoing.ViewWithdrawal(tx, w)
		return err
	})
	return v, err
}

// Statuses lists every status of a withdrawal in the order of its life.
func Statuses() []wallet.WithdrawalStatus {
	return []wallet.WithdrawalStatus{
		wallet.WithdrawalRequested, wallet.WithdrawalApproved, wallet.WithdrawalBuilt, wallet.WithdrawalSigned,
		wallet.WithdrawalBroadcast, wallet.WithdrawalMined, wallet.WithdrawalConfirmed, wallet.WithdrawalFailed,
		wallet.WithdrawalRejected, wallet.WithdrawalCanceled,
	}
}

// Filter chooses withdrawals.
type Filter struct {
	Status wallet.WithdrawalStatus // empty for all, in the order of Statuses
	After  string                  // id of the last one of the page before
	Limit  int                     // 0 for no limit
}

// List returns withdrawals by status, each status in the order of requests.
func (s *Service) List(ctx context.Context, f Filter) (views []outgoing.Withdrawal, err error) {
	statuses := Statuses()
	if f.Status != "" {
		statuses = []wallet.WithdrawalStatus{f.Status}
	}
	err = s.DB.View(ctx, func(tx store.Tx) error {
		views = []outgoing.Withdrawal{}
		var from wallet.Withdrawal
		if f.After != "" {
			if from, err = s.find(tx, f.After); err != nil {
				return err
			}
		}
		skip := f.After != "" && f.Status == ""
		for _, status := range statuses {
			if skip && status != from.Status {
				continue
			}
			after := ""
			if skip || f.Status != "" {
				after = f.After
			}
			skip = false
			if err := store.WithdrawalsAfter(tx, s.Chain, status, after, func(w wallet.Withdrawal) error {
				v, err := outgoing.ViewWithdrawal(tx, w)
				if err != nil {
					return err
				}
				views = append(views, v)
				if len(views) == f.Limit {
					return store.Stop
				}
				return nil
			}); err != nil {
				return err
			}
			if f.Limit > 0 && len(views) == f.Limit {
				return nil
			}
		}
		return nil
	})
	return views, err
}
