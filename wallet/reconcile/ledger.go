package reconcile

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// adjustment is what turns the location balances of now into those of a block.
type adjustment struct {
	change map[store.Place]wallet.Amount
	// late are the places that were opened in a later block: what lay there at
	// the block is not known to the ledger.
	late map[store.Place]bool
}

// adjust reads what separates the ledger from the given block. It must run in
// the transaction that reads the location balances.
func adjust(tx store.Tx, chain, block uint64) (adjustment, error) {
	a := adjustment{late: map[store.Place]bool{}}
	var err error
	if a.change, err = store.Unbooked(tx, chain, block); err != nil {
		return a, err
	}
	later, err := store.EntriesAbove(tx, chain, block)
	for _, e := range later {
		for _, p := range e.Postings {
			if p.Location == wallet.Outside {
				continue
			}
			at := store.Place{Address: p.Location, Asset: p.Asset}
			a.change[at] = a.change[at].Sub(p.Amount)
			if e.Kind == wallet.EntryOpening {
				a.late[at] = true
			}
		}
	}
	return a, err
}

// ledgerAt is what the ledger says lay at a place at the adjustment's block, or
// nil if that cannot be known yet.
func ledgerAt(tx store.Tx, adj adjustment, a common.Address, asset wallet.AssetID) (*wallet.Amount, error) {
	at := store.Place{Address: a, Asset: asset}
	unopened, err := store.IsUnopened(tx, store.Unopened{Address: a, Asset: asset})
	if err != nil || unopened || adj.late[at] {
		return nil, err
	}
	now, err := store.LocationBalance(tx, a, asset)
	then := now.Add(adj.change[at])
	return &then, err
}
