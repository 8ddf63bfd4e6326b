package outgoing

import (
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// Tempo is how fast a chain is, as the times of its blocks show. What is zero is
// not known.
type Tempo struct {
	Block time.Duration // from one block to the next
	Final time.Duration // from a block to its finality
}

// TempoOf measures a chain by its newest block and its newest final one: their
// numbers and times. Nothing is known before a block after the first is final, or
// where blocks are final at once.
func TempoOf(head, final uint64, headTime, finalTime time.Time) (t Tempo) {
	lag := headTime.Sub(finalTime)
	if final == 0 || head <= final || lag <= 0 {
		return t
	}
	return Tempo{Block: lag / time.Duration(min(head-final, 1<<32)), Final: lag} //nolint:gosec // it fits
}

// perBlock is how many transactions of a sender a block is expected to take at
// least.
const perBlock = 64

// ETA is when a slot's transaction is expected in a block, and final there. met
// says whether its fees are what the next block may ask; it is nil where the
// market is not known. What cannot be said is nil: a transaction that waits for a
// person or for lower fees, that no node is known to have, or that stands behind
// such a one.
func (d *Dossier) ETA(met *bool, t Tempo, now time.Time) (block, final *time.Duration) {
	const none = time.Duration(0)
	switch {
	case d.Vanished != nil || d.Outgoing == nil:
		return nil, nil
	case d.Mined != nil && d.Final:
		return new(none), new(none)
	case d.Mined != nil:
		if t.Final > 0 { // one that is late is expected with every next block
			left := max(d.Mined.BlockTime.Add(t.Final).Sub(now), t.Block)
			final = &left
		}
		return new(none), final
	case d.Outgoing.State != wallet.OutgoingAccepted, d.Before.Unheard > 0, d.Before.Held != "",
		met == nil, !*met, t.Block <= 0:
		return nil, nil
	}
	in := t.Block * time.Duration(1+d.Before.Ahead/perBlock)
	block = &in
	if t.Final > 0 {
		end := in + t.Final
		final = &end
	}
	return block, final
}
