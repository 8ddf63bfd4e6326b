package rebalance

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// An alarm names every address of a role that has too little beside what its open
// transactions may take, and there is none while all have enough.
func TestLow(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	payout, other := address(wallet.PayoutRole, 0), address(wallet.PayoutRole, 1)
	marks := []Mark{{wallet.PayoutRole, coin, n(1000), n(2000)}}
	low := func() (a *wallet.Alarm) {
		t.Helper()
		if err := db.View(t.Context(), func(tx store.Tx) (err error) {
			a, err = Low(tx, 1, marks)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	update := func(do func(tx store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	credit := func(id string, to common.Address, amount int64) {
		t.Helper()
		update(func(tx store.Tx) error {
			return store.Book(tx, wallet.Entry{
				ID: id, ChainID: 1, Kind: wallet.EntryCredit, Time: time.Unix(0, 0),
				Postings: wallet.Move(coin.ID, n(amount),
					wallet.Posting{Owner: wallet.House, Book: wallet.Unknown},
					wallet.Posting{Location: to, Owner: wallet.House, Book: wallet.Available}),
			})
		})
	}
	if a := low(); a != nil {
		t.Errorf("without addresses: %+v", a)
	}
	update(func(tx store.Tx) error {
		if err := store.AddAddress(tx, payout); err != nil {
			return err
		}
		return store.AddAddress(tx, other)
	})
	if a := low(); a == nil || a.Code != wallet.AlarmLow || a.Count != 2 || !strings.Contains(a.Text, other.Address.Hex()) || !strings.Contains(a.Hint, "airlock rebalance") {
		t.Errorf("with nothing there: %+v", a)
	}
	credit("1", payout.Address, 1500)
	credit("2", other.Address, 1000)
	if a := low(); a != nil {
		t.Errorf("with just enough: %+v", a)
	}
	// 301 and 2 gas for 100: 501 may leave, though 1500 lie there.
	update(func(tx store.Tx) error {
		return store.PutOutgoing(tx, wallet.Outgoing{
			Slot:     wallet.Slot{ChainID: 1, Sender: payout.Address},
			Intent:   wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w", Asset: coin.ID, Amount: n(301)},
			Payload:  wallet.Payload{Value: n(301), Gas: 100},
			Attempts: []wallet.Attempt{{Rungs: []wallet.Fee{price}}}, State: wallet.OutgoingBound,
		})
	})
	if a := low(); a == nil || a.Count != 1 || !strings.Contains(a.Text, payout.Address.Hex()+" has 0.000000000000000999 ETH to spare") {
		t.Errorf("with a payment on its way: %+v", a)
	}
}
