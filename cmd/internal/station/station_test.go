package station

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

const (
	words       = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
	fingerprint = "91b223edbbe9f7023ed8178f14fdb7bd629a803dcdd46efd1f8d7320b0636cfc"
	payout      = "0x78839F6054d7ed13918bAe0473BA31b1Ca9D7265"
	deposit     = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a station in a directory of its own, whose commands run in this
// process.
type bench struct {
	t          testing.TB
	dir        string
	interfaces []net.Interface
	blind      error           // listing them fails
	asked      func(times int) // called when a command lists them
	halted     error
	online     bool // the commands of airlock instead of airlock-signer
	clock      func() time.Time
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), clock: func() time.Time { return now }, interfaces: []net.Interface{{Name: "lo", Flags: net.FlagUp | net.FlagLoopback}, {Name: "eth0"}}}
	b.write("words", words+"\n")
	b.write("pass", "correct horse\n")
	b.write("wrong", "incorrect horse\n")
	return b
}

// ready has a vault and an open policy.
func ready(t testing.TB) *bench {
	t.Helper()
	b := newBench(t)
	b.setUp()
	return b
}

func (b *bench) setUp() {
	b.t.Helper()
	b.ok("vault", "create", "--mnemonic-file", b.path("words"), "--passphrase-file", b.path("pass"), "--light-kdf")
	b.ok("policy", "init", "--preset", "open")
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) string {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return b.path(name)
}

func (b *bench) read(name string) string {
	b.t.Helper()
	raw, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw)
}

// root is the root command of a station that has the network and the halt of the
// test.
func (b *bench) root(env *cli.Env) *cobra.Command {
	times := 0
	return (&Station{
		Env: env, Offline: !b.online,
		Halted: func(context.Context) error { return b.halted },
		Interfaces: func() ([]net.Interface, error) {
			times++
			if b.asked != nil {
				b.asked(times)
			}
			return b.interfaces, b.blind
		},
	}).root()
}

// typing runs a command at a terminal where the lines are typed.
func (b *bench) typing(typed []string, args ...string) result {
	b.t.Helper()
	env, out, errs := cli.Test(b.path("home"), typed...)
	env.Now = b.clock
	code := cli.MainContext(b.t.Context(), b.root(env), env, args)
	return result{code, out.String(), errs.String()}
}

func (b *bench) run(args ...string) result { b.t.Helper(); return b.typing(nil, args...) }

func (b *bench) ok(args ...string) result {
	b.t.Helper()
	r := b.run(args...)
	if r.code != 0 {
		b.t.Fatalf("%q: exit code %d: %s", args, r.code, r.err)
	}
	return r
}

// fails wants an exit code and words on standard error.
func (b *bench) fails(code int, say string, args ...string) {
	b.t.Helper()
	r := b.run(args...)
	if r.code != code || !strings.Contains(r.err, say) {
		b.t.Errorf("%q: exit code %d, %q; want %d and %q", args, r.code, r.err, code, say)
	}
}

// json runs a command with --json and decodes its only document.
func (b *bench) json(into any, args ...string) {
	b.t.Helper()
	r := b.ok(append(args, "--json")...)
	dec := json.NewDecoder(strings.NewReader(r.out))
	if err := dec.Decode(into); err != nil || dec.More() {
		b.t.Fatalf("%q: %v in %q", args, err, r.out)
	}
}

// batch writes a batch of two withdrawals from nonce on, and returns its
// digest.
func (b *bench) batch(name string, nonce uint64, change func(*batch.Batch)) (digest string) {
	b.t.Helper()
	u := &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat("5", 32), Kind: batch.Withdrawals, ChainID: 1, Vault: fingerprint,
		CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour),
		Assets: []batch.Asset{{Asset: wallet.Coin(1), Symbol: "ETH", Decimals: 18}},
	}
	for i := range uint64(2) {
		to, amount := common.BigToAddress(wallet.NewAmount(int64(0xabc0000+i)).Big()), wallet.NewAmount(1e18)
		u.Items = append(u.Items, batch.Item{
			From: common.HexToAddress(payout), Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: nonce + i, To: to, Value: amount, Gas: 31_500,
			Rungs:    []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(40e9), MaxPriorityFeePerGas: wallet.NewAmount(1e9)}},
			Requires: -1,
			Intent:   wallet.Intent{Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("w-%d", nonce+i), Asset: wallet.Coin(1), Recipient: to, Amount: amount},
		})
	}
	if change != nil {
		change(u)
	}
	file, err := u.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(name, string(file))
	if digest, err = u.HexDigest(); err != nil {
		b.t.Fatal(err)
	}
	return digest
}

func (b *bench) exists(name string) bool {
	_, err := os.Stat(b.path(name))
	return err == nil
}

