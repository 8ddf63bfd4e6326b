package scanner_test

import (
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestSecondReadingOfALyingTrace has the first endpoint leave calls out of its
// traces: the second reading asks the other one, credits what they moved, and
// raises the alarm.
func TestSecondReadingOfALyingTrace(t *testing.T) {
	h := newTracedHome(t, quick, chaintest.SimulatedOptions{Finality: 4})
	h.compare = -1 // which would find it, too
	h.second()
	h.mine(1)
	h.pass() // opening balances
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "debug_traceBlockByHash" {
			a.Result = []byte(strings.ReplaceAll(string(a.Result), `"calls":`, `"calld":`))
		}
	})
	tx := h.split(100, h.address(alice))
	h.mine(1)
	if sum := h.pass(); sum.Deposits != 0 || h.proxy.Seen("debug_traceBlockByHash") == 0 {
		t.Fatalf("the first reading: %+v", sum)
	}
	h.mine(5)
	sum := h.try()
	id := wallet.InternalID(h.net.ChainID(), tx, "0")
	if len(sum.Found) != 1 || sum.Found[0].ID != id || alarms(sum.Alarms) != "missed" {
		t.Fatalf("found %+v, alarms %+v", sum.Found, sum.Alarms)
	}
	h.wantStatus(h.byID(id), wallet.DepositConfirmed, detected, confirmed)
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(100)) != 0 {
		t.Errorf("alice has %s", a)
	}
}

// TestSecondReadingProves credits coin that was in quarantine once a node proves
// it. It was known, so it is no alarm.
func TestSecondReadingProves(t *testing.T) {
	h := newTracedHome(t, quick, chaintest.SimulatedOptions{Finality: 4})
	h.compare = -1
	h.mine(1)
	h.pass() // opening balances
	h.split(100, h.address(alice))
	h.mine(1)
	h.proxy.Rule(failing("eth_getProof", `{"code":-32601,"message":"no"}`))
	if sum := h.pass(); sum.Unproven != 1 {
		t.Fatalf("%+v", sum)
	}
	h.proxy.Rule(nil)
	h.mine(5)
	if sum := h.pass(); len(h.unproven()) != 0 || sum.Deposits != 1 || sum.Confirmed != 1 || len(sum.Found) != 0 || len(sum.Alarms) != 0 {
		t.Errorf("%+v", sum)
	}
	h.checkHome()
}

// TestSecondReadingOfANewAddress has a block become final in the pass that is to
// read the opening balance of an address, which holds what that block paid it.
func TestSecondReadingOfANewAddress(t *testing.T) {
	h := newTracedHome(t, quick, chaintest.SimulatedOptions{Finality: 4})
	h.mine(1)
	h.pass()
	h.fund(h.late, 700)
	h.pay(h.late, 30)
	h.mine(4)
	h.pass()
	h.addLate()
	h.mine(2)
	if sum := h.pass(); len(sum.Found) != 0 || len(sum.Alarms) != 0 || sum.Deposits != 2 {
		t.Errorf("%+v", sum)
	}
	h.pass()
	h.checkHome()
}
