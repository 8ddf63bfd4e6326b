package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

type buildFlags struct {
	feeFlags
	out      string
	max      int
	expires  time.Duration
	cancel   bool
	senders  int
	estimate bool
	gasCap   []string
	float    bool
	many     bool
	manyCoin bool
	most     []string // of one withdrawal, by asset
}

func newBuildWithdrawals(s *Station) *cobra.Command {
	o := buildFlags{expires: outgoing.Validity, cancel: true, senders: 1}
	c := &cobra.Command{
		Use:   "build-withdrawals -o FILE",
		Short: "Write a batch of approved withdrawals for the signing station",
		Long: `Write a batch of approved withdrawals: first those of discarded batches, each at
its own nonce, then the others in the order of their requests. Gas is estimated
for each recipient. What cannot be paid now is left out alone, and withdraw show
tells why.

Each is signed at --rungs rising fees, from 2 × base fee + tip up to --budget, so
that confirm can raise the fee without another trip to the signing station. Each fee
is at least a tenth above the one before, and payout funds must cover the highest. A
cancel that outbids it by a tenth is signed along (--cancel=false: none), so that the
nonce can be taken without another trip either. The policy must allow cancels, and a
fee of a tenth above the budget.

With --senders, new withdrawals are paid from several payout addresses, each in the
shortest queue of those that can pay it: one that is stuck delays only those behind
it in its own. address new --role payout makes such addresses; fund each of them.

--estimate tells what the batch would hold and cost, and writes nothing.

A withdrawal in a batch is bound to its nonce. If the file is lost, batch show
writes it again.

With --batch-contract new withdrawals of tokens are paid by as few transactions as
hold them all, through a contract that airlock contract deploy puts on the chain once:
each payment is made or fails by itself, with its own event, out of an allowance of
their exact sum. The coin is paid one by one, since many receivers, exchanges first, do
not credit what a contract sends; --batch-coin has it paid so, too, for recipients who
do. The station's policy must allow that for the chain, with coin_payments. What one
recipient refuses comes back within the transaction, and its withdrawal fails alone.

With --float the batch pays from the float and is signed here, with airlock sign.
A withdrawal that was built once stays with the vault that it was built for.`,
		Example: `  airlock build-withdrawals -o /media/usb/batch.json
  airlock build-withdrawals -o batch.json --max 500 --rungs 6 --budget 200 --gas-cap token=400000
  airlock build-withdrawals --estimate --senders 4
  airlock build-withdrawals --float --max-amount ETH=0.5 -o small.json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("cancel") {
				o.cancel = !o.float // whose keys are here, so that a cancel can be signed when it is wanted
			}
			return runBuildWithdrawals(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "`file` to write; it must not exist")
	f.IntVar(&o.max, "max", 0, "at most `N` withdrawals (default as many as a batch holds)")
	f.DurationVar(&o.expires, "expires", o.expires, "how long the batch may be signed")
	o.add(c, outgoing.DefaultRungs, outgoing.DefaultBudget)
	f.BoolVar(&o.cancel, "cancel", o.cancel, "have a cancel signed with each (not by default with --float)")
	f.IntVar(&o.senders, "senders", o.senders, "pay from the first `N` payout addresses")
	f.BoolVar(&o.estimate, "estimate", false, "tell what it would cost, and write nothing")
	f.StringArrayVar(&o.gasCap, "gas-cap", nil, "leave out what needs more gas, as coin=`N` or token=N (default coin=500000, token=300000)")
	f.BoolVar(&o.many, "batch-contract", false, "pay new withdrawals of tokens many in one transaction, through the contract of airlock contract")
	f.BoolVar(&o.manyCoin, "batch-coin", false, "with --batch-contract, pay the coin so, too: many receivers do not credit that")
	f.BoolVar(&o.float, "float", false, "pay from the float, whose keys are on this station")
	f.StringArrayVar(&o.most, "max-amount", nil, "with --float, leave out withdrawals of an asset above an amount, as `ASSET=AMOUNT`")
	return c
}

func runBuildWithdrawals(ctx context.Context, s *Station, o buildFlags) error {
	opts, err := o.parse()
	if err != nil {
		return err
	}
	if !o.estimate {
		if err := mustNotExist(o.out); err != nil {
			return err
		}
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	if opts.Float.Most, err = s.mostOf(ctx, p.Chain, o.most); err != nil {
		return err
	}
	node, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	progress := s.Progress("gas estimates", 0)
	opts.Progress = func() { progress.Add(1) }
	if o.estimate {
		plan, err := p.Estimate(ctx, node, opts)
		progress.End()
		if err != nil {
			return err
		}
		return printEstimate(ctx, s, plan)
	}
	built, err := p.Build(ctx, node, opts)
	progress.End()
	for _, l := range built.LeftOut {
		s.Note("left out %s: %s", l.ID, l.Reason)
	}
	if err == nil || errors.Is(err, payout.ErrNothing) {
		if noteErr := s.noteWaiting(ctx, p.Chain, batch.Withdrawals, built.Record.ID); noteErr != nil {
			return errors.Join(err, noteErr)
		}
	}
	if err != nil {
		return err
	}
	noteFewerRungs(s, built.Plan)
	if err := writeBatch(o.out, built.Record); err != nil {
		return err
	}
	result := builtRow{newBatchRow(built.Batch), feeRows(built.Ladder), built.LeftOut}
	return s.Print(result, func(out io.Writer) {
		result.write(out)
		fmt.Fprintf(out, "written to %s\n", cli.Clean(o.out))
	})
}

// builtRow is a new batch of withdrawals as programs read it.
type builtRow struct {
	batchRow
	Rungs   []feeRow         `json:"rungs"` // of new payments
	LeftOut []payout.LeftOut `json:"left_out"`
}

// noteFewerRungs tells of a budget that has no room for what was asked for.
func noteFewerRungs(s *Station, p payout.Plan) {
	if n := len(p.Ladder); n > 0 && n < p.Wanted {
		s.Note("the budget leaves room for %d of %d rungs: each is at least a tenth above the one before", n, p.Wanted)
	}
}

func (o buildFlags) parse() (b payout.BuildOptions, err error) {
	b.Max, b.Expiry, b.Float.Use, b.Cancel, b.Senders, b.Contract = o.max, o.expires, o.float, o.cancel, o.senders, o.many
	b.ContractCoin = o.manyCoin
	if o.manyCoin && !o.many {
		return b, wallet.As(wallet.ErrUsage, "--batch-coin goes with --batch-contract")
	}
	if o.out == "" && !o.estimate {
		return b, wallet.As(wallet.ErrUsage, "--output is missing: name the file to write, or take --estimate")
	}
	if o.senders < 1 || o.senders > payout.MaxSenders {
		return b, wallet.As(wallet.ErrUsage, "--senders %d: want 1 to %d", o.senders, payout.MaxSenders)
	}
	if len(o.most) > 0 && !o.float {
		return b, wallet.As(wallet.ErrUsage, "--max-amount: only the float is limited; give --float, too")
	}
	if o.max < 0 {
		return b, wallet.As(wallet.ErrUsage, "--max %d: want 1 or more", o.max)
	}
	if o.expires < time.Minute || o.expires > 30*24*time.Hour {
		return b, wallet.As(wallet.ErrUsage, "--expires %s: want one minute to 30 days", o.expires)
	}
	if b.Rungs, b.Budget, err = o.feeFlags.parse(); err != nil {
		return b, err
	}
	for _, text := range o.gasCap {
		what, number, _ := strings.Cut(text, "=")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || n < batch.MinGas || n > batch.MaxGas {
			return b, wallet.As(wallet.ErrUsage, "--gas-cap %q: want coin=N or token=N with N from %d to %d", text, batch.MinGas, batch.MaxGas)
		}
		switch what {
		case "coin":
			b.Caps.Coin = n
		case "token":
			b.Caps.Token = n
		default:
			return b, wallet.As(wallet.ErrUsage, "--gas-cap %q: want coin=N or token=N", text)
		}
	}
	return b, nil
}

// mostOf reads what one withdrawal may pay at most, by asset.
func (s *Station) mostOf(ctx context.Context, chain uint64, texts []string) (most map[wallet.AssetID]wallet.Amount, err error) {
	err = s.Store().View(ctx, func(tx store.Tx) error {
		most = map[wallet.AssetID]wallet.Amount{}
		for _, text := range texts {
			name, amount, ok := strings.Cut(text, "=")
			if !ok {
				return wallet.As(wallet.ErrUsage, "--max-amount %q: want ASSET=AMOUNT, such as ETH=0.5", text)
			}
			asset, err := store.FindAsset(tx, chain, name)
			if err != nil {
				return err
			}
			if most[asset.ID], err = wallet.ParseDecimal(amount, asset.Decimals); err != nil {
				return wallet.As(wallet.ErrUsage, "--max-amount %q: %w", text, err)
			}
		}
		return nil
	})
	return most, err
}

// mustNotExist refuses to build for a file that could not be written after.
func mustNotExist(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return wallet.As(wallet.ErrUsage, "%s: %w: choose another name or move it away", path, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	return nil
}

// writeBatch writes the file of a batch that is in the store already.
func writeBatch(path string, rec wallet.BatchRecord) error {
	if err := secretfile.Create(path, rec.File); err != nil {
		return wallet.WithHint(fmt.Errorf("batch %s is built, but its file could not be written: %w", rec.ID, err),
			"airlock batch show %s -o FILE writes it", rec.ID)
	}
	return nil
}

// noteWaiting tells of another batch of a kind whose file is not signed yet, and may
// be lost: an operator who only sees the newest file would never sign it.
func (s *Station) noteWaiting(ctx context.Context, chain uint64, kind, newest string) error {
	var id string
	if err := s.Store().View(ctx, func(tx store.Tx) (err error) {
		id, err = outgoing.Waiting(tx, chain, kind, newest)
		return err
	}); err != nil || id == "" {
		return err
	}
	s.Note("batch %s waits for its signatures: airlock batch show %s -o FILE writes its file again", id, id)
	return nil
}

// batchRow is a new batch as programs read it.
type batchRow struct {
	Batch        string        `json:"batch"`
	ChainID      uint64        `json:"chain_id"`
	Digest       string        `json:"digest"`
	Items        int           `json:"items"`
	Totals       []totalRow    `json:"totals"`
	WorstCaseFee wallet.Amount `json:"worst_case_fee"` // wei of the coin
	Symbol       string        `json:"symbol"`         // of the coin
	Decimals     uint8         `json:"decimals"`
	ExpiresAt    time.Time     `json:"expires_at"`

	recipients int // different ones
}

type totalRow struct {
	Kind     wallet.IntentKind `json:"kind"`
	Asset    wallet.AssetID    `json:"asset"`
	Symbol   string            `json:"symbol"`
	Amount   wallet.Amount     `json:"amount"`
	Decimals uint8             `json:"decimals"`
	Items    int               `json:"items"`
}

func newBatchRow(b *batch.Batch) batchRow {
	sum := batch.Summarize(b)
	r := batchRow{
		Batch: b.ID, ChainID: b.ChainID, Digest: sum.Digest, Items: len(b.Items), Totals: []totalRow{},
		WorstCaseFee: sum.WorstFee, Symbol: sum.Coin.Symbol, Decimals: sum.Coin.Decimals, ExpiresAt: b.ExpiresAt, recipients: sum.Recipients,
	}
	for _, t := range sum.Totals {
		r.Totals = append(r.Totals, totalRow{t.Kind, t.Asset.ID, t.Asset.Symbol, t.Amount, t.Asset.Decimals, t.Items})
	}
	return r
}

func (r batchRow) write(out io.Writer) {
	fmt.Fprintf(out, "batch   %s\n", r.Batch)
	label := "digest"
	for _, line := range cli.DigestLines(r.Digest) {
		fmt.Fprintf(out, "%-8s%s\n", label, line)
		label = ""
	}
	fmt.Fprintf(out, "items   %s\n", itemsLine(r.Items, r.recipients))
	r.writeTotals(out)
	fmt.Fprintf(out, "expires %s\n", r.ExpiresAt.Format(time.RFC3339))
}

func (r batchRow) writeTotals(out io.Writer) {
	for _, t := range r.Totals {
		fmt.Fprintf(out, "total   %s %s in %s\n", t.Amount.Decimal(t.Decimals), cli.Clean(t.Symbol), plural(t.Items, string(t.Kind), string(t.Kind)+"s"))
	}
	fmt.Fprintf(out, "fee     at most %s %s\n", r.WorstCaseFee.Decimal(r.Decimals), cli.Clean(r.Symbol))
}

// itemsLine says how many items pay how many recipients.
func itemsLine(items, recipients int) string {
	if recipients == 0 {
		return fmt.Sprintf("%d, to nobody", items)
	}
	return fmt.Sprintf("%d to %s", items, plural(recipients, "recipient", "different recipients"))
}
