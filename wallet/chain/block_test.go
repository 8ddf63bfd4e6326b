package chain_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// busyChain has a block 2 with ether and token transfers and a withdrawal, and
// a block 3 with another token transfer.
func busyChain(t *testing.T) *chaintest.Simulated {
	t.Helper()
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	ctx := t.Context()
	token, err := s.Deploy(ctx, chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1000))
	ok(t, err)
	for range 3 {
		_, err = s.Fund(ctx, someone, big.NewInt(123))
		ok(t, err)
		_, err = s.TransferToken(ctx, token, someone, big.NewInt(7))
		ok(t, err)
	}
	s.Withdraw(someone, 5)
	ok(t, s.Mine(ctx, 1))
	_, err = s.TransferToken(ctx, token, someone, big.NewInt(8))
	ok(t, err)
	ok(t, s.Mine(ctx, 2))
	return s
}

// edit changes the JSON result of one method.
func edit(method string, change func(any) any) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		if r.Method != method || len(a.Result) == 0 {
			return
		}
		var v any
		if json.Unmarshal(a.Result, &v) == nil {
			a.Result, _ = json.Marshal(change(v))
		}
	}
}

func object(v any) map[string]any { return v.(map[string]any) }
func at(v any, i int) any         { return v.([]any)[i] }

func field(name string, value any) func(any) any {
	return func(v any) any {
		object(v)[name] = value
		return v
	}
}

// lies are answers about block 2 of busyChain that a node must not get away
// with, and what the error must name.
var lies = map[string]struct {
	rule faulty.Rule
	says string
}{
	"dropped log": {edit("eth_getBlockReceipts", func(v any) any {
		object(at(v, 1))["logs"] = []any{}
		return v
	}), "receipts hash to"},
	"other amount": {edit("eth_getBlockReceipts", func(v any) any {
		object(at(object(at(v, 1))["logs"], 0))["data"] = "0x" + strings.Repeat("f", 64)
		return v
	}), "receipts hash to"},
	"other recipient": {edit("eth_getBlockReceipts", func(v any) any {
		object(at(object(at(v, 1))["logs"], 0))["topics"].([]any)[2] = "0x" + strings.Repeat("1", 64)
		return v
	}), "receipts hash to"},
	"failure told as success": {edit("eth_getBlockReceipts", func(v any) any {
		object(at(v, 0))["status"] = "0x0"
		return v
	}), "receipts hash to"},
	"receipts in another order": {edit("eth_getBlockReceipts", func(v any) any {
		l := v.([]any)
		l[0], l[1] = l[1], l[0]
		return l
	}), "receipts hash to"},
	"no receipts":    {edit("eth_getBlockReceipts", func(any) any { return []any{} }), "0 receipts for 6 transactions"},
	"one receipt":    {edit("eth_getBlockReceipts", func(v any) any { return v.([]any)[:1] }), "1 receipts for 6"},
	"null receipts":  {edit("eth_getBlockReceipts", func(any) any { return nil }), "not found"},
	"receipt null":   {edit("eth_getBlockReceipts", func(v any) any { v.([]any)[3] = nil; return v }), "receipts hash to"},
	"no transaction": {edit("eth_getBlockByNumber", field("transactions", []any{})), "0 transactions hash to"},
	"hashes only": {edit("eth_getBlockByNumber", func(v any) any {
		for i, tx := range object(v)["transactions"].([]any) {
			object(v)["transactions"].([]any)[i] = object(tx)["hash"]
		}
		return v
	}), "answer not understood"},
	"other value": {edit("eth_getBlockByNumber", func(v any) any {
		object(at(object(v)["transactions"], 0))["value"] = "0xffffff"
		return v
	}), "transactions hash to"},
	"other sender's nonce": {edit("eth_getBlockByNumber", func(v any) any {
		object(at(object(v)["transactions"], 0))["nonce"] = "0x7"
		return v
	}), "transactions hash to"},
	"withdrawal dropped": {edit("eth_getBlockByNumber", field("withdrawals", []any{})), "validator withdrawals hash to"},
	"withdrawal to another": {edit("eth_getBlockByNumber", func(v any) any {
		object(at(object(v)["withdrawals"], 0))["address"] = "0x" + strings.Repeat("2", 40)
		return v
	}), "validator withdrawals hash to"},
	"another parent":     {edit("eth_getBlockByNumber", field("parentHash", "0x"+strings.Repeat("3", 64))), "header hashes to"},
	"another hash":       {edit("eth_getBlockByNumber", field("hash", "0x"+strings.Repeat("4", 64))), "header hashes to"},
	"another height":     {edit("eth_getBlockByNumber", field("number", "0x99")), "header hashes to"},
	"impossible type":    {edit("eth_getBlockByNumber", func(v any) any { object(at(object(v)["transactions"], 0))["type"] = "0xff"; return v }), "transaction type"},
	"nonsense":           {edit("eth_getBlockByNumber", func(any) any { return "nonsense" }), "answer not understood"},
	"nonsense receipts":  {edit("eth_getBlockReceipts", func(any) any { return 5 }), "answer not understood"},
	"number of 300 bits": {edit("eth_getBlockByNumber", field("number", "0x1"+strings.Repeat("0", 62))), "block number of 249 bits"},
}

