// Package batch is the file that crosses from the online station to the
// signing station, and the signed file that comes back.
//
// docs/formats.md specifies both. A batch is JSON; its digest is SHA-256 over
// its RFC 8785 canonical form without the approvals. Reading is strict: the
// canonical form of what was read must equal the canonical form of the typed
// value, so that no byte can mean one thing to one reader and another to the
// next. Integers are decimal strings, addresses are written in EIP-55 form,
// other bytes in lower-case hex, times in RFC 3339 with Z and whole seconds;
// every value has one spelling.
//
// Nothing here proves that a batch is what its operator meant: it proves that
// the batch says one thing only, and that the bytes to be signed do what the
// intents beside them say.
package batch

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
)

// The names and version of the two formats.
const (
	Format       = "airlock-batch"
	SignedFormat = "airlock-signed-batch"
	Version      = 1
)

// The kinds of batch: withdrawals; sweeps and the top-ups that they need;
// rebalances. Each may hold cancels and no-ops too.
const (
	Withdrawals = "withdrawals"
	Sweep       = "sweep"
	Rebalance   = "rebalance"
)

// Bounds of a batch, so that a hostile file is refused before it costs
// memory or a reviewer's attention.
const (
	MaxItems = 20_000
	MaxRungs = 10

	MaxApprovals  = 100
	MaxRequesters = 8 // of an item

	// MaxSize and MaxSignedSize bound the files, in bytes.
	MaxSize       = 64 << 20
	MaxSignedSize = 256 << 20

	// MinGas is what every transaction costs at least (yellow paper,
	// appendix G); MaxGas is the most that a transaction may ask for
	// (EIP-7825).
	MinGas = 21_000
	MaxGas = 1 << 24

	// MaxCancelGas is the most that a cancel may ask for. Sending 0 takes MinGas,
	// and more on rollups that count what they post as gas.
	MaxCancelGas = 2_000_000

	// MaxNonce is the highest nonce of a transaction (EIP-2681).
	MaxNonce = 1<<64 - 2

	maxSymbol = 32 // characters
)

// Batch is an ordered list of unsigned transactions of one chain and vault,
// with everything that a reviewer needs.
type Batch struct {
	Format  string `json:"format"`
	Version int    `json:"version,string"`
	ID      string `json:"id"` // 32 hex digits, random: NewID
	Kind    string `json:"kind"`
	ChainID uint64 `json:"chain_id,string"`
	// Vault is the fingerprint of the vault that must sign, in hex.
	Vault     string    `json:"vault"`
	CreatedAt time.Time `json:"created_at"` // UTC, whole seconds
	ExpiresAt time.Time `json:"expires_at"` // UTC, whole seconds, after CreatedAt
	// RecordHead is the head of the vault's signing record that the online
	// station saw last, in hex; empty before the first signed batch.
	RecordHead string `json:"record_head"`
	// Assets names every asset of the items once, for display: nothing in the
	// bytes to be signed proves a symbol or decimals. The coin, in which fees
	// are paid, may be named even if no item moves it.
	Assets []Asset `json:"assets"`
	Items  []Item  `json:"items"`
	// Approvals are no part of the digest, which is what they sign.
	Approvals []Approval `json:"approvals,omitempty"`
}

// Asset is how the online station reads an asset.
type Asset struct {
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"` // 1 to 32 printable characters
	Decimals uint8          `json:"decimals,string"`
}

