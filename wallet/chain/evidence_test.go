package chain_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// offered sends a transfer of one wei from the faucet at a nonce, or leaves it
// unsent.
func offered(t *testing.T, n chaintest.Network, nonce uint64, send bool) common.Hash {
	t.Helper()
	tx := must(types.SignNewTx(n.Faucet().Key, types.LatestSignerForChainID(new(big.Int).SetUint64(n.ChainID())), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(n.ChainID()), Nonce: nonce, GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
		Gas: 21000, To: &someone, Value: big.NewInt(1),
	}))
	if send {
		ok(t, n.Client().SendTransaction(t.Context(), tx))
	}
	return tx.Hash()
}

// where asks for the whereabouts, which must come without an error.
func where(t *testing.T, c *chain.Client, hashes ...common.Hash) string {
	t.Helper()
	list, err := c.Whereabouts(t.Context(), hashes)
	ok(t, err)
	return places(list)
}

func places(list []chain.Whereabouts) string {
	var told []string
	for _, w := range list {
		told = append(told, w.Where.String())
	}
	return strings.Join(told, " ")
}

// silent has a node not know a transaction.
func silent(hash common.Hash) faulty.Rule {
	return about(hash, func(a *faulty.Answer) { a.Result = json.RawMessage("null") })
}

// about changes what a node says of one transaction.
func about(hash common.Hash, change func(*faulty.Answer)) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		var asked common.Hash
		if r.Method == "eth_getTransactionByHash" && json.Unmarshal(r.Params[0], &asked) == nil && asked == hash {
			change(a)
		}
	}
}

// TestWhereaboutsOnAnvil follows transactions through a real pool and chain.
func TestWhereaboutsOnAnvil(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	c := dial(t, n.URL())
	first, second, never := offered(t, n, 0, true), offered(t, n, 1, true), offered(t, n, 2, false)
	equal(t, "in the pool", where(t, c, first, never, second), "pooled nowhere pooled")
	ok(t, n.DropTransaction(ctx, second))
	equal(t, "one is dropped", where(t, c, first, never, second), "pooled nowhere nowhere")
	ok(t, n.Mine(ctx, 2))
	list, err := c.Whereabouts(ctx, []common.Hash{first})
	ok(t, err)
	head, err := c.HeaderByNumber(ctx, big.NewInt(1))
	ok(t, err)
	equal(t, "mined", list[0], chain.Whereabouts{Where: chain.Mined, Number: 1, Block: head.Hash(), Host: strings.TrimPrefix(n.URL(), "http://")})
	ok(t, n.Reorg(ctx, 2))
	equal(t, "its block is gone", where(t, c, first), "nowhere")
	equal(t, "nothing is asked", where(t, c), "")
}

// TestWhereaboutsOnGeth also finds what waits for an earlier nonce.
func TestWhereaboutsOnGeth(t *testing.T) {
	t.Parallel()
	n := chaintest.NewGeth(t, chaintest.GethOptions{})
	ok(t, n.Mine(t.Context(), 1)) // one that has just started can miss a transaction
	mined, err := n.Fund(t.Context(), someone, big.NewInt(1))
	ok(t, err)
	_, err = n.Settle(t.Context(), mined)
	ok(t, err)
	queued, never := offered(t, n, 7, true), offered(t, n, 8, false)
	equal(t, "whereabouts", where(t, dial(t, n.URL()), mined, queued, never), "mined pooled nowhere")
}

// TestWhereaboutsOfMany asks for more than fit into one batch.
func TestWhereaboutsOfMany(t *testing.T) {
	t.Parallel()
	n := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	p := proxy(t, n.URL())
	most := 0
	p.Gate(func(r []faulty.Request) *faulty.Refusal {
		most = max(most, len(r))
		return nil
	})
	hashes := make([]common.Hash, 501)
	for i := range hashes {
		hashes[i] = common.BigToHash(big.NewInt(int64(i + 1)))
	}
	hashes[500] = offered(t, n, 0, true)
	equal(t, "whereabouts", where(t, dial(t, p.URL), hashes...), strings.Repeat("nowhere ", 500)+"pooled")
	equal(t, "requests", p.Seen("eth_getTransactionByHash"), 501)
	equal(t, "largest batch", most, 200)
}

