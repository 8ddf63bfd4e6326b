package notifier

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// EndpointRequest is what an operator asks for with endpoint add.
type EndpointRequest struct {
	URL    string
	Secret string
	Format string             // a name of Formats
	Events []wallet.EventType // none means all
}

// AddEndpoint checks and records an endpoint. The same request again returns
// the same endpoint. It is told of events from now on.
func (n *Notifier) AddEndpoint(ctx context.Context, req EndpointRequest) (ep wallet.Endpoint, err error) {
	if err := CheckURL(req.URL); err != nil {
		return ep, err
	}
	format, err := FormatOf(req.Format)
	if err != nil {
		return ep, err
	}
	if err := format.CheckSecret(req.Secret); err != nil {
		return ep, wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "airlock endpoint secret -o FILE makes one")
	}
	err = n.update(ctx, func(tx store.Tx) (err error) {
		ep, err = store.AddEndpoint(tx, wallet.Endpoint{
			URL: req.URL, Format: req.Format, Events: req.Events, CreatedAt: n.opt.Now().UTC(),
		}, req.Secret)
		return err
	})
	return ep, err
}

// EndpointState is an endpoint and how it stands with it.
type EndpointState struct {
	wallet.Endpoint
	Pending   int // deliveries
	Dead      int
	Delivered int // that are still in the log
}

// Status is one word: enabled, disabled, paused or, after its removal, removed.
func (s *EndpointState) Status(now time.Time) string {
	switch {
	case s.Removed:
		return "removed"
	case !s.Enabled():
		return "disabled"
	case s.PausedUntil.After(now):
		return "paused"
	}
	return "enabled"
}

func stateOf(tx store.Tx, ep wallet.Endpoint) (s EndpointState, err error) {
	s.Endpoint = ep
	if s.Pending, s.Dead, err = left(tx, ep.ID); err != nil {
		return s, err
	}
	s.Delivered, err = store.CountDeliveries(tx, ep.ID, wallet.DeliveryDelivered)
	return s, err
}

// Endpoints lists the endpoints in the order in which they were added.
func (n *Notifier) Endpoints(ctx context.Context) (list []EndpointState, err error) {
	err = n.db.View(ctx, func(tx store.Tx) error {
		list = nil
		all, err := store.Endpoints(tx)
		if err != nil {
			return err
		}
		for _, ep := range all {
			if ep.Removed {
				continue
			}
			s, err := stateOf(tx, ep)
			if err != nil {
				return err
			}
			list = append(list, s)
		}
		return nil
	})
	return list, err
}

// RemoveEndpoint forgets an endpoint and its deliveries. It returns how the
// endpoint stood: what was pending or dead is never told.
func (n *Notifier) RemoveEndpoint(ctx context.Context, id string) (s EndpointState, err error) {
	if err := n.update(ctx, func(tx store.Tx) error {
		ep, err := store.Endpoint(tx, id)
		if err != nil {
			return err
		}
		if s, err = stateOf(tx, ep); err != nil {
			return err
		}
		s.Removed = true
		return store.RemoveEndpoint(tx, id)
	}); err != nil {
		return s, err
	}
	return s, n.purge(ctx, id)
}

