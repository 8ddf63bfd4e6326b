package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// PutOutgoing stores the transaction of a slot and indexes the hashes of its
// signatures.
func PutOutgoing(tx Tx, o wallet.Outgoing) error {
	open := slotKey(tOutgoingOpen, o.Slot)
	if o.State == wallet.OutgoingFinal {
		if err := tx.Delete(open); err != nil {
			return err
		}
	} else if err := mark(tx, open); err != nil {
		return err
	}
	for _, a := range o.Attempts {
		for _, s := range a.Signed {
			if err := put(tx, keyOf(tOutgoingHash, s.Hash), o.Slot); err != nil {
				return err
			}
		}
	}
	return put(tx, slotKey(tOutgoing, o.Slot), o)
}

// OutgoingAt returns the transaction of a slot; ok is false if no batch ever
// bound it.
func OutgoingAt(tx Tx, s wallet.Slot) (o wallet.Outgoing, ok bool, err error) {
	return get[wallet.Outgoing](tx, slotKey(tOutgoing, s))
}

// SlotOfHash returns the slot for which we signed a transaction.
func SlotOfHash(tx Tx, hash common.Hash) (s wallet.Slot, ok bool, err error) {
	return get[wallet.Slot](tx, keyOf(tOutgoingHash, hash))
}

// OpenOutgoing calls fn for the transactions of a chain that are not final,
// by sender and nonce, until fn returns Stop. fn must not write.
func OpenOutgoing(tx Tx, chain uint64, fn func(wallet.Outgoing) error) error {
	return openOutgoing(tx, chain, keyOf(tOutgoingOpen, chain), fn)
}

// OpenOutgoingOf is OpenOutgoing for one sender.
func OpenOutgoingOf(tx Tx, chain uint64, sender common.Address, fn func(wallet.Outgoing) error) error {
	return openOutgoing(tx, chain, keyOf(tOutgoingOpen, chain, sender), fn)
}

func openOutgoing(tx Tx, chain uint64, prefix []byte, fn func(wallet.Outgoing) error) error {
	skip := len(keyOf(tOutgoingOpen, chain))
	return tx.Scan(under(prefix), func(k, _ []byte) error {
		o, _, err := OutgoingAt(tx, slotOf(chain, k[skip:]))
		if err != nil {
			return err
		}
		return fn(o)
	})
}

// NextNonce is the nonce that the next new transaction of a sender gets; ok is
// false before the sender's history was read.
func NextNonce(tx Tx, chain uint64, sender common.Address) (n uint64, ok bool, err error) {
	return getNumber(tx, keyOf(tNonce, chain, sender))
}

// PutNextNonce stores what NextNonce returns.
func PutNextNonce(tx Tx, chain uint64, sender common.Address, n uint64) error {
	return putNumber(tx, keyOf(tNonce, chain, sender), n)
}

// PutBatch stores a batch record and, the first time, its file.
func PutBatch(tx Tx, b wallet.BatchRecord) error {
	if known, err := has(tx, keyOf(tBatch, b.ID)); err != nil {
		return err
	} else if !known {
		seq, err := next(tx, tBatch)
		if err != nil {
			return err
		}
		if err := tx.Put(keyOf(tBatchSeq, seq), []byte(b.ID)); err != nil {
			return err
		}
		if err := tx.Put(keyOf(tBatchFile, b.ID), b.File); err != nil {
			return err
		}
	}
	return put(tx, keyOf(tBatch, b.ID), b)
}

// Batch returns a batch record with its file; ok is false if there is none.
func Batch(tx Tx, id string) (b wallet.BatchRecord, ok bool, err error) {
	if b, ok, err = get[wallet.BatchRecord](tx, keyOf(tBatch, id)); err != nil || !ok {
		return b, ok, err
	}
	raw, err := tx.Get(keyOf(tBatchFile, id))
	b.File = append([]byte(nil), raw...)
	return b, true, err
}

// Batches calls fn for the batches of the home without their files, newest
// first, until fn returns Stop.
func Batches(tx Tx, fn func(wallet.BatchRecord) error) error {
	r := under(keyOf(tBatchSeq))
	r.Reverse = true
	return tx.Scan(r, func(_, id []byte) error {
		b, _, err := get[wallet.BatchRecord](tx, keyOf(tBatch, string(id)))
		if err != nil {
			return err
		}
		return fn(b)
	})
}
