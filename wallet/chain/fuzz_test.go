package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/airlock-wallet/airlock/wallet"
)

// Each target has a node say anything to one of the decoders. What is believed
// must have the property that makes it believable; that nothing crashes is the
// least of it. The seeds are what anvil answered (see recorded) and what once
// went wrong.

// FuzzHeader: a header that is believed has the hash that was claimed, and
// nothing of it is lost by telling it again.
func FuzzHeader(f *testing.F) {
	f.Add(recorded(f, "block"))
	f.Add([]byte(`{"number":"0x1","hash":"0x00"}`))
	f.Add([]byte(`{"number":"0x10000000000000000"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var h header
		if h.UnmarshalJSON(answer) != nil {
			return
		}
		if err := h.proven(); err == nil && h.Hash() != h.claimed {
			t.Error("believed a header that does not hash")
		}
		again, err := h.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var twin header
		if err := twin.UnmarshalJSON(again); err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		if err := twin.proven(); err != nil || twin.Hash() != h.Hash() {
			t.Errorf("%v: %s and %s are not the same header", err, answer, again)
		}
	})
}

// FuzzBlock: a block that is believed hashes to what was claimed, and what is
// derived from it agrees with go-ethereum's own reading of the same bytes.
func FuzzBlock(f *testing.F) {
	f.Add(recorded(f, "block"), recorded(f, "receipts"))
	f.Add([]byte(`{"number":"0x1","hash":"0x00","transactions":[{"type":"0x2","to":null}],"withdrawals":[null]}`), []byte(`[{"status":"0x1","logs":[{}]}]`))
	f.Add([]byte(`{"transactions":[null,{"type":"0x3"},{"type":"0x4","authorizationList":[{}]}]}`), []byte(`[null]`))
	f.Add([]byte(`{"number":"0x10000000000000000"}`), []byte(`{}`))
	f.Add([]byte(`{"transactions":[{"type":"0x7e","sourceHash":"0x0000000000000000000000000000000000000000000000000000000000000001"}]}`), []byte(`[{"depositReceiptVersion":"0x1"}]`))
	signer := types.LatestSignerForChainID(big.NewInt(31337))
	f.Fuzz(func(t *testing.T, answer, receipts []byte) {
		raw, ok := decodeBoth(answer, receipts)
		if !ok {
			return
		}
		p, err := assemble(raw, signer)
		if err == nil {
			believed(t, raw, p)
		}
		// Beyond the roots: the same content under a header that fits it.
		if len(raw.block.Transactions) != len(raw.receipts) {
			return
		}
		h := raw.block.Header
		h.TxHash = types.DeriveSha(txList(raw.block.Transactions), trie.NewStackTrie(nil))
		h.ReceiptHash = types.DeriveSha(receiptList{raw.receipts, raw.block.Transactions}, trie.NewStackTrie(nil))
		h.WithdrawalsHash = nil
		if len(raw.block.Withdrawals) > 0 {
			root := types.DeriveSha(types.Withdrawals(raw.block.Withdrawals), trie.NewStackTrie(nil))
			h.WithdrawalsHash = &root
		}
		raw.block.Hash = h.Hash()
		if p, err = assemble(raw, signer); err == nil {
			believed(t, raw, p)
		}
	})
}

func decodeBoth(answer, receipts []byte) (rawBlock, bool) {
	b, err := decodeBlock(answer)
	if err != nil {
		return rawBlock{}, false
	}
	list, err := decodeReceipts(receipts)
	if err != nil {
		return rawBlock{}, false
	}
	for i := range b.Transactions {
		if t := &b.Transactions[i]; t.tx == nil && t.raw == nil {
			t.raw = []byte{t.typ, 1}
			t.readRaw()
		}
	}
	return rawBlock{b, list}, true
}

// believed checks a block against its header by go-ethereum's means.
func believed(t *testing.T, raw rawBlock, b *Block) {
	t.Helper()
	if b.Header.Hash() != b.Hash || b.Hash != raw.block.Hash {
		t.Error("believed a block that does not hash")
	}
	var txs types.Transactions
	var receipts types.Receipts
	known, gas, index := true, uint64(0), uint64(0)
	for i := range b.Txs {
		tx := &b.Txs[i]
		gas += tx.GasUsed
		r := &types.Receipt{Type: tx.Type, CumulativeGasUsed: gas, Bloom: raw.receipts[i].Bloom, Logs: []*types.Log{}}
		if tx.Success {
			r.Status = types.ReceiptStatusSuccessful
		}
		for _, l := range tx.Logs {
			if l.Index != index {
				t.Errorf("log %d of transaction %d has the index %d", index, i, l.Index)
			}
			index++
			r.Logs = append(r.Logs, &types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
		}
		receipts = append(receipts, r)
		if known = known && tx.Tx != nil; !known {
			if len(tx.Raw) == 0 || tx.Hash != crypto.Keccak256Hash(tx.Raw) {
				t.Errorf("transaction %d has another hash than its bytes", i)
			}
			continue
		}
		if tx.Hash != tx.Tx.Hash() || tx.Type != tx.Tx.Type() || tx.GasPrice.Cmp(tx.Tx.GasFeeCap()) > 0 {
			t.Errorf("transaction %d: %+v", i, tx)
		}
		_, _ = tx.Sender()
		txs = append(txs, tx.Tx)
	}
	if !known {
		return
	}
	if root := types.DeriveSha(txs, trie.NewStackTrie(nil)); root != b.Header.TxHash {
		t.Errorf("transactions that hash to %s, the header says %s", root, b.Header.TxHash)
	}
	if root := types.DeriveSha(receipts, trie.NewStackTrie(nil)); root != b.Header.ReceiptHash {
		t.Errorf("receipts that hash to %s, the header says %s", root, b.Header.ReceiptHash)
	}
}

// FuzzRawTransaction: bytes that are taken for a transaction are that
// transaction's only form.
func FuzzRawTransaction(f *testing.F) {
	b := recordedBlock(f)
	for i := range b.Txs {
		raw, err := b.Txs[i].Tx.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0x7e, 0xc0})
	f.Add([]byte{0xc0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 2 { // fetchRaw refuses these
			return
		}
		tx := txJSON{raw: raw}
		tx.readRaw()
		var encoded bytes.Buffer
		txList{tx}.EncodeIndex(0, &encoded)
		if !bytes.Equal(encoded.Bytes(), raw) {
			t.Errorf("%x is hashed as %x", raw, encoded.Bytes())
		}
		if tx.tx != nil && tx.tx.BlobTxSidecar() == nil && tx.tx.Hash() != crypto.Keccak256Hash(raw) {
			t.Errorf("%x is taken for the transaction %s", raw, tx.tx.Hash())
		}
		if d := decodeBridged(raw); d != nil && (d.Mint.Sign() < 0 || d.Value.Sign() < 0) {
			t.Errorf("%x brings less than nothing", raw)
		}
	})
}

// FuzzProof: whatever nodes of a trie are given, an account under a root has
// one balance and one nonce, or none is proven.
func FuzzProof(f *testing.F) {
	var answer struct {
		Address      common.Address  `json:"address"`
		AccountProof []hexutil.Bytes `json:"accountProof"`
	}
	if err := json.Unmarshal(recorded(f, "proof"), &answer); err != nil {
		f.Fatal(err)
	}
	root := recordedBlock(f).Header.Root
	honest, err := proveAccount(answer.Address, root, answer.AccountProof)
	if err != nil || honest.Balance.Sign() == 0 {
		f.Fatal(honest, err)
	}
	proof, err := json.Marshal(answer.AccountProof)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(proof)
	f.Add([]byte(`[]`))
	f.Add([]byte(`["0xc0","0x80"]`))
	f.Fuzz(func(t *testing.T, proof []byte) {
		var nodes []hexutil.Bytes
		if json.Unmarshal(proof, &nodes) != nil {
			return
		}
		a, err := proveAccount(answer.Address, root, nodes)
		if err == nil && (a.Balance.Cmp(honest.Balance) != 0 || a.Nonce != honest.Nonce) {
			t.Errorf("proven with %s and the nonce %d, it has %s and %d", a.Balance, a.Nonce, honest.Balance, honest.Nonce)
		}
		if len(nodes) == 0 {
			return
		}
		// Under a root that the nodes do hash to.
		if a, err := proveAccount(answer.Address, crypto.Keccak256Hash(nodes[0]), nodes); err == nil && a.Balance == nil {
			t.Error("proven without a balance")
		}
	})
}

// FuzzNestedTraces and FuzzFlatTraces: what is read of a trace is well formed,
// and telling it again in either form gives the same.
func FuzzNestedTraces(f *testing.F) {
	f.Add(recorded(f, "nested"))
	f.Add([]byte(`[{"result":{"calls":[{"calls":null}]}},null]`))
	b := recordedBlock(f)
	f.Fuzz(func(t *testing.T, answer []byte) { sameAgain(t, b, nestedMoves, answer) })
}

func FuzzFlatTraces(f *testing.F) {
	f.Add(recorded(f, "flat"))
	f.Add([]byte(`[{"traceAddress":[0]},{"traceAddress":[-1]},null]`))
	b := recordedBlock(f)
	f.Fuzz(func(t *testing.T, answer []byte) { sameAgain(t, b, flatMoves, answer) })
}

func sameAgain(t *testing.T, b *Block, read func(*Block, []byte) ([]Move, error), answer []byte) {
	t.Helper()
	moves, err := read(b, answer)
	if err != nil {
		return
	}
	roots := make([]*told, len(b.Txs))
	for i := range roots {
		roots[i] = &told{kind: "CALL", failed: !b.Txs[i].Success}
	}
	for _, m := range moves {
		if !b.Txs[m.Tx].Success || m.Value.Sign() <= 0 || m.Value.BitLen() > 256 || m.From == m.To {
			t.Fatalf("%+v", m)
		}
		if !m.Value.IsUint64() {
			return // told knows no such amounts
		}
		c := roots[m.Tx]
		for place := range strings.SplitSeq(m.Path, ".") {
			i, err := strconv.Atoi(place)
			if err != nil || i < len(c.calls)-1 || i > len(c.calls) {
				t.Fatalf("the path %s of transaction %d is out of order", m.Path, m.Tx)
			}
			if i == len(c.calls) {
				c.calls = append(c.calls, &told{kind: "DELEGATECALL"})
			}
			c = c.calls[i]
		}
		if c.kind != "DELEGATECALL" || c.calls != nil {
			t.Fatalf("two moves by the call %s of transaction %d", m.Path, m.Tx)
		}
		*c = told{kind: "CALL", from: m.From, to: m.To, wei: m.Value.Uint64()}
	}
	nested, flat := answers(b, true, roots)
	for form, again := range map[string]func() ([]Move, error){
		"nested": func() ([]Move, error) { return nestedMoves(b, nested) },
		"flat":   func() ([]Move, error) { return flatMoves(b, flat) },
	} {
		if have, err := again(); err != nil || fmt.Sprint(have) != fmt.Sprint(moves) {
			t.Errorf("%s: %v\nhave %v\nwant %v", form, err, have, moves)
		}
	}
}

// keys are what no error may contain of the URL of keyed.
var keys = []string{"Pa55word", "0123456789abcdef0123456789abcdef", "quer1key"}

const keyed = "https://user:Pa55word@node.example/v3/0123456789abcdef0123456789abcdef?key=quer1key"

// printable checks that an error may be shown to anybody.
func printable(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	for _, k := range keys {
		if strings.Contains(text, k) {
			t.Errorf("%q gives away %s", text, k)
		}
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q cannot be printed", text)
	}
	if len(text) > 16<<10 {
		t.Errorf("%d bytes of error", len(text))
	}
}

// saying is an error that a node puts into words of its own.
type saying struct {
	spoken
	data any
}

func (s saying) ErrorData() any { return s.data }

// FuzzErrors: whatever a node says, and however the connection fails, the error
// may be printed, names the endpoint and is of a known class.
func FuzzErrors(f *testing.F) {
	for _, text := range []string{
		"header not found", "missing trie node", "too many requests", "already known", "method not found",
		"\x1b[31mred", "a\u202eb", "bad key 0123456789abcdef0123456789abcdef", "no \x00Pa\x0055word",
		"GET /v3/0123456789abcdef0123456789abcdef?key=quer1key", strings.Repeat("ü", 500), "\xff\xfe",
	} {
		f.Add(-32000, text, "0x08c379a0")
	}
	f.Add(429, "", "")
	f.Add(-32601, "the method debug_traceBlockByHash does not exist", "")
	ep, err := newEndpoint(keyed, time.Second)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code int, text, data string) {
		for _, raw := range []error{
			saying{spoken{code, text}, data},
			rpc.HTTPError{StatusCode: code, Status: text, Body: []byte(data)},
			&url.Error{Op: "Post", URL: keyed + data, Err: errors.New(text)},
			fmt.Errorf("%s: %w", text, context.DeadlineExceeded),
			&EndpointError{Reason: text, kind: elsewhere},
			&UnprovenError{Number: 5, Reason: text},
			errors.New(text),
		} {
			err := ep.describe("eth_call", raw)
			printable(t, err)
			if !strings.HasPrefix(err.Error(), "node.example: ") {
				t.Errorf("%q does not name the endpoint", err)
			}
			if again := ep.describe("eth_call", err); again.Error() != err.Error() || kindOf(again) != kindOf(err) {
				t.Errorf("%q becomes %q", err, again)
			}
			if r := ClassifySend(err); r != SendUnknown && !errors.As(raw, new(rpc.Error)) && !errors.As(raw, new(*EndpointError)) {
				t.Errorf("%q, which no node said, is taken for %s", err, r)
			}
			tag := tagError("finalized", err)
			printable(t, tag)
			if errors.Is(tag, ErrTagUnsupported) && errors.Is(tag, ErrNotYet) {
				t.Errorf("%q is two answers", tag)
			}
		}
	})
}

// FuzzAnswers has a whole client read from a node that gives the same answer to
// everything but which chain it serves.
func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"block", "receipts", "nested", "flat", "proof"} {
		f.Add(false, recorded(f, name))
	}
	for _, answer := range []string{
		`null`, `"0x0"`, `"0x10000000000000000"`, `""`, `[]`, `[null]`, `{}`, `5`, `true`, `"0x"`, ``,
		`"0x` + strings.Repeat("0", 64) + `"`, `"0xg"`, `{"number":"0x0"}`, `[[[`,
	} {
		f.Add(false, []byte(answer))
	}
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `<html>`, `{"jsonrpc":"2.0","id":1,"error":null}`, `{"error":{"code":-32000,"message":"\u001b[2J","data":"0x"}}`,
		`[{"error":{"code":429}}]`, `{"error":{"code":429}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"/v3/0123456789abcdef0123456789abcdef"}}`,
	} {
		f.Add(true, []byte(body))
	}
	var node struct {
		whole  bool // of the body, else of each result
		answer []byte
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if node.whole {
			_, _ = w.Write(node.answer)
			return
		}
		single := bytes.HasPrefix(body, []byte("{"))
		if single {
			body = slices.Concat([]byte("["), body, []byte("]"))
		}
		var asked []struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		_ = json.Unmarshal(body, &asked)
		var all [][]byte
		for _, a := range asked {
			result := node.answer
			if a.Method == "eth_chainId" {
				result = []byte(`"0x7a69"`)
			}
			all = append(all, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, a.ID, result))
		}
		out := bytes.Join(all, []byte(","))
		if !single {
			out = slices.Concat([]byte("["), out, []byte("]"))
		}
		_, _ = w.Write(out)
	}))
	f.Cleanup(srv.Close)
	block := recordedBlock(f)
	node.answer = recorded(f, "block")
	c, err := Dial(f.Context(), Options{
		URLs:     []string{strings.Replace(srv.URL, "http://", "http://user:Pa55word@", 1) + "/v3/0123456789abcdef0123456789abcdef?key=quer1key"},
		Attempts: 1, Timeout: 5 * time.Second, Trace: true,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	someone := common.Address{1}
	// What a node answered before must not matter, nor be waited for.
	forget := func() {
		ep := c.endpoints[0]
		ep.mu.Lock()
		defer ep.mu.Unlock()
		ep.pace, ep.lacking, ep.failures, ep.rest = newPace(1, 1, time.Nanosecond), nil, 0, time.Time{}
	}
	f.Fuzz(func(t *testing.T, whole bool, answer []byte) {
		node.whole, node.answer = whole, answer
		ctx := t.Context()
		for _, read := range []func() error{
			func() error {
				b, err := c.Block(ctx, block.Number())
				if err == nil && (b.Number() != block.Number() || b.Header.Hash() != b.Hash) {
					t.Error("believed a block that does not hash")
				}
				return err
			},
			func() error {
				b, err := c.BlockByHash(ctx, block.Hash)
				if err == nil && b.Header.Hash() != block.Hash {
					t.Error("believed another block")
				}
				return err
			},
			func() error {
				h, err := c.HeaderByHash(ctx, block.Hash)
				if err == nil && h.Hash() != block.Hash {
					t.Error("believed another header")
				}
				return err
			},
			func() error {
				n, err := c.BalanceAt(ctx, someone, nil)
				if err == nil && (n == nil || n.Sign() < 0 || n.BitLen() > 256) {
					t.Errorf("a balance of %v", n)
				}
				return err
			},
			func() error {
				balances, err := c.BalancesAt(ctx, []common.Address{someone, {2}}, block.Hash)
				if err == nil && (len(balances) != 2 || slices.Contains(balances, nil)) {
					t.Errorf("balances of %v", balances)
				}
				return err
			},
			func() error {
				balances, err := c.TokenBalances(ctx, someone, []common.Address{someone, {2}}, block.Hash)
				if err == nil && len(balances) != 2 {
					t.Errorf("balances of %v", balances)
				}
				return err
			},
			func() error { _, err := c.Moves(ctx, block); return err },
			func() error { _, err := c.BlockNumber(ctx); return err },
			func() error { _, err := c.FinalizedHeader(ctx); return err },
			func() error { _, err := c.SafeHeader(ctx); return err },
			func() error { _, err := c.Proof(ctx, someone, block.Hash); return err },
			func() error { _, err := c.Fees(ctx); return err },
			func() error { _, err := c.NonceAt(ctx, someone, nil); return err },
			func() error { _, err := c.NoncesAt(ctx, []common.Address{someone}, block.Hash); return err },
			func() error { _, err := c.CodeAt(ctx, someone, nil); return err },
			func() error { _, err := c.SuggestGasTipCap(ctx); return err },
			func() error { return c.SendTransaction(ctx, block.Txs[0].Tx) },
		} {
			forget()
			err := read()
			if err != nil {
				printable(t, err)
			}
			if errors.Is(err, wallet.ErrRefused) {
				t.Error(err)
			}
		}
	})
}
