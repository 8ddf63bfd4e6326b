package chain

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Two forms of traces are read here: the nested frames of callTracer, which
// geth made, and the flat list of trace_block, which OpenEthereum made. Nodes do
// not list the same calls: some leave out those of precompiled contracts, or
// those that could not begin. So only calls that moved coin, and calls around
// such calls, are kept and counted, and a call has the same path whoever traced
// it.

// maxCallDepth is how deep calls nest: the EVM allows 1024 below the
// transaction's own, and a self-destruction is told as one more.
const maxCallDepth = 1026

// minMoveGas is less than what any call that moves coin costs, reverted or not
// (9000 less a stipend of 2300 until EIP-2780). With the gas of a proven header
// it bounds how many of them a trace can tell of.
const minMoveGas = 1000

// A callNode is a call that moved coin or holds calls that did.
type callNode struct {
	moved    bool
	from, to common.Address
	value    *big.Int
	calls    []*callNode
}

// frame is one call as a trace tells of it.
type frame struct {
	kind     string
	from     *common.Address
	to       *common.Address // nil if a creation failed
	value    hexutil.Big
	err      string
	calls    []*callNode
	children int // as its trace numbers them
}

// movers says which kinds of calls take coin from the one account to the other.
// The others carry the value of the call around them, or move it from an account
// to itself.
var movers = map[string]bool{
	"CALL": true, "CREATE": true, "CREATE2": true, "SELFDESTRUCT": true,
	"DELEGATECALL": false, "STATICCALL": false, "CALLCODE": false,
}

// call is what is left of a frame, or nil if it moved nothing.
func (f *frame) call() (*callNode, error) {
	does, known := movers[f.kind]
	value := f.value.ToInt()
	switch {
	case f.err != "":
		return nil, nil
	case !known:
		return nil, fmt.Errorf("a call of the kind %q", clean(f.kind, 20))
	case !does || value.Sign() == 0:
		does = false
	case f.from == nil || f.to == nil:
		return nil, fmt.Errorf("a %s of %s wei without its accounts", f.kind, value)
	case *f.from == *f.to:
		does = false
	}
	if !does && f.calls == nil {
		return nil, nil
	}
	c := &callNode{moved: does, calls: f.calls}
	if does {
		c.from, c.to, c.value = *f.from, *f.to, value
	}
	return c, nil
}

// append adds a call and those inside it to moves, in the order in which they
// began.
func (c *callNode) append(moves []Move, tx int, path string) []Move {
	if c.moved {
		moves = append(moves, Move{Tx: tx, Path: path, From: c.from, To: c.to, Value: c.value})
	}
	for i, inner := range c.calls {
		moves = inner.append(moves, tx, path+"."+strconv.Itoa(i))
	}
	return moves
}

// moved collects what a trace of a block says, transaction by transaction.
type moved struct {
	block *Block
	moves []Move
	left  uint64 // calls with a value that the block's gas can have paid for
}

func newMoved(b *Block) *moved {
	return &moved{block: b, left: b.Header.GasUsed/minMoveGas + uint64(len(b.Txs))}
}

var errTooManyMoves = errors.New("more calls that move coin than the block's gas can pay for")

// spend counts a frame against what the block's gas can have paid for.
func (m *moved) spend(f *frame) error {
	if !movers[f.kind] || f.value.ToInt().Sign() == 0 {
		return nil
	}
	if m.left == 0 {
		return errTooManyMoves
	}
	m.left--
	return nil
}

// transaction takes the trace of one transaction. The proven receipt decides
// whether it failed.
func (m *moved) transaction(i int, f *frame) error {
	tx := &m.block.Txs[i]
	if !tx.Success {
		return nil
	}
	if f.err != "" {
		return fmt.Errorf("transaction %s failed, which it did not", tx.Hash)
	}
	root, err := f.call()
	if root == nil || err != nil {
		return err
	}
	if tx.Tx == nil && tx.Bridged == nil && root.moved {
		m.moves = append(m.moves, Move{Tx: i, Path: "root", From: root.from, To: root.to, Value: root.value})
	}
	for j, c := range root.calls {
		m.moves = c.append(m.moves, i, strconv.Itoa(j))
	}
	return nil
}

