package book

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

const (
	// MaxOld bounds how many old addresses one call registers, in the one
	// transaction that all of them or none takes.
	MaxOld = 5_000
	// maxSkip bounds how many indices an old address may leave behind it: a
	// mistyped one must not use up all that there are.
	maxSkip = 10_000_000
)

// OldAddress is an address of the vault that was in use before this home knew
// it: at a path of the watch file, or of a key that was imported into the vault.
type OldAddress struct {
	Address common.Address
	Path    wallet.Path
	Account string // whom deposits credit; House for none

	row *csvfile.Row // of the file that it was read from, if it was
}

// wrong is an error about one column.
func (o *OldAddress) wrong(column string, err error) error {
	if o.row != nil {
		err = o.row.Wrong(column, err)
	} else {
		err = fmt.Errorf("address %s: %w", o.Address, err)
	}
	return wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "nothing was imported; correct it and import again")
}

// ReadOldAddresses reads a CSV file with the columns address, path and account.
// name is the file's, for errors.
func ReadOldAddresses(name string, in io.Reader) ([]OldAddress, error) {
	rows, err := csvfile.Read(name, in, csvfile.Columns{Needed: []string{"address", "path", "account"}})
	if err != nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "nothing was imported; correct the file and import it again")
	}
	list := make([]OldAddress, len(rows))
	for i := range rows {
		o := OldAddress{Account: rows[i].Value["account"], row: &rows[i]}
		if o.Address, err = wallet.ParseAddress(rows[i].Value["address"]); err != nil {
			return nil, o.wrong("address", err)
		}
		if o.Path, err = wallet.ParsePath(rows[i].Value["path"]); err != nil {
			return nil, o.wrong("path", err)
		}
		list[i] = o
	}
	return list, nil
}

// ImportOld registers addresses that were in use before, all of them or none.
// What lies there, coin and registered tokens, is an opening balance, as far as
// reading old blocks again does not find how it came. That a path leads to an
// address is proven from the watch file; that an imported key is in the vault
// cannot be known here. Deposit indices below one that is imported are not
// handed out any more. It returns all of the addresses, and how many were new;
// one that is registered in the same words already is left as it is.
func (b *Book) ImportOld(ctx context.Context, list []OldAddress) (all []wallet.Address, added int, err error) {
	if len(list) > MaxOld {
		return nil, 0, wallet.As(wallet.ErrUsage, "%d addresses at once: want at most %d", len(list), MaxOld)
	}
	err = b.DB.Update(ctx, func(tx store.Tx) error {
		all, added = nil, 0
		im := oldImport{tx: tx}
		for i := range list {
			a, known, err := im.take(&list[i])
			if err != nil {
				return err
			}
			all = append(all, a)
			if !known {
				added++
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return all, added, nil
}

type oldImport struct {
	tx    store.Tx
	watch *hd.Watch // read when a path first wants it
}

func (im *oldImport) take(o *OldAddress) (a wallet.Address, known bool, err error) {
	a = wallet.Address{Address: o.Address, Path: o.Path, Role: o.Path.Role, Account: o.Account}
	if o.Account != wallet.House {
		if a.Role != wallet.DepositRole && !a.Path.Imported {
			return a, false, o.wrong("account", fmt.Errorf("what arrives at a %s address belongs to the house, not to account %q", a.Role, o.Account))
		}
		if err := wallet.CheckID("account", o.Account); err != nil {
			return a, false, o.wrong("account", err)
		}
	}
	if err := im.checkAddress(o); err != nil {
		return a, false, err
	}
	if known, err = store.IsOurs(im.tx, a.Address); err != nil {
		return a, false, err
	}
	if known {
		if err = store.AddAddress(im.tx, a); errors.Is(err, wallet.ErrConflict) {
			err = o.wrong("address", err)
		}
		return a, true, err
	}
	if err := store.AddOldAddress(im.tx, a); err != nil || a.Path.Imported {
		return a, false, err
	}
	return a, false, im.use(o)
}

// checkAddress proves what can be proven of an address.
func (im *oldImport) checkAddress(o *OldAddress) error {
	if o.Address == (common.Address{}) {
		return o.wrong("address", errors.New("is nobody's"))
	}
	chains, err := store.Chains(im.tx)
	if err != nil {
		return err
	}
	for _, c := range chains {
		if token, err := store.IsToken(im.tx, c.ID, o.Address); err != nil {
			return err
		} else if token {
			return o.wrong("address", fmt.Errorf("is a registered token of chain %d", c.ID))
		}
	}
	if o.Path.Imported {
		return nil
	}
	if im.watch == nil {
		if im.watch, err = readWatch(im.tx); err != nil {
			return err
		}
	}
	derived, err := im.watch.Address(o.Path)
	if err != nil {
		return o.wrong("path", err)
	}
	if derived != o.Address {
		return o.wrong("path", fmt.Errorf("the watch file has %s there", derived))
	}
	return nil
}

// use notes that the index of an old address is used, and none below it is
// handed out any more.
func (im *oldImport) use(o *OldAddress) error {
	next, err := store.NextIndex(im.tx, o.Path.Role)
	if err != nil || o.Path.Index < next {
		return err
	}
	if o.Path.Index-next > maxSkip {
		return o.wrong("path", fmt.Errorf("index %d is more than %d above the last that was used", o.Path.Index, maxSkip))
	}
	return store.PutNextIndex(im.tx, o.Path.Role, o.Path.Index+1)
}
