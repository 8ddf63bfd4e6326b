package online

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
)

func newAddress(s *Station) *cobra.Command {
	return cli.Group("address", "Make, import and list addresses", newAddressNew(s), newAddressImport(s), newAddressList(s))
}

// addressRow is an address as programs read it. It has no chain: the key is
// ours on all chains of the home.
type addressRow struct {
	Account string         `json:"account"`
	Address common.Address `json:"address"`
	Path    wallet.Path    `json:"path"`
	Role    wallet.Role    `json:"role"`
}

func addressRows(list []wallet.Address) []addressRow {
	rows := make([]addressRow, len(list))
	for i, a := range list {
		rows[i] = addressRow{a.Account, a.Address, a.Path, a.Role}
	}
	return rows
}

func printAddresses(s *Station, w io.Writer, rows []addressRow) {
	t := s.Table(w, "ADDRESS", "ROLE", "ACCOUNT", "PATH")
	for _, r := range rows {
		t.Row(r.Address, r.Role, r.Account, r.Path)
	}
	t.Close()
}

func newAddressNew(s *Station) *cobra.Command {
	count, role := 1, ""
	c := &cobra.Command{
		Use:   "new ACCOUNT",
		Short: "Make deposit addresses for an account, or payout addresses",
		Long: `Make deposit addresses for an account, from the vault's extended public key
alone. An account may have any number; what arrives at any of them is its own.

Many are made in several steps. When the command is interrupted, those made so
far are printed and stay; address list shows them.

With --role payout and no account it makes further payout addresses, from which
build-withdrawals --senders pays side by side. They pay once they are funded and
scanned.`,
		Example: `  airlock address new alice
  airlock address new spare --count 100000 --json > addresses.json
  airlock address new --role payout --count 3`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case role == wallet.PayoutRole.String() && len(args) == 0:
				return runAddressNewPayout(c.Context(), s, count)
			case role != "" && role != wallet.DepositRole.String() && role != wallet.PayoutRole.String():
				return wallet.As(wallet.ErrUsage, "--role %q: want deposit or payout", role)
			case role == wallet.PayoutRole.String():
				return wallet.As(wallet.ErrUsage, "account %q: payout addresses are the house's: leave the account out", args[0])
			case len(args) == 0:
				return wallet.As(wallet.ErrUsage, "name the account whose deposits they receive, or take --role payout")
			}
			return runAddressNew(c.Context(), s, args[0], count)
		},
	}
	c.Flags().IntVarP(&count, "count", "n", count, "make this `number` of them")
	c.Flags().StringVar(&role, "role", "", "make addresses of a `role`: deposit (default) or payout")
	return c
}

func runAddressNewPayout(ctx context.Context, s *Station, count int) error {
	made, err := s.Book().NewPayoutAddresses(ctx, count)
	if err != nil {
		return err
	}
	rows := addressRows(made)
	return s.Print(rows, func(w io.Writer) { printAddresses(s, w, rows) })
}

func runAddressNew(ctx context.Context, s *Station, account string, count int) error {
	p := s.Progress("addresses made", uint64(max(count, 0)))
	made, err := s.Book().NewAddresses(ctx, account, count, func(n int) { p.Add(uint64(n)) })
	p.End()
	if err != nil && len(made) == 0 {
		return err
	}
	rows := addressRows(made)
	return errors.Join(err, s.Print(rows, func(w io.Writer) { printAddresses(s, w, rows) }))
}

func newAddressList(s *Station) *cobra.Command {
	var (
		f     = book.AddressFilter{Limit: 1000}
		role  string
		after int64
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List addresses",
		Long: `List addresses: payout, gas, treasury, float, deposit, then external ones, whose
keys were imported, each by index.
The list ends after --limit rows and says so; --after goes on from an index.`,
		Example: `  airlock address list --account alice
  airlock address list --role deposit --after 999 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := parseAddressFilter(&f, role, after); err != nil {
				return err
			}
			return runAddressList(c.Context(), s, f)
		},
	}
	c.Flags().StringVar(&role, "role", "", "only addresses of a `role`: deposit, payout, gas, treasury, float or external")
	c.Flags().StringVar(&f.Account, "account", "", "only addresses of an `account`")
	c.Flags().IntVar(&f.Limit, "limit", f.Limit, "at most `N` rows; 0 for all")
	c.Flags().Int64Var(&after, "after", -1, "only addresses with a higher `index`; wants --role or --account")
	return c
}

func parseAddressFilter(f *book.AddressFilter, role string, after int64) error {
	if role != "" {
		r, err := wallet.ParseRole(role)
		if err != nil {
			return wallet.As(wallet.ErrUsage, "%w", err)
		}
		f.Role = &r
	}
	if f.Limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", f.Limit)
	}
	switch {
	case after < -1 || after >= wallet.MaxIndex:
		return wallet.As(wallet.ErrUsage, "--after %d: want an index from 0 to %d", after, wallet.MaxIndex-1)
	case after >= 0 && f.Role == nil && f.Account == "":
		return wallet.As(wallet.ErrUsage, "--after: indices are of one role, so --role or --account must be given too")
	}
	f.From = uint32(after + 1)
	return nil
}

func runAddressList(ctx context.Context, s *Station, f book.AddressFilter) error {
	list, more, err := s.Book().Addresses(ctx, f)
	if err != nil {
		return err
	}
	rows := addressRows(list)
	if err := s.Print(rows, func(w io.Writer) { printAddresses(s, w, rows) }); err != nil {
		return err
	}
	if more {
		last := list[len(list)-1].Path
		s.Note("there are more; --role %s --after %d goes on, --limit 0 lists all", last.Role, last.Index)
	}
	return nil
}

func isNoWatch(err error) bool { return errors.Is(err, book.ErrNoWatch) }

// plural writes a count with its word.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
