package scanner_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
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
	h.trace(false)
	var err error
	h.split, err = h.net.Deploy(t.Context(), chaintest.Forwarder)
	h.ok(err)
	return h
}

// trace connects to the node, with tracing or without.
func (h *unseenHome) trace(on bool) {
	h.Helper()
	var err error
	h.client, err = chain.Dial(h.Context(), chain.Options{URLs: []string{h.proxy.URL}, Attempts: 1, Backoff: time.Millisecond, Trace: on})
	h.ok(err)
	h.Cleanup(h.client.Close)
}

// payInside has a contract pay each of the addresses the same.
func (h *unseenHome) payInside(wei int64, to ...common.Address) {
	h.Helper()
	data, err := chaintest.Forwarder.Call("split", to)
	h.ok(err)
	_, err = h.net.Send(h.Context(), chaintest.Call{To: &h.split, Wei: big.NewInt(wei * int64(len(to))), Data: data, Gas: 2_000_000})
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
	// What is final enough is credited by the pass that finds it.
	for at, d := range h.unseen() {
		h.wantStatus(d, wallet.DepositConfirmed, detected, confirmed)
		if t.Failed() {
			t.Fatalf("in %s", at)
		}
	}
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(700+35+5000+3e9)) != 0 {
		t.Errorf("alice has %s", a)
	}
	// Reading it all again changes nothing, even if a trace tells now what moved.
	first := h.deposits()
	for _, traced := range []bool{false, true} {
		h.trace(traced)
		traces := h.proxy.Seen("debug_traceBlockByHash")
		if sum, err := h.scanner(h.db).Rescan(t.Context(), 1, 0); err != nil || sum.Deposits != 0 || sum.Untraceable != 0 || sum.Unproven != 0 {
			t.Errorf("read again, traced %v: %+v, %v", traced, sum, err)
		}
		if traced != (h.proxy.Seen("debug_traceBlockByHash") > traces) {
			t.Errorf("traced was to be %v", traced)
		}
		h.mine(1)
		if sum := h.pass(); sum.Residuals != 0 || len(h.deposits()) != len(first) {
			t.Errorf("after reading again, traced %v: %+v", traced, sum)
		}
		h.wantUnseen(want)
		h.booksAgree()
	}
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

// TestCompareFork finds what arrived on a new branch below where the last round
// had begun.
func TestCompareFork(t *testing.T) {
	for _, longer := range []int{0, 1} {
		t.Run(fmt.Sprint(longer), func(t *testing.T) {
			h := newUnseenHome(t, three)
			h.mine(6)
			h.pass()
			fork := h.cursorOfChain() - 4
			h.ok(h.net.Fork(h.header(fork).Hash()))
			h.net.Rollback()
			h.payInside(700, h.address(alice))
			h.mine(4 + longer)
			if sum := h.pass(); sum.Undone != 4 || sum.Residuals != 1 {
				t.Errorf("%+v", sum)
			}
			h.wantUnseen(map[string]int64{fmt.Sprintf("%d alice", fork+1): 700})
			h.booksAgree()
		})
	}
}

// TestCompareBounds looks for a bounded number of differences in a pass, and for
// each of them with a bounded number of questions. The next passes go on.
func TestCompareBounds(t *testing.T) {
	h := newUnseenHome(t, three)
	many := make([]common.Address, 25)
	h.update(func(tx store.Tx) error {
		for i := range many {
			many[i] = common.Address{0: 1, 19: byte(i)}
			p := wallet.Path{Role: wallet.DepositRole, Index: uint32(100 + i)}
			if err := store.AddAddress(tx, wallet.Address{Address: many[i], Role: p.Role, Account: fmt.Sprint("a", i), Path: p}); err != nil {
				return err
			}
		}
		return nil
	})
	h.pass()
	h.payInside(3, many[:10]...)
	h.payInside(3, many[10:]...)
	h.mine(1)
	if sum := h.pass(); sum.Residuals != 20 {
		t.Errorf("first pass: %d", sum.Residuals)
	}
	if sum := h.pass(); sum.Residuals != 5 {
		t.Errorf("second pass: %d", sum.Residuals)
	}
	h.booksAgree()

	const times = 12
	for range times {
		h.payInside(5, h.address(alice))
		h.mine(5)
	}
	before := h.proxy.Seen("eth_getBalance")
	found := h.pass().Residuals
	if asked := h.proxy.Seen("eth_getBalance") - before; found == 0 || found == times || asked > 64+len(many)+len(h.keys) {
		t.Errorf("one pass found %d with %d balances", found, asked)
	}
	for range times {
		found += h.pass().Residuals
	}
	if found != times {
		t.Errorf("found %d, want %d", found, times)
	}
	h.booksAgree()
}

