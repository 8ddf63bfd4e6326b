package payout

import (
	"fmt"
	"maps"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// A candidate is an approved withdrawal on its way into a batch.
type candidate struct {
	w        wallet.Withdrawal
	asset    wallet.Asset
	rebuild  *wallet.Outgoing // what its slot holds, if it is bound to one
	estimate uint64           // gas that a node estimates; 0 for what is built again
	from     *line            // whose payment was estimated
	moved    bool             // it was estimated for another one before
	problem  string           // why the node would not estimate it, or ""
}

// LeftOut is an approved withdrawal that a batch does not hold, and why.
type LeftOut struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// A line is the transactions of one payout address in the order of their
// nonces. One that is stuck delays those behind it in its line, and no others.
type line struct {
	sender    wallet.Address
	fresh     bool   // whether new payments may join it, or only what it left be built again
	next      uint64 // nonce of its next new transaction
	waiting   int    // its transactions that are not mined, those of the plan included
	cancelGas uint64 // limit of a cancel that is signed with each; 0 for none
	problem   error  // why nothing of it may be built, or nil
}

// funds are what senders can still spend, by place and asset.
type funds map[place]wallet.Amount

type place struct {
	sender common.Address
	asset  wallet.AssetID
}

// missing says what a sender lacks for an amount and its fee, or "".
func (f funds) missing(sender common.Address, asset, coin wallet.Asset, amount, fee wallet.Amount) string {
	for _, a := range []wallet.Asset{asset, coin} {
		var need wallet.Amount
		if a.ID == asset.ID {
			need = amount
		}
		if a.ID == coin.ID {
			need = need.Add(fee)
		}
		have := f[place{sender, a.ID}]
		if have.Cmp(need) < 0 {
			if have.Sign() < 0 {
				have = wallet.Amount{}
			}
			return fmt.Sprintf("%s: %s has %s to spare, and this needs %s with the highest fee", insufficient, sender, a.Format(have), a.Format(need))
		}
	}
	return ""
}

// insufficient begins the reason of what cannot be paid for lack of funds.
const insufficient = "insufficient payout funds"

// take spends an amount and its fee, or nothing and says what is missing.
func (f funds) take(sender common.Address, asset, coin wallet.Asset, amount, fee wallet.Amount) string {
	missing := f.missing(sender, asset, coin, amount, fee)
	if missing == "" {
		f.spend(sender, asset.ID, amount)
		f.spend(sender, coin.ID, fee)
	}
	return missing
}

func (f funds) spend(sender common.Address, asset wallet.AssetID, amount wallet.Amount) {
	p := place{sender, asset}
	f[p] = f[p].Sub(amount)
}

// Caps are the highest gas limits that a withdrawal may get. One that needs
// more is left out: its recipient or token does more than receive.
type Caps struct {
	Coin  uint64
	Token uint64
}

// The caps unless the operator sets others.
const (
	DefaultCoinCap  = 500_000
	DefaultTokenCap = 300_000
)

func (c Caps) of(asset wallet.AssetID) uint64 {
	if asset.IsCoin() {
		return c.Coin
	}
	return c.Token
}

// gasLimit is what a transaction gets for an estimate: half as much again,
// because the state may change until it is mined.
func gasLimit(estimate uint64) uint64 { return estimate + estimate/2 }

// replacing is the first rung of a transaction that may have to take the place
// of earlier ones with its nonce: an eighth above them, as nodes demand a tenth,
// and no less than a new one's.
func replacing(o *wallet.Outgoing, fee wallet.Fee) wallet.Fee {
	for _, given := range outgoing.Standing(o) {
		fee.MaxFeePerGas = larger(fee.MaxFeePerGas, eighthAbove(given.MaxFeePerGas))
		fee.MaxPriorityFeePerGas = larger(fee.MaxPriorityFeePerGas, eighthAbove(given.MaxPriorityFeePerGas))
	}
	fee.MaxFeePerGas = larger(fee.MaxFeePerGas, fee.MaxPriorityFeePerGas)
	return fee
}

func eighthAbove(a wallet.Amount) wallet.Amount {
	n := a.Big()
	return wallet.AmountOf(n.Rsh(n, 3)).Add(a).Add(wallet.NewAmount(1))
}

func larger(a, b wallet.Amount) wallet.Amount {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

// planner decides from facts alone what a batch holds.
type planner struct {
	coin   wallet.Asset
	lines  []*line         // those of new payments first, by index
	ladder []wallet.Fee    // of new payments
	rungs  int             // that were asked for
	budget outgoing.Budget // of each item
	caps   Caps
	price  wallet.Amount // wei per gas that would be paid now
	have   funds         // before the plan
	funds  funds
	max    int

	items     []batch.Item // payments, those that are built again first
	estimates []uint64     // gas that each of them is estimated to use
	rebuilt   int          // how many of them are built again
	empties   []batch.Item // cancels and no-ops
	shared    []batch.Item // what the contract that pays many is for
	waits     []wait       // which of them wait for which
	leftOut   []LeftOut

	gas map[common.Address]uint64 // limit of a transaction that pays nobody, by sender, where it was asked
}

func (p *planner) full() bool { return len(p.items)+len(p.empties)+len(p.shared) >= p.max }

func (p *planner) leave(c candidate, reason string) {
	p.leftOut = append(p.leftOut, LeftOut{c.w.ID, reason})
}

// lineOf returns the line of a sender, or nil.
func (p *planner) lineOf(sender common.Address) *line {
	for _, l := range p.lines {
		if l.sender.Address == sender {
			return l
		}
	}
	return nil
}

// usable says why nothing can be built on any line, or nil if something can.
func (p *planner) usable() (err error) {
	for _, l := range p.lines {
		if l.problem == nil {
			return nil
		}
		if err == nil {
			err = l.problem
		}
	}
	return err
}

// again takes what a discarded batch left bound. It keeps its nonce, payload
// and gas limit.
func (p *planner) again(c candidate) {
	o := c.rebuild
	l := p.lineOf(o.Slot.Sender)
	if l.problem != nil {
		p.leave(c, l.problem.Error())
		return
	}
	ladder, err := outgoing.Ladder(replacing(o, p.ladder[0]), p.rungs, p.budget)
	if err != nil {
		p.leave(c, fmt.Sprintf("to take the place of what was signed before: %v", err))
		return
	}
	it := p.item(c, wallet.Address{Address: o.Slot.Sender, Path: o.Path}, o.Slot.Nonce, o.Payload, ladder, l.cancelGas)
	worst := larger(it.WorstFee(), o.WorstFee())
	if missing := p.funds.take(o.Slot.Sender, c.asset, p.coin, c.w.Amount, worst); missing != "" {
		p.leave(c, missing)
		return
	}
	p.take(it, o.Payload.Gas/3*2) // of which half as much again is the limit
	p.rebuilt++
}

// place returns the line that a new payment with so much gas joins: of those
// that can pay it at its worst fee the one with the fewest transactions waiting,
// and of equal ones the first. It says why if there is none.
func (p *planner) place(c *candidate, gas uint64) (best *line, why string) {
	usable := 0
	var richest *line
	for _, l := range p.lines {
		if !l.fresh || l.problem != nil || c.moved && l != c.from {
			continue
		}
		usable++
		if have := func(l *line) wallet.Amount { return p.funds[place{l.sender.Address, c.asset.ID}] }; richest == nil || have(l).Cmp(have(richest)) > 0 {
			richest = l
		}
		if best != nil && l.waiting >= best.waiting {
			continue
		}
		if p.missing(c, l, gas) == "" {
			best = l
		}
	}
	switch {
	case best != nil:
		return best, ""
	case usable == 0:
		return nil, p.lines[0].problem.Error() // a batch has one line of new payments at least
	}
	why = p.missing(c, richest, gas)
	if usable > 1 {
		why += fmt.Sprintf(", and none of the other %d payout addresses can pay it either", usable-1)
	}
	return nil, why
}

func (p *planner) missing(c *candidate, l *line, gas uint64) string {
	return p.funds.missing(l.sender.Address, c.asset, p.coin, c.w.Amount, p.worstFee(gas, l.cancelGas))
}

// worstFee is what a new payment may cost in gas, in wei.
func (p *planner) worstFee(gas, cancelGas uint64) wallet.Amount {
	it := batch.Item{Gas: gas, Rungs: p.ladder, Cancel: cancelOf(p.ladder, cancelGas)}
	return it.WorstFee()
}

// foresee chooses for each candidate whose payment a node is asked to estimate:
// that of the line which it will join if the estimates bring no surprise.
func (p *planner) foresee(list []candidate) {
	ahead := &planner{coin: p.coin, ladder: p.ladder, funds: maps.Clone(p.funds)}
	back := map[*line]*line{}
	for _, l := range p.lines {
		twin := *l
		ahead.lines = append(ahead.lines, &twin)
		back[&twin] = l
	}
	for i := range list {
		c := &list[i]
		c.from = p.firstUsable()
		if l, _ := ahead.place(c, gasLimit(batch.MinGas)); l != nil {
			c.from = back[l]
			ahead.funds.take(l.sender.Address, c.asset, p.coin, c.w.Amount, ahead.worstFee(gasLimit(batch.MinGas), l.cancelGas))
			l.waiting++
		}
	}
}

// firstUsable is the first line that new payments may join, or nil.
func (p *planner) firstUsable() *line {
	for _, l := range p.lines {
		if l.fresh && l.problem == nil {
			return l
		}
	}
	return nil
}

// add takes a new payment and gives it the next nonce of a line. Where that is
// not the line for which it was estimated, nothing is decided, and the caller
// estimates it for the line that add returns and calls it again; it stays there
// or is left out then.
func (p *planner) add(c candidate) (elsewhere *line) {
	limit := gasLimit(c.estimate)
	if highest := p.caps.of(c.asset.ID); c.problem == "" && limit > highest {
		c.problem = fmt.Sprintf("needs %d gas with the margin, above the cap of %d", limit, highest)
	}
	if c.problem != "" {
		// A node also refuses what the sender cannot pay; say so in our words.
		if l, missing := p.place(&c, 0); l == nil {
			c.problem = missing
		}
		p.leave(c, c.problem)
		return nil
	}
	l, why := p.place(&c, limit)
	switch {
	case l == nil:
		p.leave(c, why)
	case l != c.from:
		return l
	default:
		it := p.item(c, l.sender, l.next, outgoing.PayloadOf(c.asset.ID, c.w.To, c.w.Amount, limit), p.ladder, l.cancelGas)
		p.funds.take(l.sender.Address, c.asset, p.coin, c.w.Amount, it.WorstFee()) // which place made sure of
		p.take(it, c.estimate)
		l.next++
		l.waiting++
	}
	return nil
}

// take puts an item into the batch that is estimated to use so much gas.
func (p *planner) take(it batch.Item, estimate uint64) {
	p.items = append(p.items, it)
	p.estimates = append(p.estimates, estimate)
}

func (p *planner) item(c candidate, from wallet.Address, nonce uint64, payload wallet.Payload, ladder []wallet.Fee, cancelGas uint64) batch.Item {
	return batch.Item{
		From: from.Address, Path: from.Path, Nonce: nonce,
		To: payload.To, Value: payload.Value, Data: payload.Data, Gas: payload.Gas,
		Rungs: ladder, Cancel: cancelOf(ladder, cancelGas), Requires: -1, RequestedBy: c.w.RequestedBy,
		Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: c.w.ID, Asset: c.asset.ID, Recipient: c.w.To, Amount: c.w.Amount},
	}
}

// cancelOf is the cancel that outbids a ladder, or nil if it may use no gas.
func cancelOf(ladder []wallet.Fee, gas uint64) *batch.Cancel {
	if gas == 0 {
		return nil
	}
	fee := batch.Bump(ladder[len(ladder)-1])
	return &batch.Cancel{Gas: gas, MaxFeePerGas: fee.MaxFeePerGas, MaxPriorityFeePerGas: fee.MaxPriorityFeePerGas}
}
