package outgoing

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Withdrawal is a withdrawal as commands print it and events carry it.
type Withdrawal struct {
	ID          string                  `json:"id"`
	ChainID     uint64                  `json:"chain_id"`
	Account     string                  `json:"account"`
	Asset       wallet.AssetID          `json:"asset"`
	Symbol      string                  `json:"symbol"`
	Amount      wallet.Amount           `json:"amount"` // base units
	Decimals    uint8                   `json:"decimals"`
	To          string                  `json:"to"` // EIP-55, as all addresses here
	Memo        string                  `json:"memo"`
	Order       string                  `json:"order"`
	RequestedBy []string                `json:"requested_by"` // whose signatures it has
	Status      wallet.WithdrawalStatus `json:"status"`
	Batch       string                  `json:"batch"`
	From        *string                 `json:"from"` // null until it is bound
	Nonce       *uint64                 `json:"nonce"`
	TxHash      *common.Hash            `json:"tx_hash"` // null until it is known
	Fee         *wallet.Amount          `json:"fee"`     // wei of the coin; null until it is mined
	Reason      string                  `json:"reason"`
	RequestedAt time.Time               `json:"requested_at"`
	UpdatedAt   time.Time               `json:"updated_at"`
}

// ViewWithdrawal adds to a withdrawal what its asset is called.
func ViewWithdrawal(tx store.Tx, w wallet.Withdrawal) (Withdrawal, error) {
	asset, err := store.Asset(tx, w.Asset)
	if err != nil {
		return Withdrawal{}, err
	}
	v := Withdrawal{
		ID: w.ID, ChainID: w.Asset.ChainID, Account: w.Account, Asset: w.Asset, Symbol: asset.Symbol,
		Amount: w.Amount, Decimals: asset.Decimals, To: w.To.Hex(), Memo: w.Memo, Order: w.Order, RequestedBy: []string{},
		Status: w.Status, Batch: w.Batch, Reason: w.Reason, RequestedAt: w.RequestedAt, UpdatedAt: w.UpdatedAt,
	}
	for _, r := range w.RequestedBy {
		v.RequestedBy = append(v.RequestedBy, r.Requester.Hex())
	}
	if w.Slot != nil {
		from := w.Slot.Sender.Hex()
		v.From, v.Nonce = &from, &w.Slot.Nonce
	}
	if (w.TxHash != common.Hash{}) {
		v.TxHash = &w.TxHash
	}
	if !w.Fee.IsZero() {
		v.Fee = &w.Fee
	}
	return v, nil
}

// EmitWithdrawal tells the outside what happened to a withdrawal that has no
// slot yet.
func EmitWithdrawal(tx store.Tx, t wallet.EventType, w wallet.Withdrawal, now time.Time) error {
	return emitWithdrawal(tx, t, w, now)
}

// emitWithdrawal tells what happened to a withdrawal. The same thing at
// another slot is news.
func emitWithdrawal(tx store.Tx, t wallet.EventType, w wallet.Withdrawal, now time.Time) error {
	v, err := ViewWithdrawal(tx, w)
	if err != nil {
		return err
	}
	occasion := ""
	if w.Slot != nil {
		occasion = w.Slot.IntentID()
	}
	return emit(tx, t, "withdrawal:"+w.ID, occasion, v, now)
}

// emitOut tells that a withdrawal is out, of one that the chain has. Mostly it was
// told when a node took it, and then this changes nothing; but whoever sent it may
// have died before the answer was recorded, and it may be mined before it is offered
// again.
func emitOut(tx store.Tx, w wallet.Withdrawal, now time.Time) error {
	w.Status, w.Fee, w.Reason = wallet.WithdrawalBroadcast, wallet.Amount{}, ""
	return emitWithdrawal(tx, wallet.WithdrawalBroadcastEvent, w, now)
}

// Sweep is a sweep as events carry it.
type Sweep struct {
	ChainID     uint64         `json:"chain_id"`
	Batch       string         `json:"batch"`
	From        string         `json:"from"`
	Nonce       uint64         `json:"nonce"`
	To          string         `json:"to"`
	Asset       wallet.AssetID `json:"asset"`
	Symbol      string         `json:"symbol"`
	Amount      wallet.Amount  `json:"amount"` // base units
	Decimals    uint8          `json:"decimals"`
	TxHash      common.Hash    `json:"tx_hash"`
	Fee         wallet.Amount  `json:"fee"` // wei of the coin
	BlockNumber uint64         `json:"block_number"`
	Reason      string         `json:"reason"`
}

// emitSweep tells what became of a sweep. Its subject is its slot.
func emitSweep(tx store.Tx, t wallet.EventType, o *wallet.Outgoing, m *wallet.Mined, reason string, now time.Time) error {
	asset, err := store.Asset(tx, o.Intent.Asset)
	if err != nil {
		return err
	}
	return emit(tx, t, "sweep:"+o.Slot.IntentID(), "", Sweep{
		ChainID: o.Slot.ChainID, Batch: o.Last().Batch, From: o.Slot.Sender.Hex(), Nonce: o.Slot.Nonce, To: o.Intent.Recipient.Hex(),
		Asset: o.Intent.Asset, Symbol: asset.Symbol, Amount: o.Intent.Amount, Decimals: asset.Decimals,
		TxHash: m.TxHash, Fee: m.Cost(), BlockNumber: m.BlockNumber, Reason: reason,
	}, now)
}

func emit(tx store.Tx, t wallet.EventType, subject, occasion string, data any, now time.Time) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s of %s: %w", t, subject, err)
	}
	return store.Emit(tx, wallet.Event{
		ID: wallet.EventID(t, subject, occasion), Type: t, Subject: subject, Timestamp: now.UTC(), Data: raw,
	})
}
