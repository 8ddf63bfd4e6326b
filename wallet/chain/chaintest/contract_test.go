package chaintest_test

import (
	"math/big"
	"testing"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// Parting's heir is paid without being called.
func TestParting(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	code, err := chaintest.Parting.Create(alice)
	must(t, err)
	tx, err := s.Send(ctx, chaintest.Call{Wei: ether, Data: code})
	must(t, err)
	settle(t, s, tx)
	balance, err := s.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, ether)
}

func TestCreateRefusesArguments(t *testing.T) {
	if _, err := chaintest.Token.Create("only a name"); err == nil {
		t.Error("a token was made of a name alone")
	}
	if _, err := chaintest.Token.Call("mint", big.NewInt(1)); err == nil {
		t.Error("a method that the contract lacks was called")
	}
}

// The compiled contracts are those of the sources and of the pinned compiler.
func TestContractsAreCurrent(t *testing.T) {
	chaintest.CheckContracts(t, "contracts")
}
