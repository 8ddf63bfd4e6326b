package batch

import (
	"fmt"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
)

// many is a batch of n payments of ether from one sender.
func many(n int) *Batch {
	b := withdrawals()
	it := b.Items[0]
	it.Rungs = ladder(1)
	b.Items = make([]Item, n)
	b.Assets = b.Assets[:1]
	for i := range b.Items {
		it.Nonce = uint64(i)
		it.Intent.ID = fmt.Sprintf("w-%d", i)
		it.Intent.Amount = wallet.NewAmount(int64(i + 1))
		it.Value = it.Intent.Amount
		b.Items[i] = it
	}
	return b
}

func BenchmarkParse10k(b *testing.B) {
	file := encoded(b, many(10_000))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Parse(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck10k(b *testing.B) {
	batch := many(10_000)
	for b.Loop() {
		if err := batch.Check(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest10k(b *testing.B) {
	batch := many(10_000)
	for b.Loop() {
		if _, err := batch.Digest(); err != nil {
			b.Fatal(err)
		}
	}
}
