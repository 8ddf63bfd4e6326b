package online

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
)

func newPayoutsDue(s *Station) *cobra.Command {
	var assetName, threshold, account string
	p := page{}
	c := &cobra.Command{
		Use:   "due --asset SYMBOL --threshold DECIMAL",
		Short: "Tell of each account whether the next run would pay it, or why not",
		Long: `Tell of each account to which something is available whether the next run with
this threshold would pay it, or why not: the account with most first. Gates and
funds are not looked at; payouts build --dry-run does.`,
		Example: `  airlock payouts due --asset ETH --threshold 0.5
  airlock payouts due --asset ETH --threshold 0.5 --account miner-17 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runPayoutsDue(c.Context(), s, assetName, threshold, account, p)
		},
	}
	c.Flags().StringVar(&assetName, "asset", "", "`symbol` or contract of the asset")
	c.Flags().StringVar(&threshold, "threshold", "", "of the run, a `decimal` such as 0.5")
	c.Flags().StringVar(&account, "account", "", "only this `account`")
	p.add(c, "accounts", "only those after this `account`")
	for _, name := range []string{"asset", "threshold"} {
		_ = c.MarkFlagRequired(name) // the flag was defined above
	}
	return c
}

// dueRow is an account as the next run would find it.
type dueRow struct {
	ChainID  uint64         `json:"chain_id"`
	Account  string         `json:"account"`
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Amount   wallet.Amount  `json:"amount"` // available
	To       *string        `json:"to"`     // null without a payout address
	Due      bool           `json:"due"`
	Code     string         `json:"code"`
	Reason   string         `json:"reason"`
}

func runPayoutsDue(ctx context.Context, s *Station, assetName, decimal, account string, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	asset, threshold, err := s.amount(ctx, assetName, decimal)
	if err != nil {
		return fmt.Errorf("--threshold: %w", err)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.Due(ctx, asset.ID, threshold, account, pg.after, pg.limit)
	if err != nil {
		return err
	}
	rows := make([]dueRow, len(list))
	for i, d := range list {
		rows[i] = dueRow{asset.ID.ChainID, d.Account, asset.ID, asset.Symbol, asset.Decimals, d.Amount, nil, d.Code == "", d.Code, d.Reason}
		if d.To != nil {
			to := d.To.Hex()
			rows[i].To = &to
		}
	}
	if err := s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "ACCOUNT", "AMOUNT", "ASSET", "TO", "DUE", "REASON")
		for _, r := range rows {
			t.Row(r.Account, r.Amount.Decimal(r.Decimals), r.Symbol, orEmpty(r.To), yes(r.Due), r.Reason)
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		noteMore(s, more, list[len(list)-1].Account)
	}
	return nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
