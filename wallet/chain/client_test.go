package chain_test

import (
	"context"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

var someone = common.HexToAddress("0x00000000000000000000000000000000000A11ce")

func dial(t *testing.T, urls ...string) *chain.Client {
	t.Helper()
	c, err := chain.Dial(t.Context(), chain.Options{URLs: urls, Backoff: time.Millisecond, Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func proxy(t *testing.T, node string) *faulty.Proxy {
	t.Helper()
	p := faulty.New(node)
	t.Cleanup(p.Close)
	return p
}

// TestReads goes once through what the other packages ask a chain for.
func TestReads(t *testing.T) {
	ctx := t.Context()
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	token, err := s.Deploy(ctx, chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1000))
	ok(t, err)
	_, err = s.Fund(ctx, someone, big.NewInt(123))
	ok(t, err)
	sent, err := s.TransferToken(ctx, token, someone, big.NewInt(7))
	ok(t, err)
	ok(t, s.Mine(ctx, 3))

	for name, url := range map[string]string{"http": s.URL(), "websocket": s.WSURL()} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, url)
			head, err := c.HeaderByNumber(ctx, nil)
			ok(t, err)
			height, err := c.BlockNumber(ctx)
			ok(t, err)
			equal(t, "height", height, head.Number.Uint64())
			byHash, err := c.HeaderByHash(ctx, head.Hash())
			ok(t, err)
			equal(t, "header by hash", byHash.Hash(), head.Hash())

			balance, err := c.BalanceAt(ctx, someone, nil)
			ok(t, err)
			equal(t, "balance", balance.Int64(), 123)
			balance, err = c.BalanceAtHash(ctx, someone, head.Hash())
			ok(t, err)
			equal(t, "balance by hash", balance.Int64(), 123)
			nonce, err := c.NonceAt(ctx, s.Faucet().Address, nil)
			ok(t, err)
			equal(t, "nonce", nonce, 3)
			pending, err := c.PendingNonceAt(ctx, s.Faucet().Address)
			ok(t, err)
			equal(t, "pending nonce", pending, 3)

			many := make([]common.Address, 450)
			many[449] = someone
			balances, err := c.BalancesAt(ctx, many, head.Hash())
			ok(t, err)
			equal(t, "balances", len(balances), 450)
			equal(t, "last balance", balances[449].Int64(), 123)
			tokens, err := c.TokenBalances(ctx, token, []common.Address{{}, someone}, head.Hash())
			ok(t, err)
			equal(t, "token balance", tokens[1].Int64(), 7)
			nonces, err := c.NoncesAt(ctx, []common.Address{someone, s.Faucet().Address}, head.Hash())
			ok(t, err)
			equal(t, "nonces", nonces[1], 3)

			proven, err := c.Proof(ctx, s.Faucet().Address, head.Hash())
			ok(t, err)
			equal(t, "proven nonce", proven.Nonce, 3)
			proven, err = c.Proof(ctx, someone, head.Hash())
			ok(t, err)
			equal(t, "proven balance", proven.Balance.Int64(), 123)
			proven, err = c.Proof(ctx, common.Address{1, 2, 3}, head.Hash())
			ok(t, err)
			equal(t, "absent balance", proven.Balance.Sign(), 0)

			fees, err := c.Fees(ctx)
			ok(t, err)
			equal(t, "base fee", fees.BaseFee.Cmp(head.BaseFee), 0)
			equal(t, "tip is positive", fees.Tip.Sign(), 1)
			gas, err := c.EstimateGas(ctx, ethereum.CallMsg{From: s.Faucet().Address, To: &someone, Value: big.NewInt(1)})
			ok(t, err)
			equal(t, "gas", gas, 21000)
			code, err := c.CodeAt(ctx, token, nil)
			ok(t, err)
			equal(t, "has code", len(code) > 0, true)

			_, err = c.TokenBalances(ctx, someone, []common.Address{someone}, head.Hash())
			is(t, err, chain.ErrNotToken)

			final, err := c.FinalizedHeader(ctx)
			ok(t, err)
			equal(t, "final", final.Number.Uint64(), height-2)
			safe, err := c.SafeHeader(ctx)
			ok(t, err)
			equal(t, "safe", safe.Number.Uint64(), height-1)

			_, err = c.HeaderByNumber(ctx, big.NewInt(1000))
			is(t, err, ethereum.NotFound)
			_, err = c.Block(ctx, 1000)
			is(t, err, ethereum.NotFound)

			block, err := c.Block(ctx, 2)
			ok(t, err)
			equal(t, "transactions", len(block.Txs), 2)
			last := block.Txs[1]
			equal(t, "hash", last.Hash, sent)
			equal(t, "log", last.Logs[0].Address, token)
			from, err := last.Sender()
			ok(t, err)
			equal(t, "sender", from, s.Faucet().Address)
			receipt, err := s.Settle(ctx, sent)
			ok(t, err)
			equal(t, "gas used", last.GasUsed, receipt.GasUsed)
			equal(t, "gas price", last.GasPrice.Cmp(receipt.EffectiveGasPrice), 0)
			again, err := c.BlockByHash(ctx, block.Hash)
			ok(t, err)
			equal(t, "block by hash", again.Hash, block.Hash)

			var numbers []uint64
			for b, err := range c.Blocks(ctx, 0, height) {
				ok(t, err)
				numbers = append(numbers, b.Number())
			}
			equal(t, "blocks in order", len(numbers), int(height)+1)
			for i, n := range numbers {
				equal(t, "block", n, uint64(i))
			}
		})
	}
}

