package online

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
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

// runRow is the record of a payout run.
type runRow struct {
	ChainID   uint64         `json:"chain_id"`
	ID        string         `json:"run"`
	Asset     wallet.AssetID `json:"asset"`
	Symbol    string         `json:"symbol"`
	Decimals  uint8          `json:"decimals"`
	Threshold wallet.Amount  `json:"threshold"`
	Approved  bool           `json:"approved"` // at once
	Payments  int            `json:"payments"`
	Total     wallet.Amount  `json:"total"`
	At        time.Time      `json:"at"`
}

func newRunRow(r wallet.PayoutRun, a wallet.Asset) runRow {
	return runRow{a.ID.ChainID, r.ID, a.ID, a.Symbol, a.Decimals, r.Threshold, r.Approved, r.Payments, r.Total, r.At}
}

// assets tells the assets of a chain by id.
func (s *Station) assets(ctx context.Context) (map[wallet.AssetID]wallet.Asset, error) {
	c, err := s.Chain(ctx)
	if err != nil {
		return nil, err
	}
	all := map[wallet.AssetID]wallet.Asset{c.Coin.ID: c.Coin}
	return all, s.Store().View(ctx, func(tx store.Tx) error {
		tokens, err := store.Tokens(tx, c.ID)
		for _, t := range tokens {
			all[t.ID] = t
		}
		return err
	})
}

func newPayoutsList(s *Station) *cobra.Command {
	limit := 100
	c := &cobra.Command{
		Use:     "list",
		Short:   "List payout runs, newest first",
		Example: `  airlock payouts list --limit 10`,
		RunE:    func(c *cobra.Command, _ []string) error { return runPayoutsList(c.Context(), s, limit) },
	}
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` runs; 0 for all")
	return c
}

func runPayoutsList(ctx context.Context, s *Station, limit int) error {
	if limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", limit)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.Runs(ctx, limit)
	if err != nil {
		return err
	}
	assets, err := s.assets(ctx)
	if err != nil {
		return err
	}
	rows := make([]runRow, len(list))
	for i, r := range list {
		rows[i] = newRunRow(r, assets[r.Asset])
	}
	if err := s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "RUN", "TIME", "ASSET", "THRESHOLD", "PAYMENTS", "TOTAL")
		for _, r := range rows {
			t.Row(r.ID, r.At.Format(time.RFC3339), r.Symbol, r.Threshold.Decimal(r.Decimals), r.Payments, r.Total.Decimal(r.Decimals))
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		s.Note("there are more; --limit %d shows as many again, --limit 0 all", 2*limit)
	}
	return nil
}

func newPayoutsShow(s *Station) *cobra.Command {
	status := ""
	c := &cobra.Command{
		Use:   "show RUN",
		Short: "Show what became of a payout run",
		Long: `Show what became of a payout run: how many of its payments are in each status, and
each of them, the largest first.

What a payment set aside comes back when it cannot be made any more, and only then:
withdraw reject takes back one that no batch holds yet; of one that a batch holds,
the chain decides, and airlock confirm and airlock resolve tell.`,
		Example: `  airlock payouts show run-7
  airlock payouts show run-7 --status failed --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runPayoutsShow(c.Context(), s, args[0], wallet.WithdrawalStatus(status))
		},
	}
	c.Flags().StringVar(&status, "status", "", "only payments in this `status`")
	return c
}

// statusSum is how much of a run is in one status.
type statusSum struct {
	Status   wallet.WithdrawalStatus `json:"status"`
	Payments int                     `json:"payments"`
	Total    wallet.Amount           `json:"total"`
}

