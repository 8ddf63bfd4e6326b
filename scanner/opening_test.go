package scanner_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// crowd makes n new deposit addresses, of which every tenth held something
// before.
func (h *home) crowd(n int) (list []common.Address) {
	h.Helper()
	for i := range n {
		a := common.BytesToAddress(binary.BigEndian.AppendUint32([]byte("crowd-of-addresses"), uint32(i))) //nolint:gosec // small
		list = append(list, a)
		if i%10 == 0 {
			h.fund(a, int64(i)+1)
		}
	}
	h.mine(1)
	h.pass()
	h.update(func(tx store.Tx) error {
		for i, a := range list {
			p := wallet.Path{Role: wallet.DepositRole, Index: uint32(100 + i)} //nolint:gosec // small
			if err := store.AddAddress(tx, wallet.Address{Address: a, Role: p.Role, Account: "crowd", Path: p}); err != nil {
				return err
			}
		}
		return nil
	})
	return list
}

// checkOpened expects the books to hold what the chain holds, all of it booked
// once as opening balances.
func (h *home) checkOpened(list []common.Address) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		n, err := store.CountUnopened(tx, h.net.ChainID(), 1000)
		h.ok(err)
		if n != 0 {
			h.Errorf("%d opening balances are still to be read", n)
		}
		for i, a := range list {
			have, err := store.LocationBalance(tx, a, h.coin())
			h.ok(err)
			want, err := h.net.Client().BalanceAt(h.Context(), a, nil)
			h.ok(err)
			if have.Cmp(wallet.AmountOf(want)) != 0 {
				h.Errorf("address %d has %s in the books and %s on chain", i, have, want)
			}
			if _, known, err := store.NextNonce(tx, h.net.ChainID(), a); err != nil || !known {
				h.Errorf("the next nonce of address %d is not known: %v", i, err)
			}
		}
		return nil
	})
}

// TestManyOpenings are more than one step and one question hold; what was done
// is told.
func TestManyOpenings(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{})
	const n, step = 730, 400
	list := h.crowd(n)
	var told []uint64
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{
		Now: now, MaxOpeningsPerStep: step,
		Progress: func(at scanner.Phase, done, total uint64) {
			if at != scanner.ReadingOpenings {
				return
			}
			if told = append(told, done); total != n {
				t.Errorf("%d of %d, want of %d", done, total, n)
			}
		},
	})
	sum, err := s.Pass(t.Context())
	h.ok(err)
	if sum.Openings != n/10 {
		t.Errorf("%d openings were booked, want %d", sum.Openings, n/10)
	}
	if len(told) != 2 || told[0] != step || told[1] != n {
		t.Errorf("told %v, want %d and %d", told, step, n)
	}
	h.checkOpened(list)
}

// TestOpeningsLetBlocksPass reads so many opening balances that new blocks
// come: those are read before the rest, at whose head the rest is read then.
// Each step takes four seconds.
func TestOpeningsLetBlocksPass(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{})
	list := h.crowd(100)
	clock, steps := clock, 0
	var readWith []int // blocks were read after that many steps
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{
		Now: func() time.Time { return clock }, MaxOpeningsPerStep: 1,
		Progress: func(at scanner.Phase, _, _ uint64) {
			if at == scanner.ReadingBlocks {
				readWith = append(readWith, steps)
				return
			}
			if steps++; steps == 3 {
				h.fund(list[50], 1e9)
				h.mine(1)
			}
			clock = clock.Add(4 * time.Second)
		},
	})
	sum, err := s.Pass(t.Context())
	h.ok(err)
	if len(readWith) != 1 || readWith[0] != 6 || sum.Deposits != 1 || sum.Confirmed != 1 {
		t.Errorf("blocks were read after %v steps, with %+v; want the deposit after 3 steps before the block is known and 3 after", readWith, sum)
	}
	h.checkOpened(list)
	if got := h.available("crowd", h.coin()); got.Cmp(wallet.NewAmount(1e9)) != 0 {
		t.Errorf("credited %s, want what came while opening balances were read", got)
	}
}

// TestOpeningsInterrupted stops between two steps, and goes on from there.
func TestOpeningsInterrupted(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{})
	list := h.crowd(100)
	ctx, cancel := context.WithCancel(t.Context())
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{
		Now: now, MaxOpeningsPerStep: 30,
		Progress: func(at scanner.Phase, _, _ uint64) {
			if at == scanner.ReadingOpenings {
				cancel()
			}
		},
	})
	if _, err := s.Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted pass: %v", err)
	}
	h.view(func(tx store.Tx) error {
		n, err := store.CountUnopened(tx, h.net.ChainID(), 1000)
		if err == nil && n != 70 {
			t.Errorf("%d opening balances are left, want 70", n)
		}
		return err
	})
	if sum := h.pass(); sum.Openings != 7 {
		t.Errorf("the next pass booked %d, want 7", sum.Openings)
	}
	h.checkOpened(list)
}

// TestOpeningsOfAForgottenBlock has the node forget the state of the block
// whose balances are read. The rest is read at a newer one in the same pass.
func TestOpeningsOfAForgottenBlock(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{})
	list := h.crowd(100)
	forgotten := h.cursor().HeadHash
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{
		Now: now, MaxOpeningsPerStep: 30,
		Progress: func(at scanner.Phase, done, _ uint64) {
			if at != scanner.ReadingOpenings || done != 30 {
				return
			}
			h.mine(1)
			h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
				if r.Method == "eth_getBalance" && strings.Contains(string(r.Params[1]), forgotten.Hex()) {
					a.Result, a.Error = nil, json.RawMessage(`{"code":-32000,"message":"missing trie node"}`)
				}
			})
		},
	})
	if _, err := s.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.proxy.Rule(nil)
	h.checkOpened(list)
}
