package chain

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"
)

// TestUnknownTransactionType proves a block with a transaction of a type that
// is not known here from its raw bytes.
func TestUnknownTransactionType(t *testing.T) {
	raw := []byte{0x7d, 0xc1, 0x01}
	legacy := types.NewTx(&types.LegacyTx{To: &common.Address{1}, Value: big.NewInt(1), GasPrice: big.NewInt(2)})
	txs := []txJSON{{tx: legacy}, {typ: 0x7d, raw: raw}}
	receipts := []receiptJSON{
		{Status: 1, CumulativeGasUsed: 21000},
		{Status: 1, CumulativeGasUsed: 50000, Logs: []logJSON{{Address: common.Address{2}, Topics: []common.Hash{{3}}}}},
	}
	h := &types.Header{
		Number: big.NewInt(7), Difficulty: new(big.Int),
		TxHash:      types.DeriveSha(txList(txs), trie.NewStackTrie(nil)),
		ReceiptHash: types.DeriveSha(receiptList{receipts, txs}, trie.NewStackTrie(nil)),
	}
	b, err := assemble(rawBlock{&blockJSON{Header: h, Hash: h.Hash(), Transactions: txs}, receipts}, types.LatestSignerForChainID(big.NewInt(1)))
	if err != nil {
		t.Fatal(err)
	}
	tx := b.Txs[1]
	if tx.Tx != nil || tx.Type != 0x7d || !bytes.Equal(tx.Raw, raw) || tx.Hash != crypto.Keccak256Hash(raw) ||
		!tx.Success || tx.GasUsed != 29000 || len(tx.Logs) != 1 {
		t.Errorf("%+v", tx)
	}
	if _, err := tx.Sender(); !errors.Is(err, types.ErrTxTypeNotSupported) {
		t.Errorf("sender: %v", err)
	}
	// The encodings of known types are go-ethereum's own.
	var known types.Receipts
	for range 2 {
		known = append(known, &types.Receipt{Type: types.DynamicFeeTxType, Status: 1, CumulativeGasUsed: 5, Logs: []*types.Log{{Address: common.Address{2}, Topics: []common.Hash{{3}}, Data: []byte{4}}}})
	}
	same := receiptList{txs: []txJSON{{typ: 2}, {typ: 2}}}
	for range 2 {
		same.receipts = append(same.receipts, receiptJSON{Status: 1, CumulativeGasUsed: 5, Logs: []logJSON{{common.Address{2}, []common.Hash{{3}}, []byte{4}}}})
	}
	if types.DeriveSha(known, trie.NewStackTrie(nil)) != types.DeriveSha(same, trie.NewStackTrie(nil)) {
		t.Error("receipts are encoded otherwise than go-ethereum does")
	}
}

// spoken is a JSON-RPC error as a node words it.
type spoken struct {
	code int
	text string
}

func (s spoken) Error() string  { return s.text }
func (s spoken) ErrorCode() int { return s.code }

var _ rpc.Error = spoken{}
