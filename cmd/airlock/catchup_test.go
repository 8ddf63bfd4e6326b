package main_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// TestCatchUpOnATerminal catches up with a slow chain on a terminal that tmux
// plays. It shows how fast it is and how long it will take; Ctrl-C ends it
// within a second, with the store in order; and the next scan goes on.
func TestCatchUpOnATerminal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is missing")
		}
		t.Skip("tmux is missing")
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	net := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	proxy := faulty.New(net.URL())
	t.Cleanup(proxy.Close)
	master, err := hd.NewMaster(make([]byte, 64))
	ok(err)
	defer master.Close()
	file, err := master.Watch().Encode()
	ok(err)
	watch := filepath.Join(dir, "watch.json")
	ok(os.WriteFile(watch, file, 0o600))
	airlock := func(args ...string) []byte {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "airlock"), append(args, "--home", home, "--json")...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("airlock %v: %v: %s", args, err, stderr.String())
		}
		return out
	}
	airlock("init", "--chain-id", strconv.FormatUint(net.ChainID(), 10), "--rpc", proxy.URL, "--confirmations", "1")
	airlock("watch", "import", watch, "--fingerprint", master.Watch().Fingerprint().String())
	var made []struct{ Address common.Address }
	ok(json.Unmarshal(airlock("address", "new", "alice"), &made))
	airlock("scan") // reads the opening balances
	const blocks, each = 300, 10
	for i := range blocks {
		if i%each == 0 {
			_, err := net.Fund(t.Context(), made[0].Address, big.NewInt(1e9))
			ok(err)
		}
		ok(net.Mine(t.Context(), 1))
	}

	// About twenty blocks a second, however many are asked for at once, and in
	// the end none before the command was interrupted.
	var turn sync.Mutex
	answered := 0
	interrupted := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(interrupted) })
	defer goOn()
	proxy.Rule(func(r faulty.Request, _ *faulty.Answer) {
		if r.Method == "eth_getBlockReceipts" {
			turn.Lock()
			defer turn.Unlock()
			time.Sleep(50 * time.Millisecond)
			if answered++; answered > 190 {
				<-interrupted
			}
		}
	})
	tmux := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "tmux", append([]string{"-S", filepath.Join(dir, "tmux")}, args...)...)
		// Another shell or language would be the program's.
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "SHELL=/bin/sh", "LC_ALL=C.UTF-8"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	shows := func(pattern string) {
		t.Helper()
		screen := ""
		for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if screen = tmux("capture-pane", "-p"); regexp.MustCompile(pattern).MatchString(screen) {
				return
			}
		}
		t.Fatalf("the screen does not show %s:\n%s", pattern, screen)
	}
	tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "--",
		"sh", "-c", `trap : INT; "$0" scan --home "$1"; echo "exit code $?"; sleep 600`, filepath.Join(bin, "airlock"), home)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", filepath.Join(dir, "tmux"), "kill-server").Run() })
	shows(`blocks read: 1\d\d of 300, \d+/s, \d+s left`)
	tmux("send-keys", "C-c")
	shows(`airlock: interrupted; what was done before is kept\s+exit code 1\b`) // without an answer of the endpoint
	goOn()
	ok(bolt.Verify(t.Context(), filepath.Join(home, "airlock.db")))

	proxy.Rule(nil)
	var before []json.RawMessage
	ok(json.Unmarshal(airlock("deposits", "list"), &before))
	var sum struct{ From, To, Blocks uint64 }
	ok(json.Unmarshal(airlock("scan"), &sum))
	if sum.From <= 1 || sum.Blocks != sum.To-sum.From+1 || len(before) == 0 || len(before) == blocks/each {
		t.Errorf("%d deposits were recorded before it was interrupted, and then it read %+v", len(before), sum)
	}
	var list []struct {
		ID, Status string
	}
	ok(json.Unmarshal(airlock("deposits", "list"), &list))
	seen := map[string]bool{}
	for _, d := range list {
		seen[d.ID] = d.Status == "confirmed"
	}
	if len(list) != blocks/each || len(seen) != blocks/each {
		t.Errorf("%d deposits, want %d", len(list), blocks/each)
	}
	for id, confirmed := range seen {
		if !confirmed {
			t.Errorf("deposit %s is not confirmed", id)
		}
	}
	airlock("reconcile")
}