func (b *bench) signArgs(file, out string, more ...string) []string {
	return append([]string{"sign", b.path(file), "-o", b.path(out), "--passphrase-file", b.path("pass")}, more...)
}

func TestVaultCreate(t *testing.T) {
	b := newBench(t)
	args := []string{"vault", "create", "--mnemonic-file", b.path("words"), "--passphrase-file", b.path("pass"), "--light-kdf"}
	var row struct{ Fingerprint, Path string }
	b.json(&row, args...)
	if row.Fingerprint != fingerprint {
		t.Errorf("fingerprint %s, want %s", row.Fingerprint, fingerprint)
	}
	for _, name := range []string{VaultFile, signer.RecordFile} {
		info, err := os.Stat(b.path("home/" + name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}
	before := b.read("home/" + VaultFile)
	b.fails(1, "already", args...)
	if b.read("home/"+VaultFile) != before {
		t.Error("the vault was replaced")
	}
	b.write("bad", "abandon abandon\n")
	b.fails(1, "2 words", "vault", "create", "--home", b.path("other"), "--mnemonic-file", b.path("bad"), "--passphrase-file", b.path("pass"))
}

// New words are shown on the terminal, in no stream and in no file.
func TestVaultCreateShowsWordsOnTheTerminalAlone(t *testing.T) {
	b := newBench(t)
	b.fails(2, "terminal", "vault", "create", "--passphrase-file", b.path("pass"), "--light-kdf")
	if _, err := os.Stat(b.path("home")); !os.IsNotExist(err) {
		t.Errorf("a home was made all the same: %v", err)
	}
	// Enter is what people press who wait. It does not take the words away, and
	// whoever goes leaves neither words nor a vault.
	r, shown := b.atTerminal([]string{"", ""}, "vault", "create", "--passphrase-file", b.path("pass"), "--light-kdf")
	if r.code == 0 || !strings.HasSuffix(shown, clearScreen) || !strings.Contains(r.err, "of no vault") {
		t.Errorf("exit code %d, %q; the terminal showed %q", r.code, r.err, shown)
	}
	if _, err := os.Stat(b.path("home")); !os.IsNotExist(err) {
		t.Errorf("a home was made all the same: %v", err)
	}
	r = b.typing([]string{"", "Written "}, "vault", "create", "--passphrase-file", b.path("pass"), "--light-kdf")
	if r.code != 0 {
		t.Fatal(r.err)
	}
	twelve := regexp.MustCompile(`([a-z]{3,8}\s+){12}`)
	if twelve.MatchString(r.out) || twelve.MatchString(r.err) {
		t.Errorf("words in the streams: %q, %q", r.out, r.err)
	}
}

// A passphrase that was mistyped must not leave anybody with words on paper
// that restore nothing.
func TestVaultCreateAsksForThePassphraseFirst(t *testing.T) {
	b := newBench(t)
	env, out, errs := cli.Test(b.path("home"), "one", "two")
	var shown strings.Builder
	open := env.OpenTerminal
	env.OpenTerminal = func() (cli.Terminal, error) {
		t, err := open()
		return recorded{t, &shown}, err
	}
	code := cli.MainContext(t.Context(), New(env), env, []string{"vault", "create", "--light-kdf"})
	if code != 1 || !strings.Contains(errs.String(), "differ") || strings.Contains(shown.String(), "words") {
		t.Errorf("exit code %d, %q, %q; the terminal showed %q", code, out, errs, shown.String())
	}
	if _, err := os.Stat(b.path("home")); !os.IsNotExist(err) {
		t.Errorf("a home was made all the same: %v", err)
	}
}

// recorded is a terminal that keeps what it shows.
type recorded struct {
	cli.Terminal
	shown io.Writer
}

func (r recorded) Write(p []byte) (int, error) { return r.shown.Write(p) }

func TestExportWatch(t *testing.T) {
	b := ready(t)
	var row struct{ Fingerprint string }
	b.json(&row, "vault", "export-watch", "-o", b.path("watch.json"), "--passphrase-file", b.path("pass"))
	w, err := hd.DecodeWatch([]byte(b.read("watch.json")))
	if err != nil {
		t.Fatal(err)
	}
	if row.Fingerprint != fingerprint || w.Fingerprint().String() != fingerprint {
		t.Errorf("fingerprints %s and %s, want %s", row.Fingerprint, w.Fingerprint(), fingerprint)
	}
	b.fails(1, "wrong passphrase", "vault", "export-watch", "-o", b.path("w2"), "--passphrase-file", b.path("wrong"))
	b.fails(1, "exists", "vault", "export-watch", "-o", b.path("watch.json"), "--passphrase-file", b.path("pass"))
	b.fails(1, "no vault", "vault", "export-watch", "--home", b.path("none"), "-o", b.path("w3"), "--passphrase-file", b.path("pass"))
}

func TestKeystores(t *testing.T) {
	b := ready(t)
	b.write("kpass", "keystore\n")
	export := func(name, out string, more ...string) []string {
		return append([]string{"vault", "export-keystore", name, "-o", b.path(out), "--light-kdf", "--passphrase-file", b.path("pass"), "--keystore-passphrase-file", b.path("kpass")}, more...)
	}
	b.fails(3, "every key of the role", export("m/44'/60'/0'/0/7", "k7")...)
	b.fails(3, "every key of the role", export(deposit, "k0")...)
	b.fails(2, "no such risk", export(deposit, "k0", "--accept-risk=all")...)
	b.fails(2, "neither a path", export("m/44'/60'/9'/0/7", "k9")...)
	b.fails(1, "neither an imported", export("0x1111111111111111111111111111111111111111", "k1")...)
	var exported struct{ Address string }
	b.json(&exported, export("m/44'/60'/0'/0/0", "k0", "--accept-risk=exposes-role")...)
	key, err := keystore.DecryptKey([]byte(b.read("k0")), "keystore")
	if err != nil || key.Address.Hex() != deposit || exported.Address != deposit {
		t.Fatalf("exported %s, go-ethereum reads %v, %v; want %s", exported.Address, key, err, deposit)
	}
	var imported struct{ Address, Fingerprint string }
	b.json(&imported, "vault", "import-keystore", b.path("k0"), "--passphrase-file", b.path("pass"), "--keystore-passphrase-file", b.path("kpass"))
	if imported.Address != deposit || imported.Fingerprint != fingerprint {
		t.Errorf("imported %+v", imported)
	}
	var accounts struct {
		Accounts []struct{ Address, Path, Role string }
	}
	b.json(&accounts, "vault", "accounts", "--passphrase-file", b.path("pass"))
	if n := len(accounts.Accounts); n != 5 || accounts.Accounts[4].Path != "imported" || accounts.Accounts[1].Address != payout {
		t.Errorf("accounts %+v", accounts)
	}
	b.fails(1, "passphrase", "vault", "import-keystore", b.path("k0"), "--passphrase-file", b.path("pass"), "--keystore-passphrase-file", b.path("wrong"))

	check := func(address string) []string {
		return []string{"address", "check", b.write("list", address+",imported\n"), "--passphrase-file", b.path("pass")}
	}
	b.ok(check(deposit)...)
	b.fails(3, "1 of 1 addresses", check(payout)...) // derived, and not imported
	if r := b.run(check(payout)...); !strings.Contains(r.out, "was never imported") {
		t.Errorf("address check says of a key that is not there: %q", r.out)
	}
}

func TestPolicy(t *testing.T) {
	b := newBench(t)
	b.fails(3, "no policy", "policy", "check")
	var made struct{ Preset, Hash string }
	b.json(&made, "policy", "init")
	if made.Preset != "strict" || len(made.Hash) != 64 {
		t.Errorf("policy init tells %+v", made)
	}
	b.fails(1, "exists", "policy", "init", "--preset", "open")
	b.fails(2, "strict, float, open", "policy", "init", "--preset", "lax", "--home", b.path("other"))
	if r := b.ok("policy", "check"); !strings.Contains(r.out, "nothing is signed") {
		t.Errorf("policy check says %q", r.out)
	}
	b.batch("batch.json", 0, nil)
	b.fails(3, "forbids", "policy", "check", b.path("batch.json"))
	r := b.run("policy", "check", b.path("batch.json"), "--json")
	var checked struct {
		Violations []struct{ Rule, Value, Limit string }
	}
	if err := json.Unmarshal([]byte(r.out), &checked); err != nil || len(checked.Violations) != 1 || checked.Violations[0].Rule != "chain" {
		t.Errorf("policy check --json: %v in %s", err, r.out)
	}
	open := b.run("policy", "init", "--preset", "open", "--home", b.path("open"))
	if !strings.Contains(open.err, "OPEN") {
		t.Errorf("the open preset says %q", open.err)
	}
}

// A batch is held against the limits with what was signed before, and says what
// it would leave of them.
func TestPolicyCheckTellsWhatIsLeft(t *testing.T) {
	b := ready(t)
	b.batch("batch.json", 0, nil)
	pins := "version = 1\nopen = true\n[[approver]]\nname = \"Al\\u202eice\"\naddress = \"0x00000000000000000000000000000000000a11ce\"\n" +
		"[[chain]]\nid = 1\n[[asset]]\nasset = \"eip155:1/slip44:60\"\nsymbol = \"ETH\"\ndecimals = 18\nmax_per_day = \"2.5\"\n"
	b.write("home/"+policy.File, pins)
	b.fails(3, "character that cannot be printed", "policy", "check")
	pins = strings.Replace(pins, "\\u202e", "", 1)
	b.write("home/"+policy.File, pins)

	type told struct {
		Allowed, Recorded bool
		Violations        []struct{ Rule string }
		Limits            []struct{ Rule, Limit, Batch, Left string }
		Approvals         struct {
			Needed int
			Others []struct{ Name string }
		}
	}
	check := func(code int) (row told) {
		t.Helper()
		r := b.run("policy", "check", b.path("batch.json"), "--json")
		if err := json.Unmarshal([]byte(r.out), &row); err != nil || r.code != code {
			t.Fatalf("exit code %d, %v: %s%s", r.code, err, r.out, r.err)
		}
		return row
	}
	row := check(0)
	if len(row.Limits) != 1 || row.Limits[0].Rule != "max_per_day" || row.Limits[0].Batch != "2000000000000000000" || row.Limits[0].Left != "500000000000000000" || !row.Allowed {
		t.Errorf("policy check tells %+v", row)
	}
	if len(row.Approvals.Others) != 1 || row.Approvals.Needed != 0 {
		t.Errorf("approvals are told as %+v", row.Approvals)
	}
	r := b.ok("policy", "check", b.path("batch.json"))
	for _, want := range []string{": allowed.", "max_per_day of ETH: of 2.5 ETH, 0 ETH was used before and this batch adds 2 ETH; 0.5 ETH would be left.", "The batch needs no approval."} {
		if !strings.Contains(r.out, want) {
			t.Errorf("policy check lacks %q:\n%s", want, r.out)
		}
	}

	// Too little is left, somebody must approve, and what is missing is said.
	b.write("home/"+policy.File, strings.Replace(pins, `"2.5"`, "\"1.5\"\napprovals = [{ above = \"1\", need = 1 }]", 1))
	row = check(3)
	if row.Allowed || len(row.Violations) != 2 || row.Violations[0].Rule != "max_per_day" || row.Violations[1].Rule != "approvals" || row.Limits[0].Left != "-500000000000000000" {
		t.Errorf("policy check tells %+v", row)
	}
	r = b.run("policy", "check", b.path("batch.json"))
	for _, want := range []string{": forbidden.", "[max_per_day] (/assets/0): 2 ETH is what withdrawals would pay within 24 hours", "0.5 ETH is missing.", "It has none; still to be asked: Alice."} {
		if !strings.Contains(r.out, want) {
			t.Errorf("policy check lacks %q:\n%s", want, r.out)
		}
	}

	// Where no record is, that is said, too.
	if !row.Recorded || strings.Contains(r.out, "no signing record") {
		t.Errorf("with a record: %+v\n%s", row, r.out)
	}
	b.remove(signer.RecordFile)
	if row = check(3); row.Recorded {
		t.Errorf("without a record: %+v", row)
	}
	if r = b.run("policy", "check", b.path("batch.json")); !strings.Contains(r.out, "no signing record") {
		t.Errorf("without a record: %s", r.out)
	}
	if _, err := os.Stat(filepath.Join(b.path("home"), signer.RecordFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("policy check left a record: %v", err)
	}
}

// The strict preset is filled in and then looked at, or the other way round:
// its recipients count at once, and those that are added later wait.
func TestFirstPolicyIsTheOneFilledIn(t *testing.T) {
	b := newBench(t)
	b.batch("batch.json", 0, nil)
	b.ok("policy", "init")
	b.fails(3, "forbids", "policy", "check", b.path("batch.json"))                                                  // without a record
	b.ok("vault", "create", "--mnemonic-file", b.path("words"), "--passphrase-file", b.path("pass"), "--light-kdf") // which makes a record
	b.ok("policy", "check")

	list := func(who ...string) {
		strict := b.read("home/" + policy.File)
		if i := strings.Index(strict, "\n[[chain]]"); i > 0 {
			strict = strict[:i]
		}
		b.write("home/"+policy.File, strict+"\n[[chain]]\nid = 1\nmax_fee_per_gas_gwei = \"100\"\nmax_fee_per_transaction = \"1\"\nmax_fee_per_batch = \"1\"\nrecipients_delay = \"48h\"\n"+
			"recipients = [\""+strings.Join(who, "\", \"")+"\"]\n[[asset]]\nasset = \"eip155:1/slip44:60\"\nsymbol = \"ETH\"\ndecimals = 18\n"+
			"max_per_transaction = \"1\"\nmax_per_batch = \"2\"\nmax_per_recipient = \"1\"\nmax_per_day = \"2\"\nmax_per_week = \"2\"\n")
	}
	one, two, other := "0x000000000000000000000000000000000abc0000", "0x000000000000000000000000000000000abc0001", "0x000000000000000000000000000000000abc0002"
	list(one, two)
	b.ok("policy", "check", b.path("batch.json"))
	list(one, two, other)
	b.batch("other.json", 5, func(u *batch.Batch) {
		u.Items = u.Items[:1]
		u.Items[0].To, u.Items[0].Intent.Recipient = common.HexToAddress(other), common.HexToAddress(other)
	})
	b.ok("policy", "check", b.path("batch.json"))
	if r := b.run("policy", "check", b.path("other.json")); r.code != 3 || !strings.Contains(r.out, "[recipients_delay] item 0") {
		t.Errorf("a recipient that was added later: exit code %d\n%s", r.code, r.out)
	}
	// The limits count what was signed, once.
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", b.batch("batch.json", 0, nil), "--offline=false")...)
	b.ok("policy", "check", b.path("batch.json"))
	b.batch("more.json", 2, nil)
	r := b.run("policy", "check", b.path("more.json"))
	if r.code != 3 || !strings.Contains(r.out, "max_per_day of ETH: of 2 ETH, 2 ETH was used before and this batch adds 2 ETH; 2 ETH is missing.") || !strings.Contains(r.out, "[max_per_week]") {
		t.Errorf("a second batch: exit code %d\n%s", r.code, r.out)
	}
}

func TestReviewText(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, func(u *batch.Batch) { u.Items[1].Intent.ID = "wd-two" })
	r := b.ok("review", b.path("batch.json"))
	for _, want := range []string{
		"digest        " + cli.DigestLines(digest)[0] + "\n              " + cli.DigestLines(digest)[1] + "\n",
		"total         2 ETH in 2 withdrawals", "fees          at worst 0.00252 ETH", "\nitem 1, withdrawal wd-two\n", "  amount        1 ETH\n",
		"new           2 for which", "never seen    2 of them", "would be signed", "policy        This policy is OPEN",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the review lacks %q:\n%s", want, r.out)
		}
	}
	var doc struct {
		Digest string
		Items  []struct {
			ID, Amount, Symbol string
			Decimals, ChainID  int
		}
	}
	b.json(&doc, "review", b.path("batch.json"))
	if doc.Digest != digest || len(doc.Items) != 2 || doc.Items[0].Amount != "1000000000000000000" || doc.Items[0].Decimals != 18 {
		t.Errorf("review --json: %+v", doc)
	}
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	if r := b.ok("review", b.path("signed.json")); !strings.Contains(r.out, "2 signatures, all verified") {
		t.Errorf("the review of a signed batch says %q", r.out)
	}
	cut := b.read("batch.json")
	b.write("cut.json", cut[:len(cut)/2])
	b.fails(3, "ends too early", "review", b.path("cut.json"))
	b.fails(1, "no such file", "review", b.path("none.json"))
	// Where there is no vault, as on the online station, nothing is refused:
	// nobody there can know.
	r = b.ok("review", "--home", b.path("elsewhere"), b.path("batch.json"))
	if !strings.HasPrefix(r.out, "verdict       not known here") || strings.Contains(r.out, "REFUSED") {
		t.Errorf("the review on a station without a vault begins with %.200q", r.out)
	}
}

func TestSign(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	var row struct {
		Batch, Digest string
		Signed        int
	}
	b.json(&row, b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	if row.Digest != digest || row.Signed != 2 || row.Batch != strings.Repeat("5", 32) {
		t.Errorf("sign tells %+v", row)
	}
	s, err := batch.ParseSigned([]byte(b.read("signed.json")))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	// Again: into the same file, and into another one.
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	b.ok(b.signArgs("batch.json", "again.json", "--expect", digest)...)
	if b.read("again.json") != b.read("signed.json") {
		t.Error("signing again gives another file")
	}
	b.write("taken.json", "mine")
	b.fails(1, "exists", b.signArgs("batch.json", "taken.json", "--expect", digest)...)
	if b.read("taken.json") != "mine" {
		t.Error("a file was replaced")
	}
}

// On a terminal the review is shown there, and sixteen characters are asked
// for.
func TestSignAsks(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	args := b.signArgs("batch.json", "signed.json")
	b.fails(2, "--expect", args...)
	if r := b.typing([]string{strings.Repeat("0", 16)}, args...); r.code != 3 {
		t.Errorf("other characters: exit code %d, %s", r.code, r.err)
	}
	if r := b.typing([]string{digest[:15]}, args...); r.code != 3 {
		t.Errorf("fifteen characters: exit code %d, %s", r.code, r.err)
	}
	if _, err := os.Stat(b.path("signed.json")); !os.IsNotExist(err) {
		t.Fatalf("signed all the same: %v", err)
	}
	if r := b.typing([]string{digest[:8] + " " + strings.ToUpper(digest[8:16])}, args...); r.code != 0 {
		t.Errorf("the right characters: exit code %d, %s", r.code, r.err)
	}
}

func TestSignRefuses(t *testing.T) {
	tests := map[string]struct {
		arrange func(b *bench)
		args    []string
		code    int
		say     string
	}{
		"no policy":    {func(b *bench) { b.remove(policy.File) }, nil, 3, "no policy"},
		"bad policy":   {func(b *bench) { b.write("home/"+policy.File, "version = 2") }, nil, 3, "version"},
		"no record":    {func(b *bench) { b.remove(signer.RecordFile) }, nil, 3, "signing record"},
		"empty record": {func(b *bench) { b.write("home/"+signer.RecordFile, "") }, nil, 3, "signing record"},
		"reviewed on an empty record": {func(b *bench) {
			b.write("home/"+signer.RecordFile, "")
			b.ok("review", b.path("batch.json"))
		}, nil, 3, "signing record"},
		"no vault":       {func(b *bench) { b.remove(VaultFile) }, nil, 1, "no vault"},
		"wrong digest":   {func(*bench) {}, []string{"--expect", strings.Repeat("a", 64)}, 3, "[digest]"},
		"no such file":   {func(b *bench) { b.discard("batch.json") }, nil, 1, "no such file"},
		"interface up":   {func(b *bench) { b.interfaces[1].Flags = net.FlagUp }, nil, 3, "eth0 is up"},
		"unknown risk":   {func(*bench) {}, []string{"--accept-risk=all"}, 2, "no such risk"},
		"wrong password": {func(*bench) {}, []string{"--passphrase-file", "wrong"}, 1, "wrong passphrase"},
		"halted":         {func(b *bench) { b.halted = wallet.As(wallet.ErrRefused, "halted since noon") }, nil, 3, "halted"},
		"expired":        {func(b *bench) { b.batch("batch.json", 0, func(u *batch.Batch) { u.ExpiresAt = now }) }, nil, 3, "[expired]"},
		"another vault":  {func(b *bench) { b.batch("batch.json", 0, func(u *batch.Batch) { u.Vault = strings.Repeat("0", 64) }) }, nil, 3, "[vault]"},
		"another sender": {func(b *bench) {
			b.batch("batch.json", 0, func(u *batch.Batch) { u.Items[0].From, u.Items[1].From = common.Address{1}, common.Address{1} })
		}, nil, 3, "[address] item 0"},
		"another payment": {func(b *bench) {
			b.batch("batch.json", 0, func(u *batch.Batch) { u.Items[0].Value = wallet.NewAmount(1) })
		}, nil, 3, "/items/0/value"},
		"cut": {func(b *bench) { f := b.read("batch.json"); b.write("batch.json", f[:len(f)-20]) }, nil, 3, "ends too early"},
		"nonce signed for another": {func(b *bench) {
			digest := b.batch("first.json", 0, func(u *batch.Batch) { u.Items[0].Intent.ID, u.Items[1].Intent.ID = "a", "b" })
			b.ok(b.signArgs("first.json", "first-signed.json", "--expect", digest)...)
		}, nil, 3, "[slot] item 0"},
		"withdrawal signed before": {func(b *bench) {
			digest := b.batch("first.json", 7, func(u *batch.Batch) {
				first, to := &u.Items[0], u.Items[1].Intent.Recipient
				first.To, first.Intent.Recipient, first.Intent.ID = to, to, "w-1"
			})
			b.ok(b.signArgs("first.json", "first-signed.json", "--expect", digest, "--accept-risk=record-restored")...)
		}, []string{"--accept-risk=record-restored"}, 3, "[withdrawal] item 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := ready(t)
			t.Chdir(b.dir)
			b.batch("batch.json", 0, nil)
			test.arrange(b)
			digest := "-"
			if u, err := batch.Parse([]byte(b.maybe("batch.json"))); err == nil {
				digest, _ = u.HexDigest()
			}
			b.fails(test.code, test.say, append(b.signArgs("batch.json", "signed.json", "--expect", digest), test.args...)...)
			if _, err := os.Stat(b.path("signed.json")); !os.IsNotExist(err) {
				t.Errorf("there is a signed file: %v", err)
			}
		})
	}
}

func (b *bench) remove(name string) { b.discard("home/" + name) }

func (b *bench) discard(name string) {
	b.t.Helper()
	if err := os.Remove(b.path(name)); err != nil {
		b.t.Fatal(err)
	}
}

// maybe reads a file that may be missing.
func (b *bench) maybe(name string) string {
	raw, _ := fs.ReadFile(os.DirFS(b.dir), name)
	return string(raw)
}

func TestAcceptedRisks(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, func(u *batch.Batch) { u.RecordHead = strings.Repeat("1", 64) })
	b.interfaces[1].Flags = net.FlagUp
	args := b.signArgs("batch.json", "signed.json", "--expect", digest, "--accept-risk=online-station")
	b.fails(3, "[record]", args...)
	b.remove(signer.RecordFile)
	b.fails(3, "is missing", args...)
	b.write("home/"+signer.RecordFile, "") // as a copy leaves it that did not get far
	b.fails(3, "or empty", args...)
	b.ok(append(args, "--accept-risk=record-restored")...)
	b.ok(b.signArgs("batch.json", "again.json", "--expect", digest, "--accept-risk=online-station")...)
}

