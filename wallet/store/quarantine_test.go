package store_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// TestUnknownTokens finds marks by contract and by block, on one chain alone.
func TestUnknownTokens(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	first, second, third := common.Address{}, common.Address{1}, common.MaxAddress
	mark := func(chain uint64, contract common.Address, block uint64) wallet.UnknownToken {
		return wallet.UnknownToken{ChainID: chain, Contract: contract, BlockNumber: block, Logs: block}
	}
	all := []wallet.UnknownToken{
		mark(5, second, 9), mark(5, second, 10), mark(5, second, 300), mark(5, third, 10), mark(5, third, 256), mark(6, second, 10), mark(4, third, 10),
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, u := range all {
			for range 2 {
				if err := store.PutUnknownToken(tx, u); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	blocks := func(list []wallet.UnknownToken) (n []uint64) {
		for _, u := range list {
			n = append(n, u.BlockNumber)
		}
		return n
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		var contracts []common.Address
		if err := store.UnknownContracts(tx, 5, func(a common.Address) error {
			contracts = append(contracts, a)
			return nil
		}); err != nil {
			return err
		}
		if !slices.Equal(contracts, []common.Address{second, third}) {
			t.Errorf("contracts %v", contracts)
		}
		for limit, want := range map[int]int{1: 1, 2: 2, 9: 2} {
			if n, err := store.CountUnknownContracts(tx, 5, limit); err != nil || n != want {
				t.Errorf("%d contracts of at most %d, want %d: %v", n, limit, want, err)
			}
		}
		var down []wallet.UnknownToken
		if err := store.UnknownTokensDown(tx, 5, second, func(u wallet.UnknownToken) error {
			if down = append(down, u); len(down) == 2 {
				return store.Stop
			}
			return nil
		}); err != nil {
			return err
		}
		if n := blocks(down); !slices.Equal(n, []uint64{300, 10}) {
			t.Errorf("down: %v", n)
		}
		if n, err := store.CountUnknownBlocks(tx, 5, first, 9); err != nil || n != 0 {
			t.Errorf("%d marks of a contract without any: %v", n, err)
		}
		at, err := store.UnknownTokensAt(tx, 5, 10)
		if err != nil || len(at) != 2 || at[0] != all[1] || at[1] != all[3] {
			t.Errorf("at block 10: %v, %v", at, err)
		}
		from, err := store.UnknownTokensFrom(tx, 5, 10)
		if n := blocks(from); err != nil || !slices.Equal(n, []uint64{10, 10, 256, 300}) {
			t.Errorf("from block 10: %v, %v", n, err)
		}
		for _, u := range from {
			if err := store.DeleteUnknownToken(tx, u); err != nil {
				return err
			}
		}
		left := 0
		for chain := uint64(4); chain <= 6; chain++ {
			list, err := store.UnknownTokensFrom(tx, chain, 0)
			if err != nil {
				return err
			}
			left += len(list)
		}
		if left != 3 {
			t.Errorf("%d marks are left, want those of block 9 and of other chains", left)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
