package multipay

import (
	"context"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// world is a chain with the contract on it. The network's faucet pays.
type world struct {
	chaintest.Network
	t   testing.TB
	ctx context.Context
	// dear tells that new accounts and words of storage cost as much as they will
	// (EIP-8037): geth's developer mode is ahead of the chains that there are.
	dear bool
}

// What a payment to somebody new takes in a dear world beyond what it takes today:
// at least 64 and 120 bytes at 1530 gas, less the 20,000 and 25,000 of today.
const (
	dearWord    = 100_000
	dearAccount = 160_000
)

// tokenGas is a bound for a payment of an ordinary token: twice what it takes.
func (w *world) tokenGas() uint64 {
	if w.dear {
		return tokenGas + dearWord
	}
	return tokenGas
}

// limit is the gas limit of a call.
func (w *world) limit(c Call) uint64 {
	if w.dear && c.Token == (common.Address{}) {
		return c.GasLimit() + dearAccount*uint64(len(c.Payments))
	}
	return c.GasLimit()
}

// most is how many payments fit into a transaction.
func (w *world) most(token common.Address, gas uint64) int {
	if w.dear && token == (common.Address{}) {
		return MaxPayments(token, gas+dearAccount)
	}
	return MaxPayments(token, gas)
}

// simulated is a world in this process.
func simulated(t testing.TB, o chaintest.SimulatedOptions) *world {
	t.Helper()
	o.Alloc = chaintest.Factory()
	w := &world{chaintest.NewSimulated(t, o), t, t.Context(), o.Amsterdam}
	w.deployContract()
	return w
}

// everywhere runs a story on each kind of node there is.
func everywhere(t *testing.T, story func(t *testing.T, w *world)) {
	t.Run("simulated", func(t *testing.T) { story(t, simulated(t, chaintest.SimulatedOptions{})) })
	t.Run("geth", func(t *testing.T) {
		w := &world{chaintest.NewGeth(t, chaintest.GethOptions{Args: []string{"--rpc.allow-unprotected-txs", "--dev.gaslimit=60000000"}}), t, t.Context(), true}
		w.deployFactory()
		w.deployContract()
		story(t, w)
	})
	t.Run("anvil", func(t *testing.T) {
		w := &world{chaintest.NewAnvil(t, chaintest.AnvilOptions{}), t, t.Context(), false}
		w.deployContract() // anvil comes with the factory
		story(t, w)
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mined sends a call from the faucet and returns its receipt.
func (w *world) mined(c chaintest.Call) *types.Receipt {
	w.t.Helper()
	tx, err := w.Send(w.ctx, c)
	w.must(err)
	receipt, err := w.Settle(w.ctx, tx)
	w.must(err)
	return receipt
}

func (w *world) succeeds(c chaintest.Call) *types.Receipt {
	w.t.Helper()
	receipt := w.mined(c)
	if receipt.Status != types.ReceiptStatusSuccessful {
		w.t.Fatalf("transaction %s failed", receipt.TxHash)
	}
	return receipt
}

// deployFactory sends the transaction that creates the factory on any chain.
func (w *world) deployFactory() {
	w.t.Helper()
	w.succeeds(chaintest.Call{To: &FactoryDeployer, Wei: big.NewInt(FactoryCost)})
	var tx types.Transaction
	w.must(tx.UnmarshalBinary(FactoryTransaction))
	w.must(w.Client().SendTransaction(w.ctx, &tx))
	receipt, err := w.Settle(w.ctx, tx.Hash())
	w.must(err)
	if receipt.ContractAddress != Factory {
		w.t.Fatalf("it creates %s", receipt.ContractAddress)
	}
}

func (w *world) deployContract() {
	w.t.Helper()
	w.succeeds(chaintest.Call{To: &Factory, Data: DeployData()})
}

func (w *world) deploy(c chaintest.Contract, args ...any) common.Address {
	w.t.Helper()
	address, err := w.Deploy(w.ctx, c, args...)
	w.must(err)
	return address
}

// call calls a method of a contract.
func (w *world) call(to common.Address, c chaintest.Contract, method string, args ...any) {
	w.t.Helper()
	data, err := c.Call(method, args...)
	w.must(err)
	w.succeeds(chaintest.Call{To: &to, Data: data})
}

// transaction is the call as the faucet sends it, with its own gas limit.
func (w *world) transaction(c Call) chaintest.Call {
	w.t.Helper()
	data, err := c.Encode()
	w.must(err)
	to := Address()
	tx := chaintest.Call{To: &to, Data: data, Gas: w.limit(c)}
	if c.Token == (common.Address{}) {
		tx.Wei = c.Sum().Big()
	}
	return tx
}

// pays sends the call, which must not fail as a whole, and returns which payments
// were made. There must be one event of the faucet for each.
func (w *world) pays(c Call) (made []bool, receipt *types.Receipt) {
	w.t.Helper()
	receipt = w.succeeds(w.transaction(c))
	return w.made(c, receipt), receipt
}

// made reads the events of the faucet's call.
func (w *world) made(c Call, receipt *types.Receipt) (made []bool) {
	w.t.Helper()
	for _, log := range receipt.Logs {
		if log.Address != Address() {
			continue
		}
		paid, err := DecodePaid(log)
		w.must(err)
		if paid.Payer != w.Faucet().Address {
			continue
		}
		i := len(made)
		if i >= len(c.Payments) {
			w.t.Fatalf("event %+v is of no payment", paid)
		}
		if p := c.Payments[i]; paid.Position != uint64(i) || paid.Token != c.Token || paid.To != p.To || paid.Amount.Cmp(p.Amount) != 0 {
			w.t.Fatalf("payment %d is %+v, and its event %+v", i, p, paid)
		}
		made = append(made, paid.OK)
	}
	if len(made) != len(c.Payments) {
		w.t.Fatalf("%d events for %d payments", len(made), len(c.Payments))
	}
	return made
}

// coin is what an address holds at the head.
func (w *world) coin(a common.Address) wallet.Amount {
	w.t.Helper()
	n, err := w.Client().BalanceAt(w.ctx, a, nil)
	w.must(err)
	return wallet.AmountOf(n)
}

// tokens is what an address holds of a token at the head.
func (w *world) tokens(token, a common.Address) wallet.Amount {
	w.t.Helper()
	n, err := w.TokenBalance(w.ctx, token, a)
	w.must(err)
	return wallet.AmountOf(n)
}

func equal(t testing.TB, what string, got, want wallet.Amount) {
	t.Helper()
	if got.Cmp(want) != 0 {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}
