package policy

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Context is what a decision depends on beside the batch and the policy: what
// the station's clock and signing record say, and whose signatures the batch
// carries.
type Context struct {
	Now time.Time
	// Repeated tells, per item, that the same intent was signed before, so that
	// the limits over time have counted it. nil says that none was.
	Repeated []bool
	// Spent is what was signed of the batch's assets before.
	Spent map[wallet.AssetID]Spent
	// Paid is what was signed for the batch's recipients before, within the day
	// that ends now.
	Paid map[Payee]wallet.Amount
	// Since tells when the station first saw each of the batch's recipients in
	// its policy. Who is not in it was not seen before.
	Since map[common.Address]time.Time
	// Approvers are those whose approvals of the batch were verified, each once.
	Approvers []common.Address
	// Requesters are, per item, those whose signatures of the withdrawal were
	// verified, each once. nil says that none were.
	Requesters [][]common.Address
}

// Spent is what withdrawals of an asset were signed for, in base units, within
// the day and the seven days that end now.
type Spent struct {
	Day, Week wallet.Amount
}

// Payee is who is paid what.
type Payee struct {
	Asset     wallet.AssetID
	Recipient common.Address
}

// Violation is one thing that a policy forbids.
type Violation struct {
	Rule  string `json:"rule"`  // the policy's key
	Item  int    `json:"item"`  // position from 0, or -1 for the whole batch
	Field string `json:"field"` // JSON pointer into the batch, empty for a sum
	Value string `json:"value"` // what the batch has there
	Limit string `json:"limit"` // what the policy says, as a sentence's end
}

// clockTolerance is how far the clocks of the two stations may differ.
const clockTolerance = time.Hour

// Evaluate lists everything in a batch that the policy forbids, in the order
// of the batch; nothing means that it may be signed. The batch must have
// passed its own Check. It is pure.
func (p *Policy) Evaluate(b *batch.Batch, ctx Context) []Violation {
	v := violations{p: p}
	v.checkAge(b, ctx.Now)
	chain, ok := p.Chains[b.ChainID]
	if !ok && !p.Open {
		v.add("chain", -1, "/chain_id", b.ChainID, "is not among the policy's chains")
		return v.list
	}
	v.checkAssets(b)
	v.checkFees(b, chain)
	v.checkPayments(b, chain)
	return v.list
}

type violations struct {
	p    *Policy
	list []Violation
}

func (v *violations) add(rule string, item int, field string, value any, limit string, args ...any) {
	v.list = append(v.list, Violation{Rule: rule, Item: item, Field: field, Value: fmt.Sprint(value), Limit: fmt.Sprintf(limit, args...)})
}

func (v *violations) checkAge(b *batch.Batch, now time.Time) {
	age := now.Sub(b.CreatedAt)
	created := b.CreatedAt.Format(time.RFC3339)
	if limit := v.p.MaxAge; limit > 0 {
		switch {
		case age > limit:
			v.add("max_age", -1, "/created_at", created, "is %s ago, more than %s", age.Round(time.Second), limit)
		case age < -clockTolerance:
			v.add("max_age", -1, "/created_at", created, "is in the future: the clock of one of the stations is wrong, here it is %s", now.UTC().Format(time.RFC3339))
		}
	}
	if limit := v.p.MaxItems; limit > 0 && len(b.Items) > limit {
		v.add("max_items", -1, "/items", len(b.Items), "is more than %d items", limit)
	}
}

// checkAssets compares how the two stations read an asset: a batch that calls
// a token by another symbol or divides it otherwise deceives its reviewer.
func (v *violations) checkAssets(b *batch.Batch) {
	for i, a := range b.Assets {
		known, ok := v.p.Assets[a.Asset]
		if !ok {
			continue
		}
		if a.Symbol != known.Symbol {
			v.add("symbol", -1, fmt.Sprintf("/assets/%d/symbol", i), fmt.Sprintf("%q", a.Symbol), "is %q in the policy", known.Symbol)
		}
		if a.Decimals != known.Decimals {
			v.add("decimals", -1, fmt.Sprintf("/assets/%d/decimals", i), a.Decimals, "is %d in the policy", known.Decimals)
		}
	}
}

func (v *violations) checkFees(b *batch.Batch, chain Chain) {
	if limit := chain.MaxFeePerGas; limit != nil {
		for i := range b.Items {
			rungs := b.Items[i].Rungs
			top := rungs[len(rungs)-1].MaxFeePerGas
			if top.Cmp(*limit) > 0 {
				v.add("max_fee_per_gas_gwei", i, fmt.Sprintf("/items/%d/rungs/%d/max_fee_per_gas", i, len(rungs)-1),
					top.Decimal(gweiDecimals)+" gwei", "is above %s gwei", limit.Decimal(gweiDecimals))
			}
		}
	}
	if limit := chain.MaxFeePerBatch; limit != nil {
		if fee := b.WorstFee(); fee.Cmp(*limit) > 0 {
			v.add("max_fee_per_batch", -1, "", fee.Decimal(coinDecimals), "is the worst-case fee of the batch, above %s", limit.Decimal(coinDecimals))
		}
	}
}

func (v *violations) checkPayments(b *batch.Batch, chain Chain) {
	totals := map[wallet.AssetID]wallet.Amount{}
	for i := range b.Items {
		it := &b.Items[i]
		switch it.Intent.Kind {
		case wallet.IntentWithdrawal:
			v.checkWithdrawal(i, it, chain)
			totals[it.Intent.Asset] = totals[it.Intent.Asset].Add(it.Intent.Amount)
		case wallet.IntentSweep, wallet.IntentRebalance:
			// Also in an open policy: what goes to nobody's address stays not ours.
			if it.RecipientPath == "" && (chain.Treasury == common.Address{} || it.Intent.Recipient != chain.Treasury) {
				v.add("treasury", i, fmt.Sprintf("/items/%d/intent/recipient", i), it.Intent.Recipient,
					"is neither derived from the vault nor the treasury that the policy pins")
			}
		}
	}
	for _, a := range b.Assets {
		limits, ok := v.p.Assets[a.Asset]
		if total := totals[a.Asset]; ok && limits.MaxPerBatch != nil && total.Cmp(*limits.MaxPerBatch) > 0 {
			v.add("max_per_batch", -1, "", limits.format(total), "is what the batch pays in all, above %s", limits.format(*limits.MaxPerBatch))
		}
	}
}

func (v *violations) checkWithdrawal(i int, it *batch.Item, chain Chain) {
	in := &it.Intent
	if chain.Recipients != nil && !chain.Recipients[in.Recipient] {
		v.add("recipients", i, fmt.Sprintf("/items/%d/intent/recipient", i), in.Recipient, "is not among the policy's recipients")
	}
	limits, ok := v.p.Assets[in.Asset]
	if !ok {
		if !v.p.Open {
			v.add("asset", i, fmt.Sprintf("/items/%d/intent/asset", i), in.Asset, "is not among the policy's assets")
		}
		return
	}
	if limits.MaxPerTransaction != nil && in.Amount.Cmp(*limits.MaxPerTransaction) > 0 {
		v.add("max_per_transaction", i, fmt.Sprintf("/items/%d/intent/amount", i), limits.format(in.Amount), "is above %s", limits.format(*limits.MaxPerTransaction))
	}
}

func (a *Asset) format(n wallet.Amount) string { return n.Decimal(a.Decimals) + " " + a.Symbol }
