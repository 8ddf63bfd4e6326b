package notifier

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Options are what a notifier can be told; zero values mean the defaults.
type Options struct {
	Parallel  int           // requests at a time to one endpoint, default 4, at most 32
	Timeout   time.Duration // of one request, default 30 s, at most 1 min
	Retention time.Duration // how long accepted deliveries are kept, default 30 days
	Poll      time.Duration // how often Follow looks for what is due, default 1 s

	Now       func() time.Time
	Jitter    func(time.Duration) time.Duration // a random duration up to its argument
	Transport http.RoundTripper

	// Observe is told of each attempt once it is recorded, Problem of each
	// trouble with the store that Follow survives. They are called from
	// several goroutines.
	Observe func(wallet.Delivery)
	Problem func(error)
}

func (o Options) withDefaults() Options {
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	o.Parallel = min(o.Parallel, prefetch)
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	o.Timeout = min(o.Timeout, time.Minute)
	if o.Retention <= 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d) + 1)) }
	}
	if o.Transport == nil {
		o.Transport = newTransport(o.Parallel)
	}
	if o.Observe == nil {
		o.Observe = func(wallet.Delivery) {}
	}
	if o.Problem == nil {
		o.Problem = func(error) {}
	}
	return o
}

// Notifier delivers the outbox of a home. It is safe for concurrent use, also
// by several processes on one store.
type Notifier struct {
	db     store.DB
	opt    Options
	sender *sender
	// writing lines up the transactions of this process: the engine's lock is
	// made for several processes and is waited for by polling.
	writing sync.Mutex
}

// New makes a notifier of a store.
func New(db store.DB, opt Options) *Notifier {
	opt = opt.withDefaults()
	return &Notifier{db: db, opt: opt, sender: newSender(opt.Transport, opt.Timeout, opt.Now)}
}

// Summary is what a pass did and what is left.
type Summary struct {
	Delivered int `json:"delivered"` // accepted in this pass
	Failed    int `json:"failed"`    // attempts of this pass that were not
	Pending   int `json:"pending"`   // still to be delivered, after it
	Dead      int `json:"dead"`      // given up, after it
}

const (
	// pruneStep bounds what a pass forgets.
	pruneStep = 1000
	// bulkStep bounds the deliveries that one transaction of an operator's
	// command changes.
	bulkStep = 1000
	// silentWait is how long Follow leaves a silent endpoint alone.
	silentWait = 30 * time.Second
)

func (n *Notifier) update(ctx context.Context, fn func(store.Tx) error) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	return n.db.Update(ctx, fn)
}

// work is an endpoint for which something is due.
type work struct {
	endpoint wallet.Endpoint
	secret   string
}

