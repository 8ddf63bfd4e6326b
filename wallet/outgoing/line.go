package outgoing

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Evidence is what scanning found that bears on whether a transaction is to be
// offered.
type Evidence struct {
	Mined    *wallet.Mined // at its own slot
	Required *wallet.Mined // at the slot that it waits for, if that was our doing
	Lost     *wallet.Mined // at the slot that it waits for, if that was anything else
}

// Wait says why no node may be given a transaction, or "": it has signatures
// that nobody discarded, its slot is free, and what it requires was mined with
// success. What waits holds up the line of its sender, since nothing behind it
// can be mined.
func Wait(o *wallet.Outgoing, e Evidence) string {
	switch current := o.Current(); {
	case e.Mined != nil:
		return fmt.Sprintf("its nonce was used by %s", e.Mined.TxHash)
	case o.Wish == wallet.WishCancel && !current.Cancel:
		return "it is to be canceled, and its cancel is not signed yet"
	case len(current.Signed) == 0:
		return "not signed yet"
	case current.Discarded:
		return "its batch was discarded"
	case offerable(o) == nil:
		return fmt.Sprintf("it is %s", o.State)
	case current.Cancel: // needs nothing that comes before
	case e.Lost != nil:
		return fmt.Sprintf("what it needs, nonce %d of %s, was taken by %s", o.Requires.Nonce, o.Requires.Sender, e.Lost.TxHash)
	case o.Requires != nil && e.Required == nil:
		return fmt.Sprintf("waits for nonce %d of %s", o.Requires.Nonce, o.Requires.Sender)
	case o.Requires != nil && !e.Required.Success:
		return fmt.Sprintf("what it needs, %s, failed", e.Required.TxHash)
	}
	return ""
}

// offerable is the attempt that nodes are given, or nil: not the payment any more
// once it is to be canceled.
func offerable(o *wallet.Outgoing) *wallet.Attempt {
	current := o.Current()
	if !current.Live() || o.Wish == wallet.WishCancel && !current.Cancel {
		return nil
	}
	switch o.State {
	case wallet.OutgoingSigned, wallet.OutgoingOffered, wallet.OutgoingAccepted:
		return current
	case wallet.OutgoingBound, wallet.OutgoingMined, wallet.OutgoingFinal:
	}
	return nil
}

// evidence reads what Wait needs.
func evidence(tx store.Tx, o *wallet.Outgoing) (e Evidence, err error) {
	m, ok, err := store.MinedAt(tx, o.Slot)
	if err != nil {
		return e, err
	}
	if ok {
		e.Mined = &m
	}
	if o.Requires == nil {
		return e, nil
	}
	r, ok, err := store.MinedAt(tx, *o.Requires)
	if err != nil || !ok {
		return e, err
	}
	required, ok, err := store.OutgoingAt(tx, *o.Requires)
	if err == nil && ok && isOurs(&r, &required) {
		e.Required = &r
	} else {
		e.Lost = &r
	}
	return e, err
}

// WhyWaits is Wait with the evidence of the store.
func WhyWaits(tx store.Tx, o *wallet.Outgoing) (string, error) {
	e, err := evidence(tx, o)
	return Wait(o, e), err
}

// Place is a transaction in the line of its sender: those that are not mined,
// by nonce.
type Place struct {
	Outgoing wallet.Outgoing
	// Head says that nothing of the sender has to be mined before it.
	Head bool
	// Wait is why no node may be given it, or "". Behind such a place others
	// stand only if nodes were given something of it before.
	Wait string
}

// Line is the front of a sender's line, at most window places. Its cost does not
// grow with what was mined before or waits behind.
func Line(tx store.Tx, chain uint64, sender common.Address, window int) (line []Place, err error) {
	var before *wallet.Slot
	err = store.OpenSlotsOf(tx, chain, sender, func(open store.OpenSlot) error {
		if open.State == wallet.OutgoingMined {
			before = &open.Slot
			return nil
		}
		o, _, err := store.OutgoingAt(tx, open.Slot)
		if err != nil {
			return err
		}
		e, err := evidence(tx, &o)
		if err != nil {
			return err
		}
		if e.Mined != nil {
			before = &open.Slot
			return nil
		}
		p := Place{Outgoing: o, Head: len(line) == 0, Wait: Wait(&o, e)}
		if before != nil && before.Nonce+1 != o.Slot.Nonce {
			whole, err := known(tx, wallet.Slot{ChainID: chain, Sender: sender, Nonce: o.Slot.Nonce - 1})
			if err != nil {
				return err
			}
			if !whole {
				p.Wait = fmt.Sprintf("nothing is known of nonce %d of %s before it: airlock resolve tells more", o.Slot.Nonce-1, sender)
			}
		}
		line = append(line, p)
		before = &open.Slot
		if len(line) == window || p.Wait != "" && len(p.Given()) == 0 {
			return store.Stop
		}
		return nil
	})
	return line, err
}

// known reports whether something is bound to a slot or mined there.
func known(tx store.Tx, slot wallet.Slot) (bool, error) {
	if _, ok, err := store.OutgoingAt(tx, slot); ok || err != nil {
		return ok, err
	}
	_, ok, err := store.MinedAt(tx, slot)
	return ok, err
}

// given lists the hashes of all signatures of a slot that nodes were given, the
// one first that they should have.
func given(o *wallet.Outgoing) (hashes []common.Hash) {
	wanted := offerable(o)
	if wanted != nil && wanted.Offered > 0 {
		hashes = append(hashes, wanted.Signed[wanted.Rung()])
	}
	for i := len(o.Attempts) - 1; i >= 0; i-- {
		a := &o.Attempts[i]
		for r := min(a.Offered, len(a.Signed)) - 1; r >= 0; r-- {
			if a != wanted || r != a.Rung() {
				hashes = append(hashes, a.Signed[r])
			}
		}
	}
	return hashes
}

// Given lists the hashes of what nodes were given of a place, the one first that
// they should have.
func (p *Place) Given() []common.Hash { return given(&p.Outgoing) }
