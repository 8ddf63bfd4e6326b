package payout

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// The bounds of a payout run. All of it is one transaction of the store, for
// which others wait: 10,000 accounts take about two seconds of a processor and 110
// MB, and what the engine holds back until the commit makes 20,000 take seven times
// as long.
const (
	MaxPayouts = 10_000
	maxUnpaid  = 10_000 // accounts that are listed with a reason
	maxRunID   = 64     // characters
)

// PaydayOptions are the choices for a payout run.
type PaydayOptions struct {
	ID        string // of the run, unique for ever in the home; empty for one of its own
	Asset     wallet.AssetID
	Threshold wallet.Amount // accounts with as much or more are paid; above zero
	Max       int           // accounts; 0 is MaxPayouts
	Approve   bool          // approve the withdrawals at once
	DryRun    bool          // write nothing
	Gates     GateLimits
	// Progress, if set, hears of each withdrawal that was requested.
	Progress func(done, total int)
}

// Payday is what a payout run did, or would do.
type Payday struct {
	Run      wallet.PayoutRun
	Already  bool // the run was made before; then only Run and Payments are set
	Payments []Payment
	Unpaid   []Unpaid // have the threshold and are not paid, up to 10,000 of them
	More     Rest     // further accounts with the threshold, beyond Max or that limit
	Gates    []Gate
}

// Payment is one account's part of a run.
type Payment struct {
	Account    string
	Withdrawal string // its id
	To         common.Address
	Amount     wallet.Amount
}

// Unpaid is an account that is not paid, and why.
type Unpaid struct {
	Account string
	Amount  wallet.Amount // available
	Code    string        // stays the same in all versions
	Reason  string
}

// Rest counts accounts that were not looked at.
type Rest struct {
	Accounts int
	Total    wallet.Amount
}

// The codes of Unpaid.
const (
	UnpaidBelow     = "below-threshold"
	UnpaidFrozen    = "frozen"
	UnpaidNoAddress = "no-address"
	UnpaidRecipient = "recipient"  // its address must not be paid
	UnpaidOnItsWay  = "on-its-way" // an earlier payout is not settled
	UnpaidHeld      = "held"       // the last payout to the same address did not end well
	UnpaidShort     = "funds-short"
	UnpaidIDTaken   = "id-taken"
)

// PaydayNode is what a payout run asks of a chain.
type PaydayNode interface {
	Readiness(ctx context.Context) []chain.Readiness
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
	NonceAt(ctx context.Context, account common.Address, number *big.Int) (uint64, error)
	BalanceAtHash(ctx context.Context, account common.Address, block common.Hash) (*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
}

// Payday requests a withdrawal of all that is available to each account that has
// the threshold of an asset, a payout address, and no earlier payout on its way:
// the account with most first. It is one transaction of the store, so either all
// of these balances are pending or none, whoever dies when. That transaction is
// also the only lock: a second run waits for it and then finds nothing available.
//
// A run of an id that was made before changes nothing. With a gate closed the
// error is a *GatesError, of class wallet.ErrRefused; with DryRun it is not, and
// Payday.Gates tells. With nobody to pay no run is recorded.
func (s *Service) Payday(ctx context.Context, node PaydayNode, o PaydayOptions) (Payday, error) {
	o.Max = cmp.Or(o.Max, MaxPayouts)
	switch {
	case o.Max < 0 || o.Max > MaxPayouts:
		return Payday{}, wallet.As(wallet.ErrUsage, "%d accounts: want 1 to %d", o.Max, MaxPayouts)
	case o.Threshold.Sign() <= 0:
		return Payday{}, wallet.As(wallet.ErrUsage, "threshold %s: want more than zero", o.Threshold)
	case len(o.ID) > maxRunID:
		return Payday{}, wallet.As(wallet.ErrUsage, "run id %.80q: want at most %d characters", o.ID, maxRunID)
	case o.Asset.ChainID != s.Chain:
		return Payday{}, wallet.As(wallet.ErrUsage, "%s is not of chain %d", o.Asset, s.Chain)
	}
	if o.ID != "" {
		if err := wallet.CheckID("run id", o.ID); err != nil {
			return Payday{}, wallet.As(wallet.ErrUsage, "%w", err)
		}
	}
	// Scanning may go on between the question for funds and the writing; then
	// they are asked for again.
	for try := 1; ; try++ {
		d, err := s.payday(ctx, node, o)
		if err == nil || try == 3 || !errors.Is(err, outgoing.ErrChanged) {
			return d, err
		}
	}
}

func (s *Service) payday(ctx context.Context, node PaydayNode, o PaydayOptions) (d Payday, err error) {
	facts := gateFacts{limits: o.Gates, now: s.now()}
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		if d, err = s.madeBefore(tx, o); err != nil || d.Already {
			return err
		}
		return facts.readStore(tx, s.Chain, o.Asset)
	}); err != nil || d.Already {
		return d, err
	}
	if err := facts.ask(ctx, node); err != nil {
		return d, err
	}
	write := s.DB.Update
	if o.DryRun {
		write = s.DB.View
	}
	err = write(ctx, func(tx store.Tx) error {
		if d, err = s.madeBefore(tx, o); err != nil || d.Already {
			return err
		}
		r := run{s: s, tx: tx, o: o, facts: &facts}
		d, err = r.make(ctx)
		return err
	})
	return d, err
}

