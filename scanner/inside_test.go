package scanner_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

var quick = wallet.Finality{Confirmations: 1}

func (h *home) byID(id string) wallet.Deposit {
	h.Helper()
	var d wallet.Deposit
	h.view(func(tx store.Tx) (err error) {
		var ok bool
		if d, ok, err = store.Deposit(tx, id); err == nil && !ok {
			err = errors.New("no deposit " + id)
		}
		return err
	})
	return d
}

// split pays wei to addresses inside a contract.
func (h *home) split(wei int64, to ...common.Address) common.Hash {
	h.Helper()
	contract, err := h.net.Deploy(h.Context(), chaintest.Forwarder)
	h.ok(err)
	data, err := chaintest.Forwarder.Call("split", to)
	h.ok(err)
	tx, err := h.net.Send(h.Context(), chaintest.Call{To: &contract, Data: data, Wei: big.NewInt(wei), Gas: 600_000})
	h.ok(err)
	return tx
}

func (h *home) unproven() (list []wallet.UnprovenCoin) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		return store.UnprovenCoins(tx, h.net.ChainID(), 0, func(u wallet.UnprovenCoin) error {
			list = append(list, u)
			return nil
		})
	})
	return list
}

// TestInside credits what a contract pays, orphans it when its block leaves the
// chain, and knows it again.
func TestInside(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	tx := h.split(100, h.address(alice), common.Address{0xee}, h.address(bob), h.address(bob))
	h.mine(1)
	if sum := h.pass(); sum.Deposits != 3 || sum.Confirmed != 3 || sum.Untraceable != 0 {
		t.Errorf("%+v", sum)
	}
	id := wallet.InternalID(h.net.ChainID(), tx, "2")
	first := h.byID(id)
	h.wantStatus(first, wallet.DepositConfirmed, detected, confirmed)
	if first.Kind != wallet.KindInternal || first.TxHash != tx || first.Account != "bob" || first.Amount.Cmp(wallet.NewAmount(25)) != 0 {
		t.Errorf("%+v", first)
	}
	h.checkHome()
	h.ok(h.net.Reorg(t.Context(), 1))
	if sum := h.pass(); sum.Orphaned != 3 {
		t.Errorf("after the reorg: %+v", sum)
	}
	h.checkHome()
	h.mine(1)
	if sum := h.pass(); sum.Deposits != 3 {
		t.Errorf("mined again: %+v", sum)
	}
	h.wantStatus(h.byID(id), wallet.DepositConfirmed, detected, confirmed, orphaned, detected, confirmed)
	if again := h.byID(id); again.BlockHash == first.BlockHash {
		t.Error("mined again in the same block")
	}
	h.checkHome()
}

// TestEtherLogsInside counts what a contract pays once where that leaves a log
// as well (EIP-7708).
func TestEtherLogsInside(t *testing.T) {
	h := newTracedHome(t, quick, chaintest.SimulatedOptions{Finality: 20, Amsterdam: true})
	tx := h.split(50, h.address(alice), h.address(bob))
	h.mine(1)
	head, err := h.net.Client().BlockNumber(t.Context())
	h.ok(err)
	b, err := h.client.Block(t.Context(), head)
	h.ok(err)
	if len(b.Txs) != 1 || len(b.Txs[0].Logs) != 3 {
		t.Fatalf("the calls left no logs: %+v", b.Txs)
	}
	if sum := h.pass(); sum.Deposits != 2 || sum.Untraceable != 0 {
		t.Errorf("%+v", sum)
	}
	h.wantStatus(h.byID(wallet.InternalID(h.net.ChainID(), tx, "0")), wallet.DepositConfirmed, detected, confirmed)
	h.checkHome()
}

// TestReward credits the tips of our blocks, and nothing of others'.
func TestReward(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	h.fund(h.address(bob), 1e18)
	h.mine(1)
	h.net.SetFeeRecipient(h.address(alice))
	h.fund(h.address(bob), 5)
	h.split(50, h.address(alice), h.address(bob))
	_, err := h.send(bob, ptr(h.address(alice)), 7, nil, 21_000)
	h.ok(err)
	h.mine(2)
	h.net.SetFeeRecipient(common.Address{0xee})
	h.fund(h.address(bob), 5)
	h.mine(1)
	h.pass()
	h.checkHome() // which reads the rewards by itself
	rewards := 0
	for _, d := range h.deposits() {
		if d.Kind == wallet.KindReward {
			rewards++
		}
	}
	if rewards != 2 { // the contract was created in a block of its own
		t.Errorf("%d rewards", rewards)
	}
}

