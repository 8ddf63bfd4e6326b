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

	"github.com/airlock-wallet/airlock/wallet"
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

func TestClassifySend(t *testing.T) {
	ep, err := newEndpoint("https://node.example/v3/key", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		node, text string
		want       SendResult
	}{
		{"geth", "already known", SendAlreadyKnown},
		{"geth", "nonce too low: next nonce 5, tx nonce 4", SendNonceTooLow},
		{"geth", "nonce too high: address 0x0, tx: 9 state: 5", SendNonceTooHigh},
		{"geth", "replacement transaction underpriced: new tx gas fee cap 1 <= 2 queued", SendUnderpriced},
		{"geth", "transaction underpriced: tip needed 1, tip permitted 0", SendUnderpriced},
		{"geth", "max fee per gas less than block base fee: address 0x0, maxFeePerGas: 1, baseFee: 7", SendUnderpriced},
		{"geth", "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1", SendInsufficient},
		{"geth", "intrinsic gas too low: gas 1, minimum needed 21000", SendRejected},
		{"geth", "exceeds block gas limit", SendRejected},
		{"geth", "invalid sender", SendRejected},
		{"geth", "only replay-protected (EIP-155) transactions allowed over RPC", SendRejected},
		{"geth", "rlp: value size exceeds available input length", SendRejected},
		{"geth", "txpool is full", SendUnknown},
		{"erigon", "existing tx with same hash", SendAlreadyKnown},
		{"erigon", "could not replace existing tx", SendUnderpriced},
		{"erigon", "nonce too low", SendNonceTooLow},
		{"nethermind", "AlreadyKnown", SendAlreadyKnown},
		{"nethermind", "OldNonce, Current nonce: 5, nonce of rejected tx: 4", SendNonceTooLow},
		{"nethermind", "FeeTooLow, MaxFeePerGas too low", SendUnderpriced},
		{"nethermind", "InsufficientFunds, Account balance: 0", SendInsufficient},
		{"nethermind", "ReplacementNotAllowed", SendUnderpriced},
		{"besu", "Known transaction", SendAlreadyKnown},
		{"besu", "Nonce too low", SendNonceTooLow},
		{"besu", "transaction nonce 4 below current nonce", SendUnknown},
		{"besu", "Upfront cost exceeds account balance", SendInsufficient},
		{"besu", "Gas price below configured minimum gas price", SendUnderpriced},
		{"reth", "already known", SendAlreadyKnown},
		{"reth", "failed to decode signed transaction", SendRejected},
		{"reth", "nonce too low: next nonce 2, tx nonce 1", SendNonceTooLow},
		{"anvil", "transaction already imported", SendAlreadyKnown},
		{"anvil", "Insufficient funds for gas * price + value", SendInsufficient},
		{"anvil", "max fee per gas less than block base fee", SendUnderpriced},
		{"anybody", "the moon is in the wrong phase", SendUnknown},
		{"anybody", "internal error", SendUnknown},
	} {
		if have := ClassifySend(ep.describe(sendMethod, spoken{-32000, c.text})); have != c.want {
			t.Errorf("%s says %q: %s, want %s", c.node, c.text, have, c.want)
		}
	}
	if have := ClassifySend(nil); have != SendAccepted {
		t.Errorf("no error: %s", have)
	}
	// What no node said is never an answer, whatever its words.
	if have := ClassifySend(wallet.As(wallet.ErrUnreachable, "already known")); have != SendUnknown {
		t.Errorf("another error: %s", have)
	}
}
