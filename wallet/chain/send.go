package chain

import (
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// SendTransaction offers a signed transaction.
func (c *Client) SendTransaction(ctx context.Context, tx *types.Transaction) error {
	raw, err := tx.MarshalBinary()
	if err != nil {
		return err
	}
	return c.SendRawTransaction(ctx, raw)
}

// SendRawTransaction offers a signed transaction (EIP-2718 bytes). See
// SendRawTransactions.
func (c *Client) SendRawTransaction(ctx context.Context, raw []byte) error {
	return c.SendRawTransactions(ctx, [][]byte{raw})[0]
}

// SendRawTransactions offers signed transactions in order and returns what
// became of each: nil if a node took it, else an error for ClassifySend. A
// missing answer proves nothing: the node may have taken it all the same.
func (c *Client) SendRawTransactions(ctx context.Context, raws [][]byte) []error {
	errs := make([]error, 0, len(raws))
	for part := range slices.Chunk(raws, maxBatch) {
		errs = append(errs, c.sendPart(ctx, part)...)
	}
	return errs
}

const sendMethod = "eth_sendRawTransaction"

func (c *Client) sendPart(ctx context.Context, raws [][]byte) []error {
	errs := make([]error, len(raws))
	open := make([]int, len(raws)) // those that no node gave an answer for that holds for all
	for i := range open {
		open[i] = i
	}
	err := c.do(ctx, sendMethod, func(ctx context.Context, ep *endpoint, r asker) error {
		elems := make([]rpc.BatchElem, len(open))
		for i, at := range open {
			elems[i] = rpc.BatchElem{Method: sendMethod, Args: []any{hexutil.Bytes(raws[at])}, Result: new(hexutil.Bytes)}
		}
		if err := r.BatchCallContext(ctx, elems); err != nil {
			return err
		}
		var unclear []int
		var last error
		for i, at := range open {
			if elems[i].Error == nil {
				errs[at] = nil
				continue
			}
			err := ep.describe(sendMethod, elems[i].Error)
			clear := kindOf(err) == answer
			if clear || errs[at] == nil || ClassifySend(errs[at]) == SendUnknown {
				errs[at] = err
			}
			if !clear {
				unclear, last = append(unclear, at), err
			}
		}
		open = unclear
		return last
	})
	for _, at := range open {
		if errs[at] == nil { // nobody said a word about it
			errs[at] = err
		}
	}
	return errs
}
