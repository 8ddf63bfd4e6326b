package store

import (
	"github.com/airlock-wallet/airlock/wallet"
)

// PutDeposit stores a deposit and its place in the indexes, moving it there
// from where an older version of it stood.
func PutDeposit(tx Tx, d wallet.Deposit) error {
	if old, ok, err := Deposit(tx, d.ID); err != nil {
		return err
	} else if ok {
		for _, k := range depositKeys(old) {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
	}
	for _, k := range depositKeys(d) {
		if err := mark(tx, k); err != nil {
			return err
		}
	}
	return put(tx, keyOf(tDeposit, d.ID), d)
}

func depositKeys(d wallet.Deposit) [][]byte {
	keys := [][]byte{
		keyOf(tDepositLst, d.ChainID, d.BlockNumber, d.ID),
		keyOf(tDepositAct, d.Account, d.ChainID, d.BlockNumber, d.ID),
	}
	if d.Status == wallet.DepositPending {
		keys = append(keys, keyOf(tDepositPnd, d.ChainID, d.BlockNumber, d.ID))
	}
	return keys
}

// Deposit returns a deposit by id; ok is false if there is none.
func Deposit(tx Tx, id string) (d wallet.Deposit, ok bool, err error) {
	return get[wallet.Deposit](tx, keyOf(tDeposit, id))
}

// PendingDeposits returns up to limit deposits of blocks up to and including
// the given one that are pending, oldest first. No limit if it is 0.
func PendingDeposits(tx Tx, chain, upTo uint64, limit int) ([]wallet.Deposit, error) {
	return pendingDeposits(tx, chain, 0, upTo, limit)
}

func pendingDeposits(tx Tx, chain, from, to uint64, limit int) ([]wallet.Deposit, error) {
	r := Range{From: keyOf(tDepositPnd, chain, from), To: keyOf(tDepositPnd, chain, to+1)}
	return depositsOf(tx, r, len(r.From), limit)
}

// DepositsFrom returns all deposits of blocks from the given one on, oldest
// first: what a reorg there undoes.
func DepositsFrom(tx Tx, chain, block uint64) ([]wallet.Deposit, error) {
	prefix := keyOf(tDepositLst, chain)
	return depositsOf(tx, Range{From: keyOf(tDepositLst, chain, block), To: after(prefix)}, len(prefix)+8, 0)
}

// DepositsIn returns all deposits of a block.
func DepositsIn(tx Tx, chain, block uint64) ([]wallet.Deposit, error) {
	skip := len(keyOf(tDepositLst, chain, block))
	return depositsOf(tx, under(keyOf(tDepositLst, chain, block)), skip, 0)
}

// Deposits lists deposits of a chain, newest first, until fn returns Stop. An
// empty account lists all accounts.
func Deposits(tx Tx, chain uint64, account string, fn func(wallet.Deposit) error) error {
	prefix := keyOf(tDepositLst, chain)
	if account != "" {
		prefix = keyOf(tDepositAct, account, chain)
	}
	r := under(prefix)
	r.Reverse = true
	return tx.Scan(r, func(k, _ []byte) error {
		d, _, err := Deposit(tx, text(k[len(prefix)+8:]))
		if err != nil {
			return err
		}
		return fn(d)
	})
}

// depositsOf reads the deposits of an index range whose keys hold the id after
// skip bytes.
func depositsOf(tx Tx, r Range, skip, limit int) (list []wallet.Deposit, err error) {
	err = tx.Scan(r, func(k, _ []byte) error {
		d, _, err := Deposit(tx, text(k[skip:]))
		if err != nil {
			return err
		}
		list = append(list, d)
		if len(list) == limit {
			return Stop
		}
		return nil
	})
	return list, err
}

// text reads the part of a key that ends with a zero byte.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
