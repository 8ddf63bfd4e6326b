package payout

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// approved makes a home in which alice asks for n payments of one ether each,
// all of them approved.
func approved(t *testing.T, n int) *world {
	t.Helper()
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.rungs = 1 // what has more is told of
	for i := range n {
		id := fmt.Sprintf("w%d", i)
		w.request(id, "alice", coinID, ether, someone(id))
		w.approve(id)
	}
	return w
}

func (w *world) cancel(id string, want outgoing.Action) {
	w.Helper()
	list, err := w.s.Cancel(w.ctx, []string{id})
	w.must(err)
	if list[0].Action != want {
		w.Fatalf("cancel %s: %s (%s), want %s", id, list[0].Action, list[0].Reason, want)
	}
}

func (w *world) bump(id string, want outgoing.Action) {
	w.Helper()
	list, err := w.s.Bump(w.ctx, []string{id})
	w.must(err)
	if list[0].Action != want {
		w.Fatalf("bump %s: %s (%s), want %s", id, list[0].Action, list[0].Reason, want)
	}
}

func (w *world) confirm() Report {
	w.Helper()
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	return r
}

func (w *world) slot(nonce uint64) (o wallet.Outgoing) {
	w.Helper()
	w.view(func(tx store.Tx) (err error) {
		o, _, err = store.OutgoingAt(tx, wallet.Slot{ChainID: w.s.Chain, Sender: payoutAddress, Nonce: nonce})
		return err
	})
	return o
}

// write writes a batch of an item that somebody changed, as a newer builder
// might make it.
func (w *world) write(b *batch.Batch, change func(*batch.Item)) *batch.Batch {
	w.Helper()
	made := *b
	w.update(func(tx store.Tx) error {
		items := append([]batch.Item{}, b.Items...)
		for i := range items {
			change(&items[i])
		}
		draft, err := outgoing.Draft(tx, b.Kind, b.ChainID, items, w.time, testExpiry)
		if err != nil {
			return err
		}
		made = *draft
		_, err = outgoing.Write(tx, draft)
		return err
	})
	return &made
}

// rebuilt discards a batch and writes its payments again, changed.
func (w *world) rebuilt(b *batch.Batch, change func(*batch.Item)) *batch.Batch {
	w.Helper()
	_, err := w.s.Discard(w.ctx, b.ID)
	w.must(err)
	return w.write(b, change)
}

// withCancel has a cancel signed together with an item.
func withCancel(it *batch.Item) {
	fee := batch.Bump(it.Rungs[len(it.Rungs)-1])
	it.Cancel = &batch.Cancel{Gas: batch.MinGas, MaxFeePerGas: fee.MaxFeePerGas, MaxPriorityFeePerGas: fee.MaxPriorityFeePerGas}
}

// twoRungs gives an item a ladder.
func twoRungs(it *batch.Item) { it.Rungs = append(it.Rungs, batch.Bump(it.Rungs[0])) }

func (w *world) nobodyPaid(ids ...string) {
	w.Helper()
	for _, id := range ids {
		if got := w.got(coinID, someone(id)); !got.IsZero() {
			w.Fatalf("%s was paid %s", id, got)
		}
	}
}

func (w *world) alice(pending, available int64) {
	w.Helper()
	for book, want := range map[wallet.Book]int64{wallet.Pending: pending, wallet.Available: available} {
		if have := w.balance("alice", coinID, book); have.Cmp(ether.Mul(uint64(want))) != 0 {
			w.Fatalf("alice has %s of %s, want %d ether", have, book, want)
		}
	}
}

func TestCancelBeforeABatch(t *testing.T) {
	w := approved(t, 2)
	w.alice(2, 48)
	w.cancel("w0", outgoing.ActionCanceled)
	w.cancel("w0", outgoing.ActionCanceled)
	w.status("w0", wallet.WithdrawalCanceled)
	w.alice(1, 49)
	if n := w.events()[wallet.WithdrawalCanceledEvent]; n != 1 {
		t.Errorf("%d events of a cancel, want 1", n)
	}
	if b := w.build().Batch; len(b.Items) != 1 || b.Items[0].Intent.ID != "w1" {
		t.Errorf("built %+v, want w1 only", b.Items)
	}
	for what, fn := range map[string]func() error{
		"approve": func() error { _, err := w.s.Approve(w.ctx, []string{"w0"}); return err },
		"reject":  func() error { _, err := w.s.Reject(w.ctx, []string{"w0"}, "no"); return err },
		"bump":    func() error { _, err := w.s.Bump(w.ctx, []string{"w0"}); return err },
	} {
		if err := fn(); !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("%s of what is canceled: %v", what, err)
		}
	}
}

