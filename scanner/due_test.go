package scanner_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// deployWild makes a token that is not registered.
func (h *home) deployWild() {
	h.Helper()
	var err error
	h.wild, err = h.net.Deploy(h.Context(), chaintest.Token, "Wild", "WILD", uint8(0), big.NewInt(1e12))
	h.ok(err)
}

func (h *home) payWild(to common.Address, units int64) common.Hash {
	h.Helper()
	tx, err := h.net.TransferToken(h.Context(), h.wild, to, big.NewInt(units))
	h.ok(err)
	return tx
}

// tameWild registers it, as token add does.
func (h *home) tameWild() {
	h.Helper()
	b := book.Book{DB: h.db, Now: now}
	_, err := b.AddTokens(context.Background(), h.net.ChainID(), []wallet.Asset{{ID: h.wildAsset(), Symbol: "WILD"}}, false)
	h.ok(err)
	h.tame = true
}

func (h *home) wildAsset() wallet.AssetID { return wallet.Token(h.net.ChainID(), h.wild) }

func (h *home) marks() (list []wallet.UnknownToken) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		return store.UnknownTokens(tx, h.net.ChainID(), common.Address{}, func(u wallet.UnknownToken) error {
			list = append(list, u)
			return nil
		})
	})
	return list
}

// keys counts the keys of the store.
func (h *home) keyCount() (n int) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(_, _ []byte) error { n++; return nil })
	})
	return n
}

func newWildHome(t *testing.T, f wallet.Finality) *home {
	h := newHome(t, f, chaintest.SimulatedOptions{Finality: 3})
	h.deployWild()
	for i := range h.keys {
		h.fund(h.address(i), 1e18)
	}
	h.mine(1)
	h.pass()
	return h
}

// TestRegisteredLater credits what arrived of a token while nobody had
// registered it, on a deposit address and on one of the house, and whatever
// happened to it there meanwhile.
func TestRegisteredLater(t *testing.T) {
	for name, c := range map[string]struct {
		finality wallet.Finality
		between  func(h *home) // between two payments, before the token is registered
	}{
		"nothing else":                {wallet.Finality{Confirmations: 1}, func(*home) {}},
		"credited at finality":        {wallet.Finality{Tag: "finalized"}, func(*home) {}},
		"all of it final":             {wallet.Finality{Tag: "finalized"}, func(h *home) { h.mine(10) }},
		"an allowance is used":        {wallet.Finality{Confirmations: 1}, func(h *home) { h.takeWild(alice, 40); h.takeWild(payout, 30) }},
		"we send some of it":          {wallet.Finality{Confirmations: 1}, func(h *home) { h.sendWild(alice, 40); h.sendWild(payout, 30) }},
		"what we sent is settled":     {wallet.Finality{Confirmations: 1}, func(h *home) { h.sendWild(alice, 40); h.sendWild(payout, 30); h.settleAll() }},
		"spent and back in one block": {wallet.Finality{Confirmations: 3}, func(h *home) { h.sendWild(payout, 100) }},
		"reorganised":                 {wallet.Finality{Confirmations: 1}, func(h *home) { h.pass(); h.ok(h.net.Reorg(h.Context(), 2)); h.mine(3) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newWildHome(t, c.finality)
			h.payWild(h.address(alice), 100)
			h.payWild(h.address(payout), 100)
			h.mine(1)
			h.pass()
			c.between(h)
			h.payWild(h.address(alice), 7)
			h.payWild(h.address(payout), 8)
			h.mine(1)
			h.pass()
			h.checkHome() // nothing is credited, and all is marked
			if len(h.marks()) < 2 {
				t.Fatalf("marks: %+v", h.marks())
			}
			h.tameWild()
			h.payWild(h.address(alice), 1000)
			h.payWild(h.address(payout), 1000)
			h.mine(1)
			h.pass()
			h.checkHome()
			if m := h.marks(); len(m) != 0 {
				t.Errorf("still marked: %+v", m)
			}
			h.mine(20)
			h.pass()
			h.checkHome()
			before := h.keyCount()
			if sum := h.pass(); sum.Deposits != 0 || h.keyCount() != before {
				t.Errorf("another pass: %+v, %d keys were %d", sum, h.keyCount(), before)
			}
		})
	}
}

