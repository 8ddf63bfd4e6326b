package notifier_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// counting is a store that counts the keys that are read.
type counting struct {
	*bolt.DB
	reads int
}

type countingTx struct {
	store.Tx
	reads *int
}

func (db *counting) View(ctx context.Context, fn func(store.Tx) error) error {
	return db.DB.View(ctx, func(tx store.Tx) error { return fn(countingTx{tx, &db.reads}) })
}

func (db *counting) Update(ctx context.Context, fn func(store.Tx) error) error {
	return db.DB.Update(ctx, func(tx store.Tx) error { return fn(countingTx{tx, &db.reads}) })
}

func (tx countingTx) Get(key []byte) ([]byte, error) {
	*tx.reads++
	return tx.Tx.Get(key)
}

func (tx countingTx) Scan(r store.Range, fn func(k, v []byte) error) error {
	return tx.Tx.Scan(r, func(k, v []byte) error {
		*tx.reads++
		return fn(k, v)
	})
}

// TestPassCostsOnlyWhatIsDue compares what passes and events read in a new
// home with what they read in one with a long history, many events that wait
// for their time, many that are held, and many that are dead.
func TestPassCostsOnlyWhatIsDue(t *testing.T) {
	db, c := &counting{DB: newStore(t)}, newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	ep := subscribe(t, n, r)

	reads := func(subject string, happened int) (idle, busy, told int) {
		db.reads = 0
		pass(t, n)
		idle, db.reads = db.reads, 0
		emit(t, db, event(detected, subject, happened))
		told, db.reads = db.reads, 0
		pass(t, n)
		return idle, db.reads, told
	}
	reads("first", 0)
	idle, busy, told := reads("before", 1)

	const many = 3000
	if err := db.DB.Update(t.Context(), func(tx store.Tx) error {
		for i := range many {
			subject := fmt.Sprint(i)
			for _, e := range []wallet.Event{event(detected, subject, 1), event(confirmed, subject, 2)} {
				if err := store.Emit(tx, e); err != nil {
					return err
				}
			}
			seq, _, err := store.EventSequence(tx, event(detected, subject, 1).ID)
			if err != nil {
				return err
			}
			d, _, err := store.Delivery(tx, ep.ID, seq)
			if err != nil {
				return err
			}
			// A third is delivered with what follows it, a third waits, a third is dead.
			switch i % 3 {
			case 0:
				d.Status, d.DeliveredAt = wallet.DeliveryDelivered, c.now()
			case 1:
				d.Next = c.now().Add(time.Hour)
			case 2:
				d.Status = wallet.DeliveryDead
			}
			if err := store.PutDelivery(tx, d); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: many / 3, Pending: many / 3 * 3, Dead: many / 3})

	idle2, busy2, told2 := reads("after", 2)
	if idle2 > idle+2 || busy2 > busy+2 || told2 > told+2 {
		t.Errorf("reads grew with history: idle pass %d to %d, pass with one event %d to %d, telling it %d to %d", idle, idle2, busy, busy2, told, told2)
	}
}

// TestEventsAreOfTheirTransaction checks that what a transaction tells goes
// away with it.
func TestEventsAreOfTheirTransaction(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	subscribe(t, n, r)
	failed := errors.New("the work failed")
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(store.Emit(tx, event(detected, "d1", 1)), failed)
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 0, Pending: 0, Dead: 0})
	want := emit(t, db, event(detected, "d1", 1))
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 1, Pending: 0, Dead: 0})
	wantIDs(t, "arrived", r.all(), want...)
}
