package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"
)

// recorded reads what anvil answered about one block: the first of its two
// transactions is a Mover's run, the second fails.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// recordedBlock proves the recorded block.
func recordedBlock(t testing.TB) *Block {
	t.Helper()
	b, err := decodeBlock(recorded(t, "block"))
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := decodeReceipts(recorded(t, "receipts"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := assemble(rawBlock{b, receipts}, types.LatestSignerForChainID(big.NewInt(31337)))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func nestedMoves(b *Block, answer []byte) ([]Move, error) {
	m := newMoved(b)
	err := json.Unmarshal(answer, &nestedTraces{m})
	return m.moves, err
}

func flatMoves(b *Block, answer []byte) ([]Move, error) {
	m := newMoved(b)
	err := json.Unmarshal(answer, &flatTraces{m})
	return m.moves, err
}

// traced is a block of transactions that all succeeded, with gas for any number
// of moves.
func traced(txs int) *Block {
	b := &Block{Header: &types.Header{Number: big.NewInt(9), GasUsed: 1 << 40}, Hash: common.Hash{9}}
	for i := range txs {
		b.Txs = append(b.Txs, Tx{Tx: new(types.Transaction), Hash: common.Hash{8: 1, 31: byte(i)}, Success: true})
	}
	return b
}

// told is a call as tests have nodes tell of it.
type told struct {
	kind     string // as callTracer names it; PRECOMPILE is a STATICCALL that some leave out
	from, to common.Address
	wei      uint64
	failed   bool
	calls    []*told
}

// listed leaves out what some nodes do not tell.
func (c *told) listed(all bool) (calls []*told) {
	for _, inner := range c.calls {
		if all || inner.kind != "PRECOMPILE" {
			calls = append(calls, inner)
		}
	}
	return calls
}

func (c *told) nested(all bool) map[string]any {
	m := map[string]any{"type": c.kind, "from": c.from, "to": c.to, "gas": "0x1", "input": "0x00ff", "output": "0x"}
	if c.kind == "PRECOMPILE" {
		m["type"] = "STATICCALL"
	} else if c.kind != "STATICCALL" {
		m["value"] = hexutil.EncodeUint64(c.wei)
	}
	if c.failed {
		m["error"] = "execution reverted"
	}
	var calls []any
	for _, inner := range c.listed(all) {
		calls = append(calls, inner.nested(all))
	}
	if calls != nil {
		m["calls"] = calls
	}
	return m
}

func (c *told) flat(all bool, b *Block, tx int, place []int) (list []any) {
	value := hexutil.EncodeUint64(c.wei)
	m := map[string]any{
		"blockHash": b.Hash, "transactionHash": b.Txs[tx].Hash, "transactionPosition": tx,
		"traceAddress": slices.Concat([]int{}, place), "subtraces": len(c.listed(all)),
		"result": map[string]any{"gasUsed": "0x1", "output": "0x"},
	}
	switch c.kind {
	case "CREATE", "CREATE2":
		m["type"], m["action"] = "create", map[string]any{"from": c.from, "value": value, "init": "0x00"}
		m["result"] = map[string]any{"address": c.to, "code": "0x"}
	case "SELFDESTRUCT":
		m["type"], m["action"], m["result"] = "suicide", map[string]any{"address": c.from, "refundAddress": c.to, "balance": value}, nil
	default:
		kind := strings.ToLower(c.kind)
		if kind == "precompile" {
			kind = "staticcall"
		}
		if kind == "staticcall" {
			value = "0x0"
		}
		m["type"], m["action"] = "call", map[string]any{"callType": kind, "from": c.from, "to": c.to, "value": value, "input": "0x00"}
	}
	if c.failed {
		m["error"], m["result"] = "Reverted", nil
	}
	list = append(list, m)
	for i, inner := range c.listed(all) {
		list = append(list, inner.flat(all, b, tx, append(place[:len(place):len(place)], i))...)
	}
	return list
}

// answers encodes the calls of a block's transactions in both forms.
func answers(b *Block, all bool, roots []*told) (nested, flat []byte) {
	results, list := []any{}, []any{}
	for i, c := range roots {
		results = append(results, map[string]any{"txHash": b.Txs[i].Hash, "result": c.nested(all)})
		list = append(list, c.flat(all, b, i, nil)...)
	}
	list = append(list, map[string]any{
		"type": "reward", "blockHash": b.Hash, "traceAddress": []int{},
		"action": map[string]any{"author": common.Address{7}, "value": "0x5", "rewardType": "block"},
	})
	nested, _ = json.Marshal(results)
	flat, _ = json.Marshal(list)
	return nested, flat
}

// movedBy is another way to find what a call moved: that with the path of each
// call in the tree as it is, renumbered afterwards.
func movedBy(root *told, tx int) []Move {
	type at struct {
		place []int
		c     *told
	}
	var found []at
	var walk func(c *told, place []int)
	walk = func(c *told, place []int) {
		if c.failed {
			return
		}
		carries := slices.Contains([]string{"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"}, c.kind)
		if carries && c.wei > 0 && c.from != c.to && len(place) > 0 {
			found = append(found, at{place, c})
		}
		for i, inner := range c.calls {
			walk(inner, append(place[:len(place):len(place)], i))
		}
	}
	walk(root, nil)
	var list []Move
	for _, f := range found {
		var path []string
		for depth := range f.place {
			before := map[int]bool{} // siblings in which something moved
			for _, g := range found {
				if len(g.place) > depth && slices.Equal(g.place[:depth], f.place[:depth]) && g.place[depth] < f.place[depth] {
					before[g.place[depth]] = true
				}
			}
			path = append(path, strconv.Itoa(len(before)))
		}
		list = append(list, Move{Tx: tx, Path: strings.Join(path, "."), From: f.c.from, To: f.c.to, Value: new(big.Int).SetUint64(f.c.wei)})
	}
	return list
}

func drawCall(t *rapid.T, depth int) *told {
	c := &told{
		kind: rapid.SampledFrom([]string{"CALL", "CALL", "CALL", "CREATE", "CREATE2", "SELFDESTRUCT", "DELEGATECALL", "STATICCALL", "CALLCODE", "PRECOMPILE"}).Draw(t, "kind"),
		from: common.Address{rapid.ByteRange(1, 3).Draw(t, "from")}, to: common.Address{rapid.ByteRange(1, 3).Draw(t, "to")},
		wei: rapid.Uint64Range(0, 2).Draw(t, "wei"), failed: rapid.IntRange(0, 5).Draw(t, "failed") == 0,
	}
	if depth == 0 {
		c.kind, c.failed = "CALL", false
	}
	if depth < 4 && c.kind != "SELFDESTRUCT" && c.kind != "PRECOMPILE" {
		for range rapid.IntRange(0, 3).Draw(t, "calls") {
			c.calls = append(c.calls, drawCall(t, depth+1))
		}
	}
	return c
}

// TestFormsAgree has any tree of calls give the same moves in both forms, with
// and without the calls that some nodes leave out.
func TestFormsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := traced(2)
		roots := []*told{drawCall(t, 0), drawCall(t, 0)}
		want := append(movedBy(roots[0], 0), movedBy(roots[1], 1)...)
		for _, all := range []bool{true, false} {
			nested, flat := answers(b, all, roots)
			for form, read := range map[string]func() ([]Move, error){
				"nested": func() ([]Move, error) { return nestedMoves(b, nested) },
				"flat":   func() ([]Move, error) { return flatMoves(b, flat) },
			} {
				have, err := read()
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if fmt.Sprint(have) != fmt.Sprint(want) {
					t.Fatalf("%s, all calls told: %v\nhave %v\nwant %v", form, all, have, want)
				}
			}
		}
	})
}

