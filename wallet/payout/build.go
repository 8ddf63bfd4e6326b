package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

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

// draft is what a look at the store found.
type draft struct {
	cursor  store.Cursor
	coin    wallet.Asset
	lines   []*line           // those that new payments may join, by index, then others
	many    []together        // bound by discarded batches, many to a nonce
	again   []candidate       // bound by discarded batches or to get higher fees, by nonce
	cancels []wallet.Outgoing // whose nonces are to be taken by a cancel
	fresh   []candidate       // in the order of requests
	owed    funds             // what transactions on their way need, negative
	leftOut []LeftOut
}

// look reads what can be built, and refuses what must not even be tried.
func (s *Service) look(ctx context.Context, o BuildOptions) (d *draft, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		d = &draft{owed: funds{}}
		if err := store.CheckHalt(tx); err != nil {
			return err
		}
		c, err := store.Chain(tx, s.Chain)
		if err != nil {
			return err
		}
		d.coin = c.Coin
		var ok bool
		if d.cursor, ok, err = store.ReadCursor(tx, s.Chain); err != nil {
			return err
		} else if !ok {
			return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d was not scanned yet", s.Chain), "airlock scan reads it")
		}
		for i := range o.Senders {
			a, ok, err := store.AddressAt(tx, o.Float.role(), uint32(i))
			if err != nil {
				return err
			}
			if !ok {
				return noSender(tx, o.Float.role(), i, o.Senders)
			}
			if err := d.addLine(tx, a, true); err != nil {
				return err
			}
		}
		return s.collect(tx, d, o.Float)
	})
	return d, err
}

