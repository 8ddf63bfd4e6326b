package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// batch makes the same request with other arguments many times and returns the
// answers in the same order. What an endpoint answered is not asked again when
// another one has to take over.
func batch[T any](ctx context.Context, c *Client, method string, args [][]any) ([]T, error) {
	all := make([]T, 0, len(args))
	for len(all) < len(args) {
		part := args[len(all):min(len(all)+maxBatch, len(args))]
		err := c.do(ctx, method, func(ctx context.Context, _ *endpoint, r asker) error {
			results := make([]*T, len(part))
			elems := make([]rpc.BatchElem, len(part))
			for i := range part {
				elems[i] = rpc.BatchElem{Method: method, Args: part[i], Result: &results[i]}
			}
			if err := r.BatchCallContext(ctx, elems); err != nil {
				return err
			}
			for i := range elems {
				err := elems[i].Error
				if err == nil && results[i] == nil {
					err = notFound(method)
				}
				if err != nil && i > 0 {
					return nil // it has its turn first in the next part
				}
				if err != nil {
					return err
				}
				all = append(all, *results[i])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// BalancesAt is the coin that lay on each account at a block, in wei.
func (c *Client) BalancesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]*big.Int, error) {
	args := make([][]any, len(accounts))
	for i, a := range accounts {
		args[i] = []any{a, at(block)}
	}
	answers, err := batch[hexutil.Big](ctx, c, "eth_getBalance", args)
	if err != nil {
		return nil, err
	}
	return bigs(answers), nil
}

// NoncesAt is the number of transactions that each account had sent at a block.
func (c *Client) NoncesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]uint64, error) {
	args := make([][]any, len(accounts))
	for i, a := range accounts {
		args[i] = []any{a, at(block)}
	}
	answers, err := batch[hexutil.Uint64](ctx, c, "eth_getTransactionCount", args)
	if err != nil {
		return nil, err
	}
	nonces := make([]uint64, len(answers))
	for i, n := range answers {
		nonces[i] = uint64(n)
	}
	return nonces, nil
}

// ErrNotToken says that a contract does not answer as an ERC-20 token does.
var ErrNotToken = errors.New("does not answer as an ERC-20 token")

// balanceOf is the selector of ERC-20's balanceOf(address).
var balanceOf = []byte{0x70, 0xa0, 0x82, 0x31}

// TokenBalances is what a token says that each owner held at a block, in base
// units. A contract that answers with anything but one number is ErrNotToken.
func (c *Client) TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error) {
	args := make([][]any, len(owners))
	for i, o := range owners {
		data := append(slices.Clone(balanceOf), common.LeftPadBytes(o[:], 32)...)
		args[i] = []any{map[string]any{"to": token, "input": hexutil.Bytes(data)}, at(block)}
	}
	answers, err := batch[hexutil.Bytes](ctx, c, "eth_call", args)
	if err != nil {
		return nil, err
	}
	balances := make([]*big.Int, len(answers))
	for i, b := range answers {
		if len(b) != 32 {
			return nil, fmt.Errorf("token %s: balanceOf(%s) answered %d bytes: %w", token, owners[i], len(b), ErrNotToken)
		}
		balances[i] = new(big.Int).SetBytes(b)
	}
	return balances, nil
}

func bigs(hs []hexutil.Big) []*big.Int {
	ns := make([]*big.Int, len(hs))
	for i := range hs {
		ns[i] = hs[i].ToInt()
	}
	return ns
}
