package station

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/signer"
)

// funded is a station whose vault has two mnemonics and an imported key.
func funded(t *testing.T) *bench {
	t.Helper()
	b := ready(t)
	pass := []string{"--passphrase-file", b.path("pass")}
	b.ok(append([]string{"vault", "add-mnemonic", "--mnemonic-file", b.write("junk", junk+"\n")}, pass...)...)
	b.write("kpass", "battery staple\n")
	b.ok(append([]string{
		"vault", "export-keystore", "m/44'/60'/0'/0/7", "-o", b.path("key"), "--light-kdf", "--fingerprint", fingerprint,
		"--keystore-passphrase-file", b.path("kpass"), "--accept-risk=" + riskExposes,
	}, pass...)...)
	b.ok(append([]string{"vault", "import-keystore", b.path("key"), "--keystore-passphrase-file", b.path("kpass")}, pass...)...)
	return b
}

// accounts are what vault accounts tells.
func (b *bench) accounts() string {
	b.t.Helper()
	return b.ok("vault", "accounts", "--passphrase-file", b.path("pass"), "--json").out
}

// destroy takes the vault away, and returns its signing record and policy
// from the backups that were made of them.
func (b *bench) destroy() {
	b.t.Helper()
	record, policy := b.read("home/"+signer.RecordFile), b.read("home/policy.toml")
	if err := os.RemoveAll(b.path("home")); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Mkdir(b.path("home"), 0o700); err != nil {
		b.t.Fatal(err)
	}
	b.write("home/"+signer.RecordFile, record)
	b.write("home/policy.toml", policy)
}

// signsAgain signs a batch that was signed before, which gives the same file,
// and another.
func (b *bench) signsAgain(name string) {
	b.t.Helper()
	b.ok(b.signArgs("before.json", name+"-before.signed", "--expect", b.batch("before.json", 0, nil))...)
	if b.read(name+"-before.signed") != b.read("before.signed") {
		b.t.Errorf("%s: the batch from before is signed in another way", name)
	}
	b.ok(b.signArgs("after.json", name+"-after.signed", "--expect", b.batch("after.json", 2, nil))...)
	b.ok("review", b.path(name+"-after.signed"))
}

// The rehearsal: create, sign, back up, destroy, restore, and sign again.
func TestRestoreFromCopy(t *testing.T) {
	b := funded(t)
	accounts := b.accounts()
	b.ok(b.signArgs("before.json", "before.signed", "--expect", b.batch("before.json", 0, nil))...)
	pass := []string{"--passphrase-file", b.path("pass")}
	var row struct{ Fingerprint, Path string }
	b.json(&row, append([]string{"vault", "backup", "-o", b.path("copy.json")}, pass...)...)
	if row.Fingerprint != fingerprint || row.Path != b.path("copy.json") {
		t.Errorf("backup tells %+v", row)
	}
	own := []string{"vault", "backup", "-o", b.path("own.json"), "--backup-passphrase-file", b.path("kpass"), "--light-kdf"}
	b.ok(append(own, pass...)...)
	b.fails(1, "exists", append(own, pass...)...)
	if info, err := os.Stat(b.path("own.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has the mode %v (%v)", info.Mode(), err)
	}

	b.fails(1, "there is", append([]string{"vault", "restore", b.path("copy.json")}, pass...)...)
	b.destroy()
	b.fails(1, "passphrase", append([]string{"vault", "restore", b.path("own.json")}, pass...)...)
	b.fails(3, "was to come out", append([]string{"vault", "restore", b.path("copy.json"), "--fingerprint", fingerprint}, pass...)...)
	b.fails(2, "at least 16", append([]string{"vault", "restore", b.path("copy.json"), "--fingerprint", fingerprint[:8]}, pass...)...)
	if _, err := os.Stat(b.path("home/" + VaultFile)); err == nil {
		t.Error("a vault was written that nobody wanted")
	}
	var restored struct {
		Fingerprint  string
		Fingerprints []string
		Imported     int
	}
	b.json(&restored, append([]string{"vault", "restore", b.path("copy.json"), "--fingerprint", fingerprint[:20], "--fingerprint", junkFingerprint}, pass...)...)
	if restored.Fingerprint != fingerprint || len(restored.Fingerprints) != 2 || restored.Imported != 1 {
		t.Errorf("restore tells %+v", restored)
	}
	if got := b.accounts(); got != accounts {
		t.Errorf("the accounts are now %s, want %s", got, accounts)
	}
	b.signsAgain("copy")
	b.ok("--home", b.path("third"), "vault", "restore", b.path("own.json"), "--passphrase-file", b.path("kpass"))
	b.ok("--home", b.path("third"), "vault", "verify", "--passphrase-file", b.path("kpass"))

	b.write("half", b.read("copy.json")[:200])
	b.fails(1, "truncated", append([]string{"--home", b.path("fourth"), "vault", "restore", b.path("half")}, pass...)...)
}

