package scanner_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// lieOnce is a node that is on a branch of its own from a height on the first
// time that it is asked about each block, and tells the truth from then on.
func (h *home) lieOnce(from uint64) faulty.Rule {
	h.Helper()
	told := map[string]bool{}
	lie := faulty.Elsewhere(0)
	return func(r faulty.Request, a *faulty.Answer) {
		var header types.Header
		if r.Method != "eth_getBlockByNumber" || json.Unmarshal(a.Result, &header) != nil || header.Number.Uint64() < from || told[string(r.Params[0])] {
			return
		}
		told[string(r.Params[0])] = true
		lie(r, a)
	}
}

// TestUndoNeedsQuorumOnAnother has one of two endpoints tell of a reorg, and
// then vote with the other one for the block that was credited: what a quorum
// holds to be right is no reason to reverse a credit.
func TestUndoNeedsQuorumOnAnother(t *testing.T) {
	h := newHome(t, three, deep)
	h.second()
	h.mine(6)
	tx := h.fund(h.address(alice), 1000)
	h.mine(4)
	h.pass()
	credited := []wallet.EventType{detected, confirmed}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, credited...)
	before := h.cursor()

	h.proxy.Rule(h.lieOnce(before.Credited - 1))
	sum := h.pass()
	if sum.Orphaned != 0 || sum.Undone != 0 || h.cursor() != before {
		t.Errorf("after one endpoint told of another branch: %+v, cursor %+v, was %+v", sum, h.cursor(), before)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, credited...)
}

// TestHeadTooHigh has a node tell of a head that is far above the chain's, where
// finality goes by depth: the blocks below the real head can still be undone.
func TestHeadTooHigh(t *testing.T) {
	h := newHome(t, three, chaintest.SimulatedOptions{})
	h.mine(8)
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		switch {
		case r.Method != "eth_getBlockByNumber":
		case string(r.Params[0]) == `"finalized"`:
			a.Result, a.Error = nil, json.RawMessage(`{"code":-32602,"message":"invalid argument 0: finalized block not supported"}`)
		case string(r.Params[0]) == `"latest"`:
			var header types.Header
			h.ok(json.Unmarshal(a.Result, &header))
			header.Number = big.NewInt(1 << 40)
			a.Result, _ = json.Marshal(&header)
		}
	})
	h.try()
	if c := h.cursor(); c.Head != h.head() {
		t.Fatalf("cursor at %+v, head %d", c, h.head())
	}
	h.proxy.Rule(nil)
	h.ok(h.net.Reorg(t.Context(), 3))
	h.mine(1)
	h.pass()
	h.checkHome()
}
