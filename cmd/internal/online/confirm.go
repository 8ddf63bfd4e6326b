package online

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
)

const (
	// confirmEvery is how long confirm --follow waits for news of the chain.
	confirmEvery = 10 * time.Second
	// lookEvery is how often it looks whether scanning, maybe of another process,
	// has read more of it.
	lookEvery = 500 * time.Millisecond
)

func newConfirm(s *Station) *cobra.Command {
	follow := false
	var o *offering
	c := &cobra.Command{
		Use:   "confirm",
		Short: "Settle what scan found mined, and send again what is not",
		Long: `Settle what scan found: what is final is booked, withdrawals become confirmed or
failed, and funds are released. That is decided by what scan proved alone, so run
scan first. While the home is halted it settles and sends nothing.

Nodes are asked for what was sent and is not mined: what none has is sent again.
Of each sender a window of transactions is with nodes, the lowest nonces first,
filled up as they are mined. They climb: if one waited for --climb-after and
--climb-blocks, and pays less than the next block may ask (9/8 of the base fee, and
the tip that nodes suggest), its next rung is sent, one in a pass. What comes new
into the window starts at the rung to which the one before it had to climb.
Settings of config.toml stand for flags that are not given.`,
		Example: `  airlock scan && airlock confirm
  airlock confirm --follow --window 200`,
		RunE: func(c *cobra.Command, _ []string) error { return runConfirm(c.Context(), s, o, follow) },
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until interrupted")
	o = offeringFlags(c)
	return c
}

func runConfirm(ctx context.Context, s *Station, o *offering, follow bool) (err error) {
	var sum payout.Report
	if follow {
		if sum, err = followConfirm(ctx, s, o, nil); err != nil {
			return err
		}
	}
	// What is on the way is shown after an interrupt too.
	after := context.WithoutCancel(ctx)
	p, err := s.offering(after, o)
	if err != nil {
		return err
	}
	if !follow {
		node := sender{s: s}
		defer node.close()
		progress := s.Progress("transactions offered", 0)
		p.Offered = func(done int) { progress.Set(uint64(done)) } //nolint:gosec // a count
		sum, err = p.Confirm(ctx, node.dial)
		progress.End()
	}
	rows, rowsErr := p.OnTheWay(after)
	if rowsErr != nil {
		return rowsErr
	}
	if printErr := s.Print(confirmResult{p.Chain, sum, wayRows(rows)}, func(out io.Writer) {
		fmt.Fprintln(out, reportLine(sum))
		wayTable(s, out, rows)
	}); printErr != nil {
		return printErr
	}
	if err == nil && !follow {
		noteHeld(s, sum)
	}
	return err
}

// confirmResult is what a pass, or several, did on a chain, and what is still on
// its way.
type confirmResult struct {
	ChainID uint64 `json:"chain_id"`
	payout.Report
	Transactions []wayRow `json:"transactions"`
}

// offering is the service behind what is on its way, with the terms of flags and
// settings.
func (s *Station) offering(ctx context.Context, o *offering) (*payout.Service, error) {
	p, err := s.payouts(ctx)
	if err != nil {
		return nil, err
	}
	p.Terms, err = o.terms(s, p.Chain)
	return p, err
}

// followConfirm confirms until it is interrupted, and returns what was done in
// all: whenever more of the chain was read, which moved tells if it is not nil,
// and from time to time in any case. What may pass by itself is told and tried
// again, less often each time in a row.
func followConfirm(ctx context.Context, s *Station, o *offering, moved <-chan struct{}) (total payout.Report, err error) {
	var p *payout.Service
	if err := patiently(ctx, s, func() (err error) {
		p, err = s.offering(ctx, o)
		return err
	}); err != nil {
		return total, unlessEnded(ctx, err)
	}
	node := sender{s: s}
	defer node.close()
	for pause := confirmEvery; ctx.Err() == nil; {
		read, err := p.ReadTo(ctx)
		var r payout.Report
		if err == nil {
			r, err = p.Confirm(ctx, node.dial)
		}
		if r.Changed() {
			s.Note("%s", reportLine(r))
		}
		if r.Held > total.Held {
			noteHeld(s, r)
		}
		total = total.Add(r)
		switch {
		case err == nil:
			pause = confirmEvery
			awaitNews(ctx, p, read, moved)
		case ctx.Err() == nil && passing(err):
			s.Note("%v; trying again", err)
			pause = min(2*pause, maxRetry)
			sleep(ctx, pause)
		default:
			return total, unlessEnded(ctx, err)
		}
	}
	return total, nil
}

// awaitNews waits until the chain was read further than it was, at most for
// confirmEvery.
func awaitNews(ctx context.Context, p *payout.Service, read store.Cursor, moved <-chan struct{}) {
	late := time.NewTimer(confirmEvery)
	defer late.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			return
		case <-moved:
			return
		case <-look.C:
			if now, err := p.ReadTo(ctx); err != nil || now != read {
				return // the next pass tells of the error
			}
		}
	}
}

func noteHeld(s *Station, r payout.Report) {
	if r.Held > 0 {
		s.Note("%s for a person: airlock resolve", plural(r.Held, "transaction waits", "transactions wait"))
	}
}

// sender connects to the endpoints when something has to be sent, which mostly
// nothing has.
type sender struct {
	s      *Station
	client *chain.Client
}

func (n *sender) dial(ctx context.Context) (payout.Sender, error) {
	if n.client == nil {
		client, err := n.s.Client(ctx)
		if err != nil {
			return nil, err
		}
		n.client = client
	}
	return n.client, nil
}

func (n *sender) close() {
	if n.client != nil {
		n.client.Close()
	}
}

func reportLine(r payout.Report) string {
	line := fmt.Sprintf("%d mined, %d confirmed, %d failed, %d replaced, %d sent again, %d pending",
		r.Mined, r.Confirmed, r.Failed, r.Replaced, r.Rebroadcast, r.Pending)
	for _, more := range []struct {
		n    int
		what string
	}{
		{r.Canceled, "canceled"},
		{r.Climbed, "at a higher fee"},
		{r.Dropped, "dropped by nodes"},
		{r.Refused, "refused"},
		{r.Returned, "back from a block that left the chain"},
	} {
		if more.n > 0 {
			line += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return line
}
