package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

var (
	coin  = wallet.Coin(1)
	gold  = wallet.Token(1, common.Address{0x60})
	vault = common.Address{0x0a}
)

// amounts are of all lengths, so that their order is not that of their digits.
var amounts = []wallet.Amount{
	wallet.NewAmount(1), wallet.NewAmount(3), wallet.NewAmount(20), wallet.NewAmount(255), wallet.NewAmount(256), wallet.NewAmount(1 << 40),
	wallet.AmountOf(new(big.Int).Lsh(big.NewInt(1), 256)),
}

// drawEntry draws an entry that sums to zero, of few owners, places and ids, so
// that balances run dry and ids come again.
func drawEntry(t *rapid.T) wallet.Entry {
	owners := rapid.SampledFrom([]string{wallet.House, "alice", "bob"})
	places := rapid.SampledFrom([]common.Address{wallet.Outside, vault, {0x0b}})
	books := rapid.SampledFrom([]wallet.Book{wallet.Available, wallet.Available, wallet.Pending, wallet.Received})
	e := wallet.Entry{
		ID:      fmt.Sprint("e", rapid.IntRange(1, 12).Draw(t, "id")),
		ChainID: 1,
		Kind:    rapid.SampledFrom([]wallet.EntryKind{wallet.EntryDeposit, wallet.EntryTransfer, wallet.EntryReversal}).Draw(t, "kind"),
		Block:   rapid.Uint64Range(0, 5).Draw(t, "block"),
		Time:    time.Unix(0, 0).UTC(),
	}
	for range rapid.IntRange(1, 2).Draw(t, "moves") {
		e.Postings = append(e.Postings, wallet.Move(
			rapid.SampledFrom([]wallet.AssetID{coin, gold}).Draw(t, "asset"),
			rapid.SampledFrom(amounts).Draw(t, "amount"),
			wallet.Posting{Location: places.Draw(t, "from"), Owner: owners.Draw(t, "giver"), Book: books.Draw(t, "from book")},
			wallet.Posting{Location: places.Draw(t, "to"), Owner: owners.Draw(t, "taker"), Book: books.Draw(t, "to book")},
		)...)
	}
	return e
}

