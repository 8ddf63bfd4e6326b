package book

import (
	"context"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// ImportFloat makes the vault of a watch file the float of the home, whose keys
// are online, and makes its address: the first payout address of that vault. The
// caller has compared the fingerprint. It is another vault than the cold one,
// whose watch file was imported before, and a home has one float for ever: else
// the error is of wallet.ErrRefused.
func (b *Book) ImportFloat(ctx context.Context, w *hd.Watch) (made wallet.Address, err error) {
	file, err := w.Encode()
	if err != nil {
		return made, err
	}
	path := wallet.Path{Role: wallet.PayoutRole}
	a, err := w.Address(path)
	if err != nil {
		return made, err
	}
	made = wallet.Address{Address: a, Path: path, Role: wallet.FloatRole}
	return made, b.DB.Update(ctx, func(tx store.Tx) error {
		cold, err := readWatch(tx)
		if err != nil {
			return err
		}
		if cold.Fingerprint() == w.Fingerprint() {
			return sameVault(w)
		}
		have, err := readFloat(tx)
		if err != nil {
			return err
		}
		if have != nil && have.Fingerprint() != w.Fingerprint() {
			return wallet.WithHint(wallet.As(wallet.ErrRefused, "the float of this home is the vault %s already, and a home has one float", have.Fingerprint()),
				"move what lies on it to the treasury, and make another home for another float")
		}
		if err := store.PutFloatWatchFile(tx, file); err != nil {
			return err
		}
		return addAddress(tx, made)
	})
}

// Float returns the extended public keys of the float, or nil if the home has
// none.
func (b *Book) Float(ctx context.Context) (w *hd.Watch, err error) {
	err = b.DB.View(ctx, func(tx store.Tx) error {
		w, err = readFloat(tx)
		return err
	})
	return w, err
}

func readFloat(tx store.Tx) (*hd.Watch, error) {
	file, err := store.FloatWatchFile(tx)
	if err != nil || file == nil {
		return nil, err
	}
	return hd.DecodeWatch(file)
}

// sameVault refuses one vault for cold keys and for keys online: the float would
// be signed for with the keys of the treasury.
func sameVault(w *hd.Watch) error {
	return wallet.WithHint(
		wallet.As(wallet.ErrRefused, "the vault %s cannot be both the cold one and the float: its keys would all be online", w.Fingerprint()),
		"make a vault of its own for the float: airlock vault create on the online station")
}
