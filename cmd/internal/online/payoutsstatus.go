package online

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newPayoutsStatus(s *Station) *cobra.Command {
	var account string
	each := false
	p := page{}
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what accounts have, wait for and were paid, in total or each",
		Long: `Show balance, pending and paid by asset: of all accounts together, of one, or with
--each of each. Pending is set aside for withdrawals that are not settled. The sums
are kept by the ledger, so they cost the same however many accounts there are.`,
		Example: `  airlock payouts status
  airlock payouts status --account miner-17 --json
  airlock payouts status --each --limit 100 --after miner-17`,
		RunE: func(c *cobra.Command, _ []string) error { return runPayoutsStatus(c.Context(), s, account, each, p) },
	}
	c.Flags().StringVar(&account, "account", "", "only this `account`")
	c.Flags().BoolVar(&each, "each", false, "each account")
	p.add(c, "accounts and assets", "only accounts after this `account`")
	return c
}

// purseRow is what an account, or all of them, have of an asset.
type purseRow struct {
	ChainID  uint64         `json:"chain_id"`
	Account  *string        `json:"account"` // null for all together
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Balance  wallet.Amount  `json:"balance"` // available
	Pending  wallet.Amount  `json:"pending"`
	Paid     wallet.Amount  `json:"paid"`
	Frozen   string         `json:"frozen,omitzero"`
}

func runPayoutsStatus(ctx context.Context, s *Station, account string, each bool, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	total := !each && account == ""
	var list []payout.Purse
	more := false
	if total {
		list, err = p.Totals(ctx)
	} else {
		list, more, err = p.Purses(ctx, account, pg.after, pg.limit)
	}
	if err != nil {
		return err
	}
	rows := make([]purseRow, len(list))
	for i, b := range list {
		rows[i] = purseRow{
			p.Chain, nil, b.Asset.ID, b.Asset.Symbol, b.Asset.Decimals,
			b.Balance[wallet.Available], b.Balance[wallet.Pending], b.Balance[wallet.Paid], b.Frozen,
		}
		if !total {
			rows[i].Account = &list[i].Account
		}
	}
	if err := s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "ACCOUNT", "ASSET", "BALANCE", "PENDING", "PAID", "FROZEN")
		for _, r := range rows {
			who := "(all)"
			if r.Account != nil {
				who = *r.Account
			}
			t.Row(who, r.Symbol, r.Balance.Decimal(r.Decimals), r.Pending.Decimal(r.Decimals), r.Paid.Decimal(r.Decimals), r.Frozen)
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
