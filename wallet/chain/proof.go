package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// Account is what a state holds of an account.
type Account struct {
	Balance *big.Int // wei
	Nonce   uint64   // of the next transaction
}

// Proof returns an account at a block, proven against the header's state root
// (EIP-1186). An account that the state does not hold has no balance. It is
// ErrNoState where no endpoint has that state.
func (c *Client) Proof(ctx context.Context, account common.Address, block common.Hash) (Account, error) {
	const method = "eth_getProof"
	h, err := c.HeaderByHash(ctx, block)
	if err != nil {
		return Account{}, err
	}
	var found Account
	err = c.do(ctx, method, func(ctx context.Context, _ *endpoint, r asker) error {
		var answer *struct {
			AccountProof []hexutil.Bytes `json:"accountProof"`
		}
		if err := r.CallContext(ctx, &answer, method, account, []common.Hash{}, at(block)); err != nil {
			return err
		}
		if answer == nil {
			return notFound(method)
		}
		var err error
		if found, err = proveAccount(account, h.Root, answer.AccountProof); err != nil {
			return &UnprovenError{Number: h.Number.Uint64(), Hash: block, Reason: err.Error()}
		}
		return nil
	})
	return found, err
}

func proveAccount(account common.Address, root common.Hash, proof []hexutil.Bytes) (Account, error) {
	nodes := memorydb.New()
	for _, n := range proof {
		if err := nodes.Put(crypto.Keccak256(n), n); err != nil {
			return Account{}, err
		}
	}
	leaf, err := trie.VerifyProof(root, crypto.Keccak256(account[:]), nodes)
	if err != nil {
		return Account{}, fmt.Errorf("account %s: %w", account, err)
	}
	if leaf == nil {
		return Account{Balance: new(big.Int)}, nil
	}
	var state types.StateAccount
	if err := rlp.DecodeBytes(leaf, &state); err != nil {
		return Account{}, fmt.Errorf("account %s: %w", account, err)
	}
	return Account{Balance: state.Balance.ToBig(), Nonce: state.Nonce}, nil
}
