package payout

import (
	"errors"
	"math/big"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

func TestPaidOnceFromRequestToConfirmation(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("coin", "alice", coinID, ether, someone("coin"))
	w.request("token", "alice", w.tokenID(), wallet.NewAmount(1_250_000), someone("token"))
	w.request("house", wallet.House, coinID, wallet.NewAmount(5), someone("house"))
	w.approve("coin", "token", "house")
	b := w.build()
	if n := len(b.Batch.Items); n != 3 {
		t.Fatalf("the batch has %d items: %v", n, b.LeftOut)
	}
	if sent := w.broadcast(b.Batch); sent.Accepted != 3 {
		t.Fatalf("sent: %+v", sent)
	}
	if sent := w.broadcast(b.Batch); sent.AlreadyKnown != 3 || sent.Accepted != 0 {
		t.Fatalf("sent again: %+v", sent)
	}
	w.mine(1)
	w.scan()
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Mined != 3 || r.Confirmed != 0 || r.Pending != 3 {
		t.Fatalf("before finality: %+v", r)
	}
	w.status("coin", wallet.WithdrawalMined)
	if r := w.finish(); r.Confirmed != 3 || r.Pending != 0 {
		t.Fatalf("at finality: %+v", r)
	}
	if r := w.finish(); r.Changed() {
		t.Fatalf("after finality: %+v", r)
	}
	for id, want := range map[string]wallet.Amount{"coin": ether, "house": wallet.NewAmount(5)} {
		w.status(id, wallet.WithdrawalConfirmed)
		if got := w.got(coinID, someone(id)); got.Cmp(want) != 0 {
			t.Errorf("%s got %s, want %s", id, got, want)
		}
	}
	if got := w.got(w.tokenID(), someone("token")); got.String() != "1250000" {
		t.Errorf("token got %s", got)
	}
	w.balanced()
	if paid, pending := w.balance("alice", coinID, wallet.Paid), w.balance("alice", coinID, wallet.Pending); paid.Cmp(ether) != 0 || !pending.IsZero() {
		t.Errorf("alice has paid %s, pending %s", paid, pending)
	}
	want := map[wallet.EventType]int{wallet.WithdrawalBroadcastEvent: 3, wallet.WithdrawalConfirmedEvent: 3}
	have := w.events()
	for _, e := range wallet.EventTypes() {
		if have[e] != want[e] {
			t.Errorf("%d events of %s, want %d", have[e], e, want[e])
		}
	}
}

func TestSignedFileOfADiscardedBatchIsThePayment(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	first := w.build()
	signed := sign(w, first.Batch)
	_, err := w.s.Discard(w.ctx, first.Batch.ID)
	w.must(err)
	w.status("w", wallet.WithdrawalApproved)
	if _, err := w.s.Reject(w.ctx, []string{"w"}, "too late"); !errors.Is(err, wallet.ErrConflict) {
		t.Fatalf("a bound withdrawal was rejected: %v", err)
	}
	if _, err := w.s.TakeIn(w.ctx, w.file(signed)); !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("a discarded batch was taken in: %v", err)
	}
	// The copy is sent by somebody else.
	w.must(w.client.SendRawTransaction(w.ctx, signed.Transactions[0][0].Raw))
	second := w.build()
	if a, b := first.Batch.Items[0], second.Batch.Items[0]; a.Nonce != b.Nonce || a.To != b.To || a.Value.Cmp(b.Value) != 0 {
		t.Fatalf("built again as %+v, was %+v", b, a)
	}
	w.broadcast(second.Batch)
	w.finish()
	w.finish()
	w.status("w", wallet.WithdrawalConfirmed)
	if got := w.got(coinID, someone("w")); got.Cmp(ether) != 0 {
		t.Fatalf("paid %s", got)
	}
	w.balanced()
}

func TestPaymentWithAlteredFeesIsThePayment(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", w.tokenID(), wallet.NewAmount(77), someone("w"))
	w.approve("w")
	b := w.build()
	item := b.Batch.Items[0]
	_, err := w.sim.CommitOnly(w.foreign(item.Nonce, item.To, item.Value.Big(), item.Data))
	w.must(err)
	w.finish()
	w.status("w", wallet.WithdrawalConfirmed)
	w.balanced()
}

