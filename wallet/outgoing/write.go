package outgoing

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// ErrChanged says that what a plan was made from is no longer so. Making the
// plan again may succeed.
var ErrChanged = fmt.Errorf("%w: the store changed meanwhile", wallet.ErrConflict)

// ErrNoHistory says that a sender's next nonce is not known yet.
var ErrNoHistory = fmt.Errorf("%w: next nonce not known", wallet.ErrConflict)

// NextNonce is the nonce of a sender's next new transaction. The error is
// ErrNoHistory until scanning has read where the sender's history stands.
func NextNonce(tx store.Tx, chain uint64, sender common.Address) (uint64, error) {
	n, ok, err := store.NextNonce(tx, chain, sender)
	if err == nil && !ok {
		err = wallet.WithHint(fmt.Errorf("sender %s on chain %d: %w", sender, chain, ErrNoHistory), "airlock scan reads it")
	}
	return n, err
}

// CheckNonce refuses to build on a sender for which the chain counts more
// transactions than the store explains. chain is the sender's nonce at the
// latest block, next the store's.
func CheckNonce(sender common.Address, chain, next uint64) error {
	if chain <= next {
		return nil
	}
	return wallet.WithHint(
		wallet.As(wallet.ErrRefused, "the next nonce of sender %s is %d on chain, and this home explains only those below %d", sender, chain, next),
		"airlock scan finds what was mined; airlock resolve then shows what airlock did not make, and attributes it")
}

// PayloadOf is what a payment of an asset does on chain, with a gas limit.
func PayloadOf(asset wallet.AssetID, to common.Address, amount wallet.Amount, gas uint64) wallet.Payload {
	if asset.IsCoin() {
		return wallet.Payload{To: to, Value: amount, Data: []byte{}, Gas: gas}
	}
	return wallet.Payload{To: asset.Contract, Data: batch.TransferData(to, amount), Gas: gas}
}

// SamePayload reports whether two payloads do the same on chain. Gas limits
// may differ.
func SamePayload(a, b wallet.Payload) bool {
	return a.To == b.To && a.Value.Cmp(b.Value) == 0 && bytes.Equal(a.Data, b.Data)
}

// Write binds the items of a batch to their slots and records the batch with
// its file, withdrawals included. The caller planned the batch from an older
// look at the store; Write checks again whatever must still hold: no halt, the
// withdrawals approved and unchanged, their accounts not frozen, each nonce
// the sender's next or one that a discarded batch left to the same intent and
// payload, and nothing mined there. The error is ErrChanged if that fails.
func Write(tx store.Tx, b *batch.Batch) (wallet.BatchRecord, error) {
	var rec wallet.BatchRecord
	if err := store.CheckHalt(tx); err != nil {
		return rec, err
	}
	if err := b.Check(); err != nil {
		return rec, err
	}
	file, err := b.Encode()
	if err != nil {
		return rec, err
	}
	digest, err := b.HexDigest()
	if err != nil {
		return rec, err
	}
	if _, known, err := store.Batch(tx, b.ID); err != nil {
		return rec, err
	} else if known {
		return rec, fmt.Errorf("%w: batch %s was written before", wallet.ErrConflict, b.ID)
	}
	rec = wallet.BatchRecord{
		ID: b.ID, ChainID: b.ChainID, Kind: b.Kind, Digest: digest, Status: wallet.BatchBuilt,
		Items: len(b.Items), CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt, File: file,
	}
	w := writer{tx: tx, b: b, vaults: newVaults(tx), next: map[common.Address]uint64{}}
	if w.unclaimed, err = ReadUnclaimed(tx, b.ChainID); err != nil {
		return rec, err
	}
	for i := range b.Items {
		slot, err := w.bind(i)
		if err != nil {
			return rec, fmt.Errorf("batch item %d: %w", i, err)
		}
		rec.Slots = append(rec.Slots, slot)
	}
	for sender, n := range w.next {
		if err := store.PutNextNonce(tx, b.ChainID, sender, n); err != nil {
			return rec, err
		}
	}
	return rec, store.PutBatch(tx, rec)
}

