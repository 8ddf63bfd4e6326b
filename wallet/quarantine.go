package wallet

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// UnknownToken marks a block in which Transfer logs of a contract that is no
// registered token named addresses of ours. It says nothing of who received
// how much: reading the block again after the token was registered does.
// However many logs there are, there is one per contract and block.
type UnknownToken struct {
	ChainID     uint64         `json:"chain_id"`
	Contract    common.Address `json:"contract"`
	BlockNumber uint64         `json:"block_number"`
	BlockHash   common.Hash    `json:"block_hash"`
	Logs        uint64         `json:"logs"`
	SeenAt      time.Time      `json:"seen_at"`
}

// UnprovenCoin is coin that a trace says moved to or from an address of ours
// inside a block and that no balance proof confirmed. It is in no book.
type UnprovenCoin struct {
	ChainID     uint64         `json:"chain_id"`
	Address     common.Address `json:"address"`
	BlockNumber uint64         `json:"block_number"`
	BlockHash   common.Hash    `json:"block_hash"`
	In          Amount         `json:"in"`  // by the trace, wei
	Out         Amount         `json:"out"` // by the trace, wei
	Reason      string         `json:"reason"`
	SeenAt      time.Time      `json:"seen_at"`
}
