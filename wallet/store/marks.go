package store

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// PutBlockMark remembers the hash of a block for ever, while those of
// PutBlockHash are forgotten some time after they became final.
func PutBlockMark(tx Tx, chain, n uint64, hash common.Hash) error {
	return tx.Put(keyOf(tBlockMark, chain, n), hash[:])
}

// DeleteBlockMarks forgets the marks from the given block on.
func DeleteBlockMarks(tx Tx, chain, from uint64) error {
	return deleteRange(tx, Range{From: keyOf(tBlockMark, chain, from), To: after(keyOf(tBlockMark, chain))})
}

// FollowedFrom returns the lowest block at or above n whose hash is
// remembered; ok is false if there is none.
func FollowedFrom(tx Tx, chain, n uint64) (at uint64, hash common.Hash, ok bool, err error) {
	for _, table := range []string{tBlock, tBlockMark} {
		prefix := keyOf(table, chain)
		err = tx.Scan(Range{From: keyOf(table, chain, n), To: after(prefix)}, func(k, raw []byte) error {
			if found := number(k[len(prefix):]); !ok || found < at {
				at, hash, ok = found, common.BytesToHash(raw), true
			}
			return Stop
		})
		if err != nil {
			return 0, common.Hash{}, false, err
		}
	}
	return at, hash, ok, nil
}

// Followed calls fn for every block up to and including n whose hash is
// remembered, lowest first.
func Followed(tx Tx, chain, n uint64, fn func(n uint64, hash common.Hash)) error {
	known := map[uint64]common.Hash{}
	for _, table := range []string{tBlock, tBlockMark} {
		prefix := keyOf(table, chain)
		err := tx.Scan(Range{From: prefix, To: keyOf(table, chain, n+1)}, func(k, raw []byte) error {
			known[number(k[len(prefix):])] = common.BytesToHash(raw)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, at := range slices.Sorted(maps.Keys(known)) {
		fn(at, known[at])
	}
	return nil
}
