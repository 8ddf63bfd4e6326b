package outgoing

import (
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// looked bounds how many batches Waiting looks at: older ones are nobody's
// question.
const looked = 100

// Waiting is the newest batch of a kind on a chain that waits for its signatures,
// other than the named one and those that came to their end without; "" is none. Whoever builds is told of it: its file may
// be lost, or never have been written, because the command that built it was
// killed, and what is bound in it is in no later batch.
func Waiting(tx store.Tx, chain uint64, kind, other string) (id string, err error) {
	seen := 0
	return id, store.Batches(tx, func(b wallet.BatchRecord) error {
		if seen++; seen > looked {
			return store.Stop
		}
		if b.ChainID != chain || b.Kind != kind || b.Status != wallet.BatchBuilt || b.ID == other {
			return nil
		}
		open, err := anyOpen(tx, b.Slots)
		if err != nil || !open {
			return err
		}
		id = b.ID
		return store.Stop
	})
}

// anyOpen reports whether what is bound to one of some slots is not final.
func anyOpen(tx store.Tx, slots []wallet.Slot) (bool, error) {
	for _, slot := range slots {
		if _, open, err := store.OpenSlotAt(tx, slot); err != nil || open {
			return open, err
		}
	}
	return false, nil
}
