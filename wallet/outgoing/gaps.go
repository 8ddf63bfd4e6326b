package outgoing

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Gap is the lowest unused nonce of a sender, at which no node may be given
// anything or what it was given was refused, while signed transactions stand
// behind it that cannot be mined before it is used.
type Gap struct {
	Slot   wallet.Slot
	Intent *wallet.Intent // that it is bound to; nil if it is bound to nothing
	Why    string         // what is the matter with it
	Behind int            // signed transactions that wait for it, up to GapLimit
	Advice string         // the ways out
}

// GapLimit bounds how many transactions behind a gap are counted.
const GapLimit = 1000

// Gaps lists the gaps of a chain, one a sender at most. counts are the senders'
// transaction counts at the latest block, as far as known: without it, a nonce
// that is bound to nothing is found only behind one that is known.
func Gaps(tx store.Tx, chain uint64, counts map[common.Address]uint64) (list []Gap, err error) {
	senders, err := store.OpenSenders(tx, chain)
	if err != nil {
		return nil, err
	}
	for _, sender := range senders {
		g, ok, err := gapOf(tx, chain, sender, counts)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, g)
		}
	}
	return list, nil
}

func gapOf(tx store.Tx, chain uint64, sender common.Address, counts map[common.Address]uint64) (g Gap, ok bool, err error) {
	line, err := Line(tx, chain, sender, 1)
	if err != nil || len(line) == 0 {
		return g, false, err
	}
	p := &line[0]
	g.Slot, g.Why = p.Outgoing.Slot, p.Wait
	below, empty, err := hollow(tx, p, counts)
	if err != nil {
		return g, false, err
	}
	e, err := evidence(tx, &p.Outgoing)
	if err != nil {
		return g, false, err
	}
	// A top-up that is on its way is a gap of another sender, or none.
	awaitsTopUp := p.Outgoing.Requires != nil && e.Required == nil && e.Lost == nil && p.Outgoing.Current().Live()
	switch {
	case empty:
		g.Slot, g.Why = below, "no batch holds it and nothing is known to be mined there"
		g.Advice = "airlock scan finds what was mined; if it is unused, airlock build-withdrawals takes it with a no-op"
	case g.Why == "" && p.Outgoing.Refusal == "", awaitsTopUp:
		return g, false, nil
	default:
		g.Intent = &p.Outgoing.Intent
		if g.Why == "" {
			g.Why = p.Outgoing.Answer
		}
		g.Advice = wayOut(&p.Outgoing)
	}
	err = store.OpenSlotsOf(tx, chain, sender, func(open store.OpenSlot) error {
		switch open.State {
		case wallet.OutgoingSigned, wallet.OutgoingOffered, wallet.OutgoingAccepted:
			if open.Slot.Nonce > g.Slot.Nonce {
				g.Behind++
			}
		case wallet.OutgoingBound, wallet.OutgoingMined, wallet.OutgoingFinal:
		}
		if g.Behind == GapLimit {
			return store.Stop
		}
		return nil
	})
	return g, g.Behind > 0, err
}

// hollow is a slot before the first of a line at which nothing is bound or mined.
func hollow(tx store.Tx, first *Place, counts map[common.Address]uint64) (slot wallet.Slot, ok bool, err error) {
	slot = first.Outgoing.Slot
	if count, told := counts[slot.Sender]; told && count < slot.Nonce {
		slot.Nonce = count
		whole, err := known(tx, slot)
		return slot, !whole, err
	}
	why, err := WhyWaits(tx, &first.Outgoing)
	if err != nil || why == first.Wait { // Line has no other reason
		return slot, false, err
	}
	slot.Nonce--
	return slot, true, nil
}

// wayOut is how an operator gets past a transaction that holds up others.
func wayOut(o *wallet.Outgoing) string {
	give := fmt.Sprintf("airlock resolve --cancel %s:%d gives it up", o.Slot.Sender, o.Slot.Nonce)
	if o.Intent.Kind == wallet.IntentWithdrawal {
		give = fmt.Sprintf("airlock withdraw cancel %s gives it up", o.Intent.ID)
	}
	last := o.Last()
	switch {
	case o.Wish == wallet.WishCancel && o.Awaited(true) != nil:
		return fmt.Sprintf("sign batch %s, which holds its cancel, and broadcast it", o.Awaited(true).Batch)
	case o.Wish == wallet.WishCancel && (o.Cancellation() == nil || !takesOver(o, o.Cancellation())):
		return "airlock build-withdrawals puts its cancel into the next batch"
	case o.Intent.Kind == wallet.IntentNoOp && last.Discarded:
		return "airlock build-withdrawals builds it again"
	case o.Serving() == nil && last.Discarded && o.Intent.Kind == wallet.IntentWithdrawal:
		return "airlock build-withdrawals builds it again, or " + give
	case o.Serving() == nil && last.Discarded:
		return fmt.Sprintf("build the %s again, or %s", o.Intent.Kind, give)
	case o.Serving() == nil && o.Intent.Kind == wallet.IntentNoOp:
		return fmt.Sprintf("sign batch %s and broadcast it", last.Batch)
	case o.Serving() == nil:
		return fmt.Sprintf("sign batch %s and broadcast it, or %s", last.Batch, give)
	}
	return give + ", or see to what is the matter"
}
