package scanner_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// TestSlowBlocksAreKept reads blocks that come so slowly that a full step takes
// minutes: what was read is recorded before.
func TestSlowBlocksAreKept(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{})
	h.pass()
	h.mine(20)
	first := h.cursor().Head
	ctx, cancel := context.WithCancel(t.Context())
	clock := clock
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{
		Now: func() time.Time { return clock },
		Progress: func(_ scanner.Phase, done, _ uint64) {
			clock = clock.Add(3 * time.Second)
			if done == 10 {
				cancel()
			}
		},
	})
	if _, err := s.Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted pass: %v", err)
	}
	if read := h.cursor().Head - first; read < 8 {
		t.Errorf("%d of the 10 blocks were kept, want all but those of the last seconds", read)
	}
}
