package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// BuildOptions are the choices for a batch.
type BuildOptions struct {
	Max     int             // items; 0 for as many as a batch may have
	Expiry  time.Duration   // 0 is outgoing.Validity
	Rungs   int             // of the fee ladder; 0 is outgoing.DefaultRungs
	Budget  outgoing.Budget // of the top rung; zero is outgoing.DefaultBudget
	Cancel  bool            // have a cancel signed together with each item
	Senders int             // payout addresses that pay, from index 0 on; 0 is 1
	Caps    Caps            // zero for the defaults
	Float   Float           // zero for the payout addresses of the cold vault
	// Contract pays new withdrawals of tokens through the contract that pays many,
	// as many in a transaction as fit, from the first address that can.
	Contract bool
	// ContractCoin pays new withdrawals of the coin so too. Many receivers do not
	// credit what a contract sends.
	ContractCoin bool
	// Progress, if set, hears of each gas estimate that came in, of several at
	// the same time.
	Progress func()
}

// MaxSenders bounds the payout addresses that one batch pays from.
const MaxSenders = 100

func (o *BuildOptions) complete() error {
	o.Expiry = cmp.Or(o.Expiry, outgoing.Validity)
	o.Caps.Coin = cmp.Or(o.Caps.Coin, DefaultCoinCap)
	o.Caps.Token = cmp.Or(o.Caps.Token, DefaultTokenCap)
	if o.Max < 0 || o.Max > batch.MaxItems {
		return wallet.As(wallet.ErrUsage, "%d items: want 1 to %d", o.Max, batch.MaxItems)
	}
	o.Max = cmp.Or(o.Max, batch.MaxItems)
	if o.Rungs < 0 || o.Rungs > batch.MaxRungs {
		return wallet.As(wallet.ErrUsage, "%d rungs: want 1 to %d", o.Rungs, batch.MaxRungs)
	}
	o.Rungs = cmp.Or(o.Rungs, outgoing.DefaultRungs)
	if o.Budget.IsZero() {
		o.Budget = outgoing.DefaultBudget
	}
	if o.Senders < 0 || o.Senders > MaxSenders {
		return wallet.As(wallet.ErrUsage, "%d senders: want 1 to %d", o.Senders, MaxSenders)
	}
	o.Senders = cmp.Or(o.Senders, 1)
	if o.ContractCoin && !o.Contract {
		return wallet.As(wallet.ErrUsage, "the coin is paid through the contract only beside tokens")
	}
	if o.Float.Use && o.Senders > 1 {
		return wallet.As(wallet.ErrUsage, "%d senders: the float pays from one address", o.Senders)
	}
	return nil
}

// Built is a batch that was written.
type Built struct {
	Plan
	Record wallet.BatchRecord
}

// ErrNothing says that there was nothing to put into a batch.
var ErrNothing = errors.New("nothing to build")

// Build writes a batch of approved withdrawals: first those that a discarded
// batch left bound, at their own nonces, then new ones in the order of their
// requests, each in the shortest line of those senders that can pay it. What
// cannot be paid now is left out alone, with its reason. The batch is in the
// store when Build returns; its file is Record.File.
//
// Build refuses while the home is halted. A sender whose nonce on chain the
// store does not explain pays nothing; where that is all of them, the error is of
// class wallet.ErrRefused. With nothing to build it is ErrNothing.
func (s *Service) Build(ctx context.Context, node Node, o BuildOptions) (Built, error) {
	if err := o.complete(); err != nil {
		return Built{}, err
	}
	// Somebody else may build or discard between the look and the writing;
	// then the look was for nothing.
	for try := 1; ; try++ {
		built, err := s.build(ctx, node, o)
		if err == nil || try == 3 || !errors.Is(err, outgoing.ErrChanged) {
			return built, err
		}
	}
}

func (s *Service) build(ctx context.Context, node Node, o BuildOptions) (Built, error) {
	d, p, err := s.decide(ctx, node, o)
	if err != nil {
		return Built{}, err
	}
	built := Built{Plan: p.plan(d)}
	if err := s.DB.Update(ctx, func(tx store.Tx) (err error) {
		if list := p.all(); len(list) > 0 {
			if built.Batch, err = outgoing.Draft(tx, batch.Withdrawals, s.Chain, list, s.now(), o.Expiry); err != nil {
				return err
			}
			if built.Record, err = outgoing.Write(tx, built.Batch); err != nil {
				return err
			}
		}
		return noteReasons(tx, built.LeftOut, s.now())
	}); err != nil {
		return Built{}, err
	}
	if built.Batch == nil {
		return built, nothing(built.LeftOut)
	}
	return built, nil
}

// Estimate is the plan that Build would make a batch of now. It writes nothing.
func (s *Service) Estimate(ctx context.Context, node Node, o BuildOptions) (Plan, error) {
	if err := o.complete(); err != nil {
		return Plan{}, err
	}
	d, p, err := s.decide(ctx, node, o)
	if err != nil {
		return Plan{}, err
	}
	plan := p.plan(d)
	list := p.all()
	if len(list) == 0 {
		return plan, nil
	}
	err = s.DB.View(ctx, func(tx store.Tx) (err error) {
		plan.Batch, err = outgoing.Draft(tx, batch.Withdrawals, s.Chain, list, s.now(), o.Expiry)
		return err
	})
	return plan, err
}

// decide looks at the store and at the chain, and makes a plan.
func (s *Service) decide(ctx context.Context, node Node, o BuildOptions) (*draft, *planner, error) {
	d, err := s.look(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.plan(ctx, node, d, o)
	return d, p, err
}

// noteReasons stores why withdrawals were left out, for withdraw show.
func noteReasons(tx store.Tx, list []LeftOut, now time.Time) error {
	for _, l := range list {
		w, ok, err := store.Withdrawal(tx, l.ID)
		if err != nil {
			return err
		}
		if !ok || w.Status != wallet.WithdrawalApproved || w.Reason == l.Reason {
			continue
		}
		w.Reason, w.UpdatedAt = l.Reason, now
		if err := store.PutWithdrawal(tx, w); err != nil {
			return err
		}
	}
	return nil
}

// nothing says why no batch was written, and the way on.
func nothing(left []LeftOut) error {
	if len(left) == 0 {
		return wallet.WithHint(fmt.Errorf("%w: no withdrawal is approved", ErrNothing), "airlock withdraw list --status requested shows what waits for approval")
	}
	err := fmt.Errorf("%w: all %d approved withdrawals were left out, the first, %s, because: %s", ErrNothing, len(left), left[0].ID, left[0].Reason)
	if strings.HasPrefix(left[0].Reason, insufficient) {
		return wallet.WithHint(err, "fund the payout address, run airlock scan, and build again")
	}
	return wallet.WithHint(err, "airlock withdraw list --status approved shows the reason of each")
}
