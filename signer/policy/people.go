package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Need is how many approvals a batch needs, and who gave and can give them.
type Need struct {
	Count int    `json:"needed"`
	Why   string `json:"why"` // what asks for so many, as a sentence's end
	// Given are the approvers whose approvals were verified, and Others those
	// who can still approve, both in the policy's order.
	Given  []Person `json:"given"`
	Others []Person `json:"others"`
}

// Met says that the batch has the approvals that it needs.
func (n Need) Met() bool { return len(n.Given) >= n.Count }

// String tells of the approvals in a sentence or two.
func (n Need) String() string {
	given := "It has none"
	if len(n.Given) > 0 {
		given = "It has " + count(len(n.Given), "approval") + ", by " + names(n.Given)
	}
	switch {
	case n.Count == 0:
		return "The batch needs no approval. " + given + "."
	case len(n.Others) > 0 && !n.Met():
		given += "; still to be asked: " + names(n.Others)
	}
	return fmt.Sprintf("The batch needs %s, for %s. %s.", count(n.Count, "approval"), n.Why, given)
}

// Needs tells what approvals a batch needs: the most that the policy asks for
// any batch and for what this one pays of each asset. Each approver counts
// once, and nobody else does.
func (p *Policy) Needs(b *batch.Batch, ctx Context) Need {
	n := Need{Count: p.Approvals, Why: "any batch", Given: []Person{}, Others: []Person{}}
	s := sumsOf(b, ctx)
	for _, asset := range b.Assets {
		a := p.Assets[asset.Asset]
		counted := s.counted(a.ID, ctx.Spent[a.ID].Day)
		for _, tier := range a.Tiers {
			if counted.Cmp(tier.Above) > 0 && tier.Approvals > n.Count {
				n.Count = tier.Approvals
				n.Why = fmt.Sprintf("more than %s within 24 hours, which is %s with this batch", a.format(tier.Above), a.format(counted))
			}
		}
	}
	for _, who := range p.Approvers {
		if slices.Contains(ctx.Approvers, who.Address) {
			n.Given = append(n.Given, who)
		} else {
			n.Others = append(n.Others, who)
		}
	}
	return n
}

func (v *violations) checkApprovals() {
	n := v.p.Needs(v.b, v.ctx)
	if n.Met() {
		return
	}
	value := "0 approvals"
	if len(n.Given) > 0 {
		value = fmt.Sprintf("%s by %s", count(len(n.Given), "approval"), names(n.Given))
	}
	v.add("approvals", -1, "/approvals", value, "is fewer than the %d that the policy wants for %s; there can be those of %s", n.Count, n.Why, names(n.Others))
}

// checkRequest wants a withdrawal to be asked for by a requester, where the
// policy does.
func (v *violations) checkRequest(w *batch.Withdrawal) {
	if !v.p.RequestsSigned {
		return
	}
	var signed []common.Address
	if v.withdrawal < len(v.ctx.Requesters) {
		signed = v.ctx.Requesters[v.withdrawal]
	}
	if !slices.ContainsFunc(v.p.Requesters, func(who Person) bool { return slices.Contains(signed, who.Address) }) {
		v.add("requests_signed", w.Item, w.Field("requested_by"), fmt.Sprintf("%q", w.Intent.ID),
			"has no valid signature of one of the requesters %s", names(v.p.Requesters))
	}
}

func names(people []Person) string {
	var list []string
	for _, who := range people {
		list = append(list, who.Name)
	}
	return strings.Join(list, ", ")
}
