package wallet

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// DepositStatus is where a deposit is on its way.
type DepositStatus string

// A deposit is pending until its block is final enough, then confirmed. It is
// orphaned when its block left the chain; the same transaction mined again
// makes the same deposit pending again.
const (
	DepositPending   DepositStatus = "pending"
	DepositConfirmed DepositStatus = "confirmed"
	DepositOrphaned  DepositStatus = "orphaned"
)

// DepositKind is how the value arrived.
type DepositKind string

// The ways that value arrives.
const (
	KindNative     DepositKind = "native"     // value of a transaction
	KindToken      DepositKind = "token"      // an ERC-20 Transfer log
	KindInternal   DepositKind = "internal"   // moved by a contract
	KindWithdrawal DepositKind = "withdrawal" // a validator withdrawal (EIP-4895)
)

// Deposit is value that reached an address of ours from outside.
type Deposit struct {
	ID          string         `json:"id"` // DepositID
	ChainID     uint64         `json:"chain_id"`
	Account     string         `json:"account"` // House when the address has none
	Address     common.Address `json:"address"`
	From        common.Address `json:"from"`
	Asset       AssetID        `json:"asset"`
	Amount      Amount         `json:"amount"` // above zero
	Kind        DepositKind    `json:"kind"`
	TxHash      common.Hash    `json:"tx_hash"`
	LogIndex    *uint64        `json:"log_index"` // within the block; null unless Kind is token
	BlockNumber uint64         `json:"block_number"`
	BlockHash   common.Hash    `json:"block_hash"`
	Status      DepositStatus  `json:"status"`
	SeenAt      time.Time      `json:"seen_at"`
}

// DepositID names a deposit so that it survives being mined again in another
// block: chain, transaction, kind, and the position of the log within its
// transaction (0 for kinds without logs).
func DepositID(chainID uint64, tx common.Hash, kind DepositKind, position uint64) string {
	return fmt.Sprintf("%d:%s:%s:%d", chainID, tx.Hex(), kind, position)
}