// takeWild has somebody else move tokens of ours.
func (h *home) takeWild(who int, units int64) {
	h.Helper()
	_, err := h.send(who, &h.wild, 0, h.call("approve", h.net.Faucet().Address, big.NewInt(1e9)), 90_000)
	h.ok(err)
	h.mine(1)
	_, err = h.net.Send(h.Context(), chaintest.Call{To: &h.wild, Gas: 120_000, Data: h.call("transferFrom", h.address(who), stranger, big.NewInt(units))})
	h.ok(err)
	h.mine(1)
}

func (h *home) sendWild(who int, units int64) {
	h.Helper()
	_, err := h.send(who, &h.wild, 0, h.call("transfer", stranger, big.NewInt(units)), 90_000)
	h.ok(err)
	h.mine(1)
}

// settleAll makes all that was mined final and books it.
func (h *home) settleAll() {
	h.Helper()
	h.mine(10)
	h.pass()
	h.update(func(tx store.Tx) error {
		ripe, err := outgoing.Ripe(tx, h.net.ChainID())
		if err != nil {
			return err
		}
		var slots []wallet.Slot
		for _, m := range ripe {
			slots = append(slots, m.Slot)
		}
		_, err = outgoing.Settle(tx, h.net.ChainID(), slots, clock)
		if len(slots) == 0 {
			h.Error("nothing was settled")
		}
		h.settled = append(h.settled, slots...)
		return err
	})
}

// TestDueKilled kills the pass that credits what was registered later, at each
// of its transactions.
func TestDueKilled(t *testing.T) {
	h := newWildHome(t, wallet.Finality{Confirmations: 1})
	for range 6 {
		h.payWild(h.address(alice), 5)
		h.payWild(h.address(payout), 5)
		h.mine(2)
	}
	h.pass()
	h.tameWild()
	finished := false
	for n := 0; !finished && n < 200; n++ {
		_, err := h.scanner(&mortalDB{h.db, n % 23}).Pass(t.Context())
		if finished = err == nil; !finished && !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
	}
	h.pass()
	h.checkHome()
	if m := h.marks(); len(m) != 0 {
		t.Errorf("still marked: %+v", m)
	}
	h.view(func(tx store.Tx) error {
		due, err := store.TokensDue(tx, h.net.ChainID())
		if len(due) != 0 {
			t.Errorf("still due: %v", due)
		}
		return err
	})
}

// TestDueOldBlocks credits blocks whose hashes are no longer kept: those that
// share a mark above them are read once.
func TestDueOldBlocks(t *testing.T) {
	h := newWildHome(t, wallet.Finality{Confirmations: 1})
	for range 3 {
		h.payWild(h.address(bob), 5)
		h.mine(200)
	}
	h.mine(500)
	h.pass()
	h.update(func(tx store.Tx) error { return store.DeleteBlockHashes(tx, h.net.ChainID(), 0, 1090) })
	h.tameWild()
	var lock sync.Mutex
	read := map[string]int{}
	h.proxy.Rule(func(r faulty.Request, _ *faulty.Answer) {
		if r.Method == "eth_getBlockReceipts" {
			lock.Lock()
			defer lock.Unlock()
			read[string(r.Params[0])]++
		}
	})
	var steps [][2]uint64
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, Progress: func(at scanner.Phase, done, total uint64) {
		if at == scanner.ReadingDue {
			steps = append(steps, [2]uint64{done, total})
		}
	}})
	sum, err := s.Pass(t.Context())
	h.ok(err)
	h.proxy.Rule(nil)
	if sum.Deposits != 3 || sum.Due || len(steps) != 1 || steps[0] != [2]uint64{3, 3} {
		t.Errorf("%+v, progress %v", sum, steps)
	}
	if len(read) < 1000 || len(read) > 1030 {
		t.Errorf("%d blocks were read again, want those up to 1024", len(read))
	}
	for n, times := range read {
		if times != 1 {
			t.Errorf("block %s was read %d times", n, times)
		}
	}
	if got := h.available("bob", h.wildAsset()); got.Cmp(wallet.NewAmount(15)) != 0 {
		t.Errorf("bob has %s", got)
	}
}