func TestForeignTransactionFreesTheWithdrawalAtFinality(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	b := w.build()
	w.broadcast(b.Batch)
	nonce := b.Batch.Items[0].Nonce
	_, err := w.sim.CommitOnly(w.foreign(nonce, someone("else"), big.NewInt(3), nil))
	w.must(err)
	w.scan()
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Replaced != 0 {
		t.Fatalf("released before finality: %+v", r)
	}
	if v := w.show("w"); v.Nonce == nil || *v.Nonce != nonce {
		t.Fatalf("unbound before finality: %+v", v)
	}
	if r := w.finish(); r.Replaced != 1 {
		t.Fatalf("at finality: %+v", r)
	}
	w.status("w", wallet.WithdrawalApproved)
	again := w.build()
	if n := again.Batch.Items[0].Nonce; n != nonce+1 {
		t.Fatalf("built at nonce %d, want %d", n, nonce+1)
	}
	w.broadcast(again.Batch)
	w.finish()
	w.status("w", wallet.WithdrawalConfirmed)
	if got := w.got(coinID, someone("w")); got.Cmp(ether) != 0 {
		t.Fatalf("paid %s", got)
	}
	w.balanced()
}

func TestReorgPutsAPaymentBackOnItsWay(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	w.broadcast(w.build().Batch)
	w.mine(1)
	w.scan()
	_, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	w.status("w", wallet.WithdrawalMined)
	w.must(w.sim.Reorg(w.ctx, 1))
	w.sim.Rollback() // every pool lost it
	w.mine(1)
	w.scan()
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Returned != 1 || r.Rebroadcast != 1 {
		t.Fatalf("after the reorg: %+v", r)
	}
	w.status("w", wallet.WithdrawalBroadcast)
	w.finish()
	w.status("w", wallet.WithdrawalConfirmed)
	w.balanced()
}

func TestDroppedFromThePoolIsOfferedAgain(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	w.broadcast(w.build().Batch)
	w.sim.Rollback()
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Rebroadcast != 1 || r.Dropped != 1 || r.Accepted != 1 {
		t.Fatalf("not offered again: %+v", r)
	}
	r, err = w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Rebroadcast != 0 || r.Dropped != 0 {
		t.Fatalf("offered again what a node has: %+v", r)
	}
	w.finish()
	w.status("w", wallet.WithdrawalConfirmed)
}

func TestRevertedPaymentFailsAndReleases(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	// The payout key once allowed the faucet to spend its tokens.
	nonce, err := w.client.NonceAt(w.ctx, payoutAddress, nil)
	w.must(err)
	faucet := w.sim.Faucet().Address
	allow, err := chaintest.Token.Call("approve", faucet, big.NewInt(1e15))
	w.must(err)
	_, err = w.sim.CommitOnly(w.foreign(nonce, w.token, new(big.Int), allow))
	w.must(err)
	w.finish()
	_, err = w.s.Accept(w.ctx, w.client, payoutAddress, nonce, "")
	w.must(err)

	w.request("w", "alice", w.tokenID(), wallet.NewAmount(1_000_000), someone("w"))
	w.approve("w")
	b := w.build()
	drain, err := chaintest.Token.Call("transferFrom", payoutAddress, faucet, w.got(w.tokenID(), payoutAddress).Big())
	w.must(err)
	tx, err := w.sim.Send(w.ctx, chaintest.Call{To: &w.token, Data: drain})
	w.must(err)
	_, err = w.sim.Settle(w.ctx, tx)
	w.must(err)
	w.broadcast(b.Batch)
	if pending := w.balance("alice", w.tokenID(), wallet.Pending); pending.String() != "1000000" {
		t.Fatalf("pending %s", pending)
	}
	if r := w.finish(); r.Failed != 1 {
		t.Fatalf("%+v", r)
	}
	w.status("w", wallet.WithdrawalFailed)
	if v := w.show("w"); v.Fee == nil || v.Reason == "" {
		t.Errorf("no fee or reason: %+v", v)
	}
	if pending, available := w.balance("alice", w.tokenID(), wallet.Pending), w.balance("alice", w.tokenID(), wallet.Available); !pending.IsZero() || available.String() != "5000000000" {
		t.Errorf("alice has %s available and %s pending", available, pending)
	}
	if n := w.events()[wallet.WithdrawalFailedEvent]; n != 1 {
		t.Errorf("%d events of failure", n)
	}
	w.balanced()
}

func TestWithdrawalToOurDepositAddressIsADepositToo(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("coin", wallet.House, coinID, ether, aliceDeposit)
	w.request("token", wallet.House, w.tokenID(), wallet.NewAmount(9), aliceDeposit)
	w.approve("coin", "token")
	before := w.balance("alice", coinID, wallet.Available)
	w.broadcast(w.build().Batch)
	w.finish()
	w.status("coin", wallet.WithdrawalConfirmed)
	w.status("token", wallet.WithdrawalConfirmed)
	w.balanced()
	if got := w.balance("alice", coinID, wallet.Available).Sub(before); got.Cmp(ether) != 0 {
		t.Errorf("alice was credited %s", got)
	}
}

