package online

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newBroadcast(s *Station) *cobra.Command {
	var o *offering
	c := &cobra.Command{
		Use:   "broadcast FILE",
		Short: "Send a signed batch to the chain",
		Long: `Send a signed batch, of withdrawals or of sweeps. Every byte of it is compared
with the batch that this home wrote, and its signatures are stored before the
first is sent. What must wait, such as a sweep for its top-up, confirm sends.

Of each sender a window of transactions is sent, the lowest nonces first, since
nodes forget what is too much; confirm, or run, sends the rest as those are
mined. Accepted counts what a node shows after it was sent: that it says yes
proves nothing.

It may be run again at any time, with the same file: it sends what is due and
not yet accepted.`,
		Example: `  airlock broadcast /media/usb/signed.json
  airlock broadcast --window 500 /media/usb/signed.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runBroadcast(c.Context(), s, o, args[0]) },
	}
	o = offeringFlags(c)
	return c
}

func runBroadcast(ctx context.Context, s *Station, o *offering, path string) error {
	file, err := readBounded(path, batch.MaxSignedSize)
	if err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	if p.Terms, err = o.terms(s, p.Chain); err != nil {
		return err
	}
	rec, err := p.TakeIn(ctx, file)
	if err != nil {
		return err
	}
	node, err := s.Client(ctx)
	if err != nil {
		return wallet.WithHint(err, "the signatures are kept: run this again, or airlock confirm, once the chain can be reached")
	}
	defer node.Close()
	progress := s.Progress("transactions offered", 0)
	p.Offered = func(done int) { progress.Set(uint64(done)) } //nolint:gosec // a count
	sent, err := p.Offer(ctx, node, rec.ID)
	progress.End()
	if err != nil {
		return err
	}
	for _, r := range sent.Refusals {
		s.Note("refused %s %s (nonce %d): %s", r.Kind, r.ID, r.Nonce, r.Reason)
	}
	for _, h := range sent.HeldUp {
		s.Note("nonce %d of %s holds up what is behind it: %s", h.Nonce, h.From, h.Reason)
	}
	if sent.Waiting > 0 && len(sent.HeldUp) == 0 {
		s.Note("%s: airlock confirm, or airlock run, sends more as those before are mined, %d of a sender at a time",
			plural(sent.Waiting, "transaction waits", "transactions wait"), p.Terms.Window)
	}
	result := struct {
		Batch   string `json:"batch"`
		ChainID uint64 `json:"chain_id"`
		payout.Sent
	}{rec.ID, rec.ChainID, sent}
	if err := s.Print(result, func(out io.Writer) {
		fmt.Fprintf(out, "batch %s: %d accepted, %d known before, %d refused", cli.Clean(rec.ID), sent.Accepted, sent.AlreadyKnown, sent.Refused)
		for _, more := range []struct {
			n    int
			what string
		}{{sent.Offered, "offered and not shown by any node yet"}, {sent.Waiting, "waiting"}, {sent.NonceUsed, "with a nonce that is used"}, {sent.Unheard, "without a clear answer"}} {
			if more.n > 0 {
				fmt.Fprintf(out, ", %d %s", more.n, more.what)
			}
		}
		fmt.Fprintln(out)
	}); err != nil {
		return err
	}
	if sent.Refused > 0 {
		return wallet.WithHint(fmt.Errorf("the node refused %s", plural(sent.Refused, "transaction", "transactions")),
			"airlock withdraw show tells the reason of each; airlock confirm offers them again")
	}
	return nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, wallet.As(wallet.ErrUsage, "%w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = wallet.As(wallet.ErrRefused, "%s is larger than %d bytes", path, limit)
	}
	return data, err
}
