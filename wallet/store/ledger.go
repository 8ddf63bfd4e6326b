package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// ErrInsufficient says that an account has not enough available.
var ErrInsufficient = fmt.Errorf("%w: not enough available", wallet.ErrConflict)

// Book writes an entry into the ledger and moves the balances. Booking the
// same entry again changes nothing; another entry under the same id is an
// error. No account's available balance may go below zero, except by a
// reversal, and then the account is frozen until it owes nothing any more.
func Book(tx Tx, e wallet.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	if seq, ok, err := getNumber(tx, keyOf(tEntryID, e.ID)); err != nil {
		return err
	} else if ok {
		return sameEntry(tx, seq, e)
	}
	seq, err := next(tx, tEntry)
	if err != nil {
		return err
	}
	if err := put(tx, keyOf(tEntry, seq), e); err != nil {
		return err
	}
	if err := putNumber(tx, keyOf(tEntryID, e.ID), seq); err != nil {
		return err
	}
	if e.Block > 0 {
		if err := mark(tx, keyOf(tEntryBlk, e.ChainID, e.Block, seq)); err != nil {
			return err
		}
	}
	for _, p := range e.Postings {
		if err := applyPosting(tx, p); err != nil {
			return err
		}
		if err := mark(tx, keyOf(tEntryAcct, p.Owner, seq)); err != nil {
			return err
		}
	}
	if err := checkAvailable(tx, e); err != nil {
		return err
	}
	return thaw(tx, e)
}

func sameEntry(tx Tx, seq uint64, e wallet.Entry) error {
	old, _, err := get[wallet.Entry](tx, keyOf(tEntry, seq))
	if err != nil {
		return err
	}
	a, errA := json.Marshal(old.Postings)
	b, errB := json.Marshal(e.Postings)
	if errA != nil || errB != nil || !bytes.Equal(a, b) || old.Kind != e.Kind {
		return fmt.Errorf("%w: ledger entry %s was booked before with other postings", wallet.ErrConflict, e.ID)
	}
	return nil
}

func applyPosting(tx Tx, p wallet.Posting) error {
	now, err := addAmount(tx, balanceKey(p.Owner, p.Asset, p.Book), p.Amount)
	if err != nil {
		return err
	}
	if err := summarize(tx, p, now); err != nil {
		return err
	}
	if p.Location == wallet.Outside {
		return nil
	}
	_, err = addAmount(tx, keyOf(tLocation, p.Asset.ChainID, p.Location, p.Asset.Contract), p.Amount)
	return err
}

// addAmount adds to the amount at a key and returns the sum, which is not kept
// when it is zero.
func addAmount(tx Tx, key []byte, a wallet.Amount) (wallet.Amount, error) {
	have, _, err := get[wallet.Amount](tx, key)
	if err != nil {
		return have, err
	}
	sum := have.Add(a)
	if sum.IsZero() {
		return sum, tx.Delete(key)
	}
	return sum, put(tx, key, sum)
}

func balanceKey(owner string, asset wallet.AssetID, book wallet.Book) []byte {
	return keyOf(tBalance, owner, asset.ChainID, asset.Contract, uint8(book))
}

func checkAvailable(tx Tx, e wallet.Entry) error {
	for _, p := range e.Postings {
		if p.Owner == wallet.House || p.Book != wallet.Available || p.Amount.Sign() > 0 {
			continue
		}
		left, _, err := get[wallet.Amount](tx, balanceKey(p.Owner, p.Asset, wallet.Available))
		if err != nil {
			return err
		}
		if left.Sign() >= 0 {
			continue
		}
		if e.Kind != wallet.EntryReversal {
			return fmt.Errorf("%w: account %s lacks %s base units of %s", ErrInsufficient, p.Owner, left.Neg(), p.Asset)
		}
		if err := Freeze(tx, p.Owner, fmt.Sprintf("owes %s base units of %s after %s", left.Neg(), p.Asset, e.Ref)); err != nil {
			return err
		}
	}
	return nil
}

// thaw lets those accounts withdraw again whose last debt the entry paid: most
// often because the deposit that a reorg took back was mined again.
func thaw(tx Tx, e wallet.Entry) error {
	for _, p := range e.Postings {
		if p.Owner == wallet.House || p.Book != wallet.Available || p.Amount.Sign() < 0 {
			continue
		}
		left, _, err := get[wallet.Amount](tx, balanceKey(p.Owner, p.Asset, wallet.Available))
		if err != nil {
			return err
		}
		if left.Sign() < 0 || left.Cmp(p.Amount) >= 0 {
			continue // a debt is left, or there was none
		}
		owes := false
		if err := Balances(tx, p.Owner, func(b OwnerBalance) error {
			if b.Owner != p.Owner {
				return Stop
			}
			owes = owes || b.Balance[wallet.Available].Sign() < 0
			return nil
		}); err != nil {
			return err
		}
		if owes {
			continue
		}
		if err := Unfreeze(tx, p.Owner); err != nil {
			return err
		}
	}
	return nil
}

// Freeze stops an account from withdrawing.
func Freeze(tx Tx, account, reason string) error { return put(tx, keyOf(tFrozen, account), reason) }

// Unfreeze lets an account withdraw again.
func Unfreeze(tx Tx, account string) error { return tx.Delete(keyOf(tFrozen, account)) }

