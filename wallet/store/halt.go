package store

import (
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

var haltKey = keyOf(tMeta, "halt")

// Halt is why and since when the home stands still.
type Halt struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// SetHalt stops building, signing and broadcasting; nil lets them go on.
func SetHalt(tx Tx, h *Halt) error {
	if h == nil {
		return tx.Delete(haltKey)
	}
	return put(tx, haltKey, h)
}

// Halted returns the halt in force; ok is false if there is none.
func Halted(tx Tx) (h Halt, ok bool, err error) { return get[Halt](tx, haltKey) }

// CheckHalt refuses while the home is halted. Whatever builds, signs or sends
// calls it in the transaction that decides.
func CheckHalt(tx Tx) error {
	h, ok, err := Halted(tx)
	if err != nil || !ok {
		return err
	}
	return wallet.WithHint(
		wallet.As(wallet.ErrRefused, "this home is halted since %s: %s", h.Since.UTC().Format(time.RFC3339), h.Reason),
		"airlock resume lets it go on, once the reason is gone")
}