// due reads which endpoints have something to be sent now, and tidies up.
func (n *Notifier) due(ctx context.Context) (list []work, err error) {
	now := n.opt.Now()
	var removed []string
	err = n.db.View(ctx, func(tx store.Tx) error {
		list, removed = nil, nil
		endpoints, err := store.Endpoints(tx)
		if err != nil {
			return err
		}
		for _, ep := range endpoints {
			if ep.Removed {
				removed = append(removed, ep.ID)
			}
			if !ep.Enabled() || ep.PausedUntil.After(now) {
				continue
			}
			some, err := store.DueDeliveries(tx, ep.ID, now, gone, 1)
			if err != nil {
				return err
			}
			if len(some) == 0 {
				continue
			}
			secret, err := store.EndpointSecret(tx, ep.ID)
			if err != nil {
				return err
			}
			list = append(list, work{ep, secret})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range removed { // left over by a remove that was cut short
		if err := n.purge(ctx, id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Pass sends everything that is due, and what becomes due by that, and
// returns once every endpoint accepted or failed. Failed deliveries are no
// error; trouble with the store is. If ctx ends, Pass gives back what it was
// about to send and returns the context's error with what was done.
func (n *Notifier) Pass(ctx context.Context) (Summary, error) {
	list, err := n.due(ctx)
	if err != nil {
		return Summary{}, err
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		total Summary
		errs  []error
	)
	for _, w := range list {
		wg.Go(func() {
			tried, _, err := n.serve(ctx, w.endpoint, w.secret)
			mu.Lock()
			defer mu.Unlock()
			total.Delivered += tried.Delivered
			total.Failed += tried.Failed
			errs = append(errs, err)
		})
	}
	wg.Wait()
	after, cancel := withGrace(ctx)
	defer cancel()
	return total, errors.Join(append(errs, ctx.Err(), n.prune(after), n.countLeft(after, &total))...)
}

// Follow sends what is due whenever it becomes due, until ctx ends, and
// returns what was done in all. Each endpoint has rounds of its own, so that
// none waits for another. A store that is busy is waited for; other trouble
// with it ends Follow.
func (n *Notifier) Follow(ctx context.Context) (Summary, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		total   Summary
		serving = map[string]bool{}
		quiet   = map[string]time.Time{} // until when silent endpoints are left alone
		wake    = make(chan struct{}, 1)
	)
	survive := func(err error) {
		if errors.Is(err, wallet.ErrBusy) {
			n.opt.Problem(err)
		} else if err != nil && ctx.Err() == nil {
			stop(err)
		}
	}
	start := func(w work) {
		id := w.endpoint.ID
		mu.Lock()
		defer mu.Unlock()
		if serving[id] || quiet[id].After(n.opt.Now()) {
			return
		}
		serving[id] = true
		wg.Go(func() {
			tried, silent, err := n.serve(ctx, w.endpoint, w.secret)
			survive(err)
			mu.Lock()
			defer mu.Unlock()
			total.Delivered += tried.Delivered
			total.Failed += tried.Failed
			delete(serving, id)
			if silent {
				quiet[id] = n.opt.Now().Add(silentWait)
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		})
	}
	tick := time.NewTicker(n.opt.Poll)
	defer tick.Stop()
	for passes := 0; ctx.Err() == nil; passes++ {
		list, err := n.due(ctx)
		survive(err)
		for _, w := range list {
			start(w)
		}
		if passes%pruneEvery == 0 {
			survive(n.prune(ctx))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-wake:
		}
	}
	wg.Wait()
	after, cancel := withGrace(ctx)
	defer cancel()
	err := n.countLeft(after, &total)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return total, err
}

// pruneEvery is after how many looks Follow prunes.
const pruneEvery = 1000

func (n *Notifier) prune(ctx context.Context) error {
	before := n.opt.Now().Add(-n.opt.Retention)
	some := false
	if err := n.db.View(ctx, func(tx store.Tx) (err error) {
		some, err = store.HasDeliveredBefore(tx, before)
		return err
	}); err != nil || !some {
		return err
	}
	return n.update(ctx, func(tx store.Tx) error {
		_, err := store.PruneDeliveries(tx, before, pruneStep)
		return err
	})
}

func (n *Notifier) countLeft(ctx context.Context, s *Summary) error {
	return n.db.View(ctx, func(tx store.Tx) error {
		s.Pending, s.Dead = 0, 0
		endpoints, err := store.Endpoints(tx)
		if err != nil {
			return err
		}
		for _, ep := range endpoints {
			if ep.Removed {
				continue
			}
			pending, dead, err := left(tx, ep.ID)
			if err != nil {
				return err
			}
			s.Pending += pending
			s.Dead += dead
		}
		return nil
	})
}

func left(tx store.Tx, endpoint string) (pending, dead int, err error) {
	if pending, err = store.CountDeliveries(tx, endpoint, wallet.DeliveryPending); err != nil {
		return 0, 0, err
	}
	dead, err = store.CountDeliveries(tx, endpoint, wallet.DeliveryDead)
	return pending, dead, err
}
