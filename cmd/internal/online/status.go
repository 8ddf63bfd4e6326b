package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
)

func newStatus(s *Station) *cobra.Command {
	var lowGas, lowPayout string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show on one screen how the home stands",
		Long: fmt.Sprintf(`Show on one screen how far the chain was read, what is on its way, and what an
operator should look at. It takes no longer on a home with a million addresses:
counts stop at %d.

The gas and payout addresses are low when they hold less than some 20
transactions may cost at the fees of now, the payout addresses together beyond what
open withdrawals need; --low-gas and --low-payout set other marks.

Warnings do not change the exit code. While no endpoint answers, what the home
itself knows is shown, and the exit code is 5.`, reconcile.CountLimit),
		Example: `  airlock status
  airlock status --low-gas 0.5 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runStatus(c.Context(), s, lowGas, lowPayout) },
	}
	c.Flags().StringVar(&lowGas, "low-gas", "", "warn when the gas address has less `coin` than this")
	c.Flags().StringVar(&lowPayout, "low-payout", "", "warn when the payout addresses have less `coin` than this beyond what withdrawals need")
	return c
}

func runStatus(ctx context.Context, s *Station, lowGas, lowPayout string) error {
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	var marks reconcile.Marks
	if marks.Gas, err = lowMark("--low-gas", lowGas, chain.Coin); err != nil {
		return err
	}
	if marks.Payout, err = lowMark("--low-payout", lowPayout, chain.Coin); err != nil {
		return err
	}
	var asked reconcile.StatusChain
	node, unreachable := s.Client(ctx)
	switch {
	case unreachable == nil:
		defer node.Close()
		asked = node
	case !errors.Is(unreachable, wallet.ErrUnreachable):
		return unreachable
	}
	st, err := reconcile.ReadStatus(ctx, s.Store(), chain.ID, asked, unreachable, marks, s.Now())
	if err != nil {
		return err
	}
	if err := s.Print(st, func(w io.Writer) { writeStatus(s, w, st) }); err != nil {
		return err
	}
	if !st.Chain.Reachable {
		return wallet.WithHint(wallet.As(wallet.ErrUnreachable, "%s", st.Chain.Error), "what is shown is what the home itself knows; airlock chain list shows the endpoints")
	}
	return nil
}

func lowMark(flag, text string, coin wallet.Asset) (*wallet.Amount, error) {
	if text == "" {
		return nil, nil
	}
	a, err := wallet.ParseDecimal(text, coin.Decimals)
	if err != nil {
		return nil, wallet.As(wallet.ErrUsage, "%s: %w", flag, err)
	}
	return &a, nil
}

func writeStatus(s *Station, w io.Writer, st reconcile.Status) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", what, cli.Clean(fmt.Sprintf(format, args...)))
	}
	line("chain", "%s", strings.TrimSpace(fmt.Sprintf("%d %s", st.ChainID, st.Name)))
	if st.Chain.Reachable {
		line("head", "block %d of %s, base fee %s gwei, tip %s gwei", st.Chain.Head, st.Chain.HeadTime.Format(time.RFC3339), st.Chain.BaseFee.Decimal(9), st.Chain.Tip.Decimal(9))
	} else {
		line("head", "not known: %s", st.Chain.Error)
	}
	if st.Scan == nil {
		line("scanned", "nothing yet")
	} else {
		line("scanned", "block %d, %d behind; credited to %d, final to %d", st.Scan.Head, st.Chain.Lag, st.Scan.Credited, st.Scan.Final)
	}
	line("addresses", "%s", counts(st.Addresses))
	line("deposits", "%d pending", st.Deposits.Pending)
	if q := st.Quarantine; q != (reconcile.QuarantineStatus{}) {
		line("quarantine", "%s that nobody had registered, %s unproven: airlock quarantine list", plural(q.Tokens, "token", "tokens"), plural(q.Coins, "record of coin", "records of coin"))
	}
	line("withdrawals", "%s", counts(st.Withdrawals))
	line("outgoing", "%s", counts(st.Outgoing))
	line("outbox", "%s", counts(st.Outbox))
	for _, b := range st.Batches {
		line("batch", "%s: %s, %s, %d of %d not mined, expires %s", b.ID, b.Kind, b.Status, b.Open, b.Items, b.ExpiresAt.Format(time.RFC3339))
	}
	t := s.Table(w, "ROLE", "ADDRESS", "BALANCE", "NEEDED", "ASSET")
	for _, f := range st.Funds {
		who := f.Address.Hex()
		if f.Addresses > 1 {
			who += fmt.Sprintf(" and %d more", f.Addresses-1)
		}
		t.Row(f.Role, who, f.Balance.Decimal(f.Decimals), f.Needed.Decimal(f.Decimals), f.Symbol)
	}
	t.Close()
	for _, warning := range st.Warnings {
		fmt.Fprintf(w, "warning: %s\n", cli.Clean(warning.Text))
		if warning.Hint != "" {
			fmt.Fprintf(w, "         %s\n", cli.Clean(warning.Hint))
		}
	}
	if len(st.Warnings) == 0 {
		fmt.Fprintln(w, "nothing to worry about")
	}
}

// counts writes the counts that are not zero, by name.
func counts[K ~string, N int | uint64](m map[K]N) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", m[k], k))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
