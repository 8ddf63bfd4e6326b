package scanner_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// unseenHome is a home on a node that cannot trace, with a contract that pays
// ether inside calls.
type unseenHome struct {
	*home

	split common.Address
}

func newUnseenHome(t *testing.T, f wallet.Finality) *unseenHome {
	t.Helper()
	h := &unseenHome{home: newHome(t, f, deep)}
	var err error
	h.split, err = h.net.Deploy(t.Context(), chaintest.Forwarder)
	h.ok(err)
	return h
}

// payInside has a contract pay each of the addresses the same.
func (h *unseenHome) payInside(wei int64, to ...common.Address) {
	h.Helper()
	data, err := chaintest.Forwarder.Call("split", to)
	h.ok(err)
	_, err = h.net.Send(h.Context(), chaintest.Call{To: &h.split, Wei: big.NewInt(wei * int64(len(to))), Data: data, Gas: 500_000})
	h.ok(err)
}

// leave gives wei to an address by self-destruction.
func (h *unseenHome) leave(wei int64, to common.Address) {
	h.Helper()
	code, err := chaintest.Parting.Create(to)
	h.ok(err)
	_, err = h.net.Send(h.Context(), chaintest.Call{Wei: big.NewInt(wei), Data: code, Gas: 200_000})
	h.ok(err)
}

func (h *unseenHome) header(n uint64) *types.Header {
	h.Helper()
	header, err := h.net.Client().HeaderByNumber(h.Context(), new(big.Int).SetUint64(n))
	h.ok(err)
	return header
}

// unseen are the deposits of kind internal that were found in balances, by
// block and address; none may have another one's id.
func (h *unseenHome) unseen() map[string]wallet.Deposit {
	h.Helper()
	found := map[string]wallet.Deposit{}
	for _, d := range h.deposits() {
		if d.Kind != wallet.KindInternal || d.Status == wallet.DepositOrphaned {
			continue
		}
		if d.ID != wallet.ResidualID(h.net.ChainID(), d.BlockHash, d.Address) || d.TxHash != (common.Hash{}) {
			h.Errorf("deposit %+v has not the id of one that was found in balances", d)
		}
		if h.header(d.BlockNumber).Hash() != d.BlockHash {
			h.Errorf("deposit %s is of a block that is not on the chain", d.ID)
		}
		found[fmt.Sprintf("%d %s", d.BlockNumber, d.Account)] = d
	}
	return found
}

func (h *unseenHome) wantUnseen(want map[string]int64) {
	h.Helper()
	found := h.unseen()
	for at, wei := range want {
		if d, ok := found[at]; !ok || d.Amount.Cmp(wallet.NewAmount(wei)) != 0 {
			h.Errorf("in block and account %s: found %s, want %d wei", at, d.Amount, wei)
		}
		delete(found, at)
	}
	for at, d := range found {
		h.Errorf("in block and account %s: found %s that nobody paid", at, d.Amount)
	}
}

// booksAgree makes sure that ledger and records explain every wei at the head.
func (h *unseenHome) booksAgree() {
	h.Helper()
	c := h.cursor()
	h.checkBalances(c.HeadHash, c.Head)
}

func (h *unseenHome) quarantine() (list []wallet.UnprovenCoin) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		return store.UnprovenCoins(tx, h.net.ChainID(), 0, func(u wallet.UnprovenCoin) error {
			list = append(list, u)
			return nil
		})
	})
	return list
}

