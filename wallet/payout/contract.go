package payout

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// together is a transaction that a discarded batch left bound and that pays many
// withdrawals, or lets the contract do so.
type together struct {
	o         wallet.Outgoing
	asset     wallet.Asset
	withdrawn map[string]wallet.Withdrawal // of those that are approved again
}

// join takes a withdrawal to the others of its transaction.
func (d *draft) join(c candidate) {
	i := slices.IndexFunc(d.many, func(t together) bool { return t.o.Slot == c.rebuild.Slot })
	if i < 0 {
		i = len(d.many)
		d.many = append(d.many, together{o: *c.rebuild, asset: c.asset, withdrawn: map[string]wallet.Withdrawal{}})
	}
	d.many[i].withdrawn[c.w.ID] = c.w
}

// collectMany finds what the payments that are built again wait for, and leaves out
// those of which a withdrawal cannot be paid now: a nonce pays all of its
// withdrawals or none.
func (s *Service) collectMany(tx store.Tx, d *draft, rebuilt map[wallet.Slot]bool) error {
	d.many = slices.DeleteFunc(d.many, func(t together) bool {
		if len(t.withdrawn) == len(t.o.Payments) {
			return false
		}
		for id := range t.withdrawn {
			d.leftOut = append(d.leftOut, LeftOut{id, fmt.Sprintf("nonce %d of %s pays %d withdrawals together, and %d of them cannot be paid now", t.o.Slot.Nonce, t.o.Slot.Sender, len(t.o.Payments), len(t.o.Payments)-len(t.withdrawn))})
		}
		return true
	})
	for sender := range d.next {
		if err := store.OpenOutgoingOf(tx, s.Chain, sender, func(o wallet.Outgoing) error {
			if (o.Intent.Kind != wallet.IntentAllowance && o.Intent.Kind != wallet.IntentDeploy) || !outgoing.Rebuildable(&o) || o.Wish == wallet.WishCancel {
				return nil
			}
			_, mined, err := store.MinedAt(tx, o.Slot)
			if err == nil && !mined {
				d.many = append(d.many, together{o: o})
			}
			return err
		}); err != nil {
			return err
		}
	}
	for i := range d.many {
		rebuilt[d.many[i].o.Slot] = true
	}
	return nil
}

// rebuild takes what a discarded batch left bound, as it is.
func (p *planner) rebuild(t *together) {
	o := &t.o
	asset, amount := t.asset, o.Intent.Amount
	if o.Intent.Kind != wallet.IntentPayments { // which alone moves something
		asset, amount = p.coin, wallet.Amount{}
	}
	fee := replacing(o, p.fee)
	if missing := p.funds.take(o.Slot.Sender, asset, p.coin, amount, larger(fee.MaxFeePerGas.Mul(o.Payload.Gas), o.WorstFee())); missing != "" {
		for id := range t.withdrawn {
			p.leftOut = append(p.leftOut, LeftOut{id, missing})
		}
		return
	}
	it := batch.Item{
		From: o.Slot.Sender, Path: o.Path, Nonce: o.Slot.Nonce, To: o.Payload.To, Value: o.Payload.Value, Data: o.Payload.Data, Gas: o.Payload.Gas,
		Rungs: []wallet.Fee{fee}, Requires: -1, Intent: o.Intent,
	}
	for _, paid := range o.Payments {
		it.Payments = append(it.Payments, batch.Payment{ID: paid.ID, Recipient: paid.To, Amount: paid.Amount, RequestedBy: t.withdrawn[paid.ID].RequestedBy})
	}
	p.shared = append(p.shared, it)
	if o.Requires != nil {
		p.waits = append(p.waits, wait{o.Slot, *o.Requires})
	}
}

// A wait is a transaction that is sent after another one is mined.
type wait struct{ slot, first wallet.Slot }

// items are all of the batch, in the order of their nonces.
func (p *planner) items() []batch.Item {
	list := inOrder(slices.Concat(items(p.picks), p.shared, p.empties))
	at := map[wallet.Slot]int{}
	for i := range list {
		at[wallet.Slot{ChainID: p.coin.ID.ChainID, Sender: list[i].From, Nonce: list[i].Nonce}] = i
	}
	for _, w := range p.waits {
		// What is not in the batch is mined already.
		if first, ok := at[w.first]; ok {
			list[at[w.slot]].Requires = first
		}
	}
	return list
}

// What a payment through the contract takes beyond a transfer of the sender's own:
// the allowance is read and written, in a call of its own.
const throughContract = 15_000

// ErrNoContract says that the contract that pays many is not on the chain.
var ErrNoContract = fmt.Errorf("%w: the contract that pays many is not on this chain", wallet.ErrRefused)

// CheckContract refuses to build for a contract that is not there: a call of it
// would succeed and pay nobody.
func CheckContract(ctx context.Context, node Node) error {
	code, err := node.CodeAt(ctx, multipay.Address(), nil)
	if err != nil {
		return fmt.Errorf("code of %s: %w", multipay.Address(), err)
	}
	if crypto.Keccak256Hash(code) != multipay.RuntimeHash() {
		return wallet.WithHint(fmt.Errorf("%w, at %s", ErrNoContract, multipay.Address()), "airlock contract deploy puts it there, once")
	}
	return nil
}

