package store

import (
	"math/big"

	"github.com/airlock-wallet/airlock/wallet"
)

// The functions of this file answer what a home with millions of accounts wants
// to know of all of them, without reading each: how much they have together, and
// which of them have most.

// summarize keeps the sums over all accounts, and the order of accounts by what
// is available to them, up to date with a posting after which the balance that it
// moved is now.
func summarize(tx Tx, p wallet.Posting, now wallet.Amount) error {
	if p.Owner == wallet.House || p.Book > wallet.Paid {
		return nil
	}
	if _, err := addAmount(tx, keyOf(tBalTotal, p.Asset.ChainID, p.Asset.Contract, uint8(p.Book)), p.Amount); err != nil {
		return err
	}
	if p.Book != wallet.Available {
		return nil
	}
	was := now.Sub(p.Amount)
	if was.Sign() > 0 {
		if err := tx.Delete(holdingKey(Holding{p.Owner, was}, p.Asset)); err != nil {
			return err
		}
	}
	if now.Sign() <= 0 {
		return nil
	}
	return mark(tx, holdingKey(Holding{p.Owner, now}, p.Asset))
}

// Holding is what is available to an account of one asset; more than zero.
type Holding struct {
	Account string
	Amount  wallet.Amount
}

// holdingKey sorts by amount, then by account.
func holdingKey(h Holding, asset wallet.AssetID) []byte {
	return append(amountKey(h.Amount, asset), h.Account...)
}

// amountKey is below the keys of all who have as much or more: the number of
// bytes of the amount, then its bytes.
func amountKey(a wallet.Amount, asset wallet.AssetID) []byte {
	digits := a.Big().Bytes()                                                                   // at most some 33: sums of numbers of 256 bits
	return append(keyOf(tBalTop, asset.ChainID, asset.Contract, uint8(len(digits))), digits...) //nolint:gosec // see above
}

// Holdings calls fn for the accounts to which at least the given amount of an
// asset is available, the one with most first, until fn returns Stop. They begin
// after the given holding; nil begins with the first. It reads nothing but an
// index of those that it calls fn for. fn must not write.
func Holdings(tx Tx, asset wallet.AssetID, after *Holding, least wallet.Amount, fn func(Holding) error) error {
	r := under(keyOf(tBalTop, asset.ChainID, asset.Contract))
	skip := len(r.From)
	if least.Sign() > 0 {
		r.From = amountKey(least, asset)
	}
	if after != nil {
		r.To = holdingKey(*after, asset)
	}
	r.Reverse = true
	return tx.Scan(r, func(k, _ []byte) error {
		size := int(k[skip])
		k = k[skip+1:]
		return fn(Holding{string(k[size:]), wallet.AmountOf(new(big.Int).SetBytes(k[:size]))})
	})
}

// Totals returns what all accounts of a chain have together of each asset, by
// book: available, pending and paid.
func Totals(tx Tx, chain uint64) (list []OwnerBalance, err error) {
	prefix := keyOf(tBalTotal, chain)
	err = tx.Scan(under(prefix), func(k, raw []byte) error {
		a, err := decode[wallet.Amount](k, raw)
		if err != nil {
			return err
		}
		k = k[len(prefix):]
		asset := wallet.Token(chain, [20]byte(k[:20]))
		if n := len(list); n == 0 || list[n-1].Asset != asset {
			list = append(list, OwnerBalance{Asset: asset, Balance: wallet.Balance{}})
		}
		list[len(list)-1].Balance[wallet.Book(k[20])] = a
		return nil
	})
	return list, err
}
