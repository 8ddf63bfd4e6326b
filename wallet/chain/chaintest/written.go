package chaintest

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"
)

// Written is a node of a chain whose blocks a test writes: with transactions of
// types that no node here makes, such as those of rollups. Its headers hash to
// their hashes and hold the roots of what was written. All blocks are final, and
// every account is empty.
type Written struct {
	id     uint64
	url    string
	mu     sync.Mutex
	blocks []writtenBlock
}

// A WrittenTx is one transaction of a block.
type WrittenTx struct {
	Raw     []byte         // as it is hashed
	Says    map[string]any // what the node says of it, beside its hash
	NoRaw   bool           // the node does not give Raw
	Success bool
	GasUsed uint64
	Logs    []*types.Log
	// Tail is what the receipt holds after its logs, and ReceiptSays what the
	// node says of it beside what all receipts have.
	Tail        []uint64
	ReceiptSays map[string]any
}

// WrittenOf is a transaction that go-ethereum knows. It succeeds.
func WrittenOf(tx *types.Transaction) WrittenTx {
	w := WrittenTx{Success: true, GasUsed: tx.Gas()}
	w.Raw = must(tx.MarshalBinary())
	if err := json.Unmarshal(must(tx.MarshalJSON()), &w.Says); err != nil {
		panic(err)
	}
	for name, v := range w.Says {
		if v == nil { // nodes leave such fields out
			delete(w.Says, name)
		}
	}
	return w
}

// WrittenBridged is a deposited transaction of the OP stack (type 0x7e). It
// succeeds, and its receipt is of the time before the Canyon upgrade. The node
// does not give its bytes.
func WrittenBridged(source byte, from, to common.Address, mint, value *big.Int, data []byte) WrittenTx {
	hash := common.Hash{source}
	body := must(rlp.EncodeToBytes([]any{hash, from, to, mint, value, uint64(100_000), false, data}))
	return WrittenTx{
		Raw: append([]byte{0x7e}, body...), NoRaw: true, Success: true, GasUsed: 50_000,
		Says: map[string]any{
			"type": "0x7e", "sourceHash": hash, "from": from, "to": to, "mint": (*hexutil.Big)(mint), "value": (*hexutil.Big)(value),
			"gas": hexutil.Uint64(100_000), "isSystemTx": false, "input": hexutil.Bytes(data), "nonce": "0x0", "v": "0x0", "r": "0x0", "s": "0x0",
		},
		ReceiptSays: map[string]any{"depositNonce": "0x0"},
	}
}

// Canyon makes the receipt of a deposited transaction one of the time from the
// Canyon upgrade on, with the sender's nonce.
func (w WrittenTx) Canyon(nonce uint64) WrittenTx {
	w.Tail = []uint64{nonce, 1}
	w.ReceiptSays = map[string]any{"depositNonce": hexutil.Uint64(nonce), "depositReceiptVersion": "0x1"}
	return w
}

type writtenBlock struct {
	header      *types.Header
	txs         []WrittenTx
	withdrawals []*types.Withdrawal
}

// NewWritten starts a node that ends with the test. Its only block is an empty
// genesis.
func NewWritten(t TB, chainID uint64) *Written {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := &Written{id: chainID, url: "http://" + l.Addr().String()}
	api := rpc.NewServer()
	if err := api.RegisterName("eth", &writtenAPI{w}); err != nil {
		t.Fatalf("%v", err)
	}
	server := &http.Server{Handler: api, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	w.Write()
	return w
}

// URL is the node's HTTP endpoint.
func (w *Written) URL() string { return w.url }

// Write adds a block with the given transactions and returns its header.
func (w *Written) Write(txs ...WrittenTx) *types.Header { return w.WriteWith(nil, nil, txs...) }

// WriteWith adds a block with the given transactions and validator withdrawals
// after something in its header was changed.
func (w *Written) WriteWith(change func(*types.Header), withdrawals []*types.Withdrawal, txs ...WrittenTx) *types.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := writtenBlock{txs: txs, withdrawals: withdrawals, header: &types.Header{
		Number: big.NewInt(int64(len(w.blocks))), Difficulty: new(big.Int), BaseFee: big.NewInt(7), Extra: []byte{},
		UncleHash: types.EmptyUncleHash, Time: 1_700_000_000 + uint64(len(w.blocks)), GasLimit: 30_000_000, //nolint:gosec // few blocks
	}}
	var raws, receipts encodedList
	for _, tx := range txs {
		b.header.GasUsed += tx.GasUsed
		raws, receipts = append(raws, tx.Raw), append(receipts, tx.receipt(b.header.GasUsed))
	}
	b.header.TxHash = types.DeriveSha(raws, trie.NewStackTrie(nil))
	b.header.ReceiptHash = types.DeriveSha(receipts, trie.NewStackTrie(nil))
	root := types.DeriveSha(types.Withdrawals(withdrawals), trie.NewStackTrie(nil))
	b.header.WithdrawalsHash = &root
	if n := len(w.blocks); n > 0 {
		b.header.ParentHash = w.blocks[n-1].header.Hash()
	}
	if change != nil {
		change(b.header)
	}
	w.blocks = append(w.blocks, b)
	return b.header
}