// A cancel that was signed with the payment takes its nonce without another trip
// to the station, whether or not the payment went out before.
func TestCancelSignedBefore(t *testing.T) {
	for name, out := range map[string]bool{"kept back": false, "out": true} {
		t.Run(name, func(t *testing.T) {
			w := approved(t, 1)
			b := w.rebuilt(w.build().Batch, withCancel)
			if out {
				w.broadcast(b)
				w.status("w0", wallet.WithdrawalBroadcast)
			} else {
				_, err := w.s.TakeIn(w.ctx, w.file(sign(w, b)))
				w.must(err)
			}
			w.cancel("w0", outgoing.ActionOffer)
			if _, err := w.s.Approve(w.ctx, []string{"w0"}); !errors.Is(err, wallet.ErrConflict) {
				t.Errorf("approve of what is to be canceled: %v", err)
			}
			if r := w.confirm(); r.Rebroadcast != 1 || r.Refused != 0 {
				t.Fatalf("confirm: %+v, want the cancel offered", r)
			}
			if o := w.slot(0); !o.Cancellation().Holds(o.TxHash) || o.State != wallet.OutgoingAccepted {
				t.Errorf("the slot is %s with %s", o.State, o.TxHash)
			}
			if v := w.show("w0"); !strings.Contains(v.Reason, "its cancel 0x") {
				t.Errorf("reason %q", v.Reason)
			}
			w.mine(1)
			w.scan()
			w.confirm()
			w.status("w0", wallet.WithdrawalMined)
			w.alice(1, 49) // not final yet
			if r := w.finish(); r.Canceled != 1 {
				t.Errorf("confirm: %+v, want 1 canceled", r)
			}
			w.status("w0", wallet.WithdrawalCanceled)
			w.alice(0, 50)
			w.nobodyPaid("w0")
			w.balanced()
			events := w.events()
			if want := map[bool]int{true: 1}[out]; events[wallet.WithdrawalBroadcastEvent] != want || events[wallet.WithdrawalCanceledEvent] != 1 {
				t.Errorf("events %v, want %d of a broadcast and 1 of a cancel", events, want)
			}
		})
	}
}

// Without one, the next batch holds a cancel above all that was written for the
// nonce, also where no signature ever came back.
func TestCancelThroughABatch(t *testing.T) {
	for name, came := range map[string]string{"never signed": "", "out": "out", "discarded": "discarded", "signed and lost": "lost"} {
		t.Run(name, func(t *testing.T) {
			w := approved(t, 2)
			first := w.build().Batch
			signed := sign(w, first)
			switch came {
			case "out":
				w.broadcast(first)
			case "discarded":
				w.broadcastNothing(first)
				_, err := w.s.Discard(w.ctx, first.ID)
				w.must(err)
			}
			w.cancel("w0", outgoing.ActionBuild)
			w.cancel("w0", outgoing.ActionBuild)
			if r := w.confirm(); r.Rebroadcast > 1 {
				t.Errorf("confirm: %+v, want the payment not offered", r)
			}
			b := w.build().Batch
			it := b.Items[0]
			if it.Intent.Kind != wallet.IntentCancel || it.Nonce != 0 || it.Replaces != (wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w0"}) {
				t.Fatalf("built %+v, want a cancel of w0", it)
			}
			if least := batch.Bump(first.Items[0].Rungs[0]); it.Rungs[0].MaxFeePerGas.Cmp(least.MaxFeePerGas) < 0 || it.Rungs[0].MaxPriorityFeePerGas.Cmp(least.MaxPriorityFeePerGas) < 0 {
				t.Errorf("the cancel offers %v, want at least %v", it.Rungs[0], least)
			}
			w.cancel("w0", outgoing.ActionSign)
			if list, err := w.s.Build(w.ctx, w.client, BuildOptions{}); err == nil {
				t.Errorf("built another cancel: %+v", list.Batch.Items)
			}
			w.broadcast(b)
			if o := w.slot(0); o.Intent.ID != "w0" || !o.Cancellation().Holds(o.TxHash) {
				t.Errorf("the slot is %s's, with %s", o.Intent.ID, o.TxHash)
			}
			if came == "lost" { // and now whoever has the file sends it
				if err := w.client.SendRawTransaction(w.ctx, signed.Transactions[0][0].Raw); err == nil {
					t.Error("a node took the payment in place of its cancel")
				}
			}
			if r := w.finish(); r.Canceled != 1 {
				t.Errorf("confirm: %+v, want 1 canceled", r)
			}
			w.status("w0", wallet.WithdrawalCanceled)
			w.nobodyPaid("w0")
			w.alice(map[string]int64{"": 1, "out": 0, "discarded": 0, "lost": 1}[came], 49)
			w.balanced()
		})
	}
}

