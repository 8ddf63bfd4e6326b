package store

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// Cursor is how far a chain was read.
type Cursor struct {
	// Head is the last block read; below StartBlock nothing was read yet.
	Head     uint64      `json:"head"`
	HeadHash common.Hash `json:"head_hash"`
	// Credited is the last block whose deposits were confirmed.
	Credited uint64 `json:"credited"`
	// Final is the last block known beyond reorg: funds may be released for
	// what was mined up to it. It never goes back by itself.
	Final     uint64      `json:"final"`
	FinalHash common.Hash `json:"final_hash"`
	// Reread is the last block behind the final one that was read a second time.
	Reread uint64 `json:"reread,omitzero"`
}

// PutChain adds or replaces a chain of the home.
func PutChain(tx Tx, c wallet.Chain) error { return put(tx, keyOf(tChain, c.ID), c) }

// Chain returns a chain of the home.
func Chain(tx Tx, id uint64) (wallet.Chain, error) {
	c, ok, err := get[wallet.Chain](tx, keyOf(tChain, id))
	if err == nil && !ok {
		err = wallet.WithHint(wallet.As(wallet.ErrNotFound, "chain %d is not in this home", id), "airlock chain list shows what is; airlock chain add adds one")
	}
	return c, err
}

// Chains lists the chains of the home by id.
func Chains(tx Tx) ([]wallet.Chain, error) {
	return values[wallet.Chain](tx, under(keyOf(tChain)))
}

// ReadCursor returns how far a chain was read; ok is false before the first
// block.
func ReadCursor(tx Tx, chain uint64) (c Cursor, ok bool, err error) {
	return get[Cursor](tx, keyOf(tCursor, chain))
}

// PutCursor stores how far a chain was read.
func PutCursor(tx Tx, chain uint64, c Cursor) error { return put(tx, keyOf(tCursor, chain), c) }

// PutBlockHash remembers the hash of a block that was read.
func PutBlockHash(tx Tx, chain, n uint64, hash common.Hash) error {
	return tx.Put(keyOf(tBlock, chain, n), hash[:])
}

// BlockHash returns the remembered hash of a block, or the zero hash.
func BlockHash(tx Tx, chain, n uint64) (common.Hash, error) {
	raw, err := tx.Get(keyOf(tBlock, chain, n))
	return common.BytesToHash(raw), err
}

// DeleteBlockHashes forgets the hashes of the blocks from ≤ n ≤ to.
func DeleteBlockHashes(tx Tx, chain, from, to uint64) error {
	if to+1 == 0 {
		return fmt.Errorf("store: block range up to %d", to)
	}
	return deleteRange(tx, Range{From: keyOf(tBlock, chain, from), To: keyOf(tBlock, chain, to+1)})
}

// values reads all records of a range.
func values[T any](tx Tx, r Range) ([]T, error) {
	var all []T
	err := tx.Scan(r, func(k, raw []byte) error {
		v, err := decode[T](k, raw)
		if err == nil {
			all = append(all, v)
		}
		return err
	})
	return all, err
}

func deleteRange(tx Tx, r Range) error {
	var keys [][]byte
	if err := tx.Scan(r, func(k, _ []byte) error {
		keys = append(keys, append([]byte(nil), k...))
		return nil
	}); err != nil {
		return err
	}
	for _, k := range keys {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
