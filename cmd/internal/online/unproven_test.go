package online

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// TestUnprovenSetting meets a block that nobody can prove, without the chain's
// setting and with it.
func TestUnprovenSetting(t *testing.T) {
	node := chaintest.NewWritten(t, 42161)
	h := &treasuryHome{t: t, dir: filepath.Join(t.TempDir(), "home")}
	h.run(cli.ExitDone, "init", "--chain-id", "42161", "--rpc", node.URL(), "--start-block", "0")
	node.Write(chaintest.WrittenTx{Raw: []byte{0x6a, 0xc0}, NoRaw: true, Success: true})
	var chains []struct{ Unproven bool }
	var found struct {
		Chains []struct {
			Findings []struct {
				Severe bool
				Code   string
			}
		}
	}

	_, notes := h.run(cli.ExitFailed, "scan")
	for _, says := range []string{"block 1", strings.TrimPrefix(node.URL(), "http://"), "type 0x6a", "unproven = true"} {
		if !strings.Contains(notes, says) {
			t.Errorf("%q does not say %q", notes, says)
		}
	}
	h.json(cli.ExitDone, &chains, "chain", "list")
	if chains[0].Unproven {
		t.Error("unproven without the setting")
	}

	path := filepath.Join(h.dir, configFile)
	settings, err := os.ReadFile(path)
	h.ok(err)
	h.ok(os.WriteFile(path, append(settings, "unproven = true\n"...), 0o600))
	h.json(cli.ExitDone, &chains, "chain", "list")
	h.json(cli.ExitFailed, &found, "doctor")
	if f := found.Chains[0].Findings; !chains[0].Unproven || f[len(f)-1].Code != findUnproven || f[len(f)-1].Severe {
		t.Errorf("chain list %+v, doctor %+v", chains, found)
	}
	out, notes := h.run(cli.ExitDone, "scan", "--json")
	if !strings.Contains(out, `"unproven_blocks":1`) || !strings.Contains(notes, "the content of 1 block was taken as the endpoints say it") {
		t.Errorf("scan wrote %s, %s", out, notes)
	}
}
