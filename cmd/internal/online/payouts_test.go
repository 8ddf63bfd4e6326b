package online

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// payoutHome is a home on a simulated chain whose keys the test holds.
type payoutHome struct {
	*testing.T
	dir    string // of the home
	gap    string // of what crosses
	sim    *chaintest.Simulated
	master *hd.Master
	token  common.Address
}

const payee = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

func newPayoutHome(t *testing.T) *payoutHome {
	t.Helper()
	master, err := hd.NewMaster(hd.Seed([]byte("test test test test test test test test test test test junk"), ""))
	if err != nil {
		t.Fatal(err)
	}
	sim, err := chaintest.StartSimulated(chaintest.SimulatedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() }) // a test may have closed it before
	h := &payoutHome{t, filepath.Join(t.TempDir(), "home"), t.TempDir(), sim, master, common.Address{}}
	if h.token, err = sim.Deploy(t.Context(), chaintest.Token, "Test Dollar", "TUSD", uint8(6), big.NewInt(1e15)); err != nil {
		t.Fatal(err)
	}
	payer, err := master.Account(wallet.PayoutRole).Address(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Fund(t.Context(), payer, new(big.Int).Mul(big.NewInt(100), big.NewInt(1e18))); err != nil {
		t.Fatal(err)
	}
	if err := sim.Finalize(t.Context()); err != nil {
		t.Fatal(err)
	}
	watch, err := master.Watch().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.at("watch.json"), watch, 0o600); err != nil {
		t.Fatal(err)
	}
	h.run(cli.ExitDone, "init", "--chain-id", strconv.FormatUint(sim.ChainID(), 10), "--rpc", sim.URL(), "--confirmations", "1")
	h.run(cli.ExitDone, "watch", "import", h.at("watch.json"), "--fingerprint", master.Watch().Fingerprint().String())
	h.run(cli.ExitDone, "token", "add", h.token.Hex())
	h.run(cli.ExitDone, "address", "new", "alice")
	h.scan()
	h.run(cli.ExitDone, "ledger", "credit", "alice", "--asset", "ETH", "--amount", "5", "--id", "start")
	return h
}

func (h *payoutHome) at(name string) string { return filepath.Join(h.gap, name) }

func (h *payoutHome) run(exit int, args ...string) (out, notes string) {
	h.Helper()
	env, stdout, stderr := cli.Test(h.dir)
	if got := cli.MainContext(context.Background(), New(env), env, args); got != exit {
		h.Fatalf("airlock %q: exit code %d, want %d: %s", args, got, exit, stderr)
	}
	return stdout.String(), stderr.String()
}

func (h *payoutHome) json(args ...string) map[string]any {
	h.Helper()
	out, _ := h.run(cli.ExitDone, append(args, "--json")...)
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		h.Fatalf("airlock %q: %v in %q", args, err, out)
	}
	return v
}

func (h *payoutHome) keys(v map[string]any, want ...string) {
	h.Helper()
	for _, k := range want {
		if _, ok := v[k]; !ok {
			h.Errorf("key %q is missing in %v", k, v)
		}
	}
}

func (h *payoutHome) scan() {
	h.Helper()
	client, err := chain.Dial(h.Context(), chain.Options{ChainID: h.sim.ChainID(), URLs: []string{h.sim.URL()}})
	if err != nil {
		h.Fatal(err)
	}
	defer client.Close()
	if _, err := scanner.New(bolt.Open(filepath.Join(h.dir, storeFile)), client, h.sim.ChainID(), scanner.Options{}).Pass(h.Context()); err != nil {
		h.Fatal(err)
	}
}

