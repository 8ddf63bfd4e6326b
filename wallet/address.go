package wallet

import (
	"fmt"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
)

// House is the owner of what belongs to no account.
const House = ""

// Address is a place on chain that we hold the key of. The same key is ours
// on every chain of the home. Path is its place in its vault: the float's for
// FloatRole, where it is a payout path, else the cold one.
type Address struct {
	Address common.Address `json:"address"`
	Path    Path           `json:"path"`
	Role    Role           `json:"role"`
	Account string         `json:"account,omitzero"` // whom deposits credit; House for none
}

// CheckID refuses an account, withdrawal or order id that could not be
// printed, stored or compared safely: it must have 1 to 128 characters, all
// printable, without space at either end.
func CheckID(what, id string) error {
	if id == "" || len(id) > 128 {
		return fmt.Errorf("%s %.140q: want 1 to 128 characters", what, id)
	}
	runes := []rune(id)
	for _, r := range runes {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return fmt.Errorf("%s %q: has a character that cannot be printed", what, id)
		}
	}
	if unicode.IsSpace(runes[0]) || unicode.IsSpace(runes[len(runes)-1]) {
		return fmt.Errorf("%s %q: begins or ends with a space", what, id)
	}
	return nil
}

// Chain is one chain of a home, as its operator configured it and as it was
// first met. URLs may hold keys: they are never printed, only their hosts.
type Chain struct {
	ID          uint64      `json:"chain_id"`
	Name        string      `json:"name,omitzero"`
	Coin        Asset       `json:"coin"`
	GenesisHash common.Hash `json:"genesis_hash"`
	StartBlock  uint64      `json:"start_block"` // the first block that is read
	Finality    Finality    `json:"finality"`
	// SettleDepth is the number of confirmations after which funds may be
	// released on a chain whose nodes know no finalized tag; 0 means 64.
	SettleDepth uint64    `json:"settle_depth,omitzero"`
	AddedAt     time.Time `json:"added_at"`
}

// DefaultSettleDepth is used where a chain has no finalized tag.
const DefaultSettleDepth = 64

// Quorum is how many endpoints must hold the same block before deposits up to
// it are credited or funds released, on a chain that is read through at least
// as many.
const Quorum = 2

// Finality says when a deposit counts: after Confirmations blocks (head −
// block + 1 ≥ Confirmations), or at a tag ("safe" or "finalized") if Tag is
// set. It never governs the release of funds, which waits for the finalized
// tag or Chain.SettleDepth.
type Finality struct {
	Tag           string `json:"tag,omitzero"`
	Confirmations uint64 `json:"confirmations,omitzero"`
}

func (f Finality) String() string {
	if f.Tag != "" {
		return f.Tag
	}
	return fmt.Sprintf("%d confirmations", f.Confirmations)
}
