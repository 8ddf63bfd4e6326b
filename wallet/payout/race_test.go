package payout

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// atOnce runs fn so many times at the same moment.
func atOnce(n int, fn func(i int)) {
	var all sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-ready
			fn(i)
		})
	}
	close(ready)
	all.Wait()
}

// Many ask for the funds of one account at the same moment: what is set aside
// is never more than there is.
func TestRequestsAtOnceNeverOverspend(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	var mu sync.Mutex
	granted := 0
	atOnce(12, func(i int) {
		_, err := w.s.Request(w.ctx, wallet.WithdrawalRequest{
			ID: fmt.Sprint("r", i/2), Account: "alice", Asset: coinID, Amount: ether.Mul(20), To: someone("x"),
		})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			granted++
		} else if !errors.Is(err, store.ErrInsufficient) {
			t.Errorf("%v", err)
		}
	})
	// Two ids, each of them asked for twice.
	if granted != 4 {
		t.Errorf("%d requests were granted, want 4", granted)
	}
	if have := w.balance("alice", coinID, wallet.Available); have.Cmp(ether.Mul(10)) != 0 {
		t.Errorf("alice has %s left", have)
	}
}

// Several build, broadcast and confirm at the same moment: each withdrawal gets
// one nonce, and is paid once.
func TestEverythingAtOncePaysOnce(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	const payments = 12
	for i := range payments {
		id := fmt.Sprint("p", i)
		w.request(id, "alice", coinID, ether, someone(id))
		w.approve(id)
	}
	var mu sync.Mutex
	var built []Built
	for len(built) < payments/3 {
		atOnce(4, func(int) {
			b, err := w.s.Build(w.ctx, w.client, BuildOptions{Max: 3})
			if err != nil {
				if !errors.Is(err, ErrNothing) && !errors.Is(err, outgoing.ErrChanged) {
					t.Errorf("%v", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			built = append(built, b)
		})
	}
	ids, nonces := map[string]bool{}, map[uint64]bool{}
	for _, b := range built {
		file := w.file(sign(w, b.Batch))
		for _, it := range b.Batch.Items {
			if ids[it.Intent.ID] || nonces[it.Nonce] {
				t.Errorf("%s or nonce %d was built twice", it.Intent.ID, it.Nonce)
			}
			ids[it.Intent.ID], nonces[it.Nonce] = true, true
		}
		atOnce(3, func(int) {
			rec, err := w.s.TakeIn(w.ctx, file)
			w.must(err)
			_, err = w.s.Offer(w.ctx, w.client, rec.ID)
			w.must(err)
		})
	}
	w.mine(1)
	w.must(w.sim.Finalize(w.ctx))
	confirmed := 0
	atOnce(4, func(int) {
		w.scan()
		r, err := w.s.Confirm(w.ctx, w.dial)
		w.must(err)
		mu.Lock()
		defer mu.Unlock()
		confirmed += r.Confirmed
	})
	if confirmed != payments {
		t.Errorf("%d confirmations of %d payments", confirmed, payments)
	}
	for i := range payments {
		if got := w.got(coinID, someone(fmt.Sprint("p", i))); got.Cmp(ether) != 0 {
			t.Errorf("p%d got %s", i, got)
		}
	}
	w.balanced()
	w.booksAgree()
}