// TestLedger books entries at random and compares all that the ledger says with
// the sum of what it took.
func TestLedger(t *testing.T) {
	n, dir, ctx := 0, t.TempDir(), context.Background()
	rapid.Check(t, func(t *rapid.T) {
		n++
		db, err := bolt.Create(ctx, filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		var taken []wallet.Entry
		for range rapid.IntRange(1, 10).Draw(t, "entries") {
			e := drawEntry(t)
			err := db.Update(ctx, func(tx store.Tx) error { return store.Book(tx, e) })
			i := slices.IndexFunc(taken, func(o wallet.Entry) bool { return o.ID == e.ID })
			known := i >= 0 && taken[i].Kind == e.Kind && reflect.DeepEqual(taken[i].Postings, e.Postings)
			switch {
			case i >= 0 && !known && !errors.Is(err, wallet.ErrConflict):
				t.Fatalf("%s with other content: %v", e.ID, err)
			case i >= 0 && known && err != nil:
				t.Fatalf("%s again: %v", e.ID, err)
			case i < 0 && err != nil && !errors.Is(err, store.ErrInsufficient):
				t.Fatal(err)
			case i < 0 && err == nil:
				taken = append(taken, e)
			case i < 0 && !overdraws(taken, e):
				t.Fatalf("%s was refused, though it overdraws nobody: %v", e.ID, err)
			}
			if err := db.View(ctx, func(tx store.Tx) error { return checkLedger(tx, taken) }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// account is whose, of what, in which book.
type account struct {
	owner string
	asset wallet.AssetID
	book  wallet.Book
}

func sums(entries []wallet.Entry) (owned map[account]wallet.Amount, located map[store.Location]wallet.Amount) {
	owned, located = map[account]wallet.Amount{}, map[store.Location]wallet.Amount{}
	for _, e := range entries {
		for _, p := range e.Postings {
			a := account{p.Owner, p.Asset, p.Book}
			owned[a] = owned[a].Add(p.Amount)
			if p.Location != wallet.Outside {
				l := store.Location{Address: p.Location, Asset: p.Asset}
				located[l] = located[l].Add(p.Amount)
			}
		}
	}
	return owned, located
}

// overdraws reports whether an entry leaves an account that it takes from below
// zero.
func overdraws(taken []wallet.Entry, e wallet.Entry) bool {
	owned, _ := sums(append(slices.Clone(taken), e))
	return e.Kind != wallet.EntryReversal && slices.ContainsFunc(e.Postings, func(p wallet.Posting) bool {
		return p.Owner != wallet.House && p.Book == wallet.Available && p.Amount.Sign() < 0 &&
			owned[account{p.Owner, p.Asset, p.Book}].Sign() < 0
	})
}

// checkLedger compares every view of the ledger with the entries it took.
func checkLedger(tx store.Tx, taken []wallet.Entry) error {
	owned, located := sums(taken)
	total := map[wallet.AssetID]wallet.Amount{}
	for a, want := range owned {
		b, err := store.BalanceOf(tx, a.owner, a.asset)
		if err != nil {
			return err
		}
		if b[a.book].Cmp(want) != 0 {
			return fmt.Errorf("%v has %s, want %s", a, b[a.book], want)
		}
		total[a.asset] = total[a.asset].Add(want)
		if a.owner == wallet.House || a.book != wallet.Available || want.Sign() >= 0 {
			continue
		}
		if frozen, err := store.Frozen(tx, a.owner); err != nil || frozen == "" {
			return fmt.Errorf("%v is below zero and not frozen (%w)", a, err)
		}
	}
	for asset, sum := range total {
		if !sum.IsZero() {
			return fmt.Errorf("all postings of %s sum to %s", asset, sum)
		}
	}
	for l, want := range located {
		if have, err := store.LocationBalance(tx, l.Address, l.Asset); err != nil || have.Cmp(want) != 0 {
			return fmt.Errorf("on %v lies %s (%w), want %s", l, have, err, want)
		}
	}
	if err := checkHoldings(tx, owned); err != nil {
		return err
	}
	if err := checkLists(tx, taken, owned, located); err != nil {
		return err
	}
	return checkAbove(tx, taken)
}

// checkLists compares what the lists of the ledger show: no zero, nothing
// twice, nothing left out.
func checkLists(tx store.Tx, taken []wallet.Entry, owned map[account]wallet.Amount, located map[store.Location]wallet.Amount) error {
	for a, n := range owned {
		if n.IsZero() {
			delete(owned, a)
		}
	}
	if err := store.Balances(tx, "", func(b store.OwnerBalance) error {
		for book, n := range b.Balance {
			a := account{b.Owner, b.Asset, book}
			if want, ok := owned[a]; !ok || want.Cmp(n) != 0 {
				return fmt.Errorf("the list of balances has %v with %s, want %s", a, n, want)
			}
			delete(owned, a)
		}
		return nil
	}); err != nil {
		return err
	}
	if len(owned) > 0 {
		return fmt.Errorf("the list of balances lacks %v", owned)
	}
	if err := store.Locations(tx, 1, func(l store.Location) error {
		key := store.Location{Address: l.Address, Asset: l.Asset}
		if want, ok := located[key]; !ok || want.Cmp(l.Amount) != 0 {
			return fmt.Errorf("the list of locations has %v, want %s", l, want)
		}
		return nil
	}); err != nil {
		return err
	}
	var ids []string
	err := store.Entries(tx, func(e wallet.Entry) error {
		ids = append(ids, e.ID)
		return nil
	})
	slices.Reverse(ids)
	want := make([]string, len(taken))
	for i, e := range taken {
		want[i] = e.ID
	}
	if err == nil && !slices.Equal(ids, want) {
		err = fmt.Errorf("the entries are %v, want %v", ids, want)
	}
	return err
}

func checkAbove(tx store.Tx, taken []wallet.Entry) error {
	for block := range uint64(6) {
		list, err := store.EntriesAbove(tx, 1, block)
		if err != nil {
			return err
		}
		want := 0
		for _, e := range taken {
			if e.Block > block {
				want++
			}
		}
		if len(list) != want {
			return fmt.Errorf("%d entries above block %d, want %d", len(list), block, want)
		}
	}
	return nil
}

// TestBookRefuses covers what an entry must not be.
func TestBookRefuses(t *testing.T) {
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	post := func(asset wallet.AssetID, n int64) wallet.Posting {
		return wallet.Posting{Asset: asset, Owner: "alice", Book: wallet.Pending, Amount: wallet.NewAmount(n)}
	}
	for name, e := range map[string]wallet.Entry{
		"no id":          {ChainID: 1, Postings: []wallet.Posting{post(coin, 1), post(coin, -1)}},
		"no postings":    {ID: "x", ChainID: 1},
		"a zero posting": {ID: "x", ChainID: 1, Postings: []wallet.Posting{post(coin, 0), post(coin, 0)}},
		"a sum":          {ID: "x", ChainID: 1, Postings: []wallet.Posting{post(coin, 2), post(coin, -1)}},
		"a sum by asset": {ID: "x", ChainID: 1, Postings: []wallet.Posting{post(coin, 1), post(gold, -1)}},
		"another chain":  {ID: "x", ChainID: 2, Postings: []wallet.Posting{post(coin, 1), post(coin, -1)}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := db.Update(t.Context(), func(tx store.Tx) error { return store.Book(tx, e) }); err == nil {
				t.Error("it was booked")
			}
		})
	}
}
