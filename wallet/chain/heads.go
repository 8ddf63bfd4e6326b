package chain

import (
	"context"
	"time"
)

// Heads tells that the chain may have a new head: when an endpoint over
// WebSocket says so, and every poll in any case, since a subscription can die
// without a word. It carries no header; ask for it. What is not taken in time
// is told once. It ends with ctx.
func (c *Client) Heads(ctx context.Context, poll time.Duration) <-chan struct{} {
	news := make(chan struct{}, 1)
	tell := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	for _, ep := range c.endpoints {
		if ep.pushes() {
			go c.follow(ctx, ep, tell)
		}
	}
	go func() {
		t := time.NewTicker(poll)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				tell()
			}
		}
	}()
	return news
}

// Bounds of the pause before a lost subscription is made again.
const (
	minReconnect = time.Second
	maxReconnect = time.Minute
)

// follow keeps a subscription to an endpoint's new heads.
func (c *Client) follow(ctx context.Context, ep *endpoint, tell func()) {
	pause := minReconnect
	for ctx.Err() == nil {
		started := time.Now()
		c.subscribed(ctx, ep, tell)
		if time.Since(started) > maxReconnect {
			pause = minReconnect // it had worked
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
			tell() // something may have been missed
		}
		t.Stop()
		pause = min(2*pause, maxReconnect)
	}
}

// subscribed tells of new heads until the subscription ends. Its errors need
// no words: polling goes on beside it.
func (c *Client) subscribed(ctx context.Context, ep *endpoint, tell func()) {
	dial, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	r, err := ep.connect(dial, c.check)
	if err != nil {
		return
	}
	heads := make(chan rawJSON, 16)
	sub, err := r.EthSubscribe(dial, heads, "newHeads")
	if err != nil {
		return
	}
	defer sub.Unsubscribe()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.Err(): //nolint:errcheck // polling goes on beside it
			return
		case <-heads:
			tell()
		}
	}
}
