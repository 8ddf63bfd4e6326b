package scanner_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// BenchmarkOpenings is how many new addresses a second have their opening
// balances and nonces read over HTTP from a chain in the same process, and
// booked: as near as that is, and 25 ms away.
func BenchmarkOpenings(b *testing.B) {
	const n = 20_000
	net := chaintest.NewSimulated(b, chaintest.SimulatedOptions{})
	node, err := url.Parse(net.URL())
	fatal(b, err)
	forward := httputil.NewSingleHostReverseProxy(node)
	for _, away := range []time.Duration{0, 25 * time.Millisecond} {
		b.Run(fmt.Sprint("away=", away), func(b *testing.B) {
			far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(away)
				forward.ServeHTTP(w, r)
			}))
			defer far.Close()
			client, err := chain.Dial(b.Context(), chain.Options{URLs: []string{far.URL}})
			fatal(b, err)
			defer client.Close()
			var took time.Duration
			for b.Loop() {
				b.StopTimer()
				db := unopened(b, net.ChainID(), client.Genesis(), n)
				b.StartTimer()
				started := time.Now()
				_, err := scanner.New(db, client, net.ChainID(), scanner.Options{}).Pass(b.Context())
				took += time.Since(started)
				fatal(b, err)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(n*b.N)/took.Seconds(), "addresses/s")
		})
	}
}

// unopened is a store with n addresses whose opening balances are to be read.
func unopened(b *testing.B, id uint64, genesis common.Hash, n int) store.DB {
	db, err := bolt.Create(b.Context(), filepath.Join(b.TempDir(), "airlock.db"))
	fatal(b, err)
	fatal(b, db.Update(b.Context(), func(tx store.Tx) error {
		return store.PutChain(tx, wallet.Chain{
			ID: id, Coin: wallet.Asset{ID: wallet.Coin(id), Symbol: "ETH", Decimals: 18},
			GenesisHash: genesis, StartBlock: 1, Finality: wallet.Finality{Confirmations: 1},
		})
	}))
	addAddresses(b, db, n)
	return db
}
