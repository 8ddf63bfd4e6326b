package payout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

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