// TestCompareMeanwhile records nothing for a block of which somebody else
// recorded the same while it was proven.
func TestCompareMeanwhile(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.payInside(700, h.address(alice))
	h.mine(1)
	paid := h.header(h.cursorOfChain())
	var once sync.Once
	h.proxy.Rule(func(r faulty.Request, _ *faulty.Answer) {
		if r.Method != "eth_getProof" {
			return
		}
		once.Do(func() {
			h.update(func(tx store.Tx) error {
				return store.PutDeposit(tx, wallet.Deposit{
					ID: "by somebody else", ChainID: h.net.ChainID(), Account: "alice", Address: h.address(alice), Asset: h.coin(), Amount: wallet.NewAmount(700),
					Kind: wallet.KindNative, BlockNumber: paid.Number.Uint64(), BlockHash: paid.Hash(), Status: wallet.DepositPending, SeenAt: clock,
				})
			})
		})
	})
	if sum := h.pass(); sum.Residuals != 0 || h.proxy.Seen("eth_getProof") == 0 {
		t.Errorf("%+v", sum)
	}
	h.mine(1)
	h.pass()
	if found := h.unseen(); len(found) != 0 {
		t.Errorf("found too: %v", found)
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
			h.view(func(tx store.Tx) error {
				gaps, err := store.Gaps(tx, h.net.ChainID(), common.Address{}, common.HexToAddress("0xffffffffffffffffffffffffffffffffffffffff"))
				if len(gaps) != 0 {
					t.Errorf("gaps that are left: %v", gaps)
				}
				return err
			})
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

// TestCompareLyingTrace finds what a trace leaves out, and says that it did.
func TestCompareLyingTrace(t *testing.T) {
	h := newUnseenHome(t, three)
	h.trace(true)
	pass := func() scanner.Summary {
		sum, err := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, CompareBlocks: 2}).Pass(t.Context())
		var alarm *wallet.AlarmError
		if errors.As(err, &alarm) != (sum.Residuals > 0) {
			t.Errorf("%+v, %v", sum, err)
		}
		return sum
	}
	pass()
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "debug_traceBlockByHash" { // the calls inside are gone
			a.Result = []byte(strings.ReplaceAll(string(a.Result), `"calls":`, `"calld":`))
		}
	})
	h.payInside(700, h.address(alice), h.address(bob))
	h.mine(2)
	sum := pass()
	if sum.Residuals != 2 || !sum.Unseen[0].Traced || h.proxy.Seen("debug_traceBlockByHash") == 0 {
		t.Errorf("the trace leaves it out: %+v", sum)
	}
	n := h.cursorOfChain() - 1
	if len(sum.Alarms) != 1 || sum.Alarms[0].Code != wallet.AlarmMissed || sum.Alarms[0].Block != n || sum.Alarms[0].Count != 2 || len(sum.Found) != 2 {
		t.Errorf("alarms %+v, found %+v", sum.Alarms, sum.Found)
	}
	// Reading it again, by whatever trace, finds no more and ends the alarm.
	h.proxy.Rule(nil)
	if sum, err := h.scanner(h.db).Rescan(t.Context(), n, 0); err != nil || sum.Deposits != 0 || len(sum.Cleared) != 1 {
		t.Errorf("read again: %+v, %v", sum, err)
	}
	h.wantUnseen(map[string]int64{fmt.Sprintf("%d alice", n): 700, fmt.Sprintf("%d bob", n): 700})
	h.booksAgree()
}

