package book

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// MaxCount bounds how many addresses one call makes.
const MaxCount = 10_000_000

// MaxPayouts bounds the payout addresses of a home. Each pays alone what one of
// its transactions needs, so funds are spread over them.
const MaxPayouts = 100

// ImportWatch makes a vault's extended public keys those of the home, and
// makes the first payout, gas and treasury addresses. The caller has compared
// the fingerprint with the signing station's screen. A home has one watch file
// for ever: another one is an error of wallet.ErrRefused.
func (b *Book) ImportWatch(ctx context.Context, w *hd.Watch) ([]wallet.Address, error) {
	file, err := w.Encode()
	if err != nil {
		return nil, err
	}
	var made []wallet.Address
	for _, role := range []wallet.Role{wallet.PayoutRole, wallet.GasRole, wallet.TreasuryRole} {
		a, err := w.Account(role).Address(0)
		if err != nil {
			return nil, err
		}
		made = append(made, wallet.Address{Address: a, Path: wallet.Path{Role: role}, Role: role})
	}
	return made, b.DB.Update(ctx, func(tx store.Tx) error {
		have, err := readWatch(tx)
		switch {
		case err == nil && have.Fingerprint() != w.Fingerprint():
			return wallet.WithHint(wallet.As(wallet.ErrRefused, "this home watches the vault %s already, and one home watches one vault", have.Fingerprint()),
				"make another home for the other vault: airlock --home DIR init …")
		case err != nil && !errors.Is(err, ErrNoWatch):
			return err
		}
		if float, err := readFloat(tx); err != nil {
			return err
		} else if float != nil && float.Fingerprint() == w.Fingerprint() {
			return sameVault(w)
		}
		if err := store.PutWatchFile(tx, file); err != nil {
			return err
		}
		for _, a := range made {
			if err := addAddress(tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// ErrNoWatch says that the home has no watch file yet.
var ErrNoWatch = errors.New("this home has no watch file yet")

// Watch returns the extended public keys of the home, or ErrNoWatch.
func (b *Book) Watch(ctx context.Context) (w *hd.Watch, err error) {
	err = b.DB.View(ctx, func(tx store.Tx) error {
		w, err = readWatch(tx)
		return err
	})
	return w, err
}

func readWatch(tx store.Tx) (*hd.Watch, error) {
	file, err := store.WatchFile(tx)
	if err != nil {
		return nil, err
	}
	if len(file) == 0 {
		return nil, wallet.WithHint(ErrNoWatch, "export it from the vault with airlock-signer vault export-watch, then run airlock watch import")
	}
	return hd.DecodeWatch(file)
}

// NewAddresses makes n deposit addresses for an account, 1 to MaxCount, with
// the lowest indices that were never handed out. It writes them in several
// transactions and calls progress, if it is not nil, after each with how many
// that one made. When it fails, or ctx ends, what it returns beside the error
// was made and stays.
func (b *Book) NewAddresses(ctx context.Context, account string, n int, progress func(int)) ([]wallet.Address, error) {
	if err := wallet.CheckID("account", account); err != nil {
		return nil, wallet.As(wallet.ErrUsage, "%w", err)
	}
	if n < 1 || n > MaxCount {
		return nil, wallet.As(wallet.ErrUsage, "%d addresses: want 1 to %d", n, MaxCount)
	}
	var made []wallet.Address
	for len(made) < n {
		some, err := b.newAddresses(ctx, account, min(step, n-len(made)))
		if err != nil {
			return made, err
		}
		made = append(made, some...)
		if progress != nil {
			progress(len(some))
		}
		if err := ctx.Err(); err != nil && len(made) < n {
			return made, err
		}
	}
	return made, nil
}

// NewPayoutAddresses makes n more payout addresses, 1 to MaxPayouts in all, with
// the indices after those that there are. Scanning reads what lies on them and
// where their nonces stand before anything is paid from them.
func (b *Book) NewPayoutAddresses(ctx context.Context, n int) (made []wallet.Address, err error) {
	err = b.DB.Update(ctx, func(tx store.Tx) error {
		made = nil
		watch, err := readWatch(tx)
		if err != nil {
			return err
		}
		first, err := store.NextIndex(tx, wallet.PayoutRole)
		if err != nil {
			return err
		}
		if n < 1 || n > MaxPayouts-int(first) {
			return wallet.As(wallet.ErrUsage, "%d payout addresses beside %d: want 1 to %d in all", n, first, MaxPayouts)
		}
		list, err := watch.Account(wallet.PayoutRole).Addresses(first, n)
		if err != nil {
			return fmt.Errorf("derive payout addresses: %w", err)
		}
		for i, a := range list {
			made = append(made, wallet.Address{
				Address: a, Path: wallet.Path{Role: wallet.PayoutRole, Index: first + uint32(i)}, Role: wallet.PayoutRole,
			})
			if err := addAddress(tx, made[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

// few is how many addresses are derived while the store is locked: about a
// millisecond's work, less than opening the store once more.
const few = 50

// newAddresses makes up to step addresses in one transaction. Many are derived
// before it; where another process was faster, what is then missing is derived
// in it.
func (b *Book) newAddresses(ctx context.Context, account string, n int) ([]wallet.Address, error) {
	var ready derived
	if n > few {
		if err := b.DB.View(ctx, func(tx store.Tx) (err error) {
			if ready.watch, err = readWatch(tx); err != nil {
				return err
			}
			ready.from, err = store.NextIndex(tx, wallet.DepositRole)
			return err
		}); err != nil {
			return nil, err
		}
		if err := ready.extend(ready.from, n); err != nil {
			return nil, err
		}
	}
	var made []wallet.Address
	err := b.DB.Update(ctx, func(tx store.Tx) error {
		watch, err := readWatch(tx)
		if err != nil {
			return err
		}
		first, err := store.NextIndex(tx, wallet.DepositRole)
		if err != nil {
			return err
		}
		if ready.watch == nil {
			ready.watch, ready.from = watch, first
		}
		if err := ready.extend(first, n); err != nil {
			return err
		}
		made = make([]wallet.Address, n)
		for i := range made {
			index := first + uint32(i)
			made[i] = wallet.Address{
				Address: ready.list[index-ready.from],
				Path:    wallet.Path{Role: wallet.DepositRole, Index: index},
				Role:    wallet.DepositRole,
				Account: account,
			}
			if err := store.AddAddress(tx, made[i]); err != nil {
				return err
			}
		}
		return store.PutNextIndex(tx, wallet.DepositRole, first+uint32(n))
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// derived is a run of deposit addresses.
type derived struct {
	watch *hd.Watch
	from  uint32
	list  []common.Address
}

// extend makes the run hold the n addresses from first on. Indices only grow,
// so first is never below the run.
func (d *derived) extend(first uint32, n int) error {
	if have := d.from + uint32(len(d.list)); first > have {
		d.from, d.list = first, nil
	}
	missing := int(first-d.from) + n - len(d.list)
	if missing <= 0 {
		return nil
	}
	more, err := d.watch.Account(wallet.DepositRole).Addresses(d.from+uint32(len(d.list)), missing)
	if err != nil {
		return fmt.Errorf("derive deposit addresses: %w", err)
	}
	d.list = append(d.list, more...)
	return nil
}

// addAddress records an address and that its index is used.
func addAddress(tx store.Tx, a wallet.Address) error {
	if err := store.AddAddress(tx, a); err != nil {
		return err
	}
	next, err := store.NextIndex(tx, a.Role)
	if err != nil || a.Path.Index < next {
		return err
	}
	return store.PutNextIndex(tx, a.Role, a.Path.Index+1)
}

// AddressFilter says which addresses to list.
type AddressFilter struct {
	Role    *wallet.Role // nil for all: payout, gas, treasury, float, deposit, then external
	Account string       // House for all
	From    uint32       // lowest index; only with Role or Account
	Limit   int          // 0 for all
}

// Addresses lists addresses by role and index. more says that the limit left
// some out.
func (b *Book) Addresses(ctx context.Context, f AddressFilter) (list []wallet.Address, more bool, err error) {
	err = b.DB.View(ctx, func(tx store.Tx) error {
		list, more = nil, false
		take := func(a wallet.Address) error {
			if f.Limit > 0 && len(list) == f.Limit {
				more = true
				return store.Stop
			}
			list = append(list, a)
			return nil
		}
		roles := append(wallet.SenderRoles(), wallet.DepositRole, wallet.ExternalRole)
		if f.Role != nil {
			roles = []wallet.Role{*f.Role}
		}
		for _, role := range roles {
			if more {
				break
			}
			var err error
			if f.Account != wallet.House {
				err = store.EachAccountAddressFrom(tx, f.Account, role, f.From, take)
			} else {
				err = store.EachAddress(tx, role, f.From, take)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, more, err
}
