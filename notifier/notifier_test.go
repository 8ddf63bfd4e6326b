package notifier_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(start.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// longest is the jitter that waits as long as the schedule allows.
func longest(d time.Duration) time.Duration { return d }

func newStore(t *testing.T) *bolt.DB {
	t.Helper()
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// arrival is a webhook as a receiver saw it.
type arrival struct {
	ID, Type, Subject, Body string
	Stamp                   string
}

// receiver verifies signatures with the reference library and answers as told.
type receiver struct {
	*httptest.Server
	t      testing.TB
	secret string
	answer func(w http.ResponseWriter, r *http.Request, a arrival)

	mu      sync.Mutex
	arrived []arrival
	yes     []arrival // those answered with 2xx
}

// accept is the answer of a receiver that is content.
func accept(w http.ResponseWriter, _ *http.Request, _ arrival) { w.WriteHeader(http.StatusNoContent) }

// status is the answer of a receiver that always says the same.
func status(code int) func(http.ResponseWriter, *http.Request, arrival) {
	return func(w http.ResponseWriter, _ *http.Request, _ arrival) { w.WriteHeader(code) }
}

func newReceiver(t testing.TB, answer func(http.ResponseWriter, *http.Request, arrival)) *receiver {
	t.Helper()
	r := &receiver{t: t, secret: notifier.NewSecret(), answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was killed
	}
	hook, err := standardwebhooks.NewWebhook(r.secret)
	if err == nil {
		err = hook.VerifyIgnoringTimestamp(body, req.Header)
	}
	if err != nil {
		r.t.Errorf("a webhook does not verify: %v", err)
	}
	var e struct {
		ID, Type string
		Data     struct{ Subject string }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		r.t.Errorf("body %s: %v", body, err)
	}
	if e.ID != req.Header.Get("webhook-id") {
		r.t.Errorf("header names %q, body %q", req.Header.Get("webhook-id"), e.ID)
	}
	a := arrival{e.ID, e.Type, e.Data.Subject, string(body), req.Header.Get("webhook-timestamp")}
	r.mu.Lock()
	r.arrived = append(r.arrived, a)
	answer := r.answer
	r.mu.Unlock()
	rec := &recorder{w, http.StatusOK}
	answer(rec, req, a)
	if rec.code/100 == 2 {
		r.mu.Lock()
		r.yes = append(r.yes, a)
		r.mu.Unlock()
	}
}

func (r *receiver) say(answer func(http.ResponseWriter, *http.Request, arrival)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrived)
}

func (r *receiver) accepted() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.yes)
}

func ids(list []arrival) []string {
	var all []string
	for _, a := range list {
		all = append(all, a.ID)
	}
	return all
}

func newNotifier(db store.DB, c *clock) *notifier.Notifier {
	return notifier.New(db, notifier.Options{Now: c.now, Jitter: longest, Timeout: time.Minute})
}