func (n *Notifier) purge(ctx context.Context, id string) error {
	for gone := false; !gone; {
		if err := n.update(ctx, func(tx store.Tx) (err error) {
			gone, err = store.PurgeEndpoint(tx, id, bulkStep)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// EnableEndpoint switches a disabled endpoint on again, and queues the events
// that it missed.
func (n *Notifier) EnableEndpoint(ctx context.Context, id string) (s EndpointState, err error) {
	for enabled := false; !enabled; {
		if err := n.update(ctx, func(tx store.Tx) (err error) {
			if enabled, err = store.EnableEndpoint(tx, id, bulkStep); err != nil {
				return err
			}
			ep, err := store.Endpoint(tx, id)
			if err != nil {
				return err
			}
			s, err = stateOf(tx, ep)
			return err
		}); err != nil {
			return s, err
		}
	}
	return s, nil
}

// DisableEndpoint switches an endpoint off until it is enabled again; nothing
// is lost by that.
func (n *Notifier) DisableEndpoint(ctx context.Context, id, reason string) (s EndpointState, err error) {
	err = n.update(ctx, func(tx store.Tx) error {
		if err := store.DisableEndpoint(tx, id, reason, n.opt.Now().UTC()); err != nil {
			return err
		}
		ep, err := store.Endpoint(tx, id)
		if err != nil {
			return err
		}
		s, err = stateOf(tx, ep)
		return err
	})
	return s, err
}

// LogFilter says which deliveries to list; empty fields do not filter.
type LogFilter struct {
	Endpoint string
	Status   wallet.DeliveryStatus
	Limit    int // at most, 0 for no limit
}

// Log lists deliveries, those of the newest events first.
func (n *Notifier) Log(ctx context.Context, f LogFilter) (list []wallet.Delivery, err error) {
	if f.Status != "" && !slices.Contains(wallet.DeliveryStatuses(), f.Status) {
		return nil, wallet.As(wallet.ErrUsage, "status %.60q: want pending, delivered or dead", string(f.Status))
	}
	err = n.db.View(ctx, func(tx store.Tx) error {
		list = nil
		endpoints, err := chosen(tx, f.Endpoint)
		if err != nil {
			return err
		}
		for _, ep := range endpoints {
			taken := 0
			if err := store.Deliveries(tx, ep.ID, f.Status, func(d wallet.Delivery) error {
				list = append(list, d)
				if taken++; taken == f.Limit {
					return store.Stop
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b wallet.Delivery) int { return cmp.Compare(b.Sequence, a.Sequence) })
	if f.Limit > 0 && len(list) > f.Limit {
		list = list[:f.Limit]
	}
	return list, err
}

// chosen returns the named endpoint, or all if none is named.
func chosen(tx store.Tx, id string) ([]wallet.Endpoint, error) {
	if id != "" {
		ep, err := store.Endpoint(tx, id)
		return []wallet.Endpoint{ep}, err
	}
	all, err := store.Endpoints(tx)
	return slices.DeleteFunc(all, func(ep wallet.Endpoint) bool { return ep.Removed }), err
}

// Retry makes deliveries due at once: dead ones start over with all their
// tries, waiting ones are hurried. ids are those of deliveries or of events;
// where an earlier event of the same subject holds one back, it is that one
// which is retried. Without ids, Retry takes everything that is not delivered.
// A named endpoint narrows it down; its pause ends. Either all ids are taken
// or none. It returns how many deliveries it made due; the next pass sends
// them.
func (n *Notifier) Retry(ctx context.Context, ids []string, endpoint string) (int, error) {
	if len(ids) > 0 {
		return n.retryNamed(ctx, ids, endpoint)
	}
	total, began := 0, n.opt.Now()
	for more := true; more; {
		step := 0
		if err := n.update(ctx, func(tx store.Tx) (err error) {
			step, err = retryStep(tx, endpoint, began)
			return err
		}); err != nil {
			return total, err
		}
		total += step
		more = step > 0
	}
	return total, nil
}

// retryStep revives what is not delivered and was not tried since the command
// began, or a failing endpoint could keep it busy for ever.
func retryStep(tx store.Tx, endpoint string, began time.Time) (count int, err error) {
	endpoints, err := chosen(tx, endpoint)
	if err != nil {
		return 0, err
	}
	for _, ep := range endpoints {
		if !ep.PausedUntil.IsZero() {
			if err := store.PauseEndpoint(tx, ep.ID, time.Time{}); err != nil {
				return 0, err
			}
		}
		list, err := store.UnfinishedDeliveries(tx, ep.ID, began, bulkStep-count)
		if err != nil {
			return 0, err
		}
		for _, d := range list {
			if d.LastAt.After(began) {
				continue
			}
			if err := store.PutDelivery(tx, revive(d)); err != nil {
				return 0, err
			}
			count++
		}
	}
	return count, nil
}

func (n *Notifier) retryNamed(ctx context.Context, ids []string, endpoint string) (count int, err error) {
	err = n.update(ctx, func(tx store.Tx) error {
		count = 0
		hurried := map[string]bool{}
		endpoints, err := chosen(tx, endpoint)
		if err != nil {
			return err
		}
		for _, id := range ids {
			found, err := named(tx, id, endpoints)
			if err != nil {
				return err
			}
			for _, d := range found {
				first, ok, err := store.FirstUndelivered(tx, d.Endpoint, d.Subject)
				if err != nil {
					return err
				}
				if !ok || hurried[first.ID()] || first.Lease != nil { // being sent right now
					continue
				}
				hurried[first.ID()] = true
				if err := store.PauseEndpoint(tx, d.Endpoint, time.Time{}); err != nil {
					return err
				}
				if err := store.PutDelivery(tx, revive(first)); err != nil {
					return err
				}
				count++
			}
		}
		return nil
	})
	return count, err
}

// named finds the undelivered deliveries to some endpoints that an id means.
func named(tx store.Tx, id string, endpoints []wallet.Endpoint) (found []wallet.Delivery, err error) {
	seq, only := uint64(0), ""
	if strings.HasPrefix(id, "evt_") {
		ok := false
		if seq, ok, err = store.EventSequence(tx, id); err == nil && !ok {
			err = wallet.As(wallet.ErrNotFound, "event %.60q does not exist", id)
		}
	} else if only, seq, err = wallet.ParseDeliveryID(id); err != nil {
		err = wallet.As(wallet.ErrUsage, "%w, or an event's such as evt_0123", err)
	}
	if err != nil {
		return nil, wallet.WithHint(err, "airlock notify list shows the deliveries")
	}
	delivered := false
	for _, ep := range endpoints {
		if only != "" && ep.ID != only {
			continue
		}
		d, ok, err := store.Delivery(tx, ep.ID, seq)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if d.Status == wallet.DeliveryDelivered {
			delivered = true
			continue
		}
		found = append(found, d)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case delivered:
		return nil, wallet.As(wallet.ErrConflict, "%s was delivered already", id)
	}
	return nil, wallet.WithHint(wallet.As(wallet.ErrNotFound, "there is no delivery %s", id), "airlock notify list shows the deliveries")
}
