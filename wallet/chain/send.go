package chain

import (
	"context"
	"errors"
	"slices"
	"strings"

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
	open := make([]int, len(raws)) // those that no node gave a clear answer for
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
			errs[at] = nil
			if elems[i].Error == nil {
				continue
			}
			errs[at] = ep.describe(sendMethod, elems[i].Error)
			if kindOf(errs[at]) != answer {
				unclear, last = append(unclear, at), errs[at]
			}
		}
		open = unclear
		return last
	})
	for _, at := range open {
		if err != nil {
			errs[at] = err
		}
	}
	return errs
}

// SendResult is what a node's answer to an offered transaction means.
type SendResult uint8

// The meanings. Only Accepted and AlreadyKnown say where the transaction is;
// after any other the hash and the nonce on chain decide.
const (
	SendUnknown      SendResult = iota // no answer, or words that nobody here knows
	SendAccepted                       // in the node's pool
	SendAlreadyKnown                   // was in the node's pool before
	SendNonceTooLow                    // the nonce is mined: this transaction or another
	SendNonceTooHigh                   // a node that takes no gaps: earlier ones must come first
	SendUnderpriced                    // too low a fee, for the pool or to replace another
	SendInsufficient                   // the sender cannot pay for value and gas
	SendRejected                       // the node will never take these bytes
)

func (r SendResult) String() string {
	return [...]string{
		"unknown", "accepted", "already known", "nonce too low", "nonce too high",
		"underpriced", "insufficient funds", "rejected",
	}[r]
}

// sendWords are the words of geth, erigon, nethermind, besu, reth and anvil,
// in lower case. The first that occurs decides, so the narrower stand first.
var sendWords = []struct {
	words  string
	result SendResult
}{
	{"already known", SendAlreadyKnown},                           // geth, reth, erigon
	{"alreadyknown", SendAlreadyKnown},                            // nethermind
	{"already_known", SendAlreadyKnown},                           // besu
	{"known transaction", SendAlreadyKnown},                       // besu, older geth
	{"transaction already imported", SendAlreadyKnown},            // anvil, openethereum
	{"already imported", SendAlreadyKnown},                        //
	{"already in mempool", SendAlreadyKnown},                      //
	{"already exists", SendAlreadyKnown},                          //
	{"existing tx with same hash", SendAlreadyKnown},              // erigon
	{"replacement transaction underpriced", SendUnderpriced},      // geth, reth, besu
	{"replacementnotallowed", SendUnderpriced},                    // nethermind
	{"replacement_transaction_underpriced", SendUnderpriced},      // besu
	{"could not replace existing", SendUnderpriced},               // erigon
	{"transaction underpriced", SendUnderpriced},                  // geth
	{"underpriced", SendUnderpriced},                              // erigon, reth
	{"feetoolow", SendUnderpriced},                                // nethermind
	{"fee too low", SendUnderpriced},                              // erigon
	{"max fee per gas less than block base fee", SendUnderpriced}, // geth, reth, anvil
	{"gas price below configured minimum", SendUnderpriced},       // besu
	{"gas_price_too_low", SendUnderpriced},                        // besu
	{"gas price too low", SendUnderpriced},                        //
	{"nonce too low", SendNonceTooLow},                            // geth, reth, anvil, erigon
	{"oldnonce", SendNonceTooLow},                                 // nethermind
	{"nonce_too_low", SendNonceTooLow},                            // besu
	{"nonce below current nonce", SendNonceTooLow},                // besu
	{"nonce is too low", SendNonceTooLow},                         //
	{"transaction nonce is too low", SendNonceTooLow},             //
	{"nonce too high", SendNonceTooHigh},                          // geth
	{"nonce too distant", SendNonceTooHigh},                       // besu
	{"noncegap", SendNonceTooHigh},                                // nethermind
	{"nonce gap", SendNonceTooHigh},                               //
	{"gapped", SendNonceTooHigh},                                  // geth with delegated accounts
	{"insufficient funds", SendInsufficient},                      // geth, reth, anvil, erigon
	{"insufficientfunds", SendInsufficient},                       // nethermind
	{"insufficient balance", SendInsufficient},                    //
	{"upfront cost exceeds account balance", SendInsufficient},    // besu
	{"upfront_cost_exceeds_balance", SendInsufficient},            // besu
	{"overshot", SendInsufficient},                                // geth: of all pending together
	{"transaction pool is full", SendUnknown},                     // passes
	{"txpool is full", SendUnknown},                               // geth
	{"invalid sender", SendRejected},                              // geth, erigon
	{"invalid signature", SendRejected},                           //
	{"invalid chain id", SendRejected},                            // geth, reth
	{"only replay-protected", SendRejected},                       // geth
	{"exceeds block gas limit", SendRejected},                     // geth, reth
	{"exceeds max transaction gas limit", SendRejected},           // EIP-7825
	{"gas limit too high", SendRejected},                          // geth
	{"gaslimitexceeded", SendRejected},                            // nethermind
	{"intrinsic gas too low", SendRejected},                       // geth, reth, anvil
	{"intrinsic_gas_exceeds", SendRejected},                       // besu
	{"floor data gas", SendRejected},                              // EIP-7623
	{"transaction type not supported", SendRejected},              // geth
	{"oversized data", SendRejected},                              // geth
	{"max initcode size exceeded", SendRejected},                  // geth
	{"max priority fee per gas higher than", SendRejected},        // geth
	{"rlp:", SendRejected},                                        // geth: bytes that do not decode
	{"failed to decode signed transaction", SendRejected},         // reth, anvil
}

// ClassifySend says what an error of SendRawTransactions means. It goes by the
// node's words, since there are no codes for it; what it does not know is
// SendUnknown.
func ClassifySend(err error) SendResult {
	if err == nil {
		return SendAccepted
	}
	var e *EndpointError
	if !errors.As(err, &e) || e.Code == 0 {
		return SendUnknown // not the words of a node
	}
	text := strings.ToLower(e.Reason)
	for _, w := range sendWords {
		if strings.Contains(text, w.words) {
			return w.result
		}
	}
	return SendUnknown
}
