package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// A receiver is the business system that is told of events.
type receiver struct {
	gate
	*httptest.Server
	told []event // as they arrived; mu of the gate guards it
}

// event is one delivery.
type event struct {
	id, kind, subject, body string
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP takes a delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it was killed as it wrote
	}
	var content struct {
		Type string
		Data struct {
			ID    string // of a deposit or a withdrawal
			From  string // of a sweep, with its nonce
			Nonce uint64
		}
	}
	if err := json.Unmarshal(body, &content); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := event{req.Header.Get("webhook-id"), content.Type, content.Data.ID, string(body)}
	if e.subject == "" && content.Data.From != "" {
		e.subject = fmt.Sprintf("%s nonce %d", content.Data.From, content.Data.Nonce)
	}
	do, kill := r.next(e.kind)
	if do > 0 {
		r.mu.Lock()
		r.told = append(r.told, e)
		r.mu.Unlock()
	}
	if kill != nil {
		kill()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

// stories are the types of the events of each subject, in the order in which they
// came first. One that came again must be the same.
func (r *receiver) stories() (map[string][]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stories, bodies := map[string][]string{}, map[string]string{}
	for _, e := range r.told {
		body, again := bodies[e.id]
		switch {
		case e.id == "" || e.subject == "":
			return nil, fmt.Errorf("an event without id or subject: %s", e.body)
		case again && body != e.body:
			return nil, fmt.Errorf("event %s came as %s, and as %s", e.id, body, e.body)
		case again:
			continue
		}
		bodies[e.id] = e.body
		stories[e.subject] = append(stories[e.subject], e.kind)
	}
	return stories, nil
}

// soFar is what arrived, and forget sets it back to that.
func (r *receiver) soFar() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

func (r *receiver) forget(to []event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = slices.Clone(to)
}
