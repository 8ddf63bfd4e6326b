package online

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

// confirmEvery is the pause between two passes of confirm --follow.
const confirmEvery = 10 * time.Second

func newConfirm(s *Station) *cobra.Command {
	follow := false
	c := &cobra.Command{
		Use:   "confirm",
		Short: "Settle what scan found mined, and send again what is not",
		Long: `Settle what scan found: what is final is booked, withdrawals become confirmed or
failed, and funds are released. What no node is known to have is sent again, and
sweeps whose top-up is mined are sent.

It decides from what scan proved and asks no node what became of anything, so
run scan first. While the home is halted it settles and sends nothing.`,
		Example: `  airlock scan && airlock confirm
  airlock confirm --follow`,
		RunE: func(c *cobra.Command, _ []string) error { return runConfirm(c.Context(), s, follow) },
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until interrupted")
	return c
}

func runConfirm(ctx context.Context, s *Station, follow bool) (err error) {
	var sum payout.Report
	if follow {
		if sum, err = followConfirm(ctx, s); err != nil {
			return err
		}
	}
	// What is on the way is shown after an interrupt too.
	after := context.WithoutCancel(ctx)
	p, err := s.payouts(after)
	if err != nil {
		return err
	}
	if !follow {
		node := sender{s: s}
		defer node.close()
		progress := s.Progress("transactions offered", 0)
		p.Offered = func(done, _ int) { progress.Set(uint64(done)) }
		sum, err = p.Confirm(ctx, node.dial)
		progress.End()
	}
	rows, rowsErr := p.OnTheWay(after)
	if rowsErr != nil {
		return rowsErr
	}
	if printErr := s.Print(confirmResult{p.Chain, sum}, func(out io.Writer) {
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

// confirmResult is what a pass, or several, did on a chain.
type confirmResult struct {
	ChainID uint64 `json:"chain_id"`
	payout.Report
}

// followConfirm confirms until it is interrupted, and returns what was done in
// all. What may pass by itself is told and tried again, less often each time in
// a row.
func followConfirm(ctx context.Context, s *Station) (total payout.Report, err error) {
	var p *payout.Service
	if err := patiently(ctx, s, func() (err error) {
		p, err = s.payouts(ctx)
		return err
	}); err != nil {
		return total, unlessEnded(ctx, err)
	}
	node := sender{s: s}
	defer node.close()
	for pause := confirmEvery; ctx.Err() == nil; sleep(ctx, pause) {
		r, err := p.Confirm(ctx, node.dial)
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
		case ctx.Err() == nil && passing(err):
			s.Note("%v; trying again", err)
			pause = min(2*pause, maxRetry)
		default:
			return total, unlessEnded(ctx, err)
		}
	}
	return total, nil
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
	if r.Returned > 0 {
		line += fmt.Sprintf(", %d back from a block that left the chain", r.Returned)
	}
	return line
}

// wayRows is how many transactions the table of confirm shows.
const wayRows = 50

func wayTable(s *Station, out io.Writer, rows []payout.Row) {
	if len(rows) == 0 {
		return
	}
	t := s.Table(out, "KIND", "ID", "FROM", "NONCE", "STATE", "AGE", "TRANSACTION", "NOTE")
	for _, r := range rows[:min(len(rows), wayRows)] {
		t.Row(r.Kind, r.ID, r.From.Hex(), r.Nonce, stateName(r.State), s.Now().Sub(r.Since).Round(time.Second), r.TxHash, r.Note)
	}
	t.Close()
	if len(rows) > wayRows {
		s.Note("and %d more: airlock withdraw list --status broadcast", len(rows)-wayRows)
	}
}

// stateName says what an outgoing transaction waits for.
func stateName(s wallet.OutgoingState) string {
	if s == wallet.OutgoingOffered {
		return "offered, no node is known to have it"
	}
	return string(s)
}