func subscribe(t *testing.T, n *notifier.Notifier, r *receiver, events ...wallet.EventType) wallet.Endpoint {
	t.Helper()
	ep, err := n.AddEndpoint(t.Context(), notifier.EndpointRequest{URL: r.URL + "/hook", Secret: r.secret, Format: "standard", Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

// event is the n-th thing that happened to a subject.
func event(t wallet.EventType, subject string, n int) wallet.Event {
	return wallet.Event{
		ID: wallet.EventID(t, subject, fmt.Sprint(n)), Type: t, Subject: subject, Timestamp: start.Add(time.Duration(n) * time.Second),
		Data: json.RawMessage(fmt.Sprintf(`{"subject":%q,"n":%d}`, subject, n)),
	}
}

// emit tells what happened and returns the ids in order.
func emit(t testing.TB, db store.DB, events ...wallet.Event) (ids []string) {
	t.Helper()
	if err := db.Update(context.Background(), func(tx store.Tx) error {
		for _, e := range events {
			ids = append(ids, e.ID)
			if err := store.Emit(tx, e); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return ids
}

func pass(t testing.TB, n *notifier.Notifier) notifier.Summary {
	t.Helper()
	s, err := n.Pass(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantSummary(t testing.TB, got, want notifier.Summary) {
	t.Helper()
	if got != want {
		t.Errorf("summary %+v, want %+v", got, want)
	}
}

func wantIDs(t testing.TB, what string, got []arrival, want ...string) {
	t.Helper()
	if !slices.Equal(ids(got), want) {
		t.Errorf("%s: got %q, want %q", what, ids(got), want)
	}
}

const (
	detected  = wallet.DepositDetectedEvent
	confirmed = wallet.DepositConfirmedEvent
)

func TestDeliversOncePerSubscribedEndpoint(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	all, some := newReceiver(t, accept), newReceiver(t, accept)
	subscribe(t, n, all)
	subscribe(t, n, some, confirmed)

	events := []wallet.Event{event(detected, "d1", 1), event(confirmed, "d1", 2)}
	want := emit(t, db, events...)
	emit(t, db, events...) // told twice, queued once

	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 3})
	wantSummary(t, pass(t, n), notifier.Summary{})
	wantIDs(t, "the endpoint of all types", all.all(), want...)
	wantIDs(t, "the endpoint of one type", some.all(), want[1])
}

func TestRequestIsExactlyStandardWebhooks(t *testing.T) {
	db, c := newStore(t), newClock()
	var got *http.Request
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request, _ arrival) {
		got = req
		w.WriteHeader(http.StatusOK)
	})
	n := newNotifier(db, c)
	subscribe(t, n, r)
	e := event(detected, "d1", 1)
	emit(t, db, e)
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 1})

	a := r.all()[0]
	want := fmt.Sprintf(`{"id":%q,"type":"deposit.detected","timestamp":"2026-05-01T12:00:01Z","data":{"subject":"d1","n":1}}`, e.ID)
	if a.Body != want {
		t.Errorf("body %s\nwant %s", a.Body, want)
	}
	if want := fmt.Sprint(start.Unix()); a.Stamp != want {
		t.Errorf("timestamp %s, want that of the attempt, %s", a.Stamp, want)
	}
	if got.Method != http.MethodPost || got.URL.Path != "/hook" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("request %s %s of %s", got.Method, got.URL, got.Header.Get("Content-Type"))
	}
	if s := got.Header.Get("webhook-signature"); !strings.HasPrefix(s, "v1,") || len(s) != len("v1,")+44 {
		t.Errorf("signature %q", s)
	}
}

func TestFailureHoldsBackTheSubjectAlone(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		code := map[string]int{"bad": http.StatusInternalServerError}[a.Subject]
		w.WriteHeader(max(code, http.StatusOK))
	})
	subscribe(t, n, r)
	bad := emit(t, db, event(detected, "bad", 1), event(confirmed, "bad", 2))
	good := emit(t, db, event(detected, "good", 1), event(confirmed, "good", 2))

	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 2, Failed: 1, Pending: 2})
	wantIDs(t, "accepted", r.accepted(), good...)

	// Not before its time.
	c.advance(5*time.Second - time.Nanosecond)
	wantSummary(t, pass(t, n), notifier.Summary{Pending: 2})

	r.say(accept)
	c.advance(time.Nanosecond)
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 2})
	wantIDs(t, "accepted", r.accepted(), append(good, bad...)...)

	tries := slices.DeleteFunc(r.all(), func(a arrival) bool { return a.ID != bad[0] })
	if len(tries) != 2 || tries[0].Body != tries[1].Body || tries[0].Stamp == tries[1].Stamp {
		t.Errorf("the second try must have the same body and a new timestamp: %+v", tries)
	}
}

