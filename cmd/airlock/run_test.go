package main_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// running is an airlock run in a home whose chain and receiver of webhooks are
// at hand.
type running struct {
	*testing.T

	net   *chaintest.Simulated
	proxy *faulty.Proxy // in front of the chain
	alice common.Address

	airlock func(args ...string) *exec.Cmd // another command in the home

	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lockedBuffer

	mu   sync.Mutex
	told map[string]int // webhooks, by type
}

// lockedBuffer is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (r *running) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// newRunning makes the home. The chain is out of reach when airlock run begins.
func newRunning(t *testing.T) *running {
	t.Helper()
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	r := &running{T: t, net: chaintest.NewSimulated(t, chaintest.SimulatedOptions{}), told: map[string]int{}}
	r.proxy = faulty.New(r.net.URL())
	t.Cleanup(r.proxy.Close)
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var event struct{ Type string }
		if json.NewDecoder(req.Body).Decode(&event) == nil {
			r.mu.Lock()
			r.told[event.Type]++
			r.mu.Unlock()
		}
	}))
	t.Cleanup(hooks.Close)

	master, err := hd.NewMaster(make([]byte, 64))
	r.ok(err)
	defer master.Close()
	file, err := master.Watch().Encode()
	r.ok(err)
	watch, secret := filepath.Join(dir, "watch.json"), filepath.Join(dir, "secret")
	r.ok(os.WriteFile(watch, file, 0o600))
	r.ok(os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600))
	r.airlock = func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "airlock"), args...)
		cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+home)
		return cmd
	}
	for _, args := range [][]string{
		{"init", "--chain-id", strconv.FormatUint(r.net.ChainID(), 10), "--rpc", r.proxy.URL, "--confirmations", "2"},
		{"watch", "import", watch, "--fingerprint", master.Watch().Fingerprint().String()},
		{"endpoint", "add", hooks.URL, "--secret-file", secret},
	} {
		if out, err := r.airlock(args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	out, err := r.airlock("address", "new", "alice", "--json").Output()
	r.ok(err)
	var list []struct{ Address common.Address }
	r.ok(json.Unmarshal(out, &list))
	r.alice = list[0].Address

	r.proxy.Down(http.StatusBadGateway)
	r.cmd = r.airlock("run", "--json")
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	r.ok(r.cmd.Start())
	return r
}

// until waits for something that the process brings about.
func (r *running) until(what string, is func() bool) {
	r.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("waited in vain until %s; stderr:\n%s", what, r.stderr.String())
		}
	}
}

func (r *running) hears(event string) {
	r.Helper()
	r.until("the endpoint hears of "+event, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.told[event] > 0
	})
}

func (r *running) says(text string) {
	r.Helper()
	r.until("it says "+text, func() bool { return strings.Contains(r.stderr.String(), text) })
}

// end interrupts the process, which must end at once and without an error.
func (r *running) end(s os.Signal) {
	r.Helper()
	r.ok(r.cmd.Process.Signal(s))
	ended := make(chan error, 1)
	go func() { ended <- r.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			r.Errorf("%v ended it with %v: %s", s, err, r.stderr.String())
		}
	case <-time.After(2 * time.Minute):
		r.Fatalf("still there two minutes after %v: %s", s, r.stderr.String())
	}
}

// TestRun follows a deposit from the chain to the webhooks while the endpoint
// is lost twice, and ends by SIGTERM.
func TestRun(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	r.says("trying again") // at the beginning
	r.proxy.Down(0)
	_, err := r.net.Fund(t.Context(), r.alice, big.NewInt(1e9))
	r.ok(err)
	r.ok(r.net.Mine(t.Context(), 1))
	r.hears("deposit.detected")

	before := len(r.stderr.String())
	r.proxy.Down(http.StatusServiceUnavailable)
	r.until("scan notices", func() bool { return strings.Contains(r.stderr.String()[before:], "trying again") })
	r.ok(r.net.Mine(t.Context(), 2))
	r.proxy.Down(0)
	r.hears("deposit.confirmed")
	// What the endpoint has heard, airlock may not know yet; whose answer is
	// broken off is sent again.
	r.until("both deliveries are recorded", func() bool {
		out, err := r.airlock("notify", "list", "--status", "delivered", "--json").Output()
		r.ok(err)
		var list []json.RawMessage
		r.ok(json.Unmarshal(out, &list))
		return len(list) == 2
	})
	r.end(syscall.SIGTERM)

	var sum struct {
		Scan    struct{ Deposits, Confirmed int }
		Confirm struct{ Mined *int }
		Notify  struct{ Delivered, Pending int }
	}
	dec := json.NewDecoder(&r.stdout)
	r.ok(dec.Decode(&sum))
	if sum.Scan.Deposits != 1 || sum.Scan.Confirmed != 1 || sum.Confirm.Mined == nil || sum.Notify.Delivered != 2 || dec.More() {
		t.Errorf("done in all: %+v", sum)
	}
	service := regexp.MustCompile(`^(scan|confirm|notify): `)
	for line := range strings.Lines(r.stderr.String()) {
		if !service.MatchString(line) {
			t.Errorf("%q does not say which service it is of", line)
		}
	}
}

// TestRunInterrupted ends while it waits for the chain to be reachable.
func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	r.says("trying again")
	r.end(os.Interrupt)
}
