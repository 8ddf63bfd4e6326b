package store

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
)

// PutWithdrawal stores a withdrawal. Within a status, withdrawals keep the
// order in which they were first requested.
func PutWithdrawal(tx Tx, w wallet.Withdrawal) error {
	seqKey := keyOf(tWithdrawalSq, w.ID)
	seq, ok, err := getNumber(tx, seqKey)
	if err != nil {
		return err
	}
	if !ok {
		if seq, err = next(tx, tWithdrawal); err != nil {
			return err
		}
		if err := putNumber(tx, seqKey, seq); err != nil {
			return err
		}
		if w.Account != wallet.House {
			if err := tx.Put(keyOf(tWithdrawalAc, w.Account, seq), []byte(w.ID)); err != nil {
				return err
			}
		}
	} else if old, _, err := Withdrawal(tx, w.ID); err != nil {
		return err
	} else if old.Status != w.Status {
		if err := tx.Delete(statusKey(old, seq)); err != nil {
			return err
		}
	}
	if err := tx.Put(statusKey(w, seq), []byte(w.ID)); err != nil {
		return err
	}
	return put(tx, keyOf(tWithdrawal, w.ID), w)
}

func statusKey(w wallet.Withdrawal, seq uint64) []byte {
	return keyOf(tWithdrawalSt, w.Asset.ChainID, string(w.Status), seq)
}

// Withdrawal returns a withdrawal by id; ok is false if there is none.
func Withdrawal(tx Tx, id string) (w wallet.Withdrawal, ok bool, err error) {
	return get[wallet.Withdrawal](tx, keyOf(tWithdrawal, id))
}

// WithdrawalsOf calls fn for the withdrawals of an account on all chains, newest
// request first, until fn returns Stop. They begin before the one with the given
// id; an empty id begins with the newest. fn must not write.
func WithdrawalsOf(tx Tx, account, before string, fn func(wallet.Withdrawal) error) error {
	r := under(keyOf(tWithdrawalAc, account))
	r.Reverse = true
	if before != "" {
		seq, ok, err := getNumber(tx, keyOf(tWithdrawalSq, before))
		if err != nil || !ok {
			return err
		}
		r.To = keyOf(tWithdrawalAc, account, seq)
	}
	return tx.Scan(r, func(_, id []byte) error {
		w, ok, err := Withdrawal(tx, string(id))
		if err == nil && !ok {
			err = fmt.Errorf("store: withdrawal %q is in an index only", id)
		}
		if err != nil {
			return err
		}
		return fn(w)
	})
}

// Withdrawals calls fn for the withdrawals of a chain in one status, in the
// order of their requests, until fn returns Stop. fn must not write.
func Withdrawals(tx Tx, chain uint64, status wallet.WithdrawalStatus, fn func(wallet.Withdrawal) error) error {
	return tx.Scan(under(keyOf(tWithdrawalSt, chain, string(status))), func(_, id []byte) error {
		w, ok, err := Withdrawal(tx, string(id))
		if err == nil && !ok {
			err = fmt.Errorf("store: withdrawal %q is in an index only", id)
		}
		if err != nil {
			return err
		}
		return fn(w)
	})
}
