package payout

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Plan is what a batch holds and what it costs.
type Plan struct {
	Batch   *batch.Batch // nil if no withdrawal could be built
	LeftOut []LeftOut
	// Ladder is that of new payments, and Wanted how many rungs were asked for:
	// more than it has where the budget has no room for them.
	Ladder []wallet.Fee
	Wanted int
	// WorstFees is what all items can cost in gas at each rung, the first one
	// first, in wei. An item with fewer rungs counts at its top one.
	WorstFees []wallet.Amount
	// Expected is what they would cost in gas if they were mined now.
	Expected wallet.Amount
	Gas      uint64 // limit of all items together
	Payers   []Payer
}

// Payer is a payout address in a plan.
type Payer struct {
	Address wallet.Address
	Next    uint64 // nonce of its next new transaction, before the plan
	Waiting int    // transactions that are not mined, before the plan
	Items   int    // of the plan
	Reason  string // why it pays nothing, or ""
	Funds   []Fund // the coin first, then tokens by contract
}

// Fund is what a sender has of an asset and what the plan may take of it, the
// highest fees included.
type Fund struct {
	Asset wallet.AssetID
	Free  wallet.Amount // before the plan; below zero where more is on its way than there is
	Needs wallet.Amount
}

// plan is what the planner has decided of a draft, without its batch.
func (p *planner) plan(d *draft) Plan {
	plan := Plan{LeftOut: slices.Concat(d.leftOut, p.leftOut), Ladder: p.ladder, Wanted: p.rungs}
	rungs := len(p.ladder)
	needs := funds{}
	items := map[common.Address]int{}
	for i := range p.items {
		plan.Expected = plan.Expected.Add(p.price.Mul(p.estimates[i]))
	}
	all := p.all()
	for i := range all {
		it := &all[i]
		if it.Intent.Kind != wallet.IntentWithdrawal {
			plan.Expected = plan.Expected.Add(p.price.Mul(it.Gas))
		}
		plan.Gas += it.Gas
		rungs = max(rungs, len(it.Rungs))
		items[it.From]++
		if it.Intent.Kind != wallet.IntentAllowance { // which moves nothing
			needs.spend(it.From, it.Intent.Asset, it.Intent.Amount.Neg())
		}
		needs.spend(it.From, p.coin.ID, it.WorstFee().Neg())
	}
	for n := range rungs {
		var sum wallet.Amount
		for i := range all {
			it := &all[i]
			sum = sum.Add(it.Rungs[min(n, len(it.Rungs)-1)].MaxFeePerGas.Mul(it.Gas))
		}
		plan.WorstFees = append(plan.WorstFees, sum)
	}
	for i, l := range p.lines {
		payer := Payer{Address: l.sender, Next: d.lines[i].next, Waiting: d.lines[i].waiting, Items: items[l.sender.Address]}
		if l.problem != nil {
			payer.Reason = l.problem.Error()
		}
		for at, free := range p.have {
			if at.sender == l.sender.Address {
				payer.Funds = append(payer.Funds, Fund{at.asset, free, needs[at]})
			}
		}
		slices.SortFunc(payer.Funds, func(a, b Fund) int { return a.Asset.Contract.Cmp(b.Asset.Contract) })
		plan.Payers = append(plan.Payers, payer)
	}
	return plan
}