// Item is one transaction to be signed: every rung has the same sender, nonce
// and payload. Transactions are of EIP-1559 type with an empty access list.
type Item struct {
	From common.Address `json:"from"`
	Path wallet.Path    `json:"path"`
	// Nonce is above that of the sender's items before it; gaps are allowed,
	// since what was bound to a slot may be built again there.
	Nonce  uint64         `json:"nonce,string"`
	To     common.Address `json:"to"`
	Value  wallet.Amount  `json:"value"`
	Data   hexutil.Bytes  `json:"data"`
	Gas    uint64         `json:"gas,string"` // limit, MinGas to MaxGas
	Rungs  []wallet.Fee   `json:"rungs"`      // 1 to MaxRungs, each at least Bump of the one before
	Intent wallet.Intent  `json:"intent"`
	// RecipientPath is where the recipient of a sweep, top-up or rebalance is
	// found in the vault; empty for the other kinds and for recipients that the
	// policy pins.
	RecipientPath string `json:"recipient_path"`
	// Replaces is the intent that was signed at this nonce before and that this
	// item takes the place of: always that of a cancel, never that of a no-op.
	// It is zero where nothing was signed, or the same was.
	Replaces wallet.IntentName `json:"replaces,omitzero"`
	// Payments are the withdrawals that an intent of kind payments pays, in the
	// order of its call data; other kinds have none.
	Payments []Payment `json:"payments,omitempty"`
	// RequestedBy are signatures of RequestHash by those who asked for the
	// withdrawal.
	RequestedBy []wallet.Requester `json:"requested_by,omitempty"`
	// Cancel is signed together with the rungs where there is one, so that the
	// nonce can be taken without another trip to the station.
	Cancel *Cancel `json:"cancel,omitempty"`
	// Requires is the position of the item that must be mined before this one
	// is sent: the top-up of a sweep, the allowance of payments. It is -1 where there is none.
	Requires int `json:"requires,string"`
}

// Cancel is a transaction that takes the nonce of its item: it sends 0 from the
// item's sender to itself. It outbids the top rung: each field is at least Bump
// of it.
type Cancel struct {
	Gas                  uint64        `json:"gas,string"` // limit, MinGas to MaxCancelGas
	MaxFeePerGas         wallet.Amount `json:"max_fee_per_gas"`
	MaxPriorityFeePerGas wallet.Amount `json:"max_priority_fee_per_gas"`
}

// Fee is what the cancel offers.
func (c *Cancel) Fee() wallet.Fee {
	return wallet.Fee{MaxFeePerGas: c.MaxFeePerGas, MaxPriorityFeePerGas: c.MaxPriorityFeePerGas}
}

// Approval is an EIP-712 signature of the batch's digest by one approver.
type Approval struct {
	Approver  common.Address `json:"approver"`
	Signature hexutil.Bytes  `json:"signature"` // 65 bytes, r ‖ s ‖ v
}

// Signed is a batch with the signatures of all its rungs.
type Signed struct {
	Format  string `json:"format"`
	Version int    `json:"version,string"`
	Batch   Batch  `json:"batch"`
	Digest  string `json:"digest"` // of Batch, in hex
	// PolicyHash is SHA-256 of the policy file under which it was signed, in
	// hex. It is empty, together with RecordHead, if it was signed outside of
	// airlock, as by a QR hardware wallet.
	PolicyHash string `json:"policy_hash"`
	// RecordHead is the head of the signing record after these signatures, in
	// hex.
	RecordHead string    `json:"record_head"`
	SignedAt   time.Time `json:"signed_at"` // UTC, whole seconds
	// Transactions holds, per item in the batch's order, one signed
	// transaction per rung, and one more for its cancel where it has one.
	Transactions [][]wallet.SignedRung `json:"transactions"`
}

// Outside reports whether the signatures were made outside of airlock: under no
// policy, and in no signing record. They are proven like all others.
func (s *Signed) Outside() bool { return s.PolicyHash == "" && s.RecordHead == "" }

// NewID makes the id of a new batch: 128 random bits.
func NewID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// CancelItem is the item's cancel as an item of its own, or nil.
func (it *Item) CancelItem(chainID uint64) *Item {
	if it.Cancel == nil {
		return nil
	}
	slot := wallet.Slot{ChainID: chainID, Sender: it.From, Nonce: it.Nonce}
	return &Item{
		From: it.From, Path: it.Path, Nonce: it.Nonce, To: it.From, Data: hexutil.Bytes{},
		Gas: it.Cancel.Gas, Rungs: []wallet.Fee{it.Cancel.Fee()}, Replaces: it.Intent.Name(), Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentCancel, ID: slot.IntentID(), Asset: wallet.Coin(chainID), Recipient: it.From},
	}
}

