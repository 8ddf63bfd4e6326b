package chain_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
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

// crowd mines a Mover's run, its failure, another run and a plain transfer in
// one block, whose receipts it returns.
func crowd(t *testing.T, n chaintest.Network) []*types.Receipt {
	t.Helper()
	ctx := t.Context()
	mover, err := n.Deploy(ctx, chaintest.Mover)
	ok(t, err)
	run, err := chaintest.Mover.Call("run", heirs)
	ok(t, err)
	fail, err := chaintest.Mover.Call("fail", heirs[0])
	ok(t, err)
	var sent []common.Hash
	for _, c := range []chaintest.Call{
		{To: &mover, Wei: big.NewInt(200), Data: run},
		{To: &mover, Wei: big.NewInt(300), Data: fail, Gas: 200000},
		{To: &mover, Wei: big.NewInt(200), Data: run, Gas: 900000},
		{To: &heirs[0], Wei: big.NewInt(7)},
	} {
		tx, err := n.Send(ctx, c)
		ok(t, err)
		sent = append(sent, tx)
	}
	var mined []*types.Receipt
	for _, tx := range sent {
		r, err := n.Settle(ctx, tx)
		ok(t, err)
		mined = append(mined, r)
	}
	equal(t, "block", mined[3].BlockHash, mined[0].BlockHash)
	return mined
}

// traceLies are traces of crowd's block that contradict themselves or what is
// proven, and what the error must say.
var traceLies = map[string]map[string]struct {
	change func(any) any
	says   string
}{
	"debug_traceBlockByHash": {
		"dropped":  {func(v any) any { return v.([]any)[:3] }, "3 traces of 4"},
		"none":     {func(any) any { return []any{} }, "0 traces of 4"},
		"null":     {func(any) any { return nil }, "0 traces of 4"},
		"one more": {func(v any) any { return append(v.([]any), at(v, 0)) }, "more traces than"},
		"in another order": {func(v any) any {
			l := v.([]any)
			l[0], l[2] = l[2], l[0]
			return l
		}, "trace 0 is of transaction"},
		"of nobody": {func(v any) any { delete(object(at(v, 1)), "txHash"); return v }, "trace 1 is of transaction"},
		"empty":     {func(v any) any { delete(object(at(v, 1)), "result"); return v }, "no trace of transaction"},
		"refused":   {func(v any) any { object(at(v, 1))["error"] = "out of \x1b[31mtime"; return v }, "is not traced: out of [31mtime"},
		"success told as failure": {func(v any) any {
			object(object(at(v, 0))["result"])["error"] = "execution reverted"
			return v
		}, "failed, which it did not"},
		"unknown kind": {func(v any) any {
			object(at(object(object(at(v, 0))["result"])["calls"], 0))["type"] = "TELEPORT"
			return v
		}, `a call of the kind "TELEPORT"`},
		"to nobody": {func(v any) any {
			delete(object(at(object(object(at(v, 0))["result"])["calls"], 0)), "to")
			return v
		}, "a CALL of 1 wei without its accounts"},
		"value of 257 bits": {func(v any) any {
			object(at(object(object(at(v, 0))["result"])["calls"], 0))["value"] = "0x1" + strings.Repeat("0", 64)
			return v
		}, "answer not understood"},
		"negative value": {func(v any) any {
			object(at(object(object(at(v, 0))["result"])["calls"], 0))["value"] = "-0x1"
			return v
		}, "answer not understood"},
		"nonsense":       {func(any) any { return "nonsense" }, "string where a list was due"},
		"nonsense trace": {func(v any) any { object(at(v, 0))["result"] = 7; return v }, "number where an object was due"},
		"too deep": {func(v any) any {
			root := object(object(at(v, 0))["result"])
			for range 1100 {
				root = map[string]any{"type": "CALL", "calls": []any{root}}
			}
			object(at(v, 0))["result"] = root
			return v
		}, "nested more than"},
	},
	"trace_block": {
		"dropped transaction": {func(v any) any {
			l := v.([]any)
			return l[:len(l)-1]
		}, "traces of 3 of 4"},
		"none":     {func(any) any { return []any{} }, "traces of 0 of 4"},
		"null":     {func(any) any { return nil }, "traces of 0 of 4"},
		"one more": {func(v any) any { return append(v.([]any), at(v, 0)) }, "more traces than"},
		"dropped caller": {func(v any) any {
			return slices.DeleteFunc(v.([]any), func(e any) bool { return fmt.Sprint(object(e)["traceAddress"]) == "[4]" })
		}, "comes without the one around it"},
		"dropped root": {func(v any) any { return v.([]any)[1:] }, "after transaction -1 of 4"},
		"in another order": {func(v any) any {
			l := v.([]any)
			l[1], l[2] = l[2], l[1]
			return l
		}, "is out of order"},
		"told twice":       {func(v any) any { return slices.Insert(v.([]any), 2, at(v, 1)) }, "is out of order"},
		"of another block": {func(v any) any { object(at(v, 2))["blockHash"] = common.Hash{1}; return v }, "of another block"},
		"of another transaction": {func(v any) any {
			object(at(v, 2))["transactionHash"] = common.Hash{1}
			return v
		}, "after transaction 0 of 4 comes a trace of"},
		"success told as failure": {func(v any) any { object(at(v, 0))["error"] = "Reverted"; return v }, "failed, which it did not"},
		"unknown kind":            {func(v any) any { object(at(v, 1))["type"] = "teleport"; return v }, `a call of the kind "teleport"`},
		"nonsense":                {func(any) any { return 5 }, "number where a list was due"},
	},
}

