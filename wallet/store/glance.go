package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// The functions of this file answer quickly on a home with a million addresses
// and years of history: each looks at no more than limit index rows.

// CountPendingDeposits counts the deposits of a chain that are not confirmed,
// up to limit.
func CountPendingDeposits(tx Tx, chain uint64, limit int) (int, error) {
	return countUnder(tx, keyOf(tDepositPnd, chain), limit)
}

// CountWithdrawals counts the withdrawals of a chain in one status, up to limit.
func CountWithdrawals(tx Tx, chain uint64, status wallet.WithdrawalStatus, limit int) (int, error) {
	return countUnder(tx, keyOf(tWithdrawalSt, chain, string(status)), limit)
}

// CountUnopened counts the opening balances of a chain that are still to be
// read, up to limit.
func CountUnopened(tx Tx, chain uint64, limit int) (int, error) {
	return countUnder(tx, keyOf(tAddrOpen, chain), limit)
}

// CountFrozen counts the accounts that are frozen, up to limit.
func CountFrozen(tx Tx, limit int) (int, error) { return countUnder(tx, keyOf(tFrozen), limit) }

func countUnder(tx Tx, prefix []byte, limit int) (n int, err error) {
	err = tx.Scan(under(prefix), func(_, _ []byte) error {
		if n++; n >= limit {
			return Stop
		}
		return nil
	})
	return n, err
}

// LocationsFrom is Locations from the given address on.
func LocationsFrom(tx Tx, chain uint64, from common.Address, fn func(Location) error) error {
	prefix := keyOf(tLocation, chain)
	return tx.Scan(Range{From: keyOf(tLocation, chain, from), To: after(prefix)}, func(k, raw []byte) error {
		a, err := decode[wallet.Amount](k, raw)
		if err != nil {
			return err
		}
		k = k[len(prefix):]
		return fn(Location{common.BytesToAddress(k[:20]), wallet.Token(chain, common.BytesToAddress(k[20:])), a})
	})
}
