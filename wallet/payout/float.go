package payout

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Float says that a batch is paid from the float, whose keys are online, and
// what it may pay. The zero value is a batch of the cold vault.
type Float struct {
	Use bool
	// Most is the most that one withdrawal of an asset may pay, in base units.
	// Assets that are not in it have no such limit.
	Most map[wallet.AssetID]wallet.Amount
	// Fit, if set, says of each item of a draft why it must not be in the batch
	// beside those before it, or "". It is asked before anything is bound.
	Fit func(ctx context.Context, draft *batch.Batch) ([]string, error)
}

// WaitsForCold ends the reason of a withdrawal that the float does not pay.
const WaitsForCold = ": waits for the cold station"

func (f Float) role() wallet.Role {
	if f.Use {
		return wallet.FloatRole
	}
	return wallet.PayoutRole
}

// elsewhere reports whether a withdrawal is bound to a nonce of the other vault,
// where it stays, and what is to be told of that, if anything.
func (f Float) elsewhere(tx store.Tx, w wallet.Withdrawal) (yes bool, why string, err error) {
	if w.Slot == nil {
		return false, "", nil
	}
	sender, _, err := store.OurAddress(tx, w.Slot.Sender)
	if err != nil || (sender.Role == wallet.FloatRole) == f.Use {
		return false, "", err
	}
	if f.Use {
		return true, "", nil
	}
	return true, fmt.Sprintf("is bound to nonce %d of the float: airlock build-withdrawals --float builds it again", w.Slot.Nonce), nil
}

// tooMuch says why a new payment is above what the float pays at once, or "".
func (f Float) tooMuch(c *candidate) string {
	most, limited := f.Most[c.asset.ID]
	if !limited || c.w.Amount.Cmp(most) <= 0 {
		return ""
	}
	return "above " + c.asset.Format(most) + ", the most that the float was to pay" + WaitsForCold
}

// Unsigned lists the batches of the float that nobody signed yet, oldest first, with
// their files: of payments, of higher fees and of cancels.
func (s *Service) Unsigned(ctx context.Context) (list []wallet.BatchRecord, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list = nil
		seen := map[string]bool{}
		if err := store.EachAddress(tx, wallet.FloatRole, 0, func(a wallet.Address) error {
			return store.OpenOutgoingOf(tx, s.Chain, a.Address, func(o wallet.Outgoing) error {
				for _, awaited := range []*wallet.Attempt{o.Awaited(false), o.Awaited(true)} {
					if awaited == nil || o.State == wallet.OutgoingMined || seen[awaited.Batch] {
						continue
					}
					seen[awaited.Batch] = true
					rec, _, err := store.Batch(tx, awaited.Batch)
					if err != nil {
						return err
					}
					if rec.Status == wallet.BatchBuilt {
						list = append(list, rec)
					}
				}
				return nil
			})
		}); err != nil {
			return err
		}
		slices.SortStableFunc(list, func(a, b wallet.BatchRecord) int { return a.CreatedAt.Compare(b.CreatedAt) })
		return nil
	})
	return list, err
}

// Approved reports whether any withdrawal is approved and in no batch.
func (s *Service) Approved(ctx context.Context) (any bool, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		any = false
		return store.Withdrawals(tx, s.Chain, wallet.WithdrawalApproved, func(wallet.Withdrawal) error {
			any = true
			return store.Stop
		})
	})
	return any, err
}

// sifted is how many candidates are held against a limit of the float in one go.
const sifted = 500

// plan asks the chain and makes a plan. Where Fit decides, nothing is asked about
// candidates that cannot fit at any fee, and the plan is made again without what
// does not.
func (s *Service) plan(ctx context.Context, node Node, d *draft, o BuildOptions) (*planner, error) {
	if o.Float.Fit == nil {
		return s.ask(ctx, node, d, o)
	}
	if err := s.sift(ctx, d, o); err != nil {
		return nil, err
	}
	for {
		attempt := *d
		attempt.fresh, attempt.leftOut = slices.Clone(d.fresh), nil
		p, err := s.ask(ctx, node, &attempt, o)
		if err != nil || len(p.items)+len(p.empties) == 0 {
			return p, err
		}
		again, err := s.refit(ctx, d, p, o)
		if err != nil || !again {
			return p, err
		}
	}
}

