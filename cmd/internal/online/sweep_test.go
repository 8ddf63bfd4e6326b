package online

import (
	"context"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// treasuryHome is a home on a chain of its own, with deposits of two customers.
type treasuryHome struct {
	t         *testing.T
	dir       string
	net       *chaintest.Simulated
	token     common.Address
	addresses map[string]common.Address // by account, or by role
	clock     func() time.Time          // nil is the machine's
}

func newTreasuryHome(t *testing.T, net *chaintest.Simulated) *treasuryHome {
	t.Helper()
	h := &treasuryHome{t: t, dir: filepath.Join(t.TempDir(), "home"), net: net, addresses: map[string]common.Address{}}
	var err error
	h.token, err = net.Deploy(t.Context(), chaintest.USDTLike, big.NewInt(1_000_000))
	h.ok(err)
	keys, err := hd.NewMaster([]byte("a seed that every reader knows"))
	h.ok(err)
	file, err := keys.Watch().Encode()
	h.ok(err)
	watch := filepath.Join(t.TempDir(), "watch.json")
	h.ok(os.WriteFile(watch, file, 0o600))
	h.run(cli.ExitDone, "init", "--chain-id", strconv.FormatUint(net.ChainID(), 10), "--rpc", net.URL(), "--confirmations", "1")
	h.run(cli.ExitDone, "watch", "import", watch, "--fingerprint", keys.Watch().Fingerprint().String())
	h.run(cli.ExitDone, "token", "add", h.token.Hex())
	h.run(cli.ExitDone, "address", "new", "alice")
	h.run(cli.ExitDone, "address", "new", "bob")
	var rows []struct {
		Account, Role string
		Address       common.Address
	}
	h.json(cli.ExitDone, &rows, "address", "list")
	for _, r := range rows {
		name := r.Account
		if name == "" {
			name = r.Role
		}
		h.addresses[name] = r.Address
	}
	return h
}

func (h *treasuryHome) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *treasuryHome) run(exit int, args ...string) (out, notes string) {
	h.t.Helper()
	env, stdout, stderr := cli.Test(h.dir)
	if h.clock != nil {
		env.Now = h.clock
	}
	if got := cli.MainContext(context.Background(), New(env), env, args); got != exit {
		h.t.Errorf("airlock %q: exit code %d, want %d: %s", args, got, exit, stderr)
	}
	return stdout.String(), stderr.String()
}

func (h *treasuryHome) json(exit int, into any, args ...string) {
	h.t.Helper()
	out, _ := h.run(exit, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		h.t.Fatalf("airlock %q wrote %q: %v", args, out, err)
	}
}

func (h *treasuryHome) fund(name string, wei int64) {
	h.t.Helper()
	hash, err := h.net.Fund(h.t.Context(), h.addresses[name], big.NewInt(wei))
	h.ok(err)
	_, err = h.net.Settle(h.t.Context(), hash)
	h.ok(err)
}

func (h *treasuryHome) scan() {
	h.t.Helper()
	h.ok(h.net.Finalize(h.t.Context()))
	client, err := chain.Dial(h.t.Context(), chain.Options{URLs: []string{h.net.URL()}})
	h.ok(err)
	defer client.Close()
	_, err = scanner.New(h.db(), client, h.net.ChainID(), scanner.Options{}).Pass(h.t.Context())
	h.ok(err)
}

func (h *treasuryHome) db() store.DB { return bolt.Open(filepath.Join(h.dir, storeFile)) }

type sweepAnswer struct {
	Batch        string
	Digest       string
	Items        int
	Totals       []jsonRow
	WorstCaseFee string `json:"worst_case_fee"`
	Skipped      []jsonRow
}

