package store

import "github.com/airlock-wallet/airlock/wallet"

// Vanished is a slot whose transaction was booked as final in a block that left
// the chain. It stays booked, as MinedAt tells, until what was mined at the slot
// since then is final.
type Vanished struct {
	Slot  wallet.Slot   `json:"slot"`
	Found *wallet.Mined `json:"found,omitzero"` // nil while nothing was
}

// PutVanished records a slot that vanished, or what was found at it since.
func PutVanished(tx Tx, v Vanished) error { return put(tx, slotKey(tGone, v.Slot), v) }

// VanishedAt returns what is known of a slot that vanished; ok is false if it
// did not.
func VanishedAt(tx Tx, s wallet.Slot) (v Vanished, ok bool, err error) {
	return get[Vanished](tx, slotKey(tGone, s))
}

// AllVanished lists the slots of a chain that vanished, by sender and nonce.
func AllVanished(tx Tx, chain uint64) ([]Vanished, error) {
	return values[Vanished](tx, under(keyOf(tGone, chain)))
}

// DeleteVanished forgets that a slot vanished: the books are right about it.
func DeleteVanished(tx Tx, s wallet.Slot) error { return tx.Delete(slotKey(tGone, s)) }

// SettledMined lists the transactions that were booked in blocks from the given
// one on. It reads all transactions of a chain.
func SettledMined(tx Tx, chain, from uint64) (list []wallet.Mined, err error) {
	err = tx.Scan(under(keyOf(tMined, chain)), func(k, raw []byte) error {
		m, err := decode[wallet.Mined](k, raw)
		if err == nil && m.Settled && m.BlockNumber >= from {
			list = append(list, m)
		}
		return err
	})
	return list, err
}
