package online

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newPayoutsAddress(s *Station) *cobra.Command {
	return cli.Group("address", "Say where accounts are paid",
		newPayoutsAddressSet(s), newPayoutsAddressList(s), newPayoutsAddressRemove(s), newPayoutsAddressImport(s))
}

// payeeRow is a payout address as programs read it.
type payeeRow struct {
	ChainID uint64          `json:"chain_id"`
	Account string          `json:"account"`
	Asset   *wallet.AssetID `json:"asset"`  // null for every asset without an address of its own
	Symbol  *string         `json:"symbol"` // null likewise
	Address string          `json:"address"`
	SetAt   time.Time       `json:"set_at"`
}

func (s *Station) payeeRows(ctx context.Context, list []wallet.PayoutAddress) ([]payeeRow, error) {
	assets, err := s.assets(ctx)
	rows := make([]payeeRow, len(list))
	for i, a := range list {
		rows[i] = payeeRow{a.ChainID, a.Account, a.Asset, nil, a.To.Hex(), a.SetAt}
		if a.Asset != nil {
			symbol := assets[*a.Asset].Symbol
			rows[i].Symbol = &symbol
		}
	}
	return rows, err
}

func payeeTable(s *Station, out io.Writer, rows []payeeRow) {
	t := s.Table(out, "ACCOUNT", "ASSET", "ADDRESS", "SET")
	for _, r := range rows {
		asset := "(every)"
		if r.Symbol != nil {
			asset = *r.Symbol
		}
		t.Row(r.Account, asset, r.Address, r.SetAt.Format(time.RFC3339))
	}
	t.Close()
}

// someAsset is the asset that a flag names, or nil.
func (s *Station) someAsset(ctx context.Context, name string) (*wallet.AssetID, error) {
	if name == "" {
		return nil, nil
	}
	a, err := s.asset(ctx, name)
	return &a.ID, err
}

func newPayoutsAddressSet(s *Station) *cobra.Command {
	asset := ""
	c := &cobra.Command{
		Use:   "set ACCOUNT ADDRESS",
		Short: "Say where an account is paid",
		Long: `Say where payout runs pay an account: every asset, or with --asset just that one.
It must not be the zero address, a token contract or an address of this home.
Withdrawals that were requested before keep their recipient. Setting an address,
also the same again, lets the next run try again what did not end well there.`,
		Example: `  airlock payouts address set miner-17 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed
  airlock payouts address set miner-17 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --asset USDC`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return runPayoutsAddressSet(c.Context(), s, args[0], args[1], asset)
		},
	}
	c.Flags().StringVar(&asset, "asset", "", "just this asset, by `symbol` or contract")
	return c
}

func runPayoutsAddressSet(ctx context.Context, s *Station, account, address, asset string) error {
	to, err := wallet.ParseAddress(address)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	id, err := s.someAsset(ctx, asset)
	if err != nil {
		return err
	}
	a, err := p.SetPayoutAddress(ctx, account, id, to)
	if err != nil {
		return err
	}
	rows, err := s.payeeRows(ctx, []wallet.PayoutAddress{a})
	if err != nil {
		return err
	}
	return s.Print(rows[0], func(out io.Writer) { payeeTable(s, out, rows) })
}

func newPayoutsAddressList(s *Station) *cobra.Command {
	account := ""
	p := page{}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List where accounts are paid",
		Example: `  airlock payouts address list --account miner-17`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runPayoutsAddressList(c.Context(), s, account, p)
		},
	}
	c.Flags().StringVar(&account, "account", "", "only this `account`")
	p.add(c, "addresses", "only accounts after this `account`")
	return c
}

func runPayoutsAddressList(ctx context.Context, s *Station, account string, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.PayoutAddresses(ctx, account, pg.after, pg.limit)
	if err != nil {
		return err
	}
	rows, err := s.payeeRows(ctx, list)
	if err != nil {
		return err
	}
	if err := s.Print(rows, func(out io.Writer) { payeeTable(s, out, rows) }); err != nil {
		return err
	}
	if more {
		noteMore(s, more, list[len(list)-1].Account)
	}
	return nil
}

func newPayoutsAddressRemove(s *Station) *cobra.Command {
	asset := ""
	c := &cobra.Command{
		Use:   "remove ACCOUNT",
		Short: "Take back where an account is paid",
		Long: `Take back where an account is paid every asset, or with --asset just that one. What
was requested before stays as it is.`,
		Example: `  airlock payouts address remove miner-17 --asset USDC`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runPayoutsAddressRemove(c.Context(), s, args[0], asset)
		},
	}
	c.Flags().StringVar(&asset, "asset", "", "just what was set for this asset, by `symbol` or contract")
	return c
}

func runPayoutsAddressRemove(ctx context.Context, s *Station, account, asset string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	id, err := s.someAsset(ctx, asset)
	if err != nil {
		return err
	}
	if err := p.RemovePayoutAddress(ctx, account, id); err != nil {
		return err
	}
	row := struct {
		ChainID uint64          `json:"chain_id"`
		Account string          `json:"account"`
		Asset   *wallet.AssetID `json:"asset"`
		Removed bool            `json:"removed"`
	}{p.Chain, account, id, true}
	return s.Print(row, func(out io.Writer) { fmt.Fprintf(out, "removed the payout address of %s\n", cli.Clean(account)) })
}

func newPayoutsAddressImport(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Say where the accounts of a CSV file are paid",
		Long: `Say where the accounts of a CSV file are paid: all of its rows, or none. Its first
line names the columns account, address and perhaps asset, in any order; asset may
be empty. An error names the line, the column and the value. Importing the same
file again changes nothing.`,
		Example: `  airlock payouts address import miners.csv`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runPayoutsAddressImport(c.Context(), s, args[0]) },
	}
}

func runPayoutsAddressImport(ctx context.Context, s *Station, path string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	defer f.Close()
	done := s.Busy("payout addresses")
	sum, err := p.ImportPayoutAddresses(ctx, filepath.Base(path), f)
	done()
	if err != nil {
		return err
	}
	row := struct {
		ChainID uint64 `json:"chain_id"`
		payout.Imported
	}{p.Chain, sum}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "%s: %d set, %d known before\n", plural(sum.Rows, "row", "rows"), sum.New, sum.Known)
	})
}
