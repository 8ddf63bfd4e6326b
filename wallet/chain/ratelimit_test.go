package chain_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// An endpoint that limits the rate may answer a whole batch with one error. It
// is busy, not broken: a script may try again later.
func TestBatchAnsweredWithOneError(t *testing.T) {
	node := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	var limiting atomic.Bool
	limiter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if limiting.Load() && bytes.HasPrefix(body, []byte("[")) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"slow down"}}`)
			return
		}
		answer, err := http.Post(node.URL(), "application/json", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		_, _ = io.Copy(w, answer.Body)
	}))
	defer limiter.Close()
	c, err := chain.Dial(t.Context(), chain.Options{
		ChainID: node.ChainID(), URLs: []string{limiter.URL}, Attempts: 2, Backoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	head, err := c.HeaderByNumber(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	limiting.Store(true)
	_, err = c.BalancesAt(t.Context(), []common.Address{node.Faucet().Address, {1}}, head.Hash())
	if !errors.Is(err, wallet.ErrUnreachable) || !strings.Contains(err.Error(), "limit the rate") || strings.Contains(err.Error(), "jsonrpcMessage") {
		t.Errorf("error %v", err)
	}
}
