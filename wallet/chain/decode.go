package chain

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/holiman/uint256"
)

// What a node says is decoded here, in one pass over its text. A field that is
// missing or wrong needs no check of its own where the whole must hash to
// something: it then does not.

// rawJSON is an answer before it is decoded.
type rawJSON []byte

// UnmarshalJSON implements encoding/json's Unmarshaler.
func (m *rawJSON) UnmarshalJSON(b []byte) error {
	*m = append((*m)[:0], b...)
	return nil
}

func (m rawJSON) isNull() bool { return len(m) == 0 || string(m) == "null" }

// lenient takes what the roots decide about anyway.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

type headerJSON struct {
	ParentHash          common.Hash      `json:"parentHash"`
	UncleHash           common.Hash      `json:"sha3Uncles"`
	Coinbase            common.Address   `json:"miner"`
	Root                common.Hash      `json:"stateRoot"`
	TxHash              common.Hash      `json:"transactionsRoot"`
	ReceiptHash         common.Hash      `json:"receiptsRoot"`
	Bloom               types.Bloom      `json:"logsBloom"`
	Difficulty          hexutil.Big      `json:"difficulty"`
	Number              hexutil.Big      `json:"number"`
	GasLimit            hexutil.Uint64   `json:"gasLimit"`
	GasUsed             hexutil.Uint64   `json:"gasUsed"`
	Time                hexutil.Uint64   `json:"timestamp"`
	Extra               hexutil.Bytes    `json:"extraData"`
	MixDigest           common.Hash      `json:"mixHash"`
	Nonce               types.BlockNonce `json:"nonce"`
	BaseFee             *hexutil.Big     `json:"baseFeePerGas"`
	WithdrawalsHash     *common.Hash     `json:"withdrawalsRoot"`
	BlobGasUsed         *hexutil.Uint64  `json:"blobGasUsed"`
	ExcessBlobGas       *hexutil.Uint64  `json:"excessBlobGas"`
	ParentBeaconRoot    *common.Hash     `json:"parentBeaconBlockRoot"`
	RequestsHash        *common.Hash     `json:"requestsHash"`
	BlockAccessListHash *common.Hash     `json:"blockAccessListHash"`
	SlotNumber          *hexutil.Uint64  `json:"slotNumber"`

	Hash common.Hash `json:"hash"` // as the node says
}

func (h *headerJSON) header() (*types.Header, error) {
	if n := h.Number.ToInt(); !n.IsUint64() {
		return nil, fmt.Errorf("block number of %d bits", n.BitLen())
	}
	return &types.Header{
		ParentHash: h.ParentHash, UncleHash: h.UncleHash, Coinbase: h.Coinbase, Root: h.Root,
		TxHash: h.TxHash, ReceiptHash: h.ReceiptHash, Bloom: h.Bloom,
		Difficulty: h.Difficulty.ToInt(), Number: h.Number.ToInt(),
		GasLimit: uint64(h.GasLimit), GasUsed: uint64(h.GasUsed), Time: uint64(h.Time),
		Extra: h.Extra, MixDigest: h.MixDigest, Nonce: h.Nonce,
		BaseFee: (*big.Int)(h.BaseFee), WithdrawalsHash: h.WithdrawalsHash,
		BlobGasUsed: (*uint64)(h.BlobGasUsed), ExcessBlobGas: (*uint64)(h.ExcessBlobGas),
		ParentBeaconRoot: h.ParentBeaconRoot, RequestsHash: h.RequestsHash,
		BlockAccessListHash: h.BlockAccessListHash, SlotNumber: (*uint64)(h.SlotNumber),
	}, nil
}

func decodeHeader(b []byte) (*blockJSON, error) {
	var wire headerJSON
	if err := json.Unmarshal(b, &wire, lenient); err != nil {
		return nil, err
	}
	h, err := wire.header()
	return &blockJSON{Header: h, Hash: wire.Hash}, err
}

// blockJSON is a block as a node says it is.
type blockJSON struct {
	Header       *types.Header
	Hash         common.Hash
	Transactions []txJSON
	Withdrawals  []*types.Withdrawal
}

func decodeBlock(b []byte) (*blockJSON, error) {
	var wire struct {
		headerJSON
		Transactions []txJSON           `json:"transactions"`
		Withdrawals  []types.Withdrawal `json:"withdrawals"`
	}
	if err := json.Unmarshal(b, &wire, lenient); err != nil {
		return nil, err
	}
	h, err := wire.header()
	block := &blockJSON{Header: h, Hash: wire.Hash, Transactions: wire.Transactions}
	for i := range wire.Withdrawals {
		block.Withdrawals = append(block.Withdrawals, &wire.Withdrawals[i])
	}
	return block, err
}

