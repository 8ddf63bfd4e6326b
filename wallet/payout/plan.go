package payout

import (
	"fmt"

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
	problem  string           // why the node would not estimate it, or ""
}

// LeftOut is an approved withdrawal that a batch does not hold, and why.
type LeftOut struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// funds are what senders can still spend, by place and asset.
type funds map[place]wallet.Amount

type place struct {
	sender common.Address
	asset  wallet.AssetID
}

// take spends amount and fee, or nothing and says what is missing.
func (f funds) take(sender common.Address, asset, coin wallet.Asset, amount, fee wallet.Amount) string {
	need := map[wallet.AssetID]wallet.Amount{coin.ID: fee}
	need[asset.ID] = need[asset.ID].Add(amount)
	for _, a := range []wallet.Asset{asset, coin} {
		have := f[place{sender, a.ID}]
		if have.Cmp(need[a.ID]) < 0 {
			if have.Sign() < 0 {
				have = wallet.Amount{}
			}
			return fmt.Sprintf("insufficient payout funds: %s has %s to spare, and this needs %s with the highest fee", sender, a.Format(have), a.Format(need[a.ID]))
		}
	}
	for id, amount := range need {
		f.spend(sender, id, amount)
	}
	return ""
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

// firstRung is the fee of a new transaction. A limit above zero bounds it; below
// the base fee nothing would be mined, and that is an error.
func firstRung(base, tip, limit wallet.Amount) (wallet.Fee, error) {
	fee := outgoing.Ladder(base, tip, 1)[0]
	if limit.IsZero() {
		return fee, nil
	}
	if limit.Cmp(base) < 0 {
		return fee, wallet.WithHint(
			fmt.Errorf("the base fee is %s gwei now, above the limit of %s gwei", base.Decimal(9), limit.Decimal(9)),
			"wait until blocks are cheaper, or raise --max-fee")
	}
	if fee.MaxFeePerGas.Cmp(limit) > 0 {
		fee.MaxFeePerGas = limit
	}
	if fee.MaxPriorityFeePerGas.Cmp(fee.MaxFeePerGas) > 0 {
		fee.MaxPriorityFeePerGas = fee.MaxFeePerGas
	}
	return fee, nil
}

// replacing is the fee of a transaction that may have to take the place of
// earlier ones with its nonce: an eighth above the highest of them that was
// signed, as nodes demand a tenth, and no less than a new one's.
func replacing(o *wallet.Outgoing, fee wallet.Fee) wallet.Fee {
	for _, a := range o.Attempts {
		if len(a.Signed) == 0 {
			continue
		}
		top := a.Rungs[len(a.Rungs)-1]
		fee.MaxFeePerGas = larger(fee.MaxFeePerGas, eighthAbove(top.MaxFeePerGas))
		fee.MaxPriorityFeePerGas = larger(fee.MaxPriorityFeePerGas, eighthAbove(top.MaxPriorityFeePerGas))
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

// A pick is a candidate that goes into the batch.
type pick struct {
	candidate
	slot    wallet.Slot
	path    wallet.Path
	payload wallet.Payload
	fee     wallet.Fee
}

// planner decides from facts alone what a batch holds.
type planner struct {
	coin   wallet.Asset
	sender wallet.Address // of new payments
	next   uint64         // its next nonce
	fee    wallet.Fee     // of new payments
	caps   Caps
	funds  funds
	max    int

	picks   []pick
	empties []batch.Item // cancels and no-ops
	leftOut []LeftOut
}

func (p *planner) full() bool { return len(p.picks)+len(p.empties) >= p.max }

func (p *planner) leave(c candidate, reason string) {
	p.leftOut = append(p.leftOut, LeftOut{c.w.ID, reason})
}

// again takes what a discarded batch left bound. It keeps its nonce, payload
// and gas limit.
func (p *planner) again(c candidate) {
	o := c.rebuild
	fee := replacing(o, p.fee)
	if missing := p.funds.take(o.Slot.Sender, c.asset, p.coin, c.w.Amount, larger(fee.MaxFeePerGas.Mul(o.Payload.Gas), o.WorstFee())); missing != "" {
		p.leave(c, missing)
		return
	}
	p.picks = append(p.picks, pick{c, o.Slot, o.Path, o.Payload, fee})
}

// add takes a new payment and gives it the next nonce.
func (p *planner) add(c candidate) {
	limit := gasLimit(c.estimate)
	if highest := p.caps.of(c.asset.ID); c.problem == "" && limit > highest {
		c.problem = fmt.Sprintf("needs %d gas with the margin, above the cap of %d", limit, highest)
	}
	if c.problem != "" {
		// A node also refuses what the sender cannot pay; say so in our words.
		if missing := (funds{}).merge(p.funds).take(p.sender.Address, c.asset, p.coin, c.w.Amount, wallet.Amount{}); missing != "" {
			c.problem = missing
		}
		p.leave(c, c.problem)
		return
	}
	if missing := p.funds.take(p.sender.Address, c.asset, p.coin, c.w.Amount, p.fee.MaxFeePerGas.Mul(limit)); missing != "" {
		p.leave(c, missing)
		return
	}
	slot := wallet.Slot{ChainID: p.coin.ID.ChainID, Sender: p.sender.Address, Nonce: p.next}
	p.next++
	p.picks = append(p.picks, pick{c, slot, p.sender.Path, outgoing.PayloadOf(c.asset.ID, c.w.To, c.w.Amount, limit), p.fee})
}

func (f funds) merge(g funds) funds {
	for k, v := range g {
		f[k] = v
	}
	return f
}