// askMany plans the new withdrawals of tokens through the contract, and returns the
// others.
func (s *Service) askMany(ctx context.Context, node Node, p *planner, d *draft, o BuildOptions) (rest []candidate, err error) {
	byToken := map[wallet.AssetID][]candidate{}
	var tokens []wallet.AssetID
	for _, c := range d.fresh {
		if c.asset.ID.IsCoin() {
			rest = append(rest, c)
			continue
		}
		if byToken[c.asset.ID] == nil {
			tokens = append(tokens, c.asset.ID)
		}
		byToken[c.asset.ID] = append(byToken[c.asset.ID], c)
	}
	if len(tokens) == 0 {
		return rest, nil
	}
	if err := CheckContract(ctx, node); err != nil {
		return nil, err
	}
	for _, token := range tokens {
		list := byToken[token]
		if err := s.estimate(ctx, node, p.sender.Address, list, o.Progress); err != nil {
			return nil, err
		}
		reset, err := s.allows(ctx, node, p.sender.Address, token)
		if err != nil {
			return nil, err
		}
		if err := p.share(list, reset); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// allows reports whether the contract is or may be allowed some of a token already.
// Tokens like Tether's take another amount only after 0.
func (s *Service) allows(ctx context.Context, node Node, sender common.Address, token wallet.AssetID) (some bool, err error) {
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		return store.OpenOutgoingOf(tx, s.Chain, sender, func(o wallet.Outgoing) error {
			some = some || o.Intent.Asset == token && (o.Intent.Kind == wallet.IntentAllowance || o.Intent.Kind == wallet.IntentPayments)
			return nil
		})
	}); err != nil || some {
		return some, err
	}
	answer, err := node.CallContract(ctx, ethereum.CallMsg{To: &token.Contract, Data: multipay.AllowanceData(sender)}, nil)
	if err != nil {
		return false, fmt.Errorf("allowance of %s for %s: %w", sender, multipay.Address(), err)
	}
	return common.BytesToHash(answer) != (common.Hash{}), nil
}

// share plans withdrawals of one token: an allowance of their exact sum, after one
// of 0 where there may be some already, and as few transactions as hold them all.
func (p *planner) share(list []candidate, reset bool) error {
	var (
		asset  = list[0].asset
		sender = p.sender.Address
		paid   []candidate
		each   uint64
		sum    wallet.Amount
	)
	for _, c := range list {
		gas := throughContract + gasLimit(c.estimate-min(c.estimate, batch.MinGas))
		if highest := p.caps.of(asset.ID); c.problem == "" && gas > highest {
			c.problem = fmt.Sprintf("needs %d gas through the contract, above the cap of %d", gas, highest)
		}
		if missing := p.funds.take(sender, asset, p.coin, c.w.Amount, wallet.Amount{}); missing != "" {
			c.problem = missing
		} else if c.problem != "" {
			p.funds.spend(sender, asset.ID, c.w.Amount.Neg())
		}
		if c.problem != "" {
			p.leave(c, c.problem)
			continue
		}
		paid, each, sum = append(paid, c), max(each, gas), sum.Add(c.w.Amount)
	}
	if len(paid) == 0 {
		return nil
	}
	const allowanceGas = 100_000
	var plan []batch.Item
	next := p.next
	add := func(kind wallet.IntentKind, amount wallet.Amount, to common.Address, data []byte, gas uint64) *batch.Item {
		slot := wallet.Slot{ChainID: asset.ID.ChainID, Sender: sender, Nonce: next}
		next++
		plan = append(plan, batch.Item{
			From: sender, Path: p.sender.Path, Nonce: slot.Nonce, To: to, Data: hexutil.Bytes(data), Gas: gas,
			Rungs: []wallet.Fee{p.fee}, Requires: -1,
			Intent: wallet.Intent{Kind: kind, ID: slot.IntentID(), Asset: asset.ID, Recipient: multipay.Address(), Amount: amount},
		})
		return &plan[len(plan)-1]
	}
	if reset {
		add(wallet.IntentAllowance, wallet.Amount{}, asset.ID.Contract, multipay.ApproveData(wallet.Amount{}), allowanceGas)
	}
	allowance := add(wallet.IntentAllowance, sum, asset.ID.Contract, multipay.ApproveData(sum), allowanceGas).Nonce
	most := multipay.MaxPayments(asset.ID.Contract, each)
	for part := range slices.Chunk(paid, max(most, 1)) {
		it := add(wallet.IntentPayments, wallet.Amount{}, multipay.Address(), nil, 0)
		for _, c := range part {
			it.Payments = append(it.Payments, batch.Payment{ID: c.w.ID, Recipient: c.w.To, Amount: c.w.Amount, RequestedBy: c.w.RequestedBy})
		}
		call := it.Call(each)
		data, err := call.Encode()
		if err != nil {
			return err
		}
		it.Data, it.Gas, it.Intent.Amount = data, call.GasLimit(), call.Sum()
	}
	var fee wallet.Amount
	for i := range plan {
		fee = fee.Add(plan[i].WorstFee())
	}
	if missing := p.funds.take(sender, p.coin, p.coin, wallet.Amount{}, fee); missing != "" {
		for _, c := range paid {
			p.funds.spend(sender, asset.ID, c.w.Amount.Neg())
			p.leave(c, missing)
		}
		return nil
	}
	for i := range plan {
		if it := &plan[i]; it.Intent.Kind == wallet.IntentPayments {
			slot := wallet.Slot{ChainID: asset.ID.ChainID, Sender: sender, Nonce: it.Nonce}
			p.waits = append(p.waits, wait{slot, wallet.Slot{ChainID: slot.ChainID, Sender: sender, Nonce: allowance}})
		}
	}
	p.shared, p.next = append(p.shared, plan...), next
	return nil
}
