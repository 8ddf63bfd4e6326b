package chain_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

func dialUnproven(t *testing.T, urls ...string) *chain.Client {
	t.Helper()
	c, err := chain.Dial(t.Context(), chain.Options{URLs: urls, Backoff: time.Millisecond, Attempts: 2, Unproven: true})
	ok(t, err)
	t.Cleanup(c.Close)
	return c
}

// signed is a plain transfer to someone.
func signed(t *testing.T, nonce uint64) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(senderKey, types.LatestSignerForChainID(big.NewInt(arbChain)), &types.DynamicFeeTx{
		ChainID: big.NewInt(arbChain), Nonce: nonce, To: &someone, Value: big.NewInt(11), Gas: 21000, GasFeeCap: big.NewInt(9), GasTipCap: big.NewInt(1),
	})
	ok(t, err)
	return tx
}

const arbChain = 42161

var senderKey = must(crypto.ToECDSA(crypto.Keccak256([]byte("sender"))))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// arbitrum is a block that begins with a transaction of a type that nobody here
// knows, and whose bytes the node does not give.
func arbitrum(t *testing.T, w *chaintest.Written) uint64 {
	t.Helper()
	internal := chaintest.WrittenTx{Raw: []byte{0x6a, 0xc1, 0x05}, NoRaw: true, Success: true, GasUsed: 0}
	plain := chaintest.WrittenOf(signed(t, 0))
	plain.Logs = []*types.Log{{Address: someone, Topics: []common.Hash{{1}}, Data: []byte{2}}}
	return w.Write(internal, plain).Number.Uint64()
}

// TestUnprovenIsRefused has a chain without the setting say what is not proven
// and the way out.
func TestUnprovenIsRefused(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := arbitrum(t, w)
	c := dial(t, w.URL())
	_, err := c.Block(t.Context(), n)
	for _, says := range []string{"block 1", "transaction 0 of type 0x6a", c.Hosts()[0], "is not proven"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: does not say %q", err, says)
		}
	}
	if hint := wallet.Hint(err); !strings.Contains(hint, "unproven = true") {
		t.Errorf("hint %q", hint)
	}
}

func TestUnprovenIsTaken(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := arbitrum(t, w)
	p := proxy(t, w.URL())
	for name, urls := range map[string][]string{"one endpoint": {w.URL()}, "two": {p.URL, w.URL()}} {
		t.Run(name, func(t *testing.T) {
			b, err := dialUnproven(t, urls...).Block(t.Context(), n)
			ok(t, err)
			if !strings.Contains(b.Unproven, "transaction 0 of type 0x6a") {
				t.Errorf("unproven: %q", b.Unproven)
			}
			equal(t, "transactions", len(b.Txs), 2)
			equal(t, "known", b.Txs[0].Tx != nil, false)
			equal(t, "hash", b.Txs[1].Hash, signed(t, 0).Hash())
			from, err := b.Txs[1].Sender()
			ok(t, err)
			equal(t, "sender", from, crypto.PubkeyToAddress(senderKey.PublicKey))
			equal(t, "logs", len(b.Txs[1].Logs), 1)
		})
	}
}

// TestProvenStaysProven makes sure that the setting changes nothing where one
// endpoint can prove a block.
func TestProvenStaysProven(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := w.Write(chaintest.WrittenTx{Raw: []byte{0x6a, 0xc1, 0x05}, Success: true}, chaintest.WrittenOf(signed(t, 0))).Number.Uint64()
	p := proxy(t, w.URL())
	c := dialUnproven(t, p.URL, w.URL())
	p.Rule(edit("eth_getRawTransactionByBlockHashAndIndex", func(any) any { return nil }))
	b, err := c.Block(t.Context(), n)
	ok(t, err)
	equal(t, "unproven", b.Unproven, "")
	equal(t, "hash", b.Txs[1].Hash, signed(t, 0).Hash())
}