// Signatures is how many signatures the item gets: one per rung, and one for
// its cancel.
func (it *Item) Signatures() int {
	if it.Cancel != nil {
		return len(it.Rungs) + 1
	}
	return len(it.Rungs)
}

// Transaction is the unsigned transaction that a signature of the item is for:
// that of a rung, or for the number after the last rung that of the cancel.
func (it *Item) Transaction(chainID uint64, n int) *types.Transaction {
	if n == len(it.Rungs) {
		return it.CancelItem(chainID).Transaction(chainID, 0)
	}
	fee := it.Rungs[n]
	return types.NewTx(&types.DynamicFeeTx{
		ChainID:   new(big.Int).SetUint64(chainID),
		Nonce:     it.Nonce,
		GasTipCap: fee.MaxPriorityFeePerGas.Big(),
		GasFeeCap: fee.MaxFeePerGas.Big(),
		Gas:       it.Gas,
		To:        &it.To,
		Value:     it.Value.Big(),
		Data:      it.Data,
	})
}

// WorstFee is the most that the item can cost in gas, in wei: its gas limit
// at the top rung, or its cancel if that costs more.
func (it *Item) WorstFee() wallet.Amount {
	fee := it.Rungs[len(it.Rungs)-1].MaxFeePerGas.Mul(it.Gas)
	if it.Cancel != nil {
		if c := it.Cancel.MaxFeePerGas.Mul(it.Cancel.Gas); c.Cmp(fee) > 0 {
			return c
		}
	}
	return fee
}

// WorstFee is the most that all items can cost in gas, in wei.
func (b *Batch) WorstFee() wallet.Amount {
	var sum wallet.Amount
	for i := range b.Items {
		sum = sum.Add(b.Items[i].WorstFee())
	}
	return sum
}

// Bump is the lowest fee that may follow a rung: each field one tenth higher,
// rounded up, and by at least 1 wei, because nodes refuse a replacement that
// raises one field only.
func Bump(f wallet.Fee) wallet.Fee {
	return wallet.Fee{MaxFeePerGas: bump(f.MaxFeePerGas), MaxPriorityFeePerGas: bump(f.MaxPriorityFeePerGas)}
}

func bump(a wallet.Amount) wallet.Amount {
	n := a.Big()
	n.Mul(n, big.NewInt(11))
	n.Add(n, big.NewInt(9)).Div(n, big.NewInt(10))
	if up := wallet.AmountOf(n); up.Cmp(a) > 0 {
		return up
	}
	return a.Add(wallet.NewAmount(1))
}

// transferSelector begins a call of transfer(address,uint256) (ERC-20).
var transferSelector = [4]byte{0xa9, 0x05, 0x9c, 0xbb}

// transferSize is the length of such a call: the selector and two words.
const transferSize = 4 + 32 + 32

// TransferData is the call data of an ERC-20 transfer. The amount must be
// between 0 and 2^256−1.
func TransferData(to common.Address, amount wallet.Amount) []byte {
	data := make([]byte, transferSize)
	copy(data, transferSelector[:])
	copy(data[4+12:], to[:])
	amount.Big().FillBytes(data[4+32:])
	return data
}

// DecodeTransfer reads the call data of an ERC-20 transfer. It takes exactly
// what TransferData writes: no byte more, and a clean upper part of the
// address word.
func DecodeTransfer(data []byte) (to common.Address, amount wallet.Amount, err error) {
	if len(data) != transferSize || [4]byte(data) != transferSelector {
		return to, amount, fmt.Errorf("call data of %d bytes is not transfer(address,uint256)", len(data))
	}
	to = common.BytesToAddress(data[4 : 4+32])
	amount = wallet.AmountOf(new(big.Int).SetBytes(data[4+32:]))
	if !bytes.Equal(TransferData(to, amount), data) {
		return to, amount, fmt.Errorf("call data of transfer(address,uint256) has bits above the address")
	}
	return to, amount, nil
}