func TestSweepCommands(t *testing.T) {
	h := newTreasuryHome(t, chaintest.NewSimulated(t, chaintest.SimulatedOptions{}))
	h.scan()
	file := filepath.Join(t.TempDir(), "sweep.json")
	if out, _ := h.run(cli.ExitDone, "sweep", "-o", file); !strings.Contains(out, "nothing to sweep") {
		t.Errorf("an empty home: %q", out)
	}
	h.fund("alice", 1e18)
	h.fund("bob", 1000)
	h.fund("gas", 1e17)
	hash, err := h.net.TransferToken(t.Context(), h.token, h.addresses["bob"], big.NewInt(70))
	h.ok(err)
	_, err = h.net.Settle(t.Context(), hash)
	h.ok(err)
	h.scan()

	for _, args := range [][]string{
		{"sweep"},
		{"sweep", "-o", file, "--asset", "NOPE"},
		{"sweep", "-o", file, "--min", "-1"},
		{"sweep", "-o", file, "--asset", "USDT", "--min", "0.0000001"},
		{"sweep", "-o", file, "--max", "0"},
		{"sweep", "-o", file, "--expires", "1s"},
		{"sweep", "-o", h.dir}, // exists
		{"reconcile", "--address", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe1"},
		{"reconcile", "--address", h.token.Hex()},
		{"status", "--low-gas", "much"},
	} {
		h.run(cli.ExitUsage, args...)
	}

	var dry, plan sweepAnswer
	h.json(cli.ExitDone, &dry, "sweep", "--dry-run")
	if dry.Batch != "" || dry.Digest != "" || dry.Items != 3 {
		t.Errorf("dry run %+v", dry)
	}
	h.json(cli.ExitDone, &plan, "sweep", "-o", file)
	if plan.Items != 3 || len(plan.Totals) != 3 || plan.WorstCaseFee == "" || len(plan.Skipped) != 1 {
		t.Errorf("sweep %+v", plan)
	}
	if k := plan.Skipped[0]; k["address"] != h.addresses["bob"].Hex() || k["symbol"] != "ETH" || k["amount"] != "1000" || k["reason"] == "" {
		t.Errorf("skipped %v", k)
	}
	raw, err := os.ReadFile(file)
	h.ok(err)
	b, err := batch.Parse(raw)
	h.ok(err)
	digest, err := b.HexDigest()
	h.ok(err)
	if b.ID != plan.Batch || digest != plan.Digest {
		t.Errorf("the file holds batch %s with digest %s, the answer says %s, %s", b.ID, digest, plan.Batch, plan.Digest)
	}
	if out, notes := h.run(cli.ExitDone, "sweep", "--dry-run"); !strings.Contains(out, "is on its way, in batch "+plan.Batch) || !strings.Contains(notes, "airlock batch show "+plan.Batch+" -o FILE") {
		t.Errorf("while it is on its way: %q, %q", out, notes)
	}
	h.run(cli.ExitDone, "batch", "discard", plan.Batch)
	h.json(cli.ExitDone, &plan, "sweep", "--dry-run")
	if plan.Items != 3 {
		t.Errorf("after the discard %+v", plan)
	}
}

func TestReconcileCommand(t *testing.T) {
	h := newTreasuryHome(t, chaintest.NewSimulated(t, chaintest.SimulatedOptions{}))
	h.scan()
	h.fund("alice", 5000)
	h.scan()
	var rows []jsonRow
	h.json(cli.ExitDone, &rows, "reconcile")
	if len(rows) != 1 || rows[0]["address"] != h.addresses["alice"].Hex() || rows[0]["ledger"] != "5000" || rows[0]["chain"] != "5000" || rows[0]["difference"] != "0" {
		t.Errorf("rows %v", rows)
	}
	if out, _ := h.run(cli.ExitDone, "reconcile"); strings.Contains(out, h.addresses["alice"].Hex()) || !strings.Contains(out, "0 differ") {
		t.Errorf("people see %q", out)
	}
	if out, _ := h.run(cli.ExitDone, "reconcile", "--all"); !strings.Contains(out, h.addresses["alice"].Hex()) {
		t.Errorf("with --all people see %q", out)
	}
	// A deposit that scanning missed.
	h.fund("bob", 7)
	h.ok(h.net.Finalize(t.Context()))
	h.skipScan()
	h.json(cli.ExitDiffer, &rows, "reconcile")
	if len(rows) != 2 || rows[1]["difference"] != "7" || rows[1]["ledger"] != "0" {
		t.Errorf("rows %v", rows)
	}
	h.json(cli.ExitDiffer, &rows, "reconcile", "--address", h.addresses["bob"].Hex())
	h.json(cli.ExitDone, &rows, "reconcile", "--address", h.addresses["alice"].Hex())
}

// skipScan moves the cursor to the final block without reading what is in it,
// as a scanner that misses deposits would.
func (h *treasuryHome) skipScan() {
	h.t.Helper()
	client, err := chain.Dial(h.t.Context(), chain.Options{URLs: []string{h.net.URL()}})
	h.ok(err)
	defer client.Close()
	final, err := client.FinalizedHeader(h.t.Context())
	h.ok(err)
	h.ok(h.db().Update(h.t.Context(), func(tx store.Tx) error {
		n := final.Number.Uint64()
		return store.PutCursor(tx, h.net.ChainID(), store.Cursor{
			Head: n, HeadHash: final.Hash(), Credited: n, Final: n, FinalHash: final.Hash(),
		})
	}))
}

func TestStatusCommand(t *testing.T) {
	net, err := chaintest.StartSimulated(chaintest.SimulatedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := newTreasuryHome(t, net)
	h.scan()
	var st struct {
		ChainID  uint64 `json:"chain_id"`
		Chain    struct{ Reachable bool }
		Funds    []jsonRow
		Warnings []struct{ Code string }
	}
	h.json(cli.ExitDone, &st, "status")
	if st.ChainID != net.ChainID() || !st.Chain.Reachable || len(st.Funds) != 2 || len(st.Warnings) != 2 {
		t.Errorf("status %+v", st)
	}
	if out, _ := h.run(cli.ExitDone, "status", "--low-gas", "0", "--low-payout", "0"); !strings.Contains(out, "nothing to worry about") {
		t.Errorf("people see %q", out)
	}
	h.ok(net.Close())
	h.json(cli.ExitUnreachable, &st, "status")
	if st.Chain.Reachable || len(st.Warnings) != 1 || st.Warnings[0].Code != "chain-unreachable" {
		t.Errorf("without a node: %+v", st)
	}
	h.run(cli.ExitUnreachable, "sweep", "--dry-run")
	h.run(cli.ExitUnreachable, "reconcile")
}
