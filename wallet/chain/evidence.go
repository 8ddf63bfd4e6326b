package chain

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet"
)

// each asks all endpoints the same at the same time and gathers what became of
// it, in the order of preference. It takes no longer than the time-out of a
// request.
func each[T any](ctx context.Context, c *Client, ask func(context.Context, *endpoint) T) []T {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	told := make([]T, len(c.endpoints))
	var wg sync.WaitGroup
	for i, ep := range c.endpoints {
		wg.Go(func() { told[i] = ask(ctx, ep) })
	}
	wg.Wait()
	return told
}

// A Testimony is what one endpoint says of an account and its transactions,
// unproven, for somebody to compare with what others say.
type Testimony struct {
	Host string
	Err  error // why it told nothing; all else is zero then

	Head      uint64  // number of its newest block
	Latest    uint64  // number of transactions that the account had sent there
	Pending   *uint64 // with those that wait in its pool; nil where it does not tell
	Finalized *uint64 // of the finalized block; nil where it knows no such block

	Transactions []Sighting // in the order in which they were asked for
}

// A Sighting is what one endpoint says of a transaction.
type Sighting struct {
	Whereabouts
	// Success is the status of the receipt, nil where it told none.
	Success *bool
	// Err is why it did not tell where the transaction is, or its status.
	Err error
}

// Evidence has every endpoint say where an account stands and what became of
// transactions, all at the same time. What an endpoint does not tell is an
// error in its testimony; nothing of it is combined or decided.
func (c *Client) Evidence(ctx context.Context, sender common.Address, hashes []common.Hash) []Testimony {
	return each(ctx, c, func(ctx context.Context, ep *endpoint) Testimony {
		var t Testimony
		err := c.insist(ctx, ep, "", func(ctx context.Context, ep *endpoint, r asker) (err error) {
			t, err = testify(ctx, ep, r, sender, hashes)
			return err
		})
		if err != nil {
			t = Testimony{Err: err}
		}
		t.Host = ep.host
		return t
	})
}

// testify is one endpoint's testimony.
func testify(ctx context.Context, ep *endpoint, r asker, sender common.Address, hashes []common.Hash) (t Testimony, err error) {
	const method = "eth_getTransactionCount"
	var head, latest, pending, finalized hexutil.Uint64
	elems := []rpc.BatchElem{
		{Method: method, Args: []any{sender, "latest"}, Result: &latest},
		{Method: "eth_blockNumber", Result: &head},
		{Method: method, Args: []any{sender, "pending"}, Result: &pending},
		{Method: method, Args: []any{sender, "finalized"}, Result: &finalized},
	}
	if err := r.BatchCallContext(ctx, elems); err != nil {
		return t, err
	}
	if err := required(ep, elems[:2]); err != nil {
		return t, err
	}
	t.Latest, t.Head = uint64(latest), uint64(head)
	if t.Pending, err = optional(ep, elems[2], &pending); err != nil {
		return t, err
	}
	if t.Finalized, err = optional(ep, elems[3], &finalized); err != nil {
		return t, err
	}
	t.Transactions, err = sight(ctx, ep, r, hashes)
	return t, err
}

// required is the first error of a batch.
func required(ep *endpoint, elems []rpc.BatchElem) error {
	for _, e := range elems {
		if e.Error != nil {
			return ep.describe(e.Method, e.Error)
		}
	}
	return nil
}

// optional is a number that a node need not know, nil if it says so. The error
// is that it was not heard.
func optional(ep *endpoint, e rpc.BatchElem, n *hexutil.Uint64) (*uint64, error) {
	if e.Error == nil {
		return (*uint64)(n), nil
	}
	if err := ep.describe(e.Method, e.Error); errors.Is(err, wallet.ErrUnreachable) {
		return nil, err
	}
	return nil, nil
}

// sight asks one endpoint for transactions, and for the receipts of those that
// it says are mined. The error is that it could not be asked.
func sight(ctx context.Context, ep *endpoint, r asker, hashes []common.Hash) ([]Sighting, error) {
	seen := make([]Sighting, len(hashes))
	err := askAll(ctx, r, whereMethod, hashes, func(i int, answer rawJSON, err error) {
		s := &seen[i]
		if err == nil {
			s.Whereabouts, err = readWhereabouts(answer, hashes[i])
		}
		if err != nil {
			s.Err = ep.describe(whereMethod, err)
			return
		}
		s.Host = ep.host
	})
	if err != nil {
		return nil, err
	}
	const method = "eth_getTransactionReceipt"
	var mined []int
	var of []common.Hash
	for i := range seen {
		if seen[i].Where == Mined {
			mined, of = append(mined, i), append(of, hashes[i])
		}
	}
	return seen, askAll(ctx, r, method, of, func(i int, answer rawJSON, err error) {
		s := &seen[mined[i]]
		if err == nil {
			s.Success, err = readStatus(answer, of[i], s.Block)
		}
		if err != nil {
			s.Err = ep.describe(method, err)
		}
	})
}

