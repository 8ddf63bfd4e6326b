package payout

import (
	"context"
	"errors"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Sender is what offering asks of a chain. Errors and places stand in the order
// of the transactions.
type Sender interface {
	SendRawTransactions(ctx context.Context, raws [][]byte) []error
	Whereabouts(ctx context.Context, hashes []common.Hash) ([]chain.Whereabouts, error)
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
}

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
	Accepted     int       `json:"accepted"`      // a node took it and has it
	AlreadyKnown int       `json:"already_known"` // a node had it, now or before
	Refused      int       `json:"refused"`
	Offered      int       `json:"offered"`    // a node said that it took it, and none shows it yet
	NonceUsed    int       `json:"nonce_used"` // mined, this or another: scanning tells
	Unheard      int       `json:"unheard"`    // no clear answer; offered again later
	Waiting      int       `json:"waiting"`    // for the window, a top-up, or what holds up its sender's line
	Climbed      int       `json:"climbed"`    // offered at the next rung
	Dropped      int       `json:"dropped"`    // nodes had it before and no longer
	Refusals     []Refusal `json:"refusals"`
	HeldUp       []HeldUp  `json:"held_up"` // lines of which nothing more can be offered

	sent int // transactions that were given to a node
	seen int // of those not sent, that a node was found to have
}

// Refusal is a transaction that a node refused, in the node's words.
type Refusal struct {
	Kind   wallet.IntentKind `json:"kind"`
	ID     string            `json:"id"`
	Nonce  uint64            `json:"nonce"`
	Reason string            `json:"reason"`
}

// HeldUp is the transaction that everything behind it in the line of its sender
// waits for.
type HeldUp struct {
	From   string `json:"from"` // EIP-55
	Nonce  uint64 `json:"nonce"`
	Reason string `json:"reason"`
}

const (
	// offers is how many transactions are marked, sent and recorded in one go.
	offers = 500
	// places is how many transactions in lines are looked at together, at least
	// one whole line.
	places = 500
)

// Offer gives nodes what is due in the lines of a batch's senders, or of all if
// its id is empty: of each at most a window of transactions that are not mined.
// Only what is the batch's own is counted. What is sent is marked in the store before, so that a crash at any
// instant only ever leads to sending it once more, which nodes recognise by its
// hash. Accepted is what a node shows afterwards. The error is of class
// wallet.ErrUnreachable when no answer came; everything is kept then, and Offer
// goes on from there.
func (s *Service) Offer(ctx context.Context, node Sender, batchID string) (Sent, error) {
	r := round{s: s, node: node, terms: s.terms()}
	var rec wallet.BatchRecord
	var senders []common.Address
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		if err := store.CheckHalt(tx); err != nil {
			return err
		}
		if batchID == "" {
			senders, err = store.OpenSenders(tx, s.Chain)
			return err
		}
		rec, _, err = store.Batch(tx, batchID)
		senders = sendersOf(rec.Slots)
		return err
	}); err != nil {
		return r.sent, err
	}
	if batchID == "" {
		err := r.run(ctx, senders)
		return r.sent, err
	}
	r.rest = make(map[wallet.Slot]bool, len(rec.Slots))
	for _, slot := range rec.Slots {
		r.rest[slot] = true
	}
	if err := r.run(ctx, senders); err != nil {
		return r.sent, err
	}
	return r.sent, s.DB.View(ctx, func(tx store.Tx) error { return r.countRest(tx, rec.Slots) })
}

func (s *Service) terms() outgoing.Terms {
	if s.Terms == (outgoing.Terms{}) {
		return outgoing.DefaultTerms
	}
	return s.Terms
}

func sendersOf(slots []wallet.Slot) (senders []common.Address) {
	seen := map[common.Address]bool{}
	for _, slot := range slots {
		if !seen[slot.Sender] {
			seen[slot.Sender] = true
			senders = append(senders, slot.Sender)
		}
	}
	return senders
}

// round is one time through the lines of senders.
type round struct {
	s      *Service
	node   Sender
	terms  outgoing.Terms
	rest   map[wallet.Slot]bool // of the batch that was not sent; nil for all batches
	market outgoing.Market
	asked  bool // for the market
	sent   Sent
}