// TestCompareOutflow books what left an address in somebody else's call.
func TestCompareOutflow(t *testing.T) {
	h := newUnseenHome(t, three)
	vault, err := h.net.Deploy(t.Context(), chaintest.Mover)
	h.ok(err)
	h.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: vault, Role: wallet.TreasuryRole, Path: wallet.Path{Role: wallet.TreasuryRole}})
	})
	h.pass()
	h.fund(vault, 5000)
	h.mine(1)
	data, err := chaintest.Mover.Call("payOn", common.Address{7}, big.NewInt(1200))
	h.ok(err)
	_, err = h.net.Send(t.Context(), chaintest.Call{To: &vault, Data: data, Gas: 100_000})
	h.ok(err)
	h.mine(1)
	left := h.cursorOfChain()
	if sum := h.pass(); sum.Residuals != 1 || sum.Unseen[0].Amount.Cmp(wallet.NewAmount(-1200)) != 0 || sum.Unseen[0].BlockNumber != left {
		t.Errorf("%+v", sum)
	}
	check := func(recorded, booked int) {
		t.Helper()
		h.view(func(tx store.Tx) error {
			list, err := store.Outflows(tx, h.net.ChainID(), left, left, 0)
			h.ok(err)
			entries, err := store.EntriesIn(tx, h.net.ChainID(), left)
			if len(list) != recorded || len(entries) != booked {
				t.Errorf("%d outflows and %d entries, want %d and %d: %+v %+v", len(list), len(entries), recorded, booked, list, entries)
			}
			return err
		})
		c := h.cursor()
		h.view(func(tx store.Tx) error {
			moving, err := store.Unbooked(tx, h.net.ChainID(), c.Head)
			h.ok(err)
			at, err := store.LocationBalance(tx, vault, h.coin())
			if have := at.Add(moving[store.Place{Address: vault, Asset: h.coin()}]); have.Cmp(wallet.NewAmount(3800)) != 0 {
				t.Errorf("the books have %s on the vault", have)
			}
			return err
		})
	}
	check(1, 0)
	// A reorg takes it back, and it is mined again.
	h.ok(h.net.Reorg(t.Context(), 1))
	h.mine(1)
	h.pass()
	left = h.cursorOfChain()
	check(1, 0)
	h.mine(25) // beyond finality
	if sum := h.pass(); sum.Residuals != 0 {
		t.Errorf("again: %+v", sum)
	}
	check(0, 1)
}

// TestCompareForgottenHashes proves what arrived in blocks whose hashes are kept
// no longer, by the headers up to one that is.
func TestCompareForgottenHashes(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.payInside(700, h.address(alice))
	h.mine(1)
	paid := h.cursorOfChain()
	h.mine(20)
	off := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, CompareBlocks: -1})
	_, err := off.Pass(t.Context())
	h.ok(err)
	h.update(func(tx store.Tx) error { return store.DeleteBlockHashes(tx, h.net.ChainID(), 1, paid+8) })
	h.mine(1)
	for _, n := range []uint64{paid + 7, paid + 9} { // one on the way, and the one that was followed
		elsewhere := faulty.Elsewhere(n)
		h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
			if len(r.Params) > 0 && string(r.Params[0]) == fmt.Sprintf(`"0x%x"`, n) {
				elsewhere(r, a)
			}
		})
		if sum := h.pass(); sum.Residuals != 0 {
			t.Errorf("credited by headers of which one, %d, is of another chain: %+v", n, sum)
		}
	}
	h.proxy.Rule(nil)
	if sum := h.pass(); sum.Residuals != 1 {
		t.Errorf("%+v", sum)
	}
	h.wantUnseen(map[string]int64{fmt.Sprintf("%d alice", paid): 700})
	h.booksAgree()
}

// TestCompareUnopened leaves out addresses whose opening balance was not read
// yet: it is not a deposit.
func TestCompareUnopened(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.payInside(700, h.late)
	h.mine(1)
	h.pass()
	h.addLate()
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getTransactionCount" {
			a.Result, a.Error = nil, json.RawMessage(`{"code":-32000,"message":"missing trie node 0123"}`)
		}
	})
	h.mine(1)
	if sum := h.pass(); sum.Residuals != 0 || sum.Openings != 0 || len(h.quarantine()) != 0 {
		t.Errorf("%+v, in quarantine %v", sum, h.quarantine())
	}
}

// TestCompareTold leaves to the trace's record what a trace told and nobody
// could prove.
func TestCompareTold(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	h.payInside(700, h.address(alice))
	h.mine(1)
	paid := h.header(h.cursorOfChain())
	h.mine(1)
	h.update(func(tx store.Tx) error {
		return store.PutUnprovenCoin(tx, wallet.UnprovenCoin{
			ChainID: h.net.ChainID(), Address: h.address(alice), BlockNumber: paid.Number.Uint64(), BlockHash: paid.Hash(),
			In: wallet.NewAmount(900), Out: wallet.NewAmount(200), Reason: "told by a trace",
		})
	})
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getProof" {
			a.Result, a.Error = nil, json.RawMessage(`{"code":-32601,"message":"no such method"}`)
		}
	})
	for range 2 {
		h.pass()
		if list := h.quarantine(); len(list) != 1 || list[0].Reason != "told by a trace" {
			t.Errorf("in quarantine: %+v", list)
		}
		h.mine(1)
	}
	h.proxy.Rule(nil)
	if sum := h.pass(); sum.Residuals != 1 || len(h.quarantine()) != 0 {
		t.Errorf("%+v, in quarantine %v", sum, h.quarantine())
	}
}