// TestRecordedTraces reads what anvil said in both forms.
func TestRecordedTraces(t *testing.T) {
	b := recordedBlock(t)
	nested, err := nestedMoves(b, recorded(t, "nested"))
	if err != nil {
		t.Fatal(err)
	}
	flat, err := flatMoves(b, recorded(t, "flat"))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range nested {
		paths = append(paths, m.Path)
	}
	if have := strings.Join(paths, " "); have != "0 1.0 2.0 3 4.0 5" || !reflect.DeepEqual(nested, flat) {
		t.Errorf("%v\n%v", nested, flat)
	}
}

// TestOwnCall reports the transaction's own call where nothing else does.
func TestOwnCall(t *testing.T) {
	root := &told{kind: "CALL", from: common.Address{1}, to: common.Address{2}, wei: 5}
	for name, c := range map[string]struct {
		tx   Tx
		want string
	}{
		"known":   {Tx{Tx: new(types.Transaction), Success: true}, "[]"},
		"bridged": {Tx{Bridged: new(Bridged), Success: true}, "[]"},
		"unknown": {Tx{Success: true}, "[root]"},
		"failed":  {Tx{}, "[]"},
	} {
		b := traced(1)
		c.tx.Hash = b.Txs[0].Hash
		b.Txs[0] = c.tx
		nested, flat := answers(b, true, []*told{root})
		for form, read := range map[string]func() ([]Move, error){
			"nested": func() ([]Move, error) { return nestedMoves(b, nested) },
			"flat":   func() ([]Move, error) { return flatMoves(b, flat) },
		} {
			moves, err := read()
			paths := []string{}
			for _, m := range moves {
				paths = append(paths, m.Path)
			}
			if err != nil || fmt.Sprint(paths) != c.want {
				t.Errorf("%s, %s: %v %v, want %s", name, form, moves, err, c.want)
			}
		}
	}
}

