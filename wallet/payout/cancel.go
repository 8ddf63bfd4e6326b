package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Wished is a withdrawal and what comes of what was asked for it.
type Wished struct {
	outgoing.Withdrawal
	Action outgoing.Action `json:"action"`
}

// Cancel gives withdrawals up: all of them, or none and an error. See
// outgoing.Cancel: once a batch holds one, only the chain frees its funds.
func (s *Service) Cancel(ctx context.Context, ids []string) ([]Wished, error) {
	return s.wish(ctx, ids, func(tx store.Tx, w *wallet.Withdrawal) (outgoing.Action, error) {
		return outgoing.Cancel(tx, w, s.now())
	})
}

// Bump asks for higher fees for withdrawals that are on their way: for all of
// them, or none and an error. See outgoing.Bump.
func (s *Service) Bump(ctx context.Context, ids []string) ([]Wished, error) {
	return s.wish(ctx, ids, func(tx store.Tx, w *wallet.Withdrawal) (outgoing.Action, error) {
		return outgoing.Bump(tx, w, s.now())
	})
}

func (s *Service) wish(ctx context.Context, ids []string, fn func(store.Tx, *wallet.Withdrawal) (outgoing.Action, error)) (list []Wished, err error) {
	actions := make([]outgoing.Action, 0, len(ids))
	views, err := s.change(ctx, ids, func(tx store.Tx, w *wallet.Withdrawal) (bool, error) {
		action, err := fn(tx, w)
		actions = append(actions, action)
		return false, err // it is stored already
	})
	if err != nil {
		return nil, err
	}
	for i, v := range views {
		list = append(list, Wished{v, actions[i]})
	}
	return list, nil
}

// Freed is a slot whose transaction was given up, and what comes of it.
type Freed struct {
	Slot   wallet.Slot
	Intent wallet.Intent
	Action outgoing.Action
}

// CancelSlot gives up what holds up its sender and is not one withdrawal. See
// outgoing.CancelSlot.
func (s *Service) CancelSlot(ctx context.Context, sender common.Address, nonce uint64) (f Freed, err error) {
	f.Slot = wallet.Slot{ChainID: s.Chain, Sender: sender, Nonce: nonce}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		o, action, err := outgoing.CancelSlot(tx, f.Slot)
		f.Intent, f.Action = o.Intent, action
		return err
	})
	return f, err
}

// collectWishes finds what operators asked for beyond the approved withdrawals:
// payments that get higher fees, which are built like those of discarded
// batches, and cancels, of all senders whose keys are in the batch's vault. What
// is mined needs neither.
func (s *Service) collectWishes(tx store.Tx, d *draft, float Float) error {
	return store.OpenOutgoing(tx, s.Chain, func(o wallet.Outgoing) error {
		raise := outgoing.Raisable(&o)
		if !raise && o.Wish != wallet.WishCancel {
			return nil
		}
		if _, mined, err := store.MinedAt(tx, o.Slot); err != nil || mined {
			return err
		}
		ours, _, err := store.OurAddress(tx, o.Slot.Sender)
		if err != nil || (ours.Role == wallet.FloatRole) != (float.role() == wallet.FloatRole) {
			return err
		}
		if err := d.addLine(tx, ours, false); err != nil {
			return err
		}
		if !raise {
			d.cancels = append(d.cancels, o)
			return nil
		}
		w, ok, err := store.Withdrawal(tx, o.Intent.ID)
		if err != nil || !ok {
			return err
		}
		c := candidate{w: w, rebuild: &o}
		if c.asset, err = store.Asset(tx, w.Asset); err == nil {
			d.again = append(d.again, c)
		}
		return err
	})
}

// emptied is an item that takes a nonce and pays nobody.
func emptied(slot wallet.Slot, path wallet.Path, kind wallet.IntentKind, gas uint64, rungs []wallet.Fee) batch.Item {
	return batch.Item{
		From: slot.Sender, Path: path, Nonce: slot.Nonce, To: slot.Sender, Data: hexutil.Bytes{}, Gas: gas,
		Rungs: rungs, Requires: -1,
		Intent: wallet.Intent{Kind: kind, ID: slot.IntentID(), Asset: wallet.Coin(slot.ChainID), Recipient: slot.Sender},
	}
}

// gap is a nonce below a sender's next one at which nothing is mined, and nothing
// is bound but perhaps a no-op that was discarded.
type gap struct {
	slot wallet.Slot
	path wallet.Path
	noOp wallet.Outgoing // what was discarded
}

// gaps lists the nonces of lines that no batch holds and that are not used on
// chain, which counts as many transactions of each sender, and those of no-ops that
// were discarded.
func (s *Service) gaps(ctx context.Context, lines []*line, counts map[common.Address]uint64) (list []gap, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list = nil
		for _, l := range lines {
			if l.problem != nil {
				continue
			}
			sender := l.sender.Address
			for slot := (wallet.Slot{ChainID: s.Chain, Sender: sender, Nonce: counts[sender]}); slot.Nonce < l.next; slot.Nonce++ {
				o, bound, err := store.OutgoingAt(tx, slot)
				if err != nil {
					return err
				}
				if bound && (o.Intent.Kind != wallet.IntentNoOp || !outgoing.Rebuildable(&o)) {
					continue
				}
				if _, mined, err := store.MinedAt(tx, slot); err != nil {
					return err
				} else if mined {
					continue
				}
				list = append(list, gap{slot, l.sender.Path, o})
			}
		}
		return nil
	})
	return list, err
}

