package outgoing

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// OfferAgain is how long a transaction that a node accepted may stay unmined
// before it is offered again, in case every pool dropped it.
const OfferAgain = 2 * time.Minute

// Evidence is what scanning found that bears on whether a transaction is to be
// offered.
type Evidence struct {
	Mined    *wallet.Mined // at its own slot
	Required *wallet.Mined // at the slot that it waits for, if that was our doing
	Lost     *wallet.Mined // at the slot that it waits for, if that was anything else
}

// Wait says why a transaction is not to be offered now, or "" if it is: it has
// signatures that nobody discarded, its slot is free, what it requires was
// mined with success, and no node accepted it within OfferAgain.
func Wait(o *wallet.Outgoing, e Evidence, now time.Time) string {
	current := o.Current()
	switch last := current; {
	case o.Wish == wallet.WishCancel && !last.Cancel:
		return "it is to be canceled, and its cancel is not signed yet"
	case len(last.Signed) == 0:
		return "not signed yet"
	case last.Discarded:
		return "its batch was discarded"
	case e.Mined != nil:
		return fmt.Sprintf("its nonce was used by %s", e.Mined.TxHash)
	case last.Cancel: // needs nothing that comes before
	case e.Lost != nil:
		return fmt.Sprintf("what it needs, nonce %d of %s, was taken by %s", o.Requires.Nonce, o.Requires.Sender, e.Lost.TxHash)
	case o.Requires != nil && e.Required == nil:
		return fmt.Sprintf("waits for nonce %d of %s", o.Requires.Nonce, o.Requires.Sender)
	case o.Requires != nil && !e.Required.Success:
		return fmt.Sprintf("what it needs, %s, failed", e.Required.TxHash)
	}
	switch o.State {
	case wallet.OutgoingSigned, wallet.OutgoingOffered:
		return ""
	case wallet.OutgoingAccepted:
		if now.Sub(o.OfferedAt) >= OfferAgain || !current.Holds(o.TxHash) || raised(o, current) {
			return ""
		}
		return "a node has it"
	case wallet.OutgoingBound, wallet.OutgoingMined, wallet.OutgoingFinal:
	}
	return fmt.Sprintf("it is %s", o.State)
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

// Due lists the slots of a chain whose transactions are to be offered now, by
// sender and rising nonce. An empty batch id means all batches.
func Due(tx store.Tx, chain uint64, batch string, now time.Time) (due []wallet.Slot, err error) {
	consider := func(o wallet.Outgoing) error {
		if batch != "" && o.Current().Batch != batch {
			return nil
		}
		e, err := evidence(tx, &o)
		if err == nil && Wait(&o, e, now) == "" {
			due = append(due, o.Slot)
		}
		return err
	}
	if batch == "" {
		return due, store.OpenOutgoing(tx, chain, consider)
	}
	rec, ok, err := store.Batch(tx, batch)
	if err != nil || !ok {
		return nil, err
	}
	for _, slot := range rec.Slots { // nonces of a sender rise in a batch
		o, ok, err := store.OutgoingAt(tx, slot)
		if err == nil && ok {
			err = consider(o)
		}
		if err != nil {
			return nil, err
		}
	}
	return due, nil
}

// Offer is a signed transaction on its way to a node.
type Offer struct {
	Slot wallet.Slot
	Hash common.Hash
	Raw  hexutil.Bytes
}

// MarkOffered records that transactions are about to be sent and returns those
// that are: what is not due any more is left out. The caller sends them only
// once this is committed.
func MarkOffered(tx store.Tx, slots []wallet.Slot, now time.Time) (offers []Offer, err error) {
	if err := store.CheckHalt(tx); err != nil {
		return nil, err
	}
	for _, slot := range slots {
		o, ok, err := store.OutgoingAt(tx, slot)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		e, err := evidence(tx, &o)
		if err != nil {
			return nil, err
		}
		if Wait(&o, e, now) != "" {
			continue
		}
		if o.State == wallet.OutgoingSigned {
			o.State = wallet.OutgoingOffered
		}
		o.OfferedAt = now
		attempt := o.Current()
		if raised(&o, attempt) {
			attempt.Offered, attempt.RungAt, o.Wish = attempt.Offered+1, now, ""
		}
		attempt.Offered = max(attempt.Offered, 1)
		rung := attempt.Signed[attempt.Rung()]
		if err := store.PutOutgoing(tx, o); err != nil {
			return nil, err
		}
		offers = append(offers, Offer{Slot: slot, Hash: rung.Hash, Raw: rung.Raw})
	}
	return offers, nil
}

// Reply is what became of an offer.
type Reply int

// Only Accepted and Known say that a node has the transaction. The others say
// nothing about whether it will be mined: scanning does.
const (
	Accepted Reply = iota + 1 // the node took it
	Known                     // the node had it already
	Refused                   // the node said no
	Unheard                   // no answer came
)

// Answer is what a node said to an offer.
type Answer struct {
	Slot  wallet.Slot
	Hash  common.Hash
	Reply Reply
	Text  string // the node's words, if it refused
}

// RecordAnswers stores what nodes said. A withdrawal becomes broadcast with
// its first acceptance, and the outside is told.
func RecordAnswers(tx store.Tx, answers []Answer, now time.Time) error {
	for _, a := range answers {
		o, ok, err := store.OutgoingAt(tx, a.Slot)
		if err != nil {
			return err
		}
		// Meanwhile it may have been discarded, mined or settled.
		if !ok || (o.State != wallet.OutgoingOffered && o.State != wallet.OutgoingAccepted) {
			continue
		}
		if err := recordAnswer(tx, o, a, now); err != nil {
			return err
		}
	}
	return nil
}

func recordAnswer(tx store.Tx, o wallet.Outgoing, a Answer, now time.Time) error {
	taken := a.Reply == Accepted || a.Reply == Known
	o.Answer = a.Text
	if taken {
		o.State, o.TxHash, o.Answer = wallet.OutgoingAccepted, a.Hash, ""
	}
	if err := store.PutOutgoing(tx, o); err != nil {
		return err
	}
	w, ok, err := withdrawalOf(tx, &o)
	if err != nil || !ok {
		return err
	}
	serving := o.Serving()
	pays := serving != nil && serving.Holds(a.Hash)
	switch {
	case o.Wish == wallet.WishCancel && (!pays || !taken):
		return noteWish(tx, &o, &w, now)
	case taken && w.Status == wallet.WithdrawalSigned:
		w.Status, w.TxHash, w.Reason, w.UpdatedAt = wallet.WithdrawalBroadcast, a.Hash, "", now
		if err := store.PutWithdrawal(tx, w); err != nil {
			return err
		}
		return emitWithdrawal(tx, wallet.WithdrawalBroadcastEvent, w, now)
	case taken && w.Reason != "":
		w.Reason, w.UpdatedAt = "", now
		return store.PutWithdrawal(tx, w)
	case a.Text != "" && w.Reason != a.Text:
		w.Reason, w.UpdatedAt = a.Text, now
		return store.PutWithdrawal(tx, w)
	}
	return nil
}
