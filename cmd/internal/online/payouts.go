package online

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func newPayouts(s *Station) *cobra.Command {
	return cli.Group("payouts", "Pay accounts what is available to them, at addresses of theirs",
		newPayoutsAddress(s), newPayoutsDue(s), newPayoutsBuild(s), newPayoutsList(s), newPayoutsShow(s), newPayoutsHistory(s), newPayoutsStatus(s))
}

// page is which part of a list was asked for.
type page struct {
	after string
	limit int
}

func (p *page) add(c *cobra.Command, what, after string) {
	p.limit = 1000
	c.Flags().IntVar(&p.limit, "limit", p.limit, "at most `N` "+what+"; 0 for all")
	if after != "" {
		c.Flags().StringVar(&p.after, "after", "", after)
	}
}

func (p *page) check() error {
	if p.limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", p.limit)
	}
	return nil
}

// noteMore says how the next page is asked for.
func noteMore(s *Station, more bool, last string) {
	if more {
		s.Note("there are more; --after %s shows the next, --limit 0 all", cli.Clean(last))
	}
}

// asset is the asset that people name.
func (s *Station) asset(ctx context.Context, name string) (a wallet.Asset, err error) {
	c, err := s.Chain(ctx)
	if err != nil {
		return a, err
	}
	err = s.Store().View(ctx, func(tx store.Tx) error {
		a, err = store.FindAsset(tx, c.ID, name)
		return err
	})
	return a, err
}
