package chaintest

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// A Network is a chain under the caller's control.
//
// What is sent stays pending until Mine on a network that mines by hand, and is
// mined at once by one that mines on its own; Settle hides the difference.
type Network interface {
	// URL is the JSON-RPC endpoint over HTTP.
	URL() string
	// WSURL is the same endpoint over WebSocket.
	WSURL() string
	// ChainID is the chain id of EIP-155.
	ChainID() uint64
	// Client is a connection of the network's own; Close ends it.
	Client() *ethclient.Client
	// Faucet is the account that pays for what the methods below send.
	Faucet() Account

	// Send sends a transaction from the faucet.
	Send(ctx context.Context, c Call) (common.Hash, error)
	// Fund sends wei of the chain's coin from the faucet.
	Fund(ctx context.Context, to common.Address, wei *big.Int) (common.Hash, error)
	// Deploy creates a contract from the faucet and returns once it is mined.
	Deploy(ctx context.Context, c Contract, args ...any) (common.Address, error)
	// TransferToken sends amount base units of the faucet's tokens.
	TransferToken(ctx context.Context, token, to common.Address, amount *big.Int) (common.Hash, error)
	// TokenBalance is what owner holds of token at the head.
	TokenBalance(ctx context.Context, token, owner common.Address) (*big.Int, error)

	// Mine adds n blocks, the first of them with what is pending.
	Mine(ctx context.Context, n int) error
	// Settle returns the receipt of a transaction, mining if it has to.
	Settle(ctx context.Context, tx common.Hash) (*types.Receipt, error)
	// Finalize mines until the block that is now the head is finalized.
	Finalize(ctx context.Context) error
	// Reorg replaces the newest depth blocks by as many or more others. Whether
	// the transactions that were in them are pending again depends on the
	// network: see the methods of the implementations.
	Reorg(ctx context.Context, depth int) error

	// Close stops the network and frees all that it holds.
	Close() error
}

// An Account is an address with its key.
type Account struct {
	Key     *ecdsa.PrivateKey
	Address common.Address
}

// Call is a transaction to be made. A nil To creates a contract.
type Call struct {
	To   *common.Address
	Wei  *big.Int // nil is zero
	Data []byte
	Gas  uint64 // 0 is half as much again as the node estimates
}

// newAccount returns the account of a hexadecimal key, which must be valid.
func newAccount(hex string) Account {
	key, err := crypto.HexToECDSA(hex)
	if err != nil {
		panic(err)
	}
	return Account{Key: key, Address: crypto.PubkeyToAddress(key.PublicKey)}
}

// endpoint is what the networks have in common: a node that answers JSON-RPC and
// an account on it.
type endpoint struct {
	url, wsURL string
	id         *big.Int
	rpc        *rpc.Client
	eth        *ethclient.Client
	faucet     Account
	auto       bool // what is sent is mined without being told to
	mine       func(ctx context.Context, n int) error

	mu    sync.Mutex
	nonce uint64 // the faucet's next, where the node's pool is slower to tell
}

func (e *endpoint) URL() string               { return e.url }
func (e *endpoint) WSURL() string             { return e.wsURL }
func (e *endpoint) ChainID() uint64           { return e.id.Uint64() }
func (e *endpoint) Client() *ethclient.Client { return e.eth }
func (e *endpoint) Faucet() Account           { return e.faucet }

func (e *endpoint) Mine(ctx context.Context, n int) error { return e.mine(ctx, n) }

func (e *endpoint) Send(ctx context.Context, c Call) (common.Hash, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	nonce, err := e.eth.PendingNonceAt(ctx, e.faucet.Address)
	if err != nil {
		return common.Hash{}, err
	}
	nonce = max(nonce, e.nonce)
	head, err := e.eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return common.Hash{}, err
	}
	gas := c.Gas
	if gas == 0 {
		gas, err = e.eth.EstimateGas(ctx, ethereum.CallMsg{
			From: e.faucet.Address, To: c.To, Value: c.Wei, Data: c.Data,
		})
		if err != nil {
			return common.Hash{}, fmt.Errorf("estimate gas: %w", err)
		}
		gas += gas / 2
	}
	// Ten times the base fee outlasts some twenty full blocks.
	tip := big.NewInt(params.GWei)
	feeCap := new(big.Int).Mul(head.BaseFee, big.NewInt(10))
	tx, err := types.SignNewTx(e.faucet.Key, types.LatestSignerForChainID(e.id), &types.DynamicFeeTx{
		ChainID:   e.id,
		Nonce:     nonce,
		GasTipCap: tip,
		GasFeeCap: feeCap.Add(feeCap, tip),
		Gas:       gas,
		To:        c.To,
		Value:     c.Wei,
		Data:      c.Data,
	})
	if err != nil {
		return common.Hash{}, err
	}
	if err := e.eth.SendTransaction(ctx, tx); err != nil {
		return common.Hash{}, err
	}
	e.nonce = nonce + 1
	return tx.Hash(), e.pooled(ctx, nonce)
}

// poolTries bounds how often a node's pool is looked at, a millisecond and more
// between two looks, until it has done what it must.
const poolTries = 60_000

