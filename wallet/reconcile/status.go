package reconcile

import (
	"context"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// CountLimit bounds every count of a status, so that a status takes no longer
// the more a home holds. A count that reads CountLimit means as many or more.
const CountLimit = 10_000

// The gas that a status reckons with, and for how many transactions the gas and
// payout addresses should have coin unless the operator names a mark.
const (
	coinGas   = 31_500  // 21,000 and half as much again
	tokenGas  = 100_000 // a transfer of most tokens, and half as much again
	markCount = 20
)

// laggard is how far scanning may be behind the head before a status warns.
const laggard = 15 * time.Minute

// StatusChain is what a status asks of a chain.
type StatusChain interface {
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
	BalancesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
}

// Status is the state of one chain of a home.
type Status struct {
	ChainID uint64    `json:"chain_id"`
	Name    string    `json:"name,omitzero"`
	Time    time.Time `json:"time"`

	Halted *store.Halt    `json:"halted"`
	Alarms []wallet.Alarm `json:"alarms"` // as scanning saw them last
	Scan   *ScanStatus    `json:"scan"`   // null before the first scan
	Chain  ChainStatus    `json:"chain"`  // as its nodes show it

	Addresses   map[string]uint64               `json:"addresses"` // by role
	Unopened    int                             `json:"unopened"`  // opening balances to be read
	Deposits    DepositStatus                   `json:"deposits"`
	Withdrawals map[wallet.WithdrawalStatus]int `json:"withdrawals"` // those that are not settled
	Outgoing    map[wallet.OutgoingState]int    `json:"outgoing"`    // those that are not final
	Batches     []OpenBatch                     `json:"batches"`     // those with transactions that are not mined
	Unsettled   int                             `json:"unsettled"`   // mined at or below the final block and not booked
	Unexplained int                             `json:"unexplained"` // mined, and not made or attributed here
	Vanished    int                             `json:"vanished"`    // booked as final in a block that left the chain
	Missing     int                             `json:"missing"`     // offered long ago, and at no node that was asked
	Funds       []Fund                          `json:"funds"`
	Quarantine  QuarantineStatus                `json:"quarantine"`
	Frozen      int                             `json:"frozen_accounts"`
	Outbox      map[wallet.DeliveryStatus]int   `json:"outbox"` // deliveries that are not done
	Warnings    []Warning                       `json:"warnings"`
}

// ScanStatus is how far scanning came.
type ScanStatus struct {
	Head     uint64 `json:"head"`
	Credited uint64 `json:"credited"`
	Final    uint64 `json:"final"`
}

// ChainStatus is what a node says now.
type ChainStatus struct {
	Reachable bool          `json:"reachable"`
	Error     string        `json:"error,omitzero"`
	Head      uint64        `json:"head"`
	HeadTime  time.Time     `json:"head_time,omitzero"`
	Lag       uint64        `json:"lag"`            // blocks that were not scanned yet
	Behind    int64         `json:"behind_seconds"` // from the last block scanned to the head
	BaseFee   wallet.Amount `json:"base_fee"`
	Tip       wallet.Amount `json:"tip"`
}

// DepositStatus counts deposits.
type DepositStatus struct {
	Pending int `json:"pending"`
}

// QuarantineStatus counts what was seen and is in no book, up to CountLimit.
type QuarantineStatus struct {
	Tokens int `json:"tokens"` // contracts that nobody registered
	Coins  int `json:"coins"`  // coin that is not proven, by block and address
	Due    int `json:"due"`    // tokens that were registered and whose old blocks are still to be read again
}

// OpenBatch is a batch with transactions that are not mined.
type OpenBatch struct {
	ID        string             `json:"id"`
	Kind      string             `json:"kind"`
	Status    wallet.BatchStatus `json:"status"`
	Items     int                `json:"items"`
	Open      int                `json:"open"` // items that are not mined
	ExpiresAt time.Time          `json:"expires_at"`
	Expired   bool               `json:"expired"` // and not signed
}

// Fund is what lies on the addresses of a role that pay, together, and what should.
type Fund struct {
	Role      wallet.Role    `json:"role"`
	Address   common.Address `json:"address"`   // the first of them
	Addresses int            `json:"addresses"` // how many there are
	Asset     wallet.AssetID `json:"asset"`
	Symbol    string         `json:"symbol"`
	Decimals  uint8          `json:"decimals"`
	Balance   wallet.Amount  `json:"balance"` // at the head, or by the ledger while the chain is unreachable
	Needed    wallet.Amount  `json:"needed"`
	Low       bool           `json:"low"`
}

// Warning is something that an operator should look at.
type Warning struct {
	Code string `json:"code"` // stays the same in all versions
	Text string `json:"text"`
	Hint string `json:"hint,omitzero"`
}

// The codes of warnings, beside those of alarms.
const (
	WarnHalted      = "halted"
	WarnNotScanned  = "not-scanned"
	WarnLagging     = "lagging"
	WarnUnreachable = "chain-unreachable"
	WarnUnopened    = "unopened-addresses"
	WarnDue         = "tokens-due"
	WarnLowGas      = "low-gas"
	WarnLowPayout   = "low-payout"
	WarnNotSigned   = "batch-not-signed"
	WarnExpired     = "batch-expired"
	WarnNotSent     = "batch-not-broadcast"
	WarnRefused     = "transactions-refused"
	WarnUnsettled   = "unsettled"
	WarnUnexplained = "unexplained"
	WarnVanished    = "vanished"
	WarnGap         = "gap"
	WarnMissing     = "missing"
	WarnFrozen      = "frozen-accounts"
	WarnOutboxDead  = "outbox-dead"
)

// Marks are the balances below which a status warns, in wei. An unset one is
// what 20 transactions may cost at the fees of now.
type Marks struct {
	Gas    *wallet.Amount // of the gas address
	Payout *wallet.Amount // of the payout address, beyond what withdrawals need
}

// ReadStatus tells the state of a chain. While no node can be reached, which
// unreachable explains, chain is nil, and all that the home itself knows is
// told. How long it takes does not depend on how many addresses, settled
// withdrawals or old batches there are.
func ReadStatus(ctx context.Context, db store.DB, chainID uint64, chain StatusChain, unreachable error, marks Marks, now time.Time) (Status, error) {
	g := glance{
		Status: Status{
			ChainID: chainID, Time: now.UTC(),
			Addresses: map[string]uint64{}, Withdrawals: map[wallet.WithdrawalStatus]int{},
			Outgoing: map[wallet.OutgoingState]int{}, Outbox: map[wallet.DeliveryStatus]int{},
			Alarms: []wallet.Alarm{}, Batches: []OpenBatch{}, Funds: []Fund{}, Warnings: []Warning{},
		},
		needs: map[wallet.AssetID]wallet.Amount{}, assets: map[wallet.AssetID]wallet.Asset{},
		balances: map[store.Place]wallet.Amount{}, holders: map[wallet.Role][]wallet.Address{},
	}
	if err := db.View(ctx, g.readStore); err != nil {
		return g.Status, err
	}
	if chain != nil {
		unreachable = g.readChain(ctx, chain)
		if ctx.Err() != nil {
			return g.Status, ctx.Err()
		}
	}
	if g.Chain.Reachable = unreachable == nil; !g.Chain.Reachable {
		g.Chain.Error = unreachable.Error()
	}
	g.judge(marks)
	return g.Status, nil
}