func TestSlowEndpointDelaysNobody(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	release := make(chan struct{})
	slow := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		<-release
		w.WriteHeader(http.StatusOK)
	})
	quick := newReceiver(t, accept)
	subscribe(t, n, slow)
	subscribe(t, n, quick)
	const count = 200
	for i := range count {
		emit(t, db, event(detected, fmt.Sprint(i), 1))
	}
	done := make(chan notifier.Summary)
	go func() {
		s, err := notifier.New(db, notifier.Options{Now: c.now, Jitter: longest, Timeout: time.Minute}).Pass(context.Background())
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	for deadline := time.Now().Add(time.Minute); len(quick.accepted()) < count; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the quick endpoint has %d of %d while the slow one thinks", len(quick.accepted()), count)
		}
	}
	if got := len(slow.all()); got > 4 {
		t.Errorf("%d requests at a time to one endpoint, want at most 4", got)
	}
	close(release)
	wantSummary(t, <-done, notifier.Summary{Delivered: 2 * count})
}

func TestDeadEndpointEndsThePass(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	dead, quick := newReceiver(t, accept), newReceiver(t, accept)
	subscribe(t, n, dead)
	subscribe(t, n, quick)
	dead.Close()
	const count = 60
	for i := range count {
		emit(t, db, event(detected, fmt.Sprint(i), 1))
	}
	s := pass(t, n)
	if s.Delivered != count || s.Pending != count || s.Failed < 8 || s.Failed > 8+4+32 {
		t.Errorf("summary %+v: want the other endpoint served, and this one left alone after some failures", s)
	}
	// Those that were not tried did not lose a try.
	list, err := n.Log(t.Context(), notifier.LogFilter{Status: wallet.DeliveryPending})
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	for _, d := range list {
		tries += d.Attempts
	}
	if tries != s.Failed || len(list) != count {
		t.Errorf("%d tries in %d deliveries, want %d in %d", tries, len(list), s.Failed, count)
	}
}

func TestGoneDisables(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, status(http.StatusGone))
	ep := subscribe(t, n, r)
	queued := emit(t, db, event(detected, "d1", 1), event(confirmed, "d1", 2))
	wantSummary(t, pass(t, n), notifier.Summary{Failed: 1, Pending: 2})

	missed := emit(t, db, event(wallet.DepositOrphanedEvent, "d1", 3), event(detected, "d2", 1))
	c.advance(100 * 24 * time.Hour)
	wantSummary(t, pass(t, n), notifier.Summary{Pending: 2})
	list, err := n.Endpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := list[0]; got.Status(c.now()) != "disabled" || got.DisabledReason != "it answered 410 Gone" {
		t.Errorf("endpoint %+v, want it disabled by 410", got)
	}

	// Enabled again, it is told all that it missed, in order.
	r.say(accept)
	if _, err := n.EnableEndpoint(t.Context(), ep.ID); err != nil {
		t.Fatal(err)
	}
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 4})
	d1 := slices.DeleteFunc(r.accepted(), func(a arrival) bool { return a.Subject != "d1" })
	wantIDs(t, "accepted of d1", d1, queued[0], queued[1], missed[0])
}

func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		code   int
		header string
		wait   time.Duration // until the event is sent again
		others time.Duration // until other events are sent
	}{
		"seconds":             {http.StatusInternalServerError, "90", 90 * time.Second, 0},
		"less than backoff":   {http.StatusInternalServerError, "1", 5 * time.Second, 0},
		"date":                {http.StatusInternalServerError, start.Add(2 * time.Minute).Format(http.TimeFormat), 2 * time.Minute, 0},
		"past date":           {http.StatusInternalServerError, start.Add(-time.Hour).Format(http.TimeFormat), 5 * time.Second, 0},
		"nonsense":            {http.StatusInternalServerError, "soon", 5 * time.Second, 0},
		"too long":            {http.StatusInternalServerError, "99999999999999999999", 24 * time.Hour, 0},
		"of the whole":        {http.StatusTooManyRequests, "60", time.Minute, time.Minute},
		"of the whole, down":  {http.StatusServiceUnavailable, "60", time.Minute, time.Minute},
		"down without a time": {http.StatusServiceUnavailable, "", 5 * time.Second, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db, c := newStore(t), newClock()
			n := newNotifier(db, c)
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
				w.Header().Set("Retry-After", test.header)
				w.WriteHeader(test.code)
			})
			subscribe(t, n, r)
			first := emit(t, db, event(detected, "d1", 1))
			wantSummary(t, pass(t, n), notifier.Summary{Failed: 1, Pending: 1})
			r.say(accept)
			other := emit(t, db, event(detected, "d2", 1))

			due := map[time.Duration][]string{}
			due[test.others] = append(due[test.others], other...)
			due[test.wait] = append(due[test.wait], first...)
			for _, wait := range slices.Sorted(maps.Keys(due)) {
				until(t, n, c, r, start.Add(wait), due[wait])
			}
		})
	}
}

