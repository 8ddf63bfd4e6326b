package chain

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// bridgedTxType is the type of deposited transactions (OP stack, "Deposits").
const bridgedTxType = 0x7e

// Bridged is a deposited transaction of an OP-stack chain: a call that was
// ordered on the chain below and brings coin with it. Nobody signed it on this
// chain; that From is who ordered it is the rollup's own rule.
type Bridged struct {
	From  common.Address
	To    *common.Address // nil creates a contract
	Mint  *big.Int        // wei that came into being on From before the call, even if it then failed
	Value *big.Int        // wei that the call moved from From to To
	Data  []byte
	// Nonce is the one of From that the call used; nil where the receipt does
	// not prove it, before the Canyon upgrade.
	Nonce *uint64
}

// bridgedRLP is a deposited transaction as it is hashed, after its type.
type bridgedRLP struct {
	SourceHash common.Hash
	From       common.Address
	To         *common.Address `rlp:"nil"`
	Mint       *big.Int
	Value      *big.Int
	Gas        uint64
	System     bool
	Data       []byte
}

// decodeBridged reads a deposited transaction from proven bytes. It is nil for
// bytes that are none, such as those of a chain that added fields of its own.
func decodeBridged(raw []byte) *Bridged {
	var w bridgedRLP
	if len(raw) == 0 || raw[0] != bridgedTxType || rlp.DecodeBytes(raw[1:], &w) != nil {
		return nil
	}
	return &Bridged{From: w.From, To: w.To, Mint: w.Mint, Value: w.Value, Data: w.Data}
}

// bridgedFields are what a node says of a deposited transaction beside the
// fields that others have.
type bridgedFields struct {
	SourceHash *common.Hash `json:"sourceHash"`
	Mint       bigNumber    `json:"mint"`
	System     flag         `json:"isSystemTx"`
}

// flag is true or false, which some nodes say as 0x1 and 0x0.
type flag bool

// UnmarshalJSON implements encoding/json's Unmarshaler.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == `"0x1"`
	return nil
}

// bridged is a deposited transaction's bytes, put together from what the node
// says of it: few nodes give the bytes themselves. It is nil if they do not hash
// to what the node says; then only the node knows them.
func (f *txFields) bridged() []byte {
	if f.Type != bridgedTxType || f.SourceHash == nil {
		return nil
	}
	body, err := rlp.EncodeToBytes(&bridgedRLP{
		*f.SourceHash, f.From, f.To, f.Mint.ToInt(), f.Value.ToInt(), uint64(f.Gas), bool(f.System), f.Input,
	})
	raw := append([]byte{bridgedTxType}, body...)
	if err != nil || crypto.Keccak256Hash(raw) != f.Hash {
		return nil
	}
	return raw
}

// The sender and the recipient of the deposited transaction that every block of
// an OP-stack chain begins with.
var (
	attributesFrom = common.HexToAddress("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001")
	attributesTo   = common.HexToAddress("0x4200000000000000000000000000000000000015")
)

// isOPStack reports whether proven transactions are those of a block of an
// OP-stack chain. From the Isthmus upgrade on the withdrawals root of such a
// block is a storage root, and not that of its validator withdrawals: there
// are none.
func isOPStack(txs []txJSON) bool {
	if len(txs) == 0 {
		return false
	}
	b := decodeBridged(txs[0].raw)
	return b != nil && b.From == attributesFrom && b.To != nil && *b.To == attributesTo
}