// TestWhereaboutsOfTwo asks two endpoints of one chain for one transaction that
// is in its pool, and one that is nowhere. Whoever does not answer does not say
// that it is gone.
func TestWhereaboutsOfTwo(t *testing.T) {
	t.Parallel()
	n := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	pooled, other, never := offered(t, n, 0, true), offered(t, n, 1, true), offered(t, n, 2, false)
	raw := func(hash common.Hash) json.RawMessage {
		var answer json.RawMessage
		ok(t, n.Client().Client().CallContext(t.Context(), &answer, "eth_getTransactionByHash", hash))
		return answer
	}
	of := raw(other)
	renamed := strings.Replace(string(of), other.Hex(), pooled.Hex(), 1)
	numberless := strings.Replace(string(raw(pooled)), `"blockHash":null`, fmt.Sprintf(`"blockHash":%q`, pooled), 1)
	result := func(text string) faulty.Rule {
		return about(pooled, func(a *faulty.Answer) { a.Result = json.RawMessage(text) })
	}
	refuses := about(pooled, func(a *faulty.Answer) { *a = faulty.Answer{Version: a.Version, ID: a.ID, Error: refusal} })
	for name, c := range map[string]struct {
		rules [2]faulty.Rule
		down  [2]int
		want  string // pooled, and then never
	}{
		"both have it":                     {want: "pooled nowhere"},
		"the first lost it":                {rules: [2]faulty.Rule{silent(pooled)}, want: "pooled nowhere"},
		"the second lost it":               {rules: [2]faulty.Rule{nil, silent(pooled)}, want: "pooled nowhere"},
		"both lost it":                     {rules: [2]faulty.Rule{silent(pooled), silent(pooled)}, want: "nowhere nowhere"},
		"the first is down":                {down: [2]int{502}, want: "pooled nowhere"},
		"the first limits, the other lost": {down: [2]int{429}, rules: [2]faulty.Rule{nil, silent(pooled)}, want: "nowhere nowhere"},
		"the first gives another":          {rules: [2]faulty.Rule{result(string(of))}, want: "pooled nowhere"},
		"both give another":                {rules: [2]faulty.Rule{result(string(of)), result(string(of))}, want: "unknown nowhere"},
		"both rename another":              {rules: [2]faulty.Rule{result(renamed), result(renamed)}, want: "unknown nowhere"},
		"both refuse":                      {rules: [2]faulty.Rule{refuses, refuses}, want: "unknown nowhere"},
		"one refuses, the other lost it":   {rules: [2]faulty.Rule{refuses, silent(pooled)}, want: "nowhere nowhere"},
		"both talk nonsense":               {rules: [2]faulty.Rule{result(`{"hash":5}`), result(`"0x"`)}, want: "unknown nowhere"},
		"a block without a number":         {rules: [2]faulty.Rule{result(numberless), result(numberless)}, want: "unknown nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			var urls []string
			var proxies []*faulty.Proxy
			for range c.rules {
				p := proxy(t, n.URL())
				urls, proxies = append(urls, p.URL), append(proxies, p)
			}
			client := dial(t, urls...)
			for i, p := range proxies {
				p.Rule(c.rules[i])
				p.Down(c.down[i])
			}
			equal(t, "whereabouts", where(t, client, pooled, never), c.want)
		})
	}
}

var refusal = json.RawMessage(`{"code":-32603,"message":"internal error"}`)

// TestWhereaboutsUnheard has nobody answer: that is an error, and no place.
func TestWhereaboutsUnheard(t *testing.T) {
	t.Parallel()
	n := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	hash := offered(t, n, 0, true)
	p, q := proxy(t, n.URL()), proxy(t, n.URL())
	c := dial(t, p.URL, q.URL)
	p.Down(http.StatusBadGateway)
	q.Down(http.StatusBadGateway)
	list, err := c.Whereabouts(t.Context(), []common.Hash{hash})
	is(t, err, wallet.ErrUnreachable)
	equal(t, "whereabouts", places(list), "unknown")

	p.Down(faulty.Lost)
	q.Down(faulty.Lost)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.Whereabouts(ctx, []common.Hash{hash})
		done <- err
	}()
	cancel()
	is(t, <-done, context.Canceled)
}

