package chain

import (
	"cmp"
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
)

// Options say which chain to read and where.
type Options struct {
	ChainID uint64      // EIP-155; 0 takes what the endpoints serve
	Genesis common.Hash // zero takes what the endpoints serve
	URLs    []string    // http, https, ws or wss, in the order of preference

	Timeout  time.Duration // of one request to one endpoint; 0 is 20 s
	Attempts int           // rounds over all endpoints; 0 is 5
	Backoff  time.Duration // before the second round, doubled for each further; 0 is 250 ms
	Fetchers int           // blocks fetched at the same time in the beginning; 0 is 4
	Most     int           // blocks fetched at the same time, and held, where endpoints bear it; 0 is 16
	Trace    bool          // blocks come with Block.Moves where an endpoint can trace
	// Unproven takes blocks whose header is proven and whose content is not, if
	// two endpoints say the same of it, or the only one does: see Block.Unproven.
	Unproven bool
}

// Client reads one chain from one or more endpoints. It is safe for
// concurrent use.
type Client struct {
	o         Options
	endpoints []*endpoint
	signer    types.Signer

	mu      sync.Mutex
	id      uint64
	genesis common.Hash
	from    string // the host that told id and genesis, if nobody had fixed them

	tracesAgain atomic.Int64 // when tracing is waited for again, in Unix nanoseconds
}

// Dial connects to the endpoints and checks that they serve the chain. It fails
// with wallet.ErrUnreachable when none of them answers, and with ErrForeign
// when any of them serves another chain. One that does not answer now is asked
// again, and checked, when the others fail.
func Dial(ctx context.Context, o Options) (*Client, error) {
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	o.Attempts = cmp.Or(o.Attempts, 5)
	o.Backoff = cmp.Or(o.Backoff, 250*time.Millisecond)
	o.Fetchers = cmp.Or(o.Fetchers, 4)
	o.Most = max(o.Fetchers, cmp.Or(o.Most, maxFetchers))
	if len(o.URLs) == 0 {
		return nil, wallet.As(wallet.ErrUsage, "chain %d: no endpoint URL", o.ChainID)
	}
	c := &Client{o: o, id: o.ChainID, genesis: o.Genesis}
	for _, u := range o.URLs {
		ep, err := newEndpoint(u, o.Timeout)
		if err != nil {
			return nil, err
		}
		ep.pace = newPace(o.Fetchers, o.Most, o.Backoff)
		c.endpoints = append(c.endpoints, ep)
	}
	if err := c.meet(ctx); err != nil {
		c.Close()
		return nil, err
	}
	c.signer = types.LatestSignerForChainID(new(big.Int).SetUint64(c.id))
	return c, nil
}

// grace is how long the other endpoints have to answer once one did, so that
// one that is lost does not hold up every command.
const grace = 3 * time.Second

// meet connects to all endpoints at the same time.
func (c *Client) meet(ctx context.Context) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	errs := make([]error, len(c.endpoints))
	var wg sync.WaitGroup
	for i, ep := range c.endpoints {
		wg.Go(func() {
			if err := c.greet(ctx, ep); err != nil {
				errs[i] = ep.describe("", err)
				ep.failed(time.Now())
				return
			}
			time.AfterFunc(grace, cancel)
		})
	}
	wg.Wait()
	if outer.Err() != nil {
		return outer.Err()
	}
	for _, err := range errs {
		if errors.Is(err, ErrForeign) {
			return err
		}
	}
	if slices.Contains(errs, nil) {
		return nil
	}
	return wallet.WithHint(summary(errs), "check the endpoints' URLs and that this machine reaches them")
}

// greet connects to an endpoint, again and again while it limits the rate.
func (c *Client) greet(ctx context.Context, ep *endpoint) (err error) {
	for range c.o.Attempts {
		if _, err = ep.connect(ctx, c.check); err == nil || ep.silence(time.Now()) == 0 {
			break
		}
	}
	return err
}

// check compares what an endpoint serves with what it should. Where nobody
// fixed the chain, the first endpoint that answers does.
func (c *Client) check(host string, id uint64, genesis common.Hash) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch {
	case c.id != 0 && id != c.id: // first, so that a wrong chain does not fix the genesis
		err = wallet.As(wallet.ErrRefused, "endpoint %s serves chain %d, not %d: %w", host, id, c.id, ErrForeign)
	case c.genesis == common.Hash{}:
		c.id, c.genesis, c.from = id, genesis, host
	case genesis == c.genesis:
		c.id = id
	default:
		wanted := "this home's chain"
		if c.from != "" {
			wanted = "the chain of " + c.from
		}
		err = wallet.As(wallet.ErrRefused, "endpoint %s serves another chain with the id %d: its genesis block is %s, that of %s is %s: %w",
			host, id, genesis, wanted, c.genesis, ErrForeign)
	}
	return wallet.WithHint(err, "correct or remove the URL of %s", host)
}