// madeBefore returns the run of an id that was made before.
func (s *Service) madeBefore(tx store.Tx, o PaydayOptions) (d Payday, err error) {
	if o.ID == "" {
		return d, nil
	}
	if d.Run, d.Already, err = store.PayoutRun(tx, o.ID); err != nil || !d.Already {
		return Payday{}, err
	}
	if d.Run.Asset != o.Asset || d.Run.Threshold.Cmp(o.Threshold) != 0 {
		return Payday{}, wallet.WithHint(
			fmt.Errorf("%w: payout run %s was made before, of %s with another threshold or asset", wallet.ErrConflict, o.ID, d.Run.Asset),
			"airlock payouts show %s tells what it paid; another run needs another id", o.ID)
	}
	return d, store.PaymentsOf(tx, d.Run, func(w wallet.Withdrawal) error {
		d.Payments = append(d.Payments, Payment{w.Account, w.ID, w.To, w.Amount})
		return nil
	})
}

// run is a payout run within its transaction.
type run struct {
	s     *Service
	tx    store.Tx
	o     PaydayOptions
	facts *gateFacts
	d     Payday
}

func (r *run) make(ctx context.Context) (Payday, error) {
	if err := r.facts.recheck(r.tx, r.s.Chain); err != nil {
		return r.d, err
	}
	spare, err := r.s.spare(r.tx, r.facts)
	if err != nil {
		return r.d, err
	}
	r.d.Gates = r.facts.judge(spare)
	if err := closed(r.d.Gates); err != nil && !r.o.DryRun {
		return r.d, err
	}
	if r.o.ID == "" {
		n, err := store.NextPayoutRun(r.tx)
		if err != nil {
			return r.d, err
		}
		r.o.ID = fmt.Sprintf("run-%d", n)
	}
	r.d.Run = wallet.PayoutRun{ID: r.o.ID, Asset: r.o.Asset, Threshold: r.o.Threshold, Approved: r.o.Approve, At: r.facts.now}
	if err := r.choose(spare); err != nil || r.o.DryRun || len(r.d.Payments) == 0 {
		return r.d, err
	}
	return r.d, r.request(ctx)
}

// choose decides who is paid, the account with most first.
func (r *run) choose(spare funds) error {
	fee := r.facts.fee(r.o.Asset)
	return store.Holdings(r.tx, r.o.Asset, nil, r.o.Threshold, func(h store.Holding) error {
		if len(r.d.Payments) == r.o.Max || len(r.d.Unpaid) == maxUnpaid {
			r.d.More.Accounts++
			r.d.More.Total = r.d.More.Total.Add(h.Amount)
			return nil
		}
		to, why, err := r.s.payee(r.tx, h, r.o.Asset)
		if err != nil {
			return err
		}
		id := paymentID(r.o.ID, h.Account)
		if why == nil {
			if _, taken, err := store.Withdrawal(r.tx, id); err != nil {
				return err
			} else if taken {
				why = &Unpaid{Code: UnpaidIDTaken, Reason: fmt.Sprintf("somebody requested withdrawal %s before: give the run another --id", id)}
			}
		}
		if why == nil {
			if short := spare.take(common.Address{}, r.facts.asset, r.facts.coin, h.Amount, fee); short != "" {
				why = &Unpaid{Code: UnpaidShort, Reason: r.facts.short(spare, h.Amount, fee)}
			}
		}
		if why != nil {
			why.Account, why.Amount = h.Account, h.Amount
			r.d.Unpaid = append(r.d.Unpaid, *why)
			return nil
		}
		r.d.Payments = append(r.d.Payments, Payment{h.Account, id, to, h.Amount})
		r.d.Run.Payments++
		r.d.Run.Total = r.d.Run.Total.Add(h.Amount)
		return nil
	})
}