// TestCompareBesideGap finds what is new on an address that has a difference
// too old to be looked into.
func TestCompareBesideGap(t *testing.T) {
	h := newUnseenHome(t, three)
	h.pass()
	old := h.cursorOfChain() + 1
	h.payInside(700, h.address(alice))
	h.mine(10)
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if (r.Method == "eth_getBalance" || r.Method == "eth_getProof") && !h.isRecent(r, h.cursorOfChain()-3) {
			a.Result, a.Error = nil, json.RawMessage(`{"code":-32000,"message":"missing trie node 0123"}`)
		}
	})
	h.pass()
	h.payInside(30, h.address(alice))
	h.mine(1)
	if sum := h.pass(); sum.Residuals != 1 {
		t.Errorf("%+v", sum)
	}
	if list := h.quarantine(); len(list) != 1 || list[0].In.Cmp(wallet.NewAmount(700)) != 0 {
		t.Errorf("in quarantine: %+v", list)
	}
	h.wantUnseen(map[string]int64{fmt.Sprintf("%d alice", h.cursorOfChain()): 30})
	recent := h.cursorOfChain()
	h.proxy.Rule(nil)
	h.mine(1)
	h.pass()
	h.wantUnseen(map[string]int64{fmt.Sprintf("%d alice", recent): 30, fmt.Sprintf("%d alice", old): 700})
	h.booksAgree()
}

// TestCompareReplaced takes back what was found once something else explains it.
func TestCompareReplaced(t *testing.T) {
	for _, c := range []struct{ seen, left int64 }{{700, 0}, {500, 200}, {900, -200}} {
		t.Run(fmt.Sprint(c.seen), func(t *testing.T) {
			h := newUnseenHome(t, three)
			h.pass()
			h.payInside(700, h.address(alice))
			h.mine(5)
			h.pass()
			var found wallet.Deposit
			for _, d := range h.unseen() {
				found = d
			}
			h.wantStatus(found, wallet.DepositConfirmed, detected, confirmed)
			other := found
			other.ID, other.Kind, other.Amount, other.Status = "the same, seen in another way", wallet.KindNative, wallet.NewAmount(c.seen), wallet.DepositPending
			h.update(func(tx store.Tx) error { return store.PutDeposit(tx, other) })
			h.mine(1)
			h.pass()
			left := wallet.Amount{}
			for _, d := range h.unseen() {
				left = left.Add(d.Amount)
			}
			if left.Cmp(wallet.NewAmount(max(c.left, 0))) != 0 {
				t.Errorf("%s are left of it", left)
			}
			h.mine(1)
			h.pass()
			if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(max(c.seen, 700))) != 0 {
				t.Errorf("alice has %s", a)
			}
			h.booksAgree()
		})
	}
}

// TestCompareOpening reads an opening balance again that was read on a branch
// that is gone.
func TestCompareOpening(t *testing.T) {
	h := newUnseenHome(t, three)
	h.payInside(700, h.late) // before it is ours
	h.mine(2)
	h.pass()
	h.addLate()
	h.pass()
	// As if another branch had told of more.
	head := h.cursor().Head
	h.update(func(tx store.Tx) error {
		return store.Book(tx, wallet.Entry{
			ID: "opening on another branch", ChainID: h.net.ChainID(), Kind: wallet.EntryOpening, Time: clock, Block: head,
			Postings: wallet.Move(h.coin(), wallet.NewAmount(50), wallet.Posting{Book: wallet.Opening}, wallet.Posting{Location: h.late}),
		})
	})
	for range 2 {
		h.mine(1)
		if sum := h.pass(); sum.Residuals != 0 {
			t.Errorf("%+v", sum)
		}
	}
	if len(h.unseen()) != 0 || len(h.quarantine()) != 0 {
		t.Errorf("found %v, in quarantine %v", h.unseen(), h.quarantine())
	}
	h.booksAgree()
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

// TestCompareReward tells the tips of a block from what a contract paid in it,
// although their proof came late.
func TestCompareReward(t *testing.T) {
	h := newUnseenHome(t, quick)
	h.mine(1)
	h.pass()
	h.net.SetFeeRecipient(h.address(alice))
	h.fund(common.Address{0xee}, 5)
	h.mine(1)
	h.fund(common.Address{0xee}, 5)
	h.payInside(70, h.address(alice))
	h.mine(1)
	h.net.SetFeeRecipient(common.Address{0xee})
	h.proxy.Rule(failing("eth_getProof", `{"code":-32601,"message":"no"}`))
	h.pass()
	h.proxy.Rule(nil)
	h.trace(false)
	h.mine(1)
	h.pass()
	h.checkHome()
	kinds := map[wallet.DepositKind]int{}
	for _, d := range h.deposits() {
		kinds[d.Kind]++
	}
	if kinds[wallet.KindReward] != 2 || kinds[wallet.KindInternal] != 1 || len(h.deposits()) != 3 {
		t.Errorf("%v", kinds)
	}
}
