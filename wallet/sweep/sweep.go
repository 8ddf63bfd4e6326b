package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

const (
	// DefaultMax is how many items a sweep holds unless the operator says
	// otherwise.
	DefaultMax = 1000
	// DefaultRungs is how many rungs a sweep has unless the operator says
	// otherwise.
	DefaultRungs = 3
	// tries is how often a plan is made again because the store changed
	// meanwhile.
	tries = 3
	// minGas is the least that any transaction costs.
	minGas = params.TxGas
)

// DefaultBudget is twice the first rung. A sweep can wait for cheaper blocks, and
// what its top rung may cost stays behind as dust.
var DefaultBudget = outgoing.Budget{Times: 2}

// Sweeper plans sweeps of one chain of a home.
type Sweeper struct {
	DB      store.DB
	Chain   Chain
	ChainID uint64
	Now     func() time.Time
}

// Options say what to sweep.
type Options struct {
	// Asset, if set, is the only one that is swept. Min, if set, is the least
	// amount on an address that is: of Asset, or of the coin when Asset is nil.
	Asset *wallet.AssetID
	Min   *wallet.Amount
	// Max is the number of items; 0 is DefaultMax, and batch.MaxItems the most.
	Max      int
	Rungs    int             // of the fee ladder; 0 is DefaultRungs
	Budget   outgoing.Budget // of the top rung; zero is DefaultBudget
	Validity time.Duration   // of the batch; 0 is outgoing.Validity
	DryRun   bool            // write nothing
	// Progress, if set, hears how many sources were looked at so far.
	Progress func(sources uint64)
}

// Result is a plan, and the batch that was made of it.
type Result struct {
	Batch *batch.Batch // nil if there is nothing to sweep
	File  []byte       // as stored; nil after a dry run
	// Skipped is what stays, and why, up to SkippedLimit; SkippedMore is how much
	// more there is.
	Skipped     []Skipped
	SkippedMore int
	// More says that the batch was full before all sources were looked at.
	More   bool
	Assets map[wallet.AssetID]wallet.Asset // of the chain: the coin and the registered tokens
}

// Sweep makes a plan and, unless it is a dry run, writes its batch and binds
// its transactions in one step. Where there is nothing to sweep nothing is
// written.
func (s *Sweeper) Sweep(ctx context.Context, o Options) (res Result, err error) {
	o.Max, o.Rungs = cmp.Or(o.Max, DefaultMax), cmp.Or(o.Rungs, DefaultRungs)
	if o.Budget.IsZero() {
		o.Budget = DefaultBudget
	}
	o.Validity = cmp.Or(o.Validity, outgoing.Validity)
	if o.Max < 1 || o.Max > batch.MaxItems {
		return res, wallet.As(wallet.ErrUsage, "%d items: want 1 to %d", o.Max, batch.MaxItems)
	}
	if o.Rungs < 1 || o.Rungs > batch.MaxRungs {
		return res, wallet.As(wallet.ErrUsage, "%d rungs: want 1 to %d", o.Rungs, batch.MaxRungs)
	}
	for range tries {
		res, err = s.try(ctx, o)
		if !errors.Is(err, outgoing.ErrChanged) {
			break
		}
	}
	if errors.Is(err, outgoing.ErrChanged) {
		err = wallet.WithHint(err, "another airlock builds or settles at the same time; run this again once it is done")
	}
	return res, err
}

func (s *Sweeper) try(ctx context.Context, o Options) (Result, error) {
	f := &facts{Sweeper: s, coin: wallet.Coin(s.ChainID)}
	planner, more, err := f.plan(ctx, o)
	if err != nil {
		return Result{}, err
	}
	res := Result{More: more, Assets: f.assets}
	res.Skipped, res.SkippedMore = planner.Skipped()
	if len(planner.Items()) == 0 {
		return res, nil
	}
	draft := func(tx store.Tx) (err error) {
		res.Batch, err = outgoing.Draft(tx, batch.Sweep, s.ChainID, planner.Items(), s.Now(), o.Validity)
		return err
	}
	if o.DryRun {
		err = s.DB.View(ctx, draft)
		return res, err
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		if err := draft(tx); err != nil {
			return err
		}
		if err := stillThere(tx, res.Batch); err != nil {
			return err
		}
		rec, err := outgoing.Write(tx, res.Batch)
		res.File = rec.File
		return err
	})
	return res, err
}

// stillThere checks again that the ledger has what new sweeps move: a reorg may
// have taken back a deposit while the chain was asked. What is built again moves
// what it always did. Nonces are checked by whoever writes.
func stillThere(tx store.Tx, b *batch.Batch) error {
	for i := range b.Items {
		it := &b.Items[i]
		next, err := outgoing.NextNonce(tx, b.ChainID, it.From)
		if err != nil {
			return err
		}
		if it.Intent.Kind != wallet.IntentSweep || it.Nonce < next {
			continue
		}
		have, err := store.LocationBalance(tx, it.From, it.Intent.Asset)
		if err != nil {
			return err
		}
		if have.Cmp(it.Intent.Amount) < 0 {
			return fmt.Errorf("%w: %s has %s base units of %s left, and %s were to be swept", outgoing.ErrChanged, it.From, have, it.Intent.Asset, it.Intent.Amount)
		}
	}
	return nil
}

// plan gathers facts until the plan is full or there is nothing left to look
// at.
func (f *facts) plan(ctx context.Context, o Options) (p *Planner, more bool, err error) {
	if err := f.DB.View(ctx, f.begin); err != nil {
		return nil, false, err
	}
	if f.head, err = f.Chain.HeaderByNumber(ctx, nil); err != nil {
		return nil, false, err
	}
	tip, err := f.Chain.SuggestGasTipCap(ctx)
	if err != nil {
		return nil, false, err
	}
	funder, err := f.funder(ctx)
	if err != nil {
		return nil, false, err
	}
	if f.head.BaseFee == nil {
		return nil, false, errors.New("the chain has no base fee (EIP-1559), and airlock builds no other transactions")
	}
	baseFee := wallet.AmountOf(f.head.BaseFee)
	ladder, err := outgoing.Ladder(outgoing.FirstRung(baseFee, wallet.AmountOf(tip)), o.Rungs, o.Budget)
	if err != nil {
		return nil, false, err
	}
	p = NewPlanner(Terms{
		ChainID: f.ChainID, Treasury: f.treasury.Address, TreasuryPath: f.treasury.Path.String(),
		Rungs: ladder, Floor: baseFee.Add(wallet.AmountOf(tip)),
		Gas: funder, Asset: o.Asset, Min: o.Min, Max: o.Max,
	})
	again, err := f.discarded(ctx)
	if err != nil {
		return nil, false, err
	}
	p.Rebuild(again)

	seen := uint64(0)
	for from := (&common.Address{}); from != nil; {
		if p.Full() {
			return p, true, nil
		}
		var sources []Source
		var next *common.Address
		if err := f.DB.View(ctx, func(tx store.Tx) (err error) {
			sources, next, err = f.page(tx, p, *from)
			return err
		}); err != nil {
			return nil, false, err
		}
		if err := f.ask(ctx, sources); err != nil {
			return nil, false, err
		}
		for i, source := range sources {
			if p.Full() {
				return p, i < len(sources), nil
			}
			p.Add(source)
		}
		if seen += uint64(len(sources)); o.Progress != nil {
			o.Progress(seen)
		}
		from = next
	}
	return p, false, nil
}
