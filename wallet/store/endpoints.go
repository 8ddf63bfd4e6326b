package store

import (
	"slices"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// AddEndpoint records a new endpoint with its secret and returns it with the
// id it got. It is told of the events from now on. An endpoint with the same
// URL and format must be the same one, secret and events included, and is
// returned.
func AddEndpoint(tx Tx, ep wallet.Endpoint, secret string) (wallet.Endpoint, error) {
	known, err := Endpoints(tx)
	if err != nil {
		return ep, err
	}
	for _, k := range known {
		if k.Removed || k.URL != ep.URL || k.Format != ep.Format {
			continue
		}
		have, err := EndpointSecret(tx, k.ID)
		if err != nil {
			return ep, err
		}
		if have != secret || !slices.Equal(k.Events, ep.Events) {
			return ep, wallet.WithHint(
				wallet.As(wallet.ErrConflict, "endpoint %s has this URL already, with another secret or other events", k.ID),
				"airlock endpoint remove %s removes it; then add it again", k.ID)
		}
		return k, nil
	}
	n, err := next(tx, tEndpoint)
	if err != nil {
		return ep, err
	}
	ep.ID = wallet.EndpointID(n)
	if err := tx.Put(keyOf(tEndpointKey, n), []byte(secret)); err != nil {
		return ep, err
	}
	return ep, put(tx, keyOf(tEndpoint, n), ep)
}

// Endpoints lists the endpoints of the home in the order in which they were
// added, with those whose removal is not finished.
func Endpoints(tx Tx) ([]wallet.Endpoint, error) {
	return values[wallet.Endpoint](tx, under(keyOf(tEndpoint)))
}

// Endpoint returns an endpoint that was not removed.
func Endpoint(tx Tx, id string) (wallet.Endpoint, error) {
	n, err := wallet.ParseEndpointID(id)
	if err != nil {
		return wallet.Endpoint{}, wallet.As(wallet.ErrUsage, "%w", err)
	}
	ep, ok, err := get[wallet.Endpoint](tx, keyOf(tEndpoint, n))
	if err == nil && (!ok || ep.Removed) {
		err = wallet.WithHint(wallet.As(wallet.ErrNotFound, "endpoint %s does not exist", id), "airlock endpoint list shows what does")
	}
	return ep, err
}

// EndpointSecret returns the secret of an endpoint.
func EndpointSecret(tx Tx, id string) (string, error) {
	raw, err := tx.Get(keyOf(tEndpointKey, endpointNumber(id)))
	return string(raw), err
}

// PauseEndpoint keeps back what is due for an endpoint until the given time;
// the zero time lets it go on.
func PauseEndpoint(tx Tx, id string, until time.Time) error {
	ep, err := Endpoint(tx, id)
	if err != nil {
		return err
	}
	ep.PausedUntil = until
	return putEndpoint(tx, ep)
}

// DisableEndpoint switches an endpoint off: what is queued for it stays, and
// nothing more is queued. It changes nothing if the endpoint is off already.
func DisableEndpoint(tx Tx, id, reason string, at time.Time) error {
	ep, err := Endpoint(tx, id)
	if err != nil || !ep.Enabled() {
		return err
	}
	ep.DisabledAt, ep.DisabledReason = at, reason
	if ep.Missed, err = lastEvent(tx); err != nil {
		return err
	}
	return putEndpoint(tx, ep)
}

// EnableEndpoint queues up to limit events that a disabled endpoint missed,
// and switches the endpoint on once none is left. Until it reports true, call
// it again in another transaction.
func EnableEndpoint(tx Tx, id string, limit int) (enabled bool, err error) {
	ep, err := Endpoint(tx, id)
	if err != nil || ep.Enabled() {
		return true, err
	}
	last, err := lastEvent(tx)
	if err != nil {
		return false, err
	}
	for ; ep.Missed < last && limit > 0; limit-- {
		e, err := EventAt(tx, ep.Missed+1)
		if err != nil {
			return false, err
		}
		if err := queue(tx, ep, ep.Missed+1, e); err != nil {
			return false, err
		}
		ep.Missed++
	}
	if ep.Missed == last {
		ep.DisabledAt, ep.DisabledReason, ep.Missed, ep.PausedUntil = time.Time{}, "", 0, time.Time{}
	}
	return ep.Enabled(), putEndpoint(tx, ep)
}

// RemoveEndpoint ends an endpoint; PurgeEndpoint deletes what is left of it.
func RemoveEndpoint(tx Tx, id string) error {
	ep, err := Endpoint(tx, id)
	if err != nil {
		return err
	}
	ep.Removed = true
	if err := tx.Delete(keyOf(tEndpointKey, endpointNumber(id))); err != nil {
		return err
	}
	return putEndpoint(tx, ep)
}

// PurgeEndpoint deletes up to limit deliveries of a removed endpoint, and the
// endpoint once none is left. Until it reports true, call it again in another
// transaction.
func PurgeEndpoint(tx Tx, id string, limit int) (gone bool, err error) {
	n := endpointNumber(id)
	var list []wallet.Delivery
	if err := tx.Scan(under(keyOf(tDelivery, n)), func(k, raw []byte) error {
		d, err := decode[wallet.Delivery](k, raw)
		if err != nil {
			return err
		}
		if len(list) == limit {
			return Stop
		}
		list = append(list, d)
		return nil
	}); err != nil {
		return false, err
	}
	for _, d := range list {
		if err := deleteDelivery(tx, d); err != nil {
			return false, err
		}
	}
	if len(list) == limit {
		return false, nil
	}
	if err := deleteRange(tx, under(keyOf(tDeliveryCnt, n))); err != nil {
		return false, err
	}
	return true, tx.Delete(keyOf(tEndpoint, n))
}

func putEndpoint(tx Tx, ep wallet.Endpoint) error {
	return put(tx, keyOf(tEndpoint, endpointNumber(ep.ID)), ep)
}

// endpointNumber is the number in the id of an endpoint that is in the store.
// Of anything else it is 0, which no endpoint has.
func endpointNumber(id string) uint64 {
	n, err := wallet.ParseEndpointID(id)
	if err != nil {
		return 0
	}
	return n
}
