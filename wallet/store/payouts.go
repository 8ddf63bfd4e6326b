package store

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
)

func payToKey(account string, chain uint64, asset *wallet.AssetID) []byte {
	if asset == nil {
		return keyOf(tPayTo, account, chain, uint8(0))
	}
	return keyOf(tPayTo, account, chain, uint8(1), asset.Contract)
}

// PutPayoutAddress sets where an account is paid, and lets payouts of it that
// did not end well be tried again: see LastPayout.
func PutPayoutAddress(tx Tx, a wallet.PayoutAddress) error {
	if err := forgetPayouts(tx, a.Account, a.ChainID, a.Asset); err != nil {
		return err
	}
	return put(tx, payToKey(a.Account, a.ChainID, a.Asset), a)
}

// forgetPayouts forgets the newest payout of an account in an asset, or in each
// of a chain if it is nil, unless it is on its way.
func forgetPayouts(tx Tx, account string, chain uint64, asset *wallet.AssetID) error {
	prefix := keyOf(tPayLast, account, chain)
	if asset != nil {
		prefix = keyOf(tPayLast, account, chain, asset.Contract)
	}
	var over [][]byte
	if err := tx.Scan(under(prefix), func(k, id []byte) error {
		w, _, err := Withdrawal(tx, string(id))
		if err == nil && w.Status.Settled() {
			over = append(over, append([]byte(nil), k...))
		}
		return err
	}); err != nil {
		return err
	}
	for _, k := range over {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// DeletePayoutAddress removes what PutPayoutAddress set for just this asset, or
// for every one if it is nil. ok is false if there was nothing.
func DeletePayoutAddress(tx Tx, account string, chain uint64, asset *wallet.AssetID) (ok bool, err error) {
	key := payToKey(account, chain, asset)
	if ok, err = has(tx, key); err != nil || !ok {
		return false, err
	}
	return true, tx.Delete(key)
}

// PayoutAddressSet returns what was set for just this asset, or for every one if
// it is nil; ok is false if nothing was.
func PayoutAddressSet(tx Tx, account string, chain uint64, asset *wallet.AssetID) (a wallet.PayoutAddress, ok bool, err error) {
	return get[wallet.PayoutAddress](tx, payToKey(account, chain, asset))
}

// PayoutAddressOf returns where an account is paid an asset: the asset's own
// address, or that of every asset. ok is false if there is neither.
func PayoutAddressOf(tx Tx, account string, asset wallet.AssetID) (a wallet.PayoutAddress, ok bool, err error) {
	if a, ok, err = PayoutAddressSet(tx, account, asset.ChainID, &asset); err != nil || ok {
		return a, ok, err
	}
	return PayoutAddressSet(tx, account, asset.ChainID, nil)
}

// PayoutAddresses calls fn for the payout addresses of a chain by account, from
// the one after the given account on, until fn returns Stop.
func PayoutAddresses(tx Tx, chain uint64, afterAccount string, fn func(wallet.PayoutAddress) error) error {
	r := under(keyOf(tPayTo))
	if afterAccount != "" {
		r.From = after(keyOf(tPayTo, afterAccount))
	}
	return payoutAddresses(tx, chain, r, fn)
}

// PayoutAddressesOf is PayoutAddresses for one account.
func PayoutAddressesOf(tx Tx, chain uint64, account string, fn func(wallet.PayoutAddress) error) error {
	return payoutAddresses(tx, chain, under(keyOf(tPayTo, account)), fn)
}

func payoutAddresses(tx Tx, chain uint64, r Range, fn func(wallet.PayoutAddress) error) error {
	return tx.Scan(r, func(k, raw []byte) error {
		a, err := decode[wallet.PayoutAddress](k, raw)
		if err != nil || a.ChainID != chain {
			return err
		}
		return fn(a)
	})
}

// LastPayout returns the newest withdrawal that a payout run made of an account
// in an asset; ok is false if there is none, or if its address was set again
// since it ended.
func LastPayout(tx Tx, account string, asset wallet.AssetID) (w wallet.Withdrawal, ok bool, err error) {
	id, err := tx.Get(keyOf(tPayLast, account, asset.ChainID, asset.Contract))
	if err != nil || id == nil {
		return w, false, err
	}
	return Withdrawal(tx, string(id))
}

// AddPayoutRun records a run and gives it its sequence. Its id must be new.
func AddPayoutRun(tx Tx, r wallet.PayoutRun, payments []wallet.WithdrawalRequest) error {
	if known, err := has(tx, keyOf(tPayRunID, r.ID)); err != nil {
		return err
	} else if known {
		return fmt.Errorf("%w: payout run %s was made before", wallet.ErrConflict, r.ID)
	}
	var err error
	if r.Sequence, err = next(tx, tPayRun); err != nil {
		return err
	}
	for i, p := range payments {
		if err := tx.Put(keyOf(tPayment, p.Asset.ChainID, r.Sequence, uint64(i)), []byte(p.ID)); err != nil { //nolint:gosec // a place in a list
			return err
		}
		if err := tx.Put(keyOf(tPayLast, p.Account, p.Asset.ChainID, p.Asset.Contract), []byte(p.ID)); err != nil {
			return err
		}
	}
	key := keyOf(tPayRun, r.Asset.ChainID, r.Sequence)
	if err := tx.Put(keyOf(tPayRunID, r.ID), key); err != nil {
		return err
	}
	return put(tx, key, r)
}

// NextPayoutRun is the sequence that the next run will get.
func NextPayoutRun(tx Tx) (uint64, error) {
	n, _, err := getNumber(tx, keyOf(tMeta, "seq."+tPayRun))
	return n + 1, err
}

// PayoutRun returns a run by id; ok is false if there is none.
func PayoutRun(tx Tx, id string) (r wallet.PayoutRun, ok bool, err error) {
	key, err := tx.Get(keyOf(tPayRunID, id))
	if err != nil || key == nil {
		return r, false, err
	}
	return get[wallet.PayoutRun](tx, append([]byte(nil), key...))
}

// PayoutRuns calls fn for the runs of a chain, newest first, until fn returns
// Stop.
func PayoutRuns(tx Tx, chain uint64, fn func(wallet.PayoutRun) error) error {
	r := under(keyOf(tPayRun, chain))
	r.Reverse = true
	return tx.Scan(r, func(k, raw []byte) error {
		run, err := decode[wallet.PayoutRun](k, raw)
		if err != nil {
			return err
		}
		return fn(run)
	})
}

// PaymentsOf calls fn for the withdrawals of a run, the largest first, until fn
// returns Stop. fn must not write.
func PaymentsOf(tx Tx, r wallet.PayoutRun, fn func(wallet.Withdrawal) error) error {
	return tx.Scan(under(keyOf(tPayment, r.Asset.ChainID, r.Sequence)), func(_, id []byte) error {
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
