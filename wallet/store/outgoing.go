package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// PutOutgoing stores the transaction of a slot. What was signed for it PutSigned
// stores.
func PutOutgoing(tx Tx, o wallet.Outgoing) error {
	open := slotKey(tOutgoingOpen, o.Slot)
	if o.State == wallet.OutgoingFinal {
		if err := tx.Delete(open); err != nil {
			return err
		}
	} else if err := tx.Put(open, append(o.TxHash[:], o.State...)); err != nil {
		return err
	}
	return put(tx, slotKey(tOutgoing, o.Slot), o)
}

// SignedTransaction is one that we signed for a slot.
type SignedTransaction struct {
	Slot wallet.Slot
	Hash common.Hash
	Raw  []byte // EIP-2718
}

// PutSigned stores signed transactions under their hashes. It sorts them, since
// the engine keeps what one transaction inserts in one list: a batch in the order
// of its nonces would cost in the square of its length.
func PutSigned(tx Tx, list []SignedTransaction) error {
	slices.SortFunc(list, func(a, b SignedTransaction) int { return a.Hash.Cmp(b.Hash) })
	for _, s := range list {
		if err := tx.Put(keyOf(tOutgoingHash, s.Hash), append(slotBytes(s.Slot), s.Raw...)); err != nil {
			return err
		}
	}
	return nil
}

// OutgoingAt returns the transaction of a slot; ok is false if no batch ever
// bound it.
func OutgoingAt(tx Tx, s wallet.Slot) (o wallet.Outgoing, ok bool, err error) {
	return get[wallet.Outgoing](tx, slotKey(tOutgoing, s))
}

// slotSize is the length of slotBytes.
const slotSize = 8 + common.AddressLength + 8

func slotBytes(s wallet.Slot) []byte {
	b := append(binary.BigEndian.AppendUint64(make([]byte, 0, slotSize+256), s.ChainID), s.Sender[:]...)
	return binary.BigEndian.AppendUint64(b, s.Nonce)
}

// SlotOfHash returns the slot for which we signed a transaction.
func SlotOfHash(tx Tx, hash common.Hash) (s wallet.Slot, ok bool, err error) {
	row, err := tx.Get(keyOf(tOutgoingHash, hash))
	if err != nil || row == nil {
		return s, false, err
	}
	return slotOf(number(row), row[8:slotSize]), true, nil
}

// RawOf returns the transaction with the given hash that we signed (EIP-2718
// bytes); nil if we signed none.
func RawOf(tx Tx, hash common.Hash) ([]byte, error) {
	row, err := tx.Get(keyOf(tOutgoingHash, hash))
	if err != nil || row == nil {
		return nil, err
	}
	return slices.Clone(row[slotSize:]), nil
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

// OpenSlot is a slot whose transaction is not final, as the index knows it:
// reading many of them costs little.
type OpenSlot struct {
	Slot   wallet.Slot
	State  wallet.OutgoingState
	TxHash common.Hash // of what was accepted or mined
}

// OpenSlots calls fn for the slots of a chain whose transactions are not final,
// by sender and nonce, until fn returns Stop. fn must not write.
func OpenSlots(tx Tx, chain uint64, fn func(OpenSlot) error) error {
	return openSlots(tx, chain, keyOf(tOutgoingOpen, chain), fn)
}

// OpenSlotsOf is OpenSlots for one sender.
func OpenSlotsOf(tx Tx, chain uint64, sender common.Address, fn func(OpenSlot) error) error {
	return openSlots(tx, chain, keyOf(tOutgoingOpen, chain, sender), fn)
}

func openSlots(tx Tx, chain uint64, prefix []byte, fn func(OpenSlot) error) error {
	skip := len(keyOf(tOutgoingOpen, chain))
	return tx.Scan(under(prefix), func(k, v []byte) error {
		o, err := openSlotOf(slotOf(chain, k[skip:]), v)
		if err != nil {
			return err
		}
		return fn(o)
	})
}

func openSlotOf(s wallet.Slot, v []byte) (OpenSlot, error) {
	if len(v) <= common.HashLength {
		return OpenSlot{}, fmt.Errorf("store: index of nonce %d of %s is damaged", s.Nonce, s.Sender)
	}
	return OpenSlot{s, wallet.OutgoingState(v[common.HashLength:]), common.BytesToHash(v[:common.HashLength])}, nil
}

// OpenSlotAt returns what the index knows of a slot; ok is false if its
// transaction is final, or no batch ever bound it.
func OpenSlotAt(tx Tx, s wallet.Slot) (o OpenSlot, ok bool, err error) {
	v, err := tx.Get(slotKey(tOutgoingOpen, s))
	if err != nil || v == nil {
		return o, false, err
	}
	o, err = openSlotOf(s, v)
	return o, err == nil, err
}

// OpenSenders lists the senders of a chain that have a transaction which is not
// final. Its cost grows with the senders, not with their transactions.
func OpenSenders(tx Tx, chain uint64) (senders []common.Address, err error) {
	prefix := keyOf(tOutgoingOpen, chain)
	rest := under(prefix)
	for {
		var found *common.Address
		if err := tx.Scan(rest, func(k, _ []byte) error {
			a := common.BytesToAddress(k[len(prefix):][:common.AddressLength])
			found = &a
			return Stop
		}); err != nil || found == nil {
			return senders, err
		}
		senders = append(senders, *found)
		if rest.From = after(keyOf(tOutgoingOpen, chain, *found)); rest.From == nil {
			return senders, nil
		}
	}
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