// history is what happens in the tests below: coin that arrives in every way,
// some of it unseen. It returns what a comparison must find.
func (h *unseenHome) history() map[string]int64 {
	h.Helper()
	want := map[string]int64{}
	block := func() uint64 { return h.cursorOfChain() }
	h.fund(h.address(payout), 1e18)
	h.mine(1)
	h.payInside(700, h.address(alice), h.address(bob))
	h.mine(1)
	want[fmt.Sprintf("%d alice", block())], want[fmt.Sprintf("%d bob", block())] = 700, 700
	h.mine(3)
	// Several times in one block, mixed with what is seen.
	h.payInside(11, h.address(alice), h.address(alice))
	h.fund(h.address(alice), 5000)
	h.payInside(13, h.address(alice))
	h.net.Withdraw(h.address(alice), 3)
	h.mine(1)
	want[fmt.Sprintf("%d alice", block())] = 35
	h.mine(2)
	// To an address that sends in the same block.
	h.payInside(900, h.address(payout), h.address(bob))
	to := h.address(bob)
	_, err := h.send(payout, &to, 1_000_000, nil, 21000)
	h.ok(err)
	h.mine(1)
	want[fmt.Sprintf("%d ", block())], want[fmt.Sprintf("%d bob", block())] = 900, 900
	h.leave(42, h.address(bob))
	h.mine(1)
	want[fmt.Sprintf("%d bob", block())] = 42
	h.mine(2)
	return want
}

func (h *unseenHome) cursorOfChain() uint64 {
	h.Helper()
	n, err := h.net.Client().BlockNumber(h.Context())
	h.ok(err)
	return n
}

// TestCompareFindsUnseen credits what contracts paid to the block where it
// arrived, once, whether the chain is read in one pass or block by block.
func TestCompareFindsUnseen(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass() // opens the addresses
	want := h.history()
	sum := h.pass()
	if sum.Residuals != len(want) || len(sum.Unseen) != len(want) {
		t.Errorf("found %d: %+v, want %d", sum.Residuals, sum.Unseen, len(want))
	}
	for _, r := range sum.Unseen {
		if r.Traced {
			t.Errorf("%+v: nobody traced that block", r)
		}
	}
	h.wantUnseen(want)
	h.booksAgree()
	h.mine(1)
	if sum := h.pass(); sum.Residuals != 0 || sum.Confirmed == 0 {
		t.Errorf("a pass after the one that found everything: %+v", sum)
	}
	for at, d := range h.unseen() {
		h.wantStatus(d, wallet.DepositConfirmed, detected, confirmed)
		if t.Failed() {
			t.Fatalf("in %s", at)
		}
	}
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(700+35+5000+3e9)) != 0 {
		t.Errorf("alice has %s", a)
	}
	// Reading it all again changes nothing.
	first := h.deposits()
	if sum, err := h.scanner(h.db).Rescan(t.Context(), 1, 0); err != nil || sum.Deposits != 0 {
		t.Errorf("read again: %+v, %v", sum, err)
	}
	h.mine(1)
	if sum := h.pass(); sum.Residuals != 0 || len(h.deposits()) != len(first) {
		t.Errorf("after reading again: %+v", sum)
	}
	h.booksAgree()
}

// TestCompareEachPass finds the same when it follows block by block.
func TestCompareEachPass(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	for i := range 5 {
		h.payInside(100+int64(i), h.address(alice))
		h.fund(h.address(alice), 7)
		h.mine(1)
		if sum := h.pass(); sum.Residuals != 1 || sum.Unseen[0].BlockNumber != h.cursorOfChain() {
			t.Errorf("block %d: %+v", i, sum)
		}
		h.booksAgree()
	}
	before := h.proxy.Seen("eth_getBalance")
	if sum := h.pass(); sum.Residuals != 0 || h.proxy.Seen("eth_getBalance") != before {
		t.Errorf("a pass without a new block: %+v, and %d balances", sum, h.proxy.Seen("eth_getBalance")-before)
	}
}

