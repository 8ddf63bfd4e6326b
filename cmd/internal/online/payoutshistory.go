package online

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func newPayoutsHistory(s *Station) *cobra.Command {
	var account string
	p := page{}
	c := &cobra.Command{
		Use:   "history --account ACCOUNT",
		Short: "Show what an account was paid, and by which transactions",
		Long: `Show the withdrawals of an account, newest request first, with their transactions:
those of payout runs, which have the run as their order, and those that were
requested one by one.`,
		Example: `  airlock payouts history --account miner-17
  airlock payouts history --account miner-17 --limit 100 --after w-1`,
		RunE: func(c *cobra.Command, _ []string) error { return runPayoutsHistory(c.Context(), s, account, p) },
	}
	c.Flags().StringVar(&account, "account", "", "the `account`")
	p.add(c, "withdrawals", "only those before the withdrawal with this `id`")
	_ = c.MarkFlagRequired("account") // the flag was defined above
	return c
}

func runPayoutsHistory(ctx context.Context, s *Station, account string, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.History(ctx, account, pg.after, pg.limit)
	if err != nil {
		return err
	}
	if err := s.Print(list, func(out io.Writer) {
		t := s.Table(out, "TIME", "ID", "RUN", "STATUS", "AMOUNT", "ASSET", "TO", "TRANSACTION", "REASON")
		for _, w := range list {
			t.Row(w.RequestedAt.Format(time.RFC3339), w.ID, w.Order, w.Status, w.Amount.Decimal(w.Decimals), w.Symbol, w.To, orEmpty(w.TxHash), w.Reason)
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		noteMore(s, more, list[len(list)-1].ID)
	}
	return nil
}
