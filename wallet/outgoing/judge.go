package outgoing

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// Outcome is what a mined transaction means for the intent of its slot.
type Outcome int

// The outcomes of a slot.
const (
	// Done: it did what the intent says.
	Done Outcome = iota + 1
	// Reverted: it was the intent's and had no effect but its gas.
	Reverted
	// Silent: it was the intent's and succeeded, but the token logged no
	// transfer at all.
	Silent
	// Other: it was the intent's and succeeded, but the token logged another
	// amount or recipient than it was told. A person must look.
	Other
	// Foreign: its content is not the intent's. Somebody else used the nonce.
	Foreign
	// Canceled: it is the cancel of the slot, which pays nobody.
	Canceled
)

// Judge decides what a mined transaction means for the intent that its slot is
// bound to. It looks at content first, and at the hash only to recognise what
// it signed itself.
func Judge(m *wallet.Mined, o *wallet.Outgoing) Outcome {
	switch {
	case isCancel(m, o):
		return Canceled
	case !isOurs(m, o):
		return Foreign
	case !m.Success:
		return Reverted
	case o.Intent.Kind == wallet.IntentPayments:
		_, out := judgeMany(m, o)
		return out
	case o.Intent.Asset.IsCoin(), o.Intent.Kind == wallet.IntentAllowance:
		return Done
	}
	touched, paid := false, wallet.Amount{}
	stray := false
	for _, t := range m.Transfers {
		if t.Asset != o.Intent.Asset || t.From != o.Slot.Sender || t.Amount.IsZero() {
			continue
		}
		touched = true
		if t.To == o.Intent.Recipient {
			paid = paid.Add(t.Amount)
		} else {
			stray = true
		}
	}
	switch {
	case !touched:
		return Silent
	case stray || paid.Cmp(o.Intent.Amount) != 0:
		return Other
	}
	return Done
}

// isCancel reports whether a mined transaction is a cancel that was written for
// its slot.
func isCancel(m *wallet.Mined, o *wallet.Outgoing) bool {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Cancel && hasPayload(m, o.PayloadOf(a)) {
			return true
		}
	}
	return false
}

// isOurs reports whether a mined transaction serves the intent of its slot.
func isOurs(m *wallet.Mined, o *wallet.Outgoing) bool {
	if hasPayload(m, o.Payload) {
		return true
	}
	return slices.ContainsFunc(o.Attempts, func(a wallet.Attempt) bool { return !a.Cancel && a.Holds(m.TxHash) })
}

// hasPayload reports whether a mined transaction does what a payload says.
func hasPayload(m *wallet.Mined, p wallet.Payload) bool {
	return !m.Create && m.To == p.To && m.Value.Cmp(p.Value) == 0 && m.DataHash == keccak(p.Data)
}

func keccak(data []byte) common.Hash { return crypto.Keccak256Hash(data) }

// explain puts an outcome into words for the operator.
func explain(out Outcome, m *wallet.Mined, o *wallet.Outgoing) string {
	switch out {
	case Reverted:
		return fmt.Sprintf("the transaction %s reverted", m.TxHash)
	case Silent:
		return fmt.Sprintf("the token moved nothing in %s", m.TxHash)
	case Other:
		return fmt.Sprintf("the token moved something else than it was told in %s: airlock resolve shows it", m.TxHash)
	case Foreign:
		return fmt.Sprintf("nonce %d of %s was used by %s, which is not this payment", o.Slot.Nonce, o.Slot.Sender, m.TxHash)
	case Canceled:
		return fmt.Sprintf("nonce %d of %s was taken by its cancel %s", o.Slot.Nonce, o.Slot.Sender, m.TxHash)
	case Done:
	}
	return ""
}
