package book_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
)

// TestNewPayoutAddresses: further payout addresses are the vault's, each index is
// used once whoever asks at the same time, and what lies on them is read before they
// pay.
func TestNewPayoutAddresses(t *testing.T) {
	if _, err := newBook(t).NewPayoutAddresses(t.Context(), 1); !errors.Is(err, book.ErrNoWatch) {
		t.Errorf("without a watch file: %v", err)
	}
	b, m := watched(t)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		made []wallet.Address
	)
	for range 5 {
		all.Go(func() {
			list, err := b.NewPayoutAddresses(t.Context(), 3)
			if err != nil || len(list) != 3 {
				t.Errorf("%d addresses, %v", len(list), err)
			}
			mu.Lock()
			made = append(made, list...)
			mu.Unlock()
		})
	}
	all.Wait()
	slices.SortFunc(made, func(a, b wallet.Address) int { return int(a.Path.Index) - int(b.Path.Index) })
	open := unopened(t, b, ether.ID)
	for i, a := range made {
		index := uint32(i) + 1 // the first one came with the watch file
		key, err := m.Account(wallet.PayoutRole).Address(index)
		want := wallet.Address{Address: key, Path: wallet.Path{Role: wallet.PayoutRole, Index: index}, Role: wallet.PayoutRole}
		if err != nil || a != want {
			t.Fatalf("address %d is %v, want %v (%v)", i, a, want, err)
		}
		if !open[a.Address] {
			t.Errorf("%v is not to be read", a)
		}
	}
	role := wallet.PayoutRole
	list, _, err := b.Addresses(t.Context(), book.AddressFilter{Role: &role})
	if err != nil || len(list) != len(made)+1 || !slices.Equal(list[1:], made) {
		t.Errorf("%d addresses are listed, want the first and the %d that were made (%v)", len(list), len(made), err)
	}

	for _, n := range []int{-1, 0, book.MaxPayouts - len(list) + 1, 1 << 40} {
		if _, err := b.NewPayoutAddresses(t.Context(), n); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%d more: %v, want ErrUsage", n, err)
		}
	}
	if _, err := b.NewPayoutAddresses(t.Context(), book.MaxPayouts-len(list)); err != nil {
		t.Errorf("up to %d: %v", book.MaxPayouts, err)
	}
	if _, err := b.NewPayoutAddresses(t.Context(), 1); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("beyond %d: %v, want ErrUsage", book.MaxPayouts, err)
	}
}