func TestRestoreFromShareFiles(t *testing.T) {
	b := funded(t)
	accounts := b.accounts()
	b.ok(b.signArgs("before.json", "before.signed", "--expect", b.batch("before.json", 0, nil))...)
	pass := []string{"--passphrase-file", b.path("pass")}
	split := append([]string{"vault", "backup", "--shares", "2-of-3", "-o", b.path("shares")}, pass...)
	b.fails(3, riskShares, split...)
	var row struct {
		Shares []struct {
			Fingerprint      string
			Threshold, Count int
			Paths            []string
		}
	}
	b.json(&row, append(split, "--accept-risk="+riskShares)...)
	if len(row.Shares) != 2 || row.Shares[0].Fingerprint != fingerprint || row.Shares[1].Fingerprint != junkFingerprint ||
		row.Shares[0].Threshold != 2 || row.Shares[0].Count != 3 || len(row.Shares[1].Paths) != 3 {
		t.Fatalf("backup tells %+v", row)
	}
	for _, path := range slices.Concat(row.Shares[0].Paths, row.Shares[1].Paths) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v (%v)", path, info.Mode(), err)
		}
	}
	own, other := row.Shares[0].Paths, row.Shares[1].Paths

	b.destroy()
	restore := func(files ...string) []string {
		args := append([]string{"vault", "restore", "--light-kdf"}, pass...)
		for _, file := range files {
			args = append(args, "--share-file", file)
		}
		return args
	}
	b.fails(2, "1 shares, and 2", restore(own[0])...)
	b.fails(2, "1 shares, and 2", restore(own[0], own[1], other[0])...)
	b.fails(1, "there already", restore(own[0], own[0])...)
	words := regexp.MustCompile(`(?m)^[a-z].*$`).FindString(b.read(filepath.Join("shares", filepath.Base(own[0]))))
	b.fails(1, "checksum", restore(b.write("swapped", swapWords(words)), own[1])...)
	claims := strings.Replace(b.read(filepath.Join("shares", filepath.Base(own[1]))), fingerprint, junkFingerprint, 1)
	b.fails(1, "another fingerprint", restore(own[0], b.write("claims", claims))...)
	b.fails(3, "was to come out", append(restore(own[0], own[2]), "--fingerprint", junkFingerprint)...)
	b.fails(3, "does not restore", append(restore(own[0], own[2]), "--fingerprint", fingerprint, "--fingerprint", junkFingerprint)...)
	if _, err := os.Stat(b.path("home/" + VaultFile)); err == nil {
		t.Error("a vault was written that nobody wanted")
	}
	b.ok(restore(own[2], other[0], own[0], other[1])...)
	// All but the imported key is back.
	if got := b.accounts(); !strings.Contains(accounts, `"imported"`) || strings.Contains(got, `"imported"`) || strings.Count(got, `"path"`) != 8 {
		t.Errorf("the accounts are now %s, and were %s", got, accounts)
	}
	b.signsAgain("shares")
}