// testified writes a testimony as somebody would compare it.
func testified(c chain.Testimony) string {
	if c.Err != nil {
		return "error"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "head %d: %d %s %s;", c.Head, c.Latest, number(c.Pending), number(c.Finalized))
	for _, tx := range c.Transactions {
		s.WriteString(" " + tx.Where.String())
		if tx.Success != nil {
			fmt.Fprintf(&s, "(%t in %d)", *tx.Success, tx.Number)
		}
		if tx.Err != nil {
			s.WriteString("(error)")
		}
	}
	return s.String()
}

func number(n *uint64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

// TestEvidence has endpoints of every kind testify on one account: what each of
// them says stands alone.
func TestEvidence(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n := chaintest.NewAnvil(t, chaintest.AnvilOptions{Args: []string{"--order=fifo"}})
	reverting, err := n.Deploy(ctx, chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(0))
	ok(t, err)
	data, err := chaintest.Token.Call("transfer", someone, big.NewInt(1)) // of what the faucet does not have
	ok(t, err)
	paid := offered(t, n, 1, true)
	failed, err := n.Send(ctx, chaintest.Call{To: &reverting, Data: data, Gas: 100_000})
	ok(t, err)
	ok(t, n.Mine(ctx, 3))
	pooled, never := offered(t, n, 3, true), offered(t, n, 4, false)
	hashes := []common.Hash{paid, failed, pooled, never}

	for name, c := range map[string]struct {
		rule    faulty.Rule
		down    int
		timeout time.Duration // that must pass before it is known
		want    string
	}{
		"good":    {want: "head 4: 3 4 3; mined(true in 2) mined(false in 2) pooled nowhere"},
		"down":    {down: http.StatusBadGateway, want: "error"},
		"refused": {down: http.StatusUnauthorized, want: "error"},
		"lost":    {down: faulty.Lost, timeout: 5 * time.Second, want: "error"},
		"no tags": {want: "head 4: 3 ? ?; mined(true in 2) mined(false in 2) pooled nowhere", rule: func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getTransactionCount" && string(r.Params[1]) != `"latest"` {
				*a = faulty.Answer{Version: a.Version, ID: a.ID, Error: json.RawMessage(`{"code":-32602,"message":"invalid block tag"}`)}
			}
		}},
		"no receipts": {rule: edit("eth_getTransactionReceipt", func(any) any { return nil }), want: "head 4: 3 4 3; mined(error) mined(error) pooled nowhere"},
		"receipts of another": {want: "head 4: 3 4 3; mined(error) mined(error) pooled nowhere", rule: func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getTransactionReceipt" {
				text := strings.ReplaceAll(string(a.Result), paid.Hex(), never.Hex())
				a.Result = json.RawMessage(strings.ReplaceAll(text, failed.Hex(), paid.Hex()))
			}
		}},
		"receipts of another block": {want: "head 4: 3 4 3; mined(error) mined(error) pooled nowhere", rule: edit("eth_getTransactionReceipt", field("blockHash", never))},
		"lost one":                  {rule: silent(paid), want: "head 4: 3 4 3; nowhere mined(false in 2) pooled nowhere"},
		"refuses one": {want: "head 4: 3 4 3; unknown(error) mined(false in 2) pooled nowhere", rule: about(paid, func(a *faulty.Answer) {
			*a = faulty.Answer{Version: a.Version, ID: a.ID, Error: refusal}
		})},
		"frozen": {want: "head 1: 3 4 3; mined(true in 2) mined(false in 2) pooled nowhere", rule: faulty.Behind(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good, p := proxy(t, n.URL()), proxy(t, n.URL())
			client, err := chain.Dial(ctx, chain.Options{URLs: []string{p.URL, good.URL}, Backoff: time.Millisecond, Attempts: 2, Timeout: cmp.Or(c.timeout, time.Hour)})
			ok(t, err)
			defer client.Close()
			p.Rule(c.rule)
			p.Down(c.down)
			told := client.Evidence(ctx, n.Faucet().Address, hashes)
			equal(t, "endpoints", len(told), 2)
			equal(t, "host", told[0].Host, strings.TrimPrefix(p.URL, "http://"))
			equal(t, "it says", testified(told[0]), c.want)
			equal(t, "the other says", testified(told[1]), "head 4: 3 4 3; mined(true in 2) mined(false in 2) pooled nowhere")
		})
	}
}

