package station

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestOnline guards that a station that must be offline makes no signature and
// lets no key out while it is not, and says so before other commands take a
// secret.
func TestOnline(t *testing.T) {
	for name, set := range map[string]struct {
		now  func(*bench)
		says string
	}{
		"up":      {func(b *bench) { b.interfaces[1].Flags = net.FlagUp }, "eth0 is up"},
		"unknown": {func(b *bench) { b.blind = errors.New("no such device") }, "cannot be listed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := ready(t)
			digest := b.batch("batch.json", 0, nil)
			b.write("kpass", "keystore\n")
			sign := b.signArgs("batch.json", "signed.json", "--expect", digest)
			export := []string{
				"vault", "export-keystore", deposit, "-o", b.path("key"), "--light-kdf", "--accept-risk=exposes-role",
				"--passphrase-file", b.path("pass"), "--keystore-passphrase-file", b.path("kpass"),
			}
			shares := []string{
				"vault", "backup", "--shares", "2-of-3", "-o", b.path("shares"), "--accept-risk=shares-on-disk", "--passphrase-file", b.path("pass"),
			}
			accounts := []string{"vault", "accounts", "--passphrase-file", b.path("pass")}
			if r := b.ok(accounts...); strings.Contains(r.err, set.says) {
				t.Errorf("a station without a network is said to have one: %s", r.err)
			}

			set.now(b)
			for _, args := range [][]string{sign, export, shares} {
				b.fails(3, set.says, args...)
				b.fails(3, "--accept-risk=online-station", args...)
			}
			for _, file := range []string{"signed.json", "key", "shares"} {
				if b.exists(file) {
					t.Errorf("%s was written", file)
				}
			}
			if r := b.ok(accounts...); !strings.Contains(r.err, set.says) || !strings.Contains(r.err, "can leave this machine") {
				t.Errorf("nothing said that the machine is online: %q", r.err)
			}
			b.ok(append(sign, "--accept-risk=online-station")...)
			b.ok(append(export, "--accept-risk=online-station")...)
			b.ok(append(shares, "--accept-risk=online-station")...)

			// A float is signed online, by whoever does not ask for more.
			b.online = true
			if r := b.ok(accounts...); strings.Contains(r.err, set.says) {
				t.Errorf("an online station is said to be online: %s", r.err)
			}
		})
	}
}

// TestPluggedIn guards against a network that comes up while somebody reads the
// review.
func TestPluggedIn(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	b.asked = func(times int) {
		if times == 2 {
			b.interfaces[1].Flags = net.FlagUp
		}
	}
	b.fails(3, "eth0 is up", b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	if b.exists("signed.json") {
		t.Error("it was signed")
	}
}

func TestNoHome(t *testing.T) {
	b := newBench(t)
	b.ok("--home", "", "version")
	for _, args := range [][]string{
		{"vault", "create", "--mnemonic-file", b.path("words"), "--passphrase-file", b.path("pass"), "--light-kdf"},
		{"vault", "accounts"},
		{"policy", "init"},
		{"policy", "check"},
		{"sign", b.path("batch.json"), "-o", b.path("signed.json")},
	} {
		b.batch("batch.json", 0, nil)
		b.fails(2, "name one with --home", append([]string{"--home", ""}, args...)...)
	}
}
