//go:build unix

package station

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A name on a foreign medium can lead to anything. Nothing is waited for that
// never comes, nothing is read that never ends, no device is opened, and what a
// link leads to is told in no stream.
func TestNamesThatLeadElsewhere(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	if err := syscall.Mkfifo(b.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.write("secret", "correct horse\n")
	for link, target := range map[string]string{"endless": "/dev/zero", "terminal": "/dev/tty", "stolen": b.path("secret")} {
		if err := os.Symlink(target, b.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pipe", "endless", "terminal", "stolen", "home"} {
		file := b.path(name)
		for _, args := range [][]string{
			{"review", file},
			{"sign", file, "-o", b.path("out"), "--passphrase-file", b.path("pass"), "--expect", digest},
			b.signArgs("batch.json", "out", "--expect", digest, "--requests", file),
			{"approve", file, "-o", b.path("out"), "--path", "m/44'/60'/1'/0/0", "--passphrase-file", b.path("pass"), "--expect", digest},
			{"approve", b.path("batch.json"), "-o", b.path("out"), "--merge", file},
			{"policy", "check", file},
			{"qr", "show", file},
			{"qr", "read", file, "-o", b.path("out")},
			{"vault", "verify", "--watch", file, "--passphrase-file", b.path("pass")},
			{"vault", "import-keystore", file, "--passphrase-file", b.path("pass"), "--keystore-passphrase-file", b.path("pass")},
			{"address", "check", file, "--passphrase-file", b.path("pass")},
		} {
			// A pipe into which nobody writes is an empty file, and that can be shown.
			r := b.run(args...)
			if empty := name == "pipe" && args[0] == "qr" && args[1] == "show"; r.code == 0 && !empty || b.exists("out") {
				t.Errorf("%q: exit code %d, %q", args, r.code, r.out)
			}
			if strings.Contains(r.out+r.err, "correct") {
				t.Errorf("%q tells what the link leads to: %q, %q", args, r.out, r.err)
			}
		}
	}
}
