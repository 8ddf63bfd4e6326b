package chain

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet"
)

// asker puts requests to a node: an rpc.Client, or one that heeds what the
// node can take.
type asker interface {
	CallContext(ctx context.Context, result any, method string, args ...any) error
	BatchCallContext(ctx context.Context, elems []rpc.BatchElem) error
}

// paced puts requests to an endpoint at the endpoint's pace. Each HTTP request
// has the endpoint's time-out to itself, and waits for its turn before it.
type paced struct {
	ep *endpoint
	r  *rpc.Client
	// patience bounds one wait for the endpoint in the middle of a batch: when
	// another endpoint could do all of it instead.
	patience time.Duration
}

// CallContext is rpc.Client's.
func (p paced) CallContext(ctx context.Context, result any, method string, args ...any) error {
	elem := []rpc.BatchElem{{Method: method, Args: args, Result: result}}
	if _, _, err := p.put(ctx, elem); err != nil {
		return err
	}
	return elem[0].Error
}

// partTries bounds how often a part of a batch is asked again at the same
// endpoint after a refusal for the rate.
const partTries = 5

// BatchCallContext is rpc.Client's, except that it asks in parts that the
// endpoint takes. A part that is too much is halved and asked again at once.
// If a later part fails, its elements and those after it have the error.
func (p paced) BatchCallContext(ctx context.Context, elems []rpc.BatchElem) error {
	if len(elems) == 0 {
		return nil
	}
	rest, refused := elems, 0
	for len(rest) > 0 {
		n := p.ep.batch(elems[0].Method, len(rest))
		got, v, err := p.put(ctx, rest[:n])
		rest = rest[got:]
		switch {
		case err == nil:
			refused = 0
		case n > 1 && (v == tooMuch || v == alone):
		case len(rest) < len(elems) && v == crowded && refused < partTries && p.ep.silence(time.Now()) <= p.patience:
			refused++ // what was answered is not asked again
		case len(rest) == len(elems):
			return err
		default:
			for i := range rest {
				rest[i].Error = err
			}
			return nil
		}
	}
	return nil
}

// put makes one HTTP request, a batch if it has several elements, and tells the
// pace what became of it. It returns how many elements have an answer, and an
// error with its verdict if not all have.
func (p paced) put(ctx context.Context, elems []rpc.BatchElem) (int, verdict, error) {
	full, err := p.ep.admit(ctx, len(elems))
	if err != nil {
		return 0, lost, err
	}
	o := outcome{kind: elems[0].Method, n: len(elems), started: time.Now(), full: full}
	ex := &exchange{batch: len(elems) > 1}
	inner, cancel := context.WithTimeout(context.WithValue(ctx, exchangeKey{}, ex), p.ep.timeout)
	defer cancel()
	for i := range elems {
		elems[i].Error = nil
	}
	if ex.batch {
		err = p.r.BatchCallContext(inner, elems)
	} else {
		elems[0].Error = p.r.CallContext(inner, elems[0].Result, elems[0].Method, elems[0].Args...)
	}
	got := 0
	got, o.verdict, err = weigh(elems, err, ex)
	o.retryAfter, o.single = ex.retryAfter, ex.single != nil
	if ctx.Err() != nil { // somebody lost interest
		o.verdict = lost
	}
	p.ep.learn(o)
	return got, o.verdict, err
}

// weigh finds out what became of a batch: how many of its elements were
// answered, up to the first that the endpoint refused.
func weigh(elems []rpc.BatchElem, err error, ex *exchange) (int, verdict, error) {
	if err != nil && ex.single != nil {
		v := judge(ex.single)
		if v != crowded || strings.Contains(strings.ToLower(ex.single.Error()), "batch") {
			v = alone
		}
		return 0, v, ex.single
	}
	if err != nil {
		v := judge(err)
		var status rpc.HTTPError
		if errors.As(err, &status) && (status.StatusCode == http.StatusBadRequest || status.StatusCode == http.StatusUnprocessableEntity) {
			v = tooMuch // of a batch; each alone will tell
		}
		if isSingleAnswer(err) {
			v = alone
		}
		return 0, v, err
	}
	missing := func(e rpc.BatchElem) bool { return errors.Is(e.Error, rpc.ErrMissingBatchResponse) }
	if len(elems) > 1 && !slices.ContainsFunc(elems, func(e rpc.BatchElem) bool { return !missing(e) }) {
		return 0, tooMuch, elems[0].Error // the answer was to nobody in particular
	}
	for i, e := range elems {
		v := judgeElem(e)
		if v == taken && missing(e) {
			// geth tells of a batch that is too large in the answer to one.
			if j := slices.IndexFunc(elems, func(e rpc.BatchElem) bool { return judgeElem(e) == tooMuch }); j >= 0 {
				return i, tooMuch, elems[j].Error
			}
		}
		if v != taken {
			return i, v, e.Error
		}
	}
	return len(elems), taken, nil
}