// failing is a node that fails whenever it is asked by a method.
func failing(method, fault string) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		if r.Method == method {
			a.Result, a.Error = nil, json.RawMessage(fault)
		}
	}
}

// TestUnproven puts into quarantine what a node does not prove, credits nothing
// of it, goes on, and credits it once when it is proven.
func TestUnproven(t *testing.T) {
	const method = "eth_getProof"
	for name, rule := range map[string]faulty.Rule{
		"no such method": failing(method, `{"code":-32601,"message":"the method eth_getProof does not exist"}`),
		"refused":        failing(method, `{"code":-32000,"message":"upgrade your plan"}`),
		"no state":       failing(method, `{"code":-32000,"message":"missing trie node"}`),
		"never in time":  failing(method, `{"code":-32002,"message":"request timed out"}`),
		"unknown block":  failing(method, `{"code":-32000,"message":"header not found"}`),
		"no answer": func(r faulty.Request, a *faulty.Answer) {
			if r.Method == method {
				a.Result = json.RawMessage("null")
			}
		},
		"nonsense": func(r faulty.Request, a *faulty.Answer) {
			if r.Method == method {
				a.Result = json.RawMessage(`[7]`)
			}
		},
		"proof of nothing": func(r faulty.Request, a *faulty.Answer) {
			if r.Method == method {
				a.Result = json.RawMessage(`{"accountProof":[]}`)
			}
		},
		"proof of other state": func(r faulty.Request, a *faulty.Answer) {
			if r.Method == method {
				a.Result = json.RawMessage(`{"accountProof":["0xc0"]}`)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTracedHome(t, quick, deep)
			h.split(50, h.address(alice), h.address(bob))
			h.mine(1)
			h.proxy.Rule(rule)
			sum := h.pass()
			if sum.Deposits != 0 || sum.Unproven != 2 || len(h.unproven()) != 2 {
				t.Fatalf("%+v, %+v", sum, h.unproven())
			}
			if u := h.unproven()[0]; u.In.Cmp(wallet.NewAmount(25)) != 0 || u.Reason == "" {
				t.Errorf("%+v", u)
			}
			_, err := h.scanner(h.db).Rescan(t.Context(), 1, 0)
			h.ok(err)
			if len(h.deposits()) != 0 || len(h.unproven()) != 2 {
				t.Errorf("read again without proofs: %+v, %+v", h.deposits(), h.unproven())
			}
			h.proxy.Rule(nil)
			for range 2 {
				_, err = h.scanner(h.db).Rescan(t.Context(), 1, 0)
				h.ok(err)
				if len(h.deposits()) != 2 || len(h.unproven()) != 0 {
					t.Errorf("read again with proofs: %+v, %+v", h.deposits(), h.unproven())
				}
			}
			h.proxy.Rule(rule)
			_, err = h.scanner(h.db).Rescan(t.Context(), 1, 0)
			h.ok(err)
			if len(h.unproven()) != 0 {
				t.Errorf("what was proven before is in quarantine: %+v", h.unproven())
			}
			h.pass()
			h.checkHome()
		})
	}
}

// TestUnprovenAndLost forgets what could not be proven when its block leaves the
// chain, and does not lose what was in quarantine where nobody traces any more.
func TestUnprovenAndLost(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	h.split(50, h.address(alice))
	h.mine(1)
	h.proxy.Rule(failing("eth_getProof", `{"code":-32601,"message":"no"}`))
	h.pass()
	h.ok(h.net.Reorg(t.Context(), 1))
	h.pass()
	if len(h.unproven()) != 0 {
		t.Errorf("of a block that left the chain: %+v", h.unproven())
	}
	h.mine(1)
	h.pass()
	if len(h.unproven()) != 1 {
		t.Errorf("mined again: %+v", h.unproven())
	}
	h.proxy.Rule(failing("debug_traceBlockByHash", `{"code":-32601,"message":"no"}`))
	_, err := h.scanner(h.db).Rescan(t.Context(), 1, 0)
	h.ok(err)
	if len(h.unproven()) != 0 {
		t.Errorf("proven without a trace: %+v", h.unproven())
	}
	h.pass()
	h.checkHome()
}

