package multipay

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func TestContractIsCurrent(t *testing.T) {
	chaintest.CheckContracts(t, "contracts")
}

// The address is where funds' allowances go. It changes with the code alone, which
// is then another contract, to be reviewed and deployed again.
func TestAddress(t *testing.T) {
	if want := common.HexToAddress("0xDAf12aF5A086422DAa451C9d4Ed370b36020e639"); Address() != want {
		t.Errorf("%s, want %s", Address(), want)
	}
}

// The page of formats says where the contract lies and how it is called.
func TestFormatsAreTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		Address().Hex(), Factory.Hex(), RuntimeHash().Hex(), PaidTopic.Hex(), salt.Hex(),
		fmt.Sprintf("`%x`", tokensSelector), fmt.Sprintf("`%x`", coinSelector),
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("docs/formats.md has no %s", want)
		}
	}
}

// The transaction that creates the factory does so at its address, for everybody.
func TestFactoryTransaction(t *testing.T) {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(FactoryTransaction); err != nil {
		t.Fatal(err)
	}
	sender, err := types.Sender(types.HomesteadSigner{}, &tx)
	if err != nil || sender != FactoryDeployer || tx.To() != nil || tx.Protected() || crypto.CreateAddress(sender, tx.Nonce()) != Factory {
		t.Errorf("it is of %s, %v", sender, err)
	}
	if cost := tx.Cost().Uint64(); cost != FactoryCost {
		t.Errorf("it costs %d", cost)
	}
}

// The code lies where it is expected, on every kind of node, and the contract does
// not take ether that belongs to no payment.
func TestDeploy(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		got, err := w.Client().CodeAt(w.ctx, Address(), nil)
		w.must(err)
		if crypto.Keccak256Hash(got) != RuntimeHash() || !bytes.Equal(got, code.Runtime) {
			t.Errorf("%x lies at %s", got, Address())
		}
		to := Address()
		for _, call := range []chaintest.Call{
			{To: &to, Wei: ether, Gas: 100_000},
			{To: &to, Data: []byte{1, 2, 3, 4}, Gas: 100_000},
			{To: &Factory, Data: DeployData(), Gas: 1_000_000}, // a second time
		} {
			if receipt := w.mined(call); receipt.Status == types.ReceiptStatusSuccessful {
				t.Errorf("%x with %s is taken by %s", call.Data, call.Wei, call.To)
			}
		}
	})
}