// What stands where the signed file goes stays as it is, and is not read if
// reading it could never end.
func TestSignOverwritesNothing(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	b.write("kept", "kept")
	for name, make := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("kept"), 0o600) },
		"link":      func(path string) error { return os.Symlink(b.path("kept"), path) },
		"nowhere":   func(path string) error { return os.Symlink(b.path("missing"), path) },
		"endless":   func(path string) error { return os.Symlink("/dev/zero", path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		if err := make(b.path(name)); err != nil {
			t.Fatal(err)
		}
		b.fails(1, "another -o", b.signArgs("batch.json", name, "--expect", digest)...)
	}
	b.fails(1, "another -o", b.signArgs("batch.json", "batch.json", "--expect", digest)...)
	if b.read("kept") != "kept" || b.read("file") != "kept" || b.maybe("missing") != "" {
		t.Error("a file was overwritten")
	}
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...) // the same again
}

// Neither a file nor its name, which come from elsewhere, can add lines of
// their own to what the program says.
func TestErrorsAreTheProgramsOwn(t *testing.T) {
	b := ready(t)
	const words = "airlock-signer: everything is signed"
	b.write("named\n"+words, "{")
	b.write("member", `{"format":"airlock-batch","version":"1","x\n`+words+`":1}`)
	for _, name := range []string{"named\n" + words, "member"} {
		r := b.run("review", b.path(name))
		if r.code != 3 || strings.Contains("\n"+r.err, "\n"+words) {
			t.Errorf("review of %q: exit code %d, %q", name, r.code, r.err)
		}
	}
}

