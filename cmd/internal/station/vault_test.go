package station

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// A second mnemonic of the tests, its fingerprint and its first payout address.
const (
	junk            = "test test test test test test test test test test test junk"
	junkFingerprint = "0af61e854806a5e93a9c63472ffb444d61b40b9e64833f8040630e6c191b0ade"
	junkPayout      = "0x8C8d35429F74ec245F8Ef2f4Fd1e551cFF97d650"
)

// atTerminal runs a command at a terminal where the lines are typed, and tells
// what the terminal showed.
func (b *bench) atTerminal(typed []string, args ...string) (result, string) {
	b.t.Helper()
	env, out, errs := cli.Test(b.path("home"), typed...)
	terminal, err := env.OpenTerminal()
	if err != nil {
		b.t.Fatal(err)
	}
	code := cli.MainContext(b.t.Context(), b.root(env), env, args)
	return result{code, out.String(), errs.String()}, terminal.(fmt.Stringer).String()
}

// Two mnemonics in one vault: each has a watch file, and a batch of either is
// signed with its own keys, into one record.
func TestSeveralMnemonics(t *testing.T) {
	b := ready(t)
	pass := []string{"--passphrase-file", b.path("pass")}
	vaultCommand := func(args ...string) []string { return append(append([]string{"vault"}, args...), pass...) }

	add := vaultCommand("add-mnemonic", "--mnemonic-file", b.write("junk", junk+"\n"))
	var added struct{ Fingerprint, Path string }
	b.json(&added, add...)
	if added.Fingerprint != junkFingerprint || added.Path == "" {
		t.Errorf("add-mnemonic tells %+v", added)
	}
	b.fails(3, "already", add...)
	b.fails(1, "is not in the English list", vaultCommand("add-mnemonic", "--mnemonic-file", b.write("bad", strings.Replace(junk, "junk", "junc", 1)))...)

	var accounts struct {
		Fingerprint  string
		Fingerprints []string
		Accounts     []struct{ Address, Fingerprint string }
	}
	b.json(&accounts, vaultCommand("accounts")...)
	if accounts.Fingerprint != fingerprint || strings.Join(accounts.Fingerprints, " ") != fingerprint+" "+junkFingerprint ||
		len(accounts.Accounts) != 8 || accounts.Accounts[5].Address != junkPayout || accounts.Accounts[5].Fingerprint != junkFingerprint {
		t.Errorf("accounts %+v", accounts)
	}
	if r := b.ok(vaultCommand("accounts")...); !strings.Contains(r.out, junkFingerprint[:8]) {
		t.Errorf("accounts says %q", r.out)
	}

	b.fails(2, "2 mnemonics", vaultCommand("export-watch", "-o", b.path("watch"))...)
	b.fails(2, "at least 8", vaultCommand("export-watch", "-o", b.path("watch"), "--fingerprint", "0af6")...)
	b.fails(1, junkFingerprint, vaultCommand("export-watch", "-o", b.path("watch"), "--fingerprint", "00000000")...)
	b.ok(vaultCommand("export-watch", "-o", b.path("watch"), "--fingerprint", "0AF6 1E85")...)
	if !strings.Contains(b.read("watch"), junkFingerprint) {
		t.Errorf("the watch file is another one's: %s", b.read("watch"))
	}
	list := b.write("list", junkPayout+" m/44'/60'/1'/0/0\n")
	b.ok("address", "check", list, "--fingerprint", junkFingerprint, pass[0], pass[1])
	b.fails(3, "1 of 1 addresses", "address", "check", list, "--fingerprint", fingerprint, pass[0], pass[1])

	ofJunk := func(u *batch.Batch) {
		u.ID, u.Vault = strings.Repeat("6", 32), junkFingerprint
		for i := range u.Items {
			u.Items[i].From = common.HexToAddress(junkPayout)
			u.Items[i].Intent.ID += "-junk"
		}
	}
	for name, change := range map[string]func(*batch.Batch){"own": nil, "junk": ofJunk} {
		digest := b.batch(name+".json", 0, change)
		b.ok(b.signArgs(name+".json", name+".signed", "--expect", digest)...)
		b.ok("review", b.path(name+".signed")) // verifies every signature
	}
	// A batch of one mnemonic cannot spend from the other's address.
	digest := b.batch("mixed.json", 7, func(u *batch.Batch) { ofJunk(u); u.Vault = fingerprint })
	b.fails(3, "is not at", b.signArgs("mixed.json", "mixed.signed", "--expect", digest)...)
	digest = b.batch("foreign.json", 7, func(u *batch.Batch) { u.Vault = strings.Repeat("0", 64) })
	b.fails(3, "another vault", b.signArgs("foreign.json", "foreign.signed", "--expect", digest)...)
}

