package faulty

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Behind is a node that has no block above a height. What it says is its head
// stays right only for eth_blockNumber.
func Behind(height uint64) Rule {
	return func(r Request, a *Answer) {
		switch {
		case r.Method == "eth_blockNumber":
			a.Result, _ = json.Marshal(hexutil.Uint64(height))
		case r.Method == "eth_getBlockByNumber" && numberOf(r) > height:
			a.Result = json.RawMessage("null")
		}
	}
}

// Elsewhere is a node on a branch of its own from a height on: its headers hash
// to what it says and are those of no other node.
func Elsewhere(from uint64) Rule {
	return func(r Request, a *Answer) {
		var h types.Header
		if r.Method != "eth_getBlockByNumber" || numberOf(r) < from || json.Unmarshal(a.Result, &h) != nil {
			return
		}
		h.Extra = []byte("elsewhere")
		a.Result, _ = json.Marshal(&h)
	}
}

// Slow is a node that takes its time.
func Slow(d time.Duration) Rule {
	return func(Request, *Answer) { time.Sleep(d) }
}

// A Call is one in a trace by geth's callTracer.
type Call map[string]any

// With is a copy of the call that differs in one field.
func (c Call) With(field string, value any) Call {
	d := maps.Clone(c)
	d[field] = value
	return d
}

// Calls is a node that lies about the calls inside transactions: of each list of
// calls in a trace that moved something, change returns what the node tells. The
// first in the list is one that did.
func Calls(change func([]Call) []Call) Rule {
	return func(r Request, a *Answer) {
		var traces []struct {
			TxHash string `json:"txHash"`
			Result Call   `json:"result"`
		}
		if r.Method != "debug_traceBlockByHash" || json.Unmarshal(a.Result, &traces) != nil {
			return
		}
		for i := range traces {
			changeCalls(traces[i].Result, change)
		}
		a.Result, _ = json.Marshal(traces)
	}
}

func changeCalls(of Call, change func([]Call) []Call) {
	list, _ := of["calls"].([]any)
	var calls []Call
	for _, c := range list {
		if call, ok := c.(map[string]any); ok {
			changeCalls(call, change)
			calls = append(calls, call)
		}
	}
	moved := slices.IndexFunc(calls, func(c Call) bool { return c["value"] != nil && c["value"] != "0x0" })
	if moved >= 0 {
		calls[0], calls[moved] = calls[moved], calls[0]
		of["calls"] = change(calls)
	}
}

// numberOf is the height that a request names, 0 for a tag.
func numberOf(r Request) uint64 {
	var n hexutil.Uint64
	if len(r.Params) == 0 || json.Unmarshal(r.Params[0], &n) != nil {
		return 0
	}
	return uint64(n)
}
