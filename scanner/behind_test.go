package scanner_test

import (
	"strconv"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestEndpointBehindDuringReorg has blocks missing at the endpoint while the
// fork is looked for, as where another one answers that is behind. What did
// not leave the chain is not orphaned.
func TestEndpointBehindDuringReorg(t *testing.T) {
	h := newHome(t, three, deep)
	tx := h.fund(h.address(alice), 1000)
	h.mine(6)
	h.pass()
	d, head := h.deposit(tx, wallet.KindNative, 0), h.cursor().Head
	h.ok(h.net.Reorg(t.Context(), 1))
	h.mine(2)
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method != "eth_getBlockByNumber" {
			return
		}
		text, _ := strconv.Unquote(string(r.Params[0]))
		if n, err := strconv.ParseUint(text, 0, 64); err == nil && n >= d.BlockNumber && n < head {
			a.Result, a.Error = []byte("null"), nil
		}
	})
	if sum := h.pass(); !sum.Behind || sum.Orphaned != 0 || sum.Undone != 0 {
		t.Errorf("%+v", sum)
	}
	h.proxy.Rule(nil)
	if sum := h.pass(); sum.Behind || sum.Undone != 1 {
		t.Errorf("%+v", sum)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	h.checkHome()
}
