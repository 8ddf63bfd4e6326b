package scanner_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// dice is randomness that several requests at the same time may use. How much of
// it they use changes nothing about the rest of the schedule.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (s *schedule) dice() *dice { return &dice{r: rand.New(rand.NewPCG(s.r.Uint64(), 0))} }

func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// bad are the endpoints that do wrong for once.
func (s *schedule) bad() (string, []*faulty.Proxy) {
	if s.second == nil {
		return "the node", []*faulty.Proxy{s.proxy}
	}
	switch s.r.IntN(3) {
	case 0:
		return "both nodes", []*faulty.Proxy{s.proxy, s.second}
	case 1:
		return "the first node", []*faulty.Proxy{s.proxy}
	default:
		return "the second node", []*faulty.Proxy{s.second}
	}
}

// faultyPass has nodes lie, fail or lag during a pass, which may fail.
func (s *schedule) faultyPass() {
	s.done.Add("faults")
	who, bad := s.bad()
	name, rule, gate := s.fault()
	for _, p := range bad {
		p.Rule(rule)
		p.Gate(gate)
	}
	what, err := s.readBy(s.db)
	for _, p := range bad {
		p.Rule(nil)
		p.Gate(nil)
	}
	s.dial() // which forgets who was slow
	s.doubt = true
	s.note("%s with %s: %s: %v", what, who, name, err)
}

// lyingPass has nodes lie about calls, or not prove balances, in a pass or while
// all is read again.
func (s *schedule) lyingPass() {
	s.done.Add("lies")
	who, bad := s.bad()
	name, rule := s.lie()
	for _, p := range bad {
		p.Rule(rule)
	}
	what, err := s.readBy(s.db)
	for _, p := range bad {
		p.Rule(nil)
	}
	s.dial()
	s.doubt = true
	s.note("%s with %s: %s: %v", what, who, name, err)
}

func (s *schedule) lie() (string, faulty.Rule) {
	d := s.dice()
	fail := func(method, fault string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if r.Method == method && d.IntN(3) > 0 {
				a.Result, a.Error = nil, json.RawMessage(fault)
			}
		}
	}
	switch s.r.IntN(7) {
	case 0:
		return "no tracing", fail("debug_traceBlockByHash", `{"code":-32601,"message":"the method debug_traceBlockByHash does not exist"}`)
	case 1:
		return "no proofs", fail("eth_getProof", `{"code":-32601,"message":"the method eth_getProof does not exist"}`)
	case 2:
		return "no state", fail("eth_getProof", `{"code":-32000,"message":"missing trie node"}`)
	case 3:
		return "wrong proofs", func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getProof" && d.IntN(3) > 0 {
				a.Result = json.RawMessage(`{"accountProof":["0xc0"]}`)
			}
		}
	case 4:
		return "a call dropped", faulty.Calls(func(calls []faulty.Call) []faulty.Call { return calls[1:] })
	case 5:
		who := s.someone().Hex()
		return "a call added", faulty.Calls(func(calls []faulty.Call) []faulty.Call {
			return append(calls, calls[0].With("to", who))
		})
	default:
		return "a value doubled", faulty.Calls(func(calls []faulty.Call) []faulty.Call {
			calls[0] = calls[0].With("value", "0x7")
			return calls
		})
	}
}

