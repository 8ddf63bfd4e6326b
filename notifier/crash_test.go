package notifier_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// childStore makes this program run one pass on a store, and nothing else.
const childStore = "NOTIFIER_TEST_STORE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childStore); path != "" {
		if _, err := notifier.New(bolt.Open(path), notifier.Options{}).Pass(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// told checks that what arrived of each subject is its events, each at least
// once and for the first time in their order. A request that was broken off may
// reach the receiver late, after it was sent again: receivers know doubles by
// their ids.
func told(t rapid.TB, arrived []arrival, want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	for _, a := range arrived {
		if !slices.Contains(got[a.Subject], a.ID) {
			got[a.Subject] = append(got[a.Subject], a.ID)
		}
	}
	for subject, ids := range want {
		if !slices.Equal(got[subject], ids) {
			t.Errorf("subject %s: told %q, want %q", subject, got[subject], ids)
		}
	}
}

func TestKilledAtAnyInstant(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("leases of the dead run out only after minutes here")
	}
	path := filepath.Join(t.TempDir(), "airlock.db")
	db, err := bolt.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	n := notifier.New(db, notifier.Options{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
		w.WriteHeader(http.StatusOK)
	})
	subscribe(t, n, r)
	want := map[string][]string{}
	for i := range 400 {
		subject := fmt.Sprint(i % 40)
		want[subject] = append(want[subject], emit(t, db, event(detected, subject, i))...)
	}
	kills := 0
	// How long a process lives is chosen anew, and longer where none has time
	// enough to send something.
	longest := 50 * time.Millisecond
	for left := len(want) * 10; left > 0; {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childStore+"="+path)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(longest))
		if child.Process.Kill() == nil {
			kills++
		}
		_ = child.Wait()
		list, err := n.Log(t.Context(), notifier.LogFilter{Status: wallet.DeliveryPending})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == left {
			longest += longest / 4
		}
		if left = len(list); kills > 1000 || longest > time.Minute {
			t.Fatalf("%d are left after %d kills: a dead process still holds them", left, kills)
		}
	}
	told(t, r.all(), want)
	t.Logf("%d requests for 400 events, %d kills", len(r.all()), kills)
}

func TestTwoNotifiersSendNothingTwice(t *testing.T) {
	db, c := newStore(t), newClock()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
		w.WriteHeader(http.StatusOK)
	})
	subscribe(t, newNotifier(db, c), r)
	want := map[string][]string{}
	for i := range 300 {
		subject := fmt.Sprint(i % 30)
		want[subject] = append(want[subject], emit(t, db, event(detected, subject, i))...)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			// Another one may hold what is left: go on until nothing is.
			for n, left := notifier.New(db, notifier.Options{Now: c.now}), 1; left > 0; time.Sleep(5 * time.Millisecond) {
				s, err := n.Pass(context.Background())
				if err != nil || s.Failed > 0 {
					t.Errorf("summary %+v, %v", s, err)
					return
				}
				left = s.Pending
			}
		})
	}
	wg.Wait()
	told(t, r.all(), want)
	if got := len(r.all()); got != 300 {
		t.Errorf("%d requests for 300 events", got)
	}
}

// failing is a store that cannot be written to while it is told so.
type failing struct {
	*bolt.DB
	now atomic.Bool
}

func (db *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if db.now.Load() {
		return wallet.As(wallet.ErrBusy, "another process holds the store")
	}
	return db.DB.Update(ctx, fn)
}

func TestStoreFailsBetweenSendingAndRecording(t *testing.T) {
	db, c := &failing{DB: newStore(t)}, newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		db.now.Store(true)
		w.WriteHeader(http.StatusOK)
	})
	subscribe(t, n, r)
	ids := emit(t, db, event(detected, "d1", 1), event(confirmed, "d1", 2))
	if _, err := n.Pass(t.Context()); !errorIs(err, wallet.ErrBusy) {
		t.Errorf("error %v", err)
	}
	db.now.Store(false)
	r.say(accept)
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 2})
	wantIDs(t, "arrived", r.all(), ids[0], ids[0], ids[1])
}

func TestLeaseRunsOut(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	ep := subscribe(t, n, r)
	id := emit(t, db, event(detected, "d1", 1))
	// Somebody on another machine took it and was never heard of again.
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		d, _, err := store.Delivery(tx, ep.ID, 1)
		if err != nil {
			return err
		}
		d.Lease = &wallet.Lease{By: "linux/another-boot/pid:[1]/1/1#1", Until: c.now().Add(5 * time.Minute)}
		return store.PutDelivery(tx, d)
	}); err != nil {
		t.Fatal(err)
	}
	c.advance(5*time.Minute - 1)
	wantSummary(t, pass(t, n), notifier.Summary{Pending: 1})
	c.advance(1)
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 1})
	wantIDs(t, "arrived", r.all(), id...)
}

// TestAtLeastOnceInOrder breaks passes off at random moments, with receivers
// that fail at random, while more happens and operators retry.
func TestAtLeastOnceInOrder(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		db, err := bolt.Create(context.Background(), filepath.Join(dir, fmt.Sprint(run)))
		if err != nil {
			rt.Fatal(err)
		}
		c := newClock()
		codes := rapid.SliceOfN(rapid.SampledFrom([]int{200, 200, 204, 400, 429, 500, 503}), 1, 30).Draw(rt, "answers")
		var mu sync.Mutex
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
			mu.Lock()
			code := http.StatusOK
			if len(codes) > 0 {
				code, codes = codes[0], codes[1:]
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
			w.WriteHeader(code)
		})
		defer r.Close()
		n := newNotifier(db, c)
		subscribe(t, n, r)
		want, happened := map[string][]string{}, 0
		rt.Repeat(map[string]func(*rapid.T){
			"happen": func(rt *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(rt, "events") {
					subject := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "subject")
					happened++
					want[subject] = append(want[subject], emit(t, db, event(detected, subject, happened))...)
				}
			},
			"pass": func(*rapid.T) { pass(t, newNotifier(db, c)) },
			"broken off": func(rt *rapid.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rapid.IntRange(0, 15).Draw(rt, "ms"))*time.Millisecond)
				defer cancel()
				_, _ = newNotifier(db, c).Pass(ctx)
			},
			"wait": func(rt *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 200_000).Draw(rt, "seconds")) * time.Second)
			},
			"retry": func(rt *rapid.T) {
				if _, err := n.Retry(context.Background(), nil, ""); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				for _, a := range r.accepted() { // nothing but what happened
					if !slices.Contains(want[a.Subject], a.ID) {
						rt.Fatalf("accepted %s, which never happened", a.ID)
					}
				}
			},
		})
		mu.Lock()
		codes = nil
		mu.Unlock()
		if _, err := n.Retry(context.Background(), nil, ""); err != nil {
			rt.Fatal(err)
		}
		if s := pass(t, n); s.Pending+s.Dead > 0 || s.Failed > 0 {
			rt.Fatalf("summary %+v once the receiver is content", s)
		}
		told(rt, r.all(), want)
		counters(rt, db, happened)
	})
}

// counters checks the counts that are kept against the records.
func counters(t *rapid.T, db store.DB, happened int) {
	t.Helper()
	if err := db.View(context.Background(), func(tx store.Tx) error {
		delivered, err := store.CountDeliveries(tx, "ep_1", wallet.DeliveryDelivered)
		if err != nil {
			return err
		}
		listed := 0
		err = store.Deliveries(tx, "ep_1", "", func(wallet.Delivery) error { listed++; return nil })
		if delivered != happened || listed != happened {
			t.Errorf("%d counted, %d listed as delivered, %d happened", delivered, listed, happened)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
