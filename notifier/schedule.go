package notifier

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/airlock-wallet/airlock/wallet"
)

// backoff is the longest wait after the n-th failed try; the last one stands
// for all further ones.
var backoff = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// A delivery is given up after giveUpTries and giveUpAfter, whichever is later.
const (
	giveUpTries = 12
	giveUpAfter = 72 * time.Hour
	// minWait keeps full jitter from trying again at once.
	minWait = time.Second
	// maxRetryAfter bounds what an endpoint may ask for.
	maxRetryAfter = 24 * time.Hour
	// maxAnswer bounds how much of an endpoint's words is kept, in bytes.
	maxAnswer = 200
)

// outcome is what came of one attempt.
type outcome struct {
	at         time.Time // when it was over
	unsent     bool      // given back without trying, or broken off by ourselves
	code       int       // HTTP status, 0 without an answer
	err        error     // nil when the endpoint accepted
	retryAfter time.Duration
}

// gone reports whether the endpoint wants nothing any more.
func (o outcome) gone() bool { return o.code == http.StatusGone }

// silent reports whether the endpoint as a whole seems to be out of order,
// rather than this event refused.
func (o outcome) silent() bool {
	switch o.code {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return o.err != nil && !o.unsent
	}
	return false
}

// pause is how long the endpoint as a whole wants to be left alone.
func (o outcome) pause() time.Duration {
	if o.code == http.StatusTooManyRequests || o.code == http.StatusServiceUnavailable {
		return o.retryAfter
	}
	return 0
}

// after decides what becomes of a delivery. jitter returns a random duration
// of at most its argument.
func after(d wallet.Delivery, o outcome, jitter func(time.Duration) time.Duration) wallet.Delivery {
	d.Lease = nil
	if o.unsent {
		return d
	}
	if d.Tries == 0 {
		d.Since = o.at
	}
	d.Tries++
	d.Attempts++
	d.LastAt, d.Code, d.Answer, d.Next = o.at, o.code, "", time.Time{}
	if o.err == nil {
		d.Status, d.DeliveredAt = wallet.DeliveryDelivered, o.at
		return d
	}
	d.Answer = printable(o.err.Error(), maxAnswer)
	if d.Tries >= giveUpTries && o.at.Sub(d.Since) >= giveUpAfter {
		d.Status = wallet.DeliveryDead
		return d
	}
	longest := backoff[min(d.Tries, len(backoff))-1]
	wait := max(minWait+jitter(longest-minWait), o.retryAfter)
	d.Next = o.at.Add(wait)
	return d
}

// revive starts a delivery over: it is due at once, with all its tries.
func revive(d wallet.Delivery) wallet.Delivery {
	d.Status, d.Tries, d.Since, d.Next = wallet.DeliveryPending, 0, time.Time{}, time.Time{}
	return d
}

// retryAfter reads the header of that name (RFC 9110, 10.2.3): seconds or a
// date. What is missing, malformed or past is 0.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0
		}
	}
	seconds, err := strconv.ParseUint(value, 10, 31)
	if value == "" {
		return 0
	}
	if err != nil { // digits that do not fit
		return maxRetryAfter
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// printable keeps the beginning of foreign words, up to limit bytes, on one
// line and without characters that could steer a terminal.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = ' '
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// describe adds the beginning of an endpoint's answer to why it is a refusal.
func describe(err error, body []byte) error {
	if words := printable(string(body), maxAnswer); words != "" {
		return fmt.Errorf("%w: %s", err, words)
	}
	return err
}
