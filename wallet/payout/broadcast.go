package payout

import (
	"context"
	"errors"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TakeIn stores the signatures of a signed batch, of any kind, once every byte
// of it is proven. Nothing is sent. The same file again changes nothing.
func (s *Service) TakeIn(ctx context.Context, file []byte) (rec wallet.BatchRecord, err error) {
	if !batch.IsSigned(file) {
		if _, err := batch.Parse(file); err == nil {
			return rec, wallet.WithHint(wallet.As(wallet.ErrUsage, "the file is a batch without signatures"), "sign it at the signing station, and broadcast what comes back")
		}
	}
	signed, err := batch.ParseSigned(file)
	if err != nil {
		return rec, err
	}
	if signed.Batch.ChainID != s.Chain {
		return rec, wallet.WithHint(wallet.As(wallet.ErrRefused, "batch %s is of chain %d, not %d", signed.Batch.ID, signed.Batch.ChainID, s.Chain), "--chain names the chain to work on")
	}
	proven, err := outgoing.Verify(signed)
	if err != nil {
		return rec, err
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		rec, err = outgoing.TakeIn(tx, proven, s.now())
		return err
	})
	return rec, err
}

// Sent counts what became of offers.
type Sent struct {
	Accepted     int       `json:"accepted"`
	AlreadyKnown int       `json:"already_known"` // a node had it, now or before
	Refused      int       `json:"refused"`
	NonceUsed    int       `json:"nonce_used"` // mined, this or another: scanning tells
	Unheard      int       `json:"unheard"`    // no clear answer; offered again later
	Waiting      int       `json:"waiting"`    // not due, such as a sweep before its top-up
	Refusals     []Refusal `json:"refusals"`
}

// Refusal is a transaction that a node refused, in the node's words.
type Refusal struct {
	Kind   wallet.IntentKind `json:"kind"`
	ID     string            `json:"id"`
	Nonce  uint64            `json:"nonce"`
	Reason string            `json:"reason"`
}

// offers is how many transactions are marked, sent and recorded in one go.
const offers = 100

// Offer sends what is due of a batch, or of all batches of the chain if its id
// is empty. What is due is marked in the store before it is sent, so that a
// crash at any instant only ever leads to sending it once more, which nodes
// recognise by its hash. The error is of class wallet.ErrUnreachable when no
// answer came; everything is kept then, and Offer goes on from there.
func (s *Service) Offer(ctx context.Context, node Sender, batchID string) (Sent, error) {
	var sent Sent
	var due []wallet.Slot
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		if err := store.CheckHalt(tx); err != nil {
			return err
		}
		if due, err = outgoing.Due(tx, s.Chain, batchID, s.now()); err != nil || batchID == "" {
			return err
		}
		return s.countRest(tx, batchID, due, &sent)
	}); err != nil {
		return sent, err
	}
	done := 0
	for part := range slices.Chunk(due, offers) {
		if err := s.offer(ctx, node, part, &sent); err != nil {
			return sent, err
		}
		if done += len(part); s.Offered != nil {
			s.Offered(done, len(due))
		}
	}
	return sent, nil
}

// countRest counts what of a batch is not due.
func (s *Service) countRest(tx store.Tx, batchID string, due []wallet.Slot, sent *Sent) error {
	rec, _, err := store.Batch(tx, batchID)
	if err != nil {
		return err
	}
	isDue := make(map[wallet.Slot]bool, len(due))
	for _, slot := range due {
		isDue[slot] = true
	}
	for _, slot := range rec.Slots {
		if isDue[slot] {
			continue
		}
		o, _, err := store.OutgoingAt(tx, slot)
		if err != nil {
			return err
		}
		switch o.State {
		case wallet.OutgoingAccepted, wallet.OutgoingMined, wallet.OutgoingFinal:
			sent.AlreadyKnown++
		case wallet.OutgoingBound, wallet.OutgoingSigned, wallet.OutgoingOffered:
			sent.Waiting++
		}
	}
	return nil
}

func (s *Service) offer(ctx context.Context, node Sender, slots []wallet.Slot, sent *Sent) error {
	var list []outgoing.Offer
	if err := s.DB.Update(ctx, func(tx store.Tx) (err error) {
		list, err = outgoing.MarkOffered(tx, slots, s.now())
		return err
	}); err != nil || len(list) == 0 {
		return err
	}
	raws := make([][]byte, len(list))
	for i, o := range list {
		raws[i] = o.Raw
	}
	errs := node.SendRawTransactions(ctx, raws)
	answers := make([]outgoing.Answer, len(list))
	var lost error
	for i, o := range list {
		answers[i] = outgoing.Answer{Slot: o.Slot, Hash: o.Hash}
		answers[i].Reply, answers[i].Text = reply(errs[i], sent)
		if errors.Is(errs[i], wallet.ErrUnreachable) || errors.Is(errs[i], context.Canceled) {
			lost = errs[i]
		}
	}
	// What was heard is kept even when the command is being interrupted.
	if err := s.DB.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		if err := outgoing.RecordAnswers(tx, answers, s.now()); err != nil {
			return err
		}
		return nameRefusals(tx, answers, sent)
	}); err != nil {
		return err
	}
	if lost != nil {
		return wallet.WithHint(lost, "everything is kept: airlock confirm offers again what no node has")
	}
	return nil
}

// reply reads a node's answer. A nonce that is used already says nothing about
// whose transaction used it, so it is not a refusal.
func reply(err error, sent *Sent) (outgoing.Reply, string) {
	switch result := chain.ClassifySend(err); result {
	case chain.SendAccepted:
		sent.Accepted++
		return outgoing.Accepted, ""
	case chain.SendAlreadyKnown:
		sent.AlreadyKnown++
		return outgoing.Known, ""
	case chain.SendNonceTooLow:
		sent.NonceUsed++
		return outgoing.Unheard, "its nonce is used: airlock scan finds by what"
	case chain.SendUnknown:
		sent.Unheard++
		return outgoing.Unheard, "no clear answer: " + err.Error()
	case chain.SendPoolFull:
		sent.Unheard++
		return outgoing.Unheard, "no room for it now: " + err.Error()
	case chain.SendNonceTooHigh, chain.SendUnderpriced, chain.SendNotReplacing, chain.SendInsufficient, chain.SendRejected:
		return outgoing.Refused, result.String() + ": " + err.Error()
	}
	return outgoing.Unheard, err.Error()
}

// nameRefusals says which payments a node refused.
func nameRefusals(tx store.Tx, answers []outgoing.Answer, sent *Sent) error {
	for _, a := range answers {
		if a.Reply != outgoing.Refused {
			continue
		}
		o, _, err := store.OutgoingAt(tx, a.Slot)
		if err != nil {
			return err
		}
		sent.Refused++
		sent.Refusals = append(sent.Refusals, Refusal{o.Intent.Kind, o.Intent.ID, o.Slot.Nonce, a.Text})
	}
	return nil
}
