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
	KindReward     DepositKind = "reward"     // the tips of a block whose fee recipient is ours
)

// Deposit is value that reached an address of ours from outside.
type Deposit struct {
	ID      string         `json:"id"` // DepositID
	ChainID uint64         `json:"chain_id"`
	Account string         `json:"account"` // House when the address has none
	Address common.Address `json:"address"`
	From    common.Address `json:"from"`
	Asset   AssetID        `json:"asset"`
	Amount  Amount         `json:"amount"` // above zero
	Kind    DepositKind    `json:"kind"`
	// TxHash is zero where no transaction is known: for withdrawals, rewards, and
	// for what was moved by a contract and seen in balances alone.
	TxHash      common.Hash   `json:"tx_hash"`
	LogIndex    *uint64       `json:"log_index"` // within the block; null unless Kind is token
	BlockNumber uint64        `json:"block_number"`
	BlockHash   common.Hash   `json:"block_hash"`
	Status      DepositStatus `json:"status"`
	// Unproven is set where the chain's settings allow blocks that nobody can
	// prove, and this deposit was found in one: it is the endpoints' word alone.
	Unproven bool      `json:"unproven,omitzero"`
	SeenAt   time.Time `json:"seen_at"`
}

// DepositID names a deposit so that it survives being mined again in another
// block: chain, transaction, kind, and the position of the log within its
// transaction. Without a log it is 0, but 1 for what a transaction from the
// chain below a rollup mints to its sender. InternalID, RewardID and ResidualID
// name those that have no such position.
func DepositID(chainID uint64, tx common.Hash, kind DepositKind, position uint64) string {
	return fmt.Sprintf("%d:%s:%s:%d", chainID, tx.Hex(), kind, position)
}

// InternalID names coin that a contract moved: by the transaction and the path
// of the call in its trace, such as 0.2.1 (see Transfer.Path).
func InternalID(chainID uint64, tx common.Hash, path string) string {
	return fmt.Sprintf("%d:%s:%s:%s", chainID, tx.Hex(), KindInternal, path)
}

// RewardID names the tips of a block. Another block has other ones.
func RewardID(chainID uint64, block common.Hash) string {
	return fmt.Sprintf("%d:%s:%s:0", chainID, block.Hex(), KindReward)
}

// ResidualID names coin that arrived on an address in a block in a way that
// nobody could trace: the balances before and after the block prove it.
func ResidualID(chainID uint64, block common.Hash, a common.Address) string {
	return fmt.Sprintf("%d:%s:%s:%s", chainID, block.Hex(), KindInternal, a.Hex())
}
