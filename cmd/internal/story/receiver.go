package story

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// receiver is a business system that takes webhooks. It verifies each as the
// Standard Webhooks specification says and keeps what it was told.
type receiver struct {
	url    string
	secret []byte
	server *http.Server

	mu     sync.Mutex
	events []told
	bad    []error
}

// told is one event as it arrived.
type told struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

func startReceiver() (*receiver, error) {
	r := &receiver{secret: make([]byte, 32)}
	if _, err := rand.Read(r.secret); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.url = "http://" + l.Addr().String() + "/hooks"
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

func (r *receiver) close() error { return r.server.Close() }

// secretText is the secret as operators exchange it.
func (r *receiver) secretText() string {
	return "whsec_" + base64.StdEncoding.EncodeToString(r.secret)
}

// ServeHTTP takes one webhook.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	event, err := r.verify(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.bad = append(r.bad, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.events = append(r.events, event)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) verify(req *http.Request) (told, error) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return told{}, err
	}
	id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, r.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !strings.Contains(" "+req.Header.Get("webhook-signature")+" ", " "+want+" ") {
		return told{}, fmt.Errorf("webhook %q: wrong signature", id)
	}
	var event told
	if err := json.Unmarshal(body, &event); err != nil {
		return told{}, fmt.Errorf("webhook %q: %w", id, err)
	}
	if event.ID != id {
		return told{}, fmt.Errorf("webhook %q: the body says %q", id, event.ID)
	}
	return event, nil
}

// counts is how many different events of each type arrived.
func (r *receiver) counts() (map[string]int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bad) > 0 {
		return nil, r.bad[0]
	}
	n, seen := map[string]int{}, map[string]bool{}
	for _, e := range r.events {
		if !seen[e.ID] {
			seen[e.ID] = true
			n[e.Type]++
		}
	}
	return n, nil
}

// of is what was told of a deposit, in order.
func (r *receiver) of(deposit string) (types []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range r.events {
		var d struct{ ID string }
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return nil, fmt.Errorf("webhook %q: %w", e.ID, err)
		}
		if d.ID == deposit && !seen[e.ID] {
			seen[e.ID] = true
			types = append(types, e.Type)
		}
	}
	return types, nil
}
