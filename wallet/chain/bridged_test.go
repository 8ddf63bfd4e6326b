package chain_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

const opChain = 10

var (
	attributesFrom = common.HexToAddress("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001")
	attributesTo   = common.HexToAddress("0x4200000000000000000000000000000000000015")
	bridger        = common.HexToAddress("0x00000000000000000000000000000000000b71d6")
)

// attributes is the transaction that a block of an OP-stack chain begins with.
func attributes(source byte) chaintest.WrittenTx {
	return chaintest.WrittenBridged(source, attributesFrom, attributesTo, new(big.Int), new(big.Int), []byte{0x44, 0x0a, 0x5e, 0x20})
}

func bridge(source byte) chaintest.WrittenTx {
	return chaintest.WrittenBridged(source, bridger, someone, big.NewInt(70), big.NewInt(50), nil)
}

// TestBridged proves blocks with deposited transactions, whose bytes the node
// does not give, by both forms of their receipts.
func TestBridged(t *testing.T) {
	w := chaintest.NewWritten(t, opChain)
	failed := bridge(2).Canyon(9)
	failed.Success = false
	create := chaintest.WrittenTx{
		// sourceHash, from, no recipient, mint 0, value 0, gas, isSystemTx true, data
		Raw:   common.FromHex("7ef83ca00100000000000000000000000000000000000000000000000000000000000000" + "94" + strings.Repeat("11", 20) + "80" + "80" + "80" + "01" + "01" + "01"),
		NoRaw: true, Success: true, GasUsed: 1,
		Says: map[string]any{"sourceHash": common.Hash{1}, "from": "0x" + strings.Repeat("11", 20), "to": nil, "value": "0x0", "gas": "0x1", "isSystemTx": true, "input": "0x01"},
	}
	plain := chaintest.WrittenOf(types.NewTx(&types.LegacyTx{To: &someone, Gas: 21000, Value: big.NewInt(1), GasPrice: big.NewInt(7), V: big.NewInt(27), R: big.NewInt(1), S: big.NewInt(1)}))
	plain.ReceiptSays = map[string]any{"depositNonce": "0x5", "depositReceiptVersion": "0x1"} // which means nothing there
	for name, txs := range map[string][]chaintest.WrittenTx{
		"before Canyon":      {attributes(1), bridge(2)},
		"Canyon":             {attributes(1).Canyon(8), bridge(2).Canyon(9), plain},
		"Canyon, failed":     {attributes(1).Canyon(8), failed},
		"bytes given":        {attributes(1).Canyon(8), given(bridge(2).Canyon(9))},
		"creates a contract": {attributes(1).Canyon(8), create},
	} {
		t.Run(name, func(t *testing.T) {
			h := w.Write(txs...)
			b, err := dial(t, w.URL()).Block(t.Context(), h.Number.Uint64())
			ok(t, err)
			tx := &b.Txs[1]
			equal(t, "type", tx.Type, 0x7e)
			equal(t, "known to go-ethereum", tx.Tx != nil, false)
			equal(t, "success", tx.Success, txs[1].Success)
			equal(t, "gas price", tx.GasPrice.Sign(), 0)
			if name == "creates a contract" {
				equal(t, "recipient", tx.Bridged.To, nil)
				return
			}
			equal(t, "from", tx.Bridged.From, bridger)
			equal(t, "to", *tx.Bridged.To, someone)
			equal(t, "mint", tx.Bridged.Mint.Int64(), 70)
			equal(t, "value", tx.Bridged.Value.Int64(), 50)
			equal(t, "nonce is proven", tx.Bridged.Nonce != nil, name != "before Canyon")
			if tx.Bridged.Nonce != nil {
				equal(t, "nonce", *tx.Bridged.Nonce, 9)
			}
		})
	}
}

func given(w chaintest.WrittenTx) chaintest.WrittenTx {
	w.NoRaw = false
	delete(w.Says, "sourceHash")
	return w
}

