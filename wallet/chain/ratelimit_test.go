package chain_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// wealthy is a chain with n accounts, of which account i has i+1 wei.
func wealthy(t *testing.T, n int) (*chaintest.Simulated, []common.Address) {
	t.Helper()
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	accounts := make([]common.Address, n)
	for i := range accounts {
		accounts[i] = common.BigToAddress(big.NewInt(int64(1_000_000 + i)))
		_, err := s.Fund(t.Context(), accounts[i], big.NewInt(int64(i+1)))
		ok(t, err)
	}
	ok(t, s.Mine(t.Context(), 20))
	return s, accounts
}

// compareBalances asks for all balances and compares them.
func compareBalances(t *testing.T, c *chain.Client, accounts []common.Address) {
	t.Helper()
	head, err := c.HeaderByNumber(t.Context(), nil)
	ok(t, err)
	balances, err := c.BalancesAt(t.Context(), accounts, head.Hash())
	ok(t, err)
	equal(t, "balances", len(balances), len(accounts))
	for i, b := range balances {
		equal(t, fmt.Sprintf("balance %d", i), b.Int64(), int64(i+1))
	}
}

// TestLimitedEndpoint asks an endpoint that takes 7 requests in a batch and 20
// per second for much more, and counts what it had to refuse.
func TestLimitedEndpoint(t *testing.T) {
	t.Parallel()
	const funded = 30
	s, accounts := wealthy(t, funded)
	p := proxy(t, s.URL())
	c, err := chain.Dial(t.Context(), chain.Options{URLs: []string{p.URL}})
	ok(t, err)
	defer c.Close()
	p.Gate(faulty.Gates(faulty.MaxBatch(7), faulty.PerSecond(20, "1")))
	compareBalances(t, c, accounts)
	head, err := c.BlockNumber(t.Context())
	ok(t, err)
	for _, err := range c.Blocks(t.Context(), 0, head) {
		ok(t, err)
	}
	compareBalances(t, c, accounts)
	t.Logf("%d requests refused of about %d", p.Refused(), p.Seen("eth_getBalance")+p.Seen("eth_getBlockReceipts")*2)
	if p.Refused() > 12 {
		t.Errorf("%d requests refused", p.Refused())
	}
	equal(t, "balances asked", p.Seen("eth_getBalance"), 2*funded) // none twice
}

// TestBatchRefused has an endpoint refuse batches in the words of several
// nodes. All answers are right and hardly any request is made in vain.
func TestBatchRefused(t *testing.T) {
	s, accounts := wealthy(t, 40)
	one := func(code int, message string) faulty.Gate { return faulty.NoBatch(code, message) }
	over := func(n, status int, body string) faulty.Gate {
		return func(requests []faulty.Request) *faulty.Refusal {
			if len(requests) <= n {
				return nil
			}
			return &faulty.Refusal{Status: status, Body: body}
		}
	}
	for name, c := range map[string]struct {
		gate faulty.Gate
		most int // refusals
	}{
		"no batches":              {one(-32600, "batch requests are not supported"), 1},
		"no batches, wordless":    {one(-32600, "invalid request"), 1},
		"one answer to a batch":   {one(-32005, "slow down"), 6},
		"413":                     {over(7, http.StatusRequestEntityTooLarge, ""), 5},
		"400":                     {over(7, http.StatusBadRequest, "nope"), 5},
		"400 to two":              {over(1, http.StatusBadRequest, "nope"), 8},
		"words with 500":          {over(7, http.StatusInternalServerError, `batch limit exceeded`), 5},
		"words with 429":          {over(7, http.StatusTooManyRequests, `too many requests in batch`), 5},
		"geth's one of a batch":   {over(7, http.StatusOK, `[{"jsonrpc":"2.0","id":3,"error":{"code":-32600,"message":"batch too large"}}]`), 5},
		"an answer to nobody":     {over(7, http.StatusOK, `[{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}]`), 5},
		"rate, by size of batch":  {over(2, http.StatusTooManyRequests, ""), 3},
		"rate, of all that is >1": {over(1, http.StatusTooManyRequests, ""), 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := proxy(t, s.URL())
			client, err := chain.Dial(t.Context(), chain.Options{URLs: []string{p.URL}, Backoff: 10 * time.Millisecond})
			ok(t, err)
			defer client.Close()
			p.Gate(c.gate)
			compareBalances(t, client, accounts)
			b, err := client.Block(t.Context(), 1)
			ok(t, err)
			equal(t, "has transactions", len(b.Txs) > 0, true)
			if p.Refused() > c.most {
				t.Errorf("%d requests were refused, want at most %d", p.Refused(), c.most)
			}
			equal(t, "balances asked", p.Seen("eth_getBalance"), len(accounts))
		})
	}
}

