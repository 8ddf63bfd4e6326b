package online

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

type payoutsBuild struct {
	threshold, asset, id string
	max                  int
	approve, dryRun      bool
	gates                payout.GateLimits
}

func newPayoutsBuild(s *Station) *cobra.Command {
	o := payoutsBuild{gates: payout.GateLimits{MaxAge: payout.DefaultMaxAge, MaxLag: payout.DefaultMaxLag}}
	c := &cobra.Command{
		Use:   "build --asset SYMBOL --threshold DECIMAL",
		Short: "Request withdrawals of what is available to accounts, in one step",
		Long: `Request a withdrawal of all that is available to each account that has the
threshold or more of an asset, to its payout address: the account with most first.
All of these balances become pending in one step, or none do. The withdrawals are
paid as any others are: withdraw approve, unless --approve is given, then
build-withdrawals, sign, broadcast and confirm.

Nobody is paid while a gate is closed: the home is halted, endpoints lack peers,
are not in sync or have an old newest block, scanning is behind, an alarm stands,
something is in doubt, or payout addresses hold less than was promised before. An
account is left out, with its reason, while it is frozen, has no payout address or
one that must not be paid, while an earlier payout of the asset is not settled,
when the last one to the same address did not end well, and when funds are short.

With --id the same run may be given again: it pays once, and tells what it paid.
Without it the run gets an id of its own, and the same command again finds nothing
available. A process that dies in it leaves nothing locked and nothing done.`,
		Example: `  airlock payouts build --asset ETH --threshold 0.5
  airlock payouts build --asset ETH --threshold 0.5 --min-peers 25 --approve --id payday-2026-03-01
  airlock payouts build --asset USDC --threshold 100 --dry-run`,
		RunE: func(c *cobra.Command, _ []string) error { return runPayoutsBuild(c.Context(), s, o) },
	}
	f := c.Flags()
	f.StringVar(&o.asset, "asset", "", "`symbol` or contract of the asset")
	f.StringVar(&o.threshold, "threshold", "", "pay who has this much or more, a `decimal` such as 0.5")
	f.IntVar(&o.max, "max", payout.MaxPayouts, "at most `N` accounts; those with less wait for the next run")
	f.StringVar(&o.id, "id", "", "your `id` of the run; the same again pays nothing")
	f.BoolVar(&o.approve, "approve", false, "approve the withdrawals at once")
	f.BoolVar(&o.dryRun, "dry-run", false, "tell what would be done, and do nothing")
	f.Uint64Var(&o.gates.MinPeers, "min-peers", 0, "want nodes with `N` peers or more")
	f.DurationVar(&o.gates.MaxAge, "max-age", o.gates.MaxAge, "how old the newest block may be; 0 for any `time`")
	f.DurationVar(&o.gates.MaxLag, "max-lag", o.gates.MaxLag, "how far scanning may be behind the newest block; 0 for any `time`")
	for _, name := range []string{"asset", "threshold"} {
		_ = c.MarkFlagRequired(name) // the flag was defined above
	}
	return c
}

// paydayRow is a payout run as programs read it.
type paydayRow struct {
	runRow
	Already  bool          `json:"already"` // it was made before
	DryRun   bool          `json:"dry_run"`
	Ready    bool          `json:"ready"` // all gates are open
	Paid     []paymentRow  `json:"paid"`
	LeftOut  []unpaidRow   `json:"left_out"`
	More     restRow       `json:"more"` // accounts with the threshold beyond --max
	GateList []payout.Gate `json:"gates"`
}

type paymentRow struct {
	Withdrawal string        `json:"withdrawal"`
	Account    string        `json:"account"`
	To         string        `json:"to"`
	Amount     wallet.Amount `json:"amount"`
}

type unpaidRow struct {
	Account string        `json:"account"`
	Amount  wallet.Amount `json:"amount"` // available
	Code    string        `json:"code"`
	Reason  string        `json:"reason"`
}