// broadcastNothing takes in a signed batch and sends none of it.
func (w *world) broadcastNothing(b *batch.Batch) {
	w.Helper()
	_, err := w.s.TakeIn(w.ctx, w.file(sign(w, b)))
	w.must(err)
}

// The payment may win the race against its cancel, in a block that leaves the
// chain, or for good.
func TestCancelThatLosesTheRace(t *testing.T) {
	w := approved(t, 1)
	b := w.rebuilt(w.build().Batch, withCancel)
	s := sign(w, b)
	w.broadcast(b)
	w.mine(1)
	w.scan()
	w.confirm()
	w.status("w0", wallet.WithdrawalMined)
	if _, err := w.s.Cancel(w.ctx, []string{"w0"}); !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "mined") {
		t.Fatalf("cancel of what is mined: %v", err)
	}
	w.must(w.sim.Reorg(w.ctx, 1))
	w.sim.Rollback() // the pool is lost too
	w.mine(2)
	w.scan()
	w.confirm()
	w.cancel("w0", outgoing.ActionOffer)
	w.confirm()
	w.mine(1) // the cancel
	w.scan()
	w.confirm()
	if o := w.slot(0); o.State != wallet.OutgoingMined || !o.Cancellation().Holds(o.TxHash) {
		t.Fatalf("the slot is %s with %s, want the cancel mined", o.State, o.TxHash)
	}
	w.cancel("w0", outgoing.ActionWait)
	w.must(w.sim.Reorg(w.ctx, 1))
	w.sim.Rollback()
	w.must(w.client.SendRawTransaction(w.ctx, s.Transactions[0][0].Raw)) // by somebody
	w.mine(2)
	w.scan()
	w.confirm()
	w.status("w0", wallet.WithdrawalMined)
	w.alice(1, 49)
	if r := w.finish(); r.Confirmed != 1 || r.Canceled != 0 {
		t.Errorf("confirm: %+v, want 1 confirmed", r)
	}
	w.status("w0", wallet.WithdrawalConfirmed)
	w.alice(0, 49)
	w.balanced()
	if n := w.events()[wallet.WithdrawalCanceledEvent]; n != 0 {
		t.Errorf("%d events of a cancel of what was paid", n)
	}
}

// Whatever takes the nonce of a payment that is to be canceled cancels it, if
// it pays nothing that anybody asked for.
func TestCancelBySomebodyElse(t *testing.T) {
	w := approved(t, 1)
	w.broadcastNothing(w.build().Batch)
	w.cancel("w0", outgoing.ActionBuild)
	_, err := w.sim.CommitOnly(w.foreign(0, someone("nobody"), big.NewInt(1), nil))
	w.must(err)
	w.scan()
	w.cancel("w0", outgoing.ActionWait)
	w.alice(1, 49)
	if r := w.finish(); r.Replaced != 1 {
		t.Errorf("confirm: %+v, want 1 replaced", r)
	}
	w.status("w0", wallet.WithdrawalCanceled)
	w.alice(0, 50)
	if list, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
		t.Errorf("built %+v, %v", list.Batch, err)
	}
	w.balanced()
}