// TestNoBatchesFromTheStart makes sure that an endpoint that takes no batches
// can be connected to.
func TestNoBatchesFromTheStart(t *testing.T) {
	s, accounts := wealthy(t, 5)
	p := proxy(t, s.URL())
	p.Gate(faulty.NoBatch(-32600, "invalid request"))
	compareBalances(t, dial(t, p.URL), accounts)
	equal(t, "refused", p.Refused(), 1)
}

// TestLimitedReceipts has the limit hit in the middle of a block's receipts.
func TestLimitedReceipts(t *testing.T) {
	t.Parallel()
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	token, err := s.Deploy(t.Context(), chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1000))
	ok(t, err)
	for range 30 {
		_, err := s.TransferToken(t.Context(), token, someone, big.NewInt(7))
		ok(t, err)
	}
	ok(t, s.Mine(t.Context(), 1))
	p := proxy(t, s.URL())
	c, err := chain.Dial(t.Context(), chain.Options{URLs: []string{p.URL}, Backoff: 50 * time.Millisecond})
	ok(t, err)
	defer c.Close()
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockReceipts" {
			a.Result, a.Error = nil, []byte(`{"code":-32601,"message":"no such method"}`)
		}
	})
	p.Gate(faulty.Gates(faulty.MaxBatch(7), faulty.PerSecond(15, "")))
	head, err := c.BlockNumber(t.Context())
	ok(t, err)
	most := 0
	for b, err := range c.Blocks(t.Context(), 0, head) {
		ok(t, err)
		most = max(most, len(b.Txs))
	}
	if asked := p.Seen("eth_getTransactionReceipt"); most < 20 || asked != 31 {
		t.Errorf("%d receipts asked for, %d transactions in the fullest block", asked, most)
	}
}

// TestTakeover has the preferred endpoint name a time after which it may be
// asked again. Another one is asked meanwhile, and the first one then.
func TestTakeover(t *testing.T) {
	t.Parallel()
	s, accounts := wealthy(t, 5)
	first, second := proxy(t, s.URL()), proxy(t, s.URL())
	c := dial(t, first.URL, second.URL)
	first.Gate(faulty.PerSecond(0, "3600"))
	compareBalances(t, c, accounts)
	compareBalances(t, c, accounts)
	equal(t, "refused", first.Refused(), 1)
	equal(t, "asked of the second", second.Seen("eth_getBalance"), 10)

	first.Gate(nil)
	c = dial(t, first.URL, second.URL)
	first.Gate(faulty.PerSecond(0, "1"))
	compareBalances(t, c, accounts)
	first.Gate(nil)
	for deadline := time.Now().Add(time.Minute); first.Seen("eth_getBalance") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first is not asked again")
		}
		compareBalances(t, c, accounts)
	}
}

// TestRetryAfter has the only endpoint name a time.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	s, accounts := wealthy(t, 5)
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	var first time.Time // when it refused
	p.Gate(func([]faulty.Request) *faulty.Refusal {
		if first.IsZero() {
			first = time.Now()
		} else if time.Since(first) > 900*time.Millisecond {
			return nil
		}
		return &faulty.Refusal{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}
	})
	compareBalances(t, c, accounts)
	equal(t, "refused", p.Refused(), 1)

	// Nobody has to wait for it to the end.
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	p.Gate(func([]faulty.Request) *faulty.Refusal {
		time.AfterFunc(100*time.Millisecond, cancel)
		return &faulty.Refusal{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3600"}}}
	})
	started := time.Now()
	_, err := c.BlockNumber(ctx)
	is(t, err, context.Canceled)
	for _, err := range c.Blocks(ctx, 0, 10) {
		is(t, err, context.Canceled)
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %s to be interrupted", took)
	}
}

// TestLimitedForEver makes sure that an endpoint that only ever refuses is told
// of, in its own words, and is out of reach rather than wrong.
func TestLimitedForEver(t *testing.T) {
	s, accounts := wealthy(t, 2)
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	head, err := c.HeaderByNumber(t.Context(), nil)
	ok(t, err)
	p.Gate(func([]faulty.Request) *faulty.Refusal {
		return &faulty.Refusal{Status: http.StatusOK, Body: `{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"slow down"}}`}
	})
	_, err = c.BalancesAt(t.Context(), accounts, head.Hash())
	if !errors.Is(err, wallet.ErrUnreachable) || !strings.Contains(err.Error(), "slow down") {
		t.Errorf("error %v", err)
	}
}
