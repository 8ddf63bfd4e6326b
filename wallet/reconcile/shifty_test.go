package reconcile_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestShiftyToken scans transfers of a token that takes a fee on the way and
// then rebases: the ledger has what the logs told, and each unit that is missing
// or too much is a difference.
func TestShiftyToken(t *testing.T) {
	d := newDesk(t)
	token, err := d.net.Deploy(d.ctx, chaintest.Shifty, big.NewInt(1_000_000))
	d.ok(err)
	d.update(func(tx store.Tx) error {
		c, err := store.Chain(tx, d.id)
		d.ok(err)
		c.StartBlock, c.GenesisHash, c.Finality = 1, d.client.Genesis(), wallet.Finality{Tag: "finalized"}
		d.ok(store.PutChain(tx, c))
		return store.PutToken(tx, wallet.Asset{ID: wallet.Token(d.id, token), Symbol: "SHF", Decimals: 6})
	})
	call := func(method string, args ...any) {
		t.Helper()
		data, err := chaintest.Shifty.Call(method, args...)
		d.ok(err)
		_, err = d.net.Send(d.ctx, chaintest.Call{To: &token, Data: data})
		d.ok(err)
		d.mine()
	}
	for _, step := range []struct {
		method string
		args   []any
		want   []string
	}{
		{"transfer", []any{d.deposit(0), big.NewInt(1000)}, []string{"deposit SHF 1000 980 -20"}},
		{"transfer", []any{d.deposit(1), big.NewInt(50)}, []string{"deposit SHF 1000 980 -20", "deposit SHF 50 49 -1"}},
		{"rebase", []any{big.NewInt(110)}, []string{"deposit SHF 1000 1078 78", "deposit SHF 50 53 3"}},
		{"rebase", []any{big.NewInt(50)}, []string{"deposit SHF 1000 490 -510", "deposit SHF 50 24 -26"}},
	} {
		call(step.method, step.args...)
		d.ok(d.net.Finalize(d.ctx))
		_, err := scanner.New(d.db, d.client, d.id, scanner.Options{}).Pass(d.ctx)
		d.ok(err)
		res, rows := d.compare(reconcile.Options{})
		if !slices.Equal(rows, step.want) || int(res.Differing) != len(step.want) { //nolint:gosec // a small count
			t.Errorf("after %s: %q, want %q, %d differ", step.method, rows, step.want, res.Differing)
		}
	}
}