// TestCompareReorg undoes what was found in blocks that left the chain, and
// finds it where it is now.
func TestCompareReorg(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.payInside(700, h.address(alice))
	h.mine(4)
	h.pass()
	h.mine(1)
	h.pass()
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(700)) != 0 {
		t.Fatalf("alice has %s", a)
	}
	// What was in the blocks is mined again, later.
	h.ok(h.net.Reorg(t.Context(), 5))
	h.mine(4)
	h.pass()
	h.booksAgree()
	h.mine(1)
	h.pass()
	if found := h.unseen(); len(found) != 1 {
		t.Errorf("after the reorg: %v", found)
	}
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(700)) != 0 {
		t.Errorf("alice has %s after the reorg", a)
	}
	h.booksAgree()
	// And lost for good.
	h.ok(h.net.Reorg(t.Context(), 8))
	h.net.Rollback()
	h.mine(2)
	h.pass()
	if found := h.unseen(); len(found) != 0 {
		t.Errorf("after it was lost: %v", found)
	}
	h.booksAgree()
}

// TestCompareOldStateGone keeps in quarantine what no endpoint has the state
// for, and proves it once one does.
func TestCompareOldStateGone(t *testing.T) {
	for _, c := range []struct {
		name, method, reason string
	}{
		{"old balances", "eth_getBalance", "missing trie node"},
		{"proofs", "eth_getProof", "cannot be proven"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newUnseenHome(t, three)
			h.pass()
			paid := h.cursorOfChain() + 1
			h.payInside(700, h.address(alice))
			h.mine(10)
			recent := map[string]bool{}
			for n := paid + 5; n < paid+40; n++ {
				recent[fmt.Sprint(n)] = true
			}
			h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
				if r.Method != c.method {
					return
				}
				if c.method == "eth_getBalance" && h.isRecent(r, paid+5) {
					return
				}
				a.Result, a.Error = nil, json.RawMessage(`{"code":-32000,"message":"missing trie node 0123"}`)
			})
			if sum := h.pass(); sum.Residuals != 0 || sum.Deposits != 0 {
				t.Errorf("without that state: %+v", sum)
			}
			for range 3 { // however often it is seen, it is one
				h.mine(1)
				h.pass()
			}
			list := h.quarantine()
			if len(list) != 1 || list[0].In.Cmp(wallet.NewAmount(700)) != 0 || list[0].Address != h.address(alice) || !strings.Contains(list[0].Reason, c.reason) {
				t.Errorf("in quarantine: %+v", list)
			}
			h.proxy.Rule(nil)
			h.mine(1)
			if sum := h.pass(); sum.Residuals != 1 {
				t.Errorf("with that state: %+v", sum)
			}
			h.wantUnseen(map[string]int64{fmt.Sprintf("%d alice", paid): 700})
			if list := h.quarantine(); len(list) != 0 {
				t.Errorf("still in quarantine: %+v", list)
			}
			h.booksAgree()
		})
	}
}

// isRecent reports whether a request names a block from the given one on.
func (h *unseenHome) isRecent(r faulty.Request, from uint64) bool {
	var at struct {
		BlockHash common.Hash `json:"blockHash"`
	}
	if len(r.Params) < 2 || json.Unmarshal(r.Params[1], &at) != nil {
		return true
	}
	header, err := h.net.Client().HeaderByHash(h.Context(), at.BlockHash)
	return err == nil && header.Number.Uint64() >= from
}

// TestCompareLyingBalances credits nothing for balances that nobody can prove.
func TestCompareLyingBalances(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.mine(5)
	alice := strings.ToLower(h.address(alice).Hex())
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBalance" && strings.Contains(string(r.Params[0]), alice) && h.isRecent(r, h.cursorOfChain()-2) {
			a.Result, _ = json.Marshal(hexutil.Uint64(1e9))
		}
	})
	if sum := h.pass(); sum.Residuals != 0 || sum.Deposits != 0 {
		t.Errorf("while it lies: %+v", sum)
	}
	if list := h.quarantine(); len(list) != 1 {
		t.Errorf("in quarantine: %+v", list)
	}
	h.proxy.Rule(nil)
	h.mine(1)
	h.pass()
	if list := h.quarantine(); len(list) != 0 || len(h.unseen()) != 0 {
		t.Errorf("after it lied: %+v", list)
	}
	h.booksAgree()
}

