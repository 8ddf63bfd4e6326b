package outgoing

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Dossier is all that the store knows of a slot, for a person to read.
type Dossier struct {
	Slot     wallet.Slot
	Doubt    *Doubt           // nil if nothing is in doubt
	Outgoing *wallet.Outgoing // nil if nothing is bound to the slot
	Mined    *wallet.Mined    // what scanning found there, or nil
	Final    bool             // Mined is beyond reorg
	Vanished *store.Vanished  // Mined was booked in a block that left the chain
	Past     bool             // the nonce is below the sender's next one
	Float    bool             // the sender's keys are in the float's vault
	Wait     string           // why no node may be given it, or ""
	Before   Queue
}

// Queue is what stands before a transaction in the line of its sender.
type Queue struct {
	Ahead   int    // transactions of lower nonces that are not mined
	Unheard int    // of those, how many no node is known to have
	Held    string // why one of those cannot be sent, or ""
}

// ReadDossier reads all that the store knows of a slot.
func ReadDossier(tx store.Tx, slot wallet.Slot, now time.Time) (d Dossier, err error) {
	d.Slot = slot
	c, _, err := store.ReadCursor(tx, slot.ChainID)
	if err != nil {
		return d, err
	}
	if o, bound, err := store.OutgoingAt(tx, slot); err != nil {
		return d, err
	} else if bound {
		d.Outgoing = &o
		e, err := evidence(tx, &o)
		if err != nil {
			return d, err
		}
		d.Wait = Wait(&o, e)
	}
	if m, mined, err := store.MinedAt(tx, slot); err != nil {
		return d, err
	} else if mined {
		d.Mined, d.Final = &m, m.BlockNumber <= c.Final
	}
	if v, vanished, err := store.VanishedAt(tx, slot); err != nil {
		return d, err
	} else if vanished {
		d.Vanished = &v
	}
	next, known, err := store.NextNonce(tx, slot.ChainID, slot.Sender)
	if err != nil {
		return d, err
	}
	d.Past = known && slot.Nonce < next
	sender, ours, err := store.OurAddress(tx, slot.Sender)
	if err != nil {
		return d, err
	}
	d.Float = ours && sender.Role == wallet.FloatRole
	if d.Doubt, err = doubtAt(tx, slot, c.Final, now); err != nil {
		return d, err
	}
	if d.Mined == nil {
		d.Before, err = queueBefore(tx, slot)
	}
	return d, err
}

// doubtAt is what Doubts has of one slot, or nil.
func doubtAt(tx store.Tx, slot wallet.Slot, final uint64, now time.Time) (*Doubt, error) {
	s := &settler{tx: tx, chain: slot.ChainID, now: now}
	vanished, err := s.vanished(final)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(vanished, func(d Doubt) bool { return d.Slot == slot }); i >= 0 {
		return &vanished[i], nil
	}
	d, ok, err := s.doubt(slot, final)
	if err != nil || !ok {
		return nil, err
	}
	if d.Mined.Settled && d.Kind == DoubtUnexplained {
		marked, err := store.Unexplained(tx, slot.ChainID)
		if err != nil || !slices.Contains(marked, slot) {
			return nil, err // attributed before
		}
	}
	return &d, nil
}

// queueBefore is what stands before a slot in the line of its sender.
func queueBefore(tx store.Tx, slot wallet.Slot) (q Queue, err error) {
	hold := func(n uint64, why string) {
		if q.Held == "" {
			q.Held = fmt.Sprintf("behind nonce %d: %s", n, why)
		}
	}
	var before *uint64
	err = store.OpenOutgoingOf(tx, slot.ChainID, slot.Sender, func(o wallet.Outgoing) error {
		if before != nil {
			n, hole, err := holeAfter(tx, slot, *before, min(o.Slot.Nonce, slot.Nonce))
			if err != nil {
				return err
			}
			if hole {
				hold(n, "nothing is bound to it")
			}
		}
		if o.Slot.Nonce >= slot.Nonce {
			return store.Stop
		}
		before = &o.Slot.Nonce
		e, err := evidence(tx, &o)
		if err != nil || e.Mined != nil {
			return err
		}
		q.Ahead++
		if o.State != wallet.OutgoingAccepted {
			q.Unheard++
		}
		switch why := Wait(&o, e); {
		case why != "" && o.State != wallet.OutgoingAccepted:
			hold(o.Slot.Nonce, why)
		case o.State == wallet.OutgoingOffered && o.Answer != "":
			hold(o.Slot.Nonce, o.Answer)
		}
		return nil
	})
	return q, err
}

// holeAfter is the first nonce between two at which nothing is bound or mined.
func holeAfter(tx store.Tx, slot wallet.Slot, before, end uint64) (n uint64, hole bool, err error) {
	for slot.Nonce = before + 1; slot.Nonce < end; slot.Nonce++ {
		bound, err := known(tx, slot)
		if err != nil || !bound {
			return slot.Nonce, err == nil, err
		}
	}
	return 0, false, nil
}

// Hashes are those of all that may be mined at the slot as far as the store
// knows: what scanning found, first, and every signature.
func (d *Dossier) Hashes() (hashes []common.Hash) {
	add := func(h common.Hash) {
		if !slices.Contains(hashes, h) {
			hashes = append(hashes, h)
		}
	}
	if m := d.Found(); m != nil {
		add(m.TxHash)
	}
	if d.Mined != nil {
		add(d.Mined.TxHash)
	}
	if d.Outgoing != nil {
		for i := range d.Outgoing.Attempts {
			for _, hash := range d.Outgoing.Attempts[i].Signed {
				add(hash)
			}
		}
	}
	return hashes
}

// Found is what scanning has at the slot now, or nil: of what vanished, what
// was found since.
func (d *Dossier) Found() *wallet.Mined {
	if d.Vanished != nil {
		return d.Vanished.Found
	}
	return d.Mined
}