// TestUnprovenWantsTwo has two endpoints that do not say the same of a block
// that none of them can prove, of three the odd one out, and one that is alone.
func TestUnprovenWantsTwo(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := arbitrum(t, w)
	for name, rule := range map[string]faulty.Rule{
		"dropped log": edit("eth_getBlockReceipts", func(v any) any {
			object(at(v, 1))["logs"] = []any{}
			return v
		}),
		"other amount": edit("eth_getBlockReceipts", func(v any) any {
			object(at(object(at(v, 1))["logs"], 0))["data"] = "0x03"
			return v
		}),
		"failure": edit("eth_getBlockReceipts", func(v any) any {
			object(at(v, 1))["status"] = "0x0"
			return v
		}),
		"gas": edit("eth_getBlockReceipts", func(v any) any {
			object(at(v, 1))["cumulativeGasUsed"] = "0x99999"
			return v
		}),
		"another transaction": func(r faulty.Request, a *faulty.Answer) {
			hash := "0x" + strings.Repeat("6", 64)
			edit("eth_getBlockByNumber", func(v any) any {
				object(at(object(v)["transactions"], 0))["hash"] = hash
				return v
			})(r, a)
			edit("eth_getBlockReceipts", func(v any) any {
				object(at(v, 0))["transactionHash"] = hash
				return v
			})(r, a)
		},
		"a withdrawal": edit("eth_getBlockByNumber", field("withdrawals", []any{
			map[string]any{"index": "0x1", "validatorIndex": "0x1", "address": someone, "amount": "0x1"},
		})),
	} {
		t.Run(name, func(t *testing.T) {
			liar, honest := proxy(t, w.URL()), proxy(t, w.URL())
			two, three := dialUnproven(t, liar.URL, honest.URL), dialUnproven(t, liar.URL, honest.URL, w.URL())
			liar.Rule(rule)
			_, err := two.Block(t.Context(), n)
			if err == nil || !strings.Contains(err.Error(), "says otherwise") || !strings.Contains(err.Error(), two.Hosts()[0]) || !strings.Contains(err.Error(), two.Hosts()[1]) {
				t.Errorf("two: %v", err)
			}
			b, err := three.Block(t.Context(), n)
			ok(t, err)
			equal(t, "logs", len(b.Txs[1].Logs), 1)
			equal(t, "data", b.Txs[1].Logs[0].Data[0], 2)
			equal(t, "success", b.Txs[1].Success, true)
			equal(t, "withdrawals", len(b.Withdrawals), 0)
		})
	}
	t.Run("behind", func(t *testing.T) {
		behind := proxy(t, w.URL())
		c := dialUnproven(t, w.URL(), behind.URL)
		behind.Rule(func(r faulty.Request, a *faulty.Answer) {
			if r.Method == "eth_getBlockByNumber" {
				a.Result = []byte("null")
			}
		})
		_, err := c.Block(t.Context(), n)
		is(t, err, ethereum.NotFound) // so that it is asked again later
	})
	t.Run("alone", func(t *testing.T) {
		gone := proxy(t, w.URL())
		c := dialUnproven(t, gone.URL, w.URL())
		gone.Down(503)
		_, err := c.Block(t.Context(), n)
		is(t, err, wallet.ErrUnreachable)
		if !strings.Contains(err.Error(), "transaction 0 of type 0x6a") {
			t.Error(err)
		}
	})
}

