package station

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

type exported struct {
	Entry jsontext.Value
	Head  string
}

func (e exported) entry(t *testing.T) (entry signer.Entry) {
	t.Helper()
	if err := json.Unmarshal(e.Entry, &entry); err != nil {
		t.Fatal(err)
	}
	return entry
}

// Every unlock, review, approval, refusal, risk and signature is in the chain,
// whose heads anybody can compute from the export.
func TestAudit(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	b.ok("review", b.path("batch.json"))
	service := &signer.Service{Record: bolt.Open(b.path("home/" + signer.RecordFile)), Now: func() time.Time { return now }}
	if err := service.Note(t.Context(), signer.Note{Kind: signer.KindVault, What: "back\u202ewards\x1b[2J"}); err != nil {
		t.Fatal(err)
	}
	b.fails(3, "[digest]", b.signArgs("batch.json", "signed.json", "--expect", strings.Repeat("a", 64))...)
	b.fails(1, "wrong passphrase", "sign", b.path("batch.json"), "-o", b.path("signed.json"), "--expect", digest, "--passphrase-file", b.path("wrong"))
	b.interfaces[1].Flags = net.FlagUp
	b.fails(3, "is up", b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest, "--accept-risk=online-station")...)
	signed, err := batch.ParseSigned([]byte(b.read("signed.json")))
	if err != nil {
		t.Fatal(err)
	}

	var list []exported
	b.json(&list, "audit", "export")
	var told []string
	head := make([]byte, sha256.Size)
	for _, e := range list {
		entry := e.entry(t)
		told = append(told, strings.TrimSpace(string(entry.Kind)+" "+strings.Join(append(entry.Rules, entry.Risks...), " ")))
		canon := append(jsontext.Value(nil), e.Entry...)
		if err := canon.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(append(head, canon...))
		if head = sum[:]; hex.EncodeToString(head) != e.Head {
			t.Fatalf("the head after %s is %x, the export says %s", canon, head, e.Head)
		}
	}
	want := "vault, review, vault, refusal digest, policy, refusal passphrase, refusal, risk online-station, unlock, signature"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("the chain tells of %q, want %q", got, want)
	}
	if hex.EncodeToString(head) != signed.RecordHead {
		t.Errorf("the last head is %x, the signed batch carries %s", head, signed.RecordHead)
	}
	if all := b.ok("audit", "export").out; strings.Contains(all, "correct horse") || strings.Contains(all, "abandon") || strings.ContainsAny(all, "\u202e\x1b") || !strings.Contains(all, `back\u202ewards`) {
		t.Errorf("the export has a secret or characters that cannot be seen: %q", all)
	}

	// The same as lines, into a file of its own, and between two days.
	b.ok("audit", "export", "-o", b.path("audit.jsonl"))
	lines := 0
	for scan := bufio.NewScanner(strings.NewReader(b.read("audit.jsonl"))); scan.Scan(); lines++ {
		var e exported
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil || e.Head != list[lines].Head {
			t.Fatalf("line %d: %v: %s", lines, err, scan.Text())
		}
	}
	if lines != len(list) {
		t.Errorf("%d lines of %d entries", lines, len(list))
	}
	if info, err := os.Stat(b.path("audit.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	b.fails(1, "exists", "audit", "export", "-o", b.path("audit.jsonl"))
	for _, days := range []struct {
		args []string
		n    int
	}{
		{[]string{"--from", "2026-03-01", "--to", "2026-03-01"}, len(list)},
		{[]string{"--to", "2026-02-28"}, 0},
		{[]string{"--from", "2026-03-02"}, 0},
		{[]string{"--from", "2026-03-01T12:00:00Z", "--to", "2026-03-01T12:00:01Z"}, len(list)},
		{[]string{"--to", "2026-03-01T12:00:00Z"}, 0},
	} {
		var part []exported
		if b.json(&part, append([]string{"audit", "export"}, days.args...)...); len(part) != days.n {
			t.Errorf("%q: %d entries, want %d", days.args, len(part), days.n)
		}
	}
	b.fails(2, "--from", "audit", "export", "--from", "yesterday")

	var verified struct {
		Entries int
		Kinds   map[string]int
		Head    string
		At      *struct{ Sequence string }
	}
	b.json(&verified, "audit", "verify", "--head", list[2].Head)
	if verified.Entries != len(list) || verified.Kinds["refusal"] != 3 || verified.Kinds["vault"] != 2 || verified.Head != signed.RecordHead || verified.At == nil || verified.At.Sequence != "3" {
		t.Errorf("audit verify tells %+v", verified)
	}
	b.ok("audit", "verify")
}

// A record of which something was changed is refused with the entry.
func TestAuditVerifyRefuses(t *testing.T) {
	b := ready(t)
	b.fails(3, "never had the head", "audit", "verify", "--head", strings.Repeat("1", 64))
	digest := b.batch("batch.json", 0, nil)
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	err := bolt.Open(b.path("home/"+signer.RecordFile)).Update(t.Context(), func(tx store.Tx) error {
		var slot []byte
		err := tx.Scan(store.Range{From: []byte("sign.slot\x00")}, func(k, _ []byte) error {
			slot = bytes.Clone(k)
			return store.Stop
		})
		if err != nil {
			return err
		}
		return tx.Delete(slot)
	})
	if err != nil {
		t.Fatal(err)
	}
	b.fails(3, "entry 4: ", "audit", "verify")
	b.fails(1, "no signing record", "audit", "verify", "--home", b.path("none"))
}

// Whatever happens to the vault, or leaves it, is noted, and so is what was
// refused.
func TestVaultIsNoted(t *testing.T) {
	b := ready(t)
	b.write("other", "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong\n")
	b.write("strong", "a passphrase of seven quite unusual words\n")
	pass := []string{"--passphrase-file", b.path("pass")}
	run := func(args ...string) { b.t.Helper(); b.ok(append(args, pass...)...) }
	run("vault", "export-watch", "-o", b.path("watch.json"))
	run("vault", "backup", "-o", b.path("copy.json"))
	run("vault", "backup", "--shares", "2-of-3", "-o", b.path("shares"), "--accept-risk=shares-on-disk")
	export := []string{"vault", "export-keystore", payout, "-o", b.path("key.json"), "--light-kdf", "--keystore-passphrase-file", b.path("strong")}
	b.fails(3, "every key of the role", append(export, pass...)...)
	run(append(export, "--accept-risk=exposes-role")...)
	run("vault", "import-keystore", b.path("key.json"), "--keystore-passphrase-file", b.path("strong"))
	run("vault", "add-mnemonic", "--mnemonic-file", b.path("other"))
	run("vault", "change-passphrase", "--light-kdf", "--new-passphrase-file", b.path("strong"))

	var list []exported
	b.json(&list, "audit", "export")
	var told []string
	for _, e := range list {
		if entry := e.entry(t); entry.Kind == signer.KindVault {
			told = append(told, strings.TrimSpace(entry.What+" "+strings.Join(entry.Risks, " ")))
		} else if entry.Kind == signer.KindRefusal {
			told = append(told, "refused")
		}
	}
	want := []string{
		"made the vault", "lets out the watch file", "makes an encrypted copy", "gives out shares, 2 of 3 shares-on-disk", "refused",
		"lets out the key of " + payout + " (m/44'/60'/1'/0/0) exposes-role", "takes a keystore's key into the vault",
		"takes a mnemonic into the vault", "changes the passphrase",
	}
	if !slices.Equal(told, want) {
		t.Errorf("noted %q, want %q", told, want)
	}
}

// Where the clock is far ahead of the record, somebody who knows the date says
// that it is right.
func TestSignWantsTheDate(t *testing.T) {
	b := ready(t)
	later := now.Add(4 * 24 * time.Hour)
	b.clock = func() time.Time { return later }
	digest := b.batch("batch.json", 0, func(u *batch.Batch) { u.ExpiresAt = later.Add(time.Hour) })
	args := b.signArgs("batch.json", "signed.json", "--expect", digest)
	b.fails(3, "[clock]", args...)
	b.fails(3, `"2026-03-01" is not its date`, append(args, "--date", "2026-03-01")...)
	if r := b.typing([]string{"2026-03-04"}, args...); r.code != 3 {
		t.Errorf("a wrong date typed: exit code %d, %s", r.code, r.err)
	}
	if r := b.typing([]string{" 2026-03-05 "}, args...); r.code != 0 {
		t.Errorf("today's date typed: exit code %d, %s", r.code, r.err)
	}
	later = later.Add(73 * time.Hour)
	digest = b.batch("batch2.json", 2, func(u *batch.Batch) { u.ExpiresAt = later.Add(time.Hour) })
	b.ok(b.signArgs("batch2.json", "signed2.json", "--expect", digest, "--date", "2026-03-08")...)
}