// A list that came another way is compared before anything is signed or
// recorded.
func TestSignRequests(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	rows := func(amount string) string {
		return "id,account,asset,amount,to,memo\n" +
			"w-0,,ETH,1,0x000000000000000000000000000000000abc0000,\nw-1,,ETH," + amount + ",0x000000000000000000000000000000000abc0001,\nw-2,,ETH,5," + deposit + ",\n"
	}
	args := func(list string) []string {
		return b.signArgs("batch.json", "signed.json", "--expect", digest, "--requests", b.write("list.csv", list))
	}
	b.fails(3, `[requests] item 1 (/items/1/intent/amount): 1 is "2" in line 3 of`, args(rows("2"))...)
	b.fails(2, "line 1", args("w-0\n")...)
	if b.maybe("signed.json") != "" {
		t.Error("there is a signed file")
	}
	if r := b.ok(args(rows("1"))...); !strings.Contains(r.err, "all 2 withdrawals are in") || !strings.Contains(r.err, "; 1 of its requests") {
		t.Errorf("sign tells %q", r.err)
	}
}

// Online, nothing is wanted of the network unless --offline asks for it.
func TestSignOnline(t *testing.T) {
	b := ready(t)
	b.online = true
	b.interfaces[1].Flags = net.FlagUp
	digest := b.batch("batch.json", 0, nil)
	b.fails(3, "eth0 is up", b.signArgs("batch.json", "signed.json", "--offline", "--expect", digest)...)
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
}

