package online

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
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
