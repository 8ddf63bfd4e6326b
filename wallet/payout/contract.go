package payout

import (
	"context"
	"errors"
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
	for _, l := range d.lines {
		if err := store.OpenOutgoingOf(tx, s.Chain, l.sender.Address, func(o wallet.Outgoing) error {
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
	if p.full() || len(o.Payments) > p.room() {
		return
	}
	asset, amount := t.asset, o.Intent.Amount
	if o.Intent.Kind != wallet.IntentPayments { // which alone moves something
		asset, amount = p.coin, wallet.Amount{}
	}
	leave := func(why string) {
		for id := range t.withdrawn {
			p.leftOut = append(p.leftOut, LeftOut{id, why})
		}
	}
	l := p.lineOf(o.Slot.Sender)
	if l.problem != nil {
		leave(l.problem.Error())
		return
	}
	ladder, err := outgoing.Ladder(replacing(o, p.ladder[0]), p.rungs, p.budget)
	if err != nil {
		leave(fmt.Sprintf("to take the place of what was signed before: %v", err))
		return
	}
	it := batch.Item{
		From: o.Slot.Sender, Path: o.Path, Nonce: o.Slot.Nonce, To: o.Payload.To, Value: o.Payload.Value, Data: o.Payload.Data, Gas: o.Payload.Gas,
		Rungs: ladder, Cancel: cancelOf(ladder, l.cancelGas), Requires: -1, Intent: o.Intent,
	}
	if missing := p.funds.take(o.Slot.Sender, asset, p.coin, amount, larger(it.WorstFee(), o.WorstFee())); missing != "" {
		leave(missing)
		return
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

// all is what the batch holds, the nonces of each sender rising.
func (p *planner) all() []batch.Item {
	list := inOrder(slices.Concat(p.items, p.shared, p.empties))
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

// askMany plans the new withdrawals of tokens, and those of the coin if they are to
// be, through the contract, and returns the others.
func (s *Service) askMany(ctx context.Context, node Node, p *planner, d *draft, o BuildOptions) (rest []candidate, err error) {
	byAsset := map[wallet.AssetID][]candidate{}
	var assets []wallet.AssetID
	for _, c := range d.fresh {
		if c.asset.ID.IsCoin() && !o.ContractCoin {
			rest = append(rest, c)
			continue
		}
		if byAsset[c.asset.ID] == nil {
			assets = append(assets, c.asset.ID)
		}
		byAsset[c.asset.ID] = append(byAsset[c.asset.ID], c)
	}
	if len(assets) == 0 {
		return rest, nil
	}
	if err := CheckContract(ctx, node); err != nil {
		return nil, err
	}
	l := p.firstUsable()
	if l == nil {
		return d.fresh, nil // each is left out with the reason
	}
	for _, asset := range assets {
		list := byAsset[asset]
		for i := range list {
			list[i].from = l
		}
		if err := s.estimate(ctx, node, list, o.Progress); err != nil {
			return nil, err
		}
		reset := false
		if !asset.IsCoin() {
			if reset, err = s.allows(ctx, node, l.sender.Address, asset); err != nil {
				return nil, err
			}
		}
		if err := p.share(l, list, reset); err != nil {
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

// room is how many more payments the batch may hold. What does not fit is for the
// next one.
func (p *planner) room() int {
	room := batch.MaxPayments
	for i := range p.shared {
		room -= len(p.shared[i].Payments)
	}
	return room
}

// share plans withdrawals of one asset on a line: for a token an allowance of their
// exact sum, after one of 0 where there may be some already, and as few transactions as
// hold them all.
func (p *planner) share(l *line, list []candidate, reset bool) error {
	var (
		asset  = list[0].asset
		sender = l.sender.Address
		paid   []candidate
		each   uint64
		sum    wallet.Amount
	)
	room := p.room()
	for _, c := range list {
		if len(paid) >= room {
			break
		}
		gas := gasLimit(c.estimate - min(c.estimate, batch.MinGas))
		if !asset.ID.IsCoin() {
			gas += throughContract
		}
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
	next := l.next
	add := func(kind wallet.IntentKind, amount wallet.Amount, to common.Address, data []byte, gas uint64) *batch.Item {
		slot := wallet.Slot{ChainID: asset.ID.ChainID, Sender: sender, Nonce: next}
		next++
		plan = append(plan, batch.Item{
			From: sender, Path: l.sender.Path, Nonce: slot.Nonce, To: to, Data: hexutil.Bytes(data), Gas: gas,
			Rungs: p.ladder, Cancel: cancelOf(p.ladder, l.cancelGas), Requires: -1,
			Intent: wallet.Intent{Kind: kind, ID: slot.IntentID(), Asset: asset.ID, Recipient: multipay.Address(), Amount: amount},
		})
		return &plan[len(plan)-1]
	}
	if reset {
		add(wallet.IntentAllowance, wallet.Amount{}, asset.ID.Contract, multipay.ApproveData(wallet.Amount{}), allowanceGas)
	}
	var allowance uint64
	if !asset.ID.IsCoin() {
		allowance = add(wallet.IntentAllowance, sum, asset.ID.Contract, multipay.ApproveData(sum), allowanceGas).Nonce
	}
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
		if asset.ID.IsCoin() {
			it.Value = call.Sum()
		}
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
		if it := &plan[i]; it.Intent.Kind == wallet.IntentPayments && !asset.ID.IsCoin() {
			slot := wallet.Slot{ChainID: asset.ID.ChainID, Sender: sender, Nonce: it.Nonce}
			p.waits = append(p.waits, wait{slot, wallet.Slot{ChainID: slot.ChainID, Sender: sender, Nonce: allowance}})
		}
	}
	p.shared, l.next, l.waiting = append(p.shared, plan...), next, l.waiting+len(plan)
	return nil
}

// ErrDeployed says that the contract that pays many is on the chain already.
var ErrDeployed = fmt.Errorf("%w: the contract that pays many is on this chain already", wallet.ErrConflict)

// Deploy writes a batch that puts the contract that pays many on the chain, from the
// first payout address. The error is ErrDeployed where it is there.
func (s *Service) Deploy(ctx context.Context, node Node, o BuildOptions) (Built, error) {
	switch err := CheckContract(ctx, node); {
	case err == nil:
		return Built{}, fmt.Errorf("%w, at %s", ErrDeployed, multipay.Address())
	case !errors.Is(err, ErrNoContract):
		return Built{}, err
	}
	if factory, err := node.CodeAt(ctx, multipay.Factory, nil); err != nil {
		return Built{}, fmt.Errorf("code of %s: %w", multipay.Factory, err)
	} else if len(factory) == 0 {
		return Built{}, wallet.WithHint(
			wallet.As(wallet.ErrRefused, "the proxy %s that deploys the contract is not on this chain", multipay.Factory),
			"send %s wei to %s, then the raw transaction %s with any tool; some nodes take it only with a setting for transactions without a chain id",
			wallet.NewAmount(multipay.FactoryCost), multipay.FactoryDeployer, hexutil.Encode(multipay.FactoryTransaction))
	}
	if err := o.complete(); err != nil {
		return Built{}, err
	}
	d, err := s.look(ctx, o)
	if err != nil {
		return Built{}, err
	}
	d.again, d.many, d.fresh, d.cancels = nil, nil, nil, nil // a batch of its own
	p, err := s.ask(ctx, node, d, o)
	if err != nil {
		return Built{}, err
	}
	l := p.firstUsable()
	if l == nil {
		return Built{}, p.lines[0].problem
	}
	if p.ladder == nil {
		if err := p.askFees(ctx, node, o.Cancel); err != nil {
			return Built{}, err
		}
	}
	sender, next := l.sender.Address, l.next
	data := multipay.DeployData()
	gas, err := node.EstimateGas(ctx, ethereum.CallMsg{From: sender, To: &multipay.Factory, Data: data})
	if err != nil {
		return Built{}, fmt.Errorf("gas of the deployment: %w", err)
	}
	slot := wallet.Slot{ChainID: s.Chain, Sender: sender, Nonce: next}
	it := batch.Item{
		From: sender, Path: l.sender.Path, Nonce: next, To: multipay.Factory, Data: data, Gas: gasLimit(gas),
		Rungs: p.ladder, Cancel: cancelOf(p.ladder, l.cancelGas), Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentDeploy, ID: slot.IntentID(), Asset: d.coin.ID, Recipient: multipay.Address()},
	}
	var built Built
	err = s.DB.Update(ctx, func(tx store.Tx) (err error) {
		if built.Batch, err = outgoing.Draft(tx, batch.Withdrawals, s.Chain, []batch.Item{it}, s.now(), o.Expiry); err != nil {
			return err
		}
		built.Record, err = outgoing.Write(tx, built.Batch)
		return err
	})
	return built, err
}
