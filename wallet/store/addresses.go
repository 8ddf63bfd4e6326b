package store

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// AddAddress records an address of ours and, for each chain of the home, that
// its opening balance is still to be read. An address that is there already
// must be the same one.
func AddAddress(tx Tx, a wallet.Address) error {
	if have, ok, err := OurAddress(tx, a.Address); err != nil {
		return err
	} else if ok {
		if have != a {
			return fmt.Errorf("%w: address %s is already ours as %s of account %q", wallet.ErrConflict, a.Address, have.Path, have.Account)
		}
		return nil
	}
	if err := put(tx, keyOf(tAddr, a.Address), a); err != nil {
		return err
	}
	if err := addToSieve(tx, a.Address); err != nil {
		return err
	}
	role, index := uint64(a.Role), uint64(a.Path.Index)
	if a.Path.Imported {
		n, err := NextIndex(tx, a.Role)
		if err == nil {
			err = PutNextIndex(tx, a.Role, n+1)
		}
		if err != nil {
			return err
		}
		index = uint64(n)
	}
	n, err := CountAddresses(tx, a.Role)
	if err == nil {
		err = putNumber(tx, keyOf(tAddrCount, role), n+1)
	}
	if err != nil {
		return err
	}
	if err := tx.Put(keyOf(tAddrRole, role, index), a.Address[:]); err != nil {
		return err
	}
	if a.Account != wallet.House {
		if err := tx.Put(keyOf(tAddrAcct, a.Account, role, index), a.Address[:]); err != nil {
			return err
		}
	}
	chains, err := Chains(tx)
	if err != nil {
		return err
	}
	for _, c := range chains {
		if err := MarkUnopened(tx, a.Address, wallet.Coin(c.ID)); err != nil {
			return err
		}
	}
	return nil
}

// OurAddress looks up an address; ok is false if it is not ours.
func OurAddress(tx Tx, a common.Address) (rec wallet.Address, ok bool, err error) {
	return get[wallet.Address](tx, keyOf(tAddr, a))
}

// IsOurs reports whether we hold the key of an address.
func IsOurs(tx Tx, a common.Address) (bool, error) { return has(tx, keyOf(tAddr, a)) }

// AddressAt returns the address of a role and index; ok is false if it was
// not made yet.
func AddressAt(tx Tx, role wallet.Role, index uint32) (rec wallet.Address, ok bool, err error) {
	raw, err := tx.Get(keyOf(tAddrRole, uint64(role), uint64(index)))
	if err != nil || raw == nil {
		return rec, false, err
	}
	return OurAddress(tx, common.BytesToAddress(raw))
}

// EachAddress calls fn for the addresses of a role in the order of their
// indices, from the given index on, until fn returns Stop. The index of an
// imported key, which has none in its path, is its place among them here.
func EachAddress(tx Tx, role wallet.Role, from uint32, fn func(wallet.Address) error) error {
	r := Range{From: keyOf(tAddrRole, uint64(role), uint64(from)), To: after(keyOf(tAddrRole, uint64(role)))}
	return eachAddress(tx, r, fn)
}

// EachAccountAddress calls fn for the addresses of an account.
func EachAccountAddress(tx Tx, account string, fn func(wallet.Address) error) error {
	return eachAddress(tx, under(keyOf(tAddrAcct, account)), fn)
}

func eachAddress(tx Tx, r Range, fn func(wallet.Address) error) error {
	return tx.Scan(r, func(k, raw []byte) error {
		rec, ok, err := OurAddress(tx, common.BytesToAddress(raw))
		if err == nil && !ok {
			err = fmt.Errorf("store: address %x is in an index only", raw)
		}
		if err != nil {
			return err
		}
		if rec.Path.Imported {
			rec.Path.Index = uint32(number(k[len(k)-8:])) //nolint:gosec // was one
		}
		return fn(rec)
	})
}

// CountAddresses is the number of addresses of a role.
func CountAddresses(tx Tx, role wallet.Role) (uint64, error) {
	n, _, err := getNumber(tx, keyOf(tAddrCount, uint64(role)))
	return n, err
}