// pooled waits until the node counts the faucet's transaction with that nonce:
// until then a block made by hand would not hold it.
func (e *endpoint) pooled(ctx context.Context, nonce uint64) error {
	for range poolTries {
		if next, err := e.eth.PendingNonceAt(ctx, e.faucet.Address); err != nil || next > nonce {
			return err
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the pool never counts the faucet's nonce %d", nonce)
}

// dial connects to the node of a child process, whose host and port are given.
func (e *endpoint) dial(ctx context.Context, address string) error {
	e.url, e.wsURL = "http://"+address, "ws://"+address
	client, err := rpc.DialContext(ctx, e.url)
	if err != nil {
		return err
	}
	e.rpc, e.eth = client, ethclient.NewClient(client)
	e.id, err = e.eth.ChainID(ctx)
	return err
}

// hangUp ends the network's own connection, if there is one.
func (e *endpoint) hangUp() {
	if e.rpc != nil {
		e.rpc.Close()
	}
}

// forget makes the node's word on the faucet's nonce final again, after
// transactions were taken back.
func (e *endpoint) forget() {
	e.mu.Lock()
	e.nonce = 0
	e.mu.Unlock()
}

func (e *endpoint) Fund(ctx context.Context, to common.Address, wei *big.Int) (common.Hash, error) {
	return e.Send(ctx, Call{To: &to, Wei: wei})
}

func (e *endpoint) Deploy(ctx context.Context, c Contract, args ...any) (common.Address, error) {
	code, err := c.Create(args...)
	if err != nil {
		return common.Address{}, err
	}
	tx, err := e.Send(ctx, Call{Data: code})
	if err != nil {
		return common.Address{}, fmt.Errorf("deploy %s: %w", c.Name, err)
	}
	receipt, err := e.Settle(ctx, tx)
	if err != nil {
		return common.Address{}, fmt.Errorf("deploy %s: %w", c.Name, err)
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		return common.Address{}, fmt.Errorf("deploy %s: the constructor reverted", c.Name)
	}
	return receipt.ContractAddress, nil
}

func (e *endpoint) TransferToken(ctx context.Context, token, to common.Address, amount *big.Int) (common.Hash, error) {
	data, err := Token.Call("transfer", to, amount)
	if err != nil {
		return common.Hash{}, err
	}
	return e.Send(ctx, Call{To: &token, Data: data})
}

func (e *endpoint) TokenBalance(ctx context.Context, token, owner common.Address) (*big.Int, error) {
	data, err := Token.Call("balanceOf", owner)
	if err != nil {
		return nil, err
	}
	out, err := e.eth.CallContract(ctx, ethereum.CallMsg{To: &token, Data: data}, nil)
	if err != nil {
		return nil, err
	}
	if len(out) != 32 {
		return nil, fmt.Errorf("balanceOf answered %d bytes: is %s a token?", len(out), token)
	}
	return new(big.Int).SetBytes(out), nil
}

// settleBlocks is how many blocks Settle mines by hand before it gives up on a
// transaction that none of them contains.
const settleBlocks = 5

func (e *endpoint) Settle(ctx context.Context, tx common.Hash) (*types.Receipt, error) {
	told := time.Now()
	for mined := 0; ; {
		receipt, err := e.eth.TransactionReceipt(ctx, tx)
		if err == nil {
			return receipt, e.reached(ctx, receipt.BlockNumber.Uint64())
		}
		if !errors.Is(err, ethereum.NotFound) && !indexing(err) {
			return nil, err
		}
		switch {
		case e.auto:
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return nil, fmt.Errorf("transaction %s is not mined: %w", tx, err)
			}
			// A geth that has just started can miss what it is told.
			if time.Since(told) > 5*time.Second {
				if err := e.mine(ctx, 1); err != nil {
					return nil, err
				}
				told = time.Now()
			}
		case mined == settleBlocks:
			return nil, fmt.Errorf("transaction %s is in none of the %d blocks mined for it", tx, mined)
		default:
			if err := e.mine(ctx, 1); err != nil {
				return nil, err
			}
			mined++
		}
	}
}

// reached waits until a block is the head, or below it: geth tells what is in a
// block a moment before that.
func (e *endpoint) reached(ctx context.Context, block uint64) error {
	for {
		head, err := e.eth.BlockNumber(ctx)
		if err != nil || head >= block {
			return err
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// indexing tells whether geth does not know yet if it has a transaction. It says so
// of every unknown one while its chain is a genesis block.
func indexing(err error) bool {
	return strings.Contains(err.Error(), "indexing is in progress")
}

func (e *endpoint) Finalize(ctx context.Context) error {
	head, err := e.eth.BlockNumber(ctx)
	if err != nil {
		return err
	}
	for {
		final, err := e.eth.HeaderByNumber(ctx, big.NewInt(int64(rpc.FinalizedBlockNumber)))
		if err != nil {
			return err
		}
		if final.Number.Uint64() >= head {
			return nil
		}
		if err := e.mine(ctx, 1); err != nil {
			return err
		}
	}
}

// pause sleeps for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
