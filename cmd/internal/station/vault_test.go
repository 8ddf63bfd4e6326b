package station

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/batch"
)

// A second mnemonic of the tests, its fingerprint and its first payout address.
const (
	junk            = "test test test test test test test test test test test junk"
	junkFingerprint = "0af61e854806a5e93a9c63472ffb444d61b40b9e64833f8040630e6c191b0ade"
	junkPayout      = "0x8C8d35429F74ec245F8Ef2f4Fd1e551cFF97d650"
)

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
