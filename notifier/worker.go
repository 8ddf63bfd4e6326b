package notifier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

const (
	// leaseFor must outlast the requests of everything that is claimed at once.
	leaseFor = 5 * time.Minute
	// prefetch is how many deliveries of an endpoint are claimed ahead.
	prefetch = 32
	// maxSilence is after how many failures in a row, that say nothing about
	// the event, an endpoint is left alone for the rest of a round.
	maxSilence = 8
	// grace is how long results may still wait for the store once we are told
	// to stop.
	grace = 5 * time.Second
)

// job is a delivery that we hold the lease of.
type job struct {
	delivery wallet.Delivery
	event    wallet.Event
}

type result struct {
	job
	outcome
}

// round serves one endpoint until nothing is left that was due there when the
// round began.
type round struct {
	*Notifier
	endpoint wallet.Endpoint
	format   Format
	secret   string
	began    time.Time
	owner    string

	closed  atomic.Bool // send nothing more; what is claimed is given back
	silence int         // failures in a row that say nothing about the event
	tried   Summary
}

// serve runs a round. What it holds when ctx ends is given back.
func (n *Notifier) serve(ctx context.Context, ep wallet.Endpoint, secret string) (tried Summary, silent bool, err error) {
	format, err := FormatOf(ep.Format)
	if err != nil {
		return tried, false, fmt.Errorf("endpoint %s: %w", ep.ID, err)
	}
	owner, end := newOwner()
	defer end()
	r := &round{Notifier: n, endpoint: ep, format: format, secret: secret, began: n.opt.Now(), owner: owner}
	err = r.run(ctx)
	return r.tried, r.silence >= maxSilence, err
}

func (r *round) run(ctx context.Context) error {
	// Neither channel ever blocks: not more is under way than is prefetched.
	jobs, results := make(chan job, prefetch), make(chan result, prefetch)
	sending, stop := context.WithCancel(ctx)
	var senders sync.WaitGroup
	for range r.opt.Parallel {
		senders.Go(func() {
			for j := range jobs {
				results <- result{j, r.attempt(sending, j)}
			}
		})
	}
	defer senders.Wait()
	defer close(jobs)
	defer stop()

	var done []result
	for underWay := 0; ; done = gather(results) {
		underWay -= len(done)
		claimed, err := r.step(ctx, done, prefetch-underWay)
		if err != nil {
			return err // what is under way keeps its leases, which are void after the round
		}
		for _, j := range claimed {
			jobs <- j
		}
		if underWay += len(claimed); underWay == 0 {
			return nil
		}
	}
}

// gather waits for one result and takes along what else is there: one store
// transaction records them all.
func gather(results <-chan result) []result {
	list := []result{<-results}
	for {
		select {
		case r := <-results:
			list = append(list, r)
		default:
			return list
		}
	}
}

// attempt sends one event, unless the round was closed or the lease might not
// outlast the request.
func (r *round) attempt(ctx context.Context, j job) outcome {
	now := r.opt.Now()
	if ctx.Err() != nil || r.closed.Load() || j.delivery.Lease.Until.Before(now.Add(r.opt.Timeout)) {
		return outcome{at: now, unsent: true}
	}
	return r.sender.send(ctx, r.format, r.endpoint.URL, r.secret, j.event)
}

// step records results and claims up to room deliveries, in one transaction.
func (r *round) step(ctx context.Context, done []result, room int) ([]job, error) {
	for _, res := range done {
		switch {
		case res.silent():
			r.silence++
		case !res.unsent:
			r.silence = 0
		}
		if r.silence >= maxSilence || res.pause() > 0 || res.gone() {
			r.closed.Store(true)
		}
	}
	if ctx.Err() != nil {
		r.closed.Store(true)
	}
	ctx, cancel := withGrace(ctx)
	defer cancel()

	var claimed []job
	var recorded []wallet.Delivery
	err := r.update(ctx, func(tx store.Tx) error {
		claimed, recorded = nil, nil
		if _, err := store.Endpoint(tx, r.endpoint.ID); errors.Is(err, wallet.ErrNotFound) {
			r.closed.Store(true) // removed meanwhile: there is nothing to record
			return nil
		} else if err != nil {
			return err
		}
		for _, res := range done {
			d, ok, err := r.record(tx, res)
			if err != nil {
				return err
			}
			if ok {
				recorded = append(recorded, d)
			}
		}
		ep, err := store.Endpoint(tx, r.endpoint.ID)
		if err != nil || r.closed.Load() || !ep.Enabled() || ep.PausedUntil.After(r.began) {
			return err
		}
		claimed, err = r.claim(tx, room)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range recorded {
		if d.Status == wallet.DeliveryDelivered {
			r.tried.Delivered++
		} else {
			r.tried.Failed++
		}
		r.opt.Observe(d)
	}
	return claimed, nil
}

// record writes what came of an attempt. Acceptance counts whoever reports
// it; a failure counts only while the lease is ours, else somebody else tries
// or has succeeded. ok says that the attempt counted.
func (r *round) record(tx store.Tx, res result) (d wallet.Delivery, ok bool, err error) {
	d, ok, err = store.Delivery(tx, res.delivery.Endpoint, res.delivery.Sequence)
	if err != nil || !ok || d.Status == wallet.DeliveryDelivered {
		return d, false, err
	}
	accepted := res.err == nil && !res.unsent
	if ours := d.Lease != nil && d.Lease.By == r.owner; !ours && !accepted {
		return d, false, nil
	}
	d = after(d, res.outcome, r.opt.Jitter)
	if err := store.PutDelivery(tx, d); err != nil {
		return d, false, err
	}
	if res.gone() {
		err = store.DisableEndpoint(tx, d.Endpoint, "it answered 410 Gone", res.at)
	} else if pause := res.pause(); pause > 0 {
		err = store.PauseEndpoint(tx, d.Endpoint, res.at.Add(pause))
	}
	return d, !res.unsent, err
}

// claim takes leases of what is due.
func (r *round) claim(tx store.Tx, room int) ([]job, error) {
	due, err := store.DueDeliveries(tx, r.endpoint.ID, r.began, gone, room)
	if err != nil {
		return nil, err
	}
	claimed := make([]job, 0, len(due))
	for _, d := range due {
		e, err := store.EventAt(tx, d.Sequence)
		if err != nil {
			return nil, err
		}
		d.Lease = &wallet.Lease{By: r.owner, Until: r.opt.Now().Add(leaseFor)}
		if err := store.PutDelivery(tx, d); err != nil {
			return nil, err
		}
		claimed = append(claimed, job{d, e})
	}
	return claimed, nil
}

// withGrace returns a context that outlives ctx a little, so that a result is
// not lost because we are told to stop.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}
