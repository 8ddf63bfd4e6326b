package payout

import (
	"context"
	"errors"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Report is what a pass of Confirm did.
type Report struct {
	Mined       int `json:"mined"`       // found in a block that is not final yet
	Confirmed   int `json:"confirmed"`   // final and booked
	Failed      int `json:"failed"`      // final without effect; funds released
	Canceled    int `json:"canceled"`    // final at the nonce is its cancel; funds released
	Replaced    int `json:"replaced"`    // another transaction is final at the nonce
	Returned    int `json:"returned"`    // left the chain with its block
	Held        int `json:"held"`        // waits for a person: airlock resolve
	Rebroadcast int `json:"rebroadcast"` // offered to a node in this pass
	Climbed     int `json:"climbed"`     // of Rebroadcast, at the next rung
	Refused     int `json:"refused"`     // of Rebroadcast, by a node
	Accepted    int `json:"accepted"`    // found at a node, which was not known
	Dropped     int `json:"dropped"`     // nodes had it before and no longer
	Pending     int `json:"pending"`     // signed and not final
}

// Confirm brings everything that is on its way in line with what scanning
// found: it books what is final, notes what is mined, asks nodes for what is
// not, and offers what is due (see Offer). What becomes of funds is decided by
// what scanning found alone. dial is called only if something is signed and not
// mined; while the home is halted nothing is offered. The report is good also
// beside an error.
//
// The cost of a pass grows with what is on its way, not with what is settled.
func (s *Service) Confirm(ctx context.Context, dial func(context.Context) (Sender, error)) (Report, error) {
	p, err := s.settle(ctx)
	r := Report{
		Mined: p.Mined, Confirmed: p.Confirmed, Failed: p.Failed, Canceled: p.Canceled,
		Replaced: p.Replaced, Returned: p.Returned, Held: p.Held,
	}
	if err != nil {
		return r, err
	}
	sent, offerErr := s.offerDue(ctx, dial)
	r.Rebroadcast, r.Climbed, r.Refused = sent.sent, sent.Climbed, sent.Refused
	r.Accepted, r.Dropped = sent.seen+sent.Accepted+sent.AlreadyKnown, sent.Dropped
	err = s.DB.View(ctx, func(tx store.Tx) error {
		r.Pending = 0
		return store.OpenSlots(tx, s.Chain, func(o store.OpenSlot) error {
			if o.State != wallet.OutgoingBound {
				r.Pending++
			}
			return nil
		})
	})
	return r, errors.Join(offerErr, err)
}

// settle books what is final and notes what is mined, in bounded steps.
func (s *Service) settle(ctx context.Context) (p outgoing.Progress, err error) {
	var ripe []wallet.Mined
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		ripe, err = outgoing.Ripe(tx, s.Chain)
		return err
	}); err != nil {
		return p, err
	}
	slots := make([]wallet.Slot, len(ripe))
	for i, m := range ripe {
		slots[i] = m.Slot
	}
	if err := s.inSteps(ctx, slots, func(tx store.Tx, part []wallet.Slot) (outgoing.Progress, error) {
		return outgoing.Settle(tx, s.Chain, part, s.now())
	}, &p); err != nil {
		return p, err
	}
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		slots, err = outgoing.Stale(tx, s.Chain)
		return err
	}); err != nil {
		return p, err
	}
	return p, s.inSteps(ctx, slots, func(tx store.Tx, part []wallet.Slot) (outgoing.Progress, error) {
		return outgoing.Observe(tx, part, s.now())
	}, &p)
}

func (s *Service) inSteps(ctx context.Context, slots []wallet.Slot, fn func(store.Tx, []wallet.Slot) (outgoing.Progress, error), sum *outgoing.Progress) error {
	for part := range slices.Chunk(slots, chunk) {
		var p outgoing.Progress
		if err := s.DB.Update(ctx, func(tx store.Tx) (err error) {
			p, err = fn(tx, part)
			return err
		}); err != nil {
			return err
		}
		*sum = sum.Add(p)
	}
	return nil
}

func (s *Service) offerDue(ctx context.Context, dial func(context.Context) (Sender, error)) (Sent, error) {
	unmined := false
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		unmined = false
		if _, halted, err := store.Halted(tx); err != nil || halted {
			return err
		}
		return store.OpenSlots(tx, s.Chain, func(o store.OpenSlot) error {
			if o.State == wallet.OutgoingMined || o.State == wallet.OutgoingBound {
				return nil
			}
			unmined = true
			return store.Stop
		})
	}); err != nil || !unmined {
		return Sent{}, err
	}
	node, err := dial(ctx)
	if err != nil {
		return Sent{}, err
	}
	return s.Offer(ctx, node, "")
}

// ReadTo is how far the chain was read.
func (s *Service) ReadTo(ctx context.Context) (c store.Cursor, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		c, _, err = store.ReadCursor(tx, s.Chain)
		return err
	})
	return c, err
}

// Changed reports whether the pass found anything new.
func (r Report) Changed() bool {
	r.Pending, r.Held = 0, 0
	return r != Report{}
}

// Add sums two passes; what waits is as the later one found it.
func (r Report) Add(q Report) Report {
	return Report{
		Mined: r.Mined + q.Mined, Confirmed: r.Confirmed + q.Confirmed, Failed: r.Failed + q.Failed, Canceled: r.Canceled + q.Canceled,
		Replaced: r.Replaced + q.Replaced, Returned: r.Returned + q.Returned,
		Rebroadcast: r.Rebroadcast + q.Rebroadcast, Climbed: r.Climbed + q.Climbed, Refused: r.Refused + q.Refused,
		Accepted: r.Accepted + q.Accepted, Dropped: r.Dropped + q.Dropped,
		Held: q.Held, Pending: q.Pending,
	}
}