// Close ends all connections.
func (c *Client) Close() {
	for _, ep := range c.endpoints {
		ep.close()
	}
}

// ChainID is the EIP-155 id that every endpoint was checked for.
func (c *Client) ChainID(context.Context) (*big.Int, error) {
	return new(big.Int).SetUint64(c.id), nil
}

// Genesis is the hash of block 0 that every endpoint was checked for.
func (c *Client) Genesis() common.Hash { return c.genesis }

// Hosts names the endpoints without their keys.
func (c *Client) Hosts() []string {
	var hosts []string
	for _, ep := range c.endpoints {
		hosts = append(hosts, ep.host)
	}
	return hosts
}

// do runs fn on one endpoint after the other until one of them gives an
// answer, in several rounds as long as waiting may help. Endpoints that limit
// the rate are left alone as long as they want; that may add up to maxQuiet if
// the others fail.
func (c *Client) do(ctx context.Context, method string, fn func(ctx context.Context, ep *endpoint, r asker) error) error {
	var errs []error
	patience := maxQuiet
	for round := 0; round < c.o.Attempts; {
		if err := c.pause(ctx, round); err != nil {
			return err
		}
		errs = errs[:0]
		again, asked := false, false
		for _, ep := range c.order(ctx) {
			if d := ep.silence(time.Now()); d > 0 {
				errs, again = append(errs, ep.describe(method, ep.silent(d))), true
				continue
			}
			asked = true
			err := c.try(ctx, ep, method, fn)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch kindOf(err) {
			case answer:
				return err
			case transient:
				again = true
				if ep.silence(time.Now()) == 0 {
					ep.failed(time.Now())
				}
			}
			errs = append(errs, err)
		}
		if !again {
			break
		}
		if asked {
			round++
		}
		d := c.silence(time.Now())
		if patience -= d; patience < 0 {
			break
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
	return summary(errs)
}

// silence is how long nobody can be asked, because some endpoints want to be
// left alone and the others fail.
func (c *Client) silence(now time.Time) time.Duration {
	least := time.Duration(-1)
	for _, ep := range c.endpoints {
		d := ep.silence(now)
		if d == 0 && !ep.resting(now) {
			return 0
		}
		if d > 0 && (least < 0 || d < least) {
			least = d
		}
	}
	return max(least, 0)
}

func (c *Client) try(ctx context.Context, ep *endpoint, method string, fn func(context.Context, *endpoint, asker) error) error {
	dial, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	r, err := ep.connect(dial, c.check)
	if err == nil {
		patience := maxQuiet
		if len(c.endpoints) > 1 {
			patience = shortQuiet
		}
		err = fn(ctx, ep, paced{ep, r, patience})
	}
	if err != nil {
		return ep.describe(method, err)
	}
	ep.worked()
	return nil
}

// pause waits before a round: nothing before the first, then twice as long each
// time, from half of it to all of it by chance.
func (c *Client) pause(ctx context.Context, round int) error {
	if round == 0 {
		return ctx.Err()
	}
	d := c.o.Backoff << (round - 1)
	return sleep(ctx, d/2+rand.N(d/2+1))
}

// longWait is how long a request waits for its turn at the preferred endpoint
// before another one is asked instead.
const longWait = 100 * time.Millisecond

// order lists the endpoints as configured, or the other way round for
// PreferLast, but last those that failed just now, and before them those whose
// limit makes a request wait.
func (c *Client) order(ctx context.Context) []*endpoint {
	now := time.Now()
	endpoints := c.endpoints
	if prefersLast(ctx) {
		endpoints = slices.Clone(endpoints)
		slices.Reverse(endpoints)
	}
	var ready, waiting, resting []*endpoint
	for _, ep := range endpoints {
		switch {
		case ep.resting(now):
			resting = append(resting, ep)
		case ep.delay(now) > longWait:
			waiting = append(waiting, ep)
		default:
			ready = append(ready, ep)
		}
	}
	return slices.Concat(ready, waiting, resting)
}

// call makes one request whose answer is decoded into result. A null answer is
// ethereum.NotFound if result is a pointer to a pointer that stays nil.
func call[T any](ctx context.Context, c *Client, method string, args ...any) (result T, err error) {
	err = c.do(ctx, method, func(ctx context.Context, _ *endpoint, r asker) error {
		var answer *T
		if err := r.CallContext(ctx, &answer, method, args...); err != nil {
			return err
		}
		if answer == nil {
			return notFound(method)
		}
		result = *answer
		return nil
	})
	return result, err
}

// summary makes one error of what all endpoints said. A word on the question
// itself says more than that somebody was out of reach.
func summary(errs []error) error {
	var told []string
	for _, err := range errs {
		if !errors.Is(err, wallet.ErrUnreachable) {
			return err
		}
		told = append(told, err.Error())
	}
	if len(told) == 1 {
		return errs[0]
	}
	return wallet.As(wallet.ErrUnreachable, "no endpoint answers: %s", strings.Join(told, "; "))
}
