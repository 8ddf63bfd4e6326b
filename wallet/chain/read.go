package chain

import (
	"context"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// header is a block header with the hash that the node says it has.
type header struct {
	*types.Header
	claimed common.Hash
}

func (h *header) UnmarshalJSON(b []byte) error {
	block, err := decodeHeader(b)
	if err == nil {
		*h = header{block.Header, block.Hash}
	}
	return err
}

// proven refuses a header that does not hash to what the node says.
func (h *header) proven() error {
	return proveHeader(h.Header, h.claimed)
}

func proveHeader(h *types.Header, claimed common.Hash) error {
	if hash := h.Hash(); hash != claimed {
		return &UnprovenError{Number: h.Number.Uint64(), Reason: "its header hashes to " + hash.Hex() + ", not to " + claimed.Hex() +
			" as the node says: either the node is wrong or the chain has header fields that this program does not know"}
	}
	return nil
}

func numberArg(n *big.Int) string {
	switch {
	case n == nil:
		return "latest"
	case n.Sign() < 0:
		return rpc.BlockNumber(n.Int64()).String()
	}
	return hexutil.EncodeBig(n)
}

// BlockNumber is the height of the head.
func (c *Client) BlockNumber(ctx context.Context) (uint64, error) {
	n, err := call[hexutil.Uint64](ctx, c, "eth_blockNumber")
	return uint64(n), err
}

// HeaderByNumber returns the canonical header at a height, or the head's if
// number is nil. Its hash was computed and is the one that the node claims.
// It is ethereum.NotFound above the head of all endpoints.
func (c *Client) HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error) {
	return c.header(ctx, atHeight(number), "eth_getBlockByNumber", numberArg(number), false)
}

// atHeight refuses a header of another height than the one asked for, unless
// that was a tag.
func atHeight(number *big.Int) func(*types.Header) error {
	return func(h *types.Header) error {
		if number != nil && number.Sign() >= 0 && h.Number.Cmp(number) != 0 {
			return &UnprovenError{Number: number.Uint64(), Reason: "the node gave block " + h.Number.String()}
		}
		return nil
	}
}

// HeaderByHash returns the header that has the given hash.
func (c *Client) HeaderByHash(ctx context.Context, hash common.Hash) (*types.Header, error) {
	return c.header(ctx, func(h *types.Header) error {
		if have := h.Hash(); have != hash {
			return &UnprovenError{Number: h.Number.Uint64(), Reason: "asked for " + hash.Hex() + ", the node gave a header that hashes to " + have.Hex()}
		}
		return nil
	}, "eth_getBlockByHash", hash, false)
}

func (c *Client) header(ctx context.Context, check func(*types.Header) error, method string, args ...any) (*types.Header, error) {
	var found *types.Header
	err := c.do(ctx, method, func(ctx context.Context, _ *endpoint, r asker) (err error) {
		found, err = readHeader(ctx, r, check, method, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// readHeader asks one node for a header, which must hash to what the node
// claims and pass the check.
func readHeader(ctx context.Context, r asker, check func(*types.Header) error, method string, args ...any) (*types.Header, error) {
	var h *header
	if err := r.CallContext(ctx, &h, method, args...); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, notFound(method)
	}
	if err := h.proven(); err != nil {
		return nil, err
	}
	return h.Header, check(h.Header)
}

// BalanceAt is the coin that lay on an account at a height, or at the head if
// number is nil, in wei as a node says.
func (c *Client) BalanceAt(ctx context.Context, account common.Address, number *big.Int) (*big.Int, error) {
	n, err := call[hexutil.Big](ctx, c, "eth_getBalance", account, numberArg(number))
	return n.ToInt(), err
}

// BalanceAtHash is BalanceAt of a block.
func (c *Client) BalanceAtHash(ctx context.Context, account common.Address, block common.Hash) (*big.Int, error) {
	n, err := call[hexutil.Big](ctx, c, "eth_getBalance", account, at(block))
	return n.ToInt(), err
}

// NonceAt is the number of transactions that an account had sent at a height,
// or at the head if number is nil.
func (c *Client) NonceAt(ctx context.Context, account common.Address, number *big.Int) (uint64, error) {
	n, err := call[hexutil.Uint64](ctx, c, "eth_getTransactionCount", account, numberArg(number))
	return uint64(n), err
}

// PendingNonceAt also counts what waits in the node's pool.
func (c *Client) PendingNonceAt(ctx context.Context, account common.Address) (uint64, error) {
	n, err := call[hexutil.Uint64](ctx, c, "eth_getTransactionCount", account, "pending")
	return uint64(n), err
}

// CodeAt is the code of a contract, or of a delegation (EIP-7702); empty for
// other accounts.
func (c *Client) CodeAt(ctx context.Context, account common.Address, number *big.Int) ([]byte, error) {
	return call[hexutil.Bytes](ctx, c, "eth_getCode", account, numberArg(number))
}

// CallContract runs a message at a height and returns what it returns. A
// revert is an EndpointError with the revert's data.
func (c *Client) CallContract(ctx context.Context, msg ethereum.CallMsg, number *big.Int) ([]byte, error) {
	return call[hexutil.Bytes](ctx, c, "eth_call", callArg(msg), numberArg(number))
}

// EstimateGas is the gas limit with which a message would succeed on top of
// the head, in a node's opinion.
func (c *Client) EstimateGas(ctx context.Context, msg ethereum.CallMsg) (uint64, error) {
	n, err := call[hexutil.Uint64](ctx, c, "eth_estimateGas", callArg(msg))
	return uint64(n), err
}

// SuggestGasTipCap is the priority fee in wei per gas that a node suggests.
func (c *Client) SuggestGasTipCap(ctx context.Context) (*big.Int, error) {
	n, err := call[hexutil.Big](ctx, c, "eth_maxPriorityFeePerGas")
	return n.ToInt(), err
}

// Fees is what inclusion costs at the head, in wei per gas.
type Fees struct {
	BaseFee *big.Int // of the head
	Tip     *big.Int // that a node suggests
}

// Fees reads the base fee (EIP-1559) of the head and a node's suggestion for
// the tip.
func (c *Client) Fees(ctx context.Context) (Fees, error) {
	head, err := c.HeaderByNumber(ctx, nil)
	if err != nil {
		return Fees{}, err
	}
	if head.BaseFee == nil {
		return Fees{}, errors.New("the chain has no base fee (EIP-1559)")
	}
	tip, err := c.SuggestGasTipCap(ctx)
	if err != nil {
		return Fees{}, err
	}
	return Fees{BaseFee: head.BaseFee, Tip: tip}, nil
}

// at names a block by its hash (EIP-1898), canonical or not.
func at(block common.Hash) map[string]any { return map[string]any{"blockHash": block} }

func callArg(msg ethereum.CallMsg) map[string]any {
	arg := map[string]any{"from": msg.From, "to": msg.To}
	if len(msg.Data) > 0 {
		arg["input"] = hexutil.Bytes(msg.Data)
	}
	if msg.Value != nil {
		arg["value"] = (*hexutil.Big)(msg.Value)
	}
	if msg.Gas != 0 {
		arg["gas"] = hexutil.Uint64(msg.Gas)
	}
	if msg.GasFeeCap != nil {
		arg["maxFeePerGas"] = (*hexutil.Big)(msg.GasFeeCap)
	}
	if msg.GasTipCap != nil {
		arg["maxPriorityFeePerGas"] = (*hexutil.Big)(msg.GasTipCap)
	}
	return arg
}
