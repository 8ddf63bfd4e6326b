package notifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// maxBody bounds what is read of an answer, in bytes; the rest is not waited
// for.
const maxBody = 16 << 10

// sender posts messages. It is safe for concurrent use.
type sender struct {
	client  *http.Client
	timeout time.Duration // of one request, from dialing to the end of the answer
	now     func() time.Time
}

func newSender(transport http.RoundTripper, timeout time.Duration, now func() time.Time) *sender {
	return &sender{
		client: &http.Client{
			Transport: transport,
			// A redirect would carry the event to somebody the operator did
			// not name.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout: timeout,
		now:     now,
	}
}

// newTransport verifies certificates as usual, and keeps enough connections
// open for the given number of requests to one endpoint.
func newTransport(parallel int) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = parallel
	return t
}

// send makes one attempt. It never fails: what went wrong is the outcome.
func (s *sender) send(ctx context.Context, f Format, to, secret string, e wallet.Event) outcome {
	attempt, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	code, header, err := s.post(attempt, f, to, secret, e)
	o := outcome{at: s.now(), code: code, err: err}
	switch {
	case err != nil && ctx.Err() != nil:
		// We broke it off; the endpoint may have the event all the same.
		o.unsent = true
	case err != nil && header != nil:
		o.retryAfter = retryAfter(header.Get("Retry-After"), o.at)
	case err != nil && attempt.Err() != nil:
		o.err = fmt.Errorf("no answer within %s", s.timeout)
	}
	return o
}

func (s *sender) post(ctx context.Context, f Format, to, secret string, e wallet.Event) (code int, header http.Header, err error) {
	msg, err := f.Message(e, secret, s.now())
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(msg.Body))
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	req.Header = msg.Header
	req.Header.Set("User-Agent", "airlock")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	defer resp.Body.Close()
	// What cannot be read of the body does not change what the status says.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err := f.Accepts(resp.StatusCode, body); err != nil {
		return resp.StatusCode, resp.Header, describe(err, body)
	}
	return resp.StatusCode, resp.Header, nil
}

// withoutURL drops the URL that net/http puts before its errors: its path and
// query may hold keys.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