// nestedTraces reads the answer to debug_traceBlockByHash with callTracer.
type nestedTraces struct{ *moved }

// UnmarshalJSON implements encoding/json's Unmarshaler.
func (t *nestedTraces) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, t, lenient)
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *nestedTraces) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	n := 0
	err := eachItem(d, func() error {
		if n == len(t.block.Txs) {
			return fmt.Errorf("more traces than the block has transactions, which are %d", n)
		}
		n++
		return t.result(d, n-1)
	})
	if err == nil && n != len(t.block.Txs) {
		err = fmt.Errorf("%d traces of %d transactions", n, len(t.block.Txs))
	}
	return err
}

// result reads what came of tracing one transaction.
func (t *nestedTraces) result(d *jsontext.Decoder, i int) error {
	var hash common.Hash
	var root *frame
	var refused string
	err := eachField(d, func(name string) (err error) {
		switch name {
		case `"txHash"`:
			return json.UnmarshalDecode(d, &hash)
		case `"error"`:
			return json.UnmarshalDecode(d, &refused)
		case `"result"`:
			root, err = t.frame(d, 0)
			return err
		}
		return d.SkipValue()
	})
	want := t.block.Txs[i].Hash
	switch {
	case err != nil:
		return err
	case refused != "":
		return &EndpointError{Reason: "transaction " + want.Hex() + " is not traced: " + refused}
	case hash != want:
		return fmt.Errorf("trace %d is of transaction %s, not of %s", i, hash, want)
	case root == nil:
		return fmt.Errorf("no trace of transaction %s", want)
	}
	return t.transaction(i, root)
}

// frame reads one call and all calls in it.
func (t *nestedTraces) frame(d *jsontext.Decoder, depth int) (*frame, error) {
	if depth > maxCallDepth {
		return nil, fmt.Errorf("calls nested more than %d deep", maxCallDepth)
	}
	f := new(frame)
	err := eachField(d, func(name string) error {
		switch name {
		case `"type"`:
			return json.UnmarshalDecode(d, &f.kind)
		case `"from"`:
			return json.UnmarshalDecode(d, &f.from)
		case `"to"`:
			return json.UnmarshalDecode(d, &f.to)
		case `"value"`:
			return json.UnmarshalDecode(d, &f.value)
		case `"error"`:
			return json.UnmarshalDecode(d, &f.err)
		case `"calls"`:
			return eachItem(d, func() error {
				inner, err := t.frame(d, depth+1)
				if err != nil {
					return err
				}
				c, err := inner.call()
				if c != nil {
					f.calls = append(f.calls, c)
				}
				return err
			})
		}
		return d.SkipValue()
	})
	if err != nil {
		return nil, err
	}
	f.kind = strings.ToUpper(f.kind)
	return f, t.spend(f)
}

// eachItem has next read each item of a list; null is an empty one.
func eachItem(d *jsontext.Decoder, next func() error) error {
	open, err := d.ReadToken()
	if err != nil || open.Kind() == 'n' {
		return err
	}
	if open.Kind() != '[' {
		return fmt.Errorf("%s where a list was due", open.Kind())
	}
	for d.PeekKind() != ']' {
		if err := next(); err != nil {
			return err
		}
	}
	_, err = d.ReadToken()
	return err
}

// eachField has next read the value of each field of an object. Names are in
// their quotes.
func eachField(d *jsontext.Decoder, next func(name string) error) error {
	open, err := d.ReadToken()
	if err != nil {
		return err
	}
	if open.Kind() != '{' {
		return fmt.Errorf("%s where an object was due", open.Kind())
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := next(string(name)); err != nil {
			return err
		}
	}
	_, err = d.ReadToken()
	return err
}

// flatTraces reads the answer to trace_block.
type flatTraces struct{ *moved }

// UnmarshalJSON implements encoding/json's Unmarshaler.
func (t *flatTraces) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, t, lenient)
}

// errOtherBlock says that a trace is of another block at the same height.
var errOtherBlock = &EndpointError{Reason: "the trace is of another block", kind: transient}