// txJSON is a transaction as a node says it is: tx if its type is known to
// go-ethereum, else raw, which may have to be asked for.
type txJSON struct {
	typ  uint8
	hash common.Hash
	from common.Address
	tx   *types.Transaction
	raw  []byte
	// missing is why the node did not give raw, if it was asked for it.
	missing string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *txJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var f txFields
	if err := json.UnmarshalDecode(d, &f); err != nil {
		return err
	}
	if f.Type > 0x7f { // EIP-2718
		return fmt.Errorf("transaction type %#x", uint64(f.Type))
	}
	*t = txJSON{typ: uint8(f.Type), hash: f.Hash, from: f.From}
	data, err := f.data()
	if data != nil && err == nil {
		t.tx = types.NewTx(data)
	}
	t.raw = f.bridged()
	return err
}

// bigNumber and number are a hexutil.Big and a hexutil.Uint64 that are 0 where a
// node says null, as some do of fields that a type of transaction does not have.
type (
	bigNumber hexutil.Big
	number    hexutil.Uint64
)

// UnmarshalJSON implements encoding/json's Unmarshaler.
func (n *bigNumber) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	return (*hexutil.Big)(n).UnmarshalJSON(b)
}

// ToInt is the number, which the result shares.
func (n *bigNumber) ToInt() *big.Int { return (*big.Int)(n) }

// UnmarshalJSON implements encoding/json's Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	return (*hexutil.Uint64)(n).UnmarshalJSON(b)
}

type txFields struct {
	Type       hexutil.Uint64               `json:"type"`
	Hash       common.Hash                  `json:"hash"`
	From       common.Address               `json:"from"`
	ChainID    bigNumber                    `json:"chainId"`
	Nonce      number                       `json:"nonce"`
	To         *common.Address              `json:"to"`
	Gas        number                       `json:"gas"`
	GasPrice   bigNumber                    `json:"gasPrice"`
	TipCap     bigNumber                    `json:"maxPriorityFeePerGas"`
	FeeCap     bigNumber                    `json:"maxFeePerGas"`
	BlobFeeCap bigNumber                    `json:"maxFeePerBlobGas"`
	Value      bigNumber                    `json:"value"`
	Input      hexutil.Bytes                `json:"input"`
	AccessList types.AccessList             `json:"accessList"`
	BlobHashes []common.Hash                `json:"blobVersionedHashes"`
	AuthList   []types.SetCodeAuthorization `json:"authorizationList"`
	V          *hexutil.Big                 `json:"v"`
	R          bigNumber                    `json:"r"`
	S          bigNumber                    `json:"s"`
	YParity    *hexutil.Uint64              `json:"yParity"`

	bridgedFields
}

var errNoRecipient = errors.New("a transaction of this type must have a recipient")

// data is the typed content, or nil for a type that is not known here.
func (f *txFields) data() (types.TxData, error) {
	v := new(big.Int)
	switch {
	case f.V != nil:
		v = f.V.ToInt()
	case f.YParity != nil:
		v.SetUint64(uint64(*f.YParity))
	}
	nonce, gas := uint64(f.Nonce), uint64(f.Gas)
	switch f.Type {
	case types.LegacyTxType:
		return &types.LegacyTx{
			Nonce: nonce, GasPrice: f.GasPrice.ToInt(), Gas: gas, To: f.To, Value: f.Value.ToInt(), Data: f.Input,
			V: v, R: f.R.ToInt(), S: f.S.ToInt(),
		}, nil
	case types.AccessListTxType:
		return &types.AccessListTx{
			ChainID: f.ChainID.ToInt(), Nonce: nonce, GasPrice: f.GasPrice.ToInt(), Gas: gas, To: f.To,
			Value: f.Value.ToInt(), Data: f.Input, AccessList: f.AccessList,
			V: v, R: f.R.ToInt(), S: f.S.ToInt(),
		}, nil
	case types.DynamicFeeTxType:
		return &types.DynamicFeeTx{
			ChainID: f.ChainID.ToInt(), Nonce: nonce, GasTipCap: f.TipCap.ToInt(), GasFeeCap: f.FeeCap.ToInt(),
			Gas: gas, To: f.To, Value: f.Value.ToInt(), Data: f.Input, AccessList: f.AccessList,
			V: v, R: f.R.ToInt(), S: f.S.ToInt(),
		}, nil
	case types.BlobTxType:
		if f.To == nil {
			return nil, errNoRecipient
		}
		return &types.BlobTx{
			ChainID: u256(&f.ChainID), Nonce: nonce, GasTipCap: u256(&f.TipCap), GasFeeCap: u256(&f.FeeCap),
			Gas: gas, To: *f.To, Value: u256(&f.Value), Data: f.Input, AccessList: f.AccessList,
			BlobFeeCap: u256(&f.BlobFeeCap), BlobHashes: f.BlobHashes,
			V: u256((*bigNumber)(v)), R: u256(&f.R), S: u256(&f.S),
		}, nil
	case types.SetCodeTxType:
		if f.To == nil {
			return nil, errNoRecipient
		}
		return &types.SetCodeTx{
			ChainID: u256(&f.ChainID), Nonce: nonce, GasTipCap: u256(&f.TipCap), GasFeeCap: u256(&f.FeeCap),
			Gas: gas, To: *f.To, Value: u256(&f.Value), Data: f.Input, AccessList: f.AccessList, AuthList: f.AuthList,
			V: u256((*bigNumber)(v)), R: u256(&f.R), S: u256(&f.S),
		}, nil
	}
	return nil, nil
}