func TestTraceLies(t *testing.T) {
	for method, node := range map[string]func() chaintest.Network{
		"debug_traceBlockByHash": func() chaintest.Network { return chaintest.NewSimulated(t, chaintest.SimulatedOptions{}) },
		"trace_block":            func() chaintest.Network { return chaintest.NewAnvil(t, chaintest.AnvilOptions{}) },
	} {
		n := node()
		hash := crowd(t, n)[0].BlockHash
		honest, err := tracing(t, n.URL()).BlockByHash(t.Context(), hash)
		ok(t, err)
		equal(t, "moves", len(honest.Moves), 12)
		other := without(map[string]string{"debug_traceBlockByHash": "trace_block", "trace_block": "debug_traceBlockByHash"}[method])
		for name, lie := range traceLies[method] {
			t.Run(method+" "+name, func(t *testing.T) {
				p := proxy(t, n.URL())
				p.Rule(func(r faulty.Request, a *faulty.Answer) {
					other(r, a)
					edit(method, lie.change)(r, a)
				})
				c := tracing(t, p.URL)
				b, err := c.BlockByHash(t.Context(), hash)
				ok(t, err)
				if b.Traced || b.Moves != nil {
					t.Error("believed")
				}
				_, err = c.Moves(t.Context(), b)
				if err == nil || !strings.Contains(err.Error(), lie.says) || !strings.Contains(err.Error(), strings.TrimPrefix(p.URL, "http://")) {
					t.Errorf("%v: does not say %q of the host", err, lie.says)
				}
				b, err = tracing(t, p.URL, n.URL()).BlockByHash(t.Context(), hash)
				ok(t, err)
				equal(t, "moves by another endpoint", fmt.Sprint(b.Moves), fmt.Sprint(honest.Moves))
			})
		}
		t.Run(method+" failure told as success", func(t *testing.T) {
			p := proxy(t, n.URL())
			p.Rule(func(r faulty.Request, a *faulty.Answer) {
				other(r, a)
				edit(method, func(v any) any {
					for _, e := range v.([]any) {
						delete(object(e), "error")
						if root, nested := object(e)["result"].(map[string]any); nested && object(e)["txHash"] == object(at(v, 1))["txHash"] {
							delete(root, "error")
						}
					}
					return v
				})(r, a)
			})
			b, err := tracing(t, p.URL).BlockByHash(t.Context(), hash)
			ok(t, err)
			equal(t, "traced", b.Traced, true)
			for _, m := range b.Moves {
				equal(t, "success of what moves", b.Txs[m.Tx].Success, true)
			}
		})
	}
}

// TestTracingFaults has the only endpoint that traces fail for a while.
func TestTracingFaults(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	hash := crowd(t, s)[0].BlockHash
	p := proxy(t, s.URL())
	failing := func(times int, answer string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "debug_traceBlockByHash" && p.Seen(r.Method) <= times {
				a.Result, a.Error = nil, []byte(answer)
			}
		}
	}
	read := func(c *chain.Client) *chain.Block {
		t.Helper()
		b, err := c.BlockByHash(t.Context(), hash)
		ok(t, err)
		equal(t, "transactions", len(b.Txs), 4)
		return b
	}
	// Once: it is asked again. That it is behind is no reason to give up.
	for i, answer := range []string{`{"code":-32005,"message":"too many requests"}`, `{"code":-32000,"message":"block not found"}`} {
		p.Rule(failing(2*i+1, answer))
		equal(t, "traced after "+answer, read(tracing(t, p.URL)).Traced, true)
	}
	// Without end: the block comes all the same, and the next does not wait.
	p.Rule(failing(1000, `{"code":-32005,"message":"too many requests"}`))
	c := tracing(t, p.URL)
	before := p.Seen("debug_traceBlockByHash")
	equal(t, "traced", read(c).Traced, false)
	equal(t, "rounds", p.Seen("debug_traceBlockByHash")-before, 2)
	equal(t, "traced", read(c).Traced, false)
	equal(t, "rounds while tracing rests", p.Seen("debug_traceBlockByHash")-before, 3)
	// It comes back.
	p.Rule(nil)
	equal(t, "traced", read(c).Traced, true)
	p.Rule(failing(1000, `{"code":-32005,"message":"too many requests"}`))
	before = p.Seen("debug_traceBlockByHash")
	equal(t, "traced", read(c).Traced, false)
	equal(t, "rounds", p.Seen("debug_traceBlockByHash")-before, 2)
	// A node that no longer has the state is not asked again for this block.
	p.Rule(failing(1000, `{"code":-32000,"message":"required historical state unavailable (reexec=128)"}`))
	before = p.Seen("debug_traceBlockByHash")
	_, err := tracing(t, p.URL).Moves(t.Context(), read(dial(t, p.URL)))
	if !errors.Is(err, chain.ErrNoState) {
		t.Error(err)
	}
	equal(t, "rounds", p.Seen("debug_traceBlockByHash")-before, 1)
	// Whatever a node says that it does not do, another may.
	p.Rule(failing(1000, `{"code":-32000,"message":"tracer not found"}`))
	equal(t, "traced", read(tracing(t, p.URL, s.URL())).Traced, true)
}