// TestForeignEndpoint makes sure that no endpoint of another chain is asked
// anything.
func TestForeignEndpoint(t *testing.T) {
	one := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	other := chaintest.NewSimulated(t, chaintest.SimulatedOptions{ChainID: 5})
	twin := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Alloc: types.GenesisAlloc{someone: {Balance: big.NewInt(1)}}})
	genesis := dial(t, one.URL()).Genesis()

	for name, o := range map[string]chain.Options{
		"other id":               {ChainID: 6, URLs: []string{one.URL()}},
		"other genesis":          {ChainID: 1337, Genesis: common.Hash{1}, URLs: []string{one.URL()}},
		"second of other id":     {URLs: []string{one.URL(), other.URL()}},
		"second of same id":      {Genesis: genesis, URLs: []string{one.URL(), twin.URL()}},
		"second, nothing is set": {URLs: []string{one.URL(), twin.URL()}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chain.Dial(t.Context(), o)
			is(t, err, chain.ErrForeign)
			is(t, err, wallet.ErrRefused)
		})
	}
}

// TestSilentEndpoint makes sure that an endpoint which takes connections and
// never answers does not hold up the others.
func TestSilentEndpoint(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer silent.Close()
	// On a machine that stands still the silent one may have rested long enough
	// when the first question comes, but not every time.
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c, err := chain.Dial(ctx, chain.Options{URLs: []string{"http://" + silent.Addr().String(), s.URL()}, Timeout: time.Hour})
		ok(t, err)
		defer c.Close()
		if _, err = c.BlockNumber(ctx); err == nil {
			return
		}
		is(t, err, context.DeadlineExceeded)
	}
	t.Error("the silent endpoint was waited for three times")
}

// TestForeignLater makes sure that an endpoint which was down at first is
// checked before it is believed.
func TestForeignLater(t *testing.T) {
	one := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	other := chaintest.NewSimulated(t, chaintest.SimulatedOptions{ChainID: 5})
	first, second := proxy(t, one.URL()), proxy(t, other.URL())
	second.Down(http.StatusServiceUnavailable)
	c := dial(t, first.URL, second.URL)
	first.Down(http.StatusServiceUnavailable)
	second.Down(0)
	_, err := c.BlockNumber(t.Context())
	is(t, err, chain.ErrForeign)
}