// sign signs a batch file as the signing station does.
func (h *payoutHome) sign(in, out string) {
	h.Helper()
	file, err := os.ReadFile(h.at(in))
	if err != nil {
		h.Fatal(err)
	}
	b, err := batch.Parse(file)
	if err != nil {
		h.Fatal(err)
	}
	digest, err := b.HexDigest()
	if err != nil {
		h.Fatal(err)
	}
	s := batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *b, Digest: digest,
		PolicyHash: fmt.Sprintf("%064x", 1), RecordHead: fmt.Sprintf("%064x", 2), SignedAt: b.CreatedAt,
	}
	for i := range b.Items {
		key, err := h.master.Key(b.Items[i].Path)
		if err != nil {
			h.Fatal(err)
		}
		var signatures []wallet.SignedRung
		for n := range b.Items[i].Signatures() {
			tx, err := types.SignTx(b.Items[i].Transaction(b.ChainID, n), types.LatestSignerForChainID(new(big.Int).SetUint64(b.ChainID)), key)
			if err != nil {
				h.Fatal(err)
			}
			raw, err := tx.MarshalBinary()
			if err != nil {
				h.Fatal(err)
			}
			signatures = append(signatures, wallet.SignedRung{Hash: tx.Hash(), Raw: raw})
		}
		s.Transactions = append(s.Transactions, signatures)
	}
	signed, err := s.Encode()
	if err == nil {
		err = os.WriteFile(h.at(out), signed, 0o600)
	}
	if err != nil {
		h.Fatal(err)
	}
}

func (h *payoutHome) finalize() {
	h.Helper()
	if err := h.sim.Mine(h.Context(), 1); err != nil {
		h.Fatal(err)
	}
	if err := h.sim.Finalize(h.Context()); err != nil {
		h.Fatal(err)
	}
	h.scan()
}