type writer struct {
	tx     store.Tx
	b      *batch.Batch
	vaults vaults
	next   map[common.Address]uint64 // after the items so far

	unclaimed Unclaimed
}

func (w *writer) bind(i int) (wallet.Slot, error) {
	it := &w.b.Items[i]
	slot := wallet.Slot{ChainID: w.b.ChainID, Sender: it.From, Nonce: it.Nonce}
	if ours, ok, err := store.OurAddress(w.tx, it.From); err != nil {
		return slot, err
	} else if !ok || ours.Path != it.Path {
		return slot, fmt.Errorf("%w: %s is not our address at %s", wallet.ErrConflict, it.From, it.Path)
	} else if vault, err := w.vaults.of(ours); err != nil {
		return slot, err
	} else if vault != w.b.Vault {
		return slot, fmt.Errorf("%w: %s address %s is signed for by the vault %s, and the batch is for %s", wallet.ErrConflict, ours.Role, it.From, vault, w.b.Vault)
	}
	if m, mined, err := store.MinedAt(w.tx, slot); err != nil {
		return slot, err
	} else if mined {
		return slot, fmt.Errorf("%w: nonce %d of %s was used by %s", ErrChanged, slot.Nonce, slot.Sender, m.TxHash)
	}
	if it.Intent.Kind == wallet.IntentCancel {
		return slot, w.cancel(slot, i)
	}
	o, err := w.outgoing(slot, it)
	if err != nil {
		return slot, err
	}
	if o.Serving() == nil { // else what is on its way goes on until this is signed
		o.State = wallet.OutgoingBound
		o.Requires, o.Wish, o.OfferedAt, o.Answer, o.Refusal = nil, "", time.Time{}, "", ""
	}
	o.Payload.Gas = it.Gas
	if r := it.Requires; r >= 0 {
		o.Requires = &wallet.Slot{ChainID: w.b.ChainID, Sender: w.b.Items[r].From, Nonce: w.b.Items[r].Nonce}
	}
	o.Attempts = append(o.Attempts, wallet.Attempt{Batch: w.b.ID, Item: i, Rungs: it.Rungs})
	if c := it.Cancel; c != nil {
		o.Attempts = append(o.Attempts, wallet.Attempt{Batch: w.b.ID, Item: i, Cancel: true, Gas: c.Gas, Rungs: []wallet.Fee{c.Fee()}})
	}
	for _, wd := range it.Withdrawals(i) {
		if err := w.claim(slot, &wd); err != nil {
			return slot, err
		}
	}
	return slot, store.PutOutgoing(w.tx, o)
}

// outgoing makes the record of a new slot, or finds that of a slot which a
// discarded batch left to the same intent.
func (w *writer) outgoing(slot wallet.Slot, it *batch.Item) (o wallet.Outgoing, err error) {
	next, seen := w.next[slot.Sender]
	if !seen {
		if next, err = NextNonce(w.tx, slot.ChainID, slot.Sender); err != nil {
			return o, err
		}
	}
	o, bound, err := store.OutgoingAt(w.tx, slot)
	if err != nil {
		return o, err
	}
	payload := wallet.Payload{To: it.To, Value: it.Value, Data: it.Data, Gas: it.Gas}
	switch {
	case slot.Nonce > next:
		return o, fmt.Errorf("%w: nonce %d of %s leaves a gap after %d", ErrChanged, slot.Nonce, slot.Sender, next)
	case slot.Nonce == next && bound:
		return o, fmt.Errorf("%w: nonce %d of %s is bound to %s %s already", wallet.ErrConflict, slot.Nonce, slot.Sender, o.Intent.Kind, o.Intent.ID)
	case slot.Nonce == next:
		w.next[slot.Sender] = next + 1
		return wallet.Outgoing{Slot: slot, Path: it.Path, Intent: it.Intent, Payload: payload, Payments: paymentsOf(it), BoundAt: w.b.CreatedAt}, nil
	case !bound && it.Intent.Kind == wallet.IntentNoOp:
		return wallet.Outgoing{Slot: slot, Path: it.Path, Intent: it.Intent, Payload: payload, BoundAt: w.b.CreatedAt}, nil
	case !bound:
		return o, fmt.Errorf("%w: nonce %d of %s is below the next one, %d", ErrChanged, slot.Nonce, slot.Sender, next)
	case o.Wish == wallet.WishCancel:
		return o, fmt.Errorf("%w: nonce %d of %s is to be taken by a cancel", ErrChanged, slot.Nonce, slot.Sender)
	case Raisable(&o):
		if err := outbids(&o, Standing(&o), it.Rungs[0]); err != nil {
			return o, err
		}
	case !Rebuildable(&o):
		return o, fmt.Errorf("%w: nonce %d of %s is held by batch %s", ErrChanged, slot.Nonce, slot.Sender, o.Last().Batch)
	}
	if !sameIntent(o.Intent, it.Intent) || !SamePayload(o.Payload, payload) || !samePayments(o.Payments, paymentsOf(it)) {
		return o, fmt.Errorf("%w: nonce %d of %s is bound to another payment, %s %s", wallet.ErrConflict, slot.Nonce, slot.Sender, o.Intent.Kind, o.Intent.ID)
	}
	return o, nil
}

