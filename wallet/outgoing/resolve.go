package outgoing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// payment is what a transaction does to pay somebody.
type payment struct {
	to    common.Address
	value string
	data  common.Hash // Keccak-256 of the call data
}

// openStatuses are those of withdrawals that could still be paid.
var openStatuses = []wallet.WithdrawalStatus{
	wallet.WithdrawalRequested, wallet.WithdrawalApproved, wallet.WithdrawalBuilt,
	wallet.WithdrawalSigned, wallet.WithdrawalBroadcast, wallet.WithdrawalMined,
}

// keyOf is how a payment is found again by what it does.
func keyOf(p wallet.Payload) payment { return payment{p.To, p.Value.String(), keccak(p.Data)} }

// pays lists the open withdrawals of other slots that a mined transaction of a
// payout or float address would pay, alone or through the contract that pays many,
// oldest request first in each status. A reverted transaction pays nobody.
func (s *settler) pays(m *wallet.Mined) ([]string, error) {
	sender, ok, err := store.OurAddress(s.tx, m.Slot.Sender)
	if err != nil || !ok || sender.Role != wallet.PayoutRole && sender.Role != wallet.FloatRole || !m.Success || m.Create {
		return nil, err
	}
	if s.open == nil {
		s.open = map[payment][]string{}
		for _, status := range openStatuses {
			if err := store.Withdrawals(s.tx, s.chain, status, func(w wallet.Withdrawal) error {
				key := keyOf(PayloadOf(w.Asset, w.To, w.Amount, 0))
				s.open[key] = append(s.open[key], w.ID)
				return nil
			}); err != nil {
				return nil, err
			}
		}
	}
	ids := slices.Clone(s.open[payment{m.To, m.Value.String(), m.DataHash}])
	seen := map[payment]bool{}
	for i := range m.Paid {
		if key, made := madeBy(&m.Paid[i]); made && !seen[key] {
			seen[key] = true
			ids = append(ids, s.open[key]...)
		}
	}
	return ids, nil
}

// DoubtKind says what is in doubt about a slot.
type DoubtKind string

// What a person may have to look at.
const (
	// DoubtUnseen: the chain counts transactions of the sender from this nonce
	// on that scanning has not found.
	DoubtUnseen DoubtKind = "unseen"
	// DoubtUnexplained: airlock did not make the transaction.
	DoubtUnexplained DoubtKind = "unexplained"
	// DoubtForeign: the slot was bound, and another transaction took it.
	DoubtForeign DoubtKind = "foreign"
	// DoubtAmount: the payment is mined, and the token logged something else.
	DoubtAmount DoubtKind = "amount"
	// DoubtVanished: the transaction was booked as final, and its block left the
	// chain all the same.
	DoubtVanished DoubtKind = "vanished"
)

// Doubt is a slot whose story the store cannot tell alone.
type Doubt struct {
	Kind       DoubtKind
	Slot       wallet.Slot
	Mined      *wallet.Mined // nil if scanning has not found it
	Final      bool          // Mined is beyond reorg
	Intent     *wallet.Intent
	Pays       []string // open withdrawals that it would pay
	Free       []string // of those, the ones that are bound to no other slot
	Paid       []string // of those, the ones that accepting counts as paid together
	Acceptable bool     // Accept may be called
	Unheard    bool     // of what is missing: no node had it when last asked
	Advice     string   // the safe way on
}