func TestWithdrawalCommands(t *testing.T) {
	h := newPayoutHome(t)
	all := []string{"id", "account", "asset", "symbol", "amount", "decimals", "to", "status", "batch", "from", "nonce", "tx_hash", "fee", "reason", "chain_id"}
	h.keys(h.json("withdraw", "request", "--id", "w-1", "--account", "alice", "--asset", "eth", "--amount", "0.25", "--to", strings.ToLower(payee)), all...)
	if err := os.WriteFile(h.at("pay.csv"), []byte("id,account,asset,amount,to,memo\nw-2,alice,ETH,1,"+payee+",\nw-3,,ETH,1,"+payee+",rent\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := h.json("withdraw", "import", h.at("pay.csv")); v["new"] != 2.0 || v["chain_id"] == nil {
		t.Errorf("imported %v", v)
	}
	h.run(cli.ExitDone, "withdraw", "approve", "w-1", "w-2")
	h.run(cli.ExitDone, "withdraw", "reject", "w-3", "--reason", "not due")
	built := h.json("build-withdrawals", "-o", h.at("batch.json"))
	h.keys(built, "batch", "digest", "items", "totals", "worst_case_fee", "left_out")
	id := built["batch"].(string)
	// The file may be lost, or never have been written.
	if _, notes := h.run(cli.ExitFailed, "build-withdrawals", "-o", h.at("none.json")); !strings.Contains(notes, "airlock batch show "+id+" -o FILE") {
		t.Errorf("with a batch that waits: %q", notes)
	}
	h.run(cli.ExitDone, "batch", "show", id, "-o", h.at("again.json"))
	first, err := os.ReadFile(h.at("batch.json"))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(h.at("again.json")); err != nil || !bytes.Equal(first, second) {
		t.Errorf("written again otherwise: %v", err)
	}
	h.sign("batch.json", "signed.json")
	h.run(cli.ExitUsage, "broadcast", h.at("batch.json")) // without signatures
	sent := h.json("broadcast", h.at("signed.json"))
	h.keys(sent, "batch", "accepted", "already_known", "refused")
	if sent["accepted"] != 2.0 {
		t.Errorf("sent: %v", sent)
	}
	h.run(cli.ExitFailed, "batch", "discard", id) // all of it is out
	h.finalize()
	done := h.json("confirm")
	h.keys(done, "chain_id", "mined", "confirmed", "failed", "replaced", "rebroadcast", "pending")
	if done["confirmed"] != 2.0 || done["pending"] != 0.0 {
		t.Errorf("confirmed: %v", done)
	}
	shown := h.json("withdraw", "show", "w-1")
	if shown["status"] != "confirmed" || shown["to"] != payee || shown["amount"] != "250000000000000000" || shown["fee"] == nil || shown["nonce"] != 0.0 {
		t.Errorf("shown: %v", shown)
	}
	if out, _ := h.run(cli.ExitDone, "withdraw", "show", "w-1"); !regexp.MustCompile(`(?m)^fee +0\.[0-9]+ ETH$`).MatchString(out) {
		t.Errorf("shown: %s", out)
	}
	out, _ := h.run(cli.ExitDone, "withdraw", "list", "--status", "rejected")
	if !strings.HasPrefix(out, "w-3\trejected\t") {
		t.Errorf("listed: %q", out)
	}
	if out, _ := h.run(cli.ExitDone, "resolve"); out != "nothing is in doubt\n" {
		t.Errorf("resolve: %q", out)
	}
}

func TestWithdrawalBadInput(t *testing.T) {
	h := newPayoutHome(t)
	h.run(cli.ExitDone, "withdraw", "request", "--id", "w-1", "--account", "alice", "--asset", "ETH", "--amount", "1", "--to", payee)
	request := func(flags ...string) []string {
		args := []string{"withdraw", "request"}
		for _, d := range [][2]string{{"--id", "w-2"}, {"--account", "alice"}, {"--asset", "ETH"}, {"--amount", "1"}, {"--to", payee}} {
			if !slices.Contains(flags, d[0]) {
				args = append(args, d[0], d[1])
			}
		}
		return append(args, flags...)
	}
	payer, err := h.master.Account(wallet.PayoutRole).Address(0)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		exit int
		says string
	}{
		"unknown asset":        {request("--asset", "DOGE"), cli.ExitUsage, "token list"},
		"unknown contract":     {request("--asset", payee), cli.ExitUsage, "token add"},
		"wrong checksum":       {request("--to", "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), cli.ExitUsage, "checksum"},
		"zero amount":          {request("--amount", "0"), cli.ExitUsage, "more than zero"},
		"negative amount":      {request("--amount=-1"), cli.ExitUsage, "digits"},
		"too many decimals":    {request("--asset", "TUSD", "--amount", "0.0000001"), cli.ExitUsage, "6 decimals"},
		"above available":      {request("--amount", "5"), cli.ExitFailed, "has 4 ETH"},
		"another content":      {request("--id", "w-1", "--amount", "2"), cli.ExitFailed, "withdraw show"},
		"zero address":         {request("--to", common.Address{}.Hex()), cli.ExitUsage, "lost"},
		"token contract":       {request("--to", h.token.Hex()), cli.ExitUsage, "token contract"},
		"our payout address":   {request("--to", payer.Hex()), cli.ExitUsage, "our own payout address"},
		"transfer of too much": {[]string{"ledger", "transfer", "alice", "bob", "--asset", "ETH", "--amount", "5", "--id", "t"}, cli.ExitFailed, "has 4 ETH, and 5 ETH"},
		"two chains":           {[]string{"chain", "add", "--chain", "7", "--chain-id", "8", "--rpc", "http://127.0.0.1:1"}, cli.ExitUsage, "name two chains"},
		"no id":                {[]string{"withdraw", "request", "--asset", "ETH", "--amount", "1", "--to", payee}, cli.ExitUsage, "id"},
		"unknown withdrawal":   {[]string{"withdraw", "show", "w-9"}, cli.ExitFailed, "withdraw list"},
		"unknown status":       {[]string{"withdraw", "list", "--status", "paid"}, cli.ExitUsage, "approved"},
		"no such file":         {[]string{"withdraw", "import", h.at("no.csv")}, cli.ExitUsage, "no.csv"},
		"reject silently":      {[]string{"withdraw", "reject", "w-1"}, cli.ExitUsage, "reason"},
		"nothing approved":     {[]string{"build-withdrawals", "-o", h.at("b.json")}, cli.ExitFailed, "requested"},
		"no output":            {[]string{"build-withdrawals"}, cli.ExitUsage, "output"},
		"output exists":        {[]string{"build-withdrawals", "-o", h.at("watch.json")}, cli.ExitUsage, "another name"},
		"bad gas cap":          {[]string{"build-withdrawals", "-o", h.at("b.json"), "--gas-cap", "x=1"}, cli.ExitUsage, "coin=N"},
		"bad fee":              {[]string{"build-withdrawals", "-o", h.at("b.json"), "--budget", "-3"}, cli.ExitUsage, "gwei"},
		"bad multiple":         {[]string{"build-withdrawals", "-o", h.at("b.json"), "--budget", "0x"}, cli.ExitUsage, "1000x"},
		"no rungs":             {[]string{"build-withdrawals", "-o", h.at("b.json"), "--rungs", "0"}, cli.ExitUsage, "1 to 10"},
		"no senders":           {[]string{"build-withdrawals", "-o", h.at("b.json"), "--senders", "0"}, cli.ExitUsage, "1 to 100"},
		"no such sender":       {[]string{"build-withdrawals", "-o", h.at("b.json"), "--senders", "2"}, cli.ExitFailed, "address new --role payout"},
		"unknown batch":        {[]string{"batch", "show", "ffff"}, cli.ExitFailed, "batch list"},
		"broadcast of no file": {[]string{"broadcast", h.at("no.json")}, cli.ExitUsage, "no.json"},
		"broadcast of a watch": {[]string{"broadcast", h.at("watch.json")}, cli.ExitRefused, "copy it again"},
		"accept of nothing":    {[]string{"resolve", "--accept", payer.Hex() + ":7"}, cli.ExitRefused, "resolve"},
		"accept of no slot":    {[]string{"resolve", "--accept", payer.Hex()}, cli.ExitUsage, "ADDRESS:NONCE"},
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.T = t
			_, notes := h.run(c.exit, c.args...)
			if !strings.Contains(notes, c.says) {
				t.Errorf("says %q, want %q in it", notes, c.says)
			}
		})
	}
}

