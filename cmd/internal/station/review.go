package station

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/review"
	"github.com/airlock-wallet/airlock/cmd/internal/tui"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

func newReview(s *Station) *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:   "review FILE",
		Short: "Show what a batch does, unsigned or signed",
		Long: `Show what a batch does, computed from the bytes to be signed: every payment,
the totals per asset, the worst-case fee, and the digest to compare with the
other station. Of a signed batch every signature is verified first.

On the signing station it tells too what the policy and the signing record say:
which recipients are new, which look like an address that is known, and for which
reasons the batch would be refused. A batch that would be refused is shown, and
the exit code is 0; a file that is no batch, or whose transactions do something
else than it says, is not shown (exit code 3).

On a terminal it is a page to walk through, with ? for help; in a pipe, and with
--plain, it is plain text with one fact a line.`,
		Example: `  airlock-signer review batch.json
  airlock-signer review signed.json --plain | less`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			done := s.Busy("reading and verifying the batch")
			b, signed, err := readBatch(args[0])
			done()
			if err != nil {
				return err
			}
			report, err := s.report(c.Context(), b, signed)
			if err != nil {
				return err
			}
			if s.hasRecord() {
				if err := s.note(c.Context(), signer.Note{Kind: signer.KindReview, Batch: b}); err != nil {
					return err
				}
			}
			if s.pages(plain) && !s.JSON {
				return tui.Review(c.Context(), s.In, s.Out, report)
			}
			return s.Print(review.DocumentOf(report), func(w io.Writer) { review.Text(w, report) })
		},
	}
	plainFlag(c, &plain)
	return c
}

func plainFlag(c *cobra.Command, plain *bool) {
	c.Flags().BoolVar(plain, "plain", false, "plain text on a terminal too, as for readers of screens")
}

// pages reports whether a page can be shown on standard output.
func (s *Station) pages(plain bool) bool {
	return s.OutTerminal && !plain && os.Getenv("TERM") != "dumb"
}

// readBatch reads a batch, unsigned or signed. Of a signed one it verifies
// the signatures; signed is nil for an unsigned one.
func readBatch(path string) (b *batch.Batch, signed *batch.Signed, err error) {
	raw, err := readFile(path, batch.MaxSignedSize)
	if err != nil {
		return nil, nil, err
	}
	if batch.IsSigned(raw) {
		if signed, err = batch.ParseSigned(raw); err == nil {
			err = signed.Verify()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", cli.Clean(path), err)
		}
		return &signed.Batch, signed, nil
	}
	if b, err = batch.Parse(raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", cli.Clean(path), err)
	}
	return b, nil, nil
}

// report is what a reviewer sees here, with what of vault, policy and record
// there is.
func (s *Station) report(ctx context.Context, b *batch.Batch, signed *batch.Signed) (*signer.Report, error) {
	var (
		missing []signer.Refusal
		vault   *hd.Fingerprint
		service = &signer.Service{Now: s.Now}
	)
	lacks := func(rule, what string, err error) {
		missing = append(missing, signer.Refusal{Rule: rule, Item: -1, Value: what, Why: "cannot be used: " + err.Error()})
	}
	info, err := s.statVault()
	switch {
	case err == nil:
		fingerprint := signerOf(b, info)
		vault, service.Fingerprints = &fingerprint, info.Fingerprints
	case !errors.Is(err, fs.ErrNotExist):
		lacks(signer.RuleVault, "the vault", err)
	}
	if service.Policy, err = s.policy(); err != nil && vault != nil {
		lacks(signer.RulePolicy, "the policy", err)
	}
	if s.hasRecord() {
		service.Record = s.record()
	} else if vault != nil {
		lacks(signer.RuleRecord, "the signing record", errors.New("it is missing or empty, so this station does not know what it signed"))
	}
	if s.Halted != nil && vault != nil {
		if err := s.Halted(ctx); err != nil {
			lacks(signer.RuleHalted, "this home", err)
		}
	}
	report, err := service.Review(ctx, b, signed, vault, nil)
	if err != nil {
		return nil, err
	}
	if signed == nil {
		report.Refuse(missing...)
	}
	return report, nil
}
