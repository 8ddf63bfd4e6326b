package scanner_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// relay is a TCP port before another one whose connections can be cut.
type relay struct {
	net.Listener

	mu    sync.Mutex
	conns []net.Conn
	count int
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	t.Cleanup(func() {
		l.Close()
		r.cut()
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(context.Background(), "tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			r.mu.Lock()
			r.conns, r.count = append(r.conns, in, out), r.count+1
			r.mu.Unlock()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
			go func() { _, _ = io.Copy(out, in); out.Close() }()
		}
	}()
	return r
}

// cut ends all connections, and says how many there had been ever.
func (r *relay) cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
	return r.count
}

// TestWebSocketDrops goes on following by a new subscription when the connection
// that told of new heads is cut, twice, where nothing else would tell of them.
func TestWebSocketDrops(t *testing.T) {
	h := newHome(t, three, chaintest.SimulatedOptions{Finality: 3})
	r := newRelay(t, strings.TrimPrefix(h.net.WSURL(), "ws://"))
	client, err := chain.Dial(t.Context(), chain.Options{URLs: []string{"ws://" + r.Addr().String()}})
	h.ok(err)
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := scanner.New(h.db, client, h.net.ChainID(), scanner.Options{Now: now, Poll: time.Hour})
	var txs []common.Hash
	next := func() {
		txs = append(txs, h.fund(h.address(alice), int64(len(txs)+1)))
		h.mine(3)
	}
	go func() { // heads to hear of
		for ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			_ = h.net.Mine(ctx, 1)
		}
	}()
	cuts, passes := 0, 0
	next()
	err = s.Follow(ctx, func(_ scanner.Summary, err error) error {
		if err != nil {
			return err
		}
		passes++
		known := slices.ContainsFunc(h.deposits(), func(d wallet.Deposit) bool { return d.TxHash == txs[len(txs)-1] })
		switch {
		case !known || passes < 3*(cuts+1):
		case cuts == 2:
			cancel()
		default:
			cuts++
			r.cut()
			next()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || cuts != 2 || len(txs) != 3 {
		t.Errorf("ended with %v after %d cuts and %d passes", err, cuts, passes)
	}
	if n := r.cut(); n < 3 {
		t.Errorf("%d connections", n)
	}
}
