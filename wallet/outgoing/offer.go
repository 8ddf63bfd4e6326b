package outgoing

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// OfferAgain is after what time a transaction is offered again of which no node
// tells whether it has it.
const OfferAgain = 2 * time.Minute

// Seen is what nodes say of transactions: true if one has it in its pool or
// chain, false if somebody answered and nobody has it. Of what is missing nobody
// told anything, which proves nothing.
type Seen map[common.Hash]bool

// Decision is what is to be done about a slot.
type Decision struct {
	Slot wallet.Slot
	// Offer says that a node is to be given a rung, Climb that it is one above
	// the highest that a node was given.
	Offer, Climb bool

	seen   sight
	hash   common.Hash // that a node has, if seen is present
	told   bool        // somebody answered about the rung that a node should have
	took   bool        // somebody has that
	rung   int         // to be offered
	met    bool        // the rung to be offered pays what the market asks, as far as that is known
	stuck  string      // why no fee that was signed is enough, or ""
	answer string      // why it is not further, as far as that is known
	basis  basis
}

// sight is what nodes say of all signatures of a slot.
type sight uint8

const (
	untold  sight = iota // nobody said anything of any of them
	absent               // nobody has any
	present              // somebody has one
)

// basis is what a decision was made from. Where it is no longer so, somebody
// else decided meanwhile.
type basis struct {
	state     wallet.OutgoingState
	attempts  int
	wish      wallet.Wish
	offered   int
	offeredAt time.Time
}

func basisOf(o *wallet.Outgoing) basis {
	b := basis{state: o.State, attempts: len(o.Attempts), wish: o.Wish, offeredAt: o.OfferedAt}
	if a := offerable(o); a != nil {
		b.offered = a.Offered
	}
	return b
}

// Decide says what to do about the line of a sender. Nodes are given
//
//   - what they were never given,
//   - what somebody answered of and nobody has,
//   - what came back from a block that left the chain,
//   - what nobody told anything of for OfferAgain, and
//   - the next rung of what Climbs,
//
// each one rung, and nothing that stands behind what nobody has and a node
// refused, or must not be given: it could not be mined. All of the line climb,
// each by its own time, so that a line is not held up once per transaction
// when fees rise; what comes new into it starts where the one before it stands.
// Places about which nothing is to be done are left out.
func Decide(line []Place, seen Seen, m Market, t Terms, now time.Time) (list []Decision) {
	open := true
	var before wallet.Fee // of the rung that the place before was given
	for i := range line {
		p := &line[i]
		d := look(&p.Outgoing, seen)
		if p.Wait == "" && open {
			d.decide(p, before, m, t, now)
		}
		if a := offerable(&p.Outgoing); a != nil && (a.Offered > 0 || d.Offer) {
			before = a.Rungs[max(a.Rung(), d.rung)]
		}
		if (p.Wait != "" || p.Outgoing.Refusal != "") && d.seen != present {
			open = false
		}
		if d.matters(&p.Outgoing) {
			list = append(list, d)
		}
	}
	return list
}

// look is what nodes say of what they were given of a slot.
func look(o *wallet.Outgoing, seen Seen) Decision {
	d := Decision{Slot: o.Slot, basis: basisOf(o), answer: o.Answer}
	a := offerable(o)
	for i, hash := range given(o) {
		has, told := seen[hash]
		if i == 0 && a != nil && a.Offered > 0 { // the rung that a node should have
			d.took, d.told = has, told
		}
		switch {
		case has && d.seen != present:
			d.seen, d.hash = present, hash
		case told && !has && d.seen == untold:
			d.seen = absent
		}
	}
	switch {
	case d.took:
		d.answer = ""
	case d.seen == absent && o.State == wallet.OutgoingAccepted:
		d.answer = "no node has it any more: it is offered again"
	}
	return d
}

// decide says which rung is to be offered, if any.
func (d *Decision) decide(p *Place, before wallet.Fee, m Market, t Terms, now time.Time) {
	o, a := &p.Outgoing, offerable(&p.Outgoing)
	d.rung = a.Rung()
	switch {
	case a.Offered == 0:
		d.Offer, d.rung = true, m.start(a, before)
	case o.OfferedAt.IsZero(), d.told && !d.took:
		d.Offer = true
	case !d.told:
		d.Offer = now.Sub(o.OfferedAt) >= OfferAgain
	}
	if raised(o, a) || t.Climbs(a, o.Refusal == wallet.RefusalUnderpriced, m, now) {
		d.Offer, d.Climb = true, true
		d.rung++
	}
	d.met = !m.Known || m.Met(a.Rungs[d.rung])
	if why := stuck(o, a, m); p.Head && why != "" {
		d.stuck, d.answer = why, why
	}
}

// matters reports whether a decision changes anything.
func (d *Decision) matters(o *wallet.Outgoing) bool {
	accepted := o.State == wallet.OutgoingAccepted
	switch {
	case d.Offer:
		return true
	case o.State == wallet.OutgoingBound:
		return false
	case d.seen == present && (!accepted || o.TxHash != d.hash), d.seen == absent && accepted:
		return true
	}
	return d.took && o.Refusal != "" || d.answer != o.Answer
}

// Offer is a signed transaction on its way to a node.
type Offer struct {
	Slot  wallet.Slot
	Hash  common.Hash
	Raw   hexutil.Bytes
	Climb bool // its rung is offered for the first time, in the place of a lower one
	// Stuck says why no fee that was signed is enough, or is empty. It tells more
	// than a node that refuses it as underpriced.
	Stuck string
	// Met says that it pays what the market asks: a node that refuses it as
	// underpriced asks for more than that.
	Met bool
}