func TestAddressCheck(t *testing.T) {
	b := ready(t)
	check := func(name, text string) []string {
		return []string{"address", "check", b.write(name, text), "--passphrase-file", b.path("pass")}
	}
	good := `[{"account":"a","address":"` + deposit + `","path":"m/44'/60'/0'/0/0","role":"deposit"},{"address":"` + payout + `","path":"m/44'/60'/1'/0/0"}]`
	var row struct {
		Checked int
		Wrong   []struct {
			Position int
			Derived  string
		}
	}
	b.json(&row, check("good.json", good)...)
	if row.Checked != 2 || row.Wrong == nil || len(row.Wrong) != 0 {
		t.Errorf("address check tells %+v", row)
	}
	b.ok(check("good.csv", "account,address,path\nalice,"+strings.ToLower(deposit)+",m/44'/60'/0'/0/0\n")...)
	b.ok(check("good.tsv", "alice\t"+deposit+"\tm/44'/60'/0'/0/0\tdeposit\n\n")...)
	b.fails(3, "1 of 2 addresses", check("bad.json", strings.Replace(good, deposit, payout, 1))...)
	if r := b.run(check("bad.json", strings.Replace(good, deposit, payout, 1))...); !strings.Contains(r.out, deposit) {
		t.Errorf("address check does not say what is derived: %q", r.out)
	}
	b.fails(2, "no address", check("empty", "")...)
	b.fails(2, "element 1", check("nopath.json", `[{"address":"`+deposit+`"}]`)...)
	b.fails(2, "line 1", check("nopath.csv", deposit+",alice\n")...)
	b.fails(2, "line 1 has two", check("two.csv", deposit+","+payout+",m/44'/60'/0'/0/0\n")...)
	b.fails(2, "checksum", check("sum.csv", strings.Replace(deposit, "EfF", "Eff", 1)+",m/44'/60'/0'/0/0\n")...)
}