// TestUnprovenRelaxesNothingElse has one endpoint lie in ways that have nothing
// to do with unknown types, with the setting on.
func TestUnprovenRelaxesNothingElse(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := arbitrum(t, w)
	for name, lie := range map[string]struct {
		rule faulty.Rule
		says string
	}{
		"header":          {edit("eth_getBlockByNumber", field("gasUsed", "0x99")), "header hashes to"},
		"hash":            {edit("eth_getBlockByNumber", field("hash", "0x"+strings.Repeat("4", 64))), "header hashes to"},
		"receipt dropped": {edit("eth_getBlockReceipts", func(v any) any { return v.([]any)[:1] }), "1 receipts for 2"},
		"receipts of another block": {edit("eth_getBlockReceipts", func(v any) any {
			object(at(v, 1))["blockHash"] = "0x" + strings.Repeat("5", 64)
			return v
		}), "receipt 1 is that of"},
		"receipts in another order": {edit("eth_getBlockReceipts", func(v any) any {
			l := v.([]any)
			l[0], l[1] = l[1], l[0]
			return l
		}), "receipt 0 is that of"},
		"gas that falls": {edit("eth_getBlockReceipts", func(v any) any {
			object(at(v, 0))["cumulativeGasUsed"] = "0x99999"
			return v
		}), "less than before it"},
		"rate limit": {func(r faulty.Request, a *faulty.Answer) {
			if strings.HasPrefix(r.Method, "eth_getRaw") {
				a.Result, a.Error = nil, []byte(`{"code":-32005,"message":"rate limit"}`)
			}
		}, "rate limit"},
	} {
		t.Run(name, func(t *testing.T) {
			p := proxy(t, w.URL())
			c := dialUnproven(t, p.URL)
			p.Rule(lie.rule)
			_, err := c.Block(t.Context(), n)
			if err == nil || !strings.Contains(err.Error(), lie.says) {
				t.Errorf("%v: does not say %q", err, lie.says)
			}
		})
	}
}

// TestUnprovenContentMustHash has a node say of a transaction what does not hash
// to its hash: then it is one of an unknown type, unless another endpoint
// knows it.
func TestUnprovenContentMustHash(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := arbitrum(t, w)
	p := proxy(t, w.URL())
	alone, both := dialUnproven(t, p.URL), dialUnproven(t, w.URL(), p.URL)
	p.Rule(edit("eth_getBlockByNumber", func(v any) any {
		object(at(object(v)["transactions"], 1))["value"] = "0xffffff"
		return v
	}))
	b, err := alone.Block(t.Context(), n)
	ok(t, err)
	equal(t, "known", b.Txs[1].Tx != nil, false)
	equal(t, "hash", b.Txs[1].Hash, signed(t, 0).Hash())
	b, err = both.Block(t.Context(), n)
	ok(t, err)
	equal(t, "value", b.Txs[1].Tx.Value().Int64(), 11)
}

// TestUnprovenOfTwoBranches has two endpoints say the same content of two
// blocks.
func TestUnprovenOfTwoBranches(t *testing.T) {
	one, other := chaintest.NewWritten(t, arbChain), chaintest.NewWritten(t, arbChain)
	internal := chaintest.WrittenTx{Raw: []byte{0x6a, 0xc1, 0x05}, NoRaw: true, Success: true}
	one.Write(internal)
	other.WriteWith(func(h *types.Header) { h.Extra = []byte("other") }, nil, internal)
	if b, err := dialUnproven(t, one.URL(), other.URL()).Block(t.Context(), 1); err == nil {
		t.Errorf("took block %s", b.Hash)
	}
}

// TestUnprovenBytesMustHash has a node give other bytes than those of the hash
// that it says: they are as good as none.
func TestUnprovenBytesMustHash(t *testing.T) {
	w := chaintest.NewWritten(t, arbChain)
	n := w.Write(chaintest.WrittenTx{Raw: []byte{0x6a, 0xc1, 0x05}, Success: true}).Number.Uint64()
	p := proxy(t, w.URL())
	c := dialUnproven(t, p.URL)
	p.Rule(edit("eth_getRawTransactionByBlockHashAndIndex", func(any) any { return "0x6ac106" }))
	b, err := c.Block(t.Context(), n)
	ok(t, err)
	equal(t, "bytes", len(b.Txs[0].Raw), 0)
	equal(t, "hash", b.Txs[0].Hash, crypto.Keccak256Hash([]byte{0x6a, 0xc1, 0x05}))
}
