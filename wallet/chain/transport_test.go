package chain_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// TestConnections makes sure that many requests at the same time share few
// connections, and that answers may come compressed.
func TestConnections(t *testing.T) {
	const fetchers = 12
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	ok(t, s.Mine(t.Context(), 120))
	var made, asked, compressed atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer, err := http.Post(s.URL(), "application/json", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		time.Sleep(2 * time.Millisecond) // so that requests overlap
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.Copy(w, answer.Body)
			return
		}
		compressed.Add(1)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.Copy(z, answer.Body)
		_ = z.Close()
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c, err := chain.Dial(t.Context(), chain.Options{URLs: []string{server.URL}, Fetchers: fetchers})
	ok(t, err)
	defer c.Close()
	for _, err := range c.Blocks(t.Context(), 0, 120) {
		ok(t, err)
	}
	if asked.Load() < 100 || compressed.Load() != asked.Load() {
		t.Errorf("%d of %d requests asked for compressed answers", compressed.Load(), asked.Load())
	}
	if made.Load() > asked.Load()/2 {
		t.Errorf("%d connections for %d requests, %d at the same time", made.Load(), asked.Load(), fetchers)
	}
	t.Logf("%d connections for %d requests", made.Load(), asked.Load())
}
