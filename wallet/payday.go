package wallet

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// PayoutAddress is where an account is paid by payout runs.
type PayoutAddress struct {
	Account string         `json:"account"`
	ChainID uint64         `json:"chain_id"`
	Asset   *AssetID       `json:"asset"` // nil for every asset that has no address of its own
	To      common.Address `json:"to"`
	SetAt   time.Time      `json:"set_at"`
}

// PayoutRun is a run that made withdrawals of what was available to accounts:
// all of them in one transaction of the store.
type PayoutRun struct {
	ID        string    `json:"id"` // unique for ever in a home
	Sequence  uint64    `json:"sequence"`
	Asset     AssetID   `json:"asset"`     // names the chain too
	Threshold Amount    `json:"threshold"` // accounts with as much or more were paid
	Approved  bool      `json:"approved"`  // at once
	Payments  int       `json:"payments"`
	Total     Amount    `json:"total"`
	At        time.Time `json:"at"`
}