// until checks that events are accepted at the given time and not before.
func until(t *testing.T, n *notifier.Notifier, c *clock, r *receiver, at time.Time, events []string) {
	t.Helper()
	c.at.Store(max(c.now().UnixNano(), at.Add(-time.Nanosecond).UnixNano()))
	if c.now().Before(at) {
		pass(t, n)
	}
	for _, id := range events {
		if slices.Contains(ids(r.accepted()), id) {
			t.Errorf("event %s was accepted before %s", id, at.Sub(start))
		}
	}
	c.at.Store(max(c.now().UnixNano(), at.UnixNano()))
	pass(t, n)
	for _, id := range events {
		if !slices.Contains(ids(r.accepted()), id) {
			t.Errorf("event %s was not accepted at %s", id, at.Sub(start))
		}
	}
}

func TestGivesUpAfterTriesAndTimeAndRetriesFromTheOldest(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, status(http.StatusBadRequest))
	ep := subscribe(t, n, r)
	want := emit(t, db, event(detected, "d1", 1), event(confirmed, "d1", 2), event(wallet.DepositOrphanedEvent, "d1", 3))

	tries := 0
	for s := (notifier.Summary{}); s.Dead == 0; c.advance(time.Second) {
		s = pass(t, n)
		tries += s.Failed
		list, err := n.Log(t.Context(), notifier.LogFilter{Status: wallet.DeliveryPending})
		if err != nil {
			t.Fatal(err)
		}
		c.at.Store(max(c.now().UnixNano(), list[len(list)-1].Next.UnixNano()))
	}
	if took := c.now().Sub(start); tries < 12 || took < 72*time.Hour || took > 6*24*time.Hour {
		t.Errorf("given up after %d tries and %s", tries, took)
	}
	// The dead one holds back its subject, and nothing else.
	r.say(accept)
	c.advance(1000 * time.Hour)
	other := emit(t, db, event(detected, "d2", 1))
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 1, Pending: 2, Dead: 1})

	// Retrying the newest begins with the oldest.
	newest := wallet.Delivery{Endpoint: ep.ID, Sequence: 3}
	if got, err := n.Retry(t.Context(), []string{newest.ID(), want[1]}, ""); err != nil || got != 1 {
		t.Errorf("retried %d, %v", got, err)
	}
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 3})
	wantIDs(t, "accepted", r.accepted(), append(other, want...)...)

	// A revived delivery has all its tries again.
	list, err := n.Log(t.Context(), notifier.LogFilter{})
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	if d := list[3]; d.Attempts != tries+1 || d.Tries != 1 || d.Code != http.StatusNoContent || d.Answer != "" {
		t.Errorf("delivery %+v", d)
	}
}

func TestRetryEverything(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ep := subscribe(t, n, r)
	const count = 30
	for i := range count {
		emit(t, db, event(detected, fmt.Sprint(i), 1))
	}
	pass(t, n)
	r.say(accept)
	wantSummary(t, pass(t, n), notifier.Summary{Pending: count})
	if _, err := n.Retry(t.Context(), nil, ep.ID); err != nil {
		t.Fatal(err)
	}
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: count})
}