// Frozen returns why an account is frozen, or "".
func Frozen(tx Tx, account string) (reason string, err error) {
	reason, _, err = get[string](tx, keyOf(tFrozen, account))
	return reason, err
}

// BalanceOf returns what an owner has of an asset, by book.
func BalanceOf(tx Tx, owner string, asset wallet.AssetID) (wallet.Balance, error) {
	b := wallet.Balance{}
	prefix := keyOf(tBalance, owner, asset.ChainID, asset.Contract)
	err := tx.Scan(under(prefix), func(k, raw []byte) error {
		a, err := decode[wallet.Amount](k, raw)
		b[wallet.Book(k[len(prefix)])] = a
		return err
	})
	return b, err
}

// OwnerBalance is the balance of one owner in one asset.
type OwnerBalance struct {
	Owner   string
	Asset   wallet.AssetID
	Balance wallet.Balance
}

// Balances calls fn for each owner and asset in the ledger, in the order of
// their ids, from the given owner on, until fn returns Stop.
func Balances(tx Tx, fromOwner string, fn func(OwnerBalance) error) error {
	prefix := keyOf(tBalance)
	var cur *OwnerBalance
	flush := func() error {
		if cur == nil {
			return nil
		}
		b := *cur
		cur = nil
		return fn(b)
	}
	err := tx.Scan(Range{From: keyOf(tBalance, fromOwner), To: after(prefix)}, func(k, raw []byte) error {
		owner := text(k[len(prefix):])
		rest := k[len(prefix)+len(owner)+1:]
		asset := wallet.Token(number(rest), common.BytesToAddress(rest[8:28]))
		if cur == nil || cur.Owner != owner || cur.Asset != asset {
			if err := flush(); err != nil {
				return err
			}
			cur = &OwnerBalance{owner, asset, wallet.Balance{}}
		}
		a, err := decode[wallet.Amount](k, raw)
		cur.Balance[wallet.Book(rest[28])] = a
		return err
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil && err != Stop { //nolint:errorlint // Stop is returned as it is
		return err
	}
	return nil
}

// LocationBalance is what the ledger says must lie on an address.
func LocationBalance(tx Tx, at common.Address, asset wallet.AssetID) (wallet.Amount, error) {
	a, _, err := get[wallet.Amount](tx, keyOf(tLocation, asset.ChainID, at, asset.Contract))
	return a, err
}

// Location is what the ledger says lies on an address.
type Location struct {
	Address common.Address
	Asset   wallet.AssetID
	Amount  wallet.Amount
}

// Locations calls fn for every address of a chain on which the ledger says
// that something lies, by address and asset, until fn returns Stop.
func Locations(tx Tx, chain uint64, fn func(Location) error) error {
	prefix := keyOf(tLocation, chain)
	return tx.Scan(under(prefix), func(k, raw []byte) error {
		a, err := decode[wallet.Amount](k, raw)
		if err != nil {
			return err
		}
		k = k[len(prefix):]
		return fn(Location{common.BytesToAddress(k[:20]), wallet.Token(chain, common.BytesToAddress(k[20:])), a})
	})
}

// EntriesAbove returns the entries that moved value in blocks above the given
// one: what must be taken off to see the ledger as of that block.
func EntriesAbove(tx Tx, chain, block uint64) ([]wallet.Entry, error) {
	return entriesOf(tx, Range{From: keyOf(tEntryBlk, chain, block+1), To: after(keyOf(tEntryBlk, chain))})
}

// EntriesIn returns the entries that moved value in a block.
func EntriesIn(tx Tx, chain, block uint64) ([]wallet.Entry, error) {
	return entriesOf(tx, under(keyOf(tEntryBlk, chain, block)))
}

func entriesOf(tx Tx, blocks Range) (list []wallet.Entry, err error) {
	err = tx.Scan(blocks, func(k, _ []byte) error {
		e, _, err := get[wallet.Entry](tx, keyOf(tEntry, number(k[len(k)-8:])))
		list = append(list, e)
		return err
	})
	return list, err
}

// EntryByID returns an entry; ok is false if it was not booked.
func EntryByID(tx Tx, id string) (e wallet.Entry, ok bool, err error) {
	seq, ok, err := getNumber(tx, keyOf(tEntryID, id))
	if err != nil || !ok {
		return e, false, err
	}
	return get[wallet.Entry](tx, keyOf(tEntry, seq))
}

// Entries calls fn for the entries of the ledger, newest first, until fn
// returns Stop.
func Entries(tx Tx, fn func(wallet.Entry) error) error {
	r := under(keyOf(tEntry))
	r.Reverse = true
	return tx.Scan(r, func(k, raw []byte) error {
		e, err := decode[wallet.Entry](k, raw)
		if err != nil {
			return err
		}
		return fn(e)
	})
}

// EntriesOf is Entries for those that touch one owner.
func EntriesOf(tx Tx, owner string, fn func(wallet.Entry) error) error {
	prefix := keyOf(tEntryAcct, owner)
	r := under(prefix)
	r.Reverse = true
	return tx.Scan(r, func(k, _ []byte) error {
		e, _, err := get[wallet.Entry](tx, keyOf(tEntry, number(k[len(prefix):])))
		if err != nil {
			return err
		}
		return fn(e)
	})
}
