package chain

import (
	"context"
	"iter"
)

// Blocks fetches and proves the canonical blocks from ≤ n ≤ to, several at a
// time, and yields them in order. It stops after the first error. That each
// block is the parent of the next is the caller's to check. As many are fetched
// and held beyond the one that was yielded as the endpoints bear at the same
// time, and at most Options.Most. What was fetched ahead when the caller stops is
// given up and not waited for: a request of it may reach an endpoint afterwards.
func (c *Client) Blocks(ctx context.Context, from, to uint64) iter.Seq2[*Block, error] {
	return inOrder(ctx, from, to, c.window, c.Block)
}

// window is how many blocks may be fetched at the same time now.
func (c *Client) window() int {
	n := 1
	for _, ep := range c.endpoints {
		n = max(n, ep.width())
	}
	return n
}

// inOrder calls fetch for each number, up to width() at a time, and yields the
// results in order.
func inOrder[T any](ctx context.Context, from, to uint64, width func() int, fetch func(context.Context, uint64) (T, error)) iter.Seq2[T, error] {
	type result struct {
		v   T
		err error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var waiting []chan result
		next := from
		for next <= to || len(waiting) > 0 {
			for next <= to && len(waiting) < width() {
				n, ch := next, make(chan result, 1)
				go func() {
					v, err := fetch(ctx, n)
					ch <- result{v, err}
				}()
				waiting = append(waiting, ch)
				next++
			}
			r := <-waiting[0]
			waiting = waiting[1:]
			if !yield(r.v, r.err) || r.err != nil {
				return
			}
		}
	}
}
