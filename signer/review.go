package signer

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// The names of the warnings of a review, beside those of package batch.
const (
	WarnLookalike = "lookalike" // a recipient that can be taken for another address
	WarnMissing   = "missing"   // nonces that this station knows nothing of
	WarnUnpinned  = "unpinned"  // an asset whose display rests on the online station's word
	WarnElsewhere = "elsewhere" // a signed batch that this station's record does not have
	WarnAccepted  = "accepted"  // what would be refused without a risk that somebody accepted
)

// Review reports on a batch that was read, or on one that was signed: then
// signed is it, and verified. Record and Policy of the service may be nil, and
// so may vault, the fingerprint of this station's vault; the report says what
// cannot be known without them. The error is about a record that cannot be read.
func (s *Service) Review(ctx context.Context, b *batch.Batch, signed *batch.Signed, vault *hd.Fingerprint, risks Risks) (*Report, error) {
	r := &Report{Summary: batch.Summarize(b), Items: make([]ItemReport, len(b.Items))}
	if signed != nil {
		r.Summary = batch.SummarizeSigned(signed)
	}
	endorsed, err := Endorse(b)
	if err != nil {
		return nil, err
	}
	r.Approvals = ApprovalsReport{Carried: len(b.Approvals), Verified: endorsed.Approvers()}
	if r.Approvals.Given, err = Approvals(b, s.Policy); err != nil {
		return nil, err
	}
	for _, w := range r.Warnings {
		r.mark(w)
	}
	if vault != nil {
		r.Here = vault.String()
	}
	if s.Policy != nil {
		r.Policy = &PolicyReport{Hash: s.Policy.Hash, Open: s.Policy.Open, Words: s.Policy.Explain()}
	}
	signedFor := map[common.Address]bool{}
	likes := map[common.Address]familiar{}
	if s.Record != nil {
		r.Record = &RecordReport{}
		if err := s.Record.View(ctx, func(tx store.Tx) error { return r.ask(tx, b, signedFor, likes) }); err != nil {
			return nil, err
		}
	}
	r.findLikes(s.Policy, b, likes)
	r.place(s.Policy, b, signedFor)
	if vault != nil {
		if w, ok := unpinned(s.Policy, b); ok {
			r.Warn(w)
		}
	}
	r.sayUnknown()
	if signed != nil {
		if r.Record != nil && !r.Record.Signed {
			r.Warn(batch.Warning{Rule: WarnElsewhere, Text: "this station's record does not have these signatures: another station made them, or the record is not whole"})
		}
		return r, nil
	}
	if vault == nil || s.Policy == nil || s.Record == nil {
		return r, nil
	}
	seen, err := s.inspectEndorsed(ctx, b, endorsed, *vault, risks)
	if err != nil {
		return nil, err
	}
	r.Now = seen.Context.Now
	need := s.Policy.Needs(b, seen.Context)
	r.Approvals.Needed, r.Approvals.Why, r.Approvals.Others = need.Count, need.Why, need.Others
	r.Policy.Leaves = s.Policy.Leaves(b, seen.Context)
	r.Refuse(seen.Refusals...)
	r.warnAccepted(seen.Accepted)
	return r, nil
}

// warnAccepted tells of all that only an accepted risk lets pass: one warning
// for each that is about the batch, and one for those about items.
func (r *Report) warnAccepted(list []Refusal) {
	var items []batch.Remark
	for _, a := range list {
		if words := a.Value + " " + a.Why; a.Item < 0 {
			r.Warn(batch.Warning{Rule: WarnAccepted, Text: "a risk was accepted: " + words})
		} else {
			items = append(items, batch.Remark{Item: a.Item, Text: "a risk was accepted: " + words})
		}
	}
	switch n := len(items); n {
	case 0:
	case 1:
		r.Warn(batch.Warning{Rule: WarnAccepted, Text: "an item is signed only because a risk was accepted", Items: items})
	default:
		r.Warn(batch.Warning{Rule: WarnAccepted, Text: fmt.Sprintf("%d items are signed only because a risk was accepted", n), Items: items})
	}
}

