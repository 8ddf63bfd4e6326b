package store_test

import (
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

func numbered(i uint32) common.Address {
	return common.BytesToAddress(crypto.Keccak256(binary.BigEndian.AppendUint32(nil, i)))
}

// TestSieve never misses an address of ours, and lets hardly any other one
// through: what it misses, no deposit would ever be seen on.
func TestSieve(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	const n, each = 20_000, 2_500
	for from := uint32(0); from < n; from += each {
		if err := db.Update(t.Context(), func(tx store.Tx) error {
			for i := from; i < from+each; i++ {
				a := wallet.Address{Address: numbered(i), Path: wallet.Path{Index: i}, Account: "a"}
				for range 2 { // the second time changes nothing
					if err := store.AddAddress(tx, a); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	others := 0
	if err := db.View(t.Context(), func(tx store.Tx) error {
		sieve, err := store.ReadSieve(tx)
		if err != nil {
			return err
		}
		for i := range uint32(n) {
			if !sieve.MayBeOurs(numbered(i)) {
				t.Fatalf("address %d falls through", i)
			}
			if sieve.MayBeOurs(numbered(n + i)) {
				others++
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if others > 1 {
		t.Errorf("%d of %d addresses of others stay in it", others, n)
	}
}
