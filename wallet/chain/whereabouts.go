package chain

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/go-json-experiment/json"
)

// Where is the place of a transaction, as nodes say.
type Where uint8

// The places. WhereUnknown is not Nowhere: nobody told.
const (
	WhereUnknown Where = iota // nobody answered
	Nowhere                   // whoever answered has it neither in a block nor in its pool
	Pooled                    // waits in a node's pool
	Mined                     // in a block of a node's chain
)

func (w Where) String() string {
	return [...]string{"unknown", "nowhere", "pooled", "mined"}[w]
}

// Whereabouts are where a transaction is, in the word of one node. Nothing of
// it is proven but that the node knows the transaction.
type Whereabouts struct {
	Where  Where
	Number uint64      // of the block, if Mined
	Block  common.Hash // if Mined
	Host   string      // whose word it is; empty if WhereUnknown
}

const whereMethod = "eth_getTransactionByHash"

// Whereabouts asks where transactions are and returns the answers in the same
// order. One that any endpoint has in its pool or its chain is there, whatever
// the others say; it is Nowhere only if somebody answered and nobody who did
// has it. The endpoints are asked one after another, each only for what was not
// found before it, and one that failed a moment ago only for what nobody else
// told anything of.
//
// The answers are valid, as far as they go, beside an error: that ctx ended, or
// why nobody answered anything, mostly of class wallet.ErrUnreachable.
func (c *Client) Whereabouts(ctx context.Context, hashes []common.Hash) ([]Whereabouts, error) {
	found := make([]Whereabouts, len(hashes))
	open := make([]int, len(hashes)) // those to be asked for
	for i := range open {
		open[i] = i
	}
	missing := func(i int) bool { return found[i].Where <= Nowhere }
	untold := func(i int) bool { return found[i].Where == WhereUnknown }
	var errs []error
	patience := maxQuiet
	for round := 0; len(open) > 0 && round < c.o.Attempts; round++ {
		d := time.Duration(0)
		if round > 0 {
			d = c.silence(time.Now())
		}
		if patience -= d; patience < 0 {
			break
		}
		if err := errors.Join(sleep(ctx, d), c.pause(ctx, round)); err != nil {
			return found, ctx.Err()
		}
		errs = errs[:0]
		again := false
		for _, ep := range c.order(ctx) {
			ask := only(open, missing)
			if ep.resting(time.Now()) {
				ask = only(open, untold)
			}
			if len(ask) == 0 {
				continue
			}
			err := c.whereabouts(ctx, ep, hashes, ask, found)
			if ctx.Err() != nil {
				return found, ctx.Err()
			}
			if err != nil {
				errs, again = append(errs, err), again || kindOf(err) == transient
			}
		}
		if open = only(open, untold); !again {
			break
		}
	}
	if len(open) > 0 && len(open) == len(hashes) {
		return found, summary(errs)
	}
	return found, nil
}

// only are those of a list that pass, in a list of their own.
func only[T any](list []T, pass func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(e T) bool { return !pass(e) })
}

// whereabouts asks one endpoint and notes what it has, and what it does not
// have if nobody has said anything of that before. The error is why it left
// anything unanswered.
func (c *Client) whereabouts(ctx context.Context, ep *endpoint, hashes []common.Hash, ask []int, found []Whereabouts) error {
	if d := ep.silence(time.Now()); d > 0 {
		return ep.describe(whereMethod, ep.silent(d))
	}
	asked := make([]common.Hash, len(ask))
	for i, at := range ask {
		asked[i] = hashes[at]
	}
	var unanswered error
	err := c.try(ctx, ep, whereMethod, func(ctx context.Context, ep *endpoint, r asker) error {
		return askAll(ctx, r, whereMethod, asked, func(i int, answer rawJSON, err error) {
			w := Whereabouts{}
			if err == nil {
				w, err = readWhereabouts(answer, asked[i])
			}
			if err == nil {
				w.Host = ep.host
				if w.Where > found[ask[i]].Where {
					found[ask[i]] = w
				}
			} else if unanswered == nil || kindOf(unanswered) != transient {
				unanswered = ep.describe(whereMethod, err)
			}
		})
	})
	if err != nil && kindOf(err) == transient && ctx.Err() == nil && ep.silence(time.Now()) == 0 {
		ep.failed(time.Now())
	}
	if err == nil {
		err = unanswered
	}
	return err
}

// readWhereabouts reads a node's answer to the question for a transaction. An
// answer that is about another one is an error.
func readWhereabouts(raw rawJSON, hash common.Hash) (Whereabouts, error) {
	if raw.isNull() {
		return Whereabouts{Where: Nowhere}, nil
	}
	var tx txJSON
	if err := json.Unmarshal(raw, &tx, lenient); err != nil {
		return Whereabouts{}, err
	}
	have := tx.hash // of a type that is not known here, the node's word
	if tx.tx != nil {
		have = tx.tx.Hash()
	}
	if have != hash {
		return Whereabouts{}, &EndpointError{Reason: "asked for transaction " + hash.Hex() + ", the node gave " + have.Hex(), kind: elsewhere}
	}
	var place struct {
		Hash   *common.Hash    `json:"blockHash"`
		Number *hexutil.Uint64 `json:"blockNumber"`
	}
	if err := json.Unmarshal(raw, &place, lenient); err != nil {
		return Whereabouts{}, err
	}
	switch {
	case place.Hash == nil || *place.Hash == common.Hash{}:
		return Whereabouts{Where: Pooled}, nil
	case place.Number == nil:
		return Whereabouts{}, &EndpointError{Reason: "transaction " + hash.Hex() + " is in a block without a number", kind: elsewhere}
	}
	return Whereabouts{Where: Mined, Number: uint64(*place.Number), Block: *place.Hash}, nil
}