// ask looks the batch up in the record.
func (r *Report) ask(tx store.Tx, b *batch.Batch, signedFor map[common.Address]bool, likes map[common.Address]familiar) error {
	last, err := lastLink(tx)
	if err != nil {
		return err
	}
	r.Record.Entries, r.Record.Head = last.sequence, hex.EncodeToString(last.head[:])
	if _, _, r.Record.Signed, err = signedBefore(tx, r.Digest); err != nil {
		return err
	}
	for _, f := range payees(b) {
		to := f.address
		if _, asked := signedFor[to]; asked {
			continue
		}
		if signedFor[to], err = IsRecipient(tx, b.ChainID, to); err != nil {
			return err
		}
		like, ok, err := signedLike(tx, to)
		if err != nil {
			return err
		}
		if ok {
			likes[to] = familiar{like, "this station signed for before"}
		}
	}
	if r.Record.Signed {
		return nil
	}
	gaps, err := nonceGaps(tx, r.Summary)
	if n := len(gaps); err == nil && n > 0 {
		r.Warn(batch.Warning{Rule: WarnMissing, Text: gaps[0] + others(n) + ": nonces are missing, payments wait unsigned, or this station's record is not whole"})
	}
	return err
}

// isForeign reports whether an item pays an address of which nothing says that
// it is ours.
func isForeign(it *batch.Item) bool {
	return it.RecipientPath == "" && it.Intent.Recipient != it.From && it.Intent.Recipient != multipay.Address()
}

// A payee is an address that a batch pays and of which nothing says that it is
// ours.
type payee struct {
	item, payment int // payment is -1 where the item pays nobody else
	address       common.Address
}

// which says in a sentence which payment of the item it is.
func (f payee) which() string {
	if f.payment < 0 {
		return ""
	}
	return fmt.Sprintf(" with payment %d", f.payment)
}

// payees are all of them, in the order of the batch.
func payees(b *batch.Batch) []payee {
	list := make([]payee, 0, len(b.Items))
	for i := range b.Items {
		it := &b.Items[i]
		if isForeign(it) {
			list = append(list, payee{i, -1, it.Intent.Recipient})
		}
		for n := range it.Payments {
			list = append(list, payee{i, n, it.Payments[n].Recipient})
		}
	}
	return list
}

// findLikes warns of recipients that can be taken for another address: one that
// was signed for (likes), one that the policy names, one of our own, or another
// recipient of the batch.
func (r *Report) findLikes(p *policy.Policy, b *batch.Batch, likes map[common.Address]familiar) {
	near := neighbors{}
	named(p, b.ChainID, func(a common.Address) { near.add(a, "the policy names") })
	for i := range b.Items {
		it := &b.Items[i]
		near.add(it.From, "is a sender of this batch")
		if it.RecipientPath != "" {
			near.add(it.Intent.Recipient, fmt.Sprintf("is said to be ours at %s", it.RecipientPath))
		}
	}
	all := payees(b)
	for _, f := range all {
		near.add(f.address, fmt.Sprintf("item %d pays%s", f.item, f.which()))
	}
	var list []batch.Remark
	for _, f := range all {
		like, ok := likes[f.address]
		if !ok {
			like, ok = near.of(f.address)
		}
		if ok {
			list = append(list, batch.Remark{Item: f.item, Text: lookalike(f.address, like)})
		}
	}
	switch n := len(list); n {
	case 0:
	case 1:
		r.Warn(batch.Warning{Rule: WarnLookalike, Text: "a recipient can be taken for another address, as of somebody who wants to be paid in its place", Items: list})
	default:
		r.Warn(batch.Warning{Rule: WarnLookalike, Text: fmt.Sprintf("%d recipients can be taken for other addresses, as of somebody who wants to be paid in their place", n), Items: list})
	}
}

// named calls fn with the addresses of a chain that a policy names.
func named(p *policy.Policy, chain uint64, fn func(common.Address)) {
	if p == nil {
		return
	}
	c := p.Chains[chain]
	if c.Treasury != (common.Address{}) {
		fn(c.Treasury)
	}
	if c.Float != (common.Address{}) {
		fn(c.Float)
	}
	for a := range c.Recipients {
		fn(a)
	}
}

