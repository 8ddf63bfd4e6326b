package payout

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Witness says what each endpoint of a chain knows of a sender and its
// transactions.
type Witness interface {
	Evidence(ctx context.Context, sender common.Address, hashes []common.Hash) []chain.Testimony
}

// Nobody is the witness where no endpoint can be reached.
type Nobody struct{}

// Evidence is none.
func (Nobody) Evidence(context.Context, common.Address, []common.Hash) []chain.Testimony { return nil }

// Case is a slot with all that is known of it and what is safe to do.
type Case struct {
	outgoing.Dossier
	Hashes  []common.Hash     // what the testimonies are about
	Words   []chain.Testimony // one of each endpoint
	Clashes []string          // what cannot all be true
	Choices []Choice
}

// Heard reports whether any endpoint said anything of the slot.
func (c *Case) Heard() bool {
	return slices.ContainsFunc(c.Words, func(t chain.Testimony) bool { return t.Err == nil })
}

// Page chooses some of the slots that are in doubt, by sender and nonce.
type Page struct {
	After *wallet.Slot // the last one of the page before
	Limit int          // 0 for no limit
}

// Found are slots that are in doubt.
type Found struct {
	Cases []Case
	Left  int  // how many more there may be after the page
	Heard bool // whether any endpoint said anything
}

// Cases lists what is in doubt: what the store cannot explain alone (Doubts),
// and what holds up senders. Each comes with what every endpoint says of it; a
// testimony can end only the doubt whether nodes have a transaction.
func (s *Service) Cases(ctx context.Context, node Witness, p Page) (f Found, err error) {
	senders, err := s.senders(ctx)
	if err != nil {
		return f, err
	}
	counts := map[common.Address]uint64{}
	for i, words := range ask(ctx, node, senders, nil) {
		for _, t := range words {
			if t.Err == nil {
				counts[senders[i]], f.Heard = max(counts[senders[i]], t.Latest), true
			}
		}
	}
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		f.Cases, f.Left, err = s.page(tx, counts, p)
		return err
	}); err != nil {
		return f, err
	}
	if err := hear(ctx, node, f.Cases); err != nil {
		return f, err
	}
	f.Cases = slices.DeleteFunc(f.Cases, func(c Case) bool {
		return c.Doubt.Kind == outgoing.DoubtMissing && len(c.Clashes) == 0 && !c.nowhere()
	})
	return f, nil
}

// page reads some of the slots that are in doubt.
func (s *Service) page(tx store.Tx, counts map[common.Address]uint64, p Page) (list []Case, left int, err error) {
	doubts, err := outgoing.Doubts(tx, s.Chain, counts)
	if err != nil {
		return nil, 0, err
	}
	gaps, err := outgoing.Gaps(tx, s.Chain, counts)
	if err != nil {
		return nil, 0, err
	}
	for i := range gaps {
		doubts = append(doubts, gaps[i].Doubt())
	}
	missing, err := outgoing.Missing(tx, s.Chain, s.now())
	if err != nil {
		return nil, 0, err
	}
	doubts = append(doubts, missing...)
	byPlace := func(a, b outgoing.Doubt) int {
		return cmp.Or(a.Slot.Sender.Cmp(b.Slot.Sender), cmp.Compare(a.Slot.Nonce, b.Slot.Nonce))
	}
	slices.SortStableFunc(doubts, byPlace)
	doubts = slices.CompactFunc(doubts, func(a, b outgoing.Doubt) bool { return byPlace(a, b) == 0 })
	if p.After != nil {
		doubts = slices.DeleteFunc(doubts, func(d outgoing.Doubt) bool { return byPlace(d, outgoing.Doubt{Slot: *p.After}) <= 0 })
	}
	if p.Limit > 0 && len(doubts) > p.Limit {
		left = len(doubts) - p.Limit
		doubts = doubts[:p.Limit]
	}
	for _, doubt := range doubts {
		d, err := outgoing.ReadDossier(tx, doubt.Slot, s.now())
		if err != nil {
			return nil, 0, err
		}
		d.Doubt = &doubt
		list = append(list, Case{Dossier: d})
	}
	return list, left, nil
}

