package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// Round is how far the comparison of a chain's coin with the books has come. It
// goes round all addresses, again and again, in the order of their bytes.
type Round struct {
	Running bool           `json:"running"`
	Began   uint64         `json:"began"` // the head when the last round began
	Next    common.Address `json:"next"`  // the first that is still to be compared
	// Agreed is where the last round that ended had begun: no earlier did each
	// address agree with the books, those excepted that have a Gap.
	Agreed uint64 `json:"agreed"`
	// Floor is Agreed of the round before, which other endpoints were asked for.
	Floor uint64 `json:"floor"`
	// Last is set for a round that prefers the last endpoint.
	Last bool `json:"last"`
	// Untraced is the last block that was read without a trace.
	Untraced uint64 `json:"untraced"`
}

// ReadRound returns the round of a chain; the zero Round before the first.
func ReadRound(tx Tx, chain uint64) (Round, error) {
	r, _, err := get[Round](tx, keyOf(tRound, chain))
	return r, err
}

// PutRound stores the round of a chain.
func PutRound(tx Tx, chain uint64, r Round) error { return put(tx, keyOf(tRound, chain), r) }

// Gap is an address whose coin differs from the books for a reason that was
// not found.
type Gap struct {
	Address common.Address `json:"address"`
	Since   uint64         `json:"since"` // a block no later than the one it comes from
	Block   uint64         `json:"block"` // where it was first seen: that of its wallet.UnprovenCoin
}

// PutGap stores a gap in place of the one of its address.
func PutGap(tx Tx, chain uint64, g Gap) error { return put(tx, keyOf(tGap, chain, g.Address), g) }

// DeleteGap forgets the gap of an address.
func DeleteGap(tx Tx, chain uint64, a common.Address) error { return tx.Delete(keyOf(tGap, chain, a)) }

// Gaps returns the gaps of the addresses from ≤ a ≤ to.
func Gaps(tx Tx, chain uint64, from, to common.Address) (map[common.Address]Gap, error) {
	list, err := values[Gap](tx, Range{From: keyOf(tGap, chain, from), To: after(keyOf(tGap, chain, to))})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	gaps := make(map[common.Address]Gap, len(list))
	for _, g := range list {
		gaps[g.Address] = g
	}
	return gaps, nil
}

// AddressesFrom returns up to limit addresses of ours in the order of their
// bytes, from the given one on.
func AddressesFrom(tx Tx, from common.Address, limit int) (list []common.Address, err error) {
	prefix := keyOf(tAddr)
	err = tx.Scan(Range{From: keyOf(tAddr, from), To: after(prefix)}, func(k, _ []byte) error {
		if list = append(list, common.BytesToAddress(k[len(prefix):])); len(list) == limit {
			return Stop
		}
		return nil
	})
	return list, err
}

// Change is what ledger and records say that a block did to a place.
type Change struct {
	Block  uint64
	Amount wallet.Amount // signed
}

// Changes returns what the blocks from ≤ n ≤ to did to a place of ours, in no
// order: what is in the ledger, and what Unbooked would count.
func Changes(tx Tx, at Place, from, to uint64) (list []Change, err error) {
	chain := at.Asset.ChainID
	entries, err := entriesOf(tx, Range{From: keyOf(tEntryBlk, chain, from), To: keyOf(tEntryBlk, chain, to+1)})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		for _, p := range e.Postings {
			if p.Location == at.Address && p.Asset == at.Asset {
				list = append(list, Change{e.Block, p.Amount})
			}
		}
	}
	return list, unbookedIn(tx, chain, from, to, func(block uint64, p Place, amount wallet.Amount) {
		if p == at {
			list = append(list, Change{block, amount})
		}
	})
}

// ChangesIn returns what a block did to each place of ours, as Changes has it.
func ChangesIn(tx Tx, chain, block uint64) (map[Place]wallet.Amount, error) {
	sums := map[Place]wallet.Amount{}
	entries, err := EntriesIn(tx, chain, block)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		for _, p := range e.Postings {
			if p.Location != wallet.Outside {
				at := Place{p.Location, p.Asset}
				sums[at] = sums[at].Add(p.Amount)
			}
		}
	}
	return sums, unbookedIn(tx, chain, block, block, func(_ uint64, at Place, amount wallet.Amount) {
		sums[at] = sums[at].Add(amount)
	})
}