// encodedList is hashed as it is (types.DerivableList).
type encodedList [][]byte

func (l encodedList) Len() int                           { return len(l) }
func (l encodedList) EncodeIndex(i int, w *bytes.Buffer) { w.Write(l[i]) }

func (tx *WrittenTx) typ() uint8 {
	if tx.Raw[0] > 0x7f {
		return types.LegacyTxType
	}
	return tx.Raw[0]
}

// receipt is the receipt as it is hashed.
func (tx *WrittenTx) receipt(cumulative uint64) []byte {
	logs := make([]any, len(tx.Logs))
	for i, l := range tx.Logs {
		logs[i] = []any{l.Address, l.Topics, l.Data}
	}
	fields := []any{tx.Success, cumulative, types.CreateBloom(&types.Receipt{Logs: tx.Logs}), logs}
	for _, n := range tx.Tail {
		fields = append(fields, n)
	}
	body := must(rlp.EncodeToBytes(fields))
	if t := tx.typ(); t != types.LegacyTxType {
		return append([]byte{t}, body...)
	}
	return body
}

// writtenAPI is what the node answers.
type writtenAPI struct{ w *Written }

func (a *writtenAPI) at(n rpc.BlockNumberOrHash) *writtenBlock {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if number, ok := n.Number(); ok {
		if number < 0 {
			number = rpc.BlockNumber(len(a.w.blocks) - 1)
		}
		if int(number) < len(a.w.blocks) {
			return &a.w.blocks[number]
		}
	}
	if hash, ok := n.Hash(); ok {
		for i := range a.w.blocks {
			if a.w.blocks[i].header.Hash() == hash {
				return &a.w.blocks[i]
			}
		}
	}
	return nil
}

func (a *writtenAPI) ChainId() hexutil.Uint64 { return hexutil.Uint64(a.w.id) } //nolint:revive // named as its method

func (a *writtenAPI) BlockNumber() hexutil.Uint64 {
	return hexutil.Uint64(a.at(rpc.BlockNumberOrHashWithNumber(rpc.LatestBlockNumber)).header.Number.Uint64())
}

func (a *writtenAPI) GetBlockByNumber(n rpc.BlockNumber, _ bool) map[string]any {
	return a.at(rpc.BlockNumberOrHashWithNumber(n)).says()
}

func (a *writtenAPI) GetBlockByHash(hash common.Hash, _ bool) map[string]any {
	return a.at(rpc.BlockNumberOrHashWithHash(hash, false)).says()
}

func (b *writtenBlock) says() (says map[string]any) {
	if b == nil {
		return nil
	}
	if err := json.Unmarshal(must(json.Marshal(b.header)), &says); err != nil {
		panic(err)
	}
	txs := make([]map[string]any, len(b.txs))
	for i := range b.txs {
		txs[i] = map[string]any{"hash": crypto.Keccak256Hash(b.txs[i].Raw), "type": hexutil.Uint64(b.txs[i].typ())}
		for k, v := range b.txs[i].Says {
			txs[i][k] = v
		}
	}
	says["transactions"], says["withdrawals"] = txs, b.withdrawals
	return says
}

func (a *writtenAPI) GetBlockReceipts(n rpc.BlockNumberOrHash) []map[string]any {
	b := a.at(n)
	if b == nil {
		return nil
	}
	receipts := make([]map[string]any, len(b.txs))
	var gas uint64
	for i := range b.txs {
		tx := &b.txs[i]
		gas += tx.GasUsed
		status := hexutil.Uint64(types.ReceiptStatusFailed)
		if tx.Success {
			status = hexutil.Uint64(types.ReceiptStatusSuccessful)
		}
		logs := make([]map[string]any, len(tx.Logs))
		for j, l := range tx.Logs {
			logs[j] = map[string]any{"address": l.Address, "topics": l.Topics, "data": hexutil.Bytes(l.Data)}
		}
		receipts[i] = map[string]any{
			"status": status, "cumulativeGasUsed": hexutil.Uint64(gas), "type": hexutil.Uint64(tx.typ()), "logs": logs,
			"logsBloom": types.CreateBloom(&types.Receipt{Logs: tx.Logs}), "blockHash": b.header.Hash(), "transactionHash": crypto.Keccak256Hash(tx.Raw),
		}
		for k, v := range tx.ReceiptSays {
			receipts[i][k] = v
		}
	}
	return receipts
}

func (a *writtenAPI) GetRawTransactionByBlockHashAndIndex(hash common.Hash, i hexutil.Uint) (hexutil.Bytes, error) {
	b := a.at(rpc.BlockNumberOrHashWithHash(hash, false))
	if b == nil || int(i) >= len(b.txs) || b.txs[i].NoRaw {
		return nil, errors.New("transaction type not supported")
	}
	return b.txs[i].Raw, nil
}

func (a *writtenAPI) GetBalance(common.Address, rpc.BlockNumberOrHash) *hexutil.Big {
	return new(hexutil.Big)
}

func (a *writtenAPI) GetTransactionCount(common.Address, rpc.BlockNumberOrHash) hexutil.Uint64 {
	return 0
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
