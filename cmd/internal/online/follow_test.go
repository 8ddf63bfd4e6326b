package online

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

func TestPassing(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"unreachable":              {wallet.As(wallet.ErrUnreachable, "gone"), true},
		"busy":                     {wallet.As(wallet.ErrBusy, "held"), true},
		"an answer of no sense":    {&chain.EndpointError{Host: "a"}, true},
		"a block without proof":    {&chain.UnprovenError{Host: "a"}, true},
		"endpoints do not agree":   {fmt.Errorf("chain 1: %w", &chain.DisagreementError{Votes: chain.Votes{Differ: []chain.Dissent{{}}}}), true},
		"a tag without a quorum":   {fmt.Errorf("chain 1: %w", &chain.TagError{}), true},
		"an unknown tag":           {fmt.Errorf("%w: %w", chain.ErrTagUnsupported, &chain.EndpointError{}), false},
		"another chain":            {wallet.As(wallet.ErrRefused, "%w", chain.ErrForeign), false},
		"a final block changed":    {scanner.ErrFinalChanged, false},
		"wrong usage":              {wallet.As(wallet.ErrUsage, "no"), false},
		"something nobody foresaw": {errors.New("oh"), false},
	} {
		if have := passing(c.err); have != c.want {
			t.Errorf("%s may pass: %v, want %v", name, have, c.want)
		}
	}
}

// TestPatience tries again what may pass, and nothing else, until an interrupt.
func TestPatience(t *testing.T) {
	gone, broken := wallet.As(wallet.ErrUnreachable, "gone"), errors.New("broken")
	env, _, told := cli.Test(t.TempDir())
	s := &Station{env}
	answers := []error{gone, broken, nil}
	next := func() error {
		err := answers[0]
		answers = answers[1:]
		return err
	}
	if err := patiently(t.Context(), s, next); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
	if want := "gone; trying again\n"; told.String() != want {
		t.Errorf("told %q, want %q", told, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := patiently(ctx, s, func() error { return gone })
	if unlessEnded(ctx, err) != nil || ctx.Err() == nil {
		t.Errorf("ended with %v before the interrupt", err)
	}
}

// TestNoPatience ends following, and all that runs beside it, at once where
// there is nothing to wait for.
func TestNoPatience(t *testing.T) {
	for _, command := range []string{"scan --follow", "confirm --follow", "notify --follow", "run"} {
		t.Run(command, func(t *testing.T) {
			env, out, told := cli.Test(filepath.Join(t.TempDir(), "no", "home"))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if code := cli.MainContext(ctx, New(env), env, strings.Fields(command)); code != cli.ExitFailed || out.Len() > 0 || ctx.Err() != nil {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, out, told)
			}
			if !strings.Contains(told.String(), "there is no home at") {
				t.Errorf("told %q", told)
			}
		})
	}
}

// TestPrefixed keeps the lines of services that talk at once whole.
func TestPrefixed(t *testing.T) {
	var out bytes.Buffer
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range []string{"scan", "confirm", "notify"} {
		p := &prefixed{w: &out, prefix: name + ": ", out: &mu}
		wg.Go(func() {
			for range 100 {
				_, _ = io.WriteString(p, name+" one\n"+name+" two\n")
			}
		})
	}
	wg.Wait()
	count := map[string]int{}
	for line := range strings.Lines(out.String()) {
		count[line]++
	}
	for _, name := range []string{"scan", "confirm", "notify"} {
		for _, part := range []string{"one", "two"} {
			if line := fmt.Sprintf("%s: %s %s\n", name, name, part); count[line] != 100 {
				t.Errorf("%q stands there %d times", line, count[line])
			}
		}
	}
}
