// Package faulty puts a JSON-RPC proxy before a node, so that tests can have the
// node be late, wrong, empty, stale or gone.
package faulty

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Request is one JSON-RPC request, on its own or of a batch.
type Request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// Answer is one JSON-RPC answer. A rule may change it.
type Answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// Rule looks at a request and its answer, which it may change. One that panics
// with http.ErrAbortHandler loses the answer: the node has done what it was asked,
// and who asked sees the connection break.
type Rule func(Request, *Answer)

// Proxy is an HTTP endpoint before a node.
type Proxy struct {
	*httptest.Server

	node   string
	client http.Client
	mu     sync.Mutex
	rule   Rule
	down   int // HTTP status instead of any answer, or Lost; 0 for none
	seen   map[string]int

	gate    Gate
	refused int

	fates func(Request) Fate
	kept  map[string]json.RawMessage // transactions by the JSON of their hash
}

// New starts a proxy before the node at an HTTP URL. Close ends it.
func New(node string) *Proxy {
	p := &Proxy{node: node, seen: map[string]int{}}
	p.client.Transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	return p
}

// Rule sets what happens to answers from now on; nil leaves them alone.
func (p *Proxy) Rule(r Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = r
}

// Lost, given to Proxy.Down, answers nothing: who asks waits until he gives up.
const Lost = -1

// Down answers everything with an HTTP status from now on; 0 ends that.
func (p *Proxy) Down(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = status
}

// Seen is how often a method was asked for.
func (p *Proxy) Seen(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[method]
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	rule, down := p.rule, p.down
	p.mu.Unlock()
	if down > 0 {
		http.Error(w, http.StatusText(down), down)
		return
	}
	body, err := io.ReadAll(r.Body) // without which the server does not see that the client is gone
	if down == Lost {
		<-r.Context().Done()
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	requests, err := parse(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if refusal := p.admit(requests); refusal != nil {
		refusal.write(w)
		return
	}
	answer, err := p.ask(requests, body)
	if err == nil {
		answer, err = p.change(rule, requests, body[0] == '{', answer)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// parse reads the requests of a batch, or one alone.
func parse(body []byte) (requests []Request, err error) {
	if len(body) > 0 && body[0] == '{' {
		body = list(body)
	}
	return requests, json.Unmarshal(body, &requests)
}

func (p *Proxy) change(rule Rule, requests []Request, single bool, answer []byte) ([]byte, error) {
	if single {
		answer = list(answer)
	}
	var answers []Answer
	if err := json.Unmarshal(answer, &answers); err != nil {
		return nil, err
	}
	asked := map[string]Request{}
	p.mu.Lock()
	for _, r := range requests {
		asked[string(r.ID)] = r
		p.seen[r.Method]++
	}
	p.mu.Unlock()
	if rule != nil {
		for i := range answers {
			rule(asked[string(answers[i].ID)], &answers[i])
		}
	}
	if single {
		return json.Marshal(answers[0])
	}
	return json.Marshal(answers)
}

func list(b []byte) []byte {
	return append(append([]byte{'['}, bytes.TrimSpace(b)...), ']')
}