// flatTrace is one call of a flat list. The place of a call is its trace
// address: the numbers of its ancestors and its own, from 0, without the
// transaction's own call, whose address is empty.
type flatTrace struct {
	Type   string `json:"type"` // call, create, suicide or reward
	Action struct {
		CallType string          `json:"callType"`
		From     *common.Address `json:"from"`
		To       *common.Address `json:"to"`
		Value    hexutil.Big     `json:"value"`
		// Of a suicide.
		Address       *common.Address `json:"address"`
		RefundAddress *common.Address `json:"refundAddress"`
		Balance       hexutil.Big     `json:"balance"`
	} `json:"action"`
	Result *struct {
		Address *common.Address `json:"address"` // that was created
	} `json:"result"`
	Error     string       `json:"error"`
	Place     []int        `json:"traceAddress"`
	BlockHash common.Hash  `json:"blockHash"`
	TxHash    *common.Hash `json:"transactionHash"`
}

func (t *flatTrace) frame() *frame {
	f := &frame{err: t.Error, from: t.Action.From, to: t.Action.To, value: t.Action.Value}
	switch t.Type {
	case "call":
		f.kind = strings.ToUpper(t.Action.CallType)
	case "create":
		f.kind = "CREATE"
		if t.Result != nil {
			f.to = t.Result.Address
		}
	case "suicide", "selfdestruct":
		f.kind = "SELFDESTRUCT"
		f.from, f.to, f.value = t.Action.Address, t.Action.RefundAddress, t.Action.Balance
	default:
		f.kind = t.Type
	}
	return f
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. Each call stands after the
// one that made it, and after all that this one had made before.
func (t *flatTraces) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	tx := -1
	var open []*frame // the call at hand and those around it
	var place []int   // of the call at hand
	// leave ends calls until only so many are open.
	leave := func(depth int) error {
		for len(open) > depth {
			f := open[len(open)-1]
			open = open[:len(open)-1]
			if len(open) == 0 {
				return t.transaction(tx, f)
			}
			c, err := f.call()
			if err != nil {
				return err
			}
			if around := open[len(open)-1]; c != nil {
				around.calls = append(around.calls, c)
			}
		}
		return nil
	}
	err := eachItem(d, func() error {
		var trace flatTrace
		if err := json.UnmarshalDecode(d, &trace); err != nil {
			return err
		}
		switch {
		case trace.BlockHash != t.block.Hash:
			return errOtherBlock
		case trace.Type == "reward": // of a miner
			return nil
		case trace.TxHash == nil:
			return errors.New("a trace of no transaction")
		case len(trace.Place) > maxCallDepth:
			return fmt.Errorf("calls nested more than %d deep", maxCallDepth)
		case len(trace.Place) == 0:
			if err := leave(0); err != nil {
				return err
			}
			if tx++; tx == len(t.block.Txs) {
				return fmt.Errorf("more traces than the block has transactions, which are %d", tx)
			}
		}
		if tx < 0 || *trace.TxHash != t.block.Txs[tx].Hash {
			return fmt.Errorf("after transaction %d of %d comes a trace of %s", tx, len(t.block.Txs), trace.TxHash)
		}
		if depth := len(trace.Place); depth > 0 {
			around := trace.Place[:depth-1]
			if len(place) < len(around) || !slices.Equal(place[:len(around)], around) {
				return fmt.Errorf("transaction %s: call %v comes without the one around it", trace.TxHash, trace.Place)
			}
			if err := leave(depth); err != nil {
				return err
			}
			caller := open[depth-1]
			if trace.Place[depth-1] < caller.children {
				return fmt.Errorf("transaction %s: call %v is out of order", trace.TxHash, trace.Place)
			}
			caller.children = trace.Place[depth-1] + 1
		}
		f := trace.frame()
		open, place = append(open, f), trace.Place
		return t.spend(f)
	})
	if err == nil && tx+1 != len(t.block.Txs) {
		err = fmt.Errorf("traces of %d of %d transactions", tx+1, len(t.block.Txs))
	}
	if err != nil {
		return err
	}
	return leave(0)
}