func swapWords(words string) string {
	fields := strings.Fields(words)
	fields[5], fields[6] = fields[6], fields[5]
	return strings.Join(fields, " ") + "\n"
}

// Shares that are shown on the terminal, one by one, are typed again.
func TestRestoreFromTypedShares(t *testing.T) {
	b := ready(t)
	b.ok(b.signArgs("before.json", "before.signed", "--expect", b.batch("before.json", 0, nil))...)
	accounts := b.accounts()
	pass := []string{"--passphrase-file", b.path("pass")}
	split := append([]string{"vault", "backup", "--shares", "3-of-5"}, pass...)
	b.fails(2, "no terminal", split...)
	r, shown := b.atTerminal([]string{"written", "", "written", "written", "written", "written"}, split...)
	if r.code != 0 || strings.Contains(r.out+r.err, "  1 ") {
		t.Fatalf("exit code %d, %q, %q", r.code, r.out, r.err)
	}
	sheets := strings.Split(shown, clearScreen)
	if len(sheets) != 6 { // and nothing after the last clearing
		t.Fatalf("%d sheets were shown, want 5", len(sheets)-1)
	}
	var typed []string
	for i, sheet := range sheets[:5] {
		want := []string{"Share " + string(rune('1'+i)) + " of 5", "Any 3", "91b2 23ed bbe9 f702"}
		for _, text := range want {
			if !strings.Contains(sheet, text) {
				t.Errorf("sheet %d has no %q: %s", i+1, text, sheet)
			}
		}
		var words []string
		for _, m := range regexp.MustCompile(`  \d+ ([a-z]+)`).FindAllStringSubmatch(sheet[strings.Index(sheet, "\n\n"):], -1) {
			words = append(words, m[1])
		}
		if len(words) != 20 {
			t.Fatalf("sheet %d has %d words, want 20", i+1, len(words))
		}
		typed = append(typed, strings.Join(words, " "))
	}
	b.destroy()
	restore := append([]string{"vault", "restore", "--light-kdf"}, pass...)
	b.fails(2, "--share-file", restore...)
	if r, _ := b.atTerminal([]string{typed[0], typed[1], ""}, restore...); r.code != 2 || !strings.Contains(r.err, "3 of a set are needed") {
		t.Errorf("two of three: exit code %d, %q", r.code, r.err)
	}
	// A mistake can be typed again.
	r, shown = b.atTerminal([]string{typed[4], swapWords(typed[0]), "academic acid", typed[4], strings.ToUpper(typed[0]), typed[2], ""}, restore...)
	if r.code != 0 || !strings.Contains(shown, "cannot be taken: the checksum is wrong") || !strings.Contains(shown, "there already") || !strings.Contains(shown, "That is enough") {
		t.Errorf("exit code %d, %q; the terminal showed %q", r.code, r.err, shown)
	}
	if got := b.accounts(); got != accounts {
		t.Errorf("the accounts are now %s, want %s", got, accounts)
	}
	b.signsAgain("typed")
}

func TestBackupUsage(t *testing.T) {
	b := ready(t)
	pass := []string{"--passphrase-file", b.path("pass")}
	backup := func(args ...string) []string { return append(append([]string{"vault", "backup"}, args...), pass...) }
	for _, shares := range []string{"3", "3of5", "0-of-3", "1-of-3", "4-of-3", "2-of-17", "a-of-b", "2-of-3-of-4"} {
		b.fails(2, "--shares", backup("--shares", shares)...)
	}
	b.fails(2, "at least one of the flags", backup()...)
	b.fails(2, "none of the others can be", backup("--shares", "2-of-3", "--own-passphrase")...)
	b.fails(2, "a copy holds all", backup("-o", b.path("copy"), "--fingerprint", fingerprint)...)
	b.fails(2, "not from both", append([]string{"--home", b.path("new"), "vault", "restore", b.path("copy"), "--share-file", b.path("x")}, pass...)...)
	b.fails(1, "no such file", append([]string{"--home", b.path("new"), "vault", "restore", b.path("copy")}, pass...)...)
}
