package store

import (
	"errors"
	"fmt"

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

// UnknownTokensDown is UnknownTokens of one contract from the newest block
// down.
func UnknownTokensDown(tx Tx, chain uint64, contract common.Address, fn func(wallet.UnknownToken) error) error {
	r := under(keyOf(tUnknown, chain, contract))
	r.Reverse = true
	return tx.Scan(r, func(k, raw []byte) error {
		u, err := decode[wallet.UnknownToken](k, raw)
		if err != nil {
			return err
		}
		return fn(u)
	})
}

// UnknownContracts calls fn for the contracts that have marks, in the order of
// their addresses, until fn returns Stop. It looks at one mark of each.
func UnknownContracts(tx Tx, chain uint64, fn func(common.Address) error) error {
	prefix := keyOf(tUnknown, chain)
	for r := under(prefix); ; {
		var contract common.Address
		found := false
		err := tx.Scan(r, func(k, _ []byte) error {
			found, contract = true, common.BytesToAddress(k[len(prefix):len(prefix)+20])
			return Stop
		})
		if err != nil || !found {
			return err
		}
		if err := fn(contract); err != nil {
			if errors.Is(err, Stop) {
				return nil
			}
			return err
		}
		r.From = after(keyOf(tUnknown, chain, contract))
	}
}

// CountUnknownContracts counts the contracts that have marks, up to limit.
func CountUnknownContracts(tx Tx, chain uint64, limit int) (n int, err error) {
	err = UnknownContracts(tx, chain, func(common.Address) error {
		if n++; n >= limit {
			return Stop
		}
		return nil
	})
	return n, err
}

// CountUnknownBlocks counts the marks of a contract, up to limit.
func CountUnknownBlocks(tx Tx, chain uint64, contract common.Address, limit int) (int, error) {
	return countUnder(tx, keyOf(tUnknown, chain, contract), limit)
}

// UnknownTokensAt returns the marks of a block.
func UnknownTokensAt(tx Tx, chain, block uint64) ([]wallet.UnknownToken, error) {
	return unknownTokens(tx, chain, under(keyOf(tUnknownBlk, chain, block)))
}

// UnknownTokensFrom returns the marks of the blocks from the given one on: what
// a reorg there undoes.
func UnknownTokensFrom(tx Tx, chain, block uint64) ([]wallet.UnknownToken, error) {
	return unknownTokens(tx, chain, Range{From: keyOf(tUnknownBlk, chain, block), To: after(keyOf(tUnknownBlk, chain))})
}

// unknownTokens returns the marks of a range of the index by block.
func unknownTokens(tx Tx, chain uint64, r Range) (list []wallet.UnknownToken, err error) {
	prefix := len(keyOf(tUnknownBlk, chain))
	err = tx.Scan(r, func(k, _ []byte) error {
		n, contract := number(k[prefix:]), common.BytesToAddress(k[prefix+8:])
		u, ok, err := get[wallet.UnknownToken](tx, keyOf(tUnknown, chain, contract, n))
		if err == nil && !ok {
			err = fmt.Errorf("store: the mark of token %s in block %d is in an index only", contract, n)
		}
		list = append(list, u)
		return err
	})
	return list, err
}

// MarkTokenDue notes that a token was registered after blocks were marked for
// it: they are to be read again.
func MarkTokenDue(tx Tx, chain uint64, contract common.Address) error {
	return mark(tx, keyOf(tUnknownDue, chain, contract))
}

// IsTokenDue reports whether marked blocks of a token are to be read again.
func IsTokenDue(tx Tx, chain uint64, contract common.Address) (bool, error) {
	return has(tx, keyOf(tUnknownDue, chain, contract))
}

// TokensDue returns the tokens whose marked blocks are to be read again.
func TokensDue(tx Tx, chain uint64) (list []common.Address, err error) {
	prefix := keyOf(tUnknownDue, chain)
	err = tx.Scan(under(prefix), func(k, _ []byte) error {
		list = append(list, common.BytesToAddress(k[len(prefix):]))
		return nil
	})
	return list, err
}

// MarkTokenDone notes that none of them is left.
func MarkTokenDone(tx Tx, chain uint64, contract common.Address) error {
	return tx.Delete(keyOf(tUnknownDue, chain, contract))
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

// CountUnprovenCoins counts the records of coin in quarantine, up to limit.
func CountUnprovenCoins(tx Tx, chain uint64, limit int) (int, error) {
	return countUnder(tx, keyOf(tUnproven, chain), limit)
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