// fault is what a node can do wrong that is no lie about calls.
func (s *schedule) fault() (name string, rule faulty.Rule, gate faulty.Gate) {
	ctx, d := s.Context(), s.dice()
	raw := func(result string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if d.IntN(2) == 0 && r.Method != "eth_chainId" {
				a.Result, a.Error = json.RawMessage(result), nil
			}
		}
	}
	refuse := func(status int, header http.Header, body string) faulty.Gate {
		return func([]faulty.Request) *faulty.Refusal {
			if d.IntN(2) == 0 {
				return nil
			}
			return &faulty.Refusal{Status: status, Header: header, Body: body}
		}
	}
	switch n := s.r.IntN(16); n {
	case 0:
		return "down", nil, faulty.MaxBatch(0)
	case 8:
		return "down at times", nil, refuse(http.StatusBadGateway, nil, "bad gateway")
	case 9:
		return "limited", nil, refuse(http.StatusTooManyRequests, http.Header{"Retry-After": {"0"}}, "slow down")
	case 10:
		return "no JSON", nil, refuse(http.StatusOK, nil, "<html>")
	case 11:
		return "cut off", nil, func([]faulty.Request) *faulty.Refusal {
			if d.IntN(3) == 0 {
				panic(http.ErrAbortHandler)
			}
			return nil
		}
	case 12:
		return "late", faulty.Slow(time.Duration(1+s.r.IntN(3)) * time.Millisecond), nil
	case 13:
		return "an answer twice", s.twice(d), nil
	case 14, 15:
		head, err := s.net.Client().BlockNumber(ctx)
		s.ok(err)
		at := head - min(head, uint64(s.r.IntN(5)))
		if n == 14 {
			return fmt.Sprintf("has nothing above %d", at), faulty.Behind(at), nil
		}
		return fmt.Sprintf("another branch from %d on", at), faulty.Elsewhere(at), nil
	case 1:
		return "null", raw(`null`), nil
	case 2:
		return "empty list", raw(`[]`), nil
	case 3:
		return "empty object", raw(`{}`), nil
	case 4:
		return "dropped log", func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getBlockReceipts" {
				a.Result = []byte(strings.Replace(string(a.Result), `"status":"0x1"`, `"status":"0x0"`, 1))
			}
		}, nil
	case 5: // every block is the one before
		return "stale block", func(r faulty.Request, a *faulty.Answer) {
			var n string
			if len(r.Params) == 0 || json.Unmarshal(r.Params[0], &n) != nil || !strings.HasPrefix(n, "0x") || len(n) > 10 {
				return
			}
			number, err := strconv.ParseUint(n[2:], 16, 64)
			if err != nil || number == 0 || !strings.HasPrefix(r.Method, "eth_getBlock") {
				return
			}
			args := []any{fmt.Sprintf("0x%x", number-1)}
			if len(r.Params) > 1 {
				args = append(args, r.Params[1])
			}
			var result json.RawMessage
			if s.net.Client().Client().CallContext(ctx, &result, r.Method, args...) == nil {
				a.Result = result
			}
		}, nil
	case 6: // the node is some blocks behind
		head, err := s.net.Client().BlockNumber(ctx)
		s.ok(err)
		lag := fmt.Sprintf("0x%x", head-min(head, uint64(s.r.IntN(5))))
		return "behind", func(r faulty.Request, a *faulty.Answer) {
			if len(r.Params) > 1 && string(r.Params[0]) == `"latest"` {
				var result json.RawMessage
				if s.net.Client().Client().CallContext(ctx, &result, r.Method, lag, r.Params[1]) == nil {
					a.Result = result
				}
			}
		}, nil
	default: // the chain forks under the pass
		once, depth := sync.Once{}, 1+s.r.IntN(3)
		return "fork meanwhile", func(faulty.Request, *faulty.Answer) {
			once.Do(func() {
				if head, err := s.net.Client().BlockNumber(ctx); err == nil && head > 8 && s.top <= head {
					_ = s.net.Reorg(ctx, depth)
				}
			})
		}, nil
	}
}

// twice answers a request at times with what the last one of its kind got.
func (s *schedule) twice(d *dice) faulty.Rule {
	var mu sync.Mutex
	last := map[string]json.RawMessage{}
	return func(r faulty.Request, a *faulty.Answer) {
		mu.Lock()
		defer mu.Unlock()
		before, ok := last[r.Method]
		last[r.Method] = a.Result
		if ok && d.IntN(2) == 0 {
			a.Result = before
		}
	}
}
