package payout

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// several requests and approves n withdrawals, w0 to the last.
func (w *world) several(n int) {
	w.Helper()
	for i := range n {
		id := fmt.Sprintf("w%d", i)
		w.request(id, "alice", coinID, wallet.NewAmount(1e9), someone(id))
		w.approve(id)
	}
}

// inFlight counts what nodes were given and is not mined, and what of it is
// accepted.
func (w *world) inFlight() (given, accepted int) {
	w.Helper()
	w.view(func(tx store.Tx) error {
		given, accepted = 0, 0
		return store.OpenSlots(tx, w.s.Chain, func(o store.OpenSlot) error {
			switch o.State {
			case wallet.OutgoingAccepted:
				accepted++
				given++
			case wallet.OutgoingOffered:
				given++
			}
			return nil
		})
	})
	return given, accepted
}

// offered is how many rungs of a nonce nodes were given.
func (w *world) offered(nonce uint64) int {
	w.Helper()
	o := w.slot(nonce)
	return o.Current().Offered
}

// paidOnce checks that each of n withdrawals is confirmed, and was paid once.
func (w *world) paidOnce(n int) {
	w.Helper()
	for i := range n {
		id := fmt.Sprintf("w%d", i)
		w.status(id, wallet.WithdrawalConfirmed)
		if got := w.got(coinID, someone(id)); got.Cmp(wallet.NewAmount(1e9)) != 0 {
			w.Fatalf("%s was paid %s", id, got)
		}
	}
}

func TestWindowRefillsAsNoncesAreMined(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.s.Terms = outgoing.Terms{Window: 3, ClimbAfter: time.Hour}
	w.several(8)
	sent := w.broadcast(w.build().Batch)
	if sent.Accepted != 3 || sent.Waiting != 5 {
		t.Fatalf("broadcast: %+v, want a window of 3 and 5 waiting", sent)
	}
	if r := w.confirm(); r.Rebroadcast != 0 || r.Pending != 8 {
		t.Fatalf("confirm: %+v, want a full window left alone", r)
	}
	if rows, err := w.s.OnTheWay(w.ctx); err != nil || len(rows) != 8 || rows[2].Reason != "" || rows[3].Reason != "waits for the window of 3" {
		t.Fatalf("on the way: %+v (%v)", rows, err)
	}
	for i, want := range []int{3, 3, 2} {
		w.mine(1)
		w.scan()
		if given, _ := w.inFlight(); given != want {
			t.Fatalf("round %d: %d in flight, want %d", i, given, want)
		}
		w.confirm()
	}
	w.finish()
	w.paidOnce(8)
	w.balanced()
}

// A payment of a batch that was never signed stands before those of one that was.
func TestNothingGoesOutAboveAGap(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.several(1)
	first := w.build().Batch
	w.request("w1", "alice", coinID, wallet.NewAmount(1e9), someone("w1"))
	w.approve("w1")
	sent := w.broadcast(w.build().Batch)
	if sent.Accepted != 0 || sent.Waiting != 1 || len(sent.HeldUp) != 1 || sent.HeldUp[0].Nonce != 0 || sent.HeldUp[0].Reason != "not signed yet" {
		t.Fatalf("broadcast: %+v, want it held up by nonce 0", sent)
	}
	rows, err := w.s.OnTheWay(w.ctx)
	w.must(err)
	if len(rows) != 2 || rows[0].Nonce != 0 || rows[0].Reason != "not signed yet" || rows[1].Reason != "behind nonce 0: not signed yet" {
		t.Fatalf("on the way: %+v", rows)
	}
	if sent := w.broadcast(first); sent.Accepted != 1 {
		t.Fatalf("broadcast of what held it up: %+v", sent)
	}
	if given, accepted := w.inFlight(); given != 2 || accepted != 2 {
		t.Errorf("%d given and %d accepted, want what stood behind it sent with it", given, accepted)
	}
	w.finish()
	w.paidOnce(2)
}

// liar says yes to everything and keeps only so many.
type liar struct {
	Sender
	keeps int
}