// exchange is what the transport tells of an HTTP request beside its answer.
type exchange struct {
	batch      bool          // the request was one
	retryAfter time.Duration // RFC 9110, 10.2.3; 0 if the answer names none
	single     error         // the error that came alone where a list was due
}

type exchangeKey struct{}

// maxSingle bounds a single answer that is looked into.
const maxSingle = 64 << 10

// note keeps what is lost of an answer on its way through the RPC client.
func (ex *exchange) note(resp *http.Response) {
	ex.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	if !ex.batch || resp.StatusCode != http.StatusOK {
		return
	}
	body := bufio.NewReader(resp.Body)
	whole := struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
	resp.Body = whole
	for {
		b, err := body.ReadByte()
		if err == nil && (b == ' ' || b == '\n' || b == '\r' || b == '\t') {
			continue
		}
		if err == nil {
			_ = body.UnreadByte()
		}
		if b != '{' {
			return
		}
		break
	}
	text, _ := io.ReadAll(io.LimitReader(body, maxSingle))
	whole.Reader = io.MultiReader(bytes.NewReader(text), body)
	resp.Body = whole
	var answer struct {
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &answer) == nil && answer.Error != nil {
		ex.single = spokenError{answer.Error.Code, answer.Error.Message}
	}
}

// spokenError is a JSON-RPC error (rpc.Error).
type spokenError struct {
	code int
	text string
}

func (e spokenError) Error() string  { return e.text }
func (e spokenError) ErrorCode() int { return e.code }

// retryAfter reads seconds or an HTTP date, bounded by maxQuiet.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxQuiet)
	}
	if date, err := http.ParseTime(header); err == nil {
		return min(max(0, date.Sub(now)), maxQuiet)
	}
	return 0
}

// batch is how many of n requests of a kind may go into one batch now.
func (ep *endpoint) batch(kind string, n int) int {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.pace.batch(kind, n)
}

// admit waits for the turn of a batch of n, and reports whether as many
// requests as allowed are under way with it. If that would last longer than ctx
// it fails at once. What was admitted ends with learn.
func (ep *endpoint) admit(ctx context.Context, n int) (full bool, err error) {
	if full, err = ep.enter(ctx); err != nil {
		return false, err
	}
	for reserved := false; ; {
		now := time.Now()
		ep.mu.Lock()
		d := ep.pace.silence(now)
		if d == 0 && !reserved {
			d, reserved = ep.pace.reserve(now, n), true
		}
		ep.mu.Unlock()
		if d == 0 {
			return full, nil
		}
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(now.Add(d)) {
			err = ep.silent(d)
		} else {
			err = sleep(ctx, d)
		}
		if err != nil {
			ep.leave()
			return false, err
		}
	}
}

// enter waits until fewer requests are under way than allowed.
func (ep *endpoint) enter(ctx context.Context) (full bool, err error) {
	for {
		ep.mu.Lock()
		entered, full := ep.pace.enter()
		left := ep.left
		ep.mu.Unlock()
		if entered {
			return full, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-left:
		}
	}
}

func (ep *endpoint) leave() {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.pace.leave()
	close(ep.left)
	ep.left = make(chan struct{})
}

func (ep *endpoint) learn(o outcome) {
	ep.mu.Lock()
	ep.pace.learn(time.Now(), o)
	ep.mu.Unlock()
	ep.leave()
}

// width is how many requests may be under way, 1 if there may be none now.
func (ep *endpoint) width() int {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.pace.silence(time.Now()) > 0 {
		return 1
	}
	return ep.pace.width
}

// silence is how long the endpoint wants to be left alone.
func (ep *endpoint) silence(now time.Time) time.Duration {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.pace.silence(now)
}

// delay is how long a request would wait for its turn.
func (ep *endpoint) delay(now time.Time) time.Duration {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.pace.delay(now)
}

// silent is why an endpoint is not asked now.
func (ep *endpoint) silent(d time.Duration) error {
	return &EndpointError{
		Host: ep.host, kind: transient, class: wallet.ErrUnreachable,
		Reason: "limits the rate of requests; it is asked again in " + max(d, time.Second).Round(time.Second).String(),
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