// TestEvidenceOnGeth has a geth testify, whose pool also holds what waits for
// an earlier nonce.
func TestEvidenceOnGeth(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n := chaintest.NewGeth(t, chaintest.GethOptions{})
	ok(t, n.Mine(t.Context(), 1)) // one that has just started can miss a transaction
	mined, err := n.Fund(ctx, someone, big.NewInt(1))
	ok(t, err)
	_, err = n.Settle(ctx, mined)
	ok(t, err)
	queued := offered(t, n, 7, true)
	told := dial(t, n.URL()).Evidence(ctx, n.Faucet().Address, []common.Hash{mined, queued})
	equal(t, "it says", testified(told[0]), "head 2: 1 1 0; mined(true in 2) pooled")
}

// TestReadiness asks nodes of every kind how they are.
func TestReadiness(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	geth := chaintest.NewGeth(t, chaintest.GethOptions{})
	ok(t, geth.Mine(ctx, 2))
	anvil := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	ok(t, anvil.Mine(ctx, 2))
	without := func(methods ...string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			for _, m := range methods {
				if r.Method == m {
					*a = faulty.Answer{Version: a.Version, ID: a.ID, Error: json.RawMessage(`{"code":-32601,"message":"Unsupported method"}`)}
				}
			}
		}
	}
	nothing := func(method string) faulty.Rule { return edit(method, func(any) any { return nil }) }
	for name, c := range map[string]struct {
		node chaintest.Network
		rule faulty.Rule
		down int
		want string
	}{
		"geth":               {node: geth, want: "head 2, peers 0, syncing false"},
		"anvil":              {node: anvil, want: "head 2, peers ?, syncing false"},
		"down":               {node: geth, down: http.StatusBadGateway, want: "error"},
		"tells of itself":    {node: geth, rule: without("net_peerCount", "eth_syncing"), want: "head 2, peers ?, syncing ?"},
		"tells of no head":   {node: geth, rule: without("eth_getBlockByNumber"), want: "error"},
		"has no head":        {node: geth, rule: nothing("eth_getBlockByNumber"), want: "error"},
		"head is not proven": {node: geth, rule: unproven, want: "error"},
		"catches up": {node: geth, want: "head 2, peers 0, syncing true", rule: func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_syncing" {
				a.Result = json.RawMessage(`{"startingBlock":"0x0","currentBlock":"0x2","highestBlock":"0x9"}`)
			}
		}},
		"is late to tell": {node: geth, want: "error", rule: func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "net_peerCount" {
				*a = faulty.Answer{Version: a.Version, ID: a.ID, Error: json.RawMessage(`{"code":-32002,"message":"request timed out"}`)}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := proxy(t, c.node.URL())
			client := dial(t, p.URL)
			p.Rule(c.rule)
			p.Down(c.down)
			told := client.Readiness(ctx)
			equal(t, "endpoints", len(told), 1)
			equal(t, "host", told[0].Host, strings.TrimPrefix(p.URL, "http://"))
			have := "error"
			if r := told[0]; r.Err == nil {
				syncing := "?"
				if r.Syncing != nil {
					syncing = fmt.Sprint(*r.Syncing)
				}
				have = fmt.Sprintf("head %d, peers %s, syncing %s", r.Head, number(r.Peers), syncing)
				head, err := c.node.Client().HeaderByNumber(ctx, nil)
				ok(t, err)
				equal(t, "time", r.HeadTime.Unix(), int64(head.Time))
			} else if !strings.HasPrefix(r.Err.Error(), r.Host) && !errors.Is(r.Err, context.DeadlineExceeded) {
				t.Errorf("%v does not name %s", r.Err, r.Host)
			}
			equal(t, "it says", have, c.want)
		})
	}
}