// What the check passes over would count as checked, and what two readers
// read differently is not checked at all.
func TestAddressCheckPassesOverNothing(t *testing.T) {
	b := ready(t)
	const thief = "0x000000000000000000000000000000000000dEaD"
	object := func(members string) string { return `[{"path":"m/44'/60'/0'/0/0",` + members + `}]` }
	for name, list := range map[string]string{
		"semicolons":        "account,address,path\nbob;" + thief + ";m/44'/60'/0'/0/1\n",
		"first line":        "bob;" + thief + ";m/44'/60'/0'/0/1\n" + deposit + " m/44'/60'/0'/0/0\n",
		"upper-case prefix": deposit + " m/44'/60'/0'/0/0\n" + strings.Replace(thief, "0x", "0X", 1) + "\n",
		"no prefix":         deposit + " m/44'/60'/0'/0/0\n" + thief[2:] + "\n",
		"member twice":      object(`"address":"` + thief + `","address":"` + deposit + `"`),
		"in another case":   object(`"ADDRESS":"` + thief + `","address":"` + deposit + `"`),
		"second list":       object(`"address":"`+deposit+`"`) + object(`"address":"`+thief+`"`),
		"cut off":           strings.TrimSuffix(object(`"address":"`+deposit+`"`), "]"),
		"long nothing":      "[" + strings.Repeat("{},", 1<<20) + "{}]",
	} {
		t.Run(name, func(t *testing.T) {
			r := b.run("address", "check", b.write("list", list), "--passphrase-file", b.path("pass"))
			if r.code != 2 || r.out != "" || len(r.err) > 1000 {
				t.Errorf("exit code %d, %q, %.300q; want wrong usage", r.code, r.out, r.err)
			}
		})
	}
	b.ok("address", "check", b.write("list", "# ours\n"+deposit+" m/44'/60'/0'/0/0\n\n"), "--passphrase-file", b.path("pass"))
}