// TestBridgedSpellings proves a block whatever way nodes have of saying nothing,
// and yes and no.
func TestBridgedSpellings(t *testing.T) {
	w := chaintest.NewWritten(t, opChain)
	early := chaintest.WrittenTx{
		Raw:   common.FromHex("7ef850a00100000000000000000000000000000000000000000000000000000000000000" + "94" + strings.Repeat("11", 20) + "94" + strings.Repeat("22", 20) + "80" + "80" + "01" + "01" + "80"),
		NoRaw: true, Success: true, GasUsed: 1,
		Says: map[string]any{
			"sourceHash": common.Hash{1}, "from": "0x" + strings.Repeat("11", 20), "to": "0x" + strings.Repeat("22", 20), "gas": "0x1", "isSystemTx": "0x1",
			"mint": nil, "value": nil, "v": nil, "r": nil, "s": nil, "nonce": nil, "gasPrice": nil, "maxFeePerGas": nil, "input": "0x",
		},
		ReceiptSays: map[string]any{"depositNonce": nil, "depositReceiptVersion": nil},
	}
	for _, no := range []any{false, "0x0", nil} {
		tx := bridge(2).Canyon(9)
		tx.Says["isSystemTx"] = no
		h := w.Write(early, tx)
		b, err := dial(t, w.URL()).Block(t.Context(), h.Number.Uint64())
		ok(t, err)
		equal(t, "value", b.Txs[0].Bridged.Value.Sign(), 0)
		equal(t, "mint", b.Txs[1].Bridged.Mint.Int64(), 70)
	}
}

// TestBridgedLies has a node change what it says of deposited transactions and
// their receipts.
func TestBridgedLies(t *testing.T) {
	w := chaintest.NewWritten(t, opChain)
	n := w.Write(attributes(1).Canyon(8), bridge(2).Canyon(9)).Number.Uint64()
	tx := func(name string, value any) faulty.Rule {
		return edit("eth_getBlockByNumber", func(v any) any {
			object(at(object(v)["transactions"], 1))[name] = value
			return v
		})
	}
	receipt := func(name string, value any) faulty.Rule {
		return edit("eth_getBlockReceipts", func(v any) any {
			object(at(v, 1))[name] = value
			return v
		})
	}
	for name, lie := range map[string]struct {
		rule faulty.Rule
		says string
	}{
		"value":      {tx("value", "0xff"), "transaction 1 of type 0x7e"},
		"mint":       {tx("mint", "0xff"), "transaction 1 of type 0x7e"},
		"sender":     {tx("from", attributesFrom), "transaction 1 of type 0x7e"},
		"nonce":      {receipt("depositNonce", "0x7"), "receipts hash to"},
		"no version": {receipt("depositReceiptVersion", nil), "receipts hash to"},
		"version":    {receipt("depositReceiptVersion", "0x2"), "receipts hash to"},
		"status":     {receipt("status", "0x0"), "receipts hash to"},
	} {
		t.Run(name, func(t *testing.T) {
			p := proxy(t, w.URL())
			c := dial(t, p.URL)
			p.Rule(lie.rule)
			_, err := c.Block(t.Context(), n)
			if err == nil || !strings.Contains(err.Error(), lie.says) {
				t.Errorf("%v: does not say %q", err, lie.says)
			}
		})
	}
}

