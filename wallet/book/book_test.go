package book_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

var (
	ether = wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func mainnet(id uint64) wallet.Chain {
	return wallet.Chain{ID: id, Coin: wallet.Asset{ID: wallet.Coin(id), Symbol: "ETH", Decimals: 18}}
}

// newBook is a home with chain 1.
func newBook(t testing.TB) *book.Book {
	t.Helper()
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	b := &book.Book{DB: db, Now: func() time.Time { return noon }}
	if err := b.AddChain(t.Context(), mainnet(1)); err != nil {
		t.Fatal(err)
	}
	return b
}

// newVault is the private side of a home's watch file.
func newVault(t testing.TB, seed byte) *hd.Master {
	t.Helper()
	raw := make([]byte, 64)
	raw[0] = seed
	m, err := hd.NewMaster(raw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// watched is a home with chain 1 and a watch file.
func watched(t testing.TB) (*book.Book, *hd.Master) {
	t.Helper()
	b, m := newBook(t), newVault(t, 0)
	if _, err := b.ImportWatch(t.Context(), m.Watch()); err != nil {
		t.Fatal(err)
	}
	return b, m
}

// unopened is how many addresses are to be opened for an asset.
func unopened(t testing.TB, b *book.Book, asset wallet.AssetID) map[common.Address]bool {
	t.Helper()
	set := map[common.Address]bool{}
	if err := b.DB.View(t.Context(), func(tx store.Tx) error {
		list, err := store.UnopenedAddresses(tx, asset.ChainID, 1<<30)
		for _, u := range list {
			if u.Asset == asset {
				set[u.Address] = true
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestImportWatch(t *testing.T) {
	b, m := watched(t)
	again, err := b.ImportWatch(t.Context(), m.Watch())
	if err != nil {
		t.Fatal(err)
	}
	list, more, err := b.Addresses(t.Context(), book.AddressFilter{})
	if err != nil || more {
		t.Fatal(more, err)
	}
	if !slices.Equal(list, again) || len(list) != 3 {
		t.Errorf("addresses %v, want %v", list, again)
	}
	if _, err := b.ImportWatch(t.Context(), newVault(t, 1).Watch()); !errors.Is(err, wallet.ErrRefused) || wallet.Hint(err) == "" {
		t.Errorf("another watch file: %v, want ErrRefused with a hint", err)
	}
	w, err := b.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w.Fingerprint() != m.Watch().Fingerprint() {
		t.Error("the watch file was replaced")
	}
}

func TestNoWatch(t *testing.T) {
	b := newBook(t)
	if _, err := b.NewAddresses(t.Context(), "alice", 1, nil); !errors.Is(err, book.ErrNoWatch) || wallet.Hint(err) == "" {
		t.Errorf("NewAddresses = %v, want ErrNoWatch with a hint", err)
	}
	if _, err := b.NewAddresses(t.Context(), "alice", 100, nil); !errors.Is(err, book.ErrNoWatch) {
		t.Errorf("NewAddresses of many = %v, want ErrNoWatch", err)
	}
}

// TestAddressesAreTheVaults compares the addresses of the online station with
// the keys of the vault, over all roles.
func TestAddressesAreTheVaults(t *testing.T) {
	b, m := watched(t)
	if _, err := b.NewAddresses(t.Context(), "alice", 120, nil); err != nil {
		t.Fatal(err)
	}
	list, _, err := b.Addresses(t.Context(), book.AddressFilter{})
	if err != nil {
		t.Fatal(err)
	}
	roles := map[wallet.Role]int{}
	for _, a := range list {
		key, err := m.Key(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		if want := crypto.PubkeyToAddress(key.PublicKey); a.Address != want {
			t.Errorf("%s is %s, the vault's key has %s", a.Path, a.Address, want)
		}
		roles[a.Role]++
	}
	if want := "map[deposit:120 payout:1 gas:1 treasury:1]"; fmt.Sprint(roles) != want {
		t.Errorf("roles %v, want %s", roles, want)
	}
}

// TestNewAddressesTogether lets many make addresses at once, few and many at a
// time: every index is used once, and by one account.
func TestNewAddressesTogether(t *testing.T) {
	b, m := watched(t)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		made []wallet.Address
	)
	for i, n := range []int{1, 60, 3, 200, 51, 1, 70, 50} {
		account := fmt.Sprint("account-", i)
		all.Go(func() {
			list, err := b.NewAddresses(t.Context(), account, n, nil)
			if err != nil || len(list) != n {
				t.Errorf("%s: %d addresses, %v", account, len(list), err)
			}
			mu.Lock()
			made = append(made, list...)
			mu.Unlock()
		})
	}
	all.Wait()
	slices.SortFunc(made, func(a, b wallet.Address) int { return int(a.Path.Index) - int(b.Path.Index) })
	for i, a := range made {
		want, err := m.Account(wallet.DepositRole).Address(uint32(i))
		if err != nil {
			t.Fatal(err)
		}
		if a.Path.Index != uint32(i) || a.Address != want {
			t.Fatalf("address %d is %v, want %s", i, a, want)
		}
	}
	role := wallet.DepositRole
	list, _, err := b.Addresses(t.Context(), book.AddressFilter{Role: &role})
	if err != nil || !slices.Equal(list, made) {
		t.Errorf("%d addresses are listed, want the %d that were made (%v)", len(list), len(made), err)
	}
	if n := len(unopened(t, b, ether.ID)); n != len(made)+3 {
		t.Errorf("%d addresses are to be opened, want %d", n, len(made)+3)
	}
}

// TestNewAddressesCanceled: whoever interrupts learns what was made, and that
// is what is there.
func TestNewAddressesCanceled(t *testing.T) {
	b, _ := watched(t)
	ctx, cancel := context.WithCancel(t.Context())
	made, err := b.NewAddresses(ctx, "alice", 20_000, func(int) { cancel() })
	if !errors.Is(err, context.Canceled) || len(made) == 0 || len(made) == 20_000 {
		t.Fatalf("%d addresses, %v; want some and a cancellation", len(made), err)
	}
	list, _, err := b.Addresses(t.Context(), book.AddressFilter{Account: "alice"})
	if err != nil || !slices.Equal(list, made) {
		t.Errorf("%d addresses are listed, want the %d that were made (%v)", len(list), len(made), err)
	}
}

func TestNewAddressesRefuses(t *testing.T) {
	b, _ := watched(t)
	for _, c := range []struct {
		account string
		n       int
	}{{"", 1}, {"two\nlines", 1}, {"alice ", 1}, {strings.Repeat("a", 129), 1}, {"alice", 0}, {"alice", -1}, {"alice", book.MaxCount + 1}} {
		if _, err := b.NewAddresses(t.Context(), c.account, c.n, nil); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%d addresses for %q: %v, want ErrUsage", c.n, c.account, err)
		}
	}
}

// TestAddressesPages walks through lists in pages of any size and compares them
// with the whole.
func TestAddressesPages(t *testing.T) {
	b, _ := watched(t)
	for i := range 30 {
		if _, err := b.NewAddresses(t.Context(), []string{"alice", "bob", "ali"}[i%3], 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	role := wallet.DepositRole
	for _, account := range []string{"", "alice", "ali", "nobody"} {
		whole, _, err := b.Addresses(t.Context(), book.AddressFilter{Role: &role, Account: account})
		if err != nil {
			t.Fatal(err)
		}
		for limit := 1; limit < 12; limit++ {
			var pages []wallet.Address
			f := book.AddressFilter{Role: &role, Account: account, Limit: limit}
			for more := true; more; {
				var page []wallet.Address
				if page, more, err = b.Addresses(t.Context(), f); err != nil || len(page) > limit {
					t.Fatal(len(page), err)
				}
				pages = append(pages, page...)
				if more {
					f.From = page[len(page)-1].Path.Index + 1
				}
			}
			if !slices.Equal(pages, whole) {
				t.Errorf("pages of %d of %q differ from the whole", limit, account)
			}
		}
	}
}

// TestAddChain: a second chain opens every address that there is, over more
// than one transaction, and shows only with the last.
func TestAddChain(t *testing.T) {
	b, _ := watched(t)
	made, err := b.NewAddresses(t.Context(), "alice", 10_003, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AddChain(t.Context(), mainnet(10)); err != nil {
		t.Fatal(err)
	}
	open := unopened(t, b, wallet.Coin(10))
	if len(open) != len(made)+3 {
		t.Errorf("%d addresses are to be opened, want %d", len(open), len(made)+3)
	}
	for _, a := range made {
		if !open[a.Address] {
			t.Fatalf("%s is not to be opened", a.Path)
		}
	}
	if err := b.AddChain(t.Context(), mainnet(10)); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("the same chain again: %v, want ErrConflict", err)
	}
}

// TestTransfers credits and transfers at random, ids again among them, and
// compares the balances with a model of two maps.
func TestTransfers(t *testing.T) {
	n, dir := 0, t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n++
		db, err := bolt.Create(context.Background(), filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		b := &book.Book{DB: db, Now: func() time.Time { return noon }}
		if err := b.AddChain(context.Background(), mainnet(1)); err != nil {
			t.Fatal(err)
		}
		have, done := map[string]int64{}, map[string]book.Transfer{}
		owner := rapid.SampledFrom([]string{"alice", "bob", "carol"})
		for range rapid.IntRange(1, 12).Draw(t, "moves") {
			amount := rapid.Int64Range(1, 9).Draw(t, "amount")
			m := book.Transfer{
				ID: fmt.Sprint(rapid.IntRange(1, 8).Draw(t, "id")), To: owner.Draw(t, "to"),
				Asset: ether.ID, Amount: wallet.NewAmount(amount),
			}
			kind, move := "credit", b.Credit
			if rapid.Bool().Draw(t, "transfer") {
				kind, move, m.From = "transfer", b.Transfer, owner.Draw(t, "from")
			}
			before, known := done[kind+m.ID]
			got, err := move(context.Background(), m)
			switch {
			case m.From == m.To:
				if !errors.Is(err, wallet.ErrUsage) {
					t.Fatalf("transfer to itself: %v", err)
				}
			case known && before == m:
				if err != nil || !got.Already {
					t.Fatalf("%v again: %v", m, err)
				}
			case known:
				same := before.From == m.From && before.To == m.To && before.Amount.Cmp(m.Amount) == 0
				if same != (err == nil) || !same && !errors.Is(err, wallet.ErrConflict) {
					t.Fatalf("%v after %v: %v", m, before, err)
				}
			case m.From != "" && have[m.From] < amount:
				if !errors.Is(err, store.ErrInsufficient) {
					t.Fatalf("%v of %d: %v", m, have[m.From], err)
				}
			default:
				if err != nil || got.Already {
					t.Fatalf("%v: %v", m, err)
				}
				done[kind+m.ID] = m
				have[m.From] -= amount
				have[m.To] += amount
			}
		}
		list, err := b.Standings(context.Background(), 1, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Balance[wallet.Available].Cmp(wallet.NewAmount(have[s.Owner])) != 0 {
				t.Fatalf("%q has %s, want %d", s.Owner, s.Balance[wallet.Available], have[s.Owner])
			}
			delete(have, s.Owner)
		}
		for o, n := range have {
			if n != 0 {
				t.Fatalf("%q has %d, and is not listed", o, n)
			}
		}
	})
}

func TestFrozenGivesNothing(t *testing.T) {
	b := newBook(t)
	if _, err := b.Credit(t.Context(), book.Transfer{ID: "1", To: "alice", Asset: ether.ID, Amount: wallet.NewAmount(5)}); err != nil {
		t.Fatal(err)
	}
	if err := b.DB.Update(t.Context(), func(tx store.Tx) error { return store.Freeze(tx, "alice", "owes") }); err != nil {
		t.Fatal(err)
	}
	give := book.Transfer{ID: "2", From: "alice", To: "bob", Asset: ether.ID, Amount: wallet.NewAmount(5)}
	if _, err := b.Transfer(t.Context(), give); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("a frozen account gave: %v", err)
	}
	take := book.Transfer{ID: "3", To: "alice", Asset: ether.ID, Amount: wallet.NewAmount(5)}
	if _, err := b.Credit(t.Context(), take); err != nil {
		t.Errorf("a frozen account cannot take: %v", err)
	}
}
