package scanner_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/airlock-wallet/airlock/scanner"
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

// faultyPass has the node lie, fail or lag during a pass, which may fail.
func (s *schedule) faultyPass() {
	s.done.add("faults")
	name, rule := s.fault()
	if name == "down" {
		s.proxy.Down(http.StatusBadGateway)
	}
	s.proxy.Rule(rule)
	_, err := s.scanner(s.db).Pass(s.Context())
	s.proxy.Rule(nil)
	s.proxy.Down(0)
	s.doubt = true
	s.note("pass with fault %q: %v", name, err)
}

// lyingPass has the node lie about calls, or not prove balances, in a pass or
// while all is read again.
func (s *schedule) lyingPass() {
	s.done.add("lies")
	name, rule := s.lie()
	s.proxy.Rule(rule)
	read := func() (scanner.Summary, error) { return s.scanner(s.db).Pass(s.Context()) }
	if s.r.IntN(3) == 0 && s.cursor().Head > s.chain.StartBlock {
		name += ", again"
		read = func() (scanner.Summary, error) { return s.scanner(s.db).Rescan(s.Context(), s.chain.StartBlock, 0) }
	}
	sum, err := read()
	s.proxy.Rule(nil)
	s.dial()
	s.doubt = true
	s.note("pass with a lie, %q: %+v, %v", name, sum, err)
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

func (s *schedule) fault() (string, faulty.Rule) {
	ctx, d := s.Context(), s.dice()
	raw := func(result string) faulty.Rule {
		return func(r faulty.Request, a *faulty.Answer) {
			if d.IntN(2) == 0 && r.Method != "eth_chainId" {
				a.Result, a.Error = json.RawMessage(result), nil
			}
		}
	}
	switch s.r.IntN(8) {
	case 0:
		return "down", nil
	case 1:
		return "null", raw(`null`)
	case 2:
		return "empty list", raw(`[]`)
	case 3:
		return "empty object", raw(`{}`)
	case 4:
		return "dropped log", func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getBlockReceipts" {
				a.Result = []byte(strings.Replace(string(a.Result), `"status":"0x1"`, `"status":"0x0"`, 1))
			}
		}
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
		}
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
		}
	default: // the chain forks under the pass
		once, depth := sync.Once{}, 1+s.r.IntN(3)
		return "fork meanwhile", func(faulty.Request, *faulty.Answer) {
			once.Do(func() {
				if head, err := s.net.Client().BlockNumber(ctx); err == nil && head > 8 && s.top <= head {
					_ = s.net.Reorg(ctx, depth)
				}
			})
		}
	}
}
