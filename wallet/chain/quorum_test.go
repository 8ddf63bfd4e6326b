package chain_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestAgree asks endpoints of every kind for one block. Those of a kind are
// told apart by the proxies in front of them.
func TestAgree(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	here := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	ok(t, here.Mine(ctx, 12))
	fork := chaintest.NewSimulated(t, chaintest.SimulatedOptions{}) // the same genesis, other blocks
	ok(t, fork.Mine(ctx, 12))
	header, err := here.Client().HeaderByNumber(ctx, big.NewInt(10))
	ok(t, err)

	kinds := map[string]struct {
		node *chaintest.Simulated
		rule faulty.Rule
		down int
	}{
		"good":     {node: here},
		"fork":     {node: fork},
		"behind":   {node: here, rule: faulty.Behind(7)},
		"limited":  {node: here, down: http.StatusTooManyRequests},
		"down":     {node: here, down: http.StatusBadGateway},
		"lost":     {node: here, down: faulty.Lost},
		"shut":     {node: here, down: http.StatusUnauthorized},
		"other":    {node: here, rule: faulty.Elsewhere(10)},
		"garbage":  {node: here, rule: func(_ faulty.Request, a *faulty.Answer) { a.Result = []byte(`{"number":"0x"}`) }},
		"unproven": {node: here, rule: unproven},
	}
	for name, c := range map[string]struct {
		endpoints string // kinds
		votes     string // of which each one is
		reach     uint64
		fails     bool
		later     bool          // because somebody cannot be reached, or is behind
		timeout   time.Duration // that must pass before it is known
	}{
		"one endpoint":              {endpoints: "good", votes: "?"},
		"one endpoint is not asked": {endpoints: "fork", votes: "?"},
		"both agree":                {endpoints: "good good", votes: "++", reach: 9},
		"one lies":                  {endpoints: "good fork", votes: "+-", fails: true},
		"the first lies":            {endpoints: "other good", votes: "-+", fails: true},
		"one is behind":             {endpoints: "good behind", votes: "+<", fails: true, later: true, reach: 7},
		"both are behind":           {endpoints: "behind behind", votes: "<<", fails: true, later: true, reach: 7},
		"one is down":               {endpoints: "good down", votes: "+?", fails: true, later: true},
		"one is limited":            {endpoints: "limited good", votes: "?+", fails: true, later: true},
		"one does not answer":       {endpoints: "good lost", votes: "+?", fails: true, later: true, timeout: 5 * time.Second},
		"one wants a key":           {endpoints: "good shut", votes: "+?", fails: true, later: true},
		"one makes no sense":        {endpoints: "good garbage", votes: "+?", fails: true},
		"one is not proven":         {endpoints: "good unproven", votes: "+?", fails: true},
		"a dissenter of three":      {endpoints: "good fork good", votes: "+-+", reach: 9},
		"silent ones of four":       {endpoints: "lost good down good", votes: "?+?+", reach: 9},
		"each says something else":  {endpoints: "good fork other", votes: "+--", fails: true},
		"outvoted":                  {endpoints: "fork good fork", votes: "-+-", fails: true},
		"behind and lying":          {endpoints: "good behind fork", votes: "+<-", fails: true, reach: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var urls, hosts []string
			var proxies []*faulty.Proxy
			for _, kind := range strings.Fields(c.endpoints) {
				p := proxy(t, kinds[kind].node.URL())
				proxies = append(proxies, p)
				urls, hosts = append(urls, p.URL), append(hosts, strings.TrimPrefix(p.URL, "http://"))
			}
			client, err := chain.Dial(ctx, chain.Options{URLs: urls, Backoff: time.Millisecond, Attempts: 2, Timeout: cmp.Or(c.timeout, time.Hour)})
			ok(t, err)
			defer client.Close()
			for i, kind := range strings.Fields(c.endpoints) {
				proxies[i].Rule(kinds[kind].rule)
				proxies[i].Down(kinds[kind].down)
			}
			bounded, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			votes, err := client.Agree(bounded, 10, header.Hash())
			have := ""
			for i, host := range hosts {
				mark := "?"
				switch {
				case slices.Contains(votes.Agree, host):
					mark = "+"
				case slices.ContainsFunc(votes.Differ, func(d chain.Dissent) bool { return d.Host == host && d.Hash != header.Hash() }):
					mark = "-"
				case slices.Contains(votes.Behind, chain.Lag{Host: host, Head: 7}):
					mark = "<"
				}
				have += mark
				if err != nil && !strings.Contains(err.Error(), host) {
					t.Errorf("%v does not name endpoint %d, %s", err, i, host)
				}
			}
			equal(t, "votes", have, c.votes)
			equal(t, "reach", votes.Reach(), c.reach)
			equal(t, "fails", err != nil, c.fails)
			equal(t, "try again later", errors.Is(err, wallet.ErrUnreachable), c.later)
		})
	}
}

// unproven says of a header that it has another hash.
func unproven(_ faulty.Request, a *faulty.Answer) {
	var header map[string]json.RawMessage
	if json.Unmarshal(a.Result, &header) == nil {
		header["hash"] = header["parentHash"]
		a.Result, _ = json.Marshal(header)
	}
}
