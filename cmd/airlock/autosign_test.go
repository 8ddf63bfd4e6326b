package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// autoSigning is a home whose float may pay 0.5 ether at once and 1 a day.
type autoSigning struct {
	*testing.T
	net        *chaintest.Simulated
	home       string
	passphrase string
	float      common.Address
}

func (a *autoSigning) ok(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *autoSigning) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(a.Context(), filepath.Join(bin, "airlock"), args...)
	cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+a.home)
	return cmd
}

// run runs a command to its end and reads its JSON, if into is not nil.
func (a *autoSigning) run(into any, args ...string) {
	a.Helper()
	cmd := a.command(append(args, "--json")...)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.Output()
	if err != nil {
		a.Fatalf("%v: %v: %s", args, err, notes.String())
	}
	if into != nil {
		a.ok(json.Unmarshal(out, into))
	}
}

func newAutoSigning(t *testing.T) *autoSigning {
	t.Helper()
	dir := t.TempDir()
	a := &autoSigning{T: t, net: chaintest.NewSimulated(t, chaintest.SimulatedOptions{}), home: filepath.Join(dir, "home"), passphrase: filepath.Join(dir, "passphrase")}
	cold, err := hd.NewMaster(make([]byte, 64))
	a.ok(err)
	defer cold.Close()
	file, err := cold.Watch().Encode()
	a.ok(err)
	watch, words, float := filepath.Join(dir, "watch.json"), filepath.Join(dir, "words"), filepath.Join(dir, "float.json")
	a.ok(os.WriteFile(watch, file, 0o600))
	a.ok(os.WriteFile(words, []byte("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"), 0o600))
	a.ok(os.WriteFile(a.passphrase, []byte("correct horse battery staple"), 0o600))
	var made struct {
		Fingerprint string
		Addresses   []struct{ Address common.Address }
	}
	a.run(nil, "init", "--chain-id", strconv.FormatUint(a.net.ChainID(), 10), "--rpc", a.net.URL(), "--confirmations", "1")
	a.run(nil, "watch", "import", watch, "--fingerprint", cold.Watch().Fingerprint().String())
	a.run(&made, "vault", "create", "--light-kdf", "--mnemonic-file", words, "--passphrase-file", a.passphrase)
	a.run(nil, "vault", "export-watch", "-o", float, "--passphrase-file", a.passphrase)
	a.run(&made, "watch", "import", "--float", float, "--fingerprint", made.Fingerprint)
	a.float = made.Addresses[0].Address
	a.ok(os.WriteFile(filepath.Join(a.home, "policy.toml"), fmt.Appendf(nil, `version = 1
max_age = "24h"
max_items = 10
allow = ["withdrawal", "cancel"]
roles = ["payout"]
approvals = 0
[[chain]]
id = %d
max_fee_per_gas_gwei = "500"
max_fee_per_transaction = "0.1"
max_fee_per_batch = "1"
any_recipient = true
[[asset]]
asset = "eip155:%[1]d/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "0.5"
max_per_batch = "1"
max_per_recipient = "1"
max_per_day = "1"
max_per_week = "1"
`, a.net.ChainID()), 0o600))
	hash, err := a.net.Fund(t.Context(), a.float, new(big.Int).Mul(big.NewInt(5), big.NewInt(1e18)))
	a.ok(err)
	_, err = a.net.Settle(t.Context(), hash)
	a.ok(err)
	a.ok(a.net.Finalize(t.Context()))
	a.run(nil, "scan")
	return a
}

// start begins a process that signs.
func (a *autoSigning) start() (*exec.Cmd, *lockedBuffer) {
	a.Helper()
	cmd, notes := a.command("run", "--auto-sign", "--passphrase-file", a.passphrase), &lockedBuffer{}
	cmd.Stderr = notes
	a.ok(cmd.Start())
	return cmd, notes
}

type payment struct{ Status, Reason string }

func (a *autoSigning) show(id string) (p payment) {
	a.Helper()
	a.run(&p, "withdraw", "show", id)
	return p
}

// until waits for something that a process brings about.
func (a *autoSigning) until(notes *lockedBuffer, what string, is func() bool) {
	a.Helper()
	for deadline := time.Now().Add(4 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.Fatalf("waited in vain until %s; stderr:\n%s", what, notes.String())
		}
	}
}

// TestAutoSignKilled pays hands-free in processes of which each is killed
// (SIGKILL) as soon as it has done something about a withdrawal. Each is paid once,
// what is above the limit of the day waits, and the next process knows what the
// ones before it signed.
func TestAutoSignKilled(t *testing.T) {
	t.Parallel()
	a := newAutoSigning(t)
	const asked = 5 // of 0.3 ether each, of which three are below 1
	to := func(i int) common.Address { return common.BigToAddress(big.NewInt(int64(0xA11CE00 + i))) }
	for i := range asked {
		id := fmt.Sprintf("w-%d", i)
		a.run(nil, "withdraw", "request", "--id", id, "--asset", "ETH", "--amount", "0.3", "--to", to(i).Hex())
		a.run(nil, "withdraw", "approve", id)
		cmd, notes := a.start()
		a.until(notes, id+" is looked at", func() bool {
			p := a.show(id)
			return p.Status != "approved" || p.Reason != ""
		})
		a.ok(cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	}
	cmd, notes := a.start()
	for i := range 3 {
		a.until(notes, "the first three are confirmed", func() bool {
			a.ok(a.net.Mine(t.Context(), 1))
			a.ok(a.net.Finalize(t.Context()))
			return a.show(fmt.Sprintf("w-%d", i)).Status == "confirmed"
		})
	}
	for i := range asked {
		p := a.show(fmt.Sprintf("w-%d", i))
		have, err := a.net.Client().BalanceAt(t.Context(), to(i), nil)
		a.ok(err)
		want := big.NewInt(3e17)
		if i >= 3 {
			want = new(big.Int)
			if p.Status != "approved" || p.Reason != "above the float's limit of the day: waits for the cold station" {
				t.Errorf("w-%d is %+v", i, p)
			}
		}
		if have.Cmp(want) != 0 {
			t.Errorf("the recipient of w-%d has %s, want %s", i, have, want)
		}
	}
	nonce, err := a.net.Client().NonceAt(t.Context(), a.float, nil)
	a.ok(err)
	if nonce != 3 {
		t.Errorf("the float sent %d transactions", nonce)
	}
	a.ok(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended by SIGTERM with %v: %s", err, notes.String())
	}
	if text := notes.String(); strings.Contains(text, "correct horse") {
		t.Error("the passphrase was told")
	}
	a.run(nil, "audit", "verify")
	a.run(nil, "scan")
	a.run(nil, "reconcile")
}
