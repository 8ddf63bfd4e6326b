package store

import (
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
