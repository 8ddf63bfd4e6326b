package book_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// scattered is an address that no other n has, far from that of n+1.
func scattered(n uint32) (a common.Address) {
	binary.BigEndian.PutUint32(a[:], n*2654435761) // odd, so that it is a bijection
	return a
}

// homeOf is a home with n deposit addresses, ten to an account.
func homeOf(b *testing.B, n uint32) *book.Book {
	b.Helper()
	db, err := bolt.Create(b.Context(), filepath.Join(b.TempDir(), "airlock.db"))
	if err != nil {
		b.Fatal(err)
	}
	for from := uint32(0); from < n; from += 5_000 {
		if err := db.Update(b.Context(), func(tx store.Tx) error {
			for i := from; i < min(from+5_000, n); i++ {
				a := wallet.Address{
					Address: scattered(i), Path: wallet.Path{Role: wallet.DepositRole, Index: i},
					Role: wallet.DepositRole, Account: fmt.Sprint("account-", i/10),
				}
				if err := store.AddAddress(tx, a); err != nil {
					return err
				}
			}
			return store.PutNextIndex(tx, wallet.DepositRole, n)
		}); err != nil {
			b.Fatal(err)
		}
	}
	return &book.Book{DB: db, Now: time.Now}
}

// BenchmarkAddresses is the time to list addresses, opening the store included,
// in homes of different sizes: it must not grow with them.
func BenchmarkAddresses(b *testing.B) {
	for _, n := range []uint32{1_000, 100_000, 1_000_000} {
		home := homeOf(b, n)
		role := wallet.DepositRole
		for name, f := range map[string]book.AddressFilter{
			"first-1000":   {Role: &role, Limit: 1000},
			"last-100":     {Role: &role, From: n - 100},
			"of-1-account": {Account: fmt.Sprint("account-", n/20)},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					if list, _, err := home.Addresses(b.Context(), f); err != nil || len(list) == 0 {
						b.Fatal(len(list), err)
					}
				}
			})
		}
	}
}

// BenchmarkNewAddresses is the time to derive and store addresses.
func BenchmarkNewAddresses(b *testing.B) {
	for _, n := range []int{1, 100, 5_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			home, _ := watched(b)
			for b.Loop() {
				if _, err := home.NewAddresses(b.Context(), "alice", n, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "addresses/s")
		})
	}
}
