package faulty

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A Gate decides about a whole HTTP request before the node sees it: nil lets it
// pass. It may take its time. One that panics with http.ErrAbortHandler loses the
// request: the connection breaks, and the node has seen nothing.
type Gate func([]Request) *Refusal

// Refusal is an HTTP answer of the proxy's own.
type Refusal struct {
	Status int
	Header http.Header
	Body   string
}

// Gate sets who passes from now on; nil lets everything pass. Whatever is
// refused is neither counted as seen nor shown to the rule.
func (p *Proxy) Gate(g Gate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = g
}

// Refused is how many HTTP requests a gate refused.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// admit asks the gate.
func (p *Proxy) admit(requests []Request) *Refusal {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	if gate == nil {
		return nil
	}
	refusal := gate(requests)
	if refusal != nil {
		p.mu.Lock()
		p.refused++
		p.mu.Unlock()
	}
	return refusal
}

func (r *Refusal) write(w http.ResponseWriter) {
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write([]byte(r.Body))
}

// Gates passes what each of them passes.
func Gates(gates ...Gate) Gate {
	return func(requests []Request) *Refusal {
		for _, g := range gates {
			if g == nil {
				continue
			}
			if r := g(requests); r != nil {
				return r
			}
		}
		return nil
	}
}

// MaxBatch is a node that takes at most n requests in a batch.
func MaxBatch(n int) Gate {
	return func(requests []Request) *Refusal {
		if len(requests) <= n {
			return nil
		}
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Body: "at most " + fmt.Sprint(n) + " requests in a batch"}
	}
}

// NoBatch is a node that answers any batch with one error.
func NoBatch(code int, message string) Gate {
	return func(requests []Request) *Refusal {
		if len(requests) < 2 {
			return nil
		}
		return &Refusal{Status: http.StatusOK, Body: fmt.Sprintf(` {"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%q}}`, code, message)}
	}
}

// PerSecond is a node that takes at most n requests in any second, each of a
// batch counted, and refuses the others with a Retry-After header unless that
// is empty.
func PerSecond(n int, retryAfter string) Gate {
	var mu sync.Mutex
	var taken []time.Time
	return func(requests []Request) *Refusal {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		for len(taken) > 0 && now.Sub(taken[0]) >= time.Second {
			taken = taken[1:]
		}
		if len(taken)+len(requests) > n {
			r := &Refusal{Status: http.StatusTooManyRequests, Body: "slow down"}
			if retryAfter != "" {
				r.Header = http.Header{"Retry-After": {retryAfter}}
			}
			return r
		}
		for range requests {
			taken = append(taken, now)
		}
		return nil
	}
}
