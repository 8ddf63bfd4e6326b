package online

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// haltRow is a halt as programs read it.
type haltRow struct {
	Halted bool       `json:"halted"`
	Reason string     `json:"reason"`
	Since  *time.Time `json:"since"`
}

func newHalt(s *Station) *cobra.Command {
	reason := "no reason was given"
	c := &cobra.Command{
		Use:   "halt",
		Short: "Stop building, signing and broadcasting on this home",
		Long: `Stop building, signing and broadcasting on this home, on all of its chains and
whoever asks, until resume. Scanning, settling and telling go on.`,
		Example: `  airlock halt --reason "a batch that nobody asked for"`,
		RunE:    func(c *cobra.Command, _ []string) error { return runHalt(c.Context(), s, reason) },
	}
	c.Flags().StringVar(&reason, "reason", reason, "`text` that everybody is shown who is refused")
	return c
}

// A halt is of the home, so it needs no chain.
func (s *Station) home() *payout.Service { return &payout.Service{DB: s.Store(), Now: s.Now} }

func runHalt(ctx context.Context, s *Station, reason string) error {
	h, err := s.home().Halt(ctx, reason)
	if err != nil {
		return err
	}
	return s.Print(haltRow{true, h.Reason, &h.Since}, func(out io.Writer) {
		fmt.Fprintf(out, "halted since %s: %s\n", h.Since.Format(time.RFC3339), cli.Clean(h.Reason))
	})
}

func newResume(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "resume",
		Short:   "Undo a halt",
		Example: `  airlock resume`,
		RunE:    func(c *cobra.Command, _ []string) error { return runResume(c.Context(), s) },
	}
}

func runResume(ctx context.Context, s *Station) error {
	h, was, err := s.home().Resume(ctx)
	if err != nil {
		return err
	}
	return s.Print(haltRow{}, func(out io.Writer) { writeResumed(out, h, was) })
}

func writeResumed(out io.Writer, h store.Halt, was bool) {
	if !was {
		fmt.Fprintln(out, "nothing was halted")
		return
	}
	fmt.Fprintf(out, "resumed; it was halted since %s: %s\n", h.Since.Format(time.RFC3339), cli.Clean(h.Reason))
}