// TestProofsOutOfReach fails a pass rather than to put into quarantine what the
// next one can prove.
func TestProofsOutOfReach(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	h.split(50, h.address(alice))
	h.mine(1)
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getProof" { // nor is what was on its way answered
			h.proxy.Down(503)
			a.Result, a.Error = nil, json.RawMessage(`{"code":-32005,"message":"limit exceeded"}`)
		}
	})
	if _, err := h.scanner(h.db).Pass(t.Context()); !errors.Is(err, wallet.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	h.proxy.Rule(nil)
	h.proxy.Down(0)
	h.pass()
	if len(h.deposits()) != 1 || len(h.unproven()) != 0 {
		t.Errorf("%+v, %+v", h.deposits(), h.unproven())
	}
	h.checkHome()
}

// TestTraceThatLies credits what balances prove, whatever the trace says, and
// says so. The truth, later, adds nothing.
func TestTraceThatLies(t *testing.T) {
	for name, c := range map[string]struct {
		lie   func([]faulty.Call) []faulty.Call
		heard int
	}{
		"a call dropped":    {func(calls []faulty.Call) []faulty.Call { return calls[1:] }, 1},
		"a value doubled":   {func(calls []faulty.Call) []faulty.Call { return append(calls[1:], calls[0].With("value", "0x32")) }, 1},
		"a call added":      {func(calls []faulty.Call) []faulty.Call { return append(calls, calls[0]) }, 1},
		"in another order":  {func(calls []faulty.Call) []faulty.Call { slices.Reverse(calls); return calls }, 0},
		"all to the second": {func(calls []faulty.Call) []faulty.Call { return append(calls[2:], calls[2]) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTracedHome(t, quick, deep)
			h.split(75, h.address(alice), h.address(alice), h.address(bob))
			h.mine(1)
			h.proxy.Rule(faulty.Calls(c.lie))
			sum := h.pass()
			if sum.Untraceable != c.heard || len(sum.Untraced) != c.heard {
				t.Errorf("%+v", sum)
			}
			h.proxy.Rule(nil)
			for range 2 {
				_, err := h.scanner(h.db).Rescan(t.Context(), 1, 0)
				h.ok(err)
				h.pass()
				h.checkHome()
			}
		})
	}
}

// TestNameTaken credits what a trace left out although what it told instead is
// recorded by the same name.
func TestNameTaken(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	h.compare = -1 // else balances find it
	tx := h.split(50, h.address(alice), h.address(bob))
	h.mine(1)
	h.proxy.Rule(faulty.Calls(func(calls []faulty.Call) []faulty.Call { return calls[1:] }))
	h.pass()
	h.proxy.Rule(nil)
	if d := h.byID(wallet.InternalID(h.net.ChainID(), tx, "0")); d.Account != "bob" {
		t.Errorf("%+v", d)
	}
	for range 2 {
		_, err := h.scanner(h.db).Rescan(t.Context(), 1, 0)
		h.ok(err)
		h.pass()
		h.checkHome()
	}
}

