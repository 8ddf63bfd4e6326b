package online

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
)

func newReconcile(s *Station) *cobra.Command {
	var address string
	var all bool
	c := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the ledger with the chain, to the wei",
		Long: `Compare what the ledger says with what lies on every address of every role, of
the coin and of every registered token, at the last block that scan knows to be
final. The books are also compared with themselves: what all owners have is what
lies on all addresses.

People see the rows that differ; programs (--json) also those that agree and
hold something, as --all does. Exit code 6 says that something differs.`,
		Example: `  airlock scan && airlock confirm && airlock reconcile
  airlock reconcile --address 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --all`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runReconcile(c.Context(), s, address, all) },
	}
	c.Flags().StringVar(&address, "address", "", "only this `address`")
	c.Flags().BoolVar(&all, "all", false, "show also what agrees")
	return c
}

// reconcileRow is one asset on one address as programs read it. A row whose
// role is books stands for no address: its ledger is what all owners have, its
// chain what the ledger has on all addresses.
type reconcileRow struct {
	ChainID    uint64         `json:"chain_id"`
	Address    string         `json:"address"`
	Role       string         `json:"role"`
	Asset      wallet.AssetID `json:"asset"`
	Symbol     string         `json:"symbol"`
	Decimals   uint8          `json:"decimals"`
	Ledger     wallet.Amount  `json:"ledger"`
	Chain      wallet.Amount  `json:"chain"`
	Difference wallet.Amount  `json:"difference"` // chain − ledger
	Block      uint64         `json:"block"`
	Note       string         `json:"note,omitzero"`
}

func runReconcile(ctx context.Context, s *Station, address string, all bool) error {
	var o reconcile.Options
	if address != "" {
		a, err := wallet.ParseAddress(address)
		if err != nil {
			return wallet.As(wallet.ErrUsage, "--address: %w", err)
		}
		o.Address = &a
	}
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	node, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	checker := reconcile.Checker{DB: s.Store(), Chain: node, ChainID: chain.ID}
	var res reconcile.Result
	var failed error // in its own words, not the printer's
	run := rowStream(func(each func(reconcileRow) error) error {
		res, failed = s.reconcile(ctx, checker, o, each)
		return failed
	})
	err = s.Print(run, func(w io.Writer) { writeReconcile(s, w, run, &res, all) })
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	noteUncompared(s, res)
	return res.Err()
}

// rowStream hands out rows as they are found: a home may have millions.
type rowStream func(each func(reconcileRow) error) error

// MarshalJSONTo writes a list of the rows.
func (run rowStream) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	if err := run(func(r reconcileRow) error { return json.MarshalEncode(enc, r) }); err != nil {
		return err
	}
	return enc.WriteToken(jsontext.EndArray)
}

// reconcile compares, and hands out the rows of addresses and then those of the
// books.
func (s *Station) reconcile(ctx context.Context, c reconcile.Checker, o reconcile.Options, each func(reconcileRow) error) (reconcile.Result, error) {
	o.Each = func(r reconcile.Row) error {
		return each(reconcileRow{
			c.ChainID, r.Address.Hex(), r.Role.String(), r.Asset.ID, r.Asset.Symbol, r.Asset.Decimals,
			r.Ledger, r.Chain, r.Difference, r.Block, r.Note,
		})
	}
	var progress *cli.Progress
	o.Progress = func(done, total uint64) {
		if progress == nil {
			progress = s.Progress("addresses", total)
		}
		progress.Set(done)
	}
	res, err := c.Run(ctx, o)
	if progress != nil {
		progress.End()
	}
	if err != nil {
		return res, err
	}
	for _, r := range bookRows(c.ChainID, res) {
		if err := each(r); err != nil {
			return res, err
		}
	}
	return res, nil
}

func bookRows(chain uint64, res reconcile.Result) (rows []reconcileRow) {
	assets := map[wallet.AssetID]wallet.Asset{}
	for _, t := range res.Totals {
		assets[t.Asset.ID] = t.Asset
	}
	for _, b := range res.Books {
		a := assets[b.Asset]
		rows = append(rows, reconcileRow{
			ChainID: chain, Address: common.Address{}.Hex(), Role: "books", Asset: b.Asset, Symbol: a.Symbol, Decimals: a.Decimals,
			Ledger: b.Owners, Chain: b.Locations, Difference: b.Locations.Sub(b.Owners),
			Block: res.Block, Note: "what all owners have, beside what the ledger has on all addresses",
		})
	}
	return rows
}

// noteUncompared says what the comparison does not cover.
func noteUncompared(s *Station, res reconcile.Result) {
	if res.Unopened > 0 {
		s.Note("%d balances were not compared: what lay there at first was not read by block %d; airlock scan reads it", res.Unopened, res.Block)
	}
	for _, u := range res.Unread {
		s.Note("%s (%s) could not be asked at block %d: %s", u.Asset.Symbol, u.Asset.ID, res.Block, u.Reason)
	}
}

func writeReconcile(s *Station, w io.Writer, run rowStream, res *reconcile.Result, all bool) {
	var t *cli.Table
	err := run(func(r reconcileRow) error {
		if !all && r.Difference.IsZero() && r.Note == "" {
			return nil
		}
		if t == nil {
			t = s.Table(w, "ADDRESS", "ROLE", "ASSET", "LEDGER", "CHAIN", "DIFFERENCE", "NOTE")
		}
		t.Row(r.Address, r.Role, r.Symbol, r.Ledger.Decimal(r.Decimals), r.Chain.Decimal(r.Decimals), r.Difference.Decimal(r.Decimals), r.Note)
		return nil
	})
	if t != nil {
		t.Close()
		fmt.Fprintln(w)
	}
	if err != nil {
		return // what was compared until then says nothing about the rest
	}
	for _, total := range res.Totals {
		if total.Ledger.IsZero() && total.Chain.IsZero() {
			continue
		}
		fmt.Fprintf(w, "%s: ledger %s, chain %s, difference %s\n", cli.Clean(total.Asset.Symbol),
			total.Ledger.Decimal(total.Asset.Decimals), total.Chain.Decimal(total.Asset.Decimals),
			total.Chain.Sub(total.Ledger).Decimal(total.Asset.Decimals))
	}
	fmt.Fprintf(w, "%s on %s compared at block %d, %d differ\n", plural(int(res.Compared), "balance", "balances"), plural(int(res.Addresses), "address", "addresses"), res.Block, res.Differing)
}
