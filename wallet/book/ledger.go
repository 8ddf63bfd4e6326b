package book

import (
	"context"
	"errors"
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Transfer moves what is available to one owner to another, without touching a
// chain.
type Transfer struct {
	ID       string // the caller's, unique for ever among credits, and among transfers
	From, To string // accounts
	Asset    wallet.AssetID
	Amount   wallet.Amount // above zero
	Memo     string
}

// Booked is an entry of the ledger.
type Booked struct {
	Entry   wallet.Entry
	Already bool          // it was booked before
	Left    wallet.Amount // what is now available to the giver; may be negative for the house
}

// Credit gives an account funds of the house, which may thereby owe more than
// it has.
func (b *Book) Credit(ctx context.Context, t Transfer) (Booked, error) {
	t.From = wallet.House
	return b.book(ctx, wallet.EntryCredit, t)
}

// Transfer moves funds from one account to another, at most what is available
// to the first. A frozen account gives nothing.
func (b *Book) Transfer(ctx context.Context, t Transfer) (Booked, error) {
	if err := checkGiver(t); err != nil {
		return Booked{}, wallet.As(wallet.ErrUsage, "%w", err)
	}
	return b.book(ctx, wallet.EntryTransfer, t)
}

func (b *Book) book(ctx context.Context, kind wallet.EntryKind, t Transfer) (done Booked, err error) {
	if err := t.check(); err != nil {
		return Booked{}, wallet.As(wallet.ErrUsage, "%w", err)
	}
	err = b.DB.Update(ctx, func(tx store.Tx) (err error) {
		done, err = b.bookIn(tx, kind, t)
		return err
	})
	return done, err
}

// bookIn is book for a transfer that was checked, in the caller's transaction.
func (b *Book) bookIn(tx store.Tx, kind wallet.EntryKind, t Transfer) (done Booked, err error) {
	e := wallet.Entry{
		ID:      string(kind) + ":" + t.ID,
		ChainID: t.Asset.ChainID,
		Kind:    kind,
		Ref:     t.Memo,
		Time:    b.Now().UTC(),
		Postings: wallet.Move(t.Asset, t.Amount,
			wallet.Posting{Location: wallet.Outside, Owner: t.From, Book: wallet.Available},
			wallet.Posting{Location: wallet.Outside, Owner: t.To, Book: wallet.Available}),
	}
	have, known, err := store.EntryByID(tx, e.ID)
	if err != nil {
		return done, err
	}
	if known {
		done = Booked{Entry: have, Already: true}
	} else {
		done = Booked{Entry: e}
		if err := notFrozen(tx, t.From); err != nil {
			return done, err
		}
		if err := t.covered(tx); err != nil {
			return done, err
		}
	}
	if err := store.Book(tx, e); known && errors.Is(err, wallet.ErrConflict) {
		return done, wallet.WithHint(err, "airlock ledger entries shows what it was; another movement needs another id")
	} else if err != nil {
		return done, err
	}
	left, err := store.BalanceOf(tx, t.From, t.Asset)
	done.Left = left[wallet.Available]
	return done, err
}

// checkGiver refuses what can be no transfer between two accounts.
func checkGiver(t Transfer) error {
	if err := wallet.CheckID("account", t.From); err != nil {
		return err
	}
	if t.From == t.To {
		return fmt.Errorf("account %s: a transfer to itself moves nothing", t.From)
	}
	return nil
}

// covered refuses, in words for people, what the ledger would refuse.
func (t Transfer) covered(tx store.Tx) error {
	have, err := store.BalanceOf(tx, t.From, t.Asset)
	if err != nil || t.From == wallet.House || have[wallet.Available].Cmp(t.Amount) >= 0 {
		return err
	}
	asset, err := store.Asset(tx, t.Asset)
	if err != nil {
		return err
	}
	return wallet.WithHint(
		fmt.Errorf("%w: account %s has %s, and %s is to be moved", store.ErrInsufficient, t.From, asset.Format(have[wallet.Available]), asset.Format(t.Amount)),
		"airlock ledger balances --account %s shows what is available", t.From)
}

func (t Transfer) check() error {
	if err := wallet.CheckID("id", t.ID); err != nil {
		return err
	}
	if err := wallet.CheckID("account", t.To); err != nil {
		return err
	}
	if t.Amount.Sign() <= 0 {
		return fmt.Errorf("amount %s: want more than zero", t.Amount)
	}
	return checkMemo(t.Memo)
}

func checkMemo(memo string) error {
	if len(memo) > 500 {
		return fmt.Errorf("memo: %d bytes, want at most 500", len(memo))
	}
	return nil
}

func notFrozen(tx store.Tx, account string) error {
	if account == wallet.House {
		return nil
	}
	reason, err := store.Frozen(tx, account)
	if err != nil || reason == "" {
		return err
	}
	return wallet.WithHint(wallet.As(wallet.ErrConflict, "account %s is frozen: it %s", account, reason),
		"airlock ledger balances --account %s shows what it owes", account)
}

// Standing is what an owner has of an asset.
type Standing struct {
	Owner   string // House for the house
	Asset   wallet.Asset
	Balance wallet.Balance
	Frozen  string // why the account is frozen
}

// Standings lists what each owner has on a chain, by owner and asset; only
// those of one account if one is named.
func (b *Book) Standings(ctx context.Context, chain uint64, account string) (list []Standing, err error) {
	err = b.DB.View(ctx, func(tx store.Tx) error {
		list = nil
		return store.Balances(tx, account, func(o store.OwnerBalance) error {
			if account != "" && o.Owner != account {
				return store.Stop
			}
			if o.Asset.ChainID != chain {
				return nil
			}
			asset, err := store.Asset(tx, o.Asset)
			if err != nil {
				return err
			}
			frozen, err := store.Frozen(tx, o.Owner)
			if err != nil {
				return err
			}
			list = append(list, Standing{o.Owner, asset, o.Balance, frozen})
			return nil
		})
	})
	return list, err
}

// Entries lists up to limit entries of a chain, newest first; only those that
// touch one account if one is named. more says that the limit left some out.
func (b *Book) Entries(ctx context.Context, chain uint64, account string, limit int) (list []wallet.Entry, more bool, err error) {
	err = b.DB.View(ctx, func(tx store.Tx) error {
		list, more = nil, false
		take := func(e wallet.Entry) error {
			if e.ChainID != chain {
				return nil
			}
			if limit > 0 && len(list) == limit {
				more = true
				return store.Stop
			}
			list = append(list, e)
			return nil
		}
		if account != "" {
			return store.EntriesOf(tx, account, take)
		}
		return store.Entries(tx, take)
	})
	return list, more, err
}