// TestVault follows a contract of ours: what it pays in transactions of others
// and of ours, to others and to ours, also where that is found after the
// transaction was settled.
func TestVault(t *testing.T) {
	h := newTracedHome(t, quick, chaintest.SimulatedOptions{Finality: 1})
	h.compare = -1 // else what nobody traced is found in balances
	ctx := t.Context()
	var err error
	h.vault, err = h.net.Deploy(ctx, chaintest.Mover)
	h.ok(err)
	h.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: h.vault, Role: wallet.TreasuryRole, Path: wallet.Path{Role: wallet.TreasuryRole}})
	})
	h.fund(h.vault, 1000)
	h.fund(h.address(payout), 1e18)
	h.mine(1)
	h.pass()
	for n, to := range []common.Address{{0xee}, h.address(alice)} {
		data, err := chaintest.Mover.Call("payOn", to, big.NewInt(int64(100+n)))
		h.ok(err)
		_, err = h.net.Send(ctx, chaintest.Call{To: &h.vault, Data: data, Gas: 120_000})
		h.ok(err)
		_, err = h.send(payout, &h.vault, 0, data, 120_000)
		h.ok(err)
		h.mine(1)
	}
	h.proxy.Rule(failing("debug_traceBlockByHash", `{"code":-32000,"message":"no"}`))
	h.pass()
	h.proxy.Rule(nil)
	settle := func() {
		h.update(func(tx store.Tx) error {
			all, err := store.UnsettledMined(tx, h.net.ChainID(), 0, 100)
			for _, m := range all {
				h.ok(store.Book(tx, wallet.Entry{
					ID: "gas:" + m.TxHash.Hex(), ChainID: h.net.ChainID(), Kind: wallet.EntryGas, Time: clock, Block: m.BlockNumber,
					Postings: wallet.Move(h.coin(), m.Cost(), wallet.Posting{Location: m.Slot.Sender}, wallet.Posting{Book: wallet.GasSpent}),
				}))
				m.Settled = true
				h.ok(store.PutMined(tx, m))
			}
			return err
		})
	}
	settle()
	for range 2 {
		_, err = h.scanner(h.db).Rescan(ctx, 1, 0)
		h.ok(err)
		h.mine(2)
		h.pass()
		head, err := h.net.Client().HeaderByNumber(ctx, nil)
		h.ok(err)
		h.checkBalances(head.Hash(), head.Number.Uint64())
	}
	h.view(func(tx store.Tx) error {
		b, err := store.BalanceOf(tx, wallet.House, h.coin())
		if b[wallet.Unknown].Cmp(wallet.NewAmount(200)) != 0 {
			t.Errorf("house has %v", b)
		}
		return err
	})
	// And where it is seen at once.
	data, err := chaintest.Mover.Call("payOn", h.address(bob), big.NewInt(7))
	h.ok(err)
	_, err = h.send(payout, &h.vault, 0, data, 120_000)
	h.ok(err)
	h.mine(1)
	h.pass()
	head, err := h.net.Client().HeaderByNumber(ctx, nil)
	h.ok(err)
	h.checkBalances(head.Hash(), head.Number.Uint64())
	h.view(func(tx store.Tx) error {
		all, err := store.UnsettledMined(tx, h.net.ChainID(), 0, 100)
		if len(all) != 1 || len(all[0].Transfers) != 1 || all[0].Transfers[0].Path != "0" {
			t.Errorf("%+v", all)
		}
		return err
	})
	for _, d := range h.deposits() {
		if d.Kind == wallet.KindInternal {
			t.Errorf("a movement is a deposit: %+v", d)
		}
	}
}

// TestChange makes a deposit of what a contract gives back in our own
// transaction.
func TestChange(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	ctx := t.Context()
	mover, err := h.net.Deploy(ctx, chaintest.Mover)
	h.ok(err)
	h.fund(h.address(alice), 1e18)
	h.mine(1)
	data, err := chaintest.Mover.Call("payOn", h.address(alice), big.NewInt(30))
	h.ok(err)
	tx, err := h.send(alice, &mover, 100, data, 120_000)
	h.ok(err)
	h.mine(1)
	h.pass()
	if d := h.byID(wallet.InternalID(h.net.ChainID(), tx, "0")); d.Status != wallet.DepositConfirmed || d.Amount.Cmp(wallet.NewAmount(30)) != 0 {
		t.Errorf("%+v", d)
	}
	h.checkHome()
}

// TestCreatedWithCoin credits what a contract of ours is created with, whoever
// the node says created it.
func TestCreatedWithCoin(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	faucet := h.net.Faucet().Address
	nonce, err := h.net.Client().PendingNonceAt(t.Context(), faucet)
	h.ok(err)
	h.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: crypto.CreateAddress(faucet, nonce), Role: wallet.TreasuryRole, Path: wallet.Path{Role: wallet.TreasuryRole}})
	})
	tx, err := h.net.Send(t.Context(), chaintest.Call{Wei: big.NewInt(9), Data: []byte{0}, Gas: 90_000})
	h.ok(err)
	h.mine(1)
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		from := func(a common.Address) string { return `"from":"` + strings.ToLower(a.Hex()) + `"` }
		a.Result = json.RawMessage(strings.ReplaceAll(string(a.Result), from(faucet), from(common.Address{0xee})))
	})
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
}

