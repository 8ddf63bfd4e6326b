package store_test

import (
	"fmt"
	"math/big"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// A token may log anything. A thousand times the largest amount, for two
// million gas, must not make a balance that cannot be read any more: that would
// stop the scan.
func TestTokenThatLiesLeavesTheLedgerReadable(t *testing.T) {
	largest := wallet.AmountOf(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)))
	asset, at := wallet.Token(1, common.Address{1}), common.Address{2}
	const times = 2000
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		for i := range times {
			if err := store.Book(tx, wallet.Entry{
				ID: fmt.Sprint(i), ChainID: 1, Kind: wallet.EntryDeposit, Block: 1,
				Postings: wallet.Move(asset, largest,
					wallet.Posting{Owner: "alice", Book: wallet.Received}, wallet.Posting{Location: at, Owner: "alice", Book: wallet.Available}),
			}); err != nil {
				return err
			}
		}
		have, err := store.LocationBalance(tx, at, asset)
		if err == nil && have.Cmp(largest.Mul(times)) != 0 {
			t.Errorf("%s lies there, want %s", have, largest.Mul(times))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