// TestDueUnavailable: where old blocks cannot be had, or are not those that
// were read, new ones are read and credited all the same, and what is overdue
// is said until it can be had.
func TestDueUnavailable(t *testing.T) {
	null := json.RawMessage("null")
	for name, lie := range map[string]func(h *home, n uint64) (block, receipts json.RawMessage){
		"gone":       func(*home, uint64) (_, _ json.RawMessage) { return null, null },
		"the next":   func(h *home, n uint64) (_, _ json.RawMessage) { return h.raw(n + 1) },
		"of a fork":  func(h *home, n uint64) (_, _ json.RawMessage) { return h.forked[0], h.forked[1] },
		"no receipt": func(h *home, n uint64) (_, _ json.RawMessage) { block, _ := h.raw(n); return block, null },
	} {
		t.Run(name, func(t *testing.T) {
			h := newWildHome(t, wallet.Finality{Confirmations: 1})
			fork := h.cursor()
			old := fork.Head + 1
			h.mine(1)
			h.forked[0], h.forked[1] = h.raw(old)
			h.ok(h.net.Fork(fork.HeadHash))
			h.payWild(h.address(payout), 5)
			h.mine(3)
			h.pass()
			if m := h.marks(); len(m) != 1 || m[0].BlockNumber != old {
				t.Fatalf("marks: %+v", m)
			}
			h.tameWild()
			h.fund(h.address(bob), 77)
			h.mine(1)
			block, receipts := lie(h, old)
			h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
				switch {
				case len(r.Params) == 0:
				case r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"`+hexNumber(old)+`"`:
					a.Result, a.Error = block, nil
				case r.Method == "eth_getBlockReceipts" && string(r.Params[0]) == `"`+hexNumber(old)+`"`:
					a.Result, a.Error = receipts, nil
				}
			})
			for range 2 {
				s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, BackupBlocks: -1})
				sum, err := s.Pass(t.Context())
				if err == nil || !errors.Is(err, sum.Overdue) || !sum.Due {
					t.Fatalf("the pass says %v, %+v", err, sum)
				}
				var unproven *chain.UnprovenError
				if !errors.Is(err, wallet.ErrUnreachable) && !errors.As(err, &unproven) {
					t.Errorf("%v is nothing that may pass", err)
				}
			}
			if got := h.available("bob", h.coin()); got.Cmp(wallet.NewAmount(1e18+77)) != 0 {
				t.Errorf("bob has %s", got)
			}
			h.proxy.Rule(nil)
			if sum := h.pass(); sum.Deposits != 1 || sum.Due {
				t.Errorf("once it could be had: %+v", sum)
			}
			h.checkHome() // what was booked as an opening balance meanwhile gives way
		})
	}
}

// TestDueSecondReading: what was marked is no surprise where the second reading
// of final blocks is the first to read it again.
func TestDueSecondReading(t *testing.T) {
	h := newWildHome(t, wallet.Finality{Tag: "finalized"})
	h.payWild(h.address(alice), 5)
	h.payWild(h.address(payout), 5)
	h.mine(1)
	old := h.pass().To
	h.tameWild()
	h.mine(3)
	var failed atomic.Bool
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockReceipts" && string(r.Params[0]) == `"`+hexNumber(old)+`"` && !failed.Swap(true) {
			a.Result, a.Error = json.RawMessage("null"), nil
		}
	})
	sum, _ := h.scanner(h.db).Pass(t.Context())
	if sum.Overdue == nil || sum.Deposits != 2 || len(sum.Found) != 0 || len(sum.Alarms) != 0 {
		t.Errorf("%+v", sum)
	}
	h.proxy.Rule(nil)
	h.pass()
	h.checkHome()
}

func hexNumber(n uint64) string { return "0x" + new(big.Int).SetUint64(n).Text(16) }

// raw is a block and its receipts as the node gives them.
func (h *home) raw(n uint64) (block, receipts json.RawMessage) {
	h.Helper()
	c := h.net.Client().Client()
	h.ok(c.CallContext(context.Background(), &block, "eth_getBlockByNumber", hexNumber(n), true))
	h.ok(c.CallContext(context.Background(), &receipts, "eth_getBlockReceipts", hexNumber(n)))
	return block, receipts
}

// TestRegisteredMeanwhile: a token that is registered while a block that pays
// it is looked at is credited.
func TestRegisteredMeanwhile(t *testing.T) {
	h := newWildHome(t, wallet.Finality{Confirmations: 1})
	h.payWild(h.address(alice), 5)
	h.mine(1)
	db := &meddledDB{DB: h.db, before: map[int]func(){1: h.tameWild}}
	_, err := h.scanner(db).Pass(t.Context())
	h.ok(err)
	if !h.tame {
		t.Fatal("the pass wrote nothing")
	}
	h.pass()
	h.checkHome()
	if got := h.available("alice", h.wildAsset()); got.Cmp(wallet.NewAmount(5)) != 0 {
		t.Errorf("alice has %s", got)
	}
}

// meddledDB does something before an update, counted from 1.
type meddledDB struct {
	store.DB

	updates int
	before  map[int]func()
}

func (m *meddledDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	m.updates++
	if do := m.before[m.updates]; do != nil {
		do()
	}
	return m.DB.Update(ctx, fn)
}

// TestUnknownReorg takes the marks of blocks that left the chain back.
func TestUnknownReorg(t *testing.T) {
	h := newWildHome(t, wallet.Finality{Tag: "finalized"})
	h.payWild(h.address(alice), 5)
	h.mine(1)
	h.pass()
	if len(h.marks()) != 1 {
		t.Fatalf("marks: %+v", h.marks())
	}
	h.ok(h.net.Reorg(t.Context(), 1))
	h.net.Rollback()
	h.mine(3)
	// At once, and not only when other blocks took their place.
	for n, head := 0, h.cursor().Head; h.cursor().Head == head; n++ {
		if _, err := h.scanner(&mortalDB{h.db, n}).Pass(t.Context()); !errors.Is(err, errKilled) {
			t.Fatalf("nothing was undone: %v", err)
		}
	}
	if len(h.marks()) != 0 {
		t.Errorf("marks of a block that left the chain: %+v", h.marks())
	}
}

// TestSpam has ten thousand logs of a token that nobody registered grow the
// store by one mark: its record and its place in the index by block.
func TestSpam(t *testing.T) {
	h := newWildHome(t, wallet.Finality{Confirmations: 1})
	split, err := h.net.Deploy(t.Context(), chaintest.Forwarder)
	h.ok(err)
	_, err = h.net.Send(t.Context(), chaintest.Call{To: &h.wild, Data: h.call("approve", split, big.NewInt(1e9)), Gas: 90_000})
	h.ok(err)
	h.mine(1)
	h.pass()
	growth := func(paid int64) int {
		var to []common.Address
		for i := range 500 {
			to = append(to, h.address(i%len(h.keys)))
		}
		for range 20 {
			data, err := chaintest.Forwarder.Call("splitToken", h.wild, to, big.NewInt(paid))
			h.ok(err)
			_, err = h.net.Send(t.Context(), chaintest.Call{To: &split, Data: data, Gas: 16_000_000})
			h.ok(err)
		}
		before := h.keyCount()
		h.mine(10)
		h.pass()
		return h.keyCount() - before
	}
	empty := growth(0)
	full := growth(1)
	logs, blocks := uint64(0), len(h.marks())
	for _, u := range h.marks() {
		logs += u.Logs
	}
	if logs != 10_000 || full-empty != 2*blocks || blocks == 0 {
		t.Errorf("%d logs in %d blocks grew the store by %d keys, without them by %d", logs, blocks, full, empty)
	}
	t.Logf("%d logs in %d blocks: %d keys", logs, blocks, full-empty)
}

// TestSpamBlock extracts a million logs that name us: one mark, and no memory
// for each.
func TestSpamBlock(t *testing.T) {
	l := transferLog(spam, stranger, ourAddress, 7)
	logs := make([]chain.Log, 1_000_000)
	for i := range logs {
		logs[i] = l
	}
	b := &chain.Block{Header: &types.Header{Number: big.NewInt(9)}, Txs: []chain.Tx{{Tx: types.NewTx(&types.LegacyTx{}), Success: true, Logs: logs}}}
	var f scanner.Facts
	allocated := testing.Benchmark(func(b2 *testing.B) {
		for b2.Loop() {
			f = scanner.Extract(1, b, known{}, clock)
		}
	}).AllocedBytesPerOp()
	if len(f.Unknown) != 1 || f.Unknown[0].Logs != 1_000_000 || len(f.Deposits) != 0 {
		t.Fatalf("%+v", f)
	}
	if allocated > 10_000 {
		t.Errorf("%d bytes were allocated", allocated)
	}
}