func runPayoutsShow(ctx context.Context, s *Station, id string, status wallet.WithdrawalStatus) error {
	if status != "" && !slices.Contains(payout.Statuses(), status) {
		return wallet.As(wallet.ErrUsage, "--status %q: want one of %v", status, payout.Statuses())
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	story, err := p.ShowRun(ctx, id, status)
	if err != nil {
		return err
	}
	asset, err := s.asset(ctx, story.Run.Asset.String())
	if err != nil {
		return err
	}
	row := struct {
		runRow
		Statuses []statusSum           `json:"statuses"`
		List     []outgoing.Withdrawal `json:"withdrawals"`
	}{runRow: newRunRow(story.Run, asset), List: story.Payments}
	for _, st := range payout.Statuses() {
		if sum, ok := story.Statuses[st]; ok {
			row.Statuses = append(row.Statuses, statusSum{st, sum.Accounts, sum.Total})
		}
	}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "run %s: %s to %s, %s\n", cli.Clean(row.ID), asset.Format(row.Total), plural(row.Payments, "account", "accounts"), row.At.Format(time.RFC3339))
		for _, st := range row.Statuses {
			fmt.Fprintf(out, "%-10s %d, %s\n", st.Status, st.Payments, asset.Format(st.Total))
		}
		withdrawalTable(s, out, row.List)
	})
}

func newPayoutsHistory(s *Station) *cobra.Command {
	var account string
	p := page{}
	c := &cobra.Command{
		Use:   "history --account ACCOUNT",
		Short: "Show what an account was paid, and by which transactions",
		Long: `Show the withdrawals of an account, newest request first, with their transactions:
those of payout runs, which have the run as their order, and those that were
requested one by one.`,
		Example: `  airlock payouts history --account miner-17
  airlock payouts history --account miner-17 --limit 100 --after w-1`,
		RunE: func(c *cobra.Command, _ []string) error { return runPayoutsHistory(c.Context(), s, account, p) },
	}
	c.Flags().StringVar(&account, "account", "", "the `account`")
	p.add(c, "withdrawals", "only those before the withdrawal with this `id`")
	_ = c.MarkFlagRequired("account") // the flag was defined above
	return c
}