// TestIsthmus takes a withdrawals root that is a storage root, from a chain
// whose blocks are proven to be of the OP stack. Anywhere else it means that the
// node keeps the withdrawals to itself.
func TestIsthmus(t *testing.T) {
	storage := func(h *types.Header) { h.WithdrawalsHash = &common.Hash{7} }
	w := chaintest.NewWritten(t, opChain)
	rollup := w.WriteWith(storage, nil, attributes(1).Canyon(8))
	b, err := dial(t, w.URL()).Block(t.Context(), rollup.Number.Uint64())
	ok(t, err)
	equal(t, "withdrawals", len(b.Withdrawals), 0)

	foreign := attributes(1).Canyon(8)
	other := chaintest.WrittenBridged(1, bridger, attributesTo, new(big.Int), new(big.Int), nil).Canyon(8)
	withdrawal := []*types.Withdrawal{{Index: 1, Validator: 2, Address: someone, Amount: 3}}
	for name, h := range map[string]*types.Header{
		"no transaction":         w.WriteWith(storage, nil),
		"deposited by another":   w.WriteWith(storage, nil, other),
		"withdrawals that are":   w.WriteWith(storage, withdrawal, foreign),
		"second, not first":      w.WriteWith(storage, nil, other, foreign),
		"of a type that is none": w.WriteWith(storage, nil, chaintest.WrittenTx{Raw: []byte{0x7d, 0xc0}, Success: true}),
	} {
		_, err := dial(t, w.URL()).Block(t.Context(), h.Number.Uint64())
		if err == nil || !strings.Contains(err.Error(), "withdrawals hash to") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOPGethBlock proves block 1 of a development chain that op-geth made after
// the Ecotone upgrade, and the hash of a transaction of Base Sepolia.
func TestOPGethBlock(t *testing.T) {
	const (
		attributes = `{"type":"0x7e","hash":"0x1baa0af03d161c561e6dc32c61d4007cc6839f5a90e266ec4e925516a948624e",
			"sourceHash":"0xd449f5de7f558fa593dce80637d3a3f52cfaaee2913167371dd6ffd9014e431d",
			"from":"0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001","to":"0x4200000000000000000000000000000000000015",
			"mint":"0x0","value":"0x0","gas":"0xf4240","isSystemTx":false,
			"input":"0x440a5e20000f424000000000000000000000000100000000666c9d8b0000000000000028000000000000000000000000000000000000000000000000000000000049165f0000000000000000000000000000000000000000000000000000000000000001d05450763214e6060d285b39ef5fe51ef9526395e5cef6ecb27ba06f9598f27d000000000000000000000000e25583099ba105d9ec0a67f5ae86d90e50036425"}`
		block = `{"number":"0x1","hash":"0xc013e1ff1b8bca9f0d074618cc9e661983bc91d7677168b156765781aee775d3",
			"parentHash":"0x781f09c5b7629a7ca30668e440ea40557f01461ad6f105b371f61ff5824b2449",
			"sha3Uncles":"0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
			"miner":"0x4200000000000000000000000000000000000011",
			"stateRoot":"0x316850949fd480573fec2a2cb07c9c22d7f18a390d9ad4b6847a4326b1a4a5eb",
			"receiptsRoot":"0x619a992b2d1905328560c3bd9c7fc79b57f012afbff3de92d7a82cfdf8aa186c",
			"mixHash":"0x5e52abb859f1fff3a4bf38e076b67815214e8cff662055549b91ba33f5cb7fba",
			"gasLimit":"0x1c9c380","gasUsed":"0x2728a","timestamp":"0x666c9d8d","extraData":"0x","baseFeePerGas":"0x3b5dc100",
			"difficulty":"0x0","nonce":"0x0000000000000000","blobGasUsed":"0x0","excessBlobGas":"0x0",
			"parentBeaconBlockRoot":"0x1a274bb1e783ec35804dee78ec3d7cecd03371f311b2f946500613e994f024a5",
			"withdrawalsRoot":"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
			"transactionsRoot":"0xbf31a1156d9f5f3cee1ab36acf5d5fc71bc594e1abe185ff28604929b778d226","withdrawals":[],"transactions":[TX]}`
		receipts = `[{"status":"0x1","cumulativeGasUsed":"0x2728a","logs":[],"depositNonce":"0x0","depositReceiptVersion":"0x1"}]`
	)
	w := chaintest.NewWritten(t, opChain)
	w.Write()
	p := proxy(t, w.URL())
	c := dial(t, p.URL)
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		switch r.Method {
		case "eth_getBlockByNumber":
			a.Result = json.RawMessage(strings.Replace(block, "TX", attributes, 1))
		case "eth_getBlockReceipts":
			a.Result = json.RawMessage(receipts)
		}
	})
	b, err := c.Block(t.Context(), 1)
	ok(t, err)
	equal(t, "transaction", b.Txs[0].Hash, common.HexToHash("0x1baa0af03d161c561e6dc32c61d4007cc6839f5a90e266ec4e925516a948624e"))
	equal(t, "gas used", b.Txs[0].GasUsed, 0x2728a)
	equal(t, "nonce", *b.Txs[0].Bridged.Nonce, 0)
}

// TestBaseTransaction puts the bytes of a transaction of Base Sepolia together.
func TestBaseTransaction(t *testing.T) {
	input := common.FromHex("440a5e200000044d000a118b00000000000000040000000067cb7cb0000000000077dbd4000000000000000000000000000000000000000000000000000000000000000a00000000000000000000000000000000000000000000000000000000000000014edd27304108914dd6503b19b9eeb9956982ef197febbeeed8a9eac3dbaaabdf000000000000000000000000fc56e7272eebbba5bc6c544e159483c4a38f8ba3")
	source := common.HexToHash("0x42a8ae5ec231af3d0f90f68543ec8bca1da4f7edd712d5b51b490688355a6db7")
	w := chaintest.NewWritten(t, 84532)
	tx := attributes(0).Canyon(1)
	tx.Raw = append(common.FromHex("7ef8f8a042a8ae5ec231af3d0f90f68543ec8bca1da4f7edd712d5b51b490688355a6db794deaddeaddeaddeaddeaddeaddeaddeaddead00019442000000000000000000000000000000000000158080830f424080b8a4"), input...)
	tx.Says["sourceHash"], tx.Says["gas"], tx.Says["input"] = source, "0xf4240", hexutil.Bytes(input)
	w.Write(tx)
	b, err := dial(t, w.URL()).Block(t.Context(), 1)
	ok(t, err)
	equal(t, "hash", b.Txs[0].Hash, common.HexToHash("0x2be2e6f8b01b03b87ae9f0ebca8bbd420f174bef0fbcc18c7802c5378b78f548"))
}