// TestInsideBeforeOpening finds what a contract paid in blocks that were read
// before the address was ours: it is taken out of the opening balance.
func TestInsideBeforeOpening(t *testing.T) {
	h := newTracedHome(t, quick, deep)
	h.split(50, h.late)
	h.mine(1)
	h.pass()
	h.addLate()
	h.pass()
	check := func(opening, available int64) {
		h.view(func(tx store.Tx) error {
			b, err := store.BalanceOf(tx, wallet.House, h.coin())
			if b[wallet.Opening].Cmp(wallet.NewAmount(-opening)) != 0 || b[wallet.Available].Cmp(wallet.NewAmount(available)) != 0 {
				t.Errorf("house has %v", b)
			}
			return err
		})
	}
	check(50, 50)
	_, err := h.scanner(h.db).Rescan(t.Context(), 1, 0)
	h.ok(err)
	h.pass()
	check(0, 50)
	if len(h.deposits()) != 1 {
		t.Errorf("%+v", h.deposits())
	}
	h.checkHome()
}

// TestInsideOnNodes credits what a contract pays on nodes as they are shipped:
// geth traces by debug_traceBlockByHash, anvil by trace_block as well.
func TestInsideOnNodes(t *testing.T) {
	for name, start := range map[string]func(*testing.T) chaintest.Network{
		"geth":  func(t *testing.T) chaintest.Network { return chaintest.NewGeth(t, chaintest.GethOptions{}) },
		"anvil": func(t *testing.T) chaintest.Network { return chaintest.NewAnvil(t, chaintest.AnvilOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			net := start(t)
			ctx := t.Context()
			h := newHomeOn(t, net)
			to := common.HexToAddress("0x00000000000000000000000000000000000a11ce")
			h.update(func(tx store.Tx) error {
				return store.AddAddress(tx, wallet.Address{Address: to, Role: wallet.DepositRole, Account: "carol", Path: wallet.Path{Role: wallet.DepositRole}})
			})
			contract, err := net.Deploy(ctx, chaintest.Forwarder)
			h.ok(err)
			data, err := chaintest.Forwarder.Call("splitHalf", []common.Address{to, to, to})
			h.ok(err)
			tx, err := net.Send(ctx, chaintest.Call{To: &contract, Data: data, Wei: big.NewInt(90), Gas: 400_000})
			h.ok(err)
			receipt, err := net.Settle(ctx, tx)
			h.ok(err)
			if receipt.Status != types.ReceiptStatusSuccessful {
				t.Fatal("it failed")
			}
			sum, err := scanner.New(h.db, h.client, net.ChainID(), scanner.Options{Now: now}).Pass(ctx)
			h.ok(err)
			if sum.Deposits != 2 || sum.Untraceable != 0 || sum.Unproven != 0 {
				t.Errorf("%+v", sum)
			}
			for _, path := range []string{"0", "1"} { // what was taken back is not counted
				var d wallet.Deposit
				h.view(func(s store.Tx) (err error) {
					d, _, err = store.Deposit(s, wallet.InternalID(net.ChainID(), tx, path))
					return err
				})
				if d.Amount.Cmp(wallet.NewAmount(30)) != 0 || d.Account != "carol" || d.BlockHash != receipt.BlockHash {
					t.Errorf("at %s: %+v", path, d)
				}
			}
		})
	}
}

// newHomeOn is a home that follows another chain than the simulated one, with
// no addresses.
func newHomeOn(t *testing.T, net chaintest.Network) *home {
	t.Helper()
	h := &home{T: t}
	var err error
	h.client, err = chain.Dial(t.Context(), chain.Options{URLs: []string{net.URL()}, Trace: true})
	h.ok(err)
	t.Cleanup(h.client.Close)
	h.db, err = bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	h.ok(err)
	h.update(func(tx store.Tx) error {
		return store.PutChain(tx, wallet.Chain{
			ID: net.ChainID(), Coin: wallet.Asset{ID: wallet.Coin(net.ChainID()), Symbol: "ETH", Decimals: 18},
			GenesisHash: h.client.Genesis(), Finality: quick, AddedAt: clock,
		})
	})
	return h
}
