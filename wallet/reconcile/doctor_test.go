package reconcile_test

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// ward is a home with two endpoints before one node.
type ward struct {
	*desk
	chain wallet.Chain
	a, b  *faulty.Proxy
	asked []*faulty.Proxy
	now   time.Time
}

func (w *ward) examine() reconcile.Examination {
	w.t.Helper()
	var list []reconcile.Endpoint
	for _, p := range w.asked {
		u, err := url.Parse(p.URL)
		w.ok(err)
		list = append(list, reconcile.Endpoint{Host: u.Host, Dial: func(ctx context.Context) (reconcile.EndpointChain, error) {
			return chain.Dial(ctx, chain.Options{ChainID: w.id, Genesis: w.chain.GenesisHash, URLs: []string{p.URL + "/SECRET?k=SECRET"}, Attempts: 1})
		}})
	}
	x, err := reconcile.Examine(w.ctx, w.db, w.chain, list, wallet.DefaultFinalityAlarm, w.now)
	w.ok(err)
	return x
}

// final has the home take a block for final.
func (w *ward) final(number uint64, hash common.Hash) {
	w.update(func(tx store.Tx) error {
		return store.PutCursor(tx, w.id, store.Cursor{Head: number, HeadHash: hash, Credited: number, Final: number, FinalHash: hash})
	})
}

// untagged is a node that knows no finalized block.
func untagged(r faulty.Request, a *faulty.Answer) {
	if len(r.Params) > 0 && string(r.Params[0]) == `"finalized"` {
		a.Result, a.Error = nil, json.RawMessage(`{"code":-32602,"message":"invalid argument"}`)
	}
}

func TestExamine(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*ward)
		want   string // codes, with ! at severe ones
		says   string
	}{
		{"all is well", func(*ward) {}, "", ""},
		{"one endpoint", func(w *ward) { w.asked = w.asked[:1] }, "one-endpoint", "the only endpoint"},
		{"one is down", func(w *ward) { w.b.Down(http.StatusServiceUnavailable) }, "endpoint-unreachable", "503"},
		{"one has other blocks", func(w *ward) { w.b.Rule(faulty.Elsewhere(10)) }, "!endpoints-differ", "at block 1"},
		{"one has another head", func(w *ward) { w.b.Rule(faulty.Elsewhere(22)) }, "", ""},
		{"another genesis", func(w *ward) { w.chain.GenesisHash = common.Hash{1}; w.asked = w.asked[:1] }, "one-endpoint !endpoint-of-another-chain", "genesis"},
		{"the chain stands still", func(w *ward) { w.now = w.now.Add(time.Hour) }, "endpoint-behind endpoint-behind", "1h0m0s old"},
		{"no finalized block", func(w *ward) { w.b.Rule(untagged) }, "tag-missing", "no finalized block"},
		{"no finalized block is needed", func(w *ward) { w.b.Rule(untagged); w.chain.Finality = wallet.Finality{Confirmations: 3} }, "", ""},
		{"another final block", func(w *ward) { w.final(5, common.Hash{1}) }, "!final-block-differs !final-block-differs", "at block 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t)
			c.change(w)
			x := w.examine()
			var codes []string
			for _, f := range x.Findings {
				codes = append(codes, map[bool]string{true: "!"}[f.Severe]+f.Code)
			}
			if have := strings.Join(codes, " "); have != c.want {
				t.Errorf("found %q, want %q", have, c.want)
			}
			text, err := json.Marshal(x)
			w.ok(err)
			if !strings.Contains(string(text), c.says) || strings.Contains(string(text), "SECRET") {
				t.Errorf("says %s, want %q and no secret", text, c.says)
			}
		})
	}
}

func newWard(t *testing.T) *ward {
	d := newDesk(t)
	d.watch(wallet.Path{Role: wallet.TreasuryRole})
	for range 20 {
		d.mine()
	}
	head, err := d.client.HeaderByNumber(d.ctx, nil)
	d.ok(err)
	fifth, err := d.client.HeaderByNumber(d.ctx, big.NewInt(5))
	d.ok(err)
	w := &ward{desk: d, a: faulty.New(d.net.URL()), b: faulty.New(d.net.URL()), now: time.Unix(int64(head.Time), 0)}
	t.Cleanup(w.a.Close)
	t.Cleanup(w.b.Close)
	w.asked = []*faulty.Proxy{w.a, w.b}
	w.chain = wallet.Chain{ID: d.id, GenesisHash: d.client.Genesis(), Finality: wallet.Finality{Tag: "finalized"}}
	w.final(5, fifth.Hash())
	return w
}

// TestExamineAlone: nobody answers, and the home was given no vault yet.
func TestExamineAlone(t *testing.T) {
	w := newWard(t)
	w.a.Down(http.StatusServiceUnavailable)
	w.b.Down(http.StatusServiceUnavailable)
	if x := w.examine(); x.Reachable() || len(x.Findings) != 2 {
		t.Errorf("found %+v", x)
	}
	empty, err := bolt.Create(w.ctx, filepath.Join(t.TempDir(), "airlock.db"))
	w.ok(err)
	x, err := reconcile.Examine(w.ctx, empty, w.chain, nil, wallet.DefaultFinalityAlarm, w.now)
	w.ok(err)
	if x.Reachable() || len(x.Findings) != 3 || x.Findings[0].Code != reconcile.FindNoAddress || !x.Findings[0].Severe {
		t.Errorf("found %+v", x)
	}
}
