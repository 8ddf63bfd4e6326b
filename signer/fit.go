package signer

import (
	"context"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// Fit tells of each item of a draft what forbids it, or nothing: an item fits if
// a batch of the items before it that fit, and of itself, would be signed now as
// far as that can be known without the keys. What forbids the draft whatever is in
// it is an error, as of Check. The draft need not be whole: its digest, and the
// fees of its items as far as no limit is reached, do not matter.
//
// Signing decides again: what was signed meanwhile counts there.
func (s *Service) Fit(ctx context.Context, b *batch.Batch, vault hd.Fingerprint) ([][]Refusal, error) {
	if err := s.NotePolicy(ctx); err != nil {
		return nil, err
	}
	seen, err := s.Inspect(ctx, b, vault, nil)
	if err != nil {
		return nil, err
	}
	why := make([][]Refusal, len(b.Items))
	var whole []Refusal
	for _, r := range seen.Refusals {
		switch {
		case strings.HasPrefix(r.Rule, RulePolicyPrefix): // below, item by item
		case r.Item < 0:
			whole = append(whole, r)
		default:
			why[r.Item] = append(why[r.Item], r)
		}
	}
	if err := refused(whole...); err != nil {
		return nil, err
	}
	var kept []int
	for i := range b.Items {
		if len(why[i]) > 0 {
			continue
		}
		part, known := partOf(b, seen.Context, append(kept, i))
		for _, v := range s.Policy.Evaluate(part, known) {
			why[i] = append(why[i], Refusal{
				Rule: RulePolicyPrefix + v.Rule, Item: i, Field: v.Field, Value: v.Value, Why: v.Limit, Hint: policyWayOut(v.Rule),
			})
		}
		if len(why[i]) == 0 {
			kept = append(kept, i)
		}
	}
	return why, nil
}

// partOf is a batch with only some of its items, and what is known of those.
func partOf(b *batch.Batch, known policy.Context, items []int) (*batch.Batch, policy.Context) {
	part := *b
	part.Items, part.Assets = make([]batch.Item, len(items)), nil
	repeated, kept := make([]bool, len(items)), make(map[int]bool, len(items))
	used := map[wallet.AssetID]bool{wallet.Coin(b.ChainID): true}
	for n, i := range items {
		part.Items[n] = b.Items[i]
		used[b.Items[i].Intent.Asset] = true
		if i < len(known.Repeated) {
			repeated[n] = known.Repeated[i]
		}
		kept[i] = true
	}
	var requesters [][]common.Address
	if known.Requesters != nil {
		for n, w := range b.Withdrawals() {
			if kept[w.Item] {
				requesters = append(requesters, known.Requesters[n])
			}
		}
	}
	for _, a := range b.Assets {
		if used[a.Asset] {
			part.Assets = append(part.Assets, a)
		}
	}
	known.Repeated, known.Requesters = repeated, requesters
	return &part, known
}