// Rebuildable reports whether a slot's transaction may be built again: its
// batch was discarded and nothing is known to be mined there.
func Rebuildable(o *wallet.Outgoing) bool {
	return o.State == wallet.OutgoingBound && o.Last().Discarded && o.Wish != wallet.WishCancel
}

func sameIntent(a, b wallet.Intent) bool {
	return a.Kind == b.Kind && a.ID == b.ID && a.Asset == b.Asset && a.Recipient == b.Recipient && a.Amount.Cmp(b.Amount) == 0
}

// claim moves a withdrawal from approved to built.
func (w *writer) claim(slot wallet.Slot, it *batch.Withdrawal) error {
	in := it.Intent
	wd, ok, err := store.Withdrawal(w.tx, in.ID)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("withdrawal %s: %w", in.ID, wallet.ErrNotFound)
	case wd.Status != wallet.WithdrawalApproved && !w.raises(slot):
		return fmt.Errorf("%w: withdrawal %s is %s, not approved", ErrChanged, in.ID, wd.Status)
	case wd.Asset != in.Asset || wd.To != in.Recipient || wd.Amount.Cmp(in.Amount) != 0:
		return fmt.Errorf("%w: withdrawal %s asks for something else", wallet.ErrConflict, in.ID)
	case len(wd.RequestedBy) != len(it.RequestedBy):
		return fmt.Errorf("%w: withdrawal %s was signed by one more requester", ErrChanged, in.ID)
	case wd.Slot != nil && *wd.Slot != slot:
		return fmt.Errorf("%w: withdrawal %s is bound to nonce %d of %s", wallet.ErrConflict, in.ID, wd.Slot.Nonce, wd.Slot.Sender)
	}
	if why := w.unclaimed.Why(&wd); why != "" && wd.Status == wallet.WithdrawalApproved {
		return fmt.Errorf("%w: withdrawal %s: %s", ErrChanged, in.ID, why)
	}
	if wd.Slot == nil {
		// A slot that is bound already can only be the withdrawal's own.
		if _, bound, err := store.OutgoingAt(w.tx, slot); err != nil {
			return err
		} else if bound {
			return fmt.Errorf("%w: withdrawal %s has no slot, and nonce %d of %s is bound", wallet.ErrConflict, in.ID, slot.Nonce, slot.Sender)
		}
	}
	if wd.Account != wallet.House {
		if why, err := store.Frozen(w.tx, wd.Account); err != nil {
			return err
		} else if why != "" {
			return fmt.Errorf("%w: account %s was frozen: %s", ErrChanged, wd.Account, why)
		}
	}
	if wd.Status == wallet.WithdrawalApproved {
		wd.Status = wallet.WithdrawalBuilt
	}
	wd.Batch, wd.Slot, wd.Reason, wd.UpdatedAt = w.b.ID, &slot, "", w.b.CreatedAt
	return store.PutWithdrawal(w.tx, wd)
}

// Discarded is what Discard did.
type Discarded struct {
	Batch     wallet.BatchRecord
	Discarded int // items that can be built again, each at its own nonce
	Kept      int // items that a node has or that are mined; they go on
}

