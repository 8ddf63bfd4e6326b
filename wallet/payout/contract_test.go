package payout

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// deployed is a world with the contract on its chain.
func deployed(t *testing.T) *world {
	t.Helper()
	return deployedOn(t, newNetwork(t))
}

func deployedOn(t *testing.T, n *network) *world {
	t.Helper()
	tx, err := n.Send(t.Context(), chaintest.Call{To: &multipay.Factory, Data: multipay.DeployData()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Settle(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	if err := n.Finalize(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n.newWorld(t, t.TempDir())
}

func (w *world) buildMany() Built {
	w.Helper()
	built, err := w.s.Build(w.ctx, w.client, BuildOptions{Contract: true, Expiry: testExpiry})
	w.must(err)
	return built
}

// tokens gives the payout address some more.
func (w *world) tokens(n int64) {
	w.Helper()
	_, err := w.sim.TransferToken(w.ctx, w.token, payoutAddress, big.NewInt(n))
	w.must(err)
	w.mine(1)
	w.scan()
}

// many asks for n withdrawals of 1, 2, 3 … tokens of alice's and approves them.
func (w *world) many(n int) (ids []string, sum wallet.Amount) {
	w.Helper()
	for i := range n {
		id, amount := fmt.Sprintf("m-%d", i), wallet.NewAmount(int64(i)+1)
		w.request(id, "alice", w.tokenID(), amount, someone(id))
		ids, sum = append(ids, id), sum.Add(amount)
	}
	w.approve(ids...)
	return ids, sum
}

// Many withdrawals are paid by one transaction and confirmed each, coin goes alone,
// and the books balance.
func TestManyInOneTransaction(t *testing.T) {
	w := deployed(t)
	const n = 40
	ids, sum := w.many(n)
	before := w.balance("alice", w.tokenID(), wallet.Available)
	w.request("coin", "alice", coinID, wallet.NewAmount(5), someone("coin"))
	w.approve("coin")
	built := w.buildMany()
	if len(built.LeftOut) > 0 || len(built.Batch.Items) != 3 || len(built.Batch.Withdrawals()) != n+1 {
		t.Fatalf("%d items with %d withdrawals, left out %v", len(built.Batch.Items), len(built.Batch.Withdrawals()), built.LeftOut)
	}
	w.broadcast(built.Batch)
	w.finish()
	w.finish() // the payments wait for their allowance
	for i, id := range append(ids, "coin") {
		w.status(id, wallet.WithdrawalConfirmed)
		if v := w.show(id); v.Fee == nil || v.TxHash == nil {
			t.Errorf("%s is confirmed without fee or hash", id)
		}
		if i < n {
			if got := w.got(w.tokenID(), someone(id)); got.Cmp(wallet.NewAmount(int64(i)+1)) != 0 {
				t.Errorf("%s got %s", id, got)
			}
		}
	}
	if left := w.balance("alice", w.tokenID(), wallet.Available); left.Cmp(before) != 0 {
		t.Errorf("alice has %s, and had %s when %s was set aside", left, before, sum)
	}
	if pending := w.balance("alice", w.tokenID(), wallet.Pending); !pending.IsZero() {
		t.Errorf("%s are still set aside", pending)
	}
	if got := w.events()[wallet.WithdrawalConfirmedEvent]; got != n+1 {
		t.Errorf("%d are told to be confirmed", got)
	}
	w.balanced()
}

// A discarded batch is built again, at its own nonces and with the same withdrawals.
func TestManyAreBuiltAgain(t *testing.T) {
	w := deployed(t)
	ids, _ := w.many(3)
	first := w.buildMany()
	if _, err := w.s.Discard(w.ctx, first.Batch.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		w.status(id, wallet.WithdrawalApproved)
	}
	again := w.buildMany()
	if len(again.Batch.Items) != len(first.Batch.Items) {
		t.Fatalf("%d items, and %d before", len(again.Batch.Items), len(first.Batch.Items))
	}
	for i := range first.Batch.Items {
		a, b := &first.Batch.Items[i], &again.Batch.Items[i]
		if a.Nonce != b.Nonce || a.Intent.Name() != b.Intent.Name() || string(a.Data) != string(b.Data) || a.Requires != b.Requires || len(a.Payments) != len(b.Payments) {
			t.Errorf("item %d is %+v, and was %+v", i, b, a)
		}
	}
	w.broadcast(again.Batch)
	w.finish()
	w.finish()
	for _, id := range ids {
		w.status(id, wallet.WithdrawalConfirmed)
	}
	w.balanced()
}

// A payment that fails alone fails its withdrawal alone: its funds come back.
func TestOneOfManyFails(t *testing.T) {
	n := newNetwork(t)
	// The faucet may move the payout address's tokens, and leaves too few of them.
	data, err := chaintest.Token.Call("approve", n.sim.Faucet().Address, big.NewInt(1e15))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := types.SignNewTx(keyOf(wallet.Path{Role: wallet.PayoutRole}), types.LatestSignerForChainID(big.NewInt(chaintest.SimulatedChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chaintest.SimulatedChainID), To: &n.token, Data: data, Gas: 100_000, GasFeeCap: big.NewInt(100e9), GasTipCap: big.NewInt(1e9),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.sim.Client().SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	if _, err := n.sim.Settle(t.Context(), tx.Hash()); err != nil {
		t.Fatal(err)
	}
	w := deployedOn(t, n)
	ids, _ := w.many(3)
	built := w.buildMany()
	lies, err := n.sim.TokenBalance(t.Context(), n.token, payoutAddress)
	w.must(err)
	if data, err = chaintest.Token.Call("transferFrom", payoutAddress, someone("thief"), lies.Sub(lies, big.NewInt(3))); err != nil {
		t.Fatal(err)
	}
	stolen, err := n.sim.Send(t.Context(), chaintest.Call{To: &n.token, Data: data})
	w.must(err)
	if _, err := n.sim.Settle(t.Context(), stolen); err != nil {
		t.Fatal(err)
	}
	w.broadcast(built.Batch)
	w.finish()
	w.finish()
	w.status(ids[0], wallet.WithdrawalConfirmed)
	w.status(ids[1], wallet.WithdrawalConfirmed)
	w.status(ids[2], wallet.WithdrawalFailed)
	if v := w.show(ids[2]); !strings.Contains(v.Reason, "failed") {
		t.Errorf("its reason is %q", v.Reason)
	}
	if pending := w.balance("alice", w.tokenID(), wallet.Pending); !pending.IsZero() {
		t.Errorf("%s are still set aside", pending)
	}
	if e := w.events(); e[wallet.WithdrawalConfirmedEvent] != 2 || e[wallet.WithdrawalFailedEvent] != 1 {
		t.Errorf("events %v", e)
	}
	// The allowance that is left is set to 0 before the next one.
	w.request("next", "alice", w.tokenID(), wallet.NewAmount(1), someone("next"))
	w.approve("next")
	w.tokens(10)
	next := w.buildMany().Batch
	if len(next.Items) != 3 || !next.Items[0].Intent.Amount.IsZero() || next.Items[1].Intent.Kind != wallet.IntentAllowance || next.Items[2].Requires != 1 {
		t.Errorf("items %+v", next.Items)
	}
}

// Without the contract nothing is built for it.
func TestNoContract(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.many(2)
	_, err := w.s.Build(w.ctx, w.client, BuildOptions{Contract: true, Expiry: testExpiry})
	if !errors.Is(err, ErrNoContract) || !errors.Is(err, wallet.ErrRefused) || !strings.Contains(wallet.Hint(err), "contract deploy") {
		t.Errorf("%v, %s", err, wallet.Hint(err))
	}
}

// Coin is paid through the contract only where it is asked for. A recipient that
// refuses gets nothing: what was meant for it comes back to the sender, its withdrawal
// fails alone, and the books balance.
func TestCoinOfManyIsRefused(t *testing.T) {
	t.Run("untraced", func(t *testing.T) { coinIsRefused(t, newNetwork(t)) })
	t.Run("traced", func(t *testing.T) {
		n := onNetwork(t, chaintest.NewAnvil(t, chaintest.AnvilOptions{ChainID: chaintest.SimulatedChainID}))
		var err error
		if n.client, err = chain.Dial(t.Context(), chain.Options{ChainID: n.ChainID(), URLs: []string{n.URL()}, Trace: true}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.client.Close)
		coinIsRefused(t, n)
	})
}

func coinIsRefused(t *testing.T, n *network) {
	w := deployedOn(t, n)
	// It has no code while the batch is built.
	nonce, err := n.Client().PendingNonceAt(t.Context(), n.Faucet().Address)
	w.must(err)
	refuser := crypto.CreateAddress(n.Faucet().Address, nonce)
	for i, to := range []common.Address{someone("a"), refuser, someone("b")} {
		w.request(fmt.Sprint("c-", i), "alice", coinID, ether.Mul(uint64(i)+1), to)
	}
	w.approve("c-0", "c-1", "c-2")
	if alone, err := w.s.Estimate(w.ctx, w.client, BuildOptions{Contract: true, Expiry: testExpiry}); err != nil || len(alone.Batch.Items) != 3 {
		t.Fatalf("coin goes together though nobody asked: %v, %v", alone.Batch, err)
	}
	built, err := w.s.Build(w.ctx, w.client, BuildOptions{Contract: true, ContractCoin: true, Expiry: testExpiry, Cancel: true})
	w.must(err)
	if it := built.Batch.Items; len(it) != 1 || it[0].Intent.Kind != wallet.IntentPayments || it[0].Value.Cmp(ether.Mul(6)) != 0 || len(it[0].Payments) != 3 {
		t.Fatalf("items %+v", it)
	}
	if at, err := n.Deploy(t.Context(), chaintest.MoodyRecipient, uint8(1), []byte{}); err != nil || at != refuser {
		t.Fatalf("deployed at %s, want %s: %v", at, refuser, err)
	}
	free := w.balance("alice", coinID, wallet.Available)
	w.broadcast(built.Batch)
	// In the same block something else comes from a contract, which is a deposit.
	code, err := chaintest.Parting.Create(payoutAddress)
	w.must(err)
	_, err = n.Send(t.Context(), chaintest.Call{Wei: big.NewInt(7), Data: code})
	w.must(err)
	w.mine(1)
	sum, err := scanner.New(w.db.DB, w.client, w.ChainID(), scanner.Options{Now: w.s.Now}).Pass(w.ctx)
	if err != nil || sum.Deposits != 1 || sum.Untraceable != 0 {
		t.Errorf("scanned %+v, %v", sum, err)
	}
	w.finish()
	w.status("c-0", wallet.WithdrawalConfirmed)
	w.status("c-1", wallet.WithdrawalFailed)
	w.status("c-2", wallet.WithdrawalConfirmed)
	if got := w.got(coinID, refuser); !got.IsZero() {
		t.Errorf("who refuses got %s", got)
	}
	if got := w.got(coinID, someone("b")); got.Cmp(ether.Mul(3)) != 0 {
		t.Errorf("another got %s", got)
	}
	if now := w.balance("alice", coinID, wallet.Available); now.Cmp(free.Add(ether.Mul(2))) != 0 {
		t.Errorf("alice has %s, and had %s before 2 ether came back", now, free)
	}
	if pending := w.balance("alice", coinID, wallet.Pending); !pending.IsZero() {
		t.Errorf("%s are still set aside", pending)
	}
	w.finish()
	w.view(func(tx store.Tx) error { // anvil's own funds lie on alice's address
		have, err := store.LocationBalance(tx, payoutAddress, coinID)
		if want := w.got(coinID, payoutAddress); have.Cmp(want) != 0 {
			t.Errorf("the books say that %s is left, the chain says %s", have, want)
		}
		return err
	})
	// What came back is no deposit.
	if e := w.events(); e[wallet.DepositConfirmedEvent] != 1 || e[wallet.WithdrawalConfirmedEvent] != 2 || e[wallet.WithdrawalFailedEvent] != 1 {
		t.Errorf("events %v", e)
	}
}
