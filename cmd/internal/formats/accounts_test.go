package formats

import (
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestTransferCSV books the page's transfers, twice.
func TestTransferCSV(t *testing.T) {
	b := &book.Book{DB: newHome(t), Now: func() time.Time { return built }}
	coin := wallet.Coin(chainID)
	must(b.Credit(t.Context(), book.Transfer{ID: "pool", To: "pool", Asset: coin, Amount: wallet.NewAmount(4e17)}))(t)
	for n, known := range []int{0, 2} {
		sum := must(b.TransferAll(t.Context(), chainID, "page.csv", strings.NewReader(example(t, "transfer-csv")), nil))(t)
		if sum.Rows != 2 || sum.Known != known || sum.Totals[0].Amount.Cmp(wallet.NewAmount(375e15)) != 0 {
			t.Errorf("time %d: %+v", n+1, sum)
		}
	}
	if err := b.DB.View(t.Context(), func(tx store.Tx) error {
		for account, want := range map[string]int64{"pool": 25e15, "alice": 125e16, "bob": 125e15} {
			have, err := store.BalanceOf(tx, account, coin)
			if err != nil {
				return err
			}
			if have[wallet.Available].Cmp(wallet.NewAmount(want)) != 0 {
				t.Errorf("%s has %s, want %d", account, have[wallet.Available], want)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestPayeeCSV says where the page's accounts are paid, twice.
func TestPayeeCSV(t *testing.T) {
	s := &payout.Service{DB: newHome(t), Chain: chainID, Now: func() time.Time { return built }}
	for n, want := range []payout.Imported{{Rows: 3, New: 3}, {Rows: 3, Known: 3}} {
		if got := must(s.ImportPayoutAddresses(t.Context(), "page.csv", strings.NewReader(example(t, "payee-csv"))))(t); got != want {
			t.Errorf("import %d: %+v, want %+v", n+1, got, want)
		}
	}
	list, _, err := s.PayoutAddresses(t.Context(), "alice", "", 0)
	if err != nil || len(list) != 2 || list[0].Asset != nil || *list[1].Asset != usdc.ID {
		t.Errorf("alice is paid at %+v, %v", list, err)
	}
}
