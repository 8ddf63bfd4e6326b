package chain_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestTagsByQuorum asks endpoints of every kind where the tags stand. The head
// is 20, and the node says that 18 is final.
func TestTagsByQuorum(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Finality: 2})
	ok(t, s.Mine(ctx, 20))
	headers := map[uint64]*types.Header{}
	for _, n := range []uint64{5, 15, 20} {
		h, err := s.Client().HeaderByNumber(ctx, new(big.Int).SetUint64(n))
		ok(t, err)
		headers[n] = h
	}
	tagged := func(change func(*faulty.Answer)) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getBlockByNumber" && (string(r.Params[0]) == `"finalized"` || string(r.Params[0]) == `"safe"`) {
				change(a)
			}
		}
	}
	standing := func(n uint64) faulty.Rule {
		return tagged(func(a *faulty.Answer) { a.Result, _ = json.Marshal(headers[n]); a.Error = nil })
	}
	says := func(result, failure string) faulty.Rule {
		return tagged(func(a *faulty.Answer) {
			a.Result, a.Error = []byte(result), []byte(failure)
			if failure == "" {
				a.Error = nil
			}
		})
	}
	kinds := map[string]struct {
		rule faulty.Rule
		gate faulty.Gate
		down int
	}{
		"good": {},
		"fork": {rule: func(r faulty.Request, a *faulty.Answer) {
			standing(15)(r, a)
			if string(r.Params[0]) != `"0x0"` {
				forked(r, a)
			}
		}},
		"liar":    {rule: standing(20)},
		"slower":  {rule: standing(15)},
		"stale":   {rule: standing(5)},
		"none":    {rule: says("null", "")},
		"unknown": {rule: says("", `{"code":-32602,"message":"invalid argument 0"}`)},
		"down":    {down: http.StatusBadGateway},
		"limited": {gate: faulty.PerSecond(0, "60")},
		"lost":    {down: faulty.Lost},
		"silly":   {rule: says(`{"number":"0x"}`, "")},
	}
	for name, c := range map[string]struct {
		endpoints string
		want      uint64 // 0 for none
		class     error
		unsure    bool
		split     bool          // they are on two branches
		timeout   time.Duration // that must pass before it is known
	}{
		"one":                           {endpoints: "good", want: 18},
		"one is believed":               {endpoints: "liar", want: 20},
		"one without":                   {endpoints: "none", class: chain.ErrNotYet},
		"one that does not know it":     {endpoints: "unknown", class: chain.ErrTagUnsupported},
		"two agree":                     {endpoints: "good good", want: 18},
		"one lies":                      {endpoints: "good liar", want: 18},
		"the first lies":                {endpoints: "liar good", want: 18},
		"one is slower":                 {endpoints: "good slower", want: 15},
		"one of three is stale":         {endpoints: "stale good slower", want: 15},
		"one lies and one is stale":     {endpoints: "stale good liar", want: 18},
		"one lies and one has none":     {endpoints: "liar none", class: chain.ErrNotYet, unsure: true},
		"one lies, one does not know":   {endpoints: "liar unknown", class: chain.ErrNotYet, unsure: true},
		"one lies, the others unknown":  {endpoints: "unknown liar unknown", class: chain.ErrNotYet, unsure: true},
		"one lies and one is down":      {endpoints: "liar down", class: wallet.ErrUnreachable, unsure: true},
		"one lies and one is limited":   {endpoints: "liar limited", class: wallet.ErrUnreachable, unsure: true},
		"one lies and one is lost":      {endpoints: "liar lost", class: wallet.ErrUnreachable, unsure: true, timeout: 5 * time.Second},
		"one lies and one is senseless": {endpoints: "liar silly", unsure: true},
		"one of three is down":          {endpoints: "down good slower", want: 15},
		"one of three is limited":       {endpoints: "limited good slower", want: 15},
		"one of three is lost":          {endpoints: "lost good slower", want: 15},
		"one of three does not know":    {endpoints: "unknown good slower", want: 15},
		"the first is on a fork":        {endpoints: "fork slower", split: true},
		"the second is on a fork":       {endpoints: "slower fork", split: true},
		"one of three is on a fork":     {endpoints: "slower fork slower", want: 15},
		"a fork between two":            {endpoints: "good fork stale", want: 5},
		"nobody has any":                {endpoints: "none none", class: chain.ErrNotYet},
		"nobody knows it":               {endpoints: "unknown unknown", class: chain.ErrTagUnsupported},
		"none, or not known":            {endpoints: "unknown none", class: chain.ErrNotYet},
		"not known, and down":           {endpoints: "unknown down", class: wallet.ErrUnreachable, unsure: true},
		"all are down":                  {endpoints: "down down", class: wallet.ErrUnreachable, unsure: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var urls []string
			var proxies []*faulty.Proxy
			for range strings.Fields(c.endpoints) {
				p := proxy(t, s.URL())
				proxies, urls = append(proxies, p), append(urls, p.URL)
			}
			client, err := chain.Dial(ctx, chain.Options{URLs: urls, Backoff: time.Millisecond, Attempts: 2, Timeout: cmp.Or(c.timeout, time.Hour)})
			ok(t, err)
			defer client.Close()
			for i, kind := range strings.Fields(c.endpoints) {
				proxies[i].Rule(kinds[kind].rule)
				proxies[i].Gate(kinds[kind].gate)
				proxies[i].Down(kinds[kind].down)
			}
			bounded, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			for tag, ask := range map[string]func() (*types.Header, error){
				"finalized": func() (*types.Header, error) { return client.FinalizedHeader(bounded) },
				"safe":      func() (*types.Header, error) { return client.SafeHeader(bounded) },
			} {
				h, err := ask()
				want := c.want
				if tag == "safe" && want == 18 { // the node's own word
					want = 19
				}
				if want == 0 {
					var unsure *chain.TagError
					var split *chain.DisagreementError
					equal(t, "split", errors.As(err, &split), c.split)
					equal(t, "unsure", errors.As(err, &unsure), c.unsure)
					if err == nil || c.class != nil && !errors.Is(err, c.class) {
						t.Errorf("%v, want %v", err, c.class)
					}
					if c.unsure && c.class == nil && errors.Is(err, wallet.ErrUnreachable) {
						t.Errorf("%v: nobody is out of reach", err)
					}
					continue
				}
				ok(t, err)
				equal(t, tag, h.Number.Uint64(), want)
			}
		})
	}
}

// forked is a node on a branch of its own.
func forked(r faulty.Request, a *faulty.Answer) {
	var h types.Header
	if r.Method == "eth_getBlockByNumber" && json.Unmarshal(a.Result, &h) == nil {
		h.Extra = []byte("elsewhere")
		a.Result, _ = json.Marshal(&h)
	}
}

// TestTagIsOfOneHost has both URLs of one host lie.
func TestTagIsOfOneHost(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Finality: 2})
	ok(t, s.Mine(t.Context(), 20))
	liar, good := proxy(t, s.URL()), proxy(t, s.URL())
	c := dial(t, liar.URL+"/a", liar.URL+"/b", good.URL)
	liar.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"finalized"` {
			_ = s.Client().Client().CallContext(t.Context(), &a.Result, r.Method, hexutil.Uint64(20), false)
		}
	})
	h, err := c.FinalizedHeader(t.Context())
	ok(t, err)
	equal(t, "final", h.Number.Uint64(), 18)
}
