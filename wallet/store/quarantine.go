package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// PutUnknownToken marks a block for a token that is not registered.
func PutUnknownToken(tx Tx, u wallet.UnknownToken) error {
	if err := mark(tx, keyOf(tUnknownBlk, u.ChainID, u.BlockNumber, u.Contract)); err != nil {
		return err
	}
	return put(tx, keyOf(tUnknown, u.ChainID, u.Contract, u.BlockNumber), u)
}

// DeleteUnknownToken takes a mark back.
func DeleteUnknownToken(tx Tx, u wallet.UnknownToken) error {
	if err := tx.Delete(keyOf(tUnknownBlk, u.ChainID, u.BlockNumber, u.Contract)); err != nil {
		return err
	}
	return tx.Delete(keyOf(tUnknown, u.ChainID, u.Contract, u.BlockNumber))
}

// UnknownTokens calls fn for the marks of a chain, by contract and block, until
// fn returns Stop. Of one contract if it is not zero.
func UnknownTokens(tx Tx, chain uint64, contract common.Address, fn func(wallet.UnknownToken) error) error {
	prefix := keyOf(tUnknown, chain)
	if contract != (common.Address{}) {
		prefix = keyOf(tUnknown, chain, contract)
	}
	return tx.Scan(under(prefix), func(k, raw []byte) error {
		u, err := decode[wallet.UnknownToken](k, raw)
		if err != nil {
			return err
		}
		return fn(u)
	})
}

// UnknownTokensFrom returns the marks of the blocks from the given one on: what
// a reorg there undoes.
func UnknownTokensFrom(tx Tx, chain, block uint64) (list []wallet.UnknownToken, err error) {
	from := keyOf(tUnknownBlk, chain, block)
	err = tx.Scan(Range{From: from, To: after(keyOf(tUnknownBlk, chain))}, func(k, _ []byte) error {
		n, contract := number(k[len(from)-8:len(from)]), common.BytesToAddress(k[len(from):])
		u, _, err := get[wallet.UnknownToken](tx, keyOf(tUnknown, chain, contract, n))
		list = append(list, u)
		return err
	})
	return list, err
}

// PutUnprovenCoin records coin that could not be proven, in place of what was
// recorded for its block and address.
func PutUnprovenCoin(tx Tx, u wallet.UnprovenCoin) error {
	return put(tx, keyOf(tUnproven, u.ChainID, u.BlockNumber, u.Address), u)
}

// HasUnprovenCoin reports whether coin of a block and address is recorded.
func HasUnprovenCoin(tx Tx, chain, block uint64, a common.Address) (bool, error) {
	return has(tx, keyOf(tUnproven, chain, block, a))
}

// DeleteUnprovenCoin forgets it: it was proven, or its block left the chain.
func DeleteUnprovenCoin(tx Tx, chain, block uint64, a common.Address) error {
	return tx.Delete(keyOf(tUnproven, chain, block, a))
}

// UnprovenCoins calls fn for the coin in quarantine of blocks from the given
// one on, oldest first, until fn returns Stop.
func UnprovenCoins(tx Tx, chain, from uint64, fn func(wallet.UnprovenCoin) error) error {
	r := Range{From: keyOf(tUnproven, chain, from), To: after(keyOf(tUnproven, chain))}
	return tx.Scan(r, func(k, raw []byte) error {
		u, err := decode[wallet.UnprovenCoin](k, raw)
		if err != nil {
			return err
		}
		return fn(u)
	})
}
