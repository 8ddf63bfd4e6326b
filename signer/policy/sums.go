package policy

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// sums are what the withdrawals of a batch pay.
type sums struct {
	assets map[wallet.AssetID]sum
	payees []Payee // of the batch, in the order in which they are first paid
	paid   map[Payee]payeeSum
}

type sum struct {
	// Total is what the batch pays, Fresh what of it was not signed before.
	Total, Fresh wallet.Amount
}

type payeeSum struct {
	sum
	first batch.Withdrawal // to the payee
}

func (s sum) add(amount wallet.Amount, repeated bool) sum {
	s.Total = s.Total.Add(amount)
	if !repeated {
		s.Fresh = s.Fresh.Add(amount)
	}
	return s
}

// sumsOf adds up the withdrawals. What was signed before is in what the record
// spent already, and is not counted again.
func sumsOf(b *batch.Batch, ctx Context) sums {
	s := sums{assets: map[wallet.AssetID]sum{}, paid: map[Payee]payeeSum{}}
	for _, w := range b.Withdrawals() {
		in := &w.Intent
		repeated := w.Item < len(ctx.Repeated) && ctx.Repeated[w.Item]
		s.assets[in.Asset] = s.assets[in.Asset].add(in.Amount, repeated)
		who := Payee{in.Asset, in.Recipient}
		p, seen := s.paid[who]
		if !seen {
			p.first = w
			s.payees = append(s.payees, who)
		}
		p.sum = p.add(in.Amount, repeated)
		s.paid[who] = p
	}
	return s
}

// checkSums holds what the batch pays in all, and together with what was
// signed before, against the limits of its assets. A batch that pays nothing
// new spends nothing of a limit over time.
func (v *violations) checkSums() {
	s := sumsOf(v.b, v.ctx)
	for i, a := range v.b.Assets {
		limits, ok := v.p.Assets[a.Asset]
		if !ok {
			continue
		}
		field := fmt.Sprintf("/assets/%d", i)
		now, before := s.assets[a.Asset], v.ctx.Spent[a.Asset]
		if limit := limits.MaxPerBatch; limit != nil && now.Total.Cmp(*limit) > 0 {
			v.add("max_per_batch", -1, field, limits.format(now.Total), "is what the batch pays in all, above %s", limits.format(*limit))
		}
		v.checkWindow("max_per_day", -1, field, &limits, limits.MaxPerDay, now, before.Day, "withdrawals would pay")
		v.checkWindow("max_per_week", -1, field, &limits, limits.MaxPerWeek, now, before.Week, "withdrawals would pay")
	}
	for _, who := range s.payees {
		limits := v.p.Assets[who.Asset]
		p := s.paid[who]
		v.checkWindow("max_per_recipient", p.first.Item, p.first.Field("recipient"), &limits,
			limits.MaxPerRecipient, p.sum, v.ctx.Paid[who], who.Recipient.Hex()+" would get")
	}
}

func (v *violations) checkWindow(rule string, item int, field string, a *Asset, limit *wallet.Amount, now sum, before wallet.Amount, what string) {
	if limit == nil || now.Fresh.IsZero() {
		return
	}
	if after := before.Add(now.Fresh); after.Cmp(*limit) > 0 {
		within := "24 hours"
		if rule == "max_per_week" {
			within = "seven days"
		}
		v.add(rule, item, field, a.format(after), "is what %s within %s, %s of it before this batch; that is above %s", what, within, a.format(before), a.format(*limit))
	}
}

// counted is what of an asset a batch's approvals are for: all that it pays,
// or all that is signed for within 24 hours if that is more, so that who
// splits a batch needs no fewer people. Signing again needs no more than the
// batch itself.
func (s sums) counted(id wallet.AssetID, before wallet.Amount) wallet.Amount {
	now := s.assets[id]
	if after := before.Add(now.Fresh); !now.Fresh.IsZero() && after.Cmp(now.Total) > 0 {
		return after
	}
	return now.Total
}

// Left is what a limit over what is signed leaves of an asset.
type Left struct {
	Rule     string         `json:"rule"` // the policy's key
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	// Recipient is who is nearest to the limit for one recipient, of those whom
	// the batch pays anew; for other rules nobody.
	Recipient *common.Address `json:"recipient,omitempty"`
	Limit     wallet.Amount   `json:"limit"`
	Before    wallet.Amount   `json:"before"` // what was signed for within the time
	Batch     wallet.Amount   `json:"batch"`  // what the batch adds
	Left      wallet.Amount   `json:"left"`   // below zero: by so much too little
}

// String is a row of Leaves as a sentence.
func (l Left) String() string {
	a := Asset{Symbol: l.Symbol, Decimals: l.Decimals}
	whose := a.Symbol
	if l.Recipient != nil {
		whose += " to " + l.Recipient.Hex()
	}
	left := a.format(l.Left) + " would be left"
	if l.Left.Sign() < 0 {
		left = a.format(l.Left.Neg()) + " is missing"
	}
	return fmt.Sprintf("%s of %s: of %s, %s was used before and this batch adds %s; %s.", l.Rule, whose, a.format(l.Limit), a.format(l.Before), a.format(l.Batch), left)
}

// Leaves lists what the limits over what is signed would leave after a batch,
// in the order of its assets.
func (p *Policy) Leaves(b *batch.Batch, ctx Context) []Left {
	s := sumsOf(b, ctx)
	list := []Left{}
	for _, asset := range b.Assets {
		a, ok := p.Assets[asset.Asset]
		now, paid := s.assets[asset.Asset]
		if !ok || !paid {
			continue
		}
		add := func(rule string, limit *wallet.Amount, before, batch wallet.Amount, who *common.Address) {
			if limit == nil {
				return
			}
			list = append(list, Left{
				Rule: rule, Asset: a.ID, Symbol: a.Symbol, Decimals: a.Decimals, Recipient: who,
				Limit: *limit, Before: before, Batch: batch, Left: limit.Sub(before).Sub(batch),
			})
		}
		spent := ctx.Spent[a.ID]
		add("max_per_batch", a.MaxPerBatch, wallet.Amount{}, now.Total, nil)
		if who, ok := s.most(a.ID, ctx); ok {
			add("max_per_recipient", a.MaxPerRecipient, ctx.Paid[who], s.paid[who].Fresh, &who.Recipient)
		}
		add("max_per_day", a.MaxPerDay, spent.Day, now.Fresh, nil)
		add("max_per_week", a.MaxPerWeek, spent.Week, now.Fresh, nil)
	}
	return list
}

// most is who has the most of an asset after the batch of those whom it pays
// anew, the first of several.
func (s sums) most(id wallet.AssetID, ctx Context) (most Payee, ok bool) {
	var amount wallet.Amount
	for _, who := range s.payees {
		fresh := s.paid[who].Fresh
		if after := ctx.Paid[who].Add(fresh); who.Asset == id && !fresh.IsZero() && (!ok || after.Cmp(amount) > 0) {
			most, amount, ok = who, after, true
		}
	}
	return most, ok
}