// cancelGas is the gas limit of a transaction that sends 0 of the coin from a
// sender to itself.
func cancelGas(ctx context.Context, node Node, sender common.Address) (uint64, error) {
	estimate, err := node.EstimateGas(ctx, ethereum.CallMsg{From: sender, To: &sender})
	var coded interface{ ErrorCode() int }
	switch {
	case err == nil && estimate > batch.MinGas: // a rollup counts what it posts
		return min(gasLimit(estimate), batch.MaxCancelGas), nil
	case err == nil, errors.As(err, &coded) && coded.ErrorCode() != 0 && !errors.Is(err, wallet.ErrUnreachable):
		return batch.MinGas, nil
	}
	return 0, fmt.Errorf("gas of a cancel of %s: %w", sender, err)
}

// emptyGas is cancelGas, asked once for each sender.
func (p *planner) emptyGas(ctx context.Context, node Node, sender common.Address) (gas uint64, err error) {
	gas, known := p.gas[sender]
	if !known {
		if gas, err = cancelGas(ctx, node, sender); err == nil {
			p.gas[sender] = gas
		}
	}
	return gas, err
}

// empty plans what takes a nonce and pays nobody: cancels, above all that was
// written for their nonces, and no-ops for gaps. A cancel that is signed is
// replaced where the market outgrew it.
func (p *planner) empty(ctx context.Context, node Node, cancels []wallet.Outgoing, gaps []gap) error {
	// A new payment offers twice the base fee and the tip.
	first := p.ladder[0]
	least := wallet.AmountOf(first.MaxFeePerGas.Big().Rsh(first.MaxFeePerGas.Big(), 1))
	for i := range cancels {
		o := &cancels[i]
		if !outgoing.WantsCancel(o, least) || p.full() {
			continue
		}
		if l := p.lineOf(o.Slot.Sender); l.problem != nil {
			p.leftOut = append(p.leftOut, LeftOut{o.Intent.ID, l.problem.Error()})
			continue
		}
		n, err := p.emptyGas(ctx, node, o.Slot.Sender)
		if err != nil {
			return err
		}
		it := emptied(o.Slot, o.Path, wallet.IntentCancel, n, []wallet.Fee{aboveAll(o, first)})
		it.Replaces = o.Intent.Name()
		more := it.WorstFee().Sub(o.WorstFee()) // what is on its way was counted, and only one of them is mined
		if o.Intent.Asset.IsCoin() {
			more = more.Sub(o.Intent.Amount)
		}
		p.takeNonce(it, o.Intent, larger(more, wallet.Amount{}))
	}
	for _, g := range gaps {
		if p.full() {
			break
		}
		n, err := p.emptyGas(ctx, node, g.slot.Sender)
		if err != nil {
			return err
		}
		rungs := p.ladder
		if len(g.noOp.Attempts) > 0 {
			rungs = []wallet.Fee{aboveAll(&g.noOp, p.ladder[0])}
		}
		it := emptied(g.slot, g.path, wallet.IntentNoOp, n, rungs)
		p.takeNonce(it, it.Intent, it.WorstFee())
	}
	return nil
}

// takeNonce takes an item that pays nobody, if its sender can pay its gas.
func (p *planner) takeNonce(it batch.Item, in wallet.Intent, fee wallet.Amount) {
	if missing := p.funds.take(it.From, p.coin, p.coin, wallet.Amount{}, fee); missing != "" && !fee.IsZero() {
		p.leftOut = append(p.leftOut, LeftOut{in.ID, missing})
		return
	}
	p.empties = append(p.empties, it)
}

// aboveAll is a fee an eighth above all that was written for a slot, whether its
// signatures came back or not, and no less than a new transaction's.
func aboveAll(o *wallet.Outgoing, fee wallet.Fee) wallet.Fee {
	for i := range o.Attempts {
		rungs := o.Attempts[i].Rungs
		if len(rungs) == 0 {
			continue
		}
		top := rungs[len(rungs)-1]
		fee.MaxFeePerGas = larger(fee.MaxFeePerGas, eighthAbove(top.MaxFeePerGas))
		fee.MaxPriorityFeePerGas = larger(fee.MaxPriorityFeePerGas, eighthAbove(top.MaxPriorityFeePerGas))
	}
	fee.MaxFeePerGas = larger(fee.MaxFeePerGas, fee.MaxPriorityFeePerGas)
	return fee
}

// inOrder sorts items so that the nonces of each sender rise.
func inOrder(items []batch.Item) []batch.Item {
	slices.SortStableFunc(items, func(a, b batch.Item) int {
		return cmp.Or(a.From.Cmp(b.From), cmp.Compare(a.Nonce, b.Nonce))
	})
	return items
}