// CaseOf is the slot of a withdrawal, in doubt or not. The error is
// wallet.ErrNotFound if it is bound to none.
func (s *Service) CaseOf(ctx context.Context, node Witness, id string) (Case, error) {
	var slot wallet.Slot
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		w, err := s.find(tx, id)
		if err != nil {
			return err
		}
		if w.Slot == nil {
			return wallet.WithHint(wallet.As(wallet.ErrNotFound, "withdrawal %s is %s: no batch holds it, so no transaction of it exists", id, w.Status), "airlock withdraw show %s", id)
		}
		slot = *w.Slot
		return nil
	}); err != nil {
		return Case{}, err
	}
	return s.CaseAt(ctx, node, slot.Sender, slot.Nonce)
}

// CaseAt is a slot, in doubt or not.
func (s *Service) CaseAt(ctx context.Context, node Witness, sender common.Address, nonce uint64) (Case, error) {
	c := make([]Case, 1)
	if err := s.DB.View(ctx, func(tx store.Tx) (err error) {
		c[0].Dossier, err = outgoing.ReadDossier(tx, wallet.Slot{ChainID: s.Chain, Sender: sender, Nonce: nonce}, s.now())
		return err
	}); err != nil {
		return Case{}, err
	}
	err := hear(ctx, node, c)
	return c[0], err
}

// hear adds to cases what the endpoints say of them, and what is safe to do
// then. Each endpoint is asked about all cases of a sender at once.
func hear(ctx context.Context, node Witness, list []Case) error {
	var senders []common.Address
	of := map[common.Address][]int{}
	for i := range list {
		c := &list[i]
		c.Hashes = c.Dossier.Hashes()
		if of[c.Slot.Sender] == nil {
			senders = append(senders, c.Slot.Sender)
		}
		of[c.Slot.Sender] = append(of[c.Slot.Sender], i)
	}
	hashes := make([][]common.Hash, len(senders))
	for i, a := range senders {
		for _, at := range of[a] {
			hashes[i] = append(hashes[i], list[at].Hashes...)
		}
	}
	for i, words := range ask(ctx, node, senders, hashes) {
		from := 0
		for _, at := range of[senders[i]] {
			c := &list[at]
			to := from + len(c.Hashes)
			for _, t := range words {
				if t.Err == nil {
					t.Transactions = t.Transactions[from:to:to]
				}
				c.Words = append(c.Words, t)
			}
			from = to
			v := judge(&c.Dossier, c.Hashes, c.Words)
			c.Clashes, c.Choices = v.clashes, choose(&c.Dossier, &v)
		}
	}
	return ctx.Err()
}

// nowhere reports whether, as far as anybody told, no endpoint has any of the
// transactions, and none counts the nonce as used. If nobody told anything, it
// goes by what the store heard last.
func (c *Case) nowhere() bool {
	if !c.Heard() {
		return c.Outgoing.State == wallet.OutgoingOffered
	}
	v := judge(&c.Dossier, c.Hashes, c.Words)
	return len(v.used) == 0 && len(v.pooled) == 0 && len(v.mined) == 0
}

// asking is for how many senders endpoints are asked at the same time.
const asking = 4

// ask has all endpoints testify on several senders. hashes are those to ask for
// with each, or nil for none.
func ask(ctx context.Context, node Witness, senders []common.Address, hashes [][]common.Hash) [][]chain.Testimony {
	words := make([][]chain.Testimony, len(senders))
	var wg sync.WaitGroup
	turn := make(chan struct{}, asking)
	for i, a := range senders {
		var of []common.Hash
		if hashes != nil {
			of = hashes[i]
		}
		turn <- struct{}{}
		wg.Go(func() {
			words[i] = node.Evidence(ctx, a, of)
			<-turn
		})
	}
	wg.Wait()
	return words
}
