package scanner

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// UnknownRow is a contract that nobody had registered when blocks were read in
// which its Transfer logs name addresses of ours.
type UnknownRow struct {
	Contract common.Address
	Blocks   uint64 // that are marked
	Logs     uint64 // in them
	First    uint64 // of the blocks
	Last     uint64
	Due      bool // it was registered since: the next pass reads the blocks again
}

// Quarantine chooses what of a chain's quarantine to list.
type Quarantine struct {
	Contract common.Address // the blocks of this one, each in a row; zero for all
	Limit    int            // of rows of each kind; 0 for no limit
}

// Unknown lists the contracts that nobody registered, by their addresses, and
// says whether there are more than the limit.
func (q Quarantine) Unknown(ctx context.Context, db store.DB, chain uint64) (rows []UnknownRow, more bool, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		rows, more = nil, false
		if q.Contract != (common.Address{}) {
			return q.eachBlock(tx, chain, &rows, &more)
		}
		return store.UnknownContracts(tx, chain, func(contract common.Address) error {
			if q.full(len(rows)) {
				more = true
				return store.Stop
			}
			row := UnknownRow{Contract: contract}
			err := store.UnknownTokens(tx, chain, contract, func(u wallet.UnknownToken) error {
				row.add(u)
				return nil
			})
			if err != nil {
				return err
			}
			row.Due, err = store.IsTokenDue(tx, chain, contract)
			rows = append(rows, row)
			return err
		})
	})
	return rows, more, err
}

func (q Quarantine) eachBlock(tx store.Tx, chain uint64, rows *[]UnknownRow, more *bool) error {
	due, err := store.IsTokenDue(tx, chain, q.Contract)
	if err != nil {
		return err
	}
	return store.UnknownTokens(tx, chain, q.Contract, func(u wallet.UnknownToken) error {
		if q.full(len(*rows)) {
			*more = true
			return store.Stop
		}
		row := UnknownRow{Contract: u.Contract, Due: due}
		row.add(u)
		*rows = append(*rows, row)
		return nil
	})
}

// Coins lists the coin that could not be proven, oldest block first, and says
// whether there is more than the limit.
func (q Quarantine) Coins(ctx context.Context, db store.DB, chain uint64) (rows []wallet.UnprovenCoin, more bool, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		rows, more = nil, false
		return store.UnprovenCoins(tx, chain, 0, func(u wallet.UnprovenCoin) error {
			if q.full(len(rows)) {
				more = true
				return store.Stop
			}
			rows = append(rows, u)
			return nil
		})
	})
	return rows, more, err
}

func (q Quarantine) full(rows int) bool { return q.Limit > 0 && rows >= q.Limit }

// add counts a mark; they come in the order of their blocks.
func (r *UnknownRow) add(u wallet.UnknownToken) {
	if r.Blocks == 0 {
		r.First = u.BlockNumber
	}
	r.Blocks, r.Logs, r.Last = r.Blocks+1, r.Logs+u.Logs, u.BlockNumber
}

// putUnproven puts coin of one block that nobody could prove into quarantine, as
// long as there is room. What has none is left to the comparison of balances, as
// if nobody had traced the block: the trace may be a lie about all our addresses
// in each block.
func (s *Scanner) putUnproven(tx store.Tx, list []wallet.UnprovenCoin) error {
	if len(list) == 0 {
		return nil
	}
	have, err := store.CountUnprovenCoins(tx, s.id, s.o.MaxUnproven)
	if err != nil {
		return err
	}
	for _, u := range list {
		known, err := store.HasUnprovenCoin(tx, s.id, u.BlockNumber, u.Address)
		if err != nil {
			return err
		}
		if !known && have >= s.o.MaxUnproven {
			return s.noteUntraced(tx, u.BlockNumber)
		}
		if !known {
			have++
		}
		if err := store.PutUnprovenCoin(tx, u); err != nil {
			return err
		}
	}
	return nil
}