// Discard gives a batch up. Its withdrawals are approved again and keep their
// slots, because a signed copy of the batch may exist anywhere. Items that a
// node has accepted or that are mined go on as before. A batch of which
// nothing is left to give up is an error; one discarded before is not.
func Discard(tx store.Tx, id string, now time.Time) (d Discarded, err error) {
	rec, ok, err := store.Batch(tx, id)
	if err == nil && !ok {
		err = unknownBatch(id)
	}
	if err != nil {
		return d, err
	}
	d.Batch = rec
	if rec.Status == wallet.BatchDiscarded {
		return d, nil
	}
	for _, slot := range rec.Slots {
		given, err := discardItem(tx, slot, id, now)
		if err != nil {
			return d, err
		}
		if given {
			d.Discarded++
		} else {
			d.Kept++
		}
	}
	if d.Discarded == 0 {
		return d, fmt.Errorf("%w: batch %s: all of its transactions are out, so there is nothing to discard", wallet.ErrConflict, id)
	}
	rec.Status = wallet.BatchDiscarded
	d.Batch = rec
	return d, store.PutBatch(tx, rec)
}

func discardItem(tx store.Tx, slot wallet.Slot, id string, now time.Time) (given bool, err error) {
	o, ok, err := store.OutgoingAt(tx, slot)
	if err != nil || !ok || o.State == wallet.OutgoingMined || o.State == wallet.OutgoingFinal {
		return false, err
	}
	last := o.Last()
	served := false // whether an attempt at the payment was given up
	for i := range o.Attempts {
		switch a := &o.Attempts[i]; {
		case a.Batch != id || a.Discarded:
		case a.Cancel && a.Awaited():
			a.Discarded, given = true, true
		case a.Cancel: // signed, it pays nobody and stays of use
		case a == last && !out(&o):
			a.Discarded, given, served = true, true, true
		}
	}
	if !given {
		return false, nil
	}
	if !o.Current().Live() {
		o.State = wallet.OutgoingBound
	}
	if served && o.Wish == wallet.WishBump {
		o.Wish = ""
	}
	if err := store.PutOutgoing(tx, o); err != nil {
		return false, err
	}
	return true, eachWithdrawal(tx, &o, func(w wallet.Withdrawal) error {
		switch serving := o.Serving(); {
		case !served:
		case serving != nil: // what was there before the higher fees goes on
			w.Batch, w.UpdatedAt = serving.Batch, now
		default:
			w.Status, w.Reason, w.UpdatedAt = wallet.WithdrawalApproved, "", now
		}
		return noteWish(tx, &o, &w, now)
	})
}

// out reports whether a node is known to have what the newest attempt at a
// slot's intent signed, or a cancel that may have taken its place there.
func out(o *wallet.Outgoing) bool {
	if o.State != wallet.OutgoingAccepted {
		return false
	}
	last := o.Last()
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a != last && !a.Cancel && a.Holds(o.TxHash) {
			return false // one before it
		}
	}
	return true
}

// withdrawalOf returns the unsettled withdrawal that a slot serves alone; ok is
// false if it serves none.
func withdrawalOf(tx store.Tx, o *wallet.Outgoing) (w wallet.Withdrawal, ok bool, err error) {
	if o.Intent.Kind != wallet.IntentWithdrawal {
		return w, false, nil
	}
	return boundThere(tx, o, o.Intent.ID)
}

// boundThere returns a withdrawal if it is bound to a slot and not settled.
func boundThere(tx store.Tx, o *wallet.Outgoing, id string) (w wallet.Withdrawal, ok bool, err error) {
	w, ok, err = store.Withdrawal(tx, id)
	if err != nil || !ok || w.Slot == nil || *w.Slot != o.Slot || w.Status.Settled() {
		return wallet.Withdrawal{}, false, err
	}
	return w, true, nil
}

func unknownBatch(id string) error {
	return wallet.WithHint(wallet.As(wallet.ErrNotFound, "batch %.40q was not built in this home", id), "airlock batch list shows the batches of this home")
}
