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
	"github.com/airlock-wallet/airlock/wallet/rebalance"
	"github.com/airlock-wallet/airlock/wallet/store"
)

type rebalanceFlags struct {
	out, asset    string
	expires       time.Duration
	float, dryRun bool
}

func newRebalance(s *Station) *cobra.Command {
	o := rebalanceFlags{expires: outgoing.Validity}
	c := &cobra.Command{
		Use:   "rebalance -o FILE",
		Short: "Write a batch that fills payout, gas and float addresses, or brings back what is too much",
		Long: `Write a batch that keeps what lies on payout, gas and float addresses between the
marks of ` + configFile + `:

  [[chain.rebalance]]
  role = "payout"   # or gas, float: each of its addresses
  asset = "ETH"     # a symbol or a contract
  low = "5"
  high = "20"

What is below low is filled from the treasury, and what is above high goes back
there, either way to the middle between the two. What is on its way counts. Where
the treasury has not enough for the middle, it sends what there is if that reaches
low. While anything is below low, scan tells the alarm ` + string(wallet.AlarmLow) + `.

The batch is signed by the cold vault, whose policy must allow "rebalance", the role
treasury, and the float's address by its key float. With --float it is one of the
float and brings its surplus back: sign it here. What a discarded batch left is
built again first. With nothing to move, no file is written.`,
		Example: `  airlock rebalance -o /media/usb/rebalance.json
  airlock rebalance --dry-run --asset USDC
  airlock rebalance --float -o back.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runRebalance(c.Context(), s, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "`file` to write; it must not exist")
	f.StringVar(&o.asset, "asset", "", "move only this `asset`: a symbol or a contract")
	f.DurationVar(&o.expires, "expires", o.expires, "how long the batch may be signed")
	f.BoolVar(&o.float, "float", false, "bring back what is too much on the float")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be moved, and write nothing")
	return c
}

func runRebalance(ctx context.Context, s *Station, o rebalanceFlags) error {
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	opts, err := o.parse(ctx, s, chain)
	if err != nil {
		return err
	}
	if !o.dryRun {
		if err := mustNotExist(o.out); err != nil {
			return err
		}
	}
	node, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	r := rebalance.Rebalancer{DB: s.Store(), Chain: node, ChainID: chain.ID, Now: s.Now}
	res, err := r.Rebalance(ctx, opts)
	if err != nil {
		return err
	}
	if res.File != nil {
		if err := writeBatch(o.out, wallet.BatchRecord{ID: res.Batch.ID, File: res.File}); err != nil {
			return err
		}
	}
	row := newRebalanceRow(chain, res, opts)
	return s.Print(row, func(w io.Writer) { row.write(s, w, o.out) })
}

func (o rebalanceFlags) parse(ctx context.Context, s *Station, chain wallet.Chain) (opts rebalance.Options, err error) {
	opts = rebalance.Options{Float: o.float, Validity: o.expires, DryRun: o.dryRun}
	if o.out == "" && !o.dryRun {
		return opts, wallet.As(wallet.ErrUsage, "--output is missing: name the file to write, or take --dry-run")
	}
	if o.expires < time.Minute || o.expires > 30*24*time.Hour {
		return opts, wallet.As(wallet.ErrUsage, "--expires %s: want one minute to 30 days", o.expires)
	}
	cfg, err := s.Config()
	if err != nil {
		return opts, err
	}
	err = s.Store().View(ctx, func(tx store.Tx) error {
		if opts.Marks, err = cfg.marks(tx, chain.ID); err != nil || o.asset == "" {
			return err
		}
		asset, err := store.FindAsset(tx, chain.ID, o.asset)
		opts.Asset = &asset.ID
		return err
	})
	if err == nil && len(opts.Marks) == 0 {
		err = wallet.WithHint(wallet.As(wallet.ErrUsage, "%s says nothing about how much is to lie where on chain %d", configFile, chain.ID),
			"add a [[chain.rebalance]] with role, asset, low and high; airlock rebalance --help shows one")
	}
	return opts, err
}

// marks are those of a chain. Assets are looked up by their names of now.
func (c *Config) marks(tx store.Tx, chain uint64) (list []rebalance.Mark, err error) {
	for i, r := range c.of(chain).Rebalance {
		m, err := r.mark(tx, chain)
		if err == nil {
			err = m.Check()
		}
		if err == nil && slices.ContainsFunc(list, func(o rebalance.Mark) bool { return o.Role == m.Role && o.Asset.ID == m.Asset.ID }) {
			err = fmt.Errorf("%s of %s stands there twice", r.Asset, r.Role)
		}
		if err != nil {
			return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "%s: [[chain.rebalance]] number %d of chain %d: %w", configFile, i+1, chain, err),
				"correct the file; airlock rebalance --help shows an example")
		}
		list = append(list, m)
	}
	return list, nil
}

func (r RebalanceConfig) mark(tx store.Tx, chain uint64) (m rebalance.Mark, err error) {
	if m.Role, err = wallet.ParseRole(r.Role); err != nil {
		return m, err
	}
	if m.Asset, err = store.FindAsset(tx, chain, r.Asset); err != nil {
		return m, err
	}
	if m.Low, err = wallet.ParseDecimal(r.Low, m.Asset.Decimals); err != nil {
		return m, fmt.Errorf("low: %w", err)
	}
	if m.High, err = wallet.ParseDecimal(r.High, m.Asset.Decimals); err != nil {
		return m, fmt.Errorf("high: %w", err)
	}
	return m, nil
}

// rebalanceRow is a planned rebalance as programs read it. After a dry run, and
// when nothing is to be moved, batch and digest are empty.
type rebalanceRow struct {
	batchRow
	DryRun  bool      `json:"dry_run"`
	Moves   []moveRow `json:"moves"`
	Skipped []moveRow `json:"skipped"`
}

// moveRow is what is moved, or stays though its marks say otherwise.
type moveRow struct {
	ChainID  uint64         `json:"chain_id"`
	From     string         `json:"from,omitempty"` // EIP-55, as to
	To       string         `json:"to,omitempty"`
	Address  string         `json:"address,omitempty"` // of what is skipped
	Role     string         `json:"role,omitempty"`    // likewise
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Amount   wallet.Amount  `json:"amount"`
	Decimals uint8          `json:"decimals"`
	Reason   string         `json:"reason,omitempty"`
}

func newRebalanceRow(chain wallet.Chain, res rebalance.Result, o rebalance.Options) rebalanceRow {
	r := rebalanceRow{
		batchRow: batchRow{ChainID: chain.ID, Totals: []totalRow{}, Symbol: chain.Coin.Symbol, Decimals: chain.Coin.Decimals},
		DryRun:   o.DryRun, Moves: []moveRow{}, Skipped: []moveRow{},
	}
	assets := map[wallet.AssetID]wallet.Asset{}
	for _, m := range o.Marks {
		assets[m.Asset.ID] = m.Asset
	}
	if res.Batch != nil {
		r.batchRow = newBatchRow(res.Batch)
		if o.DryRun {
			r.Batch, r.Digest = "", "" // there is no such batch
		}
		for _, a := range res.Batch.Assets {
			assets[a.Asset] = wallet.Asset{ID: a.Asset, Symbol: a.Symbol, Decimals: a.Decimals}
		}
		for i := range res.Batch.Items {
			in := &res.Batch.Items[i].Intent
			a := assets[in.Asset]
			r.Moves = append(r.Moves, moveRow{
				ChainID: chain.ID, From: res.Batch.Items[i].From.Hex(), To: in.Recipient.Hex(),
				Asset: in.Asset, Symbol: a.Symbol, Amount: in.Amount, Decimals: a.Decimals,
			})
		}
	}
	for _, k := range res.Skipped {
		a := assets[k.Asset]
		r.Skipped = append(r.Skipped, moveRow{
			ChainID: chain.ID, Address: k.Address.Hex(), Role: k.Role.String(),
			Asset: k.Asset, Symbol: a.Symbol, Amount: k.Amount, Decimals: a.Decimals, Reason: k.Reason,
		})
	}
	return r
}

func (r rebalanceRow) write(s *Station, w io.Writer, file string) {
	if len(r.Moves) == 0 {
		fmt.Fprintln(w, "nothing to move")
	} else {
		t := s.Table(w, "FROM", "TO", "AMOUNT", "ASSET")
		for _, m := range r.Moves {
			t.Row(m.From, m.To, m.Amount.Decimal(m.Decimals), m.Symbol)
		}
		t.Close()
	}
	switch {
	case len(r.Moves) == 0:
	case r.DryRun:
		fmt.Fprintln(w, "would be moved:")
		r.writeTotals(w)
	default:
		r.batchRow.write(w)
		fmt.Fprintf(w, "written to %s\n", cli.Clean(file))
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintln(w, "\nstays as it is:")
		t := s.Table(w, "ROLE", "ADDRESS", "AMOUNT", "ASSET", "REASON")
		for _, k := range r.Skipped {
			t.Row(k.Role, k.Address, k.Amount.Decimal(k.Decimals), k.Symbol, k.Reason)
		}
		t.Close()
	}
}