// TestCompareRounds compares 5,000 addresses in parts of 1,000, each once in a
// round, and finds what arrived on any of them.
func TestCompareRounds(t *testing.T) {
	h := newUnseenHome(t, three)
	const count = 5000
	many := make([]common.Address, count)
	h.update(func(tx store.Tx) error {
		for i := range many {
			many[i] = common.BigToAddress(new(big.Int).Lsh(big.NewInt(int64(i)*13+7), 140))
			p := wallet.Path{Role: wallet.DepositRole, Index: uint32(100 + i)}
			if err := store.AddAddress(tx, wallet.Address{Address: many[i], Role: p.Role, Account: fmt.Sprint("a", i), Path: p}); err != nil {
				return err
			}
		}
		return nil
	})
	h.pass() // opens them, and compares the first thousand
	h.payInside(100, many[0], many[1700], many[4999])
	for i := range 5 {
		h.mine(1)
		before := h.proxy.Seen("eth_getBalance")
		sum := h.pass()
		// What is asked beside the part are some single balances of a search.
		if asked := h.proxy.Seen("eth_getBalance") - before; asked > 1000+3*10 {
			t.Errorf("pass %d asked for %d balances: %+v", i, asked, sum)
		}
	}
	for range 5 {
		h.mine(1)
		h.pass()
	}
	if found := h.unseen(); len(found) != 3 {
		t.Errorf("found %v, want three", found)
	}
	var rounds store.Round
	h.view(func(tx store.Tx) (err error) {
		rounds, err = store.ReadRound(tx, h.net.ChainID())
		return err
	})
	if rounds.Agreed == 0 {
		t.Errorf("no round ended: %+v", rounds)
	}

	// A quiet round: every address is asked for exactly once.
	for h.roundRuns() {
		h.mine(1)
		h.pass()
	}
	before := h.proxy.Seen("eth_getBalance")
	passes := 0
	for started := false; !started || h.roundRuns(); started = true {
		h.mine(1)
		h.pass()
		passes++
	}
	if asked := h.proxy.Seen("eth_getBalance") - before; asked != count+len(h.keys) || passes != 6 {
		t.Errorf("a round asked for %d balances in %d passes, want %d in 6", asked, passes, count+len(h.keys))
	}
	h.booksAgree()
}

func (h *unseenHome) roundRuns() (runs bool) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		r, err := store.ReadRound(tx, h.net.ChainID())
		runs = r.Running
		return err
	})
	return runs
}

// TestCompareKilled kills the pass that finds everything before and after each
// of its transactions; the next ones end as if it had not been killed.
func TestCompareKilled(t *testing.T) {
	for n, done := 0, false; !done; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			h := newUnseenHome(t, three)
			h.pass()
			h.payInside(700, h.address(alice), h.address(bob))
			h.mine(2)
			h.payInside(30, h.address(alice))
			h.mine(3)
			_, err := h.scanner(&mortalDB{h.db, n}).Pass(t.Context())
			if done = err == nil; !done && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			h.pass()
			h.mine(3)
			h.pass()
			h.pass()
			if found := h.unseen(); len(found) != 3 {
				t.Errorf("found %v, want three", found)
			}
			a, b := h.available("alice", h.coin()), h.available("bob", h.coin())
			if a.Cmp(wallet.NewAmount(730)) != 0 || b.Cmp(wallet.NewAmount(700)) != 0 {
				t.Errorf("alice has %s, bob %s", a, b)
			}
			h.booksAgree()
		})
		if t.Failed() {
			return
		}
	}
}

// TestCompareOff asks for nothing.
func TestCompareOff(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.payInside(700, h.address(alice))
	h.mine(2)
	before := h.proxy.Seen("eth_getBalance")
	sum, err := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, CompareBlocks: -1}).Pass(t.Context())
	if h.ok(err); sum.Residuals != 0 || h.proxy.Seen("eth_getBalance") != before {
		t.Errorf("%+v", sum)
	}
}
