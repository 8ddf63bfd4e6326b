package store

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
)

// Emit records an event in the transaction of what it tells, and queues it for
// every enabled endpoint that subscribed to its type. The same event again, by
// its id, changes nothing.
func Emit(tx Tx, e wallet.Event) error {
	if known, err := has(tx, keyOf(tEventID, e.ID)); err != nil || known {
		return err
	}
	seq, err := next(tx, tEvent)
	if err != nil {
		return err
	}
	if err := putNumber(tx, keyOf(tEventID, e.ID), seq); err != nil {
		return err
	}
	if err := put(tx, keyOf(tEvent, seq), e); err != nil {
		return err
	}
	endpoints, err := Endpoints(tx)
	if err != nil {
		return err
	}
	for _, ep := range endpoints {
		if !ep.Enabled() {
			continue
		}
		if err := queue(tx, ep, seq, e); err != nil {
			return err
		}
	}
	return nil
}

// EventAt returns the event with a sequence number.
func EventAt(tx Tx, seq uint64) (wallet.Event, error) {
	e, ok, err := get[wallet.Event](tx, keyOf(tEvent, seq))
	if err == nil && !ok {
		err = fmt.Errorf("store: event %d is in an index only", seq)
	}
	return e, err
}

// EventSequence returns the sequence number of an event; ok is false if there
// is no event of that id.
func EventSequence(tx Tx, id string) (seq uint64, ok bool, err error) {
	return getNumber(tx, keyOf(tEventID, id))
}

// lastEvent is the sequence number of the newest event, 0 before the first.
func lastEvent(tx Tx) (uint64, error) {
	n, _, err := getNumber(tx, keyOf(tMeta, "seq."+tEvent))
	return n, err
}
