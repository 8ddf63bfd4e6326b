package multipay

import (
	"errors"
	"fmt"
	"math/big"
	"sort"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func callMsg(to common.Address, data []byte) ethereum.CallMsg {
	return ethereum.CallMsg{To: &to, Data: data}
}

// reason names the contract's error that a call failed with.
func reason(t *testing.T, contract abi.ABI, err error) string {
	t.Helper()
	var data rpc.DataError
	if !errors.As(err, &data) {
		return fmt.Sprint(err)
	}
	return reasonOf(contract, common.FromHex(fmt.Sprint(data.ErrorData())))
}

func reasonOf(contract abi.ABI, returned []byte) string {
	for name, e := range contract.Errors {
		if strings.HasPrefix(hexutil.Encode(returned), hexutil.Encode(e.ID[:4])) {
			return name
		}
	}
	return hexutil.Encode(returned)
}

// An evm is the contract and others in memory, to be called with any gas.
type evm struct {
	t     *testing.T
	state *state.StateDB
	payer common.Address
}

func newEVM(t *testing.T) *evm {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	db.SetCode(Address(), code.Runtime, tracing.CodeChangeUnspecified)
	e := &evm{t, db, common.HexToAddress("0xface")}
	db.SetBalance(e.payer, uint256.NewInt(1e18), tracing.BalanceChangeUnspecified)
	return e
}

func (e *evm) create(c chaintest.Contract, args ...any) common.Address {
	e.t.Helper()
	data, err := c.Create(args...)
	if err != nil {
		e.t.Fatal(err)
	}
	_, at, _, err := runtime.Create(data, &runtime.Config{Origin: e.payer, State: e.state, GasLimit: 10_000_000})
	if err != nil {
		e.t.Fatal(err)
	}
	return at
}

// call calls the contract with so much gas, without the gas of the transaction
// itself, and undoes it. It returns the payments that were made, or what the call
// failed with.
func (e *evm) call(c Call, gas uint64) (made []bool, returned []byte, err error) {
	e.t.Helper()
	conf := &runtime.Config{Origin: e.payer, State: e.state, GasLimit: gas, Value: new(big.Int)}
	if c.Token == (common.Address{}) {
		conf.Value = c.Sum().Big()
	}
	snapshot := e.state.Snapshot()
	before := len(e.state.Logs())
	returned, _, err = runtime.Call(Address(), c.encode(), conf)
	for _, log := range e.state.Logs()[before:] {
		if paid, err := DecodePaid(log); err == nil && paid.Payer == e.payer {
			made = append(made, paid.OK)
		}
	}
	e.state.RevertToSnapshot(snapshot)
	return made, returned, err
}

// least is the least gas for each payment with which all are made.
func (e *evm) least(c Call) uint64 {
	return uint64(sort.Search(MaxGasEach, func(gas int) bool {
		c.Gas = uint64(gas)
		made, _, err := e.call(c, 2*MaxGas)
		return err == nil && all(made)
	}))
}

// A call with too little gas fails as a whole; none marks a payment as failed for
// want of gas. Limits of all sizes are tried, from none to what is always enough.
func TestTooLittleGas(t *testing.T) {
	contract := parsed(t)
	for _, test := range []struct {
		name string
		call func(e *evm) Call
	}{
		{"coin to contracts that need most of theirs", func(e *evm) Call {
			c := Call{}
			for range 3 {
				c.Payments = append(c.Payments, Payment{e.create(chaintest.MoodyRecipient, recipientStores, []byte{}), wallet.NewAmount(1)})
			}
			return c
		}},
		{"coin to new accounts", func(*evm) Call { return Call{Payments: payments(3)} }},
		{"coin to contracts that need much gas", func(e *evm) Call {
			c := Call{}
			inner := Call{Gas: 1_000_000, Payments: []Payment{{bob, wallet.NewAmount(1)}}}
			for range 2 {
				c.Payments = append(c.Payments, Payment{e.create(chaintest.MoodyRecipient, recipientReenters, inner.encode()), wallet.NewAmount(1)})
			}
			return c
		}},
		{"tokens", func(e *evm) Call {
			return Call{Token: e.create(chaintest.MoodyToken), Payments: payments(3)}
		}},
		{"tokens that call others with nearly all they have", func(e *evm) Call {
			token := e.create(chaintest.MoodyToken)
			c := Call{Token: token, Payments: payments(2)}
			inner := Call{Token: token, Gas: 0, Payments: []Payment{{alice, wallet.NewAmount(1)}}}
			for _, call := range [][]any{{"reenterWith", inner.encode()}, {"set", c.Payments[1].To, tokenReenter}} {
				data, err := chaintest.MoodyToken.Call(call[0].(string), call[1:]...)
				if err != nil {
					e.t.Fatal(err)
				}
				if _, _, err := runtime.Call(token, data, &runtime.Config{Origin: e.payer, State: e.state, GasLimit: 10_000_000}); err != nil {
					e.t.Fatal(err)
				}
			}
			return c
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEVM(t)
			c := test.call(e)
			c.Gas = e.least(c)
			limit := c.GasLimit() - 21_000
			if made, returned, err := e.call(c, limit); err != nil || len(made) != len(c.Payments) || !all(made) {
				t.Fatalf("with the limit: %v, %x, %v", made, returned, err)
			}
			told, enough := 0, uint64(0)
			for gas := uint64(0); gas < limit; gas += 29 {
				made, returned, err := e.call(c, gas)
				switch {
				case err == nil && len(made) == len(c.Payments) && all(made):
					if enough == 0 {
						enough = gas
					}
					// It has been enough for a while: nothing changes any more.
					if gas > enough+2000 {
						t.Logf("%d gas is enough, the limit is %d", enough, limit)
						if told == 0 {
							t.Error("no limit was refused by the contract")
						}
						return
					}
				case err == nil:
					t.Fatalf("with %d gas it succeeds, but %v is paid", gas, made)
				case enough > 0:
					t.Fatalf("with %d gas it fails, and with %d it did not", gas, enough)
				case errors.Is(err, vm.ErrExecutionReverted) && reasonOf(contract, returned) == "TooLittleGas":
					told++
				}
			}
		})
	}
}

// Gas for each of n recipients, paid together, allowance included, and paid one by
// one, to recipients that never held coin or token and to some that do. It prints
// what docs/performance.md says.
func BenchmarkGas(b *testing.B) {
	for _, kind := range []string{"token", "coin"} {
		for _, n := range []int{10, 100, 300} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				w := simulated(b, chaintest.SimulatedOptions{})
				c := Call{Gas: 10_000}
				for i := range n {
					to := common.BytesToAddress(crypto.Keccak256(big.NewInt(int64(i)).Bytes()))
					c.Payments = append(c.Payments, Payment{to, wallet.NewAmount(1_234_567_890_123_456)})
				}
				if kind == "token" {
					c.Token, c.Gas = w.deploy(chaintest.Token, "Token", "TOK", uint8(18), new(big.Int).Mul(ether, big.NewInt(1000))), 45_000
				}
				for b.Loop() { // what is measured is no time
				}
				for _, who := range []string{"new", "known"} {
					together := w.gas(c)
					alone := w.alone(c, common.BytesToAddress(crypto.Keccak256([]byte("single"))))
					b.ReportMetric(float64(together)/float64(n), "gas/"+who)
					b.ReportMetric(float64(alone), "gas/single-"+who)
					b.ReportMetric(float64(together)/float64(n)/float64(alone), "x-single-"+who)
				}
			})
		}
	}
}

// gas is what the call takes, and what it takes to allow it.
func (w *world) gas(c Call) (gas uint64) {
	w.t.Helper()
	if c.Token != (common.Address{}) {
		gas = w.succeeds(chaintest.Call{To: &c.Token, Data: ApproveData(c.Sum())}).GasUsed
	}
	made, receipt := w.pays(c)
	if !all(made) {
		w.t.Fatal(made)
	}
	return gas + receipt.GasUsed
}

// alone is what a payment like the first of the call takes as a transaction of its
// own.
func (w *world) alone(c Call, to common.Address) uint64 {
	w.t.Helper()
	single := chaintest.Call{To: &to, Wei: c.Payments[0].Amount.Big()}
	if c.Token != (common.Address{}) {
		data, err := chaintest.Token.Call("transfer", to, single.Wei)
		w.must(err)
		single = chaintest.Call{To: &c.Token, Data: data}
	}
	return w.succeeds(single).GasUsed
}