func (r *round) run(ctx context.Context, senders []common.Address) (err error) {
	for len(senders) > 0 {
		var lines [][]outgoing.Place
		left := senders
		if err := r.s.DB.View(ctx, func(tx store.Tx) error {
			lines, left = nil, senders
			for n := 0; len(left) > 0 && n < places; left = left[1:] {
				line, err := outgoing.Line(tx, r.s.Chain, left[0], r.terms.Window)
				if err != nil {
					return err
				}
				if len(line) > 0 {
					lines = append(lines, line)
				}
				n += len(line)
			}
			return nil
		}); err != nil {
			return err
		}
		senders = left
		if err := r.work(ctx, lines); err != nil {
			return err
		}
	}
	return nil
}

// work does what is to be done about some lines.
func (r *round) work(ctx context.Context, lines [][]outgoing.Place) error {
	free := false
	for _, line := range lines {
		free = free || line[0].Wait == ""
		if last := line[len(line)-1]; last.Wait != "" && r.rest != nil {
			slot := last.Outgoing.Slot
			r.sent.HeldUp = append(r.sent.HeldUp, HeldUp{slot.Sender.Hex(), slot.Nonce, last.Wait})
		}
	}
	if !free {
		return nil
	}
	if err := r.askMarket(ctx); err != nil {
		return err
	}
	seen, err := r.look(ctx, lines)
	if err != nil {
		return err
	}
	var list []outgoing.Decision
	for _, line := range lines {
		list = append(list, outgoing.Decide(line, seen, r.market, r.terms, r.s.now())...)
	}
	for part := range slices.Chunk(list, offers) {
		if err := r.offer(ctx, part); err != nil {
			return err
		}
		if r.s.Offered != nil {
			r.s.Offered(r.sent.sent)
		}
	}
	return nil
}

// askMarket reads the head and what the next block may ask, once in a round.
func (r *round) askMarket(ctx context.Context) error {
	if r.asked {
		return nil
	}
	head, err := r.node.HeaderByNumber(ctx, nil)
	if err != nil {
		return lost(err)
	}
	r.asked, r.market.Head = true, head.Number.Uint64()
	tip, err := r.node.SuggestGasTipCap(ctx)
	if err == nil && head.BaseFee != nil {
		r.market.BaseFee, r.market.Tip, r.market.Known = wallet.AmountOf(head.BaseFee), wallet.AmountOf(tip), true
	}
	return ctx.Err() // without a market nothing climbs, and all else goes on
}

// look asks where the transactions of lines are: first for the rungs that nodes
// should have, then for the others of those that nobody has.
func (r *round) look(ctx context.Context, lines [][]outgoing.Place) (outgoing.Seen, error) {
	var first []common.Hash
	for _, line := range lines {
		for i := range line {
			if given := line[i].Given(); len(given) > 0 {
				first = append(first, given[0])
			}
		}
	}
	seen := outgoing.Seen{}
	if err := r.ask(ctx, first, seen); err != nil {
		return seen, err
	}
	var others []common.Hash
	for _, line := range lines {
		for i := range line {
			if given := line[i].Given(); len(given) > 1 && !seen[given[0]] {
				others = append(others, given[1:]...)
			}
		}
	}
	return seen, r.ask(ctx, others, seen)
}

// ask adds what nodes tell of transactions. That they tell nothing is no error,
// unless they are out of reach.
func (r *round) ask(ctx context.Context, hashes []common.Hash, seen outgoing.Seen) error {
	if len(hashes) == 0 {
		return nil
	}
	where, err := r.node.Whereabouts(ctx, hashes)
	for i, w := range where {
		if w.Where != chain.WhereUnknown {
			seen[hashes[i]] = w.Where == chain.Pooled || w.Where == chain.Mined
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, wallet.ErrUnreachable) {
		return lost(err)
	}
	return nil
}

func lost(err error) error {
	return wallet.WithHint(err, "everything is kept: airlock confirm offers again what no node has")
}

// offer marks, sends, looks and records.
func (r *round) offer(ctx context.Context, list []outgoing.Decision) error {
	var marked outgoing.Marked
	if err := r.s.DB.Update(ctx, func(tx store.Tx) (err error) {
		marked, err = outgoing.MarkOffered(tx, list, r.market.Head, r.s.now())
		return err
	}); err != nil {
		return err
	}
	r.sent.Dropped += marked.Dropped
	r.sent.seen += marked.Accepted
	if len(marked.Offers) == 0 {
		return nil
	}
	raws, hashes := make([][]byte, len(marked.Offers)), make([]common.Hash, len(marked.Offers))
	for i, o := range marked.Offers {
		raws[i], hashes[i] = o.Raw, o.Hash
	}
	errs := r.node.SendRawTransactions(ctx, raws)
	seen := outgoing.Seen{}
	unseen := r.ask(ctx, hashes, seen)
	answers := make([]outgoing.Answer, len(marked.Offers))
	for i, o := range marked.Offers {
		answers[i] = r.read(o, errs[i], seen[o.Hash])
		if (errors.Is(errs[i], wallet.ErrUnreachable) || errors.Is(errs[i], context.Canceled)) && !seen[o.Hash] {
			unseen = lost(errs[i])
		}
	}
	// What was heard is kept even when the command is being interrupted.
	if err := r.s.DB.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		if err := outgoing.RecordAnswers(tx, answers, r.s.now()); err != nil {
			return err
		}
		return r.nameRefusals(tx, answers)
	}); err != nil {
		return err
	}
	return unseen
}