// place says of every item what its recipient is to this station, and counts
// the new ones.
func (r *Report) place(p *policy.Policy, b *batch.Batch, signedFor map[common.Address]bool) {
	var treasury, float common.Address
	var listed map[common.Address]bool
	if p != nil {
		chain := p.Chains[b.ChainID]
		treasury, float, listed = chain.Treasury, chain.Float, chain.Recipients
	}
	counted := map[common.Address]bool{}
	standingOf := func(it *batch.Item, to common.Address) Standing {
		switch {
		case it.RecipientPath != "":
			return StandingClaimed
		case to == it.From:
			return StandingSender
		case to == multipay.Address():
			return StandingContract
		case len(it.Payments) == 0 && it.Intent.Kind != wallet.IntentWithdrawal && to == treasury:
			return StandingPinned
		case it.Intent.Kind == wallet.IntentRebalance && it.Path.Role == wallet.TreasuryRole && to == float:
			return StandingFloat
		case signedFor[to]:
			return StandingPaid
		case r.Record == nil:
			return StandingUnknown
		case listed[to] || to == treasury:
			return StandingListed
		}
		return StandingUnseen
	}
	count := func(standing Standing, to common.Address) {
		if !standing.New() || counted[to] {
			return
		}
		counted[to] = true
		r.New++
		if standing == StandingUnseen {
			r.Unseen++
		}
	}
	for i := range b.Items {
		it := &b.Items[i]
		item := &r.Items[i]
		item.Standing = standingOf(it, it.Intent.Recipient)
		count(item.Standing, it.Intent.Recipient)
		for _, p := range it.Payments {
			standing := standingOf(it, p.Recipient)
			count(standing, p.Recipient)
			item.Payments = append(item.Payments, standing)
			if standing == StandingUnknown || standing == StandingUnseen || standing == StandingListed && item.Standing != StandingUnseen ||
				standing == StandingPaid && item.Standing == StandingContract {
				item.Standing = standing
			}
		}
	}
}

// sayUnknown says what this station cannot know of the batch.
func (r *Report) sayUnknown() {
	say := func(words string) { r.Unknown = append(r.Unknown, words) }
	if r.Here == "" {
		say("there is no vault here: whether it would be signed, only the signing station can say")
	}
	if r.Record == nil {
		say("there is no signing record here: which recipients are new, and what was signed before, only the signing station can say")
	}
	if r.Policy == nil {
		say("there is no policy here: what it allows, only the signing station can say")
	}
}

// nonceGaps names the senders whose first nonce does not follow on one that
// was signed.
func nonceGaps(tx store.Tx, s batch.Summary) (gaps []string, err error) {
	for _, sender := range s.Senders {
		if sender.First == 0 {
			continue
		}
		words := fmt.Sprintf("%s begins with nonce %d, and this station signed none before", sender.Address, sender.First)
		followed := false
		below := store.Range{
			From: slotKey(s.ChainID, sender.Address, 0), To: slotKey(s.ChainID, sender.Address, sender.First), Reverse: true,
		}
		err := tx.Scan(below, func(k, _ []byte) error {
			last := slotNonce(k)
			followed = last == sender.First-1
			words = fmt.Sprintf("%s begins with nonce %d, and the last that this station signed before is %d", sender.Address, sender.First, last)
			return store.Stop
		})
		if err != nil {
			return nil, err
		}
		if !followed {
			gaps = append(gaps, words)
		}
	}
	return gaps, nil
}

func others(n int) string {
	switch n {
	case 1:
		return ""
	case 2:
		return " (and another sender)"
	}
	return fmt.Sprintf(" (and %d other senders)", n-1)
}

// unpinned warns of assets whose display rests on the online station's word.
func unpinned(p *policy.Policy, b *batch.Batch) (batch.Warning, bool) {
	n, example := 0, ""
	for _, a := range b.Assets {
		if p != nil {
			if _, pinned := p.Assets[a.Asset]; pinned {
				continue
			}
		}
		if n++; n == 1 {
			example = fmt.Sprintf("%s with %d decimals for %s", a.Symbol, a.Decimals, a.Asset)
		}
	}
	w := batch.Warning{Rule: WarnUnpinned}
	switch n {
	case 0:
		return w, false
	case 1:
		w.Text = "symbol and decimals of an asset are the online station's word, and the policy does not name it: " + example
	default:
		w.Text = fmt.Sprintf("symbols and decimals of %d assets are the online station's word, and the policy does not name them, such as %s", n, example)
	}
	return w, true
}
