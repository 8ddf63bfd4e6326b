package faulty

import (
	"encoding/json"
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

// numberOf is the height that a request names, 0 for a tag.
func numberOf(r Request) uint64 {
	var n hexutil.Uint64
	if len(r.Params) == 0 || json.Unmarshal(r.Params[0], &n) != nil {
		return 0
	}
	return uint64(n)
}
