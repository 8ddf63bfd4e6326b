package wallet

import (
	"math"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// AlarmCode says what an alarm is about. There is at most one of each per
// chain.
type AlarmCode string

// The alarms of a chain.
const (
	// AlarmStalled: no block became final for longer than the chain's limit.
	// It ends when one does.
	AlarmStalled AlarmCode = "finality-stalled"
	// AlarmTag: the endpoints say that a block is safe or final that is not the
	// one which was read. It ends when they no longer do.
	AlarmTag AlarmCode = "tag-elsewhere"
	// AlarmFinal: a block that was final is another one now. Nothing is read
	// until it is the old one again, or the operator accepts the new one.
	AlarmFinal AlarmCode = "final-changed"
	// AlarmMissed: reading blocks a second time, or comparing balances, found
	// what the first reading had not. It ends when they were read once more and nothing was found.
	AlarmMissed AlarmCode = "missed"
	// AlarmLow: less lies on addresses that pay than the operator wants there. It
	// ends when there is enough again.
	AlarmLow AlarmCode = "funds-low"
)

// Alarm is something about a chain that a person should look at. It is stored
// until it is over.
type Alarm struct {
	ChainID uint64    `json:"chain_id"`
	Code    AlarmCode `json:"code"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen"` // when it was last looked at, within some minutes
	// Block is the one that it is about, and Last the last of several.
	Block uint64      `json:"block_number"`
	Last  uint64      `json:"last_block,omitzero"`
	Was   common.Hash `json:"was,omitzero"` // the block's hash, as it was read
	Now   common.Hash `json:"now,omitzero"` // as the endpoints have it; zero if they have none
	Count int         `json:"count,omitzero"`
	Text  string      `json:"text"`
	Hint  string      `json:"hint"` // what to do
}

// DefaultFinalityAlarm is how old the final block of a chain may be.
const DefaultFinalityAlarm = time.Hour

// BlocksApart is the time from one block to a later one by their timestamps,
// which are whatever a node says: 0 if the other one is not later.
func BlocksApart(earlier, later uint64) time.Duration {
	if later <= earlier {
		return 0
	}
	return time.Duration(min(later-earlier, math.MaxInt64/uint64(time.Second))) * time.Second //nolint:gosec // it fits
}

// An AlarmError says that a reading was made and that alarms stand.
type AlarmError struct{ Alarms []Alarm }

func (e *AlarmError) Error() string {
	return e.join(func(a Alarm) string { return "alarm " + string(a.Code) + ": " + a.Text })
}

// Hint is what to do about the alarms.
func (e *AlarmError) Hint() string { return e.join(func(a Alarm) string { return a.Hint }) }

func (e *AlarmError) join(part func(Alarm) string) string {
	parts := make([]string, len(e.Alarms))
	for i, a := range e.Alarms {
		parts[i] = part(a)
	}
	return strings.Join(parts, "; ")
}
