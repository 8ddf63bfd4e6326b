package online

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// runRow is the record of a payout run.
type runRow struct {
	ChainID   uint64         `json:"chain_id"`
	ID        string         `json:"run"`
	Asset     wallet.AssetID `json:"asset"`
	Symbol    string         `json:"symbol"`
	Decimals  uint8          `json:"decimals"`
	Threshold wallet.Amount  `json:"threshold"`
	Approved  bool           `json:"approved"` // at once
	Payments  int            `json:"payments"`
	Total     wallet.Amount  `json:"total"`
	At        time.Time      `json:"at"`
}

func newRunRow(r wallet.PayoutRun, a wallet.Asset) runRow {
	return runRow{a.ID.ChainID, r.ID, a.ID, a.Symbol, a.Decimals, r.Threshold, r.Approved, r.Payments, r.Total, r.At}
}

// assets tells the assets of a chain by id.
func (s *Station) assets(ctx context.Context) (map[wallet.AssetID]wallet.Asset, error) {
	c, err := s.Chain(ctx)
	if err != nil {
		return nil, err
	}
	all := map[wallet.AssetID]wallet.Asset{c.Coin.ID: c.Coin}
	return all, s.Store().View(ctx, func(tx store.Tx) error {
		tokens, err := store.Tokens(tx, c.ID)
		for _, t := range tokens {
			all[t.ID] = t
		}
		return err
	})
}

func newPayoutsList(s *Station) *cobra.Command {
	limit := 100
	c := &cobra.Command{
		Use:     "list",
		Short:   "List payout runs, newest first",
		Example: `  airlock payouts list --limit 10`,
		RunE:    func(c *cobra.Command, _ []string) error { return runPayoutsList(c.Context(), s, limit) },
	}
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` runs; 0 for all")
	return c
}

func runPayoutsList(ctx context.Context, s *Station, limit int) error {
	if limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", limit)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.Runs(ctx, limit)
	if err != nil {
		return err
	}
	assets, err := s.assets(ctx)
	if err != nil {
		return err
	}
	rows := make([]runRow, len(list))
	for i, r := range list {
		rows[i] = newRunRow(r, assets[r.Asset])
	}
	if err := s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "RUN", "TIME", "ASSET", "THRESHOLD", "PAYMENTS", "TOTAL")
		for _, r := range rows {
			t.Row(r.ID, r.At.Format(time.RFC3339), r.Symbol, r.Threshold.Decimal(r.Decimals), r.Payments, r.Total.Decimal(r.Decimals))
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		s.Note("there are more; --limit %d shows as many again, --limit 0 all", 2*limit)
	}
	return nil
}

func newPayoutsShow(s *Station) *cobra.Command {
	status := ""
	c := &cobra.Command{
		Use:   "show RUN",
		Short: "Show what became of a payout run",
		Long: `Show what became of a payout run: how many of its payments are in each status, and
each of them, the largest first.

What a payment set aside comes back when it cannot be made any more, and only then:
withdraw reject takes back one that no batch holds yet; of one that a batch holds,
the chain decides, and airlock confirm and airlock resolve tell.`,
		Example: `  airlock payouts show run-7
  airlock payouts show run-7 --status failed --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runPayoutsShow(c.Context(), s, args[0], wallet.WithdrawalStatus(status))
		},
	}
	c.Flags().StringVar(&status, "status", "", "only payments in this `status`")
	return c
}

// statusSum is how much of a run is in one status.
type statusSum struct {
	Status   wallet.WithdrawalStatus `json:"status"`
	Payments int                     `json:"payments"`
	Total    wallet.Amount           `json:"total"`
}

func runPayoutsShow(ctx context.Context, s *Station, id string, status wallet.WithdrawalStatus) error {
	if status != "" && !slices.Contains(payout.Statuses(), status) {
		return wallet.As(wallet.ErrUsage, "--status %q: want one of %v", status, payout.Statuses())
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	story, err := p.ShowRun(ctx, id, status)
	if err != nil {
		return err
	}
	asset, err := s.asset(ctx, story.Run.Asset.String())
	if err != nil {
		return err
	}
	row := struct {
		runRow
		Statuses []statusSum           `json:"statuses"`
		List     []outgoing.Withdrawal `json:"withdrawals"`
	}{runRow: newRunRow(story.Run, asset), List: story.Payments}
	for _, st := range payout.Statuses() {
		if sum, ok := story.Statuses[st]; ok {
			row.Statuses = append(row.Statuses, statusSum{st, sum.Accounts, sum.Total})
		}
	}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "run %s: %s to %s, %s\n", cli.Clean(row.ID), asset.Format(row.Total), plural(row.Payments, "account", "accounts"), row.At.Format(time.RFC3339))
		for _, st := range row.Statuses {
			fmt.Fprintf(out, "%-10s %d, %s\n", st.Status, st.Payments, asset.Format(st.Total))
		}
		withdrawalTable(s, out, row.List)
	})
}
