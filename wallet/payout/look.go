package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// draft is what a look at the store found.
type draft struct {
	cursor  store.Cursor
	coin    wallet.Asset
	lines   []*line           // those that new payments may join, by index, then others
	many    []together        // bound by discarded batches, many to a nonce
	again   []candidate       // bound by discarded batches or to get higher fees, by nonce
	cancels []wallet.Outgoing // whose nonces are to be taken by a cancel
	fresh   []candidate       // in the order of requests
	owed    funds             // what transactions on their way need, negative
	leftOut []LeftOut
}

// look reads what can be built, and refuses what must not even be tried.
func (s *Service) look(ctx context.Context, o BuildOptions) (d *draft, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		d = &draft{owed: funds{}}
		if err := store.CheckHalt(tx); err != nil {
			return err
		}
		c, err := store.Chain(tx, s.Chain)
		if err != nil {
			return err
		}
		d.coin = c.Coin
		var ok bool
		if d.cursor, ok, err = store.ReadCursor(tx, s.Chain); err != nil {
			return err
		} else if !ok {
			return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d was not scanned yet", s.Chain), "airlock scan reads it")
		}
		for i := range o.Senders {
			a, ok, err := store.AddressAt(tx, o.Float.role(), uint32(i))
			if err != nil {
				return err
			}
			if !ok {
				return noSender(tx, o.Float.role(), i, o.Senders)
			}
			if err := d.addLine(tx, a, true); err != nil {
				return err
			}
		}
		return s.collect(tx, d, o.Float)
	})
	return d, err
}

// noSender says that a home has fewer addresses that pay than are asked for.
func noSender(tx store.Tx, role wallet.Role, have, want int) error {
	if have == 0 {
		_, err := outgoing.Vault(tx, role) // which says what is missing
		return cmp.Or(err, wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no %s address", role), "airlock watch import makes it"))
	}
	return wallet.WithHint(wallet.As(wallet.ErrNotFound, "%d payout addresses are to pay, and this home has %d", want, have),
		"airlock address new --role payout --count %d makes the others; fund them and run airlock scan", want-have)
}

// collect sorts the approved withdrawals, and counts what is on its way.
func (s *Service) collect(tx store.Tx, d *draft, float Float) error {
	rebuilt := map[wallet.Slot]bool{}
	unclaimed, err := outgoing.ReadUnclaimed(tx, s.Chain)
	if err != nil {
		return err
	}
	if err := store.Withdrawals(tx, s.Chain, wallet.WithdrawalApproved, func(w wallet.Withdrawal) error {
		c := candidate{w: w}
		elsewhere, why, err := float.elsewhere(tx, w)
		if err != nil {
			return err
		}
		if elsewhere && why == "" {
			return nil
		}
		if why == "" {
			why = unclaimed.Why(&w)
		}
		if why == "" {
			why, err = s.examine(tx, &c)
			if errors.Is(err, errCanceling) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if why == "" && c.rebuild == nil {
			why = float.tooMuch(&c)
		}
		switch {
		case why != "":
			d.leftOut = append(d.leftOut, LeftOut{w.ID, why})
		case c.rebuild != nil && c.rebuild.Intent.Kind == wallet.IntentPayments:
			d.join(c)
			return d.addLine(tx, wallet.Address{Address: c.rebuild.Slot.Sender, Path: c.rebuild.Path}, false)
		case c.rebuild != nil:
			d.again = append(d.again, c)
			return d.addLine(tx, wallet.Address{Address: c.rebuild.Slot.Sender, Path: c.rebuild.Path}, false)
		default:
			d.fresh = append(d.fresh, c)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.collectWishes(tx, d, float); err != nil {
		return err
	}
	for _, c := range d.again {
		rebuilt[c.rebuild.Slot] = true
	}
	if err := s.collectMany(tx, d, rebuilt); err != nil {
		return err
	}
	slices.SortFunc(d.again, func(a, b candidate) int {
		x, y := a.rebuild.Slot, b.rebuild.Slot
		return cmp.Or(x.Sender.Cmp(y.Sender), cmp.Compare(x.Nonce, y.Nonce))
	})
	for _, l := range d.lines {
		if err := store.OpenOutgoingOf(tx, s.Chain, l.sender.Address, func(o wallet.Outgoing) error {
			// What the cursor's block has mined is gone from the balance there.
			if _, mined, err := store.MinedAt(tx, o.Slot); err != nil || mined {
				return err
			}
			l.waiting++
			if !rebuilt[o.Slot] {
				if o.Intent.Kind != wallet.IntentAllowance { // which moves nothing
					d.owed.spend(o.Slot.Sender, o.Intent.Asset, o.Intent.Amount)
				}
				d.owed.spend(o.Slot.Sender, d.coin.ID, o.WorstFee())
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// addLine reads where the line of a sender ends, and what forbids to build on
// it.
func (d *draft) addLine(tx store.Tx, sender wallet.Address, fresh bool) (err error) {
	if slices.ContainsFunc(d.lines, func(l *line) bool { return l.sender.Address == sender.Address }) {
		return nil
	}
	l := &line{sender: sender, fresh: fresh}
	d.lines = append(d.lines, l)
	chain := d.coin.ID.ChainID
	if l.next, err = outgoing.NextNonce(tx, chain, sender.Address); errors.Is(err, outgoing.ErrNoHistory) {
		l.problem = err
		return nil
	} else if err != nil {
		return err
	}
	// A node may be behind what scanning has seen already.
	_, mined, err := store.MinedAt(tx, wallet.Slot{ChainID: chain, Sender: sender.Address, Nonce: l.next})
	if mined {
		l.problem = outgoing.CheckNonce(sender.Address, l.next+1, l.next)
	}
	return err
}

// errCanceling says that a withdrawal is not to be paid any more.
var errCanceling = errors.New("is to be canceled")

// examine reads what a candidate needs and says why it must stay out, or "".
func (s *Service) examine(tx store.Tx, c *candidate) (why string, err error) {
	if c.asset, err = store.Asset(tx, c.w.Asset); err != nil {
		return "", err
	}
	if c.w.Account != wallet.House {
		frozen, err := store.Frozen(tx, c.w.Account)
		if err != nil {
			return "", err
		}
		if frozen != "" {
			return fmt.Sprintf("account %s is frozen: %s", c.w.Account, frozen), nil
		}
	}
	if c.w.Slot == nil {
		err := checkRecipient(tx, s.Chain, c.w.To)
		if errors.Is(err, wallet.ErrUsage) {
			return err.Error(), nil
		}
		return "", err
	}
	o, ok, err := store.OutgoingAt(tx, *c.w.Slot)
	if err != nil {
		return "", err
	}
	if m, mined, err := store.MinedAt(tx, *c.w.Slot); err != nil {
		return "", err
	} else if mined {
		return fmt.Sprintf("nonce %d of %s was used by %s: run airlock confirm", c.w.Slot.Nonce, c.w.Slot.Sender, m.TxHash), nil
	}
	if ok && o.Wish == wallet.WishCancel {
		return "", errCanceling
	}
	if !ok || !outgoing.Rebuildable(&o) {
		return fmt.Sprintf("nonce %d of %s is not free: run airlock confirm", c.w.Slot.Nonce, c.w.Slot.Sender), nil
	}
	c.rebuild = &o
	return "", nil
}