func TestRetryRefusals(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	subscribe(t, n, r)
	id := emit(t, db, event(detected, "d1", 1))[0]
	pass(t, n)
	tests := map[string]struct {
		id, endpoint string
		want         error
		words        string
	}{
		"delivered event":    {id, "", wallet.ErrConflict, "delivered already"},
		"delivered":          {"ep_1.1", "", wallet.ErrConflict, "delivered already"},
		"no such event":      {"evt_00", "", wallet.ErrNotFound, "does not exist"},
		"no such delivery":   {"ep_1.2", "", wallet.ErrNotFound, "no delivery ep_1.2"},
		"no such endpoint":   {id, "ep_2", wallet.ErrNotFound, "ep_2 does not exist"},
		"not an id":          {"7", "", wallet.ErrUsage, "want an id"},
		"not an endpoint id": {id, "first", wallet.ErrUsage, "want an id"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := n.Retry(t.Context(), []string{test.id}, test.endpoint)
			wantError(t, err, test.want, test.words)
		})
	}
}

func wantError(t *testing.T, err, class error, words string) {
	t.Helper()
	if !errorIs(err, class) || !strings.Contains(fmt.Sprint(err), words) {
		t.Errorf("error %v, want %v with %q", err, class, words)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	elsewhere := newReceiver(t, accept)
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request, _ arrival) {
		http.Redirect(w, req, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	subscribe(t, n, r)
	emit(t, db, event(detected, "d1", 1))
	wantSummary(t, pass(t, n), notifier.Summary{Failed: 1, Pending: 1})
	wantIDs(t, "the place that the redirect names", elsewhere.all())
}

func TestTimeoutAndWordsOfTheAnswer(t *testing.T) {
	hang := func(_ http.ResponseWriter, req *http.Request, _ arrival) { <-req.Context().Done() }
	flood := func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		w.WriteHeader(http.StatusTeapot)
		for range 1000 { // as much as the sender wants to read
			if _, err := fmt.Fprint(w, "\x1b[31mno \u202e", strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	}
	tests := map[string]struct {
		answer  func(http.ResponseWriter, *http.Request, arrival)
		timeout time.Duration
		code    int
		words   string
	}{
		"no answer":  {hang, 200 * time.Millisecond, 0, "no answer within 200ms"},
		"hostile":    {flood, time.Minute, http.StatusTeapot, "answered 418 I'm a teapot: [31mno  xxx"},
		"no words":   {status(http.StatusNotFound), time.Minute, http.StatusNotFound, "answered 404 Not Found"},
		"unexpected": {status(799), time.Minute, 799, "answered 799"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db, c := newStore(t), newClock()
			n := notifier.New(db, notifier.Options{Now: c.now, Timeout: test.timeout})
			r := newReceiver(t, test.answer)
			subscribe(t, n, r)
			emit(t, db, event(detected, "d1", 1))
			wantSummary(t, pass(t, n), notifier.Summary{Failed: 1, Pending: 1})
			list, err := n.Log(t.Context(), notifier.LogFilter{})
			if err != nil {
				t.Fatal(err)
			}
			if d := list[0]; d.Code != test.code || !strings.HasPrefix(d.Answer, test.words) || len(d.Answer) > 203 {
				t.Errorf("code %d, answer %q", d.Code, d.Answer)
			}
		})
	}
}

func TestErrorsDoNotShowTheURL(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	if _, err := n.AddEndpoint(t.Context(), notifier.EndpointRequest{URL: r.URL + "/path?key=hidden", Secret: r.secret, Format: "standard"}); err != nil {
		t.Fatal(err)
	}
	r.Close()
	emit(t, db, event(detected, "d1", 1))
	pass(t, n)
	list, err := n.Log(t.Context(), notifier.LogFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if a := list[0].Answer; a == "" || strings.Contains(a, "hidden") || strings.Contains(a, "/path") {
		t.Errorf("answer %q", a)
	}
}

func TestRemoveForgetsEverything(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, status(http.StatusBadRequest))
	before := keys(t, db)
	ep := subscribe(t, n, r)
	var many []wallet.Event // more than one step deletes
	for i := range 2500 {
		many = append(many, event(detected, fmt.Sprint(i%7), i))
	}
	emit(t, db, many...)
	pass(t, n)
	s, err := n.RemoveEndpoint(t.Context(), ep.ID)
	if err != nil || s.Pending != len(many) || s.Status(c.now()) != "removed" {
		t.Errorf("removed %+v, %v", s, err)
	}
	emit(t, db, event(detected, "later", 1))
	wantSummary(t, pass(t, n), notifier.Summary{})
	if after := keys(t, db); after != before {
		t.Errorf("%d endpoint and delivery keys are left, %d were there before", after, before)
	}
	if _, err := n.RemoveEndpoint(t.Context(), ep.ID); !errorIs(err, wallet.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	again := subscribe(t, n, r)
	if again.ID == ep.ID {
		t.Errorf("id %s was used again", ep.ID)
	}
}

// keys counts what the store holds of endpoints and deliveries.
func keys(t *testing.T, db store.DB) (count int) {
	t.Helper()
	if err := db.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(k, _ []byte) error {
			if name := string(k); strings.HasPrefix(name, "ep") || strings.HasPrefix(name, "dlv") {
				count++
			}
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return count
}

func TestLogIsPruned(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	subscribe(t, n, r)
	empty := keys(t, db)
	for i := range 40 {
		emit(t, db, event(detected, fmt.Sprint(i), 1))
	}
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 40})
	c.advance(30 * 24 * time.Hour)
	pass(t, n)
	if list, err := n.Log(t.Context(), notifier.LogFilter{}); err != nil || len(list) != 40 {
		t.Errorf("%d in the log on the last day, %v", len(list), err)
	}
	c.advance(time.Second)
	pass(t, n)
	if list, err := n.Log(t.Context(), notifier.LogFilter{}); err != nil || len(list) != 0 {
		t.Errorf("%d in the log after the last day, %v", len(list), err)
	}
	if got := keys(t, db); got > empty+3 { // three counters
		t.Errorf("%d keys are left of %d", got, empty)
	}
}

func TestEndpointIsTheSameWhenAskedAgain(t *testing.T) {
	db, c := newStore(t), newClock()
	n := newNotifier(db, c)
	r := newReceiver(t, accept)
	first := subscribe(t, n, r)
	if again := subscribe(t, n, r); again.ID != first.ID {
		t.Errorf("the same endpoint twice: %s and %s", first.ID, again.ID)
	}
	_, err := n.AddEndpoint(t.Context(), notifier.EndpointRequest{URL: first.URL, Secret: notifier.NewSecret(), Format: "standard"})
	wantError(t, err, wallet.ErrConflict, "another secret")
}

func TestFollow(t *testing.T) {
	db := newStore(t)
	n := notifier.New(db, notifier.Options{Timeout: time.Minute, Poll: 10 * time.Millisecond, Jitter: func(time.Duration) time.Duration { return 0 }})
	var refused atomic.Bool
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		if refused.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	hang := newReceiver(t, func(_ http.ResponseWriter, req *http.Request, _ arrival) { <-req.Context().Done() })
	subscribe(t, n, r)
	subscribe(t, n, hang)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan notifier.Summary)
	go func() {
		s, err := n.Follow(ctx)
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	var want []string
	for i := range 5 {
		want = append(want, emit(t, db, event(detected, "d", i))...)
	}
	// The receiver knows of a delivery before the sender has read its answer
	// and written it down, so only the store tells when to stop.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		list, err := n.Log(t.Context(), notifier.LogFilter{Status: wallet.DeliveryDelivered})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d of 5 were delivered", len(list))
		}
	}
	cancel()
	wantSummary(t, <-done, notifier.Summary{Delivered: 5, Failed: 1, Pending: 5})
	wantIDs(t, "accepted", r.accepted(), want...)
	// Nothing stays leased behind a follower that was told to stop.
	hang.say(accept)
	wantSummary(t, pass(t, n), notifier.Summary{Delivered: 5})
}