// read counts and words what became of an offer. What a node shows it has,
// whatever it said.
func (r *round) read(o outgoing.Offer, err error, seen bool) outgoing.Answer {
	a := outgoing.Answer{Slot: o.Slot, Hash: o.Hash, Seen: seen}
	sum := &r.sent
	if r.rest != nil && !r.rest[o.Slot] {
		sum = &Sent{} // another batch's
	}
	delete(r.rest, o.Slot)
	sum.sent++
	if o.Climb {
		sum.Climbed++
	}
	result := chain.ClassifySend(err)
	if seen {
		if result == chain.SendAccepted {
			sum.Accepted++
		} else {
			sum.AlreadyKnown++
		}
		return a
	}
	switch result {
	case chain.SendAccepted, chain.SendAlreadyKnown:
		sum.Offered++
		a.Text = "a node said that it has it, and none shows it: it is offered again"
	case chain.SendNonceTooLow:
		// That says nothing about whose transaction used it.
		sum.NonceUsed++
		a.Text = "its nonce is used: airlock scan finds by what"
	case chain.SendUnknown:
		sum.Unheard++
		a.Text = "no clear answer: " + err.Error()
	case chain.SendPoolFull:
		sum.Unheard++
		a.Refusal, a.Text = refusalPoolFull, "no room for it now: "+err.Error()
	default:
		sum.Refused++
		a.Refusal = wallet.Refusal(result.String())
		if low := result == chain.SendUnderpriced || result == chain.SendNotReplacing; low && o.Met {
			a.Refusal = wallet.RefusalUnderpriced
		} else if low {
			a.Refusal = refusalMarket
		}
		a.Text = result.String() + ": " + err.Error() + nextStep(result)
		if a.Refusal == refusalMarket && o.Stuck != "" {
			a.Text = o.Stuck
		}
	}
	return a
}

// refusalPoolFull passes: nobody has to do anything about it.
var refusalPoolFull = wallet.Refusal(chain.SendPoolFull.String())

// refusalMarket is of what pays less than the market asks: only the market says
// whether it climbs.
const refusalMarket wallet.Refusal = "below the market"

// nextStep says what an operator can do about a refusal, beside waiting: it is
// offered again in any case.
func nextStep(r chain.SendResult) string {
	switch r {
	case chain.SendInsufficient:
		return "; fund the sender"
	case chain.SendNonceTooHigh:
		return "; what its sender sent before has to be mined first"
	case chain.SendRejected:
		return "; another endpoint may take it, else airlock withdraw cancel frees it"
	default:
		return ""
	}
}

// nameRefusals says which payments a node refused.
func (r *round) nameRefusals(tx store.Tx, answers []outgoing.Answer) error {
	for _, a := range answers {
		if a.Refusal == "" || a.Refusal == refusalPoolFull {
			continue
		}
		o, _, err := store.OutgoingAt(tx, a.Slot)
		if err != nil {
			return err
		}
		r.sent.Refusals = append(r.sent.Refusals, Refusal{o.Intent.Kind, o.Intent.ID, o.Slot.Nonce, a.Text})
	}
	return nil
}

// countRest counts what of a batch was not sent, and keeps of the lines that are
// held up those in which something of the batch waits.
func (r *round) countRest(tx store.Tx, slots []wallet.Slot) error {
	waits := map[string]bool{}
	for _, slot := range slots {
		if !r.rest[slot] {
			continue
		}
		open, isOpen, err := store.OpenSlotAt(tx, slot)
		if err != nil {
			return err
		}
		if !isOpen || open.State == wallet.OutgoingAccepted || open.State == wallet.OutgoingMined {
			r.sent.AlreadyKnown++
			continue
		}
		r.sent.Waiting++
		waits[slot.Sender.Hex()] = true
	}
	r.sent.HeldUp = slices.DeleteFunc(r.sent.HeldUp, func(h HeldUp) bool { return !waits[h.From] })
	return nil
}