func (l *liar) SendRawTransactions(ctx context.Context, raws [][]byte) []error {
	errs := make([]error, len(raws))
	for i, raw := range raws {
		if l.keeps > 0 {
			l.keeps--
			errs[i] = l.Sender.SendRawTransactions(ctx, [][]byte{raw})[0]
		}
	}
	return errs
}

func TestYesIsNotAccepted(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.several(3)
	rec, err := w.s.TakeIn(w.ctx, w.file(sign(w, w.build().Batch)))
	w.must(err)
	sent, err := w.s.Offer(w.ctx, &liar{w.client, 1}, rec.ID)
	w.must(err)
	if sent.Accepted != 1 || sent.Offered != 2 || w.events()[wallet.WithdrawalBroadcastEvent] != 1 {
		t.Fatalf("%+v and %v, want one accepted", sent, w.events())
	}
	w.status("w0", wallet.WithdrawalBroadcast)
	w.status("w2", wallet.WithdrawalSigned)
	r := w.confirm()
	if r.Rebroadcast != 2 || r.Accepted != 2 || w.events()[wallet.WithdrawalBroadcastEvent] != 3 {
		t.Fatalf("confirm: %+v", r)
	}
	w.finish()
	w.paidOnce(3)
}

// blind is a node that tells nothing of transactions.
type blind struct{ Sender }

func (blind) Whereabouts(_ context.Context, hashes []common.Hash) ([]chain.Whereabouts, error) {
	return make([]chain.Whereabouts, len(hashes)), nil
}

func TestSilenceChangesNothing(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.several(1)
	w.broadcast(w.build().Batch)
	dial := func(context.Context) (Sender, error) { return blind{w.client}, nil }
	if r, err := w.s.Confirm(w.ctx, dial); err != nil || r.Rebroadcast+r.Dropped != 0 {
		t.Fatalf("%+v (%v), want nothing done", r, err)
	}
	if _, accepted := w.inFlight(); accepted != 1 {
		t.Fatal("silence took back that a node has it")
	}
	w.time = w.time.Add(outgoing.OfferAgain)
	if r, err := w.s.Confirm(w.ctx, dial); err != nil || r.Rebroadcast != 1 {
		t.Fatalf("%+v (%v), want it offered again after all", r, err)
	}
}

// A crash after a climb was written and before it was sent offers that rung.
func TestCrashNeverClimbsTwice(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.several(1)
	b := w.rebuilt(w.build().Batch, threeRungs)
	w.broadcast(b)
	w.s.Terms = outgoing.Terms{Window: 1, ClimbAfter: time.Minute}
	w.time = w.time.Add(time.Hour)
	dear := market{w.client, new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e9))}
	killed := false
	lost := badNode{dear, func() (bool, bool) { killed = true; return true, true }}
	_, err := w.s.Confirm(w.ctx, func(context.Context) (Sender, error) { return lost, nil })
	if err == nil || !killed || w.offered(0) != 2 {
		t.Fatalf("%v: want the second rung marked and not sent, have %d", err, w.offered(0))
	}
	r, err := w.s.Confirm(w.ctx, func(context.Context) (Sender, error) { return dear, nil })
	w.must(err)
	if o := w.slot(0); r.Rebroadcast != 1 || r.Climbed != 0 || o.Current().Offered != 2 || o.TxHash != o.Current().Signed[1] {
		t.Fatalf("%+v, rung %d: want the second rung sent", r, o.Current().Offered)
	}
	w.finish()
	w.paidOnce(1)
}

// threeRungs gives an item a ladder of its first rung and two more.
func threeRungs(it *batch.Item) {
	it.Rungs = it.Rungs[:1]
	for range 2 {
		it.Rungs = append(it.Rungs, batch.Bump(it.Rungs[len(it.Rungs)-1]))
	}
}

// market is a node that suggests a tip.
type market struct {
	Sender
	tip *big.Int
}

func (m market) SuggestGasTipCap(context.Context) (*big.Int, error) { return m.tip, nil }

