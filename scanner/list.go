package scanner

import (
	"context"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Filter chooses deposits.
type Filter struct {
	Status  wallet.DepositStatus // empty for all
	Account string               // empty for all
	Limit   int                  // 0 for no limit
}

// Valid reports whether the status is one that deposits can have, or empty.
func (f Filter) Valid() bool {
	switch f.Status {
	case "", wallet.DepositPending, wallet.DepositConfirmed, wallet.DepositOrphaned:
		return true
	}
	return false
}

// List returns deposits of a chain, newest block first, and whether there are
// more than the limit.
func List(ctx context.Context, db store.DB, chain uint64, f Filter) (rows []DepositRow, more bool, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		rows, more = nil, false
		assets := map[wallet.AssetID]wallet.Asset{}
		return store.Deposits(tx, chain, f.Account, func(d wallet.Deposit) error {
			if f.Status != "" && d.Status != f.Status {
				return nil
			}
			if f.Limit > 0 && len(rows) == f.Limit {
				more = true
				return store.Stop
			}
			asset, known := assets[d.Asset]
			if !known {
				var err error
				if asset, err = store.Asset(tx, d.Asset); err != nil {
					return err
				}
				assets[d.Asset] = asset
			}
			rows = append(rows, RowOf(d, asset))
			return nil
		})
	})
	return rows, more, err
}
