package wallet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// EventType names what happened; endpoints subscribe to types.
type EventType string

// The events that the outside is told.
const (
	DepositDetectedEvent     EventType = "deposit.detected"
	DepositConfirmedEvent    EventType = "deposit.confirmed"
	DepositOrphanedEvent     EventType = "deposit.orphaned"
	WithdrawalBroadcastEvent EventType = "withdrawal.broadcast"
	WithdrawalConfirmedEvent EventType = "withdrawal.confirmed"
	WithdrawalFailedEvent    EventType = "withdrawal.failed"
	WithdrawalRejectedEvent  EventType = "withdrawal.rejected"
	WithdrawalCanceledEvent  EventType = "withdrawal.canceled"
	SweepConfirmedEvent      EventType = "sweep.confirmed"
	SweepFailedEvent         EventType = "sweep.failed"
)

// EventTypes lists every type, in the order of a life.
func EventTypes() []EventType {
	return []EventType{
		DepositDetectedEvent, DepositConfirmedEvent, DepositOrphanedEvent,
		WithdrawalBroadcastEvent, WithdrawalConfirmedEvent, WithdrawalFailedEvent,
		WithdrawalRejectedEvent, WithdrawalCanceledEvent,
		SweepConfirmedEvent, SweepFailedEvent,
	}
}

// Event is something that happened to a subject: a deposit, a withdrawal or a
// sweep. Events of one subject are told in the order in which they happened.
type Event struct {
	ID        string          `json:"id"` // EventID; the receiver's key against doubles
	Type      EventType       `json:"type"`
	Subject   string          `json:"subject"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// EventID is the same whenever the same thing is told again. The occasion
// tells apart repetitions that are news, such as the block in which a deposit
// was mined a second time.
func EventID(t EventType, subject, occasion string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(t), subject, occasion}, "\x00")))
	return "evt_" + hex.EncodeToString(sum[:16])
}
