package store

import (
	"fmt"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// queue writes the pending delivery of an event to an endpoint, if the
// endpoint subscribed to it. The events of a subject go one after the other:
// while an earlier one is not delivered, the delivery is held.
func queue(tx Tx, ep wallet.Endpoint, seq uint64, e wallet.Event) error {
	if !ep.Wants(e.Type) {
		return nil
	}
	_, behind, err := FirstUndelivered(tx, ep.ID, e.Subject)
	if err != nil {
		return err
	}
	return PutDelivery(tx, wallet.Delivery{
		Endpoint: ep.ID, Sequence: seq, Event: e.ID, Type: e.Type, Subject: e.Subject,
		Status: wallet.DeliveryPending, Held: behind,
	})
}

// FirstUndelivered returns the oldest event of a subject that an endpoint did
// not accept yet: it holds back the later ones. ok is false if there is none.
func FirstUndelivered(tx Tx, endpoint, subject string) (d wallet.Delivery, ok bool, err error) {
	n := endpointNumber(endpoint)
	prefix := keyOf(tDeliverySub, n, subject)
	var seq uint64
	if err := tx.Scan(under(prefix), func(k, _ []byte) error {
		seq, ok = number(k[len(prefix):]), true
		return Stop
	}); err != nil || !ok {
		return d, false, err
	}
	return deliveryAt(tx, n, seq)
}

// PutDelivery stores a delivery and its place in the indexes, moving it there
// from where an older version of it stood. Once it is delivered, the next
// event of its subject is no longer held.
func PutDelivery(tx Tx, d wallet.Delivery) error {
	n := endpointNumber(d.Endpoint)
	old, known, err := deliveryAt(tx, n, d.Sequence)
	if err != nil {
		return err
	}
	if known {
		if err := deleteDelivery(tx, old); err != nil {
			return err
		}
	}
	for _, k := range deliveryKeys(n, d) {
		if err := mark(tx, k); err != nil {
			return err
		}
	}
	if err := count(tx, n, d.Status, +1); err != nil {
		return err
	}
	if err := put(tx, keyOf(tDelivery, n, d.Sequence), d); err != nil {
		return err
	}
	if d.Status != wallet.DeliveryDelivered {
		return nil
	}
	following, ok, err := FirstUndelivered(tx, d.Endpoint, d.Subject)
	if err != nil || !ok || !following.Held {
		return err
	}
	following.Held = false
	return PutDelivery(tx, following)
}

func deleteDelivery(tx Tx, d wallet.Delivery) error {
	n := endpointNumber(d.Endpoint)
	for _, k := range append(deliveryKeys(n, d), keyOf(tDelivery, n, d.Sequence)) {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return count(tx, n, d.Status, -1)
}

// deliveryKeys is where a delivery stands in the indexes.
func deliveryKeys(n uint64, d wallet.Delivery) [][]byte {
	keys := [][]byte{keyOf(tDeliverySt, n, string(d.Status), d.Sequence)}
	if d.Status == wallet.DeliveryDelivered {
		return append(keys, keyOf(tDeliveryDone, timeNumber(d.DeliveredAt), n, d.Sequence))
	}
	keys = append(keys, keyOf(tDeliverySub, n, d.Subject, d.Sequence))
	switch {
	case d.Lease != nil:
		keys = append(keys, keyOf(tDeliveryRun, n, d.Sequence))
	case d.Status == wallet.DeliveryPending && !d.Held:
		keys = append(keys, keyOf(tDeliveryDue, n, timeNumber(d.Next), d.Sequence))
	}
	return keys
}

// timeNumber orders times as part of a key; all before 1970 are 0, as is the
// zero time.
func timeNumber(t time.Time) uint64 {
	if t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixNano())
}

func count(tx Tx, n uint64, s wallet.DeliveryStatus, by int) error {
	key := keyOf(tDeliveryCnt, n, string(s))
	have, _, err := getNumber(tx, key)
	if err != nil {
		return err
	}
	return putNumber(tx, key, have+uint64(by))
}

// CountDeliveries is how many deliveries of an endpoint are in a status.
func CountDeliveries(tx Tx, endpoint string, s wallet.DeliveryStatus) (int, error) {
	n, _, err := getNumber(tx, keyOf(tDeliveryCnt, endpointNumber(endpoint), string(s)))
	return int(n), err
}

// Delivery returns a delivery by the sequence number of its event; ok is false
// if there is none.
func Delivery(tx Tx, endpoint string, seq uint64) (d wallet.Delivery, ok bool, err error) {
	return deliveryAt(tx, endpointNumber(endpoint), seq)
}

func deliveryAt(tx Tx, n, seq uint64) (d wallet.Delivery, ok bool, err error) {
	return get[wallet.Delivery](tx, keyOf(tDelivery, n, seq))
}

// DueDeliveries returns up to limit deliveries of an endpoint that were due at
// the given time, the longest due first: those whose sender left them behind
// (its lease is over, or gone says that its process is), then those that wait
// for nobody. It reads only what is due or being sent, never what was.
func DueDeliveries(tx Tx, endpoint string, at time.Time, gone func(by string) bool, limit int) (list []wallet.Delivery, err error) {
	n := endpointNumber(endpoint)
	var run, due []uint64
	prefix := keyOf(tDeliveryRun, n)
	if err := tx.Scan(under(prefix), func(k, _ []byte) error {
		run = append(run, number(k[len(prefix):]))
		return nil
	}); err != nil {
		return nil, err
	}
	for _, seq := range run {
		d, err := indexed(tx, n, seq)
		if err != nil {
			return nil, err
		}
		if len(list) < limit && (!at.Before(d.Lease.Until) || gone(d.Lease.By)) {
			list = append(list, d)
		}
	}
	r := Range{From: keyOf(tDeliveryDue, n), To: keyOf(tDeliveryDue, n, timeNumber(at)+1)}
	if err := tx.Scan(r, func(k, _ []byte) error {
		if len(list)+len(due) >= limit {
			return Stop
		}
		due = append(due, number(k[len(k)-8:]))
		return nil
	}); err != nil {
		return nil, err
	}
	for _, seq := range due {
		d, err := indexed(tx, n, seq)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// UnfinishedDeliveries returns up to limit deliveries of an endpoint, the
// oldest first, that are dead, or wait for a time after the given one and are
// not held: what can be hurried.
func UnfinishedDeliveries(tx Tx, endpoint string, after time.Time, limit int) ([]wallet.Delivery, error) {
	n := endpointNumber(endpoint)
	var seqs []uint64
	collect := func(k, _ []byte) error {
		if len(seqs) >= limit {
			return Stop
		}
		seqs = append(seqs, number(k[len(k)-8:]))
		return nil
	}
	if err := tx.Scan(under(keyOf(tDeliverySt, n, string(wallet.DeliveryDead))), collect); err != nil {
		return nil, err
	}
	waiting := under(keyOf(tDeliveryDue, n))
	waiting.From = keyOf(tDeliveryDue, n, timeNumber(after)+1)
	if err := tx.Scan(waiting, collect); err != nil {
		return nil, err
	}
	list := make([]wallet.Delivery, 0, len(seqs))
	for _, seq := range seqs {
		d, err := indexed(tx, n, seq)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// Deliveries calls fn for the deliveries to an endpoint, newest event first,
// until fn returns Stop. An empty status lists all. fn must not write.
func Deliveries(tx Tx, endpoint string, status wallet.DeliveryStatus, fn func(wallet.Delivery) error) error {
	n := endpointNumber(endpoint)
	r := under(keyOf(tDelivery, n))
	if status != "" {
		r = under(keyOf(tDeliverySt, n, string(status)))
	}
	r.Reverse = true
	return tx.Scan(r, func(k, _ []byte) error {
		d, err := indexed(tx, n, number(k[len(k)-8:]))
		if err != nil {
			return err
		}
		return fn(d)
	})
}

// PruneDeliveries forgets up to limit deliveries that were accepted before the
// given time, the oldest first, and returns how many. Their events stay.
func PruneDeliveries(tx Tx, before time.Time, limit int) (int, error) {
	type place struct{ endpoint, seq uint64 }
	var old []place
	prefix := keyOf(tDeliveryDone)
	r := Range{From: prefix, To: keyOf(tDeliveryDone, timeNumber(before))}
	if err := tx.Scan(r, func(k, _ []byte) error {
		if len(old) >= limit {
			return Stop
		}
		k = k[len(prefix)+8:]
		old = append(old, place{number(k), number(k[8:])})
		return nil
	}); err != nil {
		return 0, err
	}
	for _, p := range old {
		d, err := indexed(tx, p.endpoint, p.seq)
		if err != nil {
			return 0, err
		}
		if err := deleteDelivery(tx, d); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

// indexed reads a delivery that an index names.
func indexed(tx Tx, n, seq uint64) (wallet.Delivery, error) {
	d, ok, err := deliveryAt(tx, n, seq)
	if err == nil && !ok {
		err = fmt.Errorf("store: delivery %s.%d is in an index only", wallet.EndpointID(n), seq)
	}
	return d, err
}

// HasDeliveredBefore reports whether PruneDeliveries would find any.
func HasDeliveredBefore(tx Tx, before time.Time) (some bool, err error) {
	r := Range{From: keyOf(tDeliveryDone), To: keyOf(tDeliveryDone, timeNumber(before))}
	err = tx.Scan(r, func(_, _ []byte) error {
		some = true
		return Stop
	})
	return some, err
}