// chained is calls within calls, each of 1 wei.
func chained(depth int) *told {
	root := &told{kind: "CALL", from: common.Address{1}, to: common.Address{2}, wei: 1}
	for c := root; depth > 0; depth-- {
		c.calls = []*told{{kind: "CALL", from: common.Address{1}, to: common.Address{2}, wei: 1}}
		c = c.calls[0]
	}
	return root
}

// TestHostileTraces has traces that no chain can have cost little and fail.
func TestHostileTraces(t *testing.T) {
	b := traced(1)
	nested, flat := answers(b, true, []*told{chained(1024)})
	for form, read := range map[string]func() ([]Move, error){
		"nested": func() ([]Move, error) { return nestedMoves(b, nested) },
		"flat":   func() ([]Move, error) { return flatMoves(b, flat) },
	} {
		if moves, err := read(); err != nil || len(moves) != 1024 {
			t.Errorf("%s: as deep as the EVM allows: %d moves, %v", form, len(moves), err)
		}
	}
	hash, _ := json.Marshal(b.Txs[0].Hash)
	block, _ := json.Marshal(b.Hash)
	open := func(n int) []byte {
		return fmt.Appendf(nil, `[{"txHash":%s,"result":%s`, hash, strings.Repeat(`{"type":"CALL","calls":[`, n))
	}
	entry := func(place string) string {
		return fmt.Sprintf(`{"type":"call","action":{"callType":"call","from":"%s","to":"%s","value":"0x1"},"traceAddress":%s,"blockHash":%s,"transactionHash":%s}`,
			common.Address{1}, common.Address{2}, place, block, hash)
	}
	wide := func(value string) []byte {
		frame := fmt.Sprintf(`{"type":"CALL","from":"%s","to":"%s","value":%q}`, common.Address{1}, common.Address{2}, value)
		return fmt.Appendf(nil, `[{"txHash":%s,"result":{"type":"CALL","calls":[%s%s]}}]`, hash, strings.Repeat(frame+",", 1<<18), frame)
	}
	poor := traced(1)
	poor.Header.GasUsed = 30e6
	for name, c := range map[string]struct {
		block  *Block
		read   func(*Block, []byte) ([]Move, error)
		answer []byte
		says   string // of an error; of none if empty
	}{
		"nested beyond the EVM": {b, nestedMoves, slices.Concat(open(1200), []byte(strings.Repeat("]}", 1200)), []byte("}]")), "nested more than"},
		"nested beyond reason":  {b, nestedMoves, open(1e6), "depth"},
		"long address":          {b, flatMoves, []byte("[" + entry("[]") + "," + entry("["+strings.Repeat("0,", 5000)+"0]") + "]"), "nested more than"},
		"wide":                  {poor, nestedMoves, wide("0x1"), "more calls that move coin than"},
		"wide, of nothing":      {poor, nestedMoves, wide("0x0"), ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		moves, err := c.read(c.block, c.answer)
		runtime.ReadMemStats(&after)
		if len(moves) > 0 || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d moves and %v: does not say %q", name, len(moves), err, c.says)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20+3*uint64(len(c.answer)) {
			t.Errorf("%s: an answer of %d bytes allocates %d", name, len(c.answer), took)
		}
	}
}

// BenchmarkMoves decodes the trace of a block of 200 transactions of 31 calls
// each, ten of which move coin, with 100 bytes of input.
func BenchmarkMoves(b *testing.B) {
	block := traced(200)
	var roots []*told
	for range block.Txs {
		root := &told{kind: "CALL", from: common.Address{1}, to: common.Address{2}}
		for range 10 {
			root.calls = append(root.calls, &told{kind: "DELEGATECALL", from: common.Address{2}, to: common.Address{3}, wei: 5, calls: []*told{
				{kind: "PRECOMPILE", from: common.Address{2}, to: common.Address{19: 1}},
				{kind: "CALL", from: common.Address{2}, to: common.Address{4}, wei: 5},
			}})
		}
		roots = append(roots, root)
	}
	nested, flat := answers(block, true, roots)
	input := []byte(`"input":"0x` + strings.Repeat("ab", 100) + `"`)
	nested = bytes.ReplaceAll(nested, []byte(`"input":"0x00ff"`), input)
	flat = bytes.ReplaceAll(flat, []byte(`"input":"0x00"`), input)
	for form, c := range map[string]struct {
		read   func(*Block, []byte) ([]Move, error)
		answer []byte
	}{"nested": {nestedMoves, nested}, "flat": {flatMoves, flat}} {
		b.Run(form, func(b *testing.B) {
			b.SetBytes(int64(len(c.answer)))
			b.ReportAllocs()
			for b.Loop() {
				if moves, err := c.read(block, c.answer); err != nil || len(moves) != 2000 {
					b.Fatal(len(moves), err)
				}
			}
		})
	}
}
