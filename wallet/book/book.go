// Package book keeps what an operator writes into a home by hand: its chains,
// the watch file and the addresses derived from it, the tokens that count, and
// what moves between the house and its accounts without touching a chain.
//
// Methods own the transaction. Each is safe to repeat: what is there already
// in the same words is left as it is, and what contradicts it is an error of
// wallet.ErrConflict.
package book

import (
	"context"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Book writes into one home.
type Book struct {
	DB  store.DB
	Now func() time.Time
}

// step is how many addresses one transaction writes: at about a tenth of a
// second, other processes hardly notice.
const step = 5_000

// AddChain adds a chain to the home. Addresses that the home has already are
// to be opened on it; with many of them that takes several transactions, and
// the chain appears with the last.
func (b *Book) AddChain(ctx context.Context, c wallet.Chain) error {
	coin := wallet.Coin(c.ID)
	for from, done := uint32(0), false; !done; {
		err := b.DB.Update(ctx, func(tx store.Tx) error {
			if err := CheckNewChain(tx, c.ID); err != nil {
				return err
			}
			var err error
			if from, done, err = openFrom(tx, coin, wallet.DepositRole, from, step); err != nil || !done {
				return err
			}
			for _, role := range wallet.AddressRoles() {
				if role == wallet.DepositRole {
					continue
				}
				if _, _, err := openFrom(tx, coin, role, 0, 0); err != nil {
					return err
				}
			}
			return store.PutChain(tx, c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckNewChain fails with wallet.ErrConflict if the home has a chain already.
func CheckNewChain(tx store.Tx, id uint64) error {
	chains, err := store.Chains(tx)
	for _, have := range chains {
		if have.ID == id {
			return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d is in this home already", id), "airlock chain list shows its settings")
		}
	}
	return err
}

// openFrom marks up to limit addresses of a role, from an index on, for their
// opening balance to be read. It returns the index after the last, and whether
// there are no more. No limit if it is 0.
func openFrom(tx store.Tx, asset wallet.AssetID, role wallet.Role, from uint32, limit int) (next uint32, all bool, err error) {
	next, all = from, true
	var list []wallet.Address
	if err := store.EachAddress(tx, role, from, func(a wallet.Address) error {
		if limit > 0 && len(list) == limit {
			all = false
			return store.Stop
		}
		list = append(list, a)
		next = a.Path.Index + 1
		return nil
	}); err != nil {
		return from, false, err
	}
	for _, a := range list {
		if err := store.MarkUnopened(tx, a.Address, asset); err != nil {
			return from, false, err
		}
	}
	return next, all, nil
}
