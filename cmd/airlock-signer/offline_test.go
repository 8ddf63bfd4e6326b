//go:build linux

package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// card is a shell's command that adds a network card with this name, which is
// down: of the first kind that the kernel has.
const card = `card() {
	ip tuntap add "$1" mode tap || ip link add "$1" type dummy || ip link add "$1" type bridge
}
`

// TestOffline runs the released signer in networks of its own: it signs where
// there is nothing but loopback, and refuses as soon as another interface is up,
// whatever it is called and connected to.
func TestOffline(t *testing.T) {
	const signs, refuses = 0, 3
	for name, test := range map[string]struct {
		network string // a shell makes it
		code    int
		says    string
	}{
		"loopback down":      {":", signs, ""},
		"loopback up":        {"ip link set lo up", signs, ""},
		"a card that is off": {"ip link set lo up && card wlan0", signs, ""},
		"a card that is on":  {"card wlan0 && ip link set wlan0 up", refuses, "the network interface wlan0 is up"},
		"one called lo1":     {"card lo1 && ip link set lo1 up", refuses, "the network interface lo1 is up"},
		"a cable":            {"ip link add one type veth peer name other && ip link set one up && ip link set other up", refuses, "the network interface o"},
		"a cable at one end": {"ip link add one type veth peer name other && ip link set one up", refuses, "the network interface one is up"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newStation(t)
			m.newBatch(batchFile, nil)
			// in runs the signer in such a network, on this machine.
			in := func(args ...string) result {
				cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{
					"-c", card + `{ ` + test.network + `; } >&2 || exit 99; shift; exec chroot "$@"`, "sh", "--", m.root, signerFile, "--home", home,
				}, args...)...)
				cmd.SysProcAttr, cmd.Env = alone(), shellEnv()
				r := end(t, cmd)
				if r.code == 99 {
					t.Skipf("NOT TESTED: this network cannot be made here (it takes ip, and a kernel that has the kind): %s", r.err)
				}
				return r
			}
			want := func(code int, args ...string) {
				t.Helper()
				if r := in(args...); r.code != code || !strings.Contains(r.err, test.says) {
					t.Errorf("%q: exit code %d, %q; want %d and %q", args[:1], r.code, r.err, code, test.says)
				}
			}
			sign := m.signs(batchFile, signedFile)
			want(test.code, sign...)
			if m.exists(signedFile) != (test.code == signs) {
				t.Errorf("signed: %t", m.exists(signedFile))
			}
			// Without a secret that could leave it, the machine may be online.
			test.says = ""
			want(0, "review", batchFile)
			want(0, append(sign, "--accept-risk=online-station")...)
			m.verify(signedFile)
		})
	}
}
