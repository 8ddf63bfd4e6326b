package outgoing

import (
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// What holds up the line of a sender. Nothing of it can be paid twice; it waits
// for somebody to do something, and nothing behind it can be mined before.
const (
	// DoubtGap is what Gaps tells of.
	DoubtGap DoubtKind = "gap"
	// DoubtMissing: it was offered for LongOffered, and no node is known to have
	// it.
	DoubtMissing DoubtKind = "missing"
)

// Doubt is a gap as one of the things that are in doubt.
func (g *Gap) Doubt() Doubt {
	return Doubt{Kind: DoubtGap, Slot: g.Slot, Intent: g.Intent, Advice: g.Why + ": " + g.Advice}
}

// LongOffered is for how long a transaction is given to nodes before a person
// may want to know where it is.
const LongOffered = 10 * time.Minute

// Missing lists the transactions at the front of their senders' lines whose
// highest rung was offered LongOffered ago: those that no node had when it was
// last asked, which are Unheard, and those that nodes are to be asked for again.
func Missing(tx store.Tx, chain uint64, now time.Time) (list []Doubt, err error) {
	senders, err := store.OpenSenders(tx, chain)
	if err != nil {
		return nil, err
	}
	for _, sender := range senders {
		line, err := Line(tx, chain, sender, 1)
		if err != nil {
			return nil, err
		}
		if len(line) == 0 || line[0].Wait != "" {
			continue
		}
		o := &line[0].Outgoing
		a := o.Current()
		if a.Offered == 0 || now.Sub(a.RungAt) < LongOffered {
			continue
		}
		list = append(list, Doubt{
			Kind: DoubtMissing, Slot: o.Slot, Intent: &o.Intent, Unheard: o.State == wallet.OutgoingOffered,
			Advice: "it was offered, and no node is known to have it: confirm offers it again",
		})
	}
	return list, nil
}