// fees sets the base fee of anvil's next block.
func fees(t *testing.T, a *chaintest.Anvil, gwei int64) {
	t.Helper()
	wei := (*hexutil.Big)(new(big.Int).Mul(big.NewInt(gwei), big.NewInt(1e9)))
	if err := a.Client().Client().CallContext(t.Context(), nil, "anvil_setNextBlockBaseFeePerGas", wei); err != nil {
		t.Fatal(err)
	}
}

// On a real node: what it drops is sent again, what a reorg takes back too, and
// when the base fee rises a hundredfold and falls again, the ladder is climbed as
// far as it reaches, everything waits, and all is paid once.
func TestLadderOnAnvil(t *testing.T) {
	a := chaintest.NewAnvil(t, chaintest.AnvilOptions{ChainID: chaintest.SimulatedChainID})
	w := onNetwork(t, a).newWorld(t, t.TempDir())
	w.s.Terms = outgoing.Terms{Window: 2, ClimbAfter: time.Minute, ClimbBlocks: 1}
	w.several(3)
	fees(t, a, 10)
	w.mine(1)
	w.scan()
	b := w.rebuilt(w.build().Batch, threeRungs)
	if sent := w.broadcast(b); sent.Accepted != 2 || sent.Waiting != 1 {
		t.Fatalf("broadcast: %+v", sent)
	}
	w.must(a.DropTransaction(w.ctx, w.slot(1).TxHash))
	if r := w.confirm(); r.Dropped != 1 || r.Rebroadcast != 1 || r.Accepted != 1 {
		t.Fatalf("after a drop: %+v", r)
	}

	for rung := 1; rung <= 3; rung++ {
		fees(t, a, 1000)
		w.mine(1)
		w.scan()
		w.confirm()
		if o := w.slot(0); o.Current().Offered != rung || w.offered(1) != 1 {
			t.Fatalf("rung %d and %d, want %d of the head and the first behind it", o.Current().Offered, w.offered(1), rung)
		}
		w.time = w.time.Add(time.Minute)
	}
	w.confirm()
	if v := w.show("w0"); !strings.Contains(v.Reason, "is below the base fee 1000 gwei: airlock withdraw bump w0 builds higher fees, or wait") {
		t.Fatalf("reason %q", v.Reason)
	}
	w.time = w.time.Add(time.Hour)
	for range 2 { // a node may have dropped it meanwhile
		fees(t, a, 10)
		w.mine(1)
		w.scan()
		w.confirm()
	}
	if v := w.show("w0"); v.Status != wallet.WithdrawalMined || v.Reason != "" {
		t.Fatalf("after fees fell: %s (%s)", v.Status, v.Reason)
	}

	w.must(a.Reorg(w.ctx, 1))
	w.mine(1)
	w.scan()
	if r := w.confirm(); r.Returned == 0 || r.Rebroadcast == 0 {
		t.Fatalf("after a reorg: %+v", r)
	}
	for range 3 {
		w.finish()
	}
	w.paidOnce(3) // the books do not say what anvil gave its own account, whose key is one of ours
}

// A real geth with a small pool takes what it cannot keep, and says yes.
func TestGethThatForgets(t *testing.T) {
	const payments = 16
	g := chaintest.NewGeth(t, chaintest.GethOptions{Args: []string{
		"--txpool.globalslots=4", "--txpool.accountslots=4", "--txpool.globalqueue=4", "--txpool.accountqueue=4",
	}})
	w := onNetwork(t, g).newWorld(t, t.TempDir())
	w.several(payments)
	sent := w.broadcast(w.build().Batch)
	t.Logf("geth was given %d: %d accepted, %d only said to be, %d refused", payments, sent.Accepted, sent.Offered, sent.Refused)
	for {
		if given, _ := w.inFlight(); given == 0 {
			break
		}
		w.mine(1)
		w.scan()
		w.confirm()
	}
	w.finish()
	w.paidOnce(payments)
	w.balanced()
}