func TestLies(t *testing.T) {
	s := busyChain(t)
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			p := proxy(t, s.URL())
			c := dial(t, p.URL)
			p.Rule(lie.rule)
			_, err := c.Block(t.Context(), 2)
			if err == nil {
				t.Fatal("believed")
			}
			if !strings.Contains(err.Error(), lie.says) || !strings.Contains(err.Error(), strings.TrimPrefix(p.URL, "http://")) {
				t.Errorf("%v: does not say %q of the host", err, lie.says)
			}
			// Another endpoint is asked instead.
			p.Rule(nil)
			both := dial(t, p.URL, s.URL())
			p.Rule(lie.rule)
			b, err := both.Block(t.Context(), 2)
			ok(t, err)
			equal(t, "transactions", len(b.Txs), 6)
		})
	}
}

// TestStaleAndForeignBlock has a node answer with another, in itself perfect,
// block than the one that was asked for.
func TestStaleAndForeignBlock(t *testing.T) {
	s := busyChain(t)
	c := dial(t, s.URL())
	three, err := c.Block(t.Context(), 3)
	ok(t, err)
	p := proxy(t, s.URL())
	wrong := dial(t, p.URL)
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		if method, ok := map[string]string{"eth_getBlockByNumber": "eth_getBlockByHash", "eth_getBlockReceipts": "eth_getBlockReceipts", "eth_getBlockByHash": "eth_getBlockByHash"}[r.Method]; ok {
			a.Result = ask(t, s, method, r, three.Hash)
		}
	})
	_, err = wrong.Block(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), "gave block 3") {
		t.Errorf("stale block by number: %v", err)
	}
	_, err = wrong.BlockByHash(t.Context(), common.Hash{1})
	if err == nil || !strings.Contains(err.Error(), "asked for") {
		t.Errorf("foreign block by hash: %v", err)
	}
	_, err = wrong.HeaderByNumber(t.Context(), big.NewInt(2))
	if err == nil || !strings.Contains(err.Error(), "gave block 3") {
		t.Errorf("stale header: %v", err)
	}
	var unproven *chain.UnprovenError
	if !errors.As(err, &unproven) || unproven.Number != 2 {
		t.Errorf("%v: is no UnprovenError of block 2", err)
	}
}

func ask(t *testing.T, s *chaintest.Simulated, method string, r faulty.Request, hash common.Hash) json.RawMessage {
	args := []any{hash}
	if len(r.Params) > 1 {
		args = append(args, r.Params[1])
	}
	var raw json.RawMessage
	if err := s.Client().Client().CallContext(context.Background(), &raw, method, args...); err != nil {
		t.Error(err)
	}
	return raw
}

// TestReceiptsOneByOne reads from a node without eth_getBlockReceipts.
func TestReceiptsOneByOne(t *testing.T) {
	s := busyChain(t)
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockReceipts" {
			a.Result, a.Error = nil, []byte(`{"code":-32601,"message":"no such method"}`)
		}
	})
	for range 2 {
		b, err := c.Block(t.Context(), 2)
		ok(t, err)
		equal(t, "logs", len(b.Txs[5].Logs), 1)
		equal(t, "log index", b.Txs[5].Logs[0].Index, 2)
	}
	equal(t, "times asked for all receipts", p.Seen("eth_getBlockReceipts"), 1)
}