// A cancel that the market outgrew is built again, higher.
func TestCancelAgainAboveTheMarket(t *testing.T) {
	w := approved(t, 1)
	b := w.rebuilt(w.build().Batch, withCancel)
	w.broadcastNothing(b)
	w.cancel("w0", outgoing.ActionOffer)
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
		t.Fatalf("a cancel that can be mined is built again: %v", err)
	}
	market := dearer{w.client, 20}
	built, err := w.s.Build(w.ctx, market, BuildOptions{})
	w.must(err)
	if it := built.Batch.Items[0]; it.Intent.Kind != wallet.IntentCancel || it.Rungs[0].MaxFeePerGas.Cmp(b.Items[0].Cancel.MaxFeePerGas.Mul(10)) < 0 {
		t.Errorf("built %+v, want a cancel at the market's price", it)
	}
	w.broadcast(built.Batch)
	w.finish()
	w.status("w0", wallet.WithdrawalCanceled)
	w.balanced()
}

// dearer is a node of a chain where gas costs more.
type dearer struct {
	Node
	times int64
}

func (d dearer) HeaderByNumber(ctx context.Context, n *big.Int) (*types.Header, error) {
	h, err := d.Node.HeaderByNumber(ctx, n)
	if err == nil {
		h.BaseFee = new(big.Int).Mul(h.BaseFee, big.NewInt(d.times))
	}
	return h, err
}

// What does not outbid all that was signed at its nonce is not written, since no
// node would take it, and neither is a cancel that nobody asked for.
func TestCancelMustOutbid(t *testing.T) {
	w := approved(t, 1)
	first := w.build().Batch
	w.broadcast(first)
	top := first.Items[0].Rungs[len(first.Items[0].Rungs)-1]
	it := emptied(wallet.Slot{ChainID: w.s.Chain, Sender: payoutAddress}, first.Items[0].Path, wallet.IntentCancel, batch.MinGas, []wallet.Fee{batch.Bump(top)})
	it.Replaces = first.Items[0].Intent.Name()
	write := func(fee wallet.Fee) error {
		it.Rungs = []wallet.Fee{fee}
		return w.db.Update(w.ctx, func(tx store.Tx) error {
			b, err := outgoing.Draft(tx, batch.Withdrawals, w.s.Chain, []batch.Item{it}, w.time, testExpiry)
			if err == nil {
				_, err = outgoing.Write(tx, b)
			}
			return err
		})
	}
	enough := batch.Bump(top)
	if err := write(enough); !errors.Is(err, outgoing.ErrChanged) || !strings.Contains(err.Error(), "nobody asked") {
		t.Fatalf("a cancel that nobody asked for: %v", err)
	}
	w.cancel("w0", outgoing.ActionBuild)
	wei := wallet.NewAmount(1)
	for name, fee := range map[string]wallet.Fee{
		"fee": {MaxFeePerGas: enough.MaxFeePerGas.Sub(wei), MaxPriorityFeePerGas: enough.MaxPriorityFeePerGas},
		"tip": {MaxFeePerGas: enough.MaxFeePerGas, MaxPriorityFeePerGas: enough.MaxPriorityFeePerGas.Sub(wei)},
	} {
		if err := write(fee); !errors.Is(err, outgoing.ErrChanged) || !strings.Contains(err.Error(), "outbid") {
			t.Errorf("a cancel whose %s is a wei too low: %v", name, err)
		}
	}
	w.must(write(enough))
}

// A withdrawal that is canceled at its nonce while somebody pays the same at
// another gives nothing back: it was paid.
func TestCanceledButPaidElsewhere(t *testing.T) {
	w := approved(t, 1)
	built, err := w.s.Build(w.ctx, w.client, BuildOptions{Cancel: true})
	w.must(err)
	w.cancel("w0", outgoing.ActionSign)
	w.broadcast(built.Batch)
	w.must(w.client.SendTransaction(w.ctx, w.foreign(1, someone("w0"), ether.Big(), nil)))
	w.finish()
	if o := w.slot(0); o.State != wallet.OutgoingFinal || !o.Cancellation().Holds(o.TxHash) {
		t.Fatalf("the slot is %s with %s, want its cancel final", o.State, o.TxHash)
	}
	w.alice(1, 49)
	w.status("w0", wallet.WithdrawalApproved)
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); err == nil {
		t.Error("it was built again")
	}
	if _, err := w.s.Cancel(w.ctx, []string{"w0"}); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("canceled again: %v", err)
	}
	w.update(func(tx store.Tx) error {
		_, err := outgoing.Accept(tx, wallet.Slot{ChainID: w.s.Chain, Sender: payoutAddress, Nonce: 1}, "", w.time)
		return err
	})
	w.status("w0", wallet.WithdrawalConfirmed)
	w.alice(0, 49)
	w.balanced()
}
