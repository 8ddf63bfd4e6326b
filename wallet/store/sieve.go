package store

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Of an address, the sieve has the first bytes in the key of its row and the
// next ones in the row.
const (
	sieveKey = 2
	sieveRow = 3
)

// Sieve tells addresses that are not ours from those that may be, in one
// transaction. Scanning asks about every address that a block names, and nearly
// none is ours. The addresses themselves lie scattered over hundreds of
// megabytes where there are a million, of which each look would map a page; the
// sieve of a million is about 7 MB in one piece.
type Sieve struct {
	rows [][]byte // by the first bytes of addresses; valid until the transaction ends
}

// ReadSieve reads the sieve.
func ReadSieve(tx Tx) (*Sieve, error) {
	s := &Sieve{make([][]byte, 1<<(8*sieveKey))}
	prefix := keyOf(tAddrSieve)
	return s, tx.Scan(under(prefix), func(k, row []byte) error {
		s.rows[sieveIndex(k[len(prefix):])] = row
		return nil
	})
}

// MayBeOurs is true for every address of ours, and for one in many millions of
// others.
func (s *Sieve) MayBeOurs(a common.Address) bool {
	rest := a[sieveKey : sieveKey+sieveRow]
	for part := range slices.Chunk(s.rows[sieveIndex(a[:])], sieveRow) {
		if bytes.Equal(part, rest) {
			return true
		}
	}
	return false
}

func sieveIndex(b []byte) int { return int(b[0])<<8 | int(b[1]) }

// addToSieve puts an address into the sieve that was not there.
func addToSieve(tx Tx, a common.Address) error {
	key := append(keyOf(tAddrSieve), a[:sieveKey]...)
	row, err := tx.Get(key)
	if err != nil {
		return err
	}
	return tx.Put(key, append(slices.Clone(row), a[sieveKey:sieveKey+sieveRow]...))
}