// TestHintsAreNotBelieved makes sure that what RPC says beside the proven
// bytes changes nothing.
func TestHintsAreNotBelieved(t *testing.T) {
	s := busyChain(t)
	honest, err := dial(t, s.URL()).Block(t.Context(), 2)
	ok(t, err)
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		edit("eth_getBlockByNumber", func(v any) any {
			for _, tx := range object(v)["transactions"].([]any) {
				object(tx)["from"], object(tx)["hash"] = "0x"+strings.Repeat("5", 40), "0x"+strings.Repeat("6", 64)
				object(tx)["gasPrice"] = "0x1"
			}
			return v
		})(r, a)
		edit("eth_getBlockReceipts", func(v any) any {
			for _, receipt := range v.([]any) {
				object(receipt)["gasUsed"], object(receipt)["effectiveGasPrice"] = "0x1", "0x1"
				object(receipt)["transactionHash"], object(receipt)["type"] = "0x"+strings.Repeat("7", 64), "0x5"
				for _, l := range object(receipt)["logs"].([]any) {
					object(l)["logIndex"], object(l)["transactionIndex"] = "0x99", "0x99"
				}
			}
			return v
		})(r, a)
	})
	b, err := c.Block(t.Context(), 2)
	ok(t, err)
	for i := range b.Txs {
		have, want := &b.Txs[i], &honest.Txs[i]
		equal(t, "hash", have.Hash, want.Hash)
		equal(t, "gas used", have.GasUsed, want.GasUsed)
		equal(t, "gas price", have.GasPrice.Cmp(want.GasPrice), 0)
		from, err := have.Sender()
		ok(t, err)
		equal(t, "sender", from, s.Faucet().Address)
		for j := range have.Logs {
			equal(t, "log index", have.Logs[j].Index, want.Logs[j].Index)
		}
	}
}

// TestUnknownType has a node call a transaction a type that is not known here.
// The raw bytes decide: these are of a known type, so that the block is proven
// all the same.
func TestUnknownType(t *testing.T) {
	s := busyChain(t)
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	unknown := edit("eth_getBlockByNumber", func(v any) any {
		object(at(object(v)["transactions"], 2))["type"] = "0x7d"
		return v
	})
	p.Rule(unknown)
	b, err := c.Block(t.Context(), 2)
	ok(t, err)
	equal(t, "type", b.Txs[2].Type, types.DynamicFeeTxType)
	equal(t, "decoded", b.Txs[2].Tx != nil, true)

	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		unknown(r, a)
		edit("eth_getRawTransactionByBlockHashAndIndex", func(any) any { return "0x7d00" })(r, a)
	})
	_, err = c.Block(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), "transactions hash to") {
		t.Errorf("believed other bytes: %v", err)
	}
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		unknown(r, a)
		edit("eth_getRawTransactionByBlockHashAndIndex", func(any) any { return "0x" })(r, a)
	})
	_, err = c.Block(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), "transaction 2 of type 0x7d") {
		t.Errorf("does not name the type: %v", err)
	}
}

func TestProofIsChecked(t *testing.T) {
	s := busyChain(t)
	head, err := s.Client().HeaderByNumber(t.Context(), nil)
	ok(t, err)
	p := proxy(t, s.URL())
	c := dial(t, p.URL)
	for name, change := range map[string]func(any) any{
		"empty": func(any) any { return map[string]any{} },
		"cut": func(v any) any {
			l := object(v)["accountProof"].([]any)
			object(v)["accountProof"] = l[:len(l)-1]
			return v
		},
		"of another": func(v any) any {
			l := object(v)["accountProof"].([]any)
			l[len(l)-1] = "0xc0"
			return v
		},
	} {
		p.Rule(edit("eth_getProof", change))
		_, err := c.Proof(t.Context(), s.Faucet().Address, head.Hash())
		var unproven *chain.UnprovenError
		if !errors.As(err, &unproven) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The balance that the node prints beside the proof is not looked at.
	p.Rule(edit("eth_getProof", field("balance", "0x1")))
	a, err := c.Proof(t.Context(), someone, head.Hash())
	ok(t, err)
	equal(t, "balance", a.Balance.Cmp(new(big.Int).SetUint64(3*123+5e9)), 0)
}

func TestAllTypes(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Amsterdam: true})
	ctx := t.Context()
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(s.ChainID()))
	price := big.NewInt(5e9)
	for nonce, data := range []types.TxData{
		&types.LegacyTx{To: &someone, Value: big.NewInt(1), Gas: 90000, GasPrice: price},
		&types.AccessListTx{
			ChainID: signer.ChainID(), Nonce: 1, To: &someone, Gas: 90000, GasPrice: price,
			AccessList: types.AccessList{{Address: someone, StorageKeys: []common.Hash{{1}}}},
		},
		&types.DynamicFeeTx{ChainID: signer.ChainID(), Nonce: 2, Gas: 190000, GasFeeCap: price, GasTipCap: big.NewInt(1e9)},
	} {
		tx, err := types.SignNewTx(s.Faucet().Key, signer, data)
		ok(t, err)
		ok(t, dial(t, s.URL()).SendTransaction(ctx, tx))
		ok(t, s.Mine(ctx, 1))
		b, err := dial(t, s.URL()).Block(ctx, uint64(nonce)+1)
		ok(t, err)
		equal(t, "hash", b.Txs[0].Hash, tx.Hash())
		from, err := b.Txs[0].Sender()
		ok(t, err)
		equal(t, "sender", from, s.Faucet().Address)
	}
}