func TestVersion(t *testing.T) {
	b := newBench(t)
	var v struct {
		Version string
		Batch   int
	}
	b.json(&v, "version")
	if v.Version == "" || v.Batch != batch.Version {
		t.Errorf("version tells %+v", v)
	}
}

// The shipped program signs where there is no network, and refuses where
// there is one.
func TestProgramWithoutNetwork(t *testing.T) {
	unshare := []string{"unshare", "--map-root-user", "--net"}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "true")...).CombinedOutput(); err != nil { //nolint:gosec // a fixed command
		if os.Getenv("CI") == "true" {
			t.Fatalf("no network namespace in CI: %v: %s", err, out)
		}
		t.Skipf("no network namespace here: %v: %s", err, out)
	}
	b := newBench(t)
	b.clock = time.Now // the program's
	b.setUp()
	_, program := programs(t)
	now := time.Now().UTC().Truncate(time.Second)
	digest := b.batch("batch.json", 0, func(u *batch.Batch) { u.CreatedAt, u.ExpiresAt = now, now.Add(time.Hour) })
	args := append(b.signArgs("batch.json", "signed.json", "--expect", digest), "--home", b.path("home"))
	command := append(append(unshare, program), args...)
	var stderr bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // our own program
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("offline: %v: %s", err, stderr.String())
	}
	if !batch.IsSigned([]byte(b.read("signed.json"))) {
		t.Error("the file is not signed")
	}
	if !upHere(t) {
		if os.Getenv("CI") == "true" {
			t.Fatal("no network in CI, so that nothing shows the refusal")
		}
		t.Skip("this machine has no network that the program could refuse")
	}
	out, err := exec.Command(program, args...).CombinedOutput() //nolint:gosec // our own program
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(string(out), "is up") {
		t.Errorf("with a network: %v: %s; want exit code 3", err, out)
	}
}

func upHere(t *testing.T) bool {
	t.Helper()
	return (&Station{}).checkOffline() != nil
}
