package online

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func TestDoctorCommand(t *testing.T) {
	net, err := chaintest.StartSimulated(chaintest.SimulatedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := newTreasuryHome(t, net)
	type result struct {
		Home     string
		Findings []struct{ Code string }
		Chains   []struct {
			ChainID   uint64 `json:"chain_id"`
			Endpoints []struct{ Reachable bool }
			Findings  []struct{ Code string }
		}
	}
	var r result
	h.json(cli.ExitDone, &r, "doctor")
	if r.Home != h.dir || len(r.Findings) != 0 || len(r.Chains) != 1 || r.Chains[0].ChainID != net.ChainID() || !r.Chains[0].Endpoints[0].Reachable {
		t.Errorf("doctor %+v", r)
	}
	if f := r.Chains[0].Findings; len(f) != 1 || f[0].Code != "one-endpoint" {
		t.Errorf("found %+v", f)
	}
	// What keeps other commands from working is told, and the rest examined.
	settings := filepath.Join(h.dir, configFile)
	h.ok(os.Chmod(settings, 0o644))
	out, notes := h.run(cli.ExitUnreachable, "doctor", "--chain", "1337")
	if !strings.Contains(out, settings+" has mode 0644") || !strings.Contains(notes, "no endpoint") {
		t.Errorf("said %q, %q", out, notes)
	}
	h.ok(os.Chmod(settings, 0o600))
	h.ok(os.Chmod(h.dir, 0o755))
	if _, notes = h.run(cli.ExitFailed, "doctor"); !strings.Contains(notes, "1 severe finding") {
		t.Errorf("said %q", notes)
	}
	h.ok(net.Close())
	h.json(cli.ExitUnreachable, &r, "doctor")
	if r.Chains[0].Endpoints[0].Reachable || len(r.Chains[0].Findings) != 2 {
		t.Errorf("without a node: %+v", r)
	}
}