// Marked is what MarkOffered wrote.
type Marked struct {
	Offers   []Offer // to be sent
	Accepted int     // a node was found to have them
	Dropped  int     // a node had them and none has any more
}

// MarkOffered records what nodes have, and that transactions are about to be
// sent, with the number of the head. The caller sends the offers only once this
// is committed, so that whatever was sent is known to have been. What is no
// longer as it was when it was decided is left out.
func MarkOffered(tx store.Tx, list []Decision, head uint64, now time.Time) (m Marked, err error) {
	if err := store.CheckHalt(tx); err != nil {
		return m, err
	}
	for i := range list {
		d := &list[i]
		o, ok, err := store.OutgoingAt(tx, d.Slot)
		if err != nil {
			return m, err
		}
		if !ok || basisOf(&o) != d.basis {
			continue
		}
		e, err := evidence(tx, &o)
		if err != nil {
			return m, err
		}
		if e.Mined != nil || d.Offer && Wait(&o, e) != "" {
			continue
		}
		if err := m.mark(tx, o, d, head, now); err != nil {
			return m, fmt.Errorf("nonce %d of %s: %w", d.Slot.Nonce, d.Slot.Sender, err)
		}
	}
	return m, nil
}

func (m *Marked) mark(tx store.Tx, o wallet.Outgoing, d *Decision, head uint64, now time.Time) error {
	o.Answer = d.answer
	if d.took || d.Climb { // a refusal is about one rung
		o.Refusal = ""
	}
	switch {
	case o.State == wallet.OutgoingBound: // whoever has it was given it before it was discarded
	case d.seen == present:
		if o.State != wallet.OutgoingAccepted {
			m.Accepted++
		}
		o.State, o.TxHash = wallet.OutgoingAccepted, d.hash
	case d.seen == absent && o.State == wallet.OutgoingAccepted:
		m.Dropped++
		o.State, o.TxHash = wallet.OutgoingOffered, common.Hash{}
	}
	if d.Offer {
		sent := offer(&o, d, head, now)
		raw, err := store.RawOf(tx, sent.Hash)
		if err == nil && raw == nil {
			err = fmt.Errorf("%w: the transaction %s is not in the store", wallet.ErrNotFound, sent.Hash)
		}
		if err != nil {
			return err
		}
		sent.Raw = raw
		m.Offers = append(m.Offers, sent)
	}
	return report(tx, o, now)
}

// offer notes that a rung is about to be sent.
func offer(o *wallet.Outgoing, d *Decision, head uint64, now time.Time) Offer {
	if o.State != wallet.OutgoingAccepted {
		o.State = wallet.OutgoingOffered
	}
	a := offerable(o)
	if raised(o, a) && d.Climb {
		o.Wish = ""
	}
	o.OfferedAt = now
	if a.Offered <= d.rung {
		a.Offered, a.RungAt, a.RungHead = d.rung+1, now, head
	}
	return Offer{Slot: o.Slot, Hash: a.Signed[d.rung], Climb: d.Climb, Stuck: d.stuck, Met: d.met}
}

// Answer is what a node said to an offer, and whether one has it.
type Answer struct {
	Slot    wallet.Slot
	Hash    common.Hash
	Seen    bool           // a node showed it after it was sent
	Refusal wallet.Refusal // class of the answer, if it was a refusal
	Text    string         // the node's words and what to do, unless it was taken
}

// RecordAnswers stores what nodes said and showed. Only what a node shows is
// accepted: that it said yes proves nothing. A withdrawal becomes broadcast with
// its first acceptance, and the outside is told.
func RecordAnswers(tx store.Tx, answers []Answer, now time.Time) error {
	for _, a := range answers {
		o, ok, err := store.OutgoingAt(tx, a.Slot)
		if err != nil {
			return err
		}
		// Meanwhile it may have been discarded, mined or settled.
		if !ok || (o.State != wallet.OutgoingOffered && o.State != wallet.OutgoingAccepted) {
			continue
		}
		o.Refusal, o.Answer = a.Refusal, a.Text
		if a.Seen {
			o.State, o.TxHash, o.Refusal, o.Answer = wallet.OutgoingAccepted, a.Hash, "", ""
		}
		if err := report(tx, o, now); err != nil {
			return err
		}
	}
	return nil
}

// report stores an unmined transaction and brings what it pays in line with it.
func report(tx store.Tx, o wallet.Outgoing, now time.Time) error {
	if err := store.PutOutgoing(tx, o); err != nil {
		return err
	}
	return eachWithdrawal(tx, &o, func(w wallet.Withdrawal) error {
		why := o.Answer
		if wish := wishWords(&o); wish != "" {
			why = wish
		}
		// That a node has its cancel does not make a payment broadcast.
		serving := o.Serving()
		paying := o.State == wallet.OutgoingAccepted && serving != nil && (o.Wish != wallet.WishCancel || serving.Holds(o.TxHash))
		first := paying && w.Status == wallet.WithdrawalSigned
		if !first && w.Reason == why && (!paying || w.TxHash == o.TxHash) {
			return nil
		}
		w.Reason, w.UpdatedAt = why, now
		if paying {
			w.TxHash = o.TxHash
		}
		if first {
			w.Status = wallet.WithdrawalBroadcast
		}
		if err := store.PutWithdrawal(tx, w); err != nil || !first {
			return err
		}
		return emitWithdrawal(tx, wallet.WithdrawalBroadcastEvent, w, now)
	})
}
