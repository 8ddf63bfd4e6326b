package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A gate counts what a program asks of the outside, and kills it at one of the
// requests: before the outside has it, or when the outside has done it and the
// program does not know.
type gate struct {
	mu     sync.Mutex
	number int // which to kill at, from 1 on; 0 for none
	after  bool
	kill   func()
	seen   int
	what   string // the request at which the program was killed
}

// arm has the gate count from 1 again, and kill at a number.
func (g *gate) arm(number int, after bool, kill func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.number, g.after, g.kill, g.seen, g.what = number, after, kill, 0, ""
}

// disarm opens the gate for good, and says at what the program was killed.
func (g *gate) disarm() (what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	what = g.what
	g.number, g.kill, g.what = 0, nil, ""
	return what
}

// next counts requests that arrived together, and says how many of them are to be
// done: all, unless the program is to be killed. Nothing is done for a program that
// is killed already.
func (g *gate) next(names ...string) (do int, kill func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.what != "" {
		return 0, g.kill
	}
	first := g.seen + 1
	g.seen += len(names)
	if g.number < first || g.number > g.seen {
		return len(names), nil
	}
	do = g.number - first
	g.what = names[do]
	if g.after {
		do++
	}
	return do, g.kill
}

// A proxy stands before a node.
type proxy struct {
	gate
	*httptest.Server
	node string // URL
}

func newProxy(t testing.TB, node string) *proxy {
	p := &proxy{node: node}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP passes on the calls of one request. Where the program is killed in the
// middle of a batch, the node gets the calls up to there.
func (p *proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it was killed as it wrote
	}
	calls, err := callsOf(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	names := make([]string, len(calls))
	for i, c := range calls {
		names[i] = c.method
	}
	do, kill := p.next(names...)
	if kill != nil {
		body = join(calls[:do])
	}
	var answer []byte
	if do > 0 {
		if answer, err = p.ask(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	if kill != nil {
		kill()
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

func (p *proxy) ask(body []byte) ([]byte, error) {
	resp, err := http.Post(p.node, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// rpcCall is one call of a JSON-RPC request.
type rpcCall struct {
	method string
	raw    json.RawMessage
}

// callsOf takes a request apart: one call, or a batch of them.
func callsOf(body []byte) ([]rpcCall, error) {
	raws := []json.RawMessage{body}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		raws = nil
		if err := json.Unmarshal(body, &raws); err != nil {
			return nil, err
		}
	}
	calls := make([]rpcCall, len(raws))
	for i, raw := range raws {
		var c struct{ Method string }
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, err
		}
		calls[i] = rpcCall{c.Method, raw}
	}
	if len(calls) == 0 {
		return nil, fmt.Errorf("a batch without calls")
	}
	return calls, nil
}

// join makes a batch of calls.
func join(calls []rpcCall) []byte {
	raws := make([][]byte, len(calls))
	for i, c := range calls {
		raws[i] = c.raw
	}
	return append(append([]byte("["), bytes.Join(raws, []byte(","))...), ']')
}