// sift takes out the new payments that do not fit whatever their gas and fees
// are, until enough are left.
func (s *Service) sift(ctx context.Context, d *draft, o BuildOptions) error {
	var kept []candidate
	free := &planner{ladder: []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(1)}}} // as good as
	for part := range slices.Chunk(d.fresh, sifted) {
		if len(kept) >= o.Max {
			break
		}
		// What is built again comes before them, at nonces of its own.
		var items []batch.Item
		for _, c := range d.again {
			sender := wallet.Address{Address: c.rebuild.Slot.Sender, Path: c.rebuild.Path}
			items = append(items, free.item(c, sender, c.rebuild.Slot.Nonce, c.rebuild.Payload, free.ladder, 0))
		}
		for i, c := range part {
			payload := outgoing.PayloadOf(c.asset.ID, c.w.To, c.w.Amount, batch.MinGas)
			items = append(items, free.item(c, d.lines[0].sender, d.lines[0].next+uint64(i), payload, free.ladder, 0))
		}
		why, err := s.fit(ctx, items, o)
		if err != nil {
			return err
		}
		why = why[len(d.again):]
		for i, c := range part {
			if why[i] == "" {
				kept = append(kept, c)
				continue
			}
			d.leftOut = append(d.leftOut, LeftOut{c.w.ID, why[i]})
		}
	}
	d.fresh = kept
	return nil
}

// refit takes out of a draft what of its plan does not fit, and reports whether
// anything was. What is built again and does not fit ends the plan: nothing after
// its nonce could be mined before it.
func (s *Service) refit(ctx context.Context, d *draft, p *planner, o BuildOptions) (changed bool, err error) {
	list := inOrder(slices.Concat(p.items, p.empties))
	words, err := s.fit(ctx, list, o)
	if err != nil {
		return false, err
	}
	type place struct {
		from  common.Address
		nonce uint64
	}
	why := map[place]string{}
	for i := range list {
		why[place{list[i].From, list[i].Nonce}] = words[i]
	}
	fits := func(it *batch.Item) string { return why[place{it.From, it.Nonce}] }
	p.empties = slices.DeleteFunc(p.empties, func(it batch.Item) bool {
		if fits(&it) != "" {
			p.leftOut = append(p.leftOut, LeftOut{cmp.Or(it.Replaces.ID, it.Intent.ID), fits(&it)})
		}
		return fits(&it) != ""
	})
	out := map[string]string{}
	for i := range p.items {
		reason := fits(&p.items[i])
		if reason == "" {
			continue
		}
		id := p.items[i].Intent.ID
		out[id] = reason
		if n := slices.IndexFunc(d.again, func(c candidate) bool { return c.w.ID == id && c.rebuild.Serving() != nil }); n >= 0 {
			// Higher fees alone: what has its nonce goes on without them.
			o := d.again[n].rebuild
			d.owed.spend(o.Slot.Sender, o.Intent.Asset, o.Intent.Amount)
			d.owed.spend(o.Slot.Sender, d.coin.ID, o.WorstFee())
			d.leftOut, d.again = append(d.leftOut, LeftOut{id, reason}), slices.Delete(d.again, n, n+1)
			return true, nil
		}
		if i < p.rebuilt {
			p.leftOut = append(p.leftOut, LeftOut{id, reason})
			p.items = p.items[:i]
			return false, nil
		}
	}
	if len(out) == 0 {
		return false, nil
	}
	d.fresh = slices.DeleteFunc(d.fresh, func(c candidate) bool {
		reason, is := out[c.w.ID]
		if is {
			d.leftOut = append(d.leftOut, LeftOut{c.w.ID, reason})
		}
		return is
	})
	return true, nil
}

func (s *Service) fit(ctx context.Context, items []batch.Item, o BuildOptions) (why []string, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	var b *batch.Batch
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		b, err = outgoing.Draft(tx, batch.Withdrawals, s.Chain, items, s.now(), o.Expiry)
		return err
	}); err != nil {
		return nil, err
	}
	if why, err = o.Float.Fit(ctx, b); err == nil && len(why) != len(items) {
		err = fmt.Errorf("of %d payments, %d were looked at", len(items), len(why))
	}
	return why, err
}