// TestNoKeyInErrors guards against go's url.Error and chatty nodes.
func TestNoKeyInErrors(t *testing.T) {
	chatty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "bad key in "+r.URL.String(), http.StatusForbidden)
	}))
	defer chatty.Close()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"project ` + r.URL.Path + ` unknown` + "\\u001b[2J" + `"}}`))
	}))
	defer echo.Close()
	for _, base := range []string{"http://127.0.0.1:1", "ws://127.0.0.1:1", chatty.URL, "ws" + strings.TrimPrefix(chatty.URL, "http"), echo.URL} {
		for _, rest := range []string{"/v3/s3cr3tkey", "/?apikey=s3cr3tkey"} {
			_, err := chain.Dial(t.Context(), chain.Options{URLs: []string{base + rest}, Attempts: 1})
			if err == nil {
				t.Fatalf("%s: no error", base)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), "s3cr3t") || strings.Contains(e.Error(), "\x1b") {
					t.Errorf("%s: %q", base, e)
				}
			}
		}
	}
	_, err := chain.Dial(t.Context(), chain.Options{URLs: []string{"https://user:s3cr3tkey@%zz/"}})
	is(t, err, wallet.ErrUsage)
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Error(err)
	}
}

// TestNoChainID guards against a panic of go-ethereum's signers.
func TestNoChainID(t *testing.T) {
	p := proxy(t, chaintest.NewSimulated(t, chaintest.SimulatedOptions{}).URL())
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_chainId" {
			a.Result = []byte(`"0x0"`)
		}
	})
	if _, err := chain.Dial(t.Context(), chain.Options{URLs: []string{p.URL}}); err == nil {
		t.Error("took a chain without an id")
	}
}

func TestUnreachable(t *testing.T) {
	_, err := chain.Dial(t.Context(), chain.Options{URLs: []string{"http://127.0.0.1:1", "ws://127.0.0.1:2"}})
	is(t, err, wallet.ErrUnreachable)
	if !strings.Contains(err.Error(), "127.0.0.1:1") || wallet.Hint(err) == "" {
		t.Error(err)
	}
}

// TestFailover has the preferred endpoint fail in every way that is not the
// chain's own answer.
func TestFailover(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	ok(t, s.Mine(t.Context(), 3))
	set := func(raw string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if strings.HasPrefix(r.Method, "eth_getB") {
				a.Result, a.Error = []byte(raw), nil
			}
		}
	}
	fail := func(raw string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if strings.HasPrefix(r.Method, "eth_getB") {
				a.Result, a.Error = nil, []byte(raw)
			}
		}
	}
	for name, rule := range map[string]faulty.Rule{
		"rate limit":   fail(`{"code":-32005,"message":"daily request count exceeded, request rate limited"}`),
		"no method":    fail(`{"code":-32601,"message":"the method does not exist"}`),
		"no state":     fail(`{"code":-32000,"message":"missing trie node 00"}`),
		"null":         set(`null`),
		"nonsense":     set(`"nonsense"`),
		"wrong object": set(`{"number":"0x1"}`),
		"empty object": set(`{}`),
		"a list":       set(`[]`),
		"a number":     set(`17`),
	} {
		t.Run(name, func(t *testing.T) {
			p := proxy(t, s.URL())
			c := dial(t, p.URL, s.URL())
			p.Rule(rule)
			b, err := c.Block(t.Context(), 2)
			ok(t, err)
			equal(t, "number", b.Number(), 2)
			_, err = c.BalanceAt(t.Context(), someone, nil)
			ok(t, err)
		})
	}
	for _, status := range []int{429, 500, 502, 503, 401, 404} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			p := proxy(t, s.URL())
			c := dial(t, p.URL, s.URL())
			p.Down(status)
			_, err := c.Block(t.Context(), 2)
			ok(t, err)
		})
	}
}

func TestRetry(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	left := 1
	p.Rule(func(_ faulty.Request, a *faulty.Answer) {
		if left > 0 {
			left--
			a.Result, a.Error = nil, []byte(`{"code":429,"message":"slow down"}`)
		}
	})
	_, err := c.BlockNumber(t.Context())
	ok(t, err)
}

func TestCancel(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	c := dial(t, s.URL())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Block(ctx, 0)
	is(t, err, context.Canceled)
}

func TestHeads(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	pushed := dial(t, s.WSURL()).Heads(ctx, time.Hour)
	polled := dial(t, s.URL()).Heads(ctx, 10*time.Millisecond)
	for name, heads := range map[string]<-chan struct{}{"pushed": pushed, "polled": polled} {
		for heard := 0; heard < 3; {
			ok(t, s.Mine(ctx, 1))
			select {
			case <-heads:
				heard++
			case <-time.After(50 * time.Millisecond): // the subscription may not stand yet
			case <-ctx.Done():
				t.Fatalf("%s: heard of %d heads", name, heard)
			}
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Fatalf("%v: is not %v", err, class)
	}
}

func equal[T comparable](t *testing.T, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Fatalf("%s: %v, want %v", what, have, want)
	}
}