// AddOldAddress is AddAddress for one that was in use before: what lay there of
// the registered tokens is an opening balance too.
func AddOldAddress(tx Tx, a wallet.Address) error {
	if err := AddAddress(tx, a); err != nil {
		return err
	}
	if err := mark(tx, keyOf(tAddrOld, a.Address)); err != nil {
		return err
	}
	chains, err := Chains(tx)
	if err != nil {
		return err
	}
	for _, c := range chains {
		tokens, err := Tokens(tx, c.ID)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			if err := MarkUnopened(tx, a.Address, t.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// IsOld reports whether an address was in use before it was registered.
func IsOld(tx Tx, a common.Address) (bool, error) { return has(tx, keyOf(tAddrOld, a)) }

// OldAddresses returns those for which IsOld holds.
func OldAddresses(tx Tx) (list []common.Address, err error) {
	prefix := keyOf(tAddrOld)
	err = tx.Scan(under(prefix), func(k, _ []byte) error {
		list = append(list, common.BytesToAddress(k[len(prefix):]))
		return nil
	})
	return list, err
}

// NextIndex is the lowest index of a role above all that were handed out.
func NextIndex(tx Tx, role wallet.Role) (uint32, error) {
	n, _, err := getNumber(tx, keyOf(tAddrNext, uint64(role)))
	return uint32(n), err
}

// PutNextIndex stores what NextIndex returns.
func PutNextIndex(tx Tx, role wallet.Role, index uint32) error {
	return putNumber(tx, keyOf(tAddrNext, uint64(role)), uint64(index))
}

// MarkUnopened notes that the balance which lay on an address before it was
// watched is still to be read and booked.
func MarkUnopened(tx Tx, a common.Address, asset wallet.AssetID) error {
	if err := forgetOpened(tx, Place{a, asset}); err != nil {
		return err
	}
	return mark(tx, keyOf(tAddrOpen, asset.ChainID, a, asset.Contract))
}

// Unopened is an address whose opening balance of an asset was not read yet.
type Unopened struct {
	Address common.Address
	Asset   wallet.AssetID
}

// UnopenedAddresses returns up to limit of them.
func UnopenedAddresses(tx Tx, chain uint64, limit int) (list []Unopened, err error) {
	prefix := keyOf(tAddrOpen, chain)
	err = tx.Scan(under(prefix), func(k, _ []byte) error {
		k = k[len(prefix):]
		list = append(list, Unopened{
			Address: common.BytesToAddress(k[:20]),
			Asset:   wallet.Token(chain, common.BytesToAddress(k[20:])),
		})
		if len(list) == limit {
			return Stop
		}
		return nil
	})
	return list, err
}

// IsUnopened reports whether an opening balance is still to be read.
func IsUnopened(tx Tx, u Unopened) (bool, error) {
	return has(tx, keyOf(tAddrOpen, u.Asset.ChainID, u.Address, u.Asset.Contract))
}

// MarkOpened notes in which block an opening balance was read. It is booked,
// unless it is nothing.
func MarkOpened(tx Tx, u Unopened, block uint64) error {
	if err := tx.Delete(keyOf(tAddrOpen, u.Asset.ChainID, u.Address, u.Asset.Contract)); err != nil {
		return err
	}
	if err := forgetOpened(tx, Place(u)); err != nil {
		return err
	}
	if err := mark(tx, keyOf(tAddrOpenAt, u.Asset.ChainID, block, u.Address, u.Asset.Contract)); err != nil {
		return err
	}
	return putNumber(tx, keyOf(tAddrSince, u.Asset.ChainID, u.Address, u.Asset.Contract), block)
}

// forgetOpened takes back that a place was opened, if it was.
func forgetOpened(tx Tx, at Place) error {
	block, ok, err := OpenedAt(tx, at)
	if err != nil || !ok {
		return err
	}
	if err := tx.Delete(keyOf(tAddrOpenAt, at.Asset.ChainID, block, at.Address, at.Asset.Contract)); err != nil {
		return err
	}
	return tx.Delete(keyOf(tAddrSince, at.Asset.ChainID, at.Address, at.Asset.Contract))
}

// OpenedAt is the block in which the opening balance of a place was read; ok is
// false if none was.
func OpenedAt(tx Tx, at Place) (block uint64, ok bool, err error) {
	return getNumber(tx, keyOf(tAddrSince, at.Asset.ChainID, at.Address, at.Asset.Contract))
}

// OpenedFrom lists the places whose opening balances were read in blocks from
// the given one on, by block.
func OpenedFrom(tx Tx, chain, block uint64) (list []Place, err error) {
	from := keyOf(tAddrOpenAt, chain, block)
	err = tx.Scan(Range{From: from, To: after(keyOf(tAddrOpenAt, chain))}, func(k, _ []byte) error {
		k = k[len(from):]
		list = append(list, Place{common.BytesToAddress(k[:20]), wallet.Token(chain, common.BytesToAddress(k[20:]))})
		return nil
	})
	return list, err
}