func TestVaultChangePassphrase(t *testing.T) {
	b := ready(t)
	b.write("new", "six words or more that dice drew for us\n")
	change := []string{"vault", "change-passphrase", "--passphrase-file", b.path("pass"), "--new-passphrase-file", b.path("new"), "--light-kdf"}
	before := b.read("home/" + VaultFile)
	b.fails(1, "passphrase", "vault", "change-passphrase", "--passphrase-file", b.path("wrong"), "--new-passphrase-file", b.path("new"), "--light-kdf")
	b.fails(2, "--new-passphrase-file", "vault", "change-passphrase", "--passphrase-file", b.path("pass"), "--light-kdf")
	if b.read("home/"+VaultFile) != before {
		t.Error("a change that failed changed the file")
	}
	var row struct {
		Fingerprint, Path string
		KDF               struct{ N, R, P int }
	}
	b.json(&row, change...)
	if row.Fingerprint != fingerprint || row.KDF.N != 1<<12 || row.KDF.R != 8 || row.KDF.P != 1 {
		t.Errorf("change-passphrase tells %+v", row)
	}
	b.fails(1, "passphrase", "vault", "accounts", "--passphrase-file", b.path("pass"))
	b.ok("vault", "accounts", "--passphrase-file", b.path("new"))

	// Without --light-kdf what a guess costs is raised.
	b.json(&row, "vault", "change-passphrase", "--passphrase-file", b.path("new"), "--new-passphrase-file", b.path("pass"))
	if row.KDF.N < 1<<18 {
		t.Errorf("the cost was raised to %+v only", row.KDF)
	}
}

// What a passphrase is worth is told where it was typed; in a log, nothing of it.
func TestPassphraseStrength(t *testing.T) {
	b := newBench(t)
	create := []string{"vault", "create", "--mnemonic-file", b.path("words"), "--light-kdf"}
	shown := func(typed ...string) (result, string) {
		r, terminal := b.atTerminal(typed, create...)
		if err := os.RemoveAll(b.path("home")); err != nil {
			t.Fatal(err)
		}
		return r, terminal
	}
	r, terminal := shown("Password1!", "Password1!")
	if r.code != 0 || !strings.Contains(terminal, "20 bits if you thought it up") || !strings.Contains(terminal, "dice") || strings.Contains(r.err, "bits") {
		t.Errorf("code %d; the terminal shows %q, standard error %q", r.code, terminal, r.err)
	}
	if r, terminal = shown("remedy wharf unlit zesty crouch gravy", "remedy wharf unlit zesty crouch gravy"); r.code != 0 || strings.Contains(terminal, "thief") {
		t.Errorf("code %d; the terminal shows %q", r.code, terminal)
	}
	if r := b.ok(append(create, "--passphrase-file", b.path("pass"))...); !strings.Contains(r.err, "easy to guess") || strings.Contains(r.err, "bits") {
		t.Errorf("standard error says %q", r.err)
	}
	if r := b.run(append(create, "--passphrase-file", b.write("empty", "\n"))...); r.code == 0 {
		t.Error("an empty passphrase was taken")
	}
}

func TestVaultVerify(t *testing.T) {
	b := ready(t)
	pass := []string{"--passphrase-file", b.path("pass")}
	verify := func(args ...string) []string { return append(append([]string{"vault", "verify"}, args...), pass...) }
	b.ok(append([]string{"vault", "export-watch", "-o", b.path("watch")}, pass...)...)
	var row struct {
		Fingerprint         string
		Addresses, Imported int
		Watch               []string
		KDF                 struct{ N int }
	}
	b.json(&row, verify("--watch", b.path("watch"))...)
	if row.Fingerprint != fingerprint || row.Addresses != 80 || row.Imported != 0 || len(row.Watch) != 1 || row.KDF.N != 1<<12 {
		t.Errorf("verify tells %+v", row)
	}
	if r := b.ok(verify()...); !strings.Contains(r.out, "80 addresses") || !strings.Contains(r.err, "change-passphrase raises it") {
		t.Errorf("verify says %q, %q", r.out, r.err)
	}
	// The watch file of other words.
	b.ok("--home", b.path("other"), "vault", "create", "--light-kdf", "--mnemonic-file", b.write("junk", junk+"\n"), pass[0], pass[1])
	b.ok("--home", b.path("other"), "vault", "export-watch", "-o", b.path("other-watch"), pass[0], pass[1])
	b.fails(3, junkFingerprint, verify("--watch", b.path("watch"), "--watch", b.path("other-watch"))...)
	b.fails(3, "fingerprint", verify("--watch", b.write("edited", strings.Replace(b.read("watch"), fingerprint, junkFingerprint, 1)))...)
	b.fails(1, "passphrase", "vault", "verify", "--passphrase-file", b.path("wrong"))
}
