package online

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
)

func newDeposits(s *Station) *cobra.Command {
	return cli.Group("deposits", "Look at what arrived", newDepositsList(s))
}

func newDepositsList(s *Station) *cobra.Command {
	f := scanner.Filter{Limit: 100}
	status := ""
	c := &cobra.Command{
		Use:   "list",
		Short: "List deposits, newest first",
		Long: `List deposits of the chain, newest first. A deposit is pending until its block is
final enough, then confirmed and in the ledger; orphaned if its block left the
chain. What was found in a block that nobody can prove is said to be unproven: the
chain's setting allows it. The list ends after --limit rows and says so.`,
		Example: `  airlock deposits list
  airlock deposits list --status pending --account alice --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Status = wallet.DepositStatus(status); !f.Valid() {
				return wallet.As(wallet.ErrUsage, "--status %q: want pending, confirmed or orphaned", status)
			}
			if f.Limit < 0 {
				return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", f.Limit)
			}
			return runDepositsList(c.Context(), s, f)
		},
	}
	c.Flags().StringVar(&status, "status", "", "only deposits of a `status`: pending, confirmed or orphaned")
	c.Flags().StringVar(&f.Account, "account", "", "only deposits of an `account`")
	c.Flags().IntVar(&f.Limit, "limit", f.Limit, "at most `N` rows; 0 for all")
	return c
}

// statusOf is a deposit's status for people.
func statusOf(r scanner.DepositRow) string {
	if r.Unproven {
		return string(r.Status) + ", unproven"
	}
	return string(r.Status)
}

func runDepositsList(ctx context.Context, s *Station, f scanner.Filter) error {
	c, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	rows, more, err := scanner.List(ctx, s.Store(), c.ID, f)
	if err != nil {
		return err
	}
	if err := s.Print(rows, func(w io.Writer) {
		t := s.Table(w, "BLOCK", "STATUS", "ACCOUNT", "AMOUNT", "ASSET", "KIND", "ADDRESS", "TRANSACTION")
		for _, r := range rows {
			t.Row(r.BlockNumber, statusOf(r), ownerName(r.Account), r.Amount.Decimal(r.Decimals), r.Symbol, r.Kind, r.Address, r.TxHash)
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		s.Note("there are more: --limit shows them")
	}
	return nil
}