func TestUnexplainedNonceBlocksBuilding(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	next, err := w.client.NonceAt(w.ctx, payoutAddress, nil)
	w.must(err)
	_, err = w.sim.CommitOnly(w.foreign(next, someone("else"), big.NewInt(3), nil))
	w.must(err)
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	build := func() error {
		_, err := w.s.Build(w.ctx, w.client, BuildOptions{})
		return err
	}
	if err := build(); !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("built before scanning: %v", err)
	}
	doubts, err := w.s.Doubts(w.ctx, w.client)
	w.must(err)
	if len(doubts) != 1 || doubts[0].Kind != outgoing.DoubtUnseen {
		t.Fatalf("doubts: %+v", doubts)
	}
	w.finish()
	if err := build(); !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("built before resolving: %v", err)
	}
	if doubts, err = w.s.Doubts(w.ctx, w.client); err != nil || len(doubts) != 1 || !doubts[0].Acceptable || doubts[0].Kind != outgoing.DoubtUnexplained {
		t.Fatalf("doubts: %+v, %v", doubts, err)
	}
	a, err := w.s.Accept(w.ctx, w.client, payoutAddress, next, "")
	w.must(err)
	if a.Withdrawal != "" {
		t.Fatalf("attributed to %s", a.Withdrawal)
	}
	if b := w.build(); b.Batch.Items[0].Nonce != next+1 {
		t.Fatalf("built at %d", b.Batch.Items[0].Nonce)
	}
	if doubts, err = w.s.Doubts(w.ctx, w.client); err != nil || len(doubts) != 0 {
		t.Fatalf("doubts: %+v, %v", doubts, err)
	}
	w.balanced()
}

// A store that was put back to before a batch was built has forgotten its
// payments. Their transactions are found, and pay what was asked for.
func TestRestoredStorePaysNothingTwice(t *testing.T) {
	n := newNetwork(t)
	old := n.newWorld(t, t.TempDir())
	restored := n.newWorld(t, t.TempDir())
	for _, w := range []*world{old, restored} {
		w.request("one", "alice", coinID, ether, someone("one"))
		w.request("two", "alice", coinID, ether, someone("two"))
		w.approve("one", "two")
	}
	b := old.build()
	old.broadcast(b.Batch)
	w := restored
	r := w.finish()
	if r.Held != 2 || r.Confirmed != 0 {
		t.Fatalf("the restored store: %+v", r)
	}
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("the restored store builds: %v", err)
	}
	if _, err := w.s.Accept(w.ctx, w.client, payoutAddress, b.Batch.Items[1].Nonce, ""); !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("accepted out of order: %v", err)
	}
	for i, id := range []string{"one", "two"} {
		a, err := w.s.Accept(w.ctx, w.client, payoutAddress, b.Batch.Items[i].Nonce, "")
		w.must(err)
		if a.Withdrawal != id {
			t.Fatalf("attributed to %q, want %s", a.Withdrawal, id)
		}
		w.status(id, wallet.WithdrawalConfirmed)
	}
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
		t.Fatalf("the restored store builds again: %v", err)
	}
	w.balanced()
}

// A foreign transaction at a bound nonce that pays another open withdrawal
// must not let that one be paid again.
func TestForeignPaymentOfAnotherWithdrawalIsHeld(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("one", "alice", coinID, ether, someone("one"))
	w.request("two", "alice", coinID, ether.Mul(2), someone("two"))
	w.approve("one")
	b := w.build()
	_, err := w.sim.CommitOnly(w.foreign(b.Batch.Items[0].Nonce, someone("two"), ether.Mul(2).Big(), nil))
	w.must(err)
	if r := w.finish(); r.Held != 1 || r.Replaced != 0 {
		t.Fatalf("%+v", r)
	}
	if v := w.show("one"); v.Nonce == nil {
		t.Fatalf("released: %+v", v)
	}
	// "two" was never built: what paid it counts for it, and "one" is free.
	nonce := b.Batch.Items[0].Nonce
	a, err := w.s.Accept(w.ctx, w.client, payoutAddress, nonce, "")
	w.must(err)
	if a.Withdrawal != "two" {
		t.Fatalf("attributed to %q", a.Withdrawal)
	}
	w.status("two", wallet.WithdrawalConfirmed)
	w.status("one", wallet.WithdrawalApproved)
	again := w.build()
	if len(again.Batch.Items) != 1 || again.Batch.Items[0].Nonce != nonce+1 {
		t.Fatalf("built %+v", again.Batch.Items)
	}
	w.broadcast(again.Batch)
	w.finish()
	w.status("one", wallet.WithdrawalConfirmed)
	w.balanced()
}

