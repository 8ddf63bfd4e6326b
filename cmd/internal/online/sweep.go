package online

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/sweep"
)

type sweepFlags struct {
	feeFlags
	out     string
	asset   string
	min     string
	max     int
	expires time.Duration
	dryRun  bool
}

func newSweep(s *Station) *cobra.Command {
	o := sweepFlags{max: sweep.DefaultMax, expires: outgoing.Validity}
	c := &cobra.Command{
		Use:   "sweep -o FILE",
		Short: "Write a batch that brings deposits to the treasury",
		Long: fmt.Sprintf(`Write a batch that brings what lies on deposit addresses to the treasury.

Only what is confirmed is swept: the least of what the ledger says, what the
chain proves at the final block and what lies there now. Each is signed at --rungs
rising fees, as in build-withdrawals. Of the coin, what gas may cost at the highest
fee stays behind, and what is left of it is booked as dust: a low --budget leaves
less. Where an address has not enough coin for the gas of its tokens, the gas
address sends exactly the difference first; sweep and top-up are signed in one
trip, and the sweep is sent once its top-up is mined.

Without --min, coin is swept where it brings at least %d times what its sweep may
cost, and tokens whatever their amount. What a discarded batch left is built
again first, each at its own nonce. What stays is listed with the reason. With
nothing to sweep, no file is written.`, sweep.WorthFactor),
		Example: `  airlock sweep -o /media/usb/sweep.json
  airlock sweep --dry-run
  airlock sweep -o sweep.json --asset USDT --min 100 --rungs 5 --budget 4x`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runSweep(c.Context(), s, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "`file` to write; it must not exist")
	f.StringVar(&o.asset, "asset", "", "sweep only this `asset`: a symbol or a contract")
	f.StringVar(&o.min, "min", "", "leave less than this `amount` where it lies: of --asset, else of the coin")
	o.add(c, sweep.DefaultRungs, sweep.DefaultBudget)
	f.IntVar(&o.max, "max", o.max, "at most `N` transactions, top-ups included")
	f.DurationVar(&o.expires, "expires", o.expires, "how long the batch may be signed")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be swept, and write nothing")
	return c
}

func runSweep(ctx context.Context, s *Station, o sweepFlags) error {
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
	progress := s.Progress("addresses", 0)
	opts.Progress = progress.Set
	sweeper := sweep.Sweeper{DB: s.Store(), Chain: node, ChainID: chain.ID, Now: s.Now}
	res, err := sweeper.Sweep(ctx, opts)
	progress.End()
	if err != nil {
		return err
	}
	if res.File != nil {
		if err := writeBatch(o.out, wallet.BatchRecord{ID: res.Batch.ID, File: res.File}); err != nil {
			return err
		}
	}
	row := newSweepRow(chain, res, o.dryRun)
	if err := s.noteWaiting(ctx, chain.ID, batch.Sweep, row.Batch); err != nil {
		return err
	}
	return s.Print(row, func(w io.Writer) { row.write(s, w, o.out) })
}

func (o sweepFlags) parse(ctx context.Context, s *Station, chain wallet.Chain) (opts sweep.Options, err error) {
	opts = sweep.Options{Max: o.max, Validity: o.expires, DryRun: o.dryRun}
	if o.out == "" && !o.dryRun {
		return opts, wallet.As(wallet.ErrUsage, "--output is missing: name the file to write, or take --dry-run")
	}
	if o.max < 1 {
		return opts, wallet.As(wallet.ErrUsage, "--max %d: want 1 or more", o.max)
	}
	if o.expires < time.Minute || o.expires > 30*24*time.Hour {
		return opts, wallet.As(wallet.ErrUsage, "--expires %s: want one minute to 30 days", o.expires)
	}
	if opts.Rungs, opts.Budget, err = o.feeFlags.parse(); err != nil {
		return opts, err
	}
	asset := chain.Coin
	if o.asset != "" {
		if err := s.Store().View(ctx, func(tx store.Tx) error {
			asset, err = store.FindAsset(tx, chain.ID, o.asset)
			return err
		}); err != nil {
			return opts, err
		}
		opts.Asset = &asset.ID
	}
	if o.min != "" {
		least, err := wallet.ParseDecimal(o.min, asset.Decimals)
		if err != nil {
			return opts, wallet.As(wallet.ErrUsage, "--min: %w", err)
		}
		opts.Min = &least
	}
	return opts, nil
}

// sweepRow is a planned sweep as programs read it. After a dry run, and when
// there is nothing to sweep, batch and digest are empty.
type sweepRow struct {
	batchRow
	DryRun      bool         `json:"dry_run"`
	Skipped     []skippedRow `json:"skipped"`
	SkippedMore int          `json:"skipped_more"` // beyond the list
	More        bool         `json:"more"`         // the batch was full before all was looked at
}

// skippedRow is something that stays on its address, and why.
type skippedRow struct {
	ChainID  uint64         `json:"chain_id"`
	Address  common.Address `json:"address"`
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Amount   wallet.Amount  `json:"amount"` // by the ledger
	Decimals uint8          `json:"decimals"`
	Reason   string         `json:"reason"`
}

func newSweepRow(chain wallet.Chain, res sweep.Result, dryRun bool) sweepRow {
	r := sweepRow{
		batchRow: batchRow{ChainID: chain.ID, Totals: []totalRow{}, Symbol: chain.Coin.Symbol, Decimals: chain.Coin.Decimals},
		DryRun:   dryRun, Skipped: []skippedRow{}, SkippedMore: res.SkippedMore, More: res.More,
	}
	if res.Batch != nil {
		r.batchRow = newBatchRow(res.Batch)
		if dryRun {
			r.Batch, r.Digest = "", "" // there is no such batch
		}
	}
	for _, k := range res.Skipped {
		a := res.Assets[k.Asset]
		r.Skipped = append(r.Skipped, skippedRow{chain.ID, k.Address, k.Asset, a.Symbol, k.Amount, a.Decimals, k.Reason})
	}
	return r
}

func (r sweepRow) write(s *Station, w io.Writer, file string) {
	switch {
	case r.Items == 0:
		fmt.Fprintln(w, "nothing to sweep")
	case r.DryRun:
		fmt.Fprintf(w, "%s would be written:\n", plural(r.Items, "transaction", "transactions"))
		r.writeTotals(w)
	default:
		r.batchRow.write(w)
		fmt.Fprintf(w, "written to %s\n", cli.Clean(file))
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintln(w, "\nstays where it lies:")
		t := s.Table(w, "ADDRESS", "AMOUNT", "ASSET", "REASON")
		for _, k := range r.Skipped {
			t.Row(k.Address, k.Amount.Decimal(k.Decimals), k.Symbol, k.Reason)
		}
		t.Close()
	}
	if r.SkippedMore > 0 {
		fmt.Fprintf(w, "and %d more\n", r.SkippedMore)
	}
	if r.More {
		s.Note("the batch is full: run sweep again for the rest")
	}
}
