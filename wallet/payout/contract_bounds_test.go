package payout

import (
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Where the address that pays must not be built on, the contract is not deployed from
// it, whatever is to be built again on others.
func TestDeployFromASenderThatIsNotExplained(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	path := wallet.Path{Role: wallet.PayoutRole, Index: 1}
	second := addressOf(wallet.PayoutRole, 1)
	w.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: second, Path: path, Role: wallet.PayoutRole})
	})
	_, err := w.Fund(w.ctx, second, new(big.Int).Mul(big.NewInt(10), ether.Big()))
	w.must(err)
	w.mine(1)
	w.scan()
	for _, id := range []string{"a", "b"} {
		w.request(id, "alice", coinID, ether, someone(id))
		w.approve(id)
	}
	built, err := w.s.Build(w.ctx, w.client, BuildOptions{Senders: 2})
	w.must(err)
	if from := built.Batch.Items; len(from) != 2 || from[0].From == from[1].From {
		t.Fatalf("built %+v", from)
	}
	_, err = w.s.Discard(w.ctx, built.Batch.ID)
	w.must(err)
	w.foreignSent(0, someone("x"), nil)
	w.foreignSent(1, someone("x"), nil)
	if _, err := w.s.Deploy(w.ctx, w.client, BuildOptions{}); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("deployed: %v", err)
	}
}

// More withdrawals than a batch may pay are no reason to build none of them.
func TestMoreThanABatchMayPay(t *testing.T) {
	coin := wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	token := wallet.Asset{ID: wallet.Token(1, common.Address{9}), Symbol: "TUSD", Decimals: 6}
	sender := wallet.Address{Address: common.Address{1}, Path: wallet.Path{Role: wallet.PayoutRole}}
	l := &line{sender: sender, fresh: true}
	p := &planner{
		coin: coin, lines: []*line{l}, ladder: []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(10), MaxPriorityFeePerGas: wallet.NewAmount(1)}},
		caps: Caps{Coin: DefaultCoinCap, Token: DefaultTokenCap}, max: batch.MaxItems,
		funds: funds{{sender.Address, coin.ID}: ether, {sender.Address, token.ID}: wallet.NewAmount(1e9)},
	}
	list := make([]candidate, batch.MaxPayments/2+1)
	for i := range list {
		list[i] = candidate{asset: token, estimate: 50_000, from: l, w: wallet.Withdrawal{
			WithdrawalRequest: wallet.WithdrawalRequest{ID: fmt.Sprint(i), Asset: token.ID, Amount: wallet.NewAmount(1), To: common.Address{2}},
		}}
	}
	for range 2 {
		if err := p.share(l, list, false); err != nil {
			t.Fatal(err)
		}
	}
	paid := 0
	for i := range p.shared {
		paid += len(p.shared[i].Payments)
	}
	if paid != batch.MaxPayments || len(p.leftOut) != 0 {
		t.Errorf("%d are paid and %d left out, want %d and none", paid, len(p.leftOut), batch.MaxPayments)
	}
}
