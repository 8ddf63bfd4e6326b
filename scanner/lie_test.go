package scanner_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
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

// TestHiddenEverywhere has the preferred endpoint leave coin out of traces and of
// balances alike, where the other one cannot trace. A round of comparison that
// asks the other one finds it, and tells.
func TestHiddenEverywhere(t *testing.T) {
	h := newTracedHome(t, three, chaintest.SimulatedOptions{Finality: 1})
	second := h.second()
	h.compare = 2
	h.mine(3)
	h.pass() // and the next round prefers the first endpoint
	poor := strings.ToLower(h.address(alice).Hex())
	h.proxy.Rule(both(
		faulty.Calls(func([]faulty.Call) []faulty.Call { return nil }),
		func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getBalance" && strings.Contains(string(r.Params[0]), poor) {
				a.Result = json.RawMessage(`"0x0"`)
			}
		}))
	second.Rule(both(failing("debug_traceBlockByHash", `{"code":-32601,"message":"no"}`), failing("trace_block", `{"code":-32601,"message":"no"}`)))
	h.split(70, h.address(alice))
	var found []scanner.Residual
	for range 4 {
		h.mine(3)
		found = append(found, h.try().Unseen...)
	}
	h.proxy.Rule(nil)
	for range 2 { // what it said of what the other one proved is in quarantine till then
		h.mine(3)
		h.pass()
	}
	if len(found) != 1 || found[0].Address != h.address(alice) || found[0].Amount.Cmp(wallet.NewAmount(70)) != 0 || !found[0].Traced {
		t.Errorf("found %+v", found)
	}
	if left := h.unproven(); len(left) != 0 {
		t.Errorf("in quarantine: %+v", left)
	}
	h.checkHome()
}

// TestQuarantineIsBounded has a node tell of coin in each block that it never
// proves. The quarantine gets full, and what comes then is found by comparing.
func TestQuarantineIsBounded(t *testing.T) {
	h := newTracedHome(t, three, deep)
	pass := func() scanner.Summary {
		sum, err := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, MaxUnproven: 3, CompareBlocks: -1}).Pass(t.Context())
		h.ok(err)
		return sum
	}
	pass()
	h.proxy.Rule(failing("eth_getProof", `{"code":-32000,"message":"missing trie node"}`))
	for range 4 {
		h.split(50, h.address(alice), h.address(bob))
		h.mine(1)
		if sum := pass(); sum.Unproven != 2 {
			t.Errorf("%+v", sum)
		}
	}
	list := h.unproven()
	if len(list) != 3 {
		t.Errorf("%d in quarantine", len(list))
	}
	h.view(func(tx store.Tx) error {
		round, err := store.ReadRound(tx, h.net.ChainID())
		if round.Untraced <= list[2].BlockNumber {
			t.Errorf("block %d counts as the last that nobody traced, one after %d did not fit", round.Untraced, list[2].BlockNumber)
		}
		return err
	})
	h.proxy.Rule(nil)
	h.mine(1)
	h.compare = 1
	h.pass()
	h.mine(3)
	h.pass()
	for _, who := range []string{"alice", "bob"} {
		if have := h.available(who, h.coin()); have.Cmp(wallet.NewAmount(100)) != 0 {
			t.Errorf("%s has %s wei", who, have)
		}
	}
	if left := h.unproven(); len(left) != 0 {
		t.Errorf("in quarantine: %+v", left)
	}
}

// TestFirstStops has the preferred endpoint stay at a head for ever, as one does
// that lost its peers: what comes then is read from the other one.
func TestFirstStops(t *testing.T) {
	h := newHome(t, three, deep)
	h.second()
	h.mine(3)
	h.pass()
	reach := h.head()
	stop, err := json.Marshal(h.headerNow())
	h.ok(err)
	h.proxy.Rule(both(faulty.Behind(reach), func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"latest"` {
			a.Result = stop
		}
	}))
	tx := h.fund(h.address(alice), 1000)
	h.mine(4)
	for _, agreed := range []bool{true, false} { // as far as the first one has blocks
		sum, err := h.scanner(h.db).Pass(t.Context())
		var d *chain.DisagreementError
		if errors.As(err, &d) == agreed || sum.To != h.head() {
			t.Errorf("read to block %d, the second endpoint has %d: %v", sum.To, h.head(), err)
		}
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)
	h.proxy.Rule(nil)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	h.checkHome()
}

func (h *home) headerNow() *types.Header {
	h.Helper()
	header, err := h.net.Client().HeaderByNumber(h.Context(), nil)
	h.ok(err)
	return header
}