func runPayoutsHistory(ctx context.Context, s *Station, account string, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.History(ctx, account, pg.after, pg.limit)
	if err != nil {
		return err
	}
	if err := s.Print(list, func(out io.Writer) {
		t := s.Table(out, "TIME", "ID", "RUN", "STATUS", "AMOUNT", "ASSET", "TO", "TRANSACTION", "REASON")
		for _, w := range list {
			t.Row(w.RequestedAt.Format(time.RFC3339), w.ID, w.Order, w.Status, w.Amount.Decimal(w.Decimals), w.Symbol, w.To, orEmpty(w.TxHash), w.Reason)
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		noteMore(s, more, list[len(list)-1].ID)
	}
	return nil
}

func newPayoutsDue(s *Station) *cobra.Command {
	var assetName, threshold, account string
	p := page{}
	c := &cobra.Command{
		Use:   "due --asset SYMBOL --threshold DECIMAL",
		Short: "Tell of each account whether the next run would pay it, or why not",
		Long: `Tell of each account to which something is available whether the next run with
this threshold would pay it, or why not: the account with most first. Gates and
funds are not looked at; payouts build --dry-run does.`,
		Example: `  airlock payouts due --asset ETH --threshold 0.5
  airlock payouts due --asset ETH --threshold 0.5 --account miner-17 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runPayoutsDue(c.Context(), s, assetName, threshold, account, p)
		},
	}
	c.Flags().StringVar(&assetName, "asset", "", "`symbol` or contract of the asset")
	c.Flags().StringVar(&threshold, "threshold", "", "of the run, a `decimal` such as 0.5")
	c.Flags().StringVar(&account, "account", "", "only this `account`")
	p.add(c, "accounts", "only those after this `account`")
	for _, name := range []string{"asset", "threshold"} {
		_ = c.MarkFlagRequired(name) // the flag was defined above
	}
	return c
}

// dueRow is an account as the next run would find it.
type dueRow struct {
	ChainID  uint64         `json:"chain_id"`
	Account  string         `json:"account"`
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Amount   wallet.Amount  `json:"amount"` // available
	To       *string        `json:"to"`     // null without a payout address
	Due      bool           `json:"due"`
	Code     string         `json:"code"`
	Reason   string         `json:"reason"`
}

func runPayoutsDue(ctx context.Context, s *Station, assetName, decimal, account string, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	asset, threshold, err := s.amount(ctx, assetName, decimal)
	if err != nil {
		return fmt.Errorf("--threshold: %w", err)
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, more, err := p.Due(ctx, asset.ID, threshold, account, pg.after, pg.limit)
	if err != nil {
		return err
	}
	rows := make([]dueRow, len(list))
	for i, d := range list {
		rows[i] = dueRow{asset.ID.ChainID, d.Account, asset.ID, asset.Symbol, asset.Decimals, d.Amount, nil, d.Code == "", d.Code, d.Reason}
		if d.To != nil {
			to := d.To.Hex()
			rows[i].To = &to
		}
	}
	if err := s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "ACCOUNT", "AMOUNT", "ASSET", "TO", "DUE", "REASON")
		for _, r := range rows {
			t.Row(r.Account, r.Amount.Decimal(r.Decimals), r.Symbol, orEmpty(r.To), yes(r.Due), r.Reason)
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		noteMore(s, more, list[len(list)-1].Account)
	}
	return nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newPayoutsStatus(s *Station) *cobra.Command {
	var account string
	each := false
	p := page{}
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what accounts have, wait for and were paid, in total or each",
		Long: `Show balance, pending and paid by asset: of all accounts together, of one, or with
--each of each. Pending is set aside for withdrawals that are not settled. The sums
are kept by the ledger, so they cost the same however many accounts there are.`,
		Example: `  airlock payouts status
  airlock payouts status --account miner-17 --json
  airlock payouts status --each --limit 100 --after miner-17`,
		RunE: func(c *cobra.Command, _ []string) error { return runPayoutsStatus(c.Context(), s, account, each, p) },
	}
	c.Flags().StringVar(&account, "account", "", "only this `account`")
	c.Flags().BoolVar(&each, "each", false, "each account")
	p.add(c, "accounts and assets", "only accounts after this `account`")
	return c
}

// purseRow is what an account, or all of them, have of an asset.
type purseRow struct {
	ChainID  uint64         `json:"chain_id"`
	Account  *string        `json:"account"` // null for all together
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Balance  wallet.Amount  `json:"balance"` // available
	Pending  wallet.Amount  `json:"pending"`
	Paid     wallet.Amount  `json:"paid"`
	Frozen   string         `json:"frozen,omitzero"`
}

func runPayoutsStatus(ctx context.Context, s *Station, account string, each bool, pg page) error {
	if err := pg.check(); err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	total := !each && account == ""
	var list []payout.Purse
	more := false
	if total {
		list, err = p.Totals(ctx)
	} else {
		list, more, err = p.Purses(ctx, account, pg.after, pg.limit)
	}
	if err != nil {
		return err
	}
	rows := make([]purseRow, len(list))
	for i, b := range list {
		rows[i] = purseRow{
			p.Chain, nil, b.Asset.ID, b.Asset.Symbol, b.Asset.Decimals,
			b.Balance[wallet.Available], b.Balance[wallet.Pending], b.Balance[wallet.Paid], b.Frozen,
		}
		if !total {
			rows[i].Account = &list[i].Account
		}
	}
	if err := s.Print(rows, func(out io.Writer) {
		t := s.Table(out, "ACCOUNT", "ASSET", "BALANCE", "PENDING", "PAID", "FROZEN")
		for _, r := range rows {
			who := "(all)"
			if r.Account != nil {
				who = *r.Account
			}
			t.Row(who, r.Symbol, r.Balance.Decimal(r.Decimals), r.Pending.Decimal(r.Decimals), r.Paid.Decimal(r.Decimals), r.Frozen)
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		noteMore(s, more, list[len(list)-1].Account)
	}
	return nil
}

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
