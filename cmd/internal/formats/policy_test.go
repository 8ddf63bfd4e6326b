package formats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/station"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// overspent is a station that signed the page's batch, and the file of a batch
// there that pays the same people too much.
func overspent(t *testing.T) (home, path string) {
	t.Helper()
	home = t.TempDir()
	file := filepath.Join(home, policy.File)
	for name, text := range map[string]string{policy.File: "policy", station.VaultFile: "vault"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(example(t, text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	service := &signer.Service{
		Record: must(bolt.Create(t.Context(), filepath.Join(home, signer.RecordFile)))(t),
		Policy: must(policy.Load(file))(t),
		Now:    func() time.Time { return signedAt },
	}
	first := must(batch.Parse([]byte(example(t, "batch"))))(t)
	must(service.Sign(t.Context(), first, openVault(t).Own(), signer.Risks{signer.RiskRecordRestored: true}))(t)

	next := withdrawals(t)
	next.ID = "c0ffee00000000000000000000000001"
	for i, id := range []string{"w-1003", "w-1004"} {
		next.Items[i].Nonce += 2
		next.Items[i].Intent.ID = id
	}
	it := &next.Items[0]
	it.Value = must(wallet.ParseDecimal("60", ether.Decimals))(t)
	it.Intent.Amount = it.Value
	path = filepath.Join(home, "batch.json")
	if err := os.WriteFile(path, must(next.Encode())(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return home, path
}

// document runs a command of the station an hour after it signed, and spreads
// the document that it prints over lines.
func document(t *testing.T, home string, code int, args ...string) string {
	t.Helper()
	env, out, notes := cli.Test(home)
	env.Now = func() time.Time { return signedAt.Add(time.Hour) }
	if got := cli.Main(station.New(env), env, append(args, "--json")); got != code {
		t.Fatalf("exit code %d: %s", got, notes)
	}
	spread := jsontext.Value(out.Bytes())
	if err := spread.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(spread)+"\n", home, "/srv/station", 1)
}

func TestPolicyCheck(t *testing.T) {
	home, path := overspent(t)
	same(t, "policy-check", document(t, home, cli.ExitRefused, "policy", "check", path))
}

func TestReview(t *testing.T) {
	home, path := overspent(t)
	same(t, "review", document(t, home, cli.ExitDone, "review", path))
}