// payee says where an account is paid, or why it is not.
func (s *Service) payee(tx store.Tx, h store.Holding, asset wallet.AssetID) (to common.Address, why *Unpaid, err error) {
	no := func(code, reason string, args ...any) (common.Address, *Unpaid, error) {
		return to, &Unpaid{Account: h.Account, Amount: h.Amount, Code: code, Reason: fmt.Sprintf(reason, args...)}, nil
	}
	frozen, err := store.Frozen(tx, h.Account)
	if err != nil {
		return to, nil, err
	}
	if frozen != "" {
		return no(UnpaidFrozen, "the account is frozen: it %s", frozen)
	}
	set, ok, err := store.PayoutAddressOf(tx, h.Account, asset)
	if err != nil {
		return to, nil, err
	}
	if !ok {
		return no(UnpaidNoAddress, "the account has no payout address: airlock payouts address set %s ADDRESS", h.Account)
	}
	last, ok, err := store.LastPayout(tx, h.Account, asset)
	if err != nil {
		return to, nil, err
	}
	switch {
	case !ok || last.Status == wallet.WithdrawalConfirmed:
	case !last.Status.Settled():
		return no(UnpaidOnItsWay, "withdrawal %s is %s, and pays it: once that is settled the next run pays the rest", last.ID, last.Status)
	case last.To == set.To:
		return no(UnpaidHeld, "withdrawal %s to the same address %s (%s): airlock payouts address set %s %s lets the next run try again", last.ID, last.Status, last.Reason, h.Account, set.To)
	}
	if err := checkPayee(tx, s.Chain, set.To); errors.Is(err, wallet.ErrUsage) {
		return no(UnpaidRecipient, "%v", err)
	} else if err != nil {
		return to, nil, err
	}
	return set.To, nil, nil
}

// paymentID is the id of the withdrawal that a run makes for an account: always
// the same one. That of a long account is too long and has a hash instead.
func paymentID(run, account string) string {
	id := "payout:" + run + ":" + account
	if wallet.CheckID("", id) == nil {
		return id
	}
	sum := sha256.Sum256([]byte(account))
	return "payout:" + run + ":" + hex.EncodeToString(sum[:20])
}

// request makes the withdrawals and records the run.
func (r *run) request(ctx context.Context) error {
	list := make([]wallet.WithdrawalRequest, len(r.d.Payments))
	for i, p := range r.d.Payments {
		if err := ctx.Err(); err != nil {
			return err
		}
		list[i] = wallet.WithdrawalRequest{
			ID: p.Withdrawal, Account: p.Account, Asset: r.o.Asset, Amount: p.Amount, To: p.To, Order: r.o.ID,
		}
		w, err := r.s.request(r.tx, list[i])
		if err != nil {
			return err
		}
		if r.o.Approve {
			w.Status = wallet.WithdrawalApproved
			if err := store.PutWithdrawal(r.tx, w); err != nil {
				return err
			}
		}
		if r.o.Progress != nil {
			r.o.Progress(i+1, len(list))
		}
	}
	return store.AddPayoutRun(r.tx, r.d.Run, list)
}

// spare is what payout addresses hold at the block that was scanned last and
// nobody was promised: what is on its way is taken off, with the most that its
// gas can cost, and so is every withdrawal that is requested or approved. It
// stands at the zero address, since which of them pays is decided when a batch is
// built.
func (s *Service) spare(tx store.Tx, f *gateFacts) (funds, error) {
	left := maps.Clone(f.balances)
	spend := func(asset wallet.AssetID, amount wallet.Amount) { left.spend(common.Address{}, asset, amount) }
	for _, a := range f.senders {
		if err := store.OpenOutgoingOf(tx, s.Chain, a, func(o wallet.Outgoing) error {
			// What the cursor's block has mined is gone from the balances there.
			if m, mined, err := store.MinedAt(tx, o.Slot); err != nil || mined && outgoing.Judge(&m, &o) != outgoing.Foreign {
				return err
			}
			if o.Intent.Kind != wallet.IntentAllowance { // which moves nothing
				spend(o.Intent.Asset, o.Intent.Amount)
			}
			spend(f.coin.ID, o.WorstFee())
			return nil
		}); err != nil {
			return nil, err
		}
	}
	for _, status := range []wallet.WithdrawalStatus{wallet.WithdrawalRequested, wallet.WithdrawalApproved} {
		if err := store.Withdrawals(tx, s.Chain, status, func(w wallet.Withdrawal) error {
			if w.Slot != nil {
				return nil // bound: a transaction on its way, counted above
			}
			spend(w.Asset, w.Amount)
			spend(f.coin.ID, f.fee(w.Asset))
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return left, nil
}