// u256 reduces modulo 2^256; what does not fit does not hash to the root.
func u256(n *bigNumber) *uint256.Int {
	u, _ := uint256.FromBig(n.ToInt())
	return u
}

// receiptJSON is a receipt as a node says it is, as far as it is hashed.
type receiptJSON struct {
	PostState         hexutil.Bytes  `json:"root"` // before EIP-658
	Status            hexutil.Uint64 `json:"status"`
	CumulativeGasUsed hexutil.Uint64 `json:"cumulativeGasUsed"`
	Bloom             types.Bloom    `json:"logsBloom"`
	Logs              []logJSON      `json:"logs"`

	// As the node says. It matters only where the content is not hashed.
	BlockHash common.Hash `json:"blockHash"`
	TxHash    common.Hash `json:"transactionHash"`

	// Of deposited transactions (OP stack). Both are hashed if there is a
	// version, from the Canyon upgrade on, and neither before.
	DepositNonce   number          `json:"depositNonce"`
	DepositVersion *hexutil.Uint64 `json:"depositReceiptVersion"`
}

// ofCanyon reports whether a receipt of a transaction of the given type proves
// the sender's nonce.
func (r *receiptJSON) ofCanyon(typ uint8) bool {
	return typ == bridgedTxType && r.DepositVersion != nil
}

type logJSON struct {
	Address common.Address `json:"address"`
	Topics  []common.Hash  `json:"topics"`
	Data    hexutil.Bytes  `json:"data"`
}

func decodeReceipts(b []byte) (list []receiptJSON, err error) {
	err = json.Unmarshal(b, &list, lenient)
	return list, err
}

func decodeReceipt(b []byte) (r receiptJSON, err error) {
	err = json.Unmarshal(b, &r, lenient)
	return r, err
}

// receiptList encodes receipts as they are hashed (types.DerivableList). The
// types are those of the transactions. For a type that is not known here, the
// form that all types have had so far is tried.
type receiptList struct {
	receipts []receiptJSON
	txs      []txJSON
}

func (l receiptList) Len() int { return len(l.receipts) }

func (l receiptList) EncodeIndex(i int, w *bytes.Buffer) {
	r := &l.receipts[i]
	if typ := l.txs[i].typ; typ != types.LegacyTxType {
		w.WriteByte(typ)
	}
	enc := rlp.NewEncoderBuffer(w)
	outer := enc.List()
	switch {
	case len(r.PostState) > 0:
		enc.WriteBytes(r.PostState)
	case r.Status == hexutil.Uint64(types.ReceiptStatusSuccessful):
		enc.WriteBytes([]byte{1})
	default:
		enc.WriteBytes(nil)
	}
	enc.WriteUint64(uint64(r.CumulativeGasUsed))
	enc.WriteBytes(r.Bloom[:])
	logs := enc.List()
	for j := range r.Logs {
		log := enc.List()
		enc.WriteBytes(r.Logs[j].Address[:])
		topics := enc.List()
		for _, t := range r.Logs[j].Topics {
			enc.WriteBytes(t[:])
		}
		enc.ListEnd(topics)
		enc.WriteBytes(r.Logs[j].Data)
		enc.ListEnd(log)
	}
	enc.ListEnd(logs)
	if r.ofCanyon(l.txs[i].typ) {
		enc.WriteUint64(uint64(r.DepositNonce))
		enc.WriteUint64(uint64(*r.DepositVersion))
	}
	enc.ListEnd(outer)
	_ = enc.Flush() // a bytes.Buffer takes everything
}
