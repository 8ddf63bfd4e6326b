package wallet

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// WithdrawalStatus is where a withdrawal is on its way.
type WithdrawalStatus string

// requested → approved | rejected → built → signed → broadcast → mined →
// confirmed | failed | canceled.
const (
	WithdrawalRequested WithdrawalStatus = "requested"
	WithdrawalApproved  WithdrawalStatus = "approved"
	WithdrawalRejected  WithdrawalStatus = "rejected"
	WithdrawalBuilt     WithdrawalStatus = "built"
	WithdrawalSigned    WithdrawalStatus = "signed"
	WithdrawalBroadcast WithdrawalStatus = "broadcast"
	WithdrawalMined     WithdrawalStatus = "mined"
	WithdrawalConfirmed WithdrawalStatus = "confirmed"
	WithdrawalFailed    WithdrawalStatus = "failed"
	WithdrawalCanceled  WithdrawalStatus = "canceled"
)

// Settled reports whether nothing can happen to the withdrawal any more.
func (s WithdrawalStatus) Settled() bool {
	switch s {
	case WithdrawalRejected, WithdrawalConfirmed, WithdrawalFailed, WithdrawalCanceled:
		return true
	}
	return false
}

// WithdrawalRequest is what a caller asks for. Two requests with the same id
// are the same withdrawal if and only if they are the Same.
type WithdrawalRequest struct {
	ID      string         `json:"id"`      // the caller's, unique for ever in a home
	Account string         `json:"account"` // who pays; House asks no balance
	Asset   AssetID        `json:"asset"`   // names the chain too
	Amount  Amount         `json:"amount"`  // what the recipient gets; above zero
	To      common.Address `json:"to"`
	Memo    string         `json:"memo,omitzero"`
	Order   string         `json:"order,omitzero"` // a reference of the caller's own
	// RequestedBy are signatures of the request, each requester's once. They
	// vouch for it and are no part of it.
	RequestedBy []Requester `json:"requested_by,omitempty"`
}

// Requester is the signature of one who asks for a withdrawal, over id, asset,
// amount and recipient (EIP-712; package batch has the structure).
type Requester struct {
	Requester common.Address `json:"requester"`
	Signature hexutil.Bytes  `json:"signature"` // 65 bytes, r ‖ s ‖ v
}

// Same reports whether two requests ask for the same thing, whoever signed
// them.
func (r WithdrawalRequest) Same(o WithdrawalRequest) bool {
	return r.ID == o.ID && r.Account == o.Account && r.Asset == o.Asset &&
		r.Amount.Cmp(o.Amount) == 0 && r.To == o.To && r.Memo == o.Memo && r.Order == o.Order
}

// Withdrawal is a request to pay and what became of it.
type Withdrawal struct {
	WithdrawalRequest
	Status      WithdrawalStatus `json:"status"`
	Batch       string           `json:"batch,omitzero"` // the newest batch that holds it
	Slot        *Slot            `json:"slot,omitzero"`  // bound for ever once a batch was written
	TxHash      common.Hash      `json:"tx_hash,omitzero"`
	Fee         Amount           `json:"fee,omitzero"`    // paid for gas, in the coin, once mined
	Reason      string           `json:"reason,omitzero"` // why rejected, failed, left out of a batch
	RequestedAt time.Time        `json:"requested_at"`
	UpdatedAt   time.Time        `json:"updated_at"`
}

// Slot is the place of one transaction: at most one transaction of a sender
// with a nonce is ever mined on a chain.
type Slot struct {
	ChainID uint64         `json:"chain_id"`
	Sender  common.Address `json:"sender"`
	Nonce   uint64         `json:"nonce"`
}

// IntentID names the intent of a slot that serves no withdrawal, and a cancel
// at it. It is unique in a home.
func (s Slot) IntentID() string {
	return fmt.Sprintf("%d:%s:%d", s.ChainID, s.Sender.Hex(), s.Nonce)
}