func TestBroadcastRefusesWhatIsNotOurs(t *testing.T) {
	h := newPayoutHome(t)
	other := newPayoutHome(t)
	for _, home := range []*payoutHome{h, other} {
		home.run(cli.ExitDone, "withdraw", "request", "--id", "w", "--account", "alice", "--asset", "ETH", "--amount", "1", "--to", payee)
		home.run(cli.ExitDone, "withdraw", "approve", "w")
		home.run(cli.ExitDone, "build-withdrawals", "-o", home.at("batch.json"))
		home.sign("batch.json", "signed.json")
	}
	signed, err := os.ReadFile(h.at("signed.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"truncated": signed[:len(signed)/2],
		"edited":    bytes.Replace(signed, []byte("1000000000000000000"), []byte("9000000000000000000"), 1),
		"empty":     {},
	} {
		if err := os.WriteFile(h.at(name), file, 0o600); err != nil {
			t.Fatal(err)
		}
		h.run(cli.ExitRefused, "broadcast", h.at(name))
	}
	h.run(cli.ExitRefused, "broadcast", other.at("signed.json"))
	if v := h.json("withdraw", "show", "w"); v["status"] != "built" {
		t.Errorf("half applied: %v", v)
	}
	h.run(cli.ExitDone, "halt", "--reason", "a drill")
	_, notes := h.run(cli.ExitRefused, "broadcast", h.at("signed.json"))
	if !strings.Contains(notes, "a drill") || !strings.Contains(notes, "resume") {
		t.Errorf("halted: %q", notes)
	}
	h.run(cli.ExitDone, "resume")

	// The chain goes away: the signatures are kept, and go out later.
	if err := h.sim.Close(); err != nil {
		t.Fatal(err)
	}
	h.run(cli.ExitUnreachable, "broadcast", h.at("signed.json"))
	if v := h.json("withdraw", "show", "w"); v["status"] != "signed" {
		t.Errorf("not kept: %v", v)
	}
	h.run(cli.ExitUnreachable, "confirm")
}