// askAll asks a node about each hash, in bounded batches.
func askAll(ctx context.Context, r asker, method string, hashes []common.Hash, answered func(i int, answer rawJSON, err error)) error {
	done := 0
	for part := range slices.Chunk(hashes, maxBatch) {
		answers := make([]rawJSON, len(part))
		elems := make([]rpc.BatchElem, len(part))
		for i, hash := range part {
			elems[i] = rpc.BatchElem{Method: method, Args: []any{hash}, Result: &answers[i]}
		}
		if err := r.BatchCallContext(ctx, elems); err != nil {
			return err
		}
		for i := range part {
			answered(done+i, answers[i], elems[i].Error)
		}
		done += len(part)
	}
	return nil
}

// readStatus reads the status of a receipt, nil where it has none as before
// EIP-658. It must be of the transaction, and in the block where the node says
// that it is.
func readStatus(answer rawJSON, hash, block common.Hash) (*bool, error) {
	const method = "eth_getTransactionReceipt"
	if answer.isNull() {
		return nil, notFound(method)
	}
	receipt, err := decodeReceipt(answer)
	switch {
	case err != nil:
		return nil, err
	case receipt.TxHash != hash:
		return nil, &EndpointError{Reason: "asked for the receipt of " + hash.Hex() + ", the node gave that of " + receipt.TxHash.Hex(), kind: elsewhere}
	case receipt.BlockHash != block:
		return nil, &EndpointError{Reason: "the receipt is of block " + receipt.BlockHash.Hex() + ", and the transaction of " + block.Hex(), kind: elsewhere}
	case len(receipt.PostState) > 0:
		return nil, nil
	}
	success := uint64(receipt.Status) == types.ReceiptStatusSuccessful
	return &success, nil
}

// Readiness is whether one endpoint is fit to pay through, as it says itself.
type Readiness struct {
	Host string
	Err  error // why it told nothing; all else is zero then

	Peers    *uint64 // that it is connected to; nil where it does not tell
	Syncing  *bool   // whether it still catches up; nil where it does not tell
	Head     uint64  // number of its newest block
	HeadTime time.Time
}

// Readiness asks every endpoint how it is, all at the same time.
func (c *Client) Readiness(ctx context.Context) []Readiness {
	return each(ctx, c, func(ctx context.Context, ep *endpoint) Readiness {
		var found Readiness
		err := c.insist(ctx, ep, "", func(ctx context.Context, ep *endpoint, r asker) (err error) {
			found, err = ready(ctx, ep, r)
			return err
		})
		if err != nil {
			found = Readiness{Err: err}
		}
		found.Host = ep.host
		return found
	})
}

// ready is how one endpoint is.
func ready(ctx context.Context, ep *endpoint, r asker) (found Readiness, err error) {
	const method = "eth_getBlockByNumber"
	var head *header
	var peers hexutil.Uint64
	var syncing rawJSON
	elems := []rpc.BatchElem{
		{Method: method, Args: []any{"latest", false}, Result: &head},
		{Method: "net_peerCount", Result: &peers},
		{Method: "eth_syncing", Result: &syncing},
	}
	if err := r.BatchCallContext(ctx, elems); err != nil {
		return found, err
	}
	if err := required(ep, elems[:1]); err != nil {
		return found, err
	}
	if head == nil {
		return found, notFound(method)
	}
	if err := head.proven(); err != nil {
		return found, err
	}
	found.Head, found.HeadTime = head.Number.Uint64(), time.Unix(int64(head.Time), 0)
	if found.Peers, err = optional(ep, elems[1], &peers); err != nil {
		return found, err
	}
	switch err := elems[2].Error; {
	case err != nil:
		if err = ep.describe(elems[2].Method, err); errors.Is(err, wallet.ErrUnreachable) {
			return found, err
		}
	case !syncing.isNull():
		behind := string(syncing) != "false" // how far it is
		found.Syncing = &behind
	}
	return found, nil
}