// The same where the other withdrawal has a nonce of its own: a signed file may
// pay it there, too, so nothing is released.
func TestForeignPaymentOfABoundWithdrawalIsNotAccepted(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("one", "alice", coinID, ether, someone("one"))
	w.request("two", "alice", coinID, ether.Mul(2), someone("two"))
	w.approve("one", "two")
	b := w.build()
	_, err := w.sim.CommitOnly(w.foreign(b.Batch.Items[0].Nonce, someone("two"), ether.Mul(2).Big(), nil))
	w.must(err)
	if r := w.finish(); r.Held != 1 || r.Replaced != 0 {
		t.Fatalf("%+v", r)
	}
	if _, err := w.s.Accept(w.ctx, w.client, payoutAddress, b.Batch.Items[0].Nonce, ""); !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("accepted: %v", err)
	}
	if v := w.show("one"); v.Nonce == nil {
		t.Fatalf("released: %+v", v)
	}
}

func TestHaltStopsBuildingAndSending(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("a", "alice", coinID, ether, someone("a"))
	w.request("b", "alice", coinID, ether, someone("b"))
	w.approve("a")
	built := w.build()
	w.approve("b")
	_, err := w.s.Halt(w.ctx, "a drill")
	w.must(err)
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("built: %v", err)
	}
	if _, err := w.s.TakeIn(w.ctx, w.file(sign(w, built.Batch))); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("taken in: %v", err)
	}
	_, _, err = w.s.Resume(w.ctx)
	w.must(err)
	_, err = w.s.TakeIn(w.ctx, w.file(sign(w, built.Batch)))
	w.must(err)
	_, err = w.s.Halt(w.ctx, "a drill")
	w.must(err)
	if _, err := w.s.Offer(w.ctx, w.client, built.Batch.ID); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("offered: %v", err)
	}
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Rebroadcast != 0 || r.Pending != 1 {
		t.Errorf("confirm while halted: %+v", r)
	}
}

func TestBuildLeavesOutAlone(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	forwarder, err := w.sim.Deploy(w.ctx, chaintest.Forwarder)
	w.must(err)
	w.scan()
	w.request("reverts", "alice", coinID, ether, w.usdt())
	w.request("contract", "alice", coinID, ether, forwarder)
	w.request("rich", wallet.House, coinID, ether.Mul(5000), someone("rich"))
	w.request("good", "alice", coinID, ether, someone("good"))
	w.approve("reverts", "contract", "rich", "good")
	b, err := w.s.Build(w.ctx, w.client, BuildOptions{Caps: Caps{Coin: 60_000}})
	w.must(err)
	left := map[string]bool{}
	for _, l := range b.LeftOut {
		left[l.ID] = true
		if w.show(l.ID).Reason != l.Reason || l.Reason == "" {
			t.Errorf("%s: reason %q is not stored", l.ID, l.Reason)
		}
	}
	if len(b.Batch.Items) != 1 || b.Batch.Items[0].Intent.ID != "good" || !left["reverts"] || !left["contract"] || !left["rich"] {
		t.Fatalf("built %d, left out %v", len(b.Batch.Items), b.LeftOut)
	}
	// With room, the contract gets what it needs and half as much again.
	b = w.build()
	if it := b.Batch.Items[0]; it.Intent.ID != "contract" || it.Gas < 60_000 {
		t.Fatalf("built %+v", it)
	}
}

func TestProgressIsHeard(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.scan()
	w.request("one", "alice", coinID, ether, someone("one"))
	w.request("two", "alice", coinID, ether, someone("two"))
	w.approve("one", "two")
	var estimates atomic.Int64
	b, err := w.s.Build(w.ctx, w.client, BuildOptions{Expiry: testExpiry, Progress: func() { estimates.Add(1) }})
	w.must(err)
	var offered []int
	w.s.Offered = func(done int) { offered = append(offered, done) }
	w.broadcast(b.Batch)
	if estimates.Load() != 2 || !slices.Equal(offered, []int{2}) {
		t.Errorf("heard of %d estimates and offers %v", estimates.Load(), offered)
	}
}

// usdt is a contract that takes no ether. It is not registered as a token.
func (w *world) usdt() common.Address {
	w.Helper()
	a, err := w.sim.Deploy(w.ctx, chaintest.USDTLike, big.NewInt(1))
	w.must(err)
	return a
}

func TestRebuiltFeesReplaceWhatIsInThePool(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	b := w.build()
	_, err := w.s.TakeIn(w.ctx, w.file(sign(w, b.Batch)))
	w.must(err)
	w.must(w.client.SendRawTransaction(w.ctx, sign(w, b.Batch).Transactions[0][0].Raw))
	_, err = w.s.Discard(w.ctx, b.Batch.ID)
	w.must(err)
	w.time = w.time.Add(time.Hour)
	if sent := w.broadcast(w.build().Batch); sent.Accepted != 1 {
		t.Fatalf("the node did not take the replacement: %+v", sent)
	}
	w.finish()
	w.status("w", wallet.WithdrawalConfirmed)
	w.balanced()
}
