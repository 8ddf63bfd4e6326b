// Package notifier tells the business systems what happened.
//
// What happens is written as an event by whoever finds it, in the same store
// transaction as the thing itself, with one pending delivery for each endpoint
// that subscribed to it (the outbox, see store.Emit). The notifier sends what
// is due, and records each answer in a transaction of its own.
//
// # What a receiver can rely on
//
// Every event is sent until the endpoint accepts it (a 2xx status), so at
// least once. A crash between the sending and the recording sends it again,
// with the same id (webhook-id), the same body and a fresh timestamp and
// signature: receivers drop ids that they know.
//
// Events of one subject (a deposit, a withdrawal, a sweep) reach an endpoint
// in the order in which they happened: the next is sent only after the one
// before was accepted. Events of different subjects are sent side by side, up
// to [Options.Parallel] at a time, in no order.
//
// # When an endpoint does not accept
//
// A refused or failed delivery is tried again after a random time of up to 5 s,
// 30 s, 2 min, 10 min, 30 min, 1 h, 3 h, 6 h, 12 h and then 24 h (exponential
// backoff with full jitter), but not before a Retry-After that came with the
// answer, of at most 24 h. After at least 12 tries and at least 72 h since the
// first it is given up: dead, kept, and holding back the later events of its
// subject until [Notifier.Retry] starts it over.
//
// An answer of 410 Gone disables the endpoint. 429 and 503 with a Retry-After
// pause the whole endpoint for that time. An endpoint that gives no answer
// several times in a row is left alone for the rest of the pass, so that a pass
// ends within minutes whatever the endpoints do; none of these is counted
// against a delivery that was not sent.
//
// # Many notifiers at once
//
// Each endpoint is served by goroutines of its own, so that none waits for
// another one. A delivery that is being sent carries a lease in the store, so
// that a second process passes it by. A lease is void after five minutes, or as
// soon as the process that took it is gone, where the system lets us see that
// (Linux): after kill -9 the next run goes on at once.
//
// Accepted deliveries are kept as a log for [Options.Retention] and then
// forgotten, a bounded number in each pass. Events themselves are kept.
package notifier
