package outgoing

import (
	"slices"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Verified is a signed batch whose every byte was proven. Only Verify makes
// one.
type Verified struct {
	signed *batch.Signed
	digest string // recomputed
}

// Verify proves a signed batch. It needs no store, because it takes a while
// for a big one. The error is of class wallet.ErrRefused.
func Verify(s *batch.Signed) (Verified, error) {
	if err := s.Verify(); err != nil {
		return Verified{}, err
	}
	digest, err := s.Batch.HexDigest()
	return Verified{s, digest}, err
}

// TakeIn stores the signatures of a batch that was written here. Taking in the
// same file again changes nothing. The error is of class wallet.ErrRefused for
// a batch that this home did not write, that differs from what it wrote, or
// that was discarded.
func TakeIn(tx store.Tx, v Verified, now time.Time) (wallet.BatchRecord, error) {
	s := v.signed
	if err := store.CheckHalt(tx); err != nil {
		return wallet.BatchRecord{}, err
	}
	rec, ok, err := store.Batch(tx, s.Batch.ID)
	switch {
	case err != nil:
		return rec, err
	case !ok:
		return rec, wallet.As(wallet.ErrRefused, "%w", unknownBatch(s.Batch.ID))
	case rec.Digest != v.digest:
		return rec, wallet.WithHint(wallet.As(wallet.ErrRefused, "batch %s: what was signed has the digest %s, and this home wrote %s", rec.ID, v.digest, rec.Digest),
			"the batch was changed on its way to the signing station; airlock batch show %s -o FILE writes the right one again", rec.ID)
	case rec.Status == wallet.BatchDiscarded:
		return rec, wallet.WithHint(wallet.As(wallet.ErrRefused, "batch %s was discarded", rec.ID),
			"sign and broadcast the batch that holds its payments now; airlock batch list shows it")
	}
	var all []store.SignedTransaction
	for i, slot := range rec.Slots {
		taken, err := takeInItem(tx, slot, rec.ID, s.Transactions[i], now)
		if err != nil {
			return rec, err
		}
		all = append(all, taken...)
	}
	if err := store.PutSigned(tx, all); err != nil {
		return rec, err
	}
	if rec.Status == wallet.BatchSigned {
		return rec, nil // and its head was noted
	}
	if err := noteHead(tx, s, now); err != nil {
		return rec, err
	}
	rec.Status = wallet.BatchSigned
	return rec, store.PutBatch(tx, rec)
}

// takeInItem notes the signatures of an item and returns those that are to be
// stored.
func takeInItem(tx store.Tx, slot wallet.Slot, id string, signed []wallet.SignedRung, now time.Time) (list []store.SignedTransaction, err error) {
	o, _, err := store.OutgoingAt(tx, slot)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(o.Attempts, func(a wallet.Attempt) bool { return a.Batch == id })
	if i < 0 {
		return nil, wallet.As(wallet.ErrConflict, "nonce %d of %s knows nothing of batch %s", slot.Nonce, slot.Sender, id)
	}
	// Signatures are deterministic, so a second file brings the same ones; if
	// it does not, the first are as good, and content decides on chain.
	if len(o.Attempts[i].Signed) > 0 {
		return nil, nil
	}
	for ; i < len(o.Attempts) && o.Attempts[i].Batch == id; i++ { // its rungs, then its cancel
		a := &o.Attempts[i]
		for _, s := range signed[:len(a.Rungs)] {
			a.Signed = append(a.Signed, s.Hash)
			list = append(list, store.SignedTransaction{Slot: slot, Hash: s.Hash, Raw: s.Raw})
		}
		signed = signed[len(a.Rungs):]
	}
	if o.State == wallet.OutgoingBound && o.Current().Batch == id {
		o.State = wallet.OutgoingSigned
	}
	if o.Wish == wallet.WishBump && o.Last().Batch == id {
		o.Wish = "" // the higher fees are there
	}
	if err := store.PutOutgoing(tx, o); err != nil {
		return nil, err
	}
	return list, eachWithdrawal(tx, &o, func(w wallet.Withdrawal) error {
		if w.Status == wallet.WithdrawalBuilt && w.Batch == id {
			w.Status, w.UpdatedAt = wallet.WithdrawalSigned, now
		}
		return noteWish(tx, &o, &w, now)
	})
}

// noteHead remembers the newest head of the signing record, whatever the order
// in which files come back; of heads of the same second, that of the file that
// comes last. Nothing proves the head and the time beside the
// signatures: a file that came from the future, changed on its way, must not
// outrank every later one, so its time counts as now. Signatures made outside of
// airlock are in no record and bring no head.
func noteHead(tx store.Tx, s *batch.Signed, now time.Time) error {
	if s.Outside() {
		return nil
	}
	last, err := store.LastRecordHead(tx, s.Batch.Vault)
	if err != nil || s.SignedAt.Before(last.SignedAt) {
		return err
	}
	signedAt := s.SignedAt
	if signedAt.After(now) {
		signedAt = now
	}
	return store.PutRecordHead(tx, s.Batch.Vault, store.RecordHead{Head: s.RecordHead, SignedAt: signedAt})
}