type restRow struct {
	Accounts int           `json:"accounts"`
	Total    wallet.Amount `json:"total"`
}

func runPayoutsBuild(ctx context.Context, s *Station, o payoutsBuild) error {
	if o.max < 1 {
		return wallet.As(wallet.ErrUsage, "--max %d: want 1 to %d", o.max, payout.MaxPayouts)
	}
	if o.gates.MaxAge < 0 || o.gates.MaxLag < 0 {
		return wallet.As(wallet.ErrUsage, "--max-age and --max-lag: want 0 or more")
	}
	asset, threshold, err := s.amount(ctx, o.asset, o.threshold)
	if err != nil {
		return fmt.Errorf("--threshold: %w", err)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	client, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	var bar *cli.Progress
	d, err := p.Payday(ctx, client, payout.PaydayOptions{
		ID: o.id, Asset: asset.ID, Threshold: threshold, Max: o.max, Approve: o.approve, DryRun: o.dryRun, Gates: o.gates,
		Progress: func(done, total int) {
			if bar == nil {
				bar = s.Progress("payouts", uint64(total)) //nolint:gosec // a count
			}
			bar.Set(uint64(done)) //nolint:gosec // a count
		},
	})
	if bar != nil {
		bar.End()
	}
	if err != nil {
		return err
	}
	row := paydayRow{
		runRow: newRunRow(d.Run, asset), Already: d.Already, DryRun: o.dryRun, Ready: true,
		More: restRow{d.More.Accounts, d.More.Total}, GateList: d.Gates,
	}
	for _, g := range d.Gates {
		row.Ready = row.Ready && g.Open
	}
	for _, p := range d.Payments {
		row.Paid = append(row.Paid, paymentRow{p.Withdrawal, p.Account, p.To.Hex(), p.Amount})
	}
	for _, u := range d.Unpaid {
		row.LeftOut = append(row.LeftOut, unpaidRow{u.Account, u.Amount, u.Code, u.Reason})
	}
	return s.Print(row, func(out io.Writer) { row.write(s, out, asset) })
}

// listed is how many accounts of a run people see; programs get all.
const listed = 20

func (r paydayRow) write(s *Station, out io.Writer, asset wallet.Asset) {
	what := "pays"
	switch {
	case r.DryRun:
		what = "would pay"
	case r.Already:
		what = "was made before, and pays"
	}
	if r.Payments == 0 {
		fmt.Fprintln(out, "nobody is to be paid")
	} else {
		fmt.Fprintf(out, "run %s %s %s to %s\n", cli.Clean(r.ID), what, asset.Format(r.Total), plural(r.Payments, "account", "accounts"))
	}
	t := s.Table(out, "ACCOUNT", "AMOUNT", "ASSET", "TO", "WITHDRAWAL")
	for _, p := range r.Paid[:min(listed, len(r.Paid))] {
		t.Row(p.Account, p.Amount.Decimal(r.Decimals), r.Symbol, p.To, p.Withdrawal)
	}
	t.Close()
	if more := len(r.Paid) - listed; more > 0 {
		fmt.Fprintf(out, "and %d more; airlock payouts show %s lists all\n", more, cli.Clean(r.ID))
	}
	for _, u := range r.LeftOut[:min(listed, len(r.LeftOut))] {
		s.Note("left out %s, which has %s: %s", cli.Clean(u.Account), asset.Format(u.Amount), cli.Clean(u.Reason))
	}
	if more := len(r.LeftOut) - listed; more > 0 {
		s.Note("left out %d more; airlock payouts due lists all", more)
	}
	if r.More.Accounts > 0 {
		s.Note("%s more with %s wait for the next run", plural(r.More.Accounts, "account", "accounts"), asset.Format(r.More.Total))
	}
	for _, g := range r.GateList {
		if !g.Open {
			s.Note("gate %s is closed: %s; %s", g.Name, cli.Clean(g.Found), cli.Clean(g.Hint))
		}
	}
}
