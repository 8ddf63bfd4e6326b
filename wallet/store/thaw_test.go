package store_test

import (
	"path/filepath"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// An account that owes after a reversal is frozen for as long as it owes
// anything, and no longer.
func TestFrozenUntilItOwesNothing(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	house := wallet.Posting{Owner: wallet.House, Book: wallet.Available}
	alice, bob := wallet.Posting{Owner: "alice", Book: wallet.Available}, wallet.Posting{Owner: "bob", Book: wallet.Available}
	for _, step := range []struct {
		id       string
		kind     wallet.EntryKind
		asset    wallet.AssetID
		amount   int64
		from, to wallet.Posting
		frozen   bool
	}{
		{"coin arrives", wallet.EntryDeposit, coin, 10, house, alice, false},
		{"gold arrives", wallet.EntryDeposit, gold, 10, house, alice, false},
		{"coin is spent", wallet.EntryTransfer, coin, 7, alice, bob, false},
		{"gold is spent", wallet.EntryTransfer, gold, 7, alice, bob, false},
		{"coin is taken back", wallet.EntryReversal, coin, 10, alice, house, true},
		{"gold is taken back", wallet.EntryReversal, gold, 10, alice, house, true},
		{"part of the coin comes", wallet.EntryCredit, coin, 6, house, alice, true},
		{"all of the gold comes", wallet.EntryDeposit, gold, 10, house, alice, true},
		{"the rest of the coin comes", wallet.EntryCredit, coin, 1, house, alice, false},
		{"it may spend again", wallet.EntryTransfer, gold, 3, alice, bob, false},
	} {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			if err := store.Book(tx, wallet.Entry{
				ID: step.id, ChainID: 1, Kind: step.kind, Postings: wallet.Move(step.asset, wallet.NewAmount(step.amount), step.from, step.to),
			}); err != nil {
				return err
			}
			why, err := store.Frozen(tx, "alice")
			if (why != "") != step.frozen {
				t.Errorf("%s: frozen is %q, want %v", step.id, why, step.frozen)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", step.id, err)
		}
	}
}