// noSender says that a home has fewer addresses that pay than are asked for.
func noSender(tx store.Tx, role wallet.Role, have, want int) error {
	if have == 0 {
		_, err := outgoing.Vault(tx, role) // which says what is missing
		return cmp.Or(err, wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no %s address", role), "airlock watch import makes it"))
	}
	return wallet.WithHint(wallet.As(wallet.ErrNotFound, "%d payout addresses are to pay, and this home has %d", want, have),
		"airlock address new --role payout --count %d makes the others; fund them and run airlock scan", want-have)
}

// collect sorts the approved withdrawals, and counts what is on its way.
func (s *Service) collect(tx store.Tx, d *draft, float Float) error {
	rebuilt := map[wallet.Slot]bool{}
	unclaimed, err := outgoing.ReadUnclaimed(tx, s.Chain)
	if err != nil {
		return err
	}
	if err := store.Withdrawals(tx, s.Chain, wallet.WithdrawalApproved, func(w wallet.Withdrawal) error {
		c := candidate{w: w}
		elsewhere, why, err := float.elsewhere(tx, w)
		if err != nil {
			return err
		}
		if elsewhere && why == "" {
			return nil
		}
		if why == "" {
			why = unclaimed.Why(&w)
		}
		if why == "" {
			why, err = s.examine(tx, &c)
			if errors.Is(err, errCanceling) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if why == "" && c.rebuild == nil {
			why = float.tooMuch(&c)
		}
		switch {
		case why != "":
			d.leftOut = append(d.leftOut, LeftOut{w.ID, why})
		case c.rebuild != nil && c.rebuild.Intent.Kind == wallet.IntentPayments:
			d.join(c)
			return d.addLine(tx, wallet.Address{Address: c.rebuild.Slot.Sender, Path: c.rebuild.Path}, false)
		case c.rebuild != nil:
			d.again = append(d.again, c)
			return d.addLine(tx, wallet.Address{Address: c.rebuild.Slot.Sender, Path: c.rebuild.Path}, false)
		default:
			d.fresh = append(d.fresh, c)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.collectWishes(tx, d, float); err != nil {
		return err
	}
	for _, c := range d.again {
		rebuilt[c.rebuild.Slot] = true
	}
	if err := s.collectMany(tx, d, rebuilt); err != nil {
		return err
	}
	slices.SortFunc(d.again, func(a, b candidate) int {
		x, y := a.rebuild.Slot, b.rebuild.Slot
		return cmp.Or(x.Sender.Cmp(y.Sender), cmp.Compare(x.Nonce, y.Nonce))
	})
	for _, l := range d.lines {
		if err := store.OpenOutgoingOf(tx, s.Chain, l.sender.Address, func(o wallet.Outgoing) error {
			// What the cursor's block has mined is gone from the balance there.
			if _, mined, err := store.MinedAt(tx, o.Slot); err != nil || mined {
				return err
			}
			l.waiting++
			if !rebuilt[o.Slot] {
				if o.Intent.Kind != wallet.IntentAllowance { // which moves nothing
					d.owed.spend(o.Slot.Sender, o.Intent.Asset, o.Intent.Amount)
				}
				d.owed.spend(o.Slot.Sender, d.coin.ID, o.WorstFee())
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// addLine reads where the line of a sender ends, and what forbids to build on
// it.
func (d *draft) addLine(tx store.Tx, sender wallet.Address, fresh bool) (err error) {
	if slices.ContainsFunc(d.lines, func(l *line) bool { return l.sender.Address == sender.Address }) {
		return nil
	}
	l := &line{sender: sender, fresh: fresh}
	d.lines = append(d.lines, l)
	chain := d.coin.ID.ChainID
	if l.next, err = outgoing.NextNonce(tx, chain, sender.Address); errors.Is(err, outgoing.ErrNoHistory) {
		l.problem = err
		return nil
	} else if err != nil {
		return err
	}
	// A node may be behind what scanning has seen already.
	_, mined, err := store.MinedAt(tx, wallet.Slot{ChainID: chain, Sender: sender.Address, Nonce: l.next})
	if mined {
		l.problem = outgoing.CheckNonce(sender.Address, l.next+1, l.next)
	}
	return err
}

// errCanceling says that a withdrawal is not to be paid any more.
var errCanceling = errors.New("is to be canceled")

// examine reads what a candidate needs and says why it must stay out, or "".
func (s *Service) examine(tx store.Tx, c *candidate) (why string, err error) {
	if c.asset, err = store.Asset(tx, c.w.Asset); err != nil {
		return "", err
	}
	if c.w.Account != wallet.House {
		frozen, err := store.Frozen(tx, c.w.Account)
		if err != nil {
			return "", err
		}
		if frozen != "" {
			return fmt.Sprintf("account %s is frozen: %s", c.w.Account, frozen), nil
		}
	}
	if c.w.Slot == nil {
		err := checkRecipient(tx, s.Chain, c.w.To)
		if errors.Is(err, wallet.ErrUsage) {
			return err.Error(), nil
		}
		return "", err
	}
	o, ok, err := store.OutgoingAt(tx, *c.w.Slot)
	if err != nil {
		return "", err
	}
	if m, mined, err := store.MinedAt(tx, *c.w.Slot); err != nil {
		return "", err
	} else if mined {
		return fmt.Sprintf("nonce %d of %s was used by %s: run airlock confirm", c.w.Slot.Nonce, c.w.Slot.Sender, m.TxHash), nil
	}
	if ok && o.Wish == wallet.WishCancel {
		return "", errCanceling
	}
	if !ok || !outgoing.Rebuildable(&o) {
		return fmt.Sprintf("nonce %d of %s is not free: run airlock confirm", c.w.Slot.Nonce, c.w.Slot.Sender), nil
	}
	c.rebuild = &o
	return "", nil
}

// ask asks the chain what the plan needs, and makes it.
func (s *Service) ask(ctx context.Context, node Node, d *draft, o BuildOptions) (*planner, error) {
	p := &planner{coin: d.coin, rungs: o.Rungs, budget: o.Budget, caps: o.Caps, max: o.Max, gas: map[common.Address]uint64{}}
	counts := map[common.Address]uint64{}
	for _, known := range d.lines {
		l := &line{} // of this plan alone: another may be made of the same look
		*l = *known
		p.lines = append(p.lines, l)
		count, err := node.NonceAt(ctx, l.sender.Address, nil)
		if err != nil {
			return nil, err
		}
		if l.problem == nil {
			l.problem = outgoing.CheckNonce(l.sender.Address, count, l.next)
		}
		counts[l.sender.Address] = count
	}
	if err := p.usable(); err != nil {
		return nil, err
	}
	gaps, err := s.gaps(ctx, p.lines, counts)
	if err != nil || len(d.again)+len(d.many)+len(d.fresh)+len(d.cancels)+len(gaps) == 0 {
		return p, err
	}
	if err := p.askFees(ctx, node, o.Cancel); err != nil {
		return nil, err
	}
	if p.funds, err = p.askFunds(ctx, node, d); err != nil {
		return nil, err
	}
	p.have = maps.Clone(p.funds)
	if err := p.empty(ctx, node, d.cancels, gaps); err != nil {
		return nil, err
	}
	for _, c := range d.again {
		if slot := c.rebuild.Slot; slot.Nonce < counts[slot.Sender] {
			p.leave(c, fmt.Sprintf("nonce %d of %s was used on chain: run airlock scan, then airlock confirm", slot.Nonce, slot.Sender))
		} else if !p.full() {
			p.again(c)
		}
	}
	for i := range d.many {
		if o := &d.many[i].o; o.Slot.Nonce >= counts[o.Slot.Sender] {
			p.rebuild(&d.many[i])
		}
	}
	if o.Contract {
		if d.fresh, err = s.askMany(ctx, node, p, d, o); err != nil {
			return nil, err
		}
	}
	for len(d.fresh) > 0 && !p.full() {
		n := min(len(d.fresh), p.max-len(p.items)-len(p.empties)-len(p.shared), part)
		now := d.fresh[:n]
		d.fresh = d.fresh[n:]
		if err := s.askPart(ctx, node, p, now, o.Progress); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// part is how many new payments are estimated between two looks at whether the
// batch is full.
const part = 1000

// askPart asks what some new payments need and plans them.
func (s *Service) askPart(ctx context.Context, node Node, p *planner, list []candidate, progress func()) error {
	if p.firstUsable() != nil {
		p.foresee(list)
		if err := s.estimate(ctx, node, list, progress); err != nil {
			return err
		}
	}
	for i := range list {
		for {
			c := &list[i]
			elsewhere := p.add(*c)
			if elsewhere == nil {
				break
			}
			c.from, c.moved = elsewhere, true
			if err := s.estimate(ctx, node, list[i:i+1], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// askFees asks what gas costs now, and what a cancel of each sender needs.
func (p *planner) askFees(ctx context.Context, node Node, cancel bool) error {
	head, err := node.HeaderByNumber(ctx, nil)
	if err != nil {
		return err
	}
	if head.BaseFee == nil {
		return errors.New("the chain has no base fee (EIP-1559), and airlock builds no other transactions")
	}
	tip, err := node.SuggestGasTipCap(ctx)
	if err != nil {
		return err
	}
	p.price = wallet.AmountOf(head.BaseFee).Add(wallet.AmountOf(tip))
	if p.ladder, err = outgoing.Ladder(outgoing.FirstRung(wallet.AmountOf(head.BaseFee), wallet.AmountOf(tip)), p.rungs, p.budget); err != nil {
		return err
	}
	if !cancel {
		return nil
	}
	for _, l := range p.lines {
		if l.problem == nil {
			if l.cancelGas, err = p.emptyGas(ctx, node, l.sender.Address); err != nil {
				return err
			}
		}
	}
	return nil
}

// askFunds reads what lies on the senders at the block that was scanned last,
// so that what is mined up to there is counted once, and takes off what is on
// its way.
func (p *planner) askFunds(ctx context.Context, node Node, d *draft) (funds, error) {
	have := maps.Clone(d.owed)
	assets := map[wallet.AssetID]bool{d.coin.ID: true}
	for _, c := range slices.Concat(d.again, d.fresh) {
		assets[c.asset.ID] = true
	}
	for i := range d.many {
		assets[d.many[i].o.Intent.Asset] = true
	}
	var senders []common.Address
	for _, l := range p.lines {
		if l.problem == nil {
			senders = append(senders, l.sender.Address)
		}
	}
	for asset := range assets {
		balances, err := askBalances(ctx, node, senders, asset, d.cursor)
		if err != nil {
			return nil, err
		}
		for i, sender := range senders {
			have.spend(sender, asset, wallet.AmountOf(balances[i]).Neg())
		}
	}
	return have, nil
}

// balanceNode tells what lies on an address.
type balanceNode interface {
	BalanceAtHash(ctx context.Context, account common.Address, block common.Hash) (*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
}

// askBalances asks what senders have of an asset at the block that was scanned
// last.
func askBalances(ctx context.Context, node balanceNode, senders []common.Address, asset wallet.AssetID, at store.Cursor) (balances []*big.Int, err error) {
	if asset.IsCoin() {
		for i := 0; i < len(senders) && err == nil; i++ {
			var balance *big.Int
			balance, err = node.BalanceAtHash(ctx, senders[i], at.HeadHash)
			balances = append(balances, balance)
		}
	} else {
		balances, err = node.TokenBalances(ctx, asset.Contract, senders, at.HeadHash)
	}
	if err != nil {
		return nil, wallet.WithHint(fmt.Errorf("balances of the payout addresses at block %d: %w", at.Head, err), "airlock scan reads up to the newest block, whose state every node has")
	}
	return balances, nil
}

// estimators is how many estimates are asked for at the same time.
const estimators = 16

// estimate asks a node for the gas of each candidate. One that the node will
// not estimate gets a problem; no answer at all is an error.
func (s *Service) estimate(ctx context.Context, node Node, list []candidate, progress func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(estimators)
	for i := range list {
		g.Go(func() error {
			c := &list[i]
			payload := outgoing.PayloadOf(c.asset.ID, c.w.To, c.w.Amount, 0)
			gas, err := node.EstimateGas(ctx, ethereum.CallMsg{From: c.from.sender.Address, To: &payload.To, Value: payload.Value.Big(), Data: payload.Data})
			var coded interface{ ErrorCode() int }
			switch {
			case err == nil:
				c.estimate = gas
			case errors.Is(err, wallet.ErrUnreachable) || !errors.As(err, &coded) || coded.ErrorCode() == 0:
				return fmt.Errorf("withdrawal %s: gas: %w", c.w.ID, err)
			default:
				c.problem = "the payment would fail: " + err.Error()
			}
			if progress != nil {
				progress()
			}
			return nil
		})
	}
	return g.Wait()
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
