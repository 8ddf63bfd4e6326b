package payout

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// chance draws for requests. What it draws depends on the request and on how often
// it came, not on what else is asked at the same time.
type chance struct {
	seed uint64
	mu   sync.Mutex
	seen map[string]int
}

func (s *outgoingSchedule) chance() *chance {
	return &chance{seed: s.r.Uint64(), seen: map[string]int{}}
}

// one tells for a request whether it is one of n.
func (f *chance) one(n int, r faulty.Request) bool { return f.draw(n, r) == 0 }

func (f *chance) draw(n int, r faulty.Request) int {
	params, _ := json.Marshal(r.Params)
	key := r.Method + string(params)
	f.mu.Lock()
	f.seen[key]++
	times := f.seen[key]
	f.mu.Unlock()
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, f.seed, key, times)
	return int(h.Sum64() >> 33 % uint64(n))
}

// faultNames are what nodes do wrong, as the tally counts it.
var faultNames = []string{
	"down", "requests lost", "answers lost", "requests doubled", "said yes and forgot", "said yes and kept it", "late",
	"limited", "no JSON", "null for what exists", "another hash", "refused with the words of others", "an old state",
	"nothing above a block", "another branch", "an answer twice", "reorg meanwhile",
}

// goWrong has one node, or all, do something wrong from now on.
func (s *outgoingSchedule) goWrong() {
	s.Helper()
	name := faultNames[s.r.IntN(len(faultNames))]
	bad := s.proxies
	if s.r.IntN(2) == 0 {
		n := s.r.IntN(len(bad))
		bad = bad[n : n+1]
	}
	s.fault = name
	s.done.Add(name)
	s.note("%d of %d nodes: %s", len(bad), len(s.proxies), name)
	for _, p := range bad {
		rule, gate, fates := s.wrong(name)
		p.Rule(s.watch.rule(rule))
		p.Gate(s.watch.gate(s, gate))
		p.Fates(fates)
	}
}

// refusals are the words of clients that take nothing.
var refusals = []string{
	"nonce too low", "OldNonce, Current nonce: 9, nonce of rejected tx: 0", "Nonce too low", "already known", "AlreadyKnown",
	"replacement transaction underpriced", "transaction underpriced", "max fee per gas less than block base fee",
	"txpool is full", "insufficient funds for gas * price + value", "Upfront cost exceeds account balance",
	"nonce too high", "invalid sender", "some words that nobody knows",
}

// wrong is how a node does something wrong.
func (s *outgoingSchedule) wrong(name string) (faulty.Rule, faulty.Gate, func(faulty.Request) faulty.Fate) {
	s.Helper()
	f, ctx := s.chance(), s.ctx
	inner := s.sim.Client().Client()
	sends := func(what faulty.Fate) func(faulty.Request) faulty.Fate {
		return func(r faulty.Request) faulty.Fate {
			if f.one(2, r) {
				return what
			}
			return faulty.Arrives
		}
	}
	refuse := func(status int, header http.Header, body string) faulty.Gate {
		return func(requests []faulty.Request) *faulty.Refusal {
			if !f.one(2, requests[0]) {
				return nil
			}
			return &faulty.Refusal{Status: status, Header: header, Body: body}
		}
	}
	back := uint64(1 + s.r.IntN(outgoingReorg)) // not as far as the final block
	head, err := s.sim.Client().BlockNumber(ctx)
	s.must(err)
	at := head - min(head, back)
	switch name {
	case "down":
		return nil, faulty.MaxBatch(0), nil
	case "requests lost":
		return nil, func(requests []faulty.Request) *faulty.Refusal {
			if f.one(2, requests[0]) {
				panic(http.ErrAbortHandler)
			}
			return nil
		}, nil
	case "answers lost":
		return func(r faulty.Request, _ *faulty.Answer) {
			if f.one(2, r) {
				panic(http.ErrAbortHandler)
			}
		}, nil, nil
	case "requests doubled":
		return nil, nil, sends(faulty.Twice)
	case "said yes and forgot":
		return nil, nil, sends(faulty.Forgotten)
	case "said yes and kept it":
		return nil, nil, sends(faulty.Kept)
	case "late":
		return faulty.Slow(time.Millisecond), nil, nil
	case "limited":
		var left atomic.Int32
		left.Store(2) // each makes the client wait, in earnest and for longer
		limit := refuse(http.StatusTooManyRequests, http.Header{"Retry-After": {"0"}}, "slow down")
		return nil, func(requests []faulty.Request) *faulty.Refusal {
			if left.Load() <= 0 {
				return nil
			}
			refusal := limit(requests)
			if refusal != nil {
				left.Add(-1)
			}
			return refusal
		}, nil
	case "no JSON":
		return nil, refuse(http.StatusOK, nil, "<html>"), nil
	case "null for what exists":
		return func(r faulty.Request, a *faulty.Answer) {
			if r.Method != "eth_chainId" && f.one(2, r) {
				a.Result, a.Error = json.RawMessage("null"), nil
			}
		}, nil, nil
	case "another hash":
		return func(r faulty.Request, a *faulty.Answer) {
			if faulty.Sent(r) != nil && f.one(2, r) {
				a.Result, a.Error = json.RawMessage(fmt.Sprintf(`"0x%064x"`, f.draw(1000, r))), nil
			} else if _, ok := faulty.Shown(r, a); ok && f.one(2, r) {
				a.Result = []byte(strings.Replace(string(a.Result), `"value":"0x`, `"value":"0x1`, 1))
			}
		}, nil, nil
	case "refused with the words of others":
		return func(r faulty.Request, a *faulty.Answer) {
			if faulty.Sent(r) != nil && !f.one(3, r) { // although it took it
				a.Result, a.Error = nil, json.RawMessage(fmt.Sprintf(`{"code":-32000,"message":%q}`, refusals[f.draw(len(refusals), r)]))
			}
		}, nil, nil
	case "an old state": // of blocks ago, and what came since is not known
		return func(r faulty.Request, a *faulty.Answer) {
			for i, p := range r.Params {
				if string(p) != `"latest"` {
					continue
				}
				args := make([]any, len(r.Params))
				for j := range r.Params {
					args[j] = r.Params[j]
				}
				args[i] = fmt.Sprintf("0x%x", at)
				var result json.RawMessage
				if inner.CallContext(ctx, &result, r.Method, args...) == nil {
					a.Result, a.Error = result, nil
				}
			}
		}, nil, nil
	case "nothing above a block":
		return faulty.Behind(at), nil, nil
	case "another branch":
		return faulty.Elsewhere(at), nil, nil
	case "an answer twice":
		return s.twice(f), nil, nil
	default: // "reorg meanwhile", under a request
		var once sync.Once
		return func(r faulty.Request, _ *faulty.Answer) {
			if r.Method == "eth_chainId" || !f.one(4, r) {
				return
			}
			once.Do(func() {
				if s.sim.Reorg(ctx, int(min(back, outgoingReorg))) == nil {
					_ = s.sim.Mine(ctx, 1)
				}
			})
		}, nil, nil
	}
}

// twice answers a request at times with what the last one of its kind got. Not of
// blocks: the head in place of the final block would be final for good, and a
// reorg of it an alarm that people end.
func (s *outgoingSchedule) twice(f *chance) faulty.Rule {
	var mu sync.Mutex
	last := map[string]json.RawMessage{}
	return func(r faulty.Request, a *faulty.Answer) {
		mu.Lock()
		before, ok := last[r.Method]
		last[r.Method] = a.Result
		mu.Unlock()
		if ok && r.Method != "eth_getBlockByNumber" && f.one(2, r) {
			a.Result = before
		}
	}
}
