package book_test

import (
	"errors"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
)

// The float is a second vault, once and for ever, and its first payout address
// stands beside that of the cold vault.
func TestImportFloat(t *testing.T) {
	ctx := t.Context()
	empty, float, other := newBook(t), newVault(t, 1), newVault(t, 2)
	if _, err := empty.ImportFloat(ctx, float.Watch()); !errors.Is(err, book.ErrNoWatch) {
		t.Errorf("a float before the cold vault: %v", err)
	}
	b, cold := watched(t)
	if w, err := b.Float(ctx); err != nil || w != nil {
		t.Errorf("before one was imported: %v, %v", w, err)
	}
	if _, err := b.ImportFloat(ctx, cold.Watch()); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("the cold vault as float: %v", err)
	}
	made, err := b.ImportFloat(ctx, float.Watch())
	if err != nil {
		t.Fatal(err)
	}
	want, err := float.Watch().Address(wallet.Path{Role: wallet.PayoutRole})
	if err != nil {
		t.Fatal(err)
	}
	if made.Address != want || made.Role != wallet.FloatRole || made.Path.Role != wallet.PayoutRole {
		t.Errorf("made %+v, want %s", made, want)
	}
	if _, err := b.ImportFloat(ctx, other.Watch()); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("another float: %v", err)
	}
	if again, err := b.ImportFloat(ctx, float.Watch()); err != nil || again != made {
		t.Errorf("again: %+v, %v", again, err)
	}
	if w, err := b.Float(ctx); err != nil || w.Fingerprint() != float.Watch().Fingerprint() {
		t.Errorf("the float is %v, %v", w, err)
	}
	all, _, err := b.Addresses(ctx, book.AddressFilter{})
	if err != nil {
		t.Fatal(err)
	}
	roles := map[wallet.Role]int{}
	for _, a := range all {
		roles[a.Role]++
	}
	if len(all) != 4 || roles[wallet.PayoutRole] != 1 || roles[wallet.FloatRole] != 1 {
		t.Errorf("the home has %+v", all)
	}
	if !unopened(t, b, wallet.Coin(1))[made.Address] {
		t.Error("what lies on the float is not to be read")
	}
	if err := b.AddChain(ctx, mainnet(10)); err != nil {
		t.Fatal(err)
	}
	if !unopened(t, b, wallet.Coin(10))[made.Address] {
		t.Error("what lies on the float on another chain is not to be read")
	}
	// Nor may the float become the cold vault of a home that has none.
	if _, err := b.ImportWatch(ctx, float.Watch()); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("the float as cold vault: %v", err)
	}
}
