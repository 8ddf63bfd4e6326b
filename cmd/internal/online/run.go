package online

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

// runFlags are about signing with the float, and offering.
type runFlags struct {
	autoSign             bool
	passphraseFile, date string
	offering             *offering
}

func newRun(s *Station) *cobra.Command {
	var o runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Scan, confirm and notify in one process, until interrupted",
		Long: `Do what scan --follow, confirm --follow and notify --follow do, in one process.
Each line on stderr begins with the command that it comes from.

What may pass by itself, such as an endpoint that is out of reach, a quorum that
is missing or a store that is busy, stops none of them: it is told and tried
again. Alarms are told when they begin, change and end. What is wrong for good,
such as an endpoint of another chain, ends all of them.

With --auto-sign small withdrawals are paid hands-free: what is approved and fits
the policy of the float is built, signed by the float's vault and sent. The policy
and the signing record decide as they do for sign, and count what was signed
before, by whomever. What does not fit, as what is above the limit of the day, waits
for the cold station, and withdraw show says so. The vault stays open in the memory
of the process: what lies on the float belongs to whoever controls this machine.

SIGINT and SIGTERM end it with exit code 0. Nothing is lost by that, or by any
other end. It works on one chain of the home; other commands, also another run,
may use the home meanwhile.`,
		Example: `  airlock run
  airlock run --chain 1 --home /srv/airlock
  airlock run --auto-sign --passphrase-file /run/secrets/float`,
		RunE: func(c *cobra.Command, _ []string) error { return runRun(c.Context(), s, o) },
	}
	f := c.Flags()
	f.BoolVar(&o.autoSign, "auto-sign", false, "pay small withdrawals from the float, as its policy allows")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "read the passphrase of the float's vault from this `file`")
	f.StringVar(&o.date, "date", "", "today's date as `YYYY-MM-DD`, where the clock is far ahead of the last entry of the signing record")
	o.offering = offeringFlags(c)
	return c
}

// runResult is what was done in all.
type runResult struct {
	Scan    scanResult       `json:"scan"`
	Confirm payout.Report    `json:"confirm"`
	Notify  notifier.Summary `json:"notify"`
	Sign    *signSum         `json:"sign,omitempty"` // with --auto-sign
}

func runRun(ctx context.Context, s *Station, o runFlags) error {
	if !o.autoSign && (o.passphraseFile != "" || o.date != "") {
		return wallet.As(wallet.ErrUsage, "--passphrase-file and --date are for --auto-sign")
	}
	var (
		r     runResult
		sum   scanner.Summary
		out   = &sync.Mutex{}
		moved = make(chan struct{}, 1) // what is not taken in time is told once
		g, c  = errgroup.WithContext(ctx)
	)
	if o.autoSign {
		vault, err := s.openFloat(ctx, o.passphraseFile, o.date)
		if err != nil {
			return err
		}
		defer vault.Close()
		r.Sign = &signSum{}
		g.Go(func() (err error) {
			*r.Sign, err = followSign(c, s.as("sign", out), o.offering, vault)
			return of("sign", err)
		})
	}
	g.Go(func() error {
		id, total, err := followScan(c, s.as("scan", out), func() {
			select {
			case moved <- struct{}{}:
			default:
			}
		})
		r.Scan, sum = newScanResult(id, total), total
		return of("scan", err)
	})
	g.Go(func() (err error) {
		r.Confirm, err = followConfirm(c, s.as("confirm", out), o.offering, moved)
		return of("confirm", err)
	})
	g.Go(func() (err error) {
		r.Notify, err = followNotify(c, s.as("notify", out))
		return of("notify", err)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return s.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "scan: %s\nconfirm: %s\nnotify: %s\n", scanLine(sum), reportLine(r.Confirm), notifyLine(r.Notify))
		if r.Sign != nil {
			fmt.Fprintf(w, "sign: %s, %s\n", plural(r.Sign.Batches, "batch", "batches"), plural(r.Sign.Signed, "transaction", "transactions"))
		}
	})
}

// of says which service an error is of.
func of(service string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", service, err)
}

// as is the station as one of several services finds it: what it tells people
// is marked with its name, and no line is drawn over.
func (s *Station) as(service string, out *sync.Mutex) *Station {
	env := *s.Env
	env.Err = &prefixed{w: s.Err, prefix: service + ": ", out: out}
	env.ErrTerminal = false
	return &Station{&env}
}

// prefixed begins each line with a prefix. Several of them share a writer,
// which gets whole texts one after the other.
type prefixed struct {
	w      io.Writer
	prefix string
	out    *sync.Mutex
}

// Write takes whole lines.
func (p *prefixed) Write(b []byte) (int, error) {
	var marked bytes.Buffer
	for line := range bytes.Lines(b) {
		marked.WriteString(p.prefix)
		marked.Write(line)
	}
	p.out.Lock()
	defer p.out.Unlock()
	_, err := p.w.Write(marked.Bytes())
	return len(b), err
}
