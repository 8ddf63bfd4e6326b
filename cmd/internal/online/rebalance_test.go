package online

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// TestRebalanceSettings reads the marks of config.toml, keeps them when the file is
// written anew, and says what is wrong with them, to scan as to rebalance.
func TestRebalanceSettings(t *testing.T) {
	h := newTreasuryHome(t, chaintest.NewSimulated(t, chaintest.SimulatedOptions{}))
	h.scan()
	path := filepath.Join(h.dir, configFile)
	plain, err := os.ReadFile(path)
	h.ok(err)
	const good = "role = \"payout\"\nasset = \"ETH\"\nlow = \"1\"\nhigh = \"2\"\n"
	write := func(marks string) {
		t.Helper()
		h.ok(os.WriteFile(path, append(append([]byte{}, plain...), "[[chain.rebalance]]\n"+marks...), 0o600))
	}
	for marks, want := range map[string]string{
		strings.Replace(good, "payout", "treasury", 1):          "want payout, gas or float",
		strings.Replace(good, "payout", "cold", 1):              "unknown role",
		strings.Replace(good, "ETH", "NOPE", 1):                 "NOPE",
		strings.Replace(good, `"2"`, `"0.5"`, 1):                "is not below high",
		strings.Replace(good, `"1"`, `"much"`, 1):               "low: ",
		good + "[[chain.rebalance]]\n" + good:                   "stands there twice",
		strings.Replace(good, "payout", "gas", 1) + "level = 1": "unknown setting",
		strings.Replace(good, `"1"`, "1", 1):                    "low: want text in quotes",
	} {
		write(marks)
		env, _, notes := cli.Test(h.dir)
		if code := cli.MainContext(t.Context(), New(env), env, []string{"rebalance", "--dry-run"}); code == cli.ExitDone || !strings.Contains(notes.String(), want) {
			t.Errorf("%q: exit code %d: %s, want %q", marks, code, notes, want)
		}
	}
	write(good)
	if _, notes := h.run(cli.ExitFailed, "scan"); !strings.Contains(notes, "alarm funds-low") {
		t.Errorf("scan says %q", notes)
	}
	c, err := readConfig(path)
	h.ok(err)
	again, err := c.with(ChainConfig{ID: 99, RPC: []string{"http://node"}}).encode()
	h.ok(err)
	h.ok(os.WriteFile(path, again, 0o600))
	if c, err = readConfig(path); err != nil || len(c.of(h.net.ChainID()).Rebalance) != 1 {
		t.Errorf("written anew: %s, %v", again, err)
	}
	// Without marks there is no alarm: the one that stood is over.
	h.ok(os.WriteFile(path, plain, 0o600))
	if _, notes := h.run(cli.ExitDone, "scan"); !strings.Contains(notes, "funds-low") || !strings.Contains(notes, "is over") {
		t.Errorf("scan says %q", notes)
	}
}
