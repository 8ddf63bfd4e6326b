package online

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

func newBatch(s *Station) *cobra.Command {
	return cli.Group("batch", "See the batches of this home, or give one up",
		newBatchList(s), newBatchShow(s), newBatchDiscard(s))
}

// recordRow is a batch record as programs read it.
type recordRow struct {
	Batch     string             `json:"batch"`
	ChainID   uint64             `json:"chain_id"`
	Kind      string             `json:"kind"`
	Status    wallet.BatchStatus `json:"status"`
	Digest    string             `json:"digest"`
	Items     int                `json:"items"`
	CreatedAt time.Time          `json:"created_at"`
	ExpiresAt time.Time          `json:"expires_at"`
}

func newRecordRow(b wallet.BatchRecord) recordRow {
	return recordRow{b.ID, b.ChainID, b.Kind, b.Status, b.Digest, b.Items, b.CreatedAt, b.ExpiresAt}
}

func newBatchList(s *Station) *cobra.Command {
	limit := 100
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the batches, newest first",
		Example: `  airlock batch list`,
		RunE:    func(c *cobra.Command, _ []string) error { return runBatchList(c.Context(), s, limit) },
	}
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` batches; 0 for all")
	return c
}

func runBatchList(ctx context.Context, s *Station, limit int) error {
	if limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", limit)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, err := p.Batches(ctx, limit)
	if err != nil {
		return err
	}
	rows := make([]recordRow, len(list))
	for i, b := range list {
		rows[i] = newRecordRow(b)
	}
	return s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "BATCH", "KIND", "STATUS", "ITEMS", "CREATED", "EXPIRES")
		for _, r := range rows {
			t.Row(r.Batch, r.Kind, r.Status, r.Items, r.CreatedAt.Format(time.RFC3339), r.ExpiresAt.Format(time.RFC3339))
		}
		t.Close()
	})
}

func newBatchShow(s *Station) *cobra.Command {
	path := ""
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a batch, or write its file again",
		Long: `Show a batch and what became of its transactions so far. With -o its file is written again, exactly as it was built: what
was lost on the way to the signing station is not lost.`,
		Example: `  airlock batch show 5f1c0a… -o /media/usb/batch.json`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runBatchShow(c.Context(), s, args[0], path) },
	}
	c.Flags().StringVarP(&path, "output", "o", "", "`file` to write; it must not exist")
	return c
}

func runBatchShow(ctx context.Context, s *Station, id, path string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	rec, err := p.Batch(ctx, id)
	if err != nil {
		return err
	}
	b, err := batch.Parse(rec.File)
	if err != nil {
		return fmt.Errorf("batch %s in the store: %w", id, err)
	}
	if path != "" {
		if err := secretfile.Create(path, rec.File); err != nil {
			return err
		}
	}
	outcome, err := p.Outcome(ctx, rec)
	if err != nil {
		return err
	}
	row := struct {
		batchRow
		Kind      string             `json:"kind"`
		Status    wallet.BatchStatus `json:"status"`
		CreatedAt time.Time          `json:"created_at"`
		payout.Outcome
	}{newBatchRow(b), rec.Kind, rec.Status, rec.CreatedAt, outcome}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "%s batch of %s, built %s\n", row.Status, row.Kind, row.CreatedAt.Format(time.RFC3339))
		row.write(out)
		fmt.Fprintf(out, "state   %s\n", counts(row.States))
		for _, t := range row.Troubles {
			fmt.Fprintf(out, "nonce %d of %s (%s %s): %s\n", t.Nonce, t.From, t.Kind, cli.Clean(t.ID), cli.Clean(t.Text))
		}
		if path != "" {
			fmt.Fprintf(out, "written to %s\n", cli.Clean(path))
		}
	})
}

func newBatchDiscard(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "discard ID",
		Short: "Give up a batch, so that its payments can be built again",
		Long: `Give up a batch. Its payments can be built again, each at the nonce that it has:
a signed copy of the batch may exist anywhere, and of two transactions with one
nonce only one is ever mined. What a node has accepted already goes on.`,
		Example: `  airlock batch discard 5f1c0a…`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runBatchDiscard(c.Context(), s, args[0]) },
	}
}

func runBatchDiscard(ctx context.Context, s *Station, id string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	d, err := p.Discard(ctx, id)
	if err != nil {
		return err
	}
	row := struct {
		recordRow
		Discarded int `json:"discarded"`
		Kept      int `json:"kept"`
	}{newRecordRow(d.Batch), d.Discarded, d.Kept}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "batch %s is discarded: %s can be built again", row.Batch, plural(d.Discarded, "payment", "payments"))
		if d.Kept > 0 {
			fmt.Fprintf(out, ", %d went out before and go on", d.Kept)
		}
		fmt.Fprintln(out)
	})
}