// Doubts lists what is in doubt on a chain, by sender and nonce. nonces are
// the senders' transaction counts at the latest block, as far as known.
func Doubts(tx store.Tx, chain uint64, nonces map[common.Address]uint64) (list []Doubt, err error) {
	c, _, err := store.ReadCursor(tx, chain)
	if err != nil {
		return nil, err
	}
	s := &settler{tx: tx, chain: chain}
	seen := map[wallet.Slot]bool{}
	add := func(slot wallet.Slot) error {
		if seen[slot] {
			return nil
		}
		seen[slot] = true
		d, ok, err := s.doubt(slot, c.Final)
		if err == nil && ok {
			list = append(list, d)
		}
		return err
	}
	if list, err = s.vanished(c.Final); err != nil {
		return nil, err
	}
	for _, d := range list {
		seen[d.Slot] = true
	}
	mined, err := store.UnsettledMined(tx, chain, 0, max(c.Head, c.Final))
	if err != nil {
		return nil, err
	}
	for _, m := range mined {
		if err := add(m.Slot); err != nil {
			return nil, err
		}
	}
	marked, err := store.Unexplained(tx, chain)
	if err != nil {
		return nil, err
	}
	for _, slot := range marked {
		if err := add(slot); err != nil {
			return nil, err
		}
	}
	for sender, count := range nonces {
		unseen, err := s.unseen(sender, count, add)
		if err != nil {
			return nil, err
		}
		list = append(list, unseen...)
	}
	slices.SortFunc(list, func(a, b Doubt) int {
		return cmp.Or(a.Slot.Sender.Cmp(b.Slot.Sender), cmp.Compare(a.Slot.Nonce, b.Slot.Nonce))
	})
	return list, nil
}

