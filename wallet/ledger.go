package wallet

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Book is one of the books in which an owner's funds stand. The numbers are
// stored and never change.
type Book uint8

// Every owner has available, pending (frozen for withdrawals), paid and
// received; the others are the house's. What an owner has and what came from
// or went to the outside sum to zero.
const (
	Available Book = 0
	Pending   Book = 1
	Paid      Book = 2 // went out for this owner
	Received  Book = 3 // came in for this owner; negative
	GasSpent  Book = 4 // the house's expense
	Opening   Book = 5 // what lay on an address before the start block; negative
	Dust      Book = 6 // left on an address by a sweep that paid less gas than it reserved
	Unknown   Book = 7 // moved by a transaction that airlock did not make
)

var bookNames = []string{"available", "pending", "paid", "received", "gas", "opening", "dust", "unknown"}

func (b Book) String() string {
	if int(b) < len(bookNames) {
		return bookNames[b]
	}
	return fmt.Sprintf("book(%d)", uint8(b))
}

// MarshalText writes the book's name.
func (b Book) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a book's name.
func (b *Book) UnmarshalText(t []byte) error {
	for i, name := range bookNames {
		if name == string(t) {
			*b = Book(i)
			return nil
		}
	}
	return fmt.Errorf("unknown book %q", t)
}

// Outside is the location of what is not at an address of ours.
var Outside common.Address

// Posting moves Amount of an asset at a location for an owner. Summed over a
// location it is what must lie there on chain; summed over an owner and book
// it is that owner's balance.
type Posting struct {
	Asset    AssetID        `json:"asset"`
	Location common.Address `json:"location"` // Outside for the rest of the world
	Owner    string         `json:"owner"`    // account, or House
	Book     Book           `json:"book"`
	Amount   Amount         `json:"amount"` // signed
}

// EntryKind is what an entry records.
type EntryKind string

// The kinds of entry.
const (
	EntryDeposit    EntryKind = "deposit"
	EntryReversal   EntryKind = "reversal" // of a deposit whose block left the chain
	EntryFreeze     EntryKind = "freeze"
	EntryRelease    EntryKind = "release"
	EntryWithdrawal EntryKind = "withdrawal"
	EntryMovement   EntryKind = "movement"
	EntryGas        EntryKind = "gas"
	EntryOpening    EntryKind = "opening"
	EntryCredit     EntryKind = "credit"
	EntryTransfer   EntryKind = "transfer"
	EntryUnknown    EntryKind = "unknown"
)

// Entry is a set of postings that belong together and sum to zero per asset.
type Entry struct {
	// ID makes booking idempotent: the same id with the same postings is the
	// same entry, with others an error.
	ID       string    `json:"id"`
	ChainID  uint64    `json:"chain_id"`
	Kind     EntryKind `json:"kind"`
	Ref      string    `json:"ref,omitzero"` // deposit, withdrawal, slot, or the operator's words
	Time     time.Time `json:"time"`
	Block    uint64    `json:"block"` // where value moved on chain; 0 when nothing did
	Postings []Posting `json:"postings"`
}

// Check reports why an entry cannot be booked: no id, no postings, a zero
// posting, more than one chain, or a sum that is not zero.
func (e *Entry) Check() error {
	if e.ID == "" || len(e.Postings) == 0 {
		return fmt.Errorf("ledger entry %q: has no id or no postings", e.ID)
	}
	sums := map[AssetID]Amount{}
	for _, p := range e.Postings {
		if p.Amount.IsZero() {
			return fmt.Errorf("ledger entry %s: a posting of zero", e.ID)
		}
		if p.Asset.ChainID != e.ChainID {
			return fmt.Errorf("ledger entry %s of chain %d: a posting of %s", e.ID, e.ChainID, p.Asset)
		}
		sums[p.Asset] = sums[p.Asset].Add(p.Amount)
	}
	for asset, sum := range sums {
		if !sum.IsZero() {
			return fmt.Errorf("ledger entry %s: postings of %s sum to %s, not zero", e.ID, asset, sum)
		}
	}
	return nil
}

// Move returns the two postings that move amount of an asset from one place
// and owner to another. A zero amount gives none.
func Move(asset AssetID, amount Amount, from, to Posting) []Posting {
	if amount.IsZero() {
		return nil
	}
	from.Asset, from.Amount = asset, amount.Neg()
	to.Asset, to.Amount = asset, amount
	return []Posting{from, to}
}

// Balance is what an owner has of an asset, by book.
type Balance map[Book]Amount
