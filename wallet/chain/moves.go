package chain

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/airlock-wallet/airlock/wallet"
)

// ErrUntraced says that an endpoint cannot tell what calls inside transactions
// moved.
var ErrUntraced = errors.New("does not trace calls")

// A tracer is a method that tells what calls inside a block's transactions did.
type tracer struct {
	method string
	args   func(c *Client, b *Block) []any
	into   func(m *moved) any
}

// tracers in the order in which an endpoint is asked.
var tracers = []tracer{
	{
		method: "debug_traceBlockByHash", // geth, reth, erigon, nethermind, besu
		args: func(c *Client, b *Block) []any {
			return []any{b.Hash, map[string]any{
				"tracer":       "callTracer",
				"tracerConfig": map[string]any{"withLog": false},
				"timeout":      c.o.Timeout.String(), // of each transaction; geth's default is 5 s
			}}
		},
		into: func(m *moved) any { return &nestedTraces{m} },
	},
	{
		method: "trace_block", // erigon, nethermind, reth, besu, anvil
		args:   func(_ *Client, b *Block) []any { return []any{hexutil.Uint64(b.Number())} },
		into:   func(m *moved) any { return &flatTraces{m} },
	},
}

// Moves asks what calls inside a proven block's transactions moved, in the order
// of the transactions and of their calls. Nothing of it is proven but the
// transactions that it belongs to. The error is that of an endpoint which could
// have told, ErrNoState if they no longer can, or ErrUntraced if none knows how.
func (c *Client) Moves(ctx context.Context, b *Block) ([]Move, error) {
	return c.moves(ctx, b, false)
}

// trace fills in Block.Moves if an endpoint can tell. Where tracing fails, the
// scan goes on without: balances show what it missed. For a while, nobody is
// then waited for again.
func (c *Client) trace(ctx context.Context, b *Block) error {
	resting := time.Now().UnixNano() < c.tracesAgain.Load()
	moves, err := c.moves(ctx, b, resting)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		b.Moves, b.Traced = moves, true
		c.tracesAgain.Store(0)
	case !resting && errors.Is(err, wallet.ErrUnreachable):
		c.tracesAgain.Store(time.Now().Add(tracingRest).UnixNano())
	}
	return nil
}

// tracingRest is how long blocks are not held up by endpoints that could not
// trace in all rounds.
const tracingRest = time.Minute

// moves asks in several rounds as long as waiting may help, or briefly once.
func (c *Client) moves(ctx context.Context, b *Block, briefly bool) ([]Move, error) {
	if len(b.Txs) == 0 {
		return nil, nil
	}
	var found []Move
	err := c.do(ctx, tracers[0].method, func(ctx context.Context, ep *endpoint, r asker) error {
		if briefly {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, grace)
			defer cancel()
		}
		moves, err := c.askMoves(ctx, ep, r, b)
		if err != nil {
			if briefly {
				err.kind = elsewhere
			}
			return err
		}
		found = moves
		return nil
	})
	return found, err
}

// askMoves asks one endpoint by the methods that it knows. Whatever it refuses,
// another endpoint may do.
func (c *Client) askMoves(ctx context.Context, ep *endpoint, r asker, b *Block) ([]Move, *EndpointError) {
	failed := &EndpointError{Reason: "knows no method that traces a block", kind: elsewhere, class: ErrUntraced}
	for _, t := range tracers {
		if ep.lacks(t.method) {
			continue
		}
		m := newMoved(b)
		err := r.CallContext(ctx, t.into(m), t.method, t.args(c, b)...)
		if err == nil {
			return m.moves, nil
		}
		var e *EndpointError
		if !errors.As(ep.describe(t.method, err), &e) {
			continue // describe makes nothing else of what a node says
		}
		switch {
		case e.noSuchMethod():
			ep.without(t.method)
			continue
		case errors.Is(e, ethereum.NotFound): // it may be a block behind
			e.kind = transient
		case e.kind == answer:
			e.kind = elsewhere
		}
		if failed.kind != transient {
			failed = e
		}
	}
	return nil, failed
}
