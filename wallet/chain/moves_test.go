package chain_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// tracing is dial with Options.Trace.
func tracing(t *testing.T, urls ...string) *chain.Client {
	t.Helper()
	c, err := chain.Dial(t.Context(), chain.Options{URLs: urls, Backoff: time.Millisecond, Attempts: 2, Trace: true})
	ok(t, err)
	t.Cleanup(c.Close)
	return c
}

// heirs are who receives what a Mover pays.
var heirs = []common.Address{{0xaa, 0}, {0xaa, 1}, {0xaa, 2}, {0xaa, 3}, {0xaa, 4}}

// moving sends transactions in which calls move coin, each mined before the next
// is sent, and returns them with what they are to move: path, to and wei.
func moving(t *testing.T, n chaintest.Network) (mined []*types.Receipt, want []string) {
	t.Helper()
	ctx := t.Context()
	send := func(c chaintest.Call, moves ...string) {
		t.Helper()
		tx, err := n.Send(ctx, c)
		ok(t, err)
		r, err := n.Settle(ctx, tx)
		ok(t, err)
		mined = append(mined, r)
		for _, m := range moves {
			want = append(want, fmt.Sprintf("%s %s", tx, m))
		}
	}
	mover, err := n.Deploy(ctx, chaintest.Mover)
	ok(t, err)
	forwarder, err := n.Deploy(ctx, chaintest.Forwarder)
	ok(t, err)
	data := func(c chaintest.Contract, method string, args ...any) []byte {
		b, err := c.Call(method, args...)
		ok(t, err)
		return b
	}
	child := [2]common.Address{mover}
	send(chaintest.Call{To: &mover, Wei: big.NewInt(200), Data: data(chaintest.Mover, "run", heirs)})
	child[0] = created(mover, 1)
	tx := mined[0].TxHash
	for _, m := range []struct {
		path     string
		from, to common.Address
		wei      int
	}{
		{"0", mover, heirs[0], 1},
		{"1.0", mover, heirs[1], 2},
		{"2.0", mover, heirs[2], 4},
		{"3", mover, child[0], 8},
		{"4.0", child[0], heirs[3], 8},
		{"5", mover, heirs[4], 16},
	} {
		want = append(want, fmt.Sprintf("%s %s %s %s %d", tx, m.path, m.from, m.to, m.wei))
	}
	send(chaintest.Call{To: &mover, Wei: big.NewInt(300), Data: data(chaintest.Mover, "fail", heirs[0]), Gas: 200000})
	send(chaintest.Call{To: &forwarder, Wei: big.NewInt(50), Data: data(chaintest.Forwarder, "splitHalf", heirs)},
		fmt.Sprintf("0 %s %s 10", forwarder, heirs[0]),
		fmt.Sprintf("1 %s %s 10", forwarder, heirs[2]),
		fmt.Sprintf("2 %s %s 10", forwarder, heirs[4]))
	send(chaintest.Call{To: &heirs[0], Wei: big.NewInt(7)})
	code, err := chaintest.Parting.Create(heirs[1])
	ok(t, err)
	send(chaintest.Call{Wei: big.NewInt(9), Data: code})
	parted := mined[len(mined)-1]
	want = append(want, fmt.Sprintf("%s 0 %s %s 9", parted.TxHash, parted.ContractAddress, heirs[1]))
	return mined, want
}

// created is the contract that a contract creates with its nonce.
func created(by common.Address, nonce uint64) common.Address {
	return crypto.CreateAddress(by, nonce)
}

// told prints the moves of blocks as moving does.
func told(t *testing.T, c *chain.Client, from, to uint64) (moves []string) {
	t.Helper()
	for b, err := range c.Blocks(t.Context(), from, to) {
		ok(t, err)
		if !b.Traced {
			_, err := c.Moves(t.Context(), b)
			t.Fatalf("block %d is not traced: %v", b.Number(), err)
		}
		for _, m := range b.Moves {
			moves = append(moves, fmt.Sprintf("%s %s %s %s %s", b.Txs[m.Tx].Hash, m.Path, m.From, m.To, m.Value))
		}
	}
	return moves
}

// without is a node that does not know a method.
func without(method string) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		if r.Method == method {
			a.Result, a.Error = nil, []byte(`{"code":-32601,"message":"the method does not exist"}`)
		}
	}
}

// TestMoves has all nodes, by both methods, tell the same of the same calls.
func TestMoves(t *testing.T) {
	nested, flat := "debug_traceBlockByHash", "trace_block"
	for name, node := range map[string]struct {
		start func(*testing.T) chaintest.Network
		knows []string
	}{
		"simulated": {func(t *testing.T) chaintest.Network {
			return chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
		}, []string{nested}},
		"geth": {func(t *testing.T) chaintest.Network {
			return chaintest.NewGeth(t, chaintest.GethOptions{})
		}, []string{nested}},
		"anvil": {func(t *testing.T) chaintest.Network {
			return chaintest.NewAnvil(t, chaintest.AnvilOptions{})
		}, []string{nested, flat}},
	} {
		t.Run(name, func(t *testing.T) {
			n := node.start(t)
			mined, want := moving(t, n)
			equal(t, "run", mined[0].Status, 1)
			equal(t, "fail", mined[1].Status, 0)
			head, err := n.Client().BlockNumber(t.Context())
			ok(t, err)
			for _, method := range node.knows {
				t.Run(method, func(t *testing.T) {
					p := proxy(t, n.URL())
					other := map[string]string{nested: flat, flat: nested}[method]
					p.Rule(without(other))
					have := told(t, tracing(t, p.URL), 1, head)
					equal(t, "moves", strings.Join(have, "\n"), strings.Join(want, "\n"))
					if p.Seen(method) == 0 || p.Seen(other) > 4 { // once by each of those who fetch
						t.Errorf("%s was asked %d times, %s %d times", method, p.Seen(method), other, p.Seen(other))
					}
				})
			}
		})
	}
}

// TestUntraced delivers blocks where nobody can trace, and says who cannot.
func TestUntraced(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	mined, _ := moving(t, s)
	p := proxy(t, s.URL())
	p.Rule(without("debug_traceBlockByHash"))
	c := tracing(t, p.URL)
	for range 2 {
		b, err := c.BlockByHash(t.Context(), mined[0].BlockHash)
		ok(t, err)
		equal(t, "traced", b.Traced, false)
		_, err = c.Moves(t.Context(), b)
		if !errors.Is(err, chain.ErrUntraced) || !strings.Contains(err.Error(), strings.TrimPrefix(p.URL, "http://")) {
			t.Error(err)
		}
	}
	equal(t, "times asked", p.Seen("debug_traceBlockByHash"), 1)
	equal(t, "times asked", p.Seen("trace_block"), 1)
	// A block without transactions needs no trace.
	ok(t, s.Mine(t.Context(), 1))
	head, err := s.Client().BlockNumber(t.Context())
	ok(t, err)
	b, err := c.Block(t.Context(), head)
	ok(t, err)
	equal(t, "traced", b.Traced, true)
	// Another endpoint can.
	both := tracing(t, p.URL, s.URL())
	b, err = both.Block(t.Context(), mined[0].BlockNumber.Uint64())
	ok(t, err)
	equal(t, "moves", len(b.Moves), 6)
	// Nobody traces who was not told to.
	b, err = dial(t, s.URL()).Block(t.Context(), mined[0].BlockNumber.Uint64())
	ok(t, err)
	equal(t, "traced", b.Traced, false)
}
