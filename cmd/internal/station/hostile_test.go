package station

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Somebody accepts a risk for the one payment that was refused, and the file is
// exchanged before the command is typed again: all that the risk lets pass is
// told before the digest is asked for, and where it is not asked for, too.
func TestAcceptedRisksAreTold(t *testing.T) {
	b := ready(t)
	digest := b.batch("first.json", 0, nil) // w-0 and w-1
	b.ok(b.signArgs("first.json", "first.signed", "--expect", digest)...)
	digest = b.batch("batch.json", 5, func(u *batch.Batch) {
		u.ID = strings.Repeat("6", 32)
		u.Items[0].Intent.ID, u.Items[1].Intent.ID = "w-0", "w-1"
	})
	b.fails(3, `"w-1" was signed as nonce 1`, b.signArgs("batch.json", "signed.json", "--expect", digest)...)

	args := b.signArgs("batch.json", "signed.json", "--accept-risk=second-nonce")
	env, _, errs := cli.Test(b.path("home"), digest[:digestDigits])
	env.Now = func() time.Time { return now }
	var shown strings.Builder
	open := env.OpenTerminal
	env.OpenTerminal = func() (cli.Terminal, error) {
		t, err := open()
		return recorded{t, &shown}, err
	}
	code := cli.MainContext(t.Context(), (&Station{Env: env, Interfaces: func() ([]net.Interface, error) { return b.interfaces, nil }}).root(), env, args)
	if code != 0 || !strings.Contains(shown.String(), "2 items are signed only because a risk was accepted") || !strings.Contains(shown.String(), `"w-1" was signed as nonce 1`) {
		t.Errorf("exit code %d, %q; the terminal showed %q", code, errs, shown.String())
	}

	if say := "At this station it is 2026-03-01 12:00 UTC"; !strings.Contains(shown.String(), say) {
		t.Errorf("the terminal showed %q, and not %q", shown.String(), say)
	}

	digest = b.batch("batch.json", 7, func(u *batch.Batch) {
		u.ID = strings.Repeat("7", 32)
		u.Items[0].Intent.ID, u.Items[1].Intent.ID = "w-0", "w-1"
	})
	r := b.ok(b.signArgs("batch.json", "again.json", "--accept-risk=second-nonce", "--expect", digest)...)
	for _, say := range []string{`"w-0" was signed as nonce 0 of`, `and nonce 6 of`, "this is nonce 8 of"} {
		if !strings.Contains(r.err, say) {
			t.Errorf("%q does not say %q", r.err, say)
		}
	}
}