// unseen goes from the store's next nonce to the chain's.
func (s *settler) unseen(sender common.Address, count uint64, add func(wallet.Slot) error) ([]Doubt, error) {
	next, ok, err := store.NextNonce(s.tx, s.chain, sender)
	if err != nil || !ok {
		return nil, err
	}
	for slot := (wallet.Slot{ChainID: s.chain, Sender: sender, Nonce: next}); slot.Nonce < count; slot.Nonce++ {
		if _, found, err := store.MinedAt(s.tx, slot); err != nil {
			return nil, err
		} else if !found {
			return []Doubt{{
				Kind: DoubtUnseen, Slot: slot,
				Advice: fmt.Sprintf("its sender's next nonce is %d on chain, and scan has not found what used it: run airlock scan to its head", count),
			}}, nil
		}
		if err := add(slot); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// doubt says what is in doubt about a slot at which something was mined; ok is
// false if nothing is.
func (s *settler) doubt(slot wallet.Slot, final uint64) (d Doubt, ok bool, err error) {
	m, found, err := store.MinedAt(s.tx, slot)
	if err != nil || !found {
		return d, false, err
	}
	d = Doubt{Slot: slot, Mined: &m, Final: m.BlockNumber <= final}
	o, bound, err := store.OutgoingAt(s.tx, slot)
	if err != nil {
		return d, false, err
	}
	if bound {
		d.Intent = &o.Intent
		switch out := Judge(&m, &o); {
		case o.State == wallet.OutgoingFinal:
			d.Kind, d.Advice = DoubtForeign, fmt.Sprintf("%s was final here before: find out which chain this node follows", o.TxHash)
			return d, o.TxHash != m.TxHash, nil
		case out == Foreign:
			d.Kind = DoubtForeign
		case out == Other && o.Intent.Kind == wallet.IntentWithdrawal:
			d.Kind, d.Acceptable = DoubtAmount, d.Final
			d.Advice = "compare the transfers with the withdrawal; accepting counts it as paid, books what moved and gives the rest back"
			return d, true, nil
		case out == Other && o.Intent.Kind == wallet.IntentPayments:
			d.Kind, d.Acceptable = DoubtAmount, d.Final
			d.Advice = "what the contract says of its payments and what the token moved do not agree. Compare the transfers with the withdrawals; accepting counts all of them as paid, books what moved to each recipient and gives the rest back"
			return d, true, nil
		default:
			return d, false, nil
		}
	} else {
		d.Kind = DoubtUnexplained
	}
	if d.Pays, err = s.pays(&m); err != nil {
		return d, false, err
	}
	if d.Free, err = s.slotless(d.Pays, slot); err != nil {
		return d, false, err
	}
	switch {
	case !d.Final:
		d.Advice = "wait until it is final, then run airlock scan and airlock confirm"
	case len(d.Pays) > 0 && len(d.Free) == 0:
		d.Advice = fmt.Sprintf("it pays what withdrawal %s asks for, which has a nonce of its own: nothing is released until that one is settled", d.Pays[0])
	case len(d.Pays) > 0 && len(m.Paid) > 0:
		s.doubtMany(&d)
	case bound && len(d.Pays) > 0:
		d.Acceptable = true
		d.Advice = fmt.Sprintf("it pays what withdrawal %s asks for; accepting counts that as paid, and what was bound to this nonce can be built again", d.Free[0])
	case bound:
		d.Advice = "airlock confirm frees its withdrawal from this nonce"
	case len(d.Pays) > 0:
		d.Acceptable = true
		d.Advice = fmt.Sprintf("it pays what withdrawal %s asks for; accepting counts that as paid", d.Free[0])
	default:
		d.Acceptable = true
		d.Advice = "it matches no payment ever asked for; accepting books it as unknown and goes on after it"
	}
	return d, true, nil
}

// slotless are those of some withdrawals that are bound to no slot, or to the one at
// which something else than they was mined.
func (s *settler) slotless(ids []string, slot wallet.Slot) (free []string, err error) {
	for _, id := range ids {
		w, ok, err := store.Withdrawal(s.tx, id)
		if err != nil {
			return nil, err
		}
		if ok && (w.Slot == nil || *w.Slot == slot) {
			free = append(free, id)
		}
	}
	return free, nil
}

// Attribution is what Accept did.
type Attribution struct {
	Slot       wallet.Slot
	TxHash     common.Hash
	Withdrawal string   // that it was attributed to, or ""
	Paid       []string // all that it was attributed to, where it pays many
}

// Accept attributes a final transaction that is in doubt, by its content: to
// the withdrawal that it pays, or to nobody if it pays none. withdrawal chooses
// between several that ask for the same; it may be empty. Nothing that Accept
// does can make a payment possible that was made already. The error is of class
// wallet.ErrRefused if the slot is not in doubt or cannot be accepted yet.
func Accept(tx store.Tx, slot wallet.Slot, withdrawal string, now time.Time) (Attribution, error) {
	a := Attribution{Slot: slot}
	c, _, err := store.ReadCursor(tx, slot.ChainID)
	if err != nil {
		return a, err
	}
	s := &settler{tx: tx, now: now, chain: slot.ChainID}
	if _, vanished, err := store.VanishedAt(tx, slot); err != nil {
		return a, err
	} else if vanished {
		return a, wallet.WithHint(wallet.As(wallet.ErrRefused, "nonce %d of %s was booked as final in a block that left the chain", slot.Nonce, slot.Sender), "airlock resolve tells what to do")
	}
	d, ok, err := s.doubt(slot, c.Final)
	switch {
	case err != nil:
		return a, err
	case !ok:
		return a, wallet.WithHint(wallet.As(wallet.ErrRefused, "nonce %d of %s: nothing is in doubt there", slot.Nonce, slot.Sender), "airlock scan finds what was mined; airlock resolve lists what is in doubt")
	case !d.Acceptable:
		return a, wallet.WithHint(wallet.As(wallet.ErrRefused, "nonce %d of %s cannot be accepted", slot.Nonce, slot.Sender), "%s", d.Advice)
	}
	a.TxHash = d.Mined.TxHash
	if d.Kind == DoubtAmount {
		o, _, err := store.OutgoingAt(tx, slot)
		if err != nil {
			return a, err
		}
		if o.Intent.Kind == wallet.IntentPayments {
			for _, p := range o.Payments {
				a.Paid = append(a.Paid, p.ID)
			}
			return a, s.closeMany(*d.Mined, o, Other, &Progress{})
		}
		a.Withdrawal = o.Intent.ID
		return a, s.close(*d.Mined, o, Other, wallet.WithdrawalConfirmed)
	}
	return a, s.attribute(d, withdrawal, &a)
}

// attribute explains a transaction at a slot that airlock did not bind, or that
// it bound to something else, which is free then.
func (s *settler) attribute(d Doubt, withdrawal string, a *Attribution) error {
	next, err := NextNonce(s.tx, s.chain, d.Slot.Sender)
	if err != nil {
		return err
	}
	if d.Slot.Nonce > next {
		return wallet.WithHint(wallet.As(wallet.ErrRefused, "nonce %d of %s: nonce %d comes first", d.Slot.Nonce, d.Slot.Sender, next), "accept them in order")
	}
	if d.Slot.Nonce == next {
		if err := store.PutNextNonce(s.tx, s.chain, d.Slot.Sender, next+1); err != nil {
			return err
		}
	}
	if err := store.ClearUnexplained(s.tx, d.Slot); err != nil {
		return err
	}
	if len(d.Pays) == 0 {
		if d.Mined.Settled {
			return nil
		}
		return s.bookMined(*d.Mined, nil)
	}
	if len(d.Paid) > 0 {
		if withdrawal != "" {
			return wallet.As(wallet.ErrRefused, "the transaction pays %d withdrawals, and they count as paid together", len(d.Paid))
		}
		a.Paid = d.Paid
		return s.attributeMany(d)
	}
	id, err := choose(d.Pays, withdrawal)
	if err != nil {
		return err
	}
	a.Withdrawal = id
	if d.Kind == DoubtForeign {
		was, _, err := store.OutgoingAt(s.tx, d.Slot)
		if err != nil {
			return err
		}
		if err := s.free(d.Mined, &was, explain(Foreign, d.Mined, &was)); err != nil {
			return err
		}
	}
	o, err := s.bindMined(d, id)
	if err != nil {
		return err
	}
	if d.Mined.Settled || Judge(d.Mined, &o) == Silent {
		return s.paidBefore(*d.Mined, o)
	}
	if _, err := s.arrival(d.Mined, &o.Intent); err != nil {
		return err
	}
	var p Progress
	if err := s.settle(*d.Mined, &p); err != nil {
		return err
	}
	if p.Confirmed+p.Failed+p.Held != 1 {
		return fmt.Errorf("%w: %s does not settle withdrawal %s", wallet.ErrConflict, d.Mined.TxHash, o.Intent.ID)
	}
	return nil
}

func choose(ids []string, wanted string) (string, error) {
	switch {
	case wanted != "" && slices.Contains(ids, wanted):
		return wanted, nil
	case wanted != "":
		return "", wallet.As(wallet.ErrRefused, "the transaction does not pay what withdrawal %s asks for", wanted)
	case len(ids) > 1:
		return "", wallet.WithHint(wallet.As(wallet.ErrRefused, "%d withdrawals ask for what the transaction pays: %q", len(ids), ids), "name the one that it paid")
	}
	return ids[0], nil
}

// bindMined binds a withdrawal to the slot at which somebody paid it already.
func (s *settler) bindMined(d Doubt, id string) (o wallet.Outgoing, err error) {
	w, _, err := store.Withdrawal(s.tx, id)
	if err != nil {
		return o, err
	}
	if w.Slot != nil {
		return o, wallet.WithHint(
			wallet.As(wallet.ErrRefused, "withdrawal %s is bound to nonce %d of %s, and %s pays the same", id, w.Slot.Nonce, w.Slot.Sender, d.Mined.TxHash),
			"do not broadcast it; wait until that nonce is settled")
	}
	sender, _, err := store.OurAddress(s.tx, d.Slot.Sender)
	if err != nil {
		return o, err
	}
	o = wallet.Outgoing{
		Slot: d.Slot, Path: sender.Path, State: wallet.OutgoingMined, TxHash: d.Mined.TxHash, BoundAt: s.now,
		Intent:   wallet.Intent{Kind: wallet.IntentWithdrawal, ID: id, Asset: w.Asset, Recipient: w.To, Amount: w.Amount},
		Payload:  PayloadOf(w.Asset, w.To, w.Amount, d.Mined.GasUsed),
		Attempts: []wallet.Attempt{{}}, // none of ours
	}
	if err := store.PutOutgoing(s.tx, o); err != nil {
		return o, err
	}
	w.Slot, w.Status, w.TxHash, w.Fee, w.UpdatedAt = &o.Slot, wallet.WithdrawalMined, d.Mined.TxHash, d.Mined.Cost(), s.now
	return o, store.PutWithdrawal(s.tx, w)
}

// paidBefore closes a withdrawal that a transaction paid before the store knew
// of it: a store from before the request found the transaction, and booked it
// as unknown, or did not know the token yet and has nothing of what moved.
// Where value lies is right already; the books learn whose it was.
func (s *settler) paidBefore(m wallet.Mined, o wallet.Outgoing) error {
	w, ok, err := withdrawalOf(s.tx, &o)
	if err == nil && !ok {
		err = fmt.Errorf("%w: withdrawal %s is not bound there", wallet.ErrConflict, o.Intent.ID)
	}
	if err != nil {
		return err
	}
	if !m.Settled {
		if err := s.bookMined(m, nil); err != nil {
			return err
		}
	}
	if err := s.wasPaid(&m, w); err != nil {
		return err
	}
	o.State = wallet.OutgoingFinal
	return store.PutOutgoing(s.tx, o)
}

// wasPaid confirms a withdrawal that a booked transaction paid as nobody's.
func (s *settler) wasPaid(m *wallet.Mined, w wallet.Withdrawal) error {
	outside := wallet.Posting{Location: wallet.Outside, Owner: wallet.House}
	unknown, available := outside, outside
	unknown.Book, available.Book = wallet.Unknown, wallet.Available
	var postings []wallet.Posting
	arrived := false
	if !w.Asset.IsCoin() || len(m.Paid) == 0 { // coin that a contract pays on is a deposit anyway
		var err error
		if arrived, err = s.arrival(m, &wallet.Intent{Asset: w.Asset, Recipient: w.To, Amount: w.Amount}); err != nil {
			return err
		}
	}
	if arrived {
		// It was booked as a movement; now the deposit brings it there.
		here := available
		here.Location = w.To
		postings = append(postings, wallet.Move(w.Asset, w.Amount, here, unknown)...)
	}
	paid, pending := unknown, available
	paid.Owner, paid.Book = w.Account, wallet.Paid
	pending.Owner, pending.Book = w.Account, wallet.Pending
	postings = append(postings, wallet.Move(w.Asset, w.Amount, unknown, paid)...)
	if w.Account != wallet.House {
		postings = append(postings, wallet.Move(w.Asset, w.Amount, pending, available)...)
	}
	if err := s.book(m, "withdrawal:"+w.ID, wallet.EntryWithdrawal, w.ID, postings); err != nil {
		return err
	}
	w.Status, w.Reason, w.UpdatedAt = wallet.WithdrawalConfirmed, "", s.now
	if err := store.PutWithdrawal(s.tx, w); err != nil {
		return err
	}
	return emitWithdrawal(s.tx, wallet.WithdrawalConfirmedEvent, w, s.now)
}

// arrival records the deposit that a payment to a deposit address of ours is.
// Scanning took it for a movement, since the slot was bound to nothing; it
// credits the deposit with its next pass. It reports whether it recorded one.
func (s *settler) arrival(m *wallet.Mined, in *wallet.Intent) (bool, error) {
	to, ours, err := store.OurAddress(s.tx, in.Recipient)
	if err != nil || !ours {
		return false, err
	}
	d := wallet.Deposit{
		ChainID: s.chain, Account: to.Account, Address: to.Address, From: m.Slot.Sender,
		Asset: in.Asset, Amount: in.Amount, Kind: wallet.KindNative, TxHash: m.TxHash,
		BlockNumber: m.BlockNumber, BlockHash: m.BlockHash, Status: wallet.DepositPending, SeenAt: s.now,
	}
	if in.Asset.IsCoin() {
		return s.arrived(d, 0)
	}
	for i := range m.Transfers {
		f := &m.Transfers[i]
		if f.Asset != in.Asset || f.From != m.Slot.Sender || f.To != in.Recipient || f.Amount.Cmp(in.Amount) != 0 {
			continue
		}
		d.Kind, d.LogIndex = wallet.KindToken, &f.LogIndex
		if recorded, err := s.arrived(d, f.Position); err != nil || recorded {
			return recorded, err
		}
	}
	return false, nil
}

// arrived records a deposit unless it is known.
func (s *settler) arrived(d wallet.Deposit, position uint64) (bool, error) {
	d.ID = wallet.DepositID(s.chain, d.TxHash, d.Kind, position)
	if _, known, err := store.Deposit(s.tx, d.ID); err != nil || known {
		return false, err
	}
	return true, store.PutDeposit(s.tx, d)
}
