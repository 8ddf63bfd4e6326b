package scanner_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestTagLiar has the preferred endpoint call its head final. Nothing is
// credited before another one says so, and the blocks are read all the same
// while the other one is gone.
func TestTagLiar(t *testing.T) {
	h := newHome(t, finalized, chaintest.SimulatedOptions{Finality: 3})
	second := h.second()
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"finalized"` {
			h.ok(h.net.Client().Client().CallContext(t.Context(), &a.Result, r.Method, "latest", false))
		}
	})
	h.mine(5)
	tx := h.fund(h.address(alice), 1000)
	h.mine(1)
	h.pass()
	if c := h.cursor(); c.Final != h.head()-3 || c.Credited != c.Final {
		t.Errorf("head %d, cursor at %+v", h.head(), c)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)

	second.Down(http.StatusBadGateway)
	h.mine(5)
	before := h.cursor()
	sum, err := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, FinalityAlarm: time.Nanosecond}).Pass(t.Context())
	if len(sum.Alarms) > 0 { // finality did not stop: nobody tells
		t.Errorf("alarms %+v", sum.Alarms)
	}
	var few *chain.TagError
	if !errors.As(err, &few) || !errors.As(sum.Unagreed, &few) || !errors.Is(err, wallet.ErrUnreachable) || wallet.Hint(err) == "" {
		t.Errorf("one voice of two: %v, summary %+v", err, sum)
	}
	if c := h.cursor(); c.Head != h.head() || c.Final != before.Final || c.Credited != before.Credited {
		t.Errorf("head %d, cursor at %+v, was %+v", h.head(), c, before)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)

	second.Down(0)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
}
