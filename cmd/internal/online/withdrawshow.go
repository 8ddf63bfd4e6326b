package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newWithdrawShow(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one withdrawal, why it is where it is, and when it is expected",
		Long: `Show one withdrawal: how far it came, why it is not further, what is next, and
when it is expected in a block and final there.

For what is on its way the endpoints are asked what they have of it, what the
market asks and how fast blocks come. Nothing is expected where that could not be
said honestly: of what waits for a person, for lower fees, or behind something
that does. While no endpoint answers, what the home itself knows is shown.`,
		Example: `  airlock withdraw show w-1 --json`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runWithdrawShow(c.Context(), s, args[0]) },
	}
}

// askFor is how long endpoints have to say what they know of a withdrawal.
const askFor = 30 * time.Second

func runWithdrawShow(ctx context.Context, s *Station, id string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	w, err := p.Track(ctx, id, nil)
	if err != nil {
		return err
	}
	if w.State != nil && !w.Status.Settled() {
		if w, err = trackOnline(ctx, s, p, w); err != nil {
			return err
		}
	}
	c, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	return s.Print(w, func(out io.Writer) { writeTracked(out, &w, c.Coin) })
}

// trackOnline adds what endpoints say to what the home knows of a withdrawal,
// unless none answers in time.
func trackOnline(ctx context.Context, s *Station, p *payout.Service, known payout.Tracked) (payout.Tracked, error) {
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	node, err := s.Client(asking)
	if err == nil {
		defer node.Close()
		var told payout.Tracked
		if told, err = p.Track(asking, known.ID, node); err == nil {
			return told, nil
		}
	}
	if ctx.Err() == nil && (errors.Is(err, wallet.ErrUnreachable) || asking.Err() != nil) {
		s.Note("no endpoint answers: what is shown is what the home itself knows")
		return known, nil
	}
	return known, err
}

func writeTracked(out io.Writer, w *payout.Tracked, coin wallet.Asset) {
	fee := ""
	if w.Fee != nil {
		fee = coin.Format(*w.Fee)
	}
	for _, line := range [][2]string{
		{"id", w.ID},
		{"status", string(w.Status)},
		{"reason", w.Reason},
		{"next", w.Next},
		{"expected", expected(w)},
		{"account", ownerName(w.Account)},
		{"amount", w.Amount.Decimal(w.Decimals) + " " + w.Symbol},
		{"asset", w.Asset.String()},
		{"to", w.To},
		{"memo", w.Memo},
		{"order", w.Order},
		{"signed by", strings.Join(w.RequestedBy, " ")},
		{"batch", w.Batch},
		{"from", orEmpty(w.From)},
		{"nonce", orEmpty(w.Nonce)},
		{"on its way", standing(w)},
		{"transaction", orEmpty(w.TxHash)},
		{"fee", fee},
		{"requested", w.RequestedAt.Format(time.RFC3339)},
		{"updated", w.UpdatedAt.Format(time.RFC3339)},
	} {
		if strings.TrimSpace(line[1]) != "" {
			fmt.Fprintf(out, "%-12s %s\n", line[0], cli.Clean(line[1]))
		}
	}
}

// standing says where a withdrawal is on its way, or nothing.
func standing(w *payout.Tracked) string {
	if w.State == nil || w.Status.Settled() {
		return ""
	}
	parts := []string{string(*w.State)}
	switch {
	case w.Cancel && w.Rung == 0:
		parts[0] = "its cancel is not sent yet"
	case w.Cancel:
		parts[0] = "cancel " + parts[0]
	}
	if w.MaxFee != nil {
		parts = append(parts, fmt.Sprintf("rung %d of %d at %s gwei", w.Rung, w.Rungs, w.MaxFee.Decimal(9)))
	}
	parts = append(parts, "for "+age(time.Duration(*w.Age)*time.Second))
	if *w.Ahead > 0 {
		parts = append(parts, fmt.Sprintf("%s of its sender before it", plural(*w.Ahead, "transaction", "transactions")))
	}
	return strings.Join(parts, ", ")
}

// expected says when a withdrawal is expected in a block and final there.
func expected(w *payout.Tracked) string {
	switch {
	case w.Status.Settled() || w.State == nil:
		return ""
	case w.BlockETA == nil:
		return "unknown"
	}
	block, final := "in a block", "final: unknown"
	if *w.BlockETA > 0 {
		block = "in a block " + about(*w.BlockETA)
	}
	switch {
	case w.ETA == nil:
	case *w.ETA > 0:
		final = "final " + about(*w.ETA)
	default:
		final = "final"
	}
	return block + ", " + final
}

// about is a time to come, as people say it.
func about(seconds int64) string {
	const minute, hour = 60, 3600
	switch {
	case seconds < minute:
		return fmt.Sprintf("in about %s", plural(int(seconds), "second", "seconds"))
	case seconds < hour:
		return fmt.Sprintf("in about %s", plural(int(seconds+minute/2)/minute, "minute", "minutes"))
	}
	return fmt.Sprintf("in about %s", plural(int(seconds+hour/2)/hour, "hour", "hours"))
}
