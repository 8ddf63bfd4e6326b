package policy

import (
	"fmt"
	"slices"
	"strings"
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
	// Requesters are, per withdrawal in the order of [batch.Batch.Withdrawals], those
	// whose signatures of it were verified, each once. nil says that none were.
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

// Evaluate lists everything in a batch that the policy forbids; nothing means
// that it may be signed. What is wrong with the batch as a whole comes first,
// then its items in their order, then its sums. The batch must have passed its
// own Check. It is pure.
func (p *Policy) Evaluate(b *batch.Batch, ctx Context) []Violation {
	v := violations{p: p, b: b, ctx: ctx}
	v.checkAge()
	chain, ok := p.Chains[b.ChainID]
	if !ok && !p.Open {
		v.add("chain", -1, "/chain_id", b.ChainID, "is not among the policy's chains")
		return v.list
	}
	v.checkAssets()
	for i, withdrawals := 0, b.Withdrawals(); i < len(b.Items); i++ {
		v.checkItem(i, chain)
		for len(withdrawals) > 0 && withdrawals[0].Item == i {
			v.checkWithdrawal(&withdrawals[0], chain)
			withdrawals = withdrawals[1:]
			v.withdrawal++
		}
	}
	if limit, fee := chain.MaxFeePerBatch, b.WorstFee(); limit != nil && fee.Cmp(*limit) > 0 {
		v.add("max_fee_per_batch", -1, "/items", fee.Decimal(coinDecimals), "is the worst-case fee of the batch, above %s", limit.Decimal(coinDecimals))
	}
	v.checkSums()
	v.checkApprovals()
	return v.list
}

type violations struct {
	p    *Policy
	b    *batch.Batch
	ctx  Context
	list []Violation

	withdrawal int // position of the one that is looked at
}

func (v *violations) add(rule string, item int, field string, value any, limit string, args ...any) {
	v.list = append(v.list, Violation{Rule: rule, Item: item, Field: field, Value: fmt.Sprint(value), Limit: fmt.Sprintf(limit, args...)})
}

// addItem names a field of an item, without the item's own pointer.
func (v *violations) addItem(rule string, i int, field string, value any, limit string, args ...any) {
	v.add(rule, i, fmt.Sprintf("/items/%d/%s", i, field), value, limit, args...)
}

func (v *violations) checkAge() {
	now := v.ctx.Now
	age := now.Sub(v.b.CreatedAt)
	created := v.b.CreatedAt.Format(time.RFC3339)
	if limit := v.p.MaxAge; limit > 0 {
		switch {
		case age > limit:
			v.add("max_age", -1, "/created_at", created, "is %s ago, more than %s", age.Round(time.Second), limit)
		case age < -clockTolerance:
			v.add("max_age", -1, "/created_at", created, "is in the future: the clock of one of the stations is wrong, here it is %s", now.UTC().Format(time.RFC3339))
		}
	}
	if limit, n := v.p.MaxItems, len(v.b.Items); limit > 0 && n > limit {
		v.add("max_items", -1, "/items", n, "is more than %d items", limit)
	}
}

// checkAssets compares how the two stations read an asset: a batch that calls
// a token by another symbol, by the symbol of another one or divides it
// otherwise deceives its reviewer.
func (v *violations) checkAssets() {
	for i, a := range v.b.Assets {
		field := fmt.Sprintf("/assets/%d/", i)
		known, ok := v.p.Assets[a.Asset]
		if !ok {
			for _, id := range v.p.assets {
				if id.ChainID == v.b.ChainID && strings.EqualFold(v.p.Assets[id].Symbol, a.Symbol) {
					v.add("symbol", -1, field+"symbol", fmt.Sprintf("%q", a.Symbol), "is that of %s in the policy, and this is %s", id, a.Asset)
				}
			}
			continue
		}
		if a.Symbol != known.Symbol {
			v.add("symbol", -1, field+"symbol", fmt.Sprintf("%q", a.Symbol), "is %q in the policy", known.Symbol)
		}
		if a.Decimals != known.Decimals {
			v.add("decimals", -1, field+"decimals", a.Decimals, "is %d in the policy", known.Decimals)
		}
	}
}

func (v *violations) checkItem(i int, chain Chain) {
	it := &v.b.Items[i]
	kind := it.Intent.Kind
	if v.p.Allow != nil && !v.p.Allow[kind] {
		v.addItem("allow", i, "intent/kind", kind, "is not what the policy allows to sign")
	}
	if old := it.Replaces; old.Kind != "" && kind != wallet.IntentCancel && v.p.Allow != nil && !v.p.Allow[Replacement] {
		v.addItem("allow", i, "replaces", fmt.Sprintf("%s %q", old.Kind, old.ID), "was signed at this nonce, and the policy does not allow a replacement")
	}
	if it.Cancel != nil && v.p.Allow != nil && !v.p.Allow[wallet.IntentCancel] {
		v.addItem("allow", i, "cancel", wallet.IntentCancel, "is not what the policy allows to sign")
	}
	if v.p.Roles != nil && !v.p.Roles[it.Path.Role] {
		v.addItem("roles", i, "path", it.Path, "is of the role %s, which the policy does not allow to send", it.Path.Role)
	}
	v.checkDestination(i, chain)
	v.checkItemFees(i, chain)
	switch kind {
	case wallet.IntentPayments:
		if it.Intent.Asset.IsCoin() && !chain.CoinPayments {
			v.addItem("coin_payments", i, "intent/asset", it.Intent.Asset, "is the coin, which the policy does not let the contract pay")
		}
	case wallet.IntentSweep, wallet.IntentRebalance:
		v.checkOwn(i, chain)
	}
}

// checkOwn wants what stays ours to go to an address of the vault or to one that
// the policy pins: the float for what leaves the treasury, else the treasury.
// Also in an open policy: what goes to nobody's address stays not ours.
func (v *violations) checkOwn(i int, chain Chain) {
	it := &v.b.Items[i]
	rule, pinned := "treasury", chain.Treasury
	if it.Path.Role == wallet.TreasuryRole {
		rule, pinned = "float", chain.Float
	}
	if it.RecipientPath == "" && (pinned == common.Address{} || it.Intent.Recipient != pinned) {
		v.addItem(rule, i, "intent/recipient", it.Intent.Recipient,
			"is neither derived from the vault nor the %s that the policy pins", rule)
	}
}

// checkDestination holds where the transaction and its value go against what
// may be called and whom nobody may pay.
func (v *violations) checkDestination(i int, chain Chain) {
	it := &v.b.Items[i]
	if to := it.Intent.Recipient; v.p.Blocked[to] {
		v.addItem("blocked", i, "intent/recipient", to, "is blocked")
	}
	if it.To != it.Intent.Recipient && v.p.Blocked[it.To] {
		v.addItem("blocked", i, "to", it.To, "is blocked")
	}
	switch it.Intent.Kind {
	case wallet.IntentPayments, wallet.IntentAllowance, wallet.IntentDeploy:
		v.checkContract(i, chain)
		return
	}
	if len(it.Data) == 0 {
		return
	}
	// Check let nothing else pass. That it is looked at here too keeps what a
	// later batch may call out of policies that do not know of it.
	if _, _, err := batch.DecodeTransfer(it.Data); err != nil {
		v.addItem("contract", i, "data", fmt.Sprintf("%#.80x", []byte(it.Data)), "is not a call of %s, and nothing else can be called", TransferMethod)
	}
	if _, ok := v.p.Assets[wallet.Token(v.b.ChainID, it.To)]; !ok && !v.p.Open && !chain.calls(it.To, TransferMethod) {
		v.addItem("contract", i, "to", it.To, "is neither the token of an [[asset]] nor a [[contract]] whose %s the policy allows", TransferMethod)
	}
}

// checkContract looks at what is done with the contract that pays many. Check let
// nothing pass but calls of it, or of a token to allow it something; whom it pays
// is looked at like all others that are paid.
func (v *violations) checkContract(i int, chain Chain) {
	asset := v.b.Items[i].Intent.Asset
	if _, ok := v.p.Assets[asset]; !ok && !asset.IsCoin() && !v.p.Open && !chain.calls(asset.Contract, TransferMethod) {
		v.addItem("contract", i, "intent/asset", asset, "is neither the token of an [[asset]] nor a [[contract]] whose %s the policy allows", TransferMethod)
	}
}

func (c *Chain) calls(contract common.Address, method string) bool {
	return slices.ContainsFunc(c.Contracts, func(k Contract) bool {
		return k.Address == contract && slices.Contains(k.Methods, method)
	})
}

func (v *violations) checkItemFees(i int, chain Chain) {
	it := &v.b.Items[i]
	last := len(it.Rungs) - 1
	if limit, top := chain.MaxFeePerGas, it.Rungs[last].MaxFeePerGas; limit != nil && top.Cmp(*limit) > 0 {
		v.addItem("max_fee_per_gas_gwei", i, fmt.Sprintf("rungs/%d/max_fee_per_gas", last), top.Decimal(gweiDecimals)+" gwei", "is above %s gwei", limit.Decimal(gweiDecimals))
	}
	if c := it.Cancel; c != nil && chain.MaxFeePerGas != nil && c.MaxFeePerGas.Cmp(*chain.MaxFeePerGas) > 0 {
		v.addItem("max_fee_per_gas_gwei", i, "cancel/max_fee_per_gas", c.MaxFeePerGas.Decimal(gweiDecimals)+" gwei", "is above %s gwei", chain.MaxFeePerGas.Decimal(gweiDecimals))
	}
	if limit, fee := chain.MaxFeePerTransaction, it.WorstFee(); limit != nil && fee.Cmp(*limit) > 0 {
		v.addItem("max_fee_per_transaction", i, "gas", fee.Decimal(coinDecimals), "is the worst-case fee of %d gas, above %s", it.Gas, limit.Decimal(coinDecimals))
	}
}

func (v *violations) checkWithdrawal(w *batch.Withdrawal, chain Chain) {
	in := &w.Intent
	if w.Payment >= 0 && v.p.Blocked[in.Recipient] {
		v.add("blocked", w.Item, w.Field("recipient"), in.Recipient, "is blocked")
	}
	v.checkRecipient(w, chain)
	v.checkRequest(w)
	limits, ok := v.p.Assets[in.Asset]
	if !ok {
		if !v.p.Open {
			v.add("asset", w.Item, w.Field("asset"), in.Asset, "is not among the policy's assets")
		}
		return
	}
	if limit := limits.MaxPerTransaction; limit != nil && in.Amount.Cmp(*limit) > 0 {
		v.add("max_per_transaction", w.Item, w.Field("amount"), limits.format(in.Amount), "is above %s", limits.format(*limit))
	}
}

func (v *violations) checkRecipient(w *batch.Withdrawal, chain Chain) {
	to := w.Intent.Recipient
	refuse := func(rule, limit string, args ...any) {
		v.add(rule, w.Item, w.Field("recipient"), to, limit, args...)
	}
	// What a token's own contract gets is lost, and no allowlist means it.
	if _, token := v.p.Assets[wallet.Token(v.b.ChainID, to)]; token || chain.calls(to, TransferMethod) {
		refuse("contract", "is the contract of a token, and what it gets is lost")
	}
	if chain.Recipients == nil {
		return
	}
	since, seen := v.ctx.Since[to]
	switch counts := since.Add(chain.RecipientsDelay); {
	case !chain.Recipients[to]:
		refuse("recipients", "is not among the policy's recipients")
	case chain.RecipientsDelay == 0:
	case !seen:
		refuse("recipients_delay", "is new among the policy's recipients, and counts %s after this station first saw it", duration(chain.RecipientsDelay))
	case counts.After(v.ctx.Now):
		refuse("recipients_delay", "is among the policy's recipients since %s, and counts from %s on", since.UTC().Format(time.RFC3339), counts.UTC().Format(time.RFC3339))
	}
}

func (a *Asset) format(n wallet.Amount) string { return n.Decimal(a.Decimals) + " " + a.Symbol }
