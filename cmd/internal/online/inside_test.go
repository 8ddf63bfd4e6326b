package online

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// TestScanTraces has `scan` ask for traces: what a contract pays is a deposit
// with the hash of its transaction.
func TestScanTraces(t *testing.T) {
	net := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	h := newTreasuryHome(t, net)
	forwarder, err := net.Deploy(t.Context(), chaintest.Forwarder)
	h.ok(err)
	h.run(cli.ExitDone, "scan")
	data, err := chaintest.Forwarder.Call("split", []common.Address{h.addresses["alice"], h.addresses["bob"]})
	h.ok(err)
	tx, err := net.Send(t.Context(), chaintest.Call{To: &forwarder, Wei: big.NewInt(2000), Data: data})
	h.ok(err)
	_, err = net.Settle(t.Context(), tx)
	h.ok(err)
	h.run(cli.ExitDone, "scan")
	var rows []struct {
		Account, Amount, Kind, Status string
		TxHash                        common.Hash `json:"tx_hash"`
	}
	h.json(cli.ExitDone, &rows, "deposits", "list")
	if len(rows) != 2 {
		t.Fatalf("%+v", rows)
	}
	for _, r := range rows {
		if r.Kind != "internal" || r.Amount != "1000" || r.TxHash != tx || r.Status != "confirmed" {
			t.Errorf("%+v", r)
		}
	}
}

// TestScanUntraced has `scan` ask for no traces where the home says so, and tell
// of coin that nobody proves where it does not.
func TestScanUntraced(t *testing.T) {
	net := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	proxy := faulty.New(net.URL())
	t.Cleanup(proxy.Close)
	h := newTreasuryHome(t, net)
	forwarder, err := net.Deploy(t.Context(), chaintest.Forwarder)
	h.ok(err)
	h.run(cli.ExitDone, "scan")
	config := func(more string) {
		h.ok(os.WriteFile(filepath.Join(h.dir, configFile), fmt.Appendf(nil, "[[chain]]\nid = %d\nrpc = [%q]\ncompare_blocks = 0\n%s", net.ChainID(), proxy.URL, more), 0o600))
	}
	proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getProof" {
			a.Result, a.Error = nil, []byte(`{"code":-32601,"message":"the method eth_getProof does not exist"}`)
		}
	})
	for more, want := range map[string]int{"tracing = false\n": 0, "": 2, "tracing = true\n": 2} {
		config(more)
		data, err := chaintest.Forwarder.Call("split", []common.Address{h.addresses["alice"], h.addresses["bob"]})
		h.ok(err)
		_, err = net.Send(t.Context(), chaintest.Call{To: &forwarder, Wei: big.NewInt(2000), Data: data})
		h.ok(err)
		h.ok(net.Mine(t.Context(), 1))
		traced := proxy.Seen("debug_traceBlockByHash")
		var sum struct{ Deposits, Unproven int }
		h.json(cli.ExitDone, &sum, "scan")
		if sum.Deposits != 0 || sum.Unproven != want || (proxy.Seen("debug_traceBlockByHash") > traced) != (want > 0) {
			t.Errorf("%q: %+v", more, sum)
		}
	}
}
