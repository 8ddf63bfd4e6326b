package signer_test

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// bare is how long all processors take for n signatures and nothing else.
func bare(b *testing.B, n int) time.Duration {
	b.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	workers := runtime.GOMAXPROCS(0)
	started := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
				if _, err := crypto.Sign(hash[:], key); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}

// benchmarkSign signs batches of 10,000 with four rungs each, everything included, on a record that
// grows with them, and reports the time as a multiple of the bare signatures.
func benchmarkSign(b *testing.B, build func(s *station, round int) *batch.Batch) {
	const n, rungs = 10_000, 4
	s := newStation(b)
	ladder := func(unsigned *batch.Batch) *batch.Batch {
		for i := range unsigned.Items {
			unsigned.Items[i].Rungs = fees(rungs)
		}
		return unsigned
	}
	s.sign(b, ladder(build(s, 0)))
	bare(b, n*rungs)
	var signing, reference time.Duration
	for round := 1; b.Loop(); round++ {
		b.StopTimer()
		unsigned := ladder(build(s, round))
		// A process signs one batch: the keys of the round before are not ready.
		v, err := vault.Open(s.path, passphrase)
		if err != nil {
			b.Fatal(err)
		}
		s.vault = v.Own()
		runtime.GC()
		reference += bare(b, n*rungs)
		b.StartTimer()
		started := time.Now()
		s.sign(b, unsigned)
		signing += time.Since(started)
		b.StopTimer()
		v.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(signing)/float64(reference), "x-bare")
	b.ReportMetric(float64(n*rungs*b.N)/signing.Seconds(), "signatures/s")
}

// The aim is 1.5 times the bare signatures or less.
func BenchmarkSign10kOneSender(b *testing.B) {
	benchmarkSign(b, func(s *station, round int) *batch.Batch {
		return s.withdrawals(b, uint64(round)*10_000, 10_000)
	})
}

// Every sweep has a sender of its own, whose address and key are derived.
func BenchmarkSign10kSweeps(b *testing.B) {
	benchmarkSign(b, func(s *station, round int) *batch.Batch {
		return s.sweeps(b, uint32(round)*10_000, 10_000)
	})
}
