package payout

import (
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// watch is what stands before the nodes and sees what airlock asks and is told.
type watch struct {
	mu     sync.Mutex
	front  map[common.Address]uint64 // lowest nonce of each sender that is not mined, as the station knows
	shown  map[common.Hash]bool      // transactions that a node showed
	broken []string
}

func (w *watch) breaks(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// rule is a rule of nodes, after which it is noted what they show.
func (w *watch) rule(bad faulty.Rule) faulty.Rule {
	return faulty.Rules(bad, func(r faulty.Request, a *faulty.Answer) {
		if hash, ok := faulty.Shown(r, a); ok {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.shown == nil {
				w.shown = map[common.Hash]bool{}
			}
			w.shown[hash] = true
		}
	})
}

// gate is a gate of nodes, before which it is proven that what is sent may be.
func (w *watch) gate(s *outgoingSchedule, bad faulty.Gate) faulty.Gate {
	return faulty.Gates(func(requests []faulty.Request) *faulty.Refusal {
		for _, r := range requests {
			if tx := faulty.Sent(r); tx != nil {
				w.sends(s, tx)
			}
		}
		return nil
	}, bad)
}

// sends checks what is about to be sent: it stands in the store that it is, it is
// no payment that was given up, and no window is passed.
func (w *watch) sends(s *outgoingSchedule, tx *types.Transaction) {
	sender, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil {
		w.breaks("sent without a sender: %v", err)
		return
	}
	slot := wallet.Slot{ChainID: s.ChainID(), Sender: sender, Nonce: tx.Nonce()}
	var o wallet.Outgoing
	if err := s.db.View(s.ctx, func(t store.Tx) error {
		o, _, err = store.OutgoingAt(t, slot)
		return err
	}); err != nil {
		w.breaks("%v", err)
		return
	}
	a := o.Attempts[slices.IndexFunc(o.Attempts, func(a wallet.Attempt) bool { return a.Holds(tx.Hash()) })]
	rung := slices.Index(a.Signed, tx.Hash())
	w.mu.Lock()
	front := w.front[sender]
	w.mu.Unlock()
	switch {
	case rung >= a.Offered:
		w.breaks("rung %d of nonce %d was sent before the store knew", rung, slot.Nonce)
	case a.Discarded:
		w.breaks("nonce %d was sent, which was discarded", slot.Nonce)
	case o.Wish == wallet.WishCancel && !a.Cancel:
		w.breaks("nonce %d pays, and is to be canceled", slot.Nonce)
	case slot.Nonce >= front+uint64(s.s.Terms.Window):
		w.breaks("nonce %d was sent with nonce %d open and a window of %d", slot.Nonce, front, s.s.Terms.Window)
	}
}

// states reads the open slots that are not mined, and where each line begins.
func (s *outgoingSchedule) states() map[wallet.Slot]wallet.Outgoing {
	s.Helper()
	all, front := map[wallet.Slot]wallet.Outgoing{}, map[common.Address]uint64{}
	s.view(func(tx store.Tx) error {
		return store.OpenOutgoing(tx, s.s.Chain, func(o wallet.Outgoing) error {
			if _, mined, err := store.MinedAt(tx, o.Slot); err != nil || mined {
				return err
			}
			if _, known := front[o.Slot.Sender]; !known {
				front[o.Slot.Sender] = o.Slot.Nonce
			}
			all[o.Slot] = o
			return nil
		})
	})
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.front = front
	return all
}

// offering does a step that gives nodes transactions, and checks what it gave.
func (s *outgoingSchedule) offering(what string, fn func() error) {
	s.Helper()
	before := s.states()
	market := s.market()
	if s.r.IntN(5) == 0 {
		s.mayCrash()
	}
	err := fn()
	s.tolerate(err, "%s", what)
	after := s.states()
	for slot, o := range after {
		if o.State == wallet.OutgoingAccepted && !s.watch.saw(o.TxHash) {
			s.Fatalf("nonce %d of %s is accepted, and no node ever showed %s", slot.Nonce, slot.Sender, o.TxHash)
		}
		was := before[slot]
		for i := range was.Attempts {
			switch a, b := &was.Attempts[i], &o.Attempts[i]; {
			case b.Offered <= a.Offered:
			case a.Offered == 0:
				s.mayStart(b, slot, after, market)
			case b.Offered > a.Offered+1:
				s.Fatalf("nonce %d of %s climbs %d rungs at once", slot.Nonce, slot.Sender, b.Offered-a.Offered)
			default:
				s.mayClimb(&was, a, market)
			}
		}
	}
}

// saw reports whether a node ever showed a transaction.
func (w *watch) saw(hash common.Hash) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown[hash]
}

// mayStart checks that an attempt had reason to be offered above its first rung:
// what stands before it in the line was raised above the rungs that are left out,
// and the market asks for more.
func (s *outgoingSchedule) mayStart(a *wallet.Attempt, slot wallet.Slot, line map[wallet.Slot]wallet.Outgoing, market outgoing.Market) {
	s.Helper()
	if a.Offered == 1 {
		return
	}
	s.done.Add("started above the first rung")
	below := a.Rungs[a.Offered-2]
	raised := false
	for at, o := range line {
		for i := range o.Attempts {
			if b := &o.Attempts[i]; at.Sender == slot.Sender && at.Nonce < slot.Nonce && b.Offered > 0 {
				has := b.Rungs[b.Rung()]
				raised = raised || has.MaxFeePerGas.Cmp(below.MaxFeePerGas) > 0 || has.MaxPriorityFeePerGas.Cmp(below.MaxPriorityFeePerGas) > 0
			}
		}
	}
	switch {
	case !raised:
		s.Fatalf("nonce %d of %s starts at rung %d, and nothing before it is that high", slot.Nonce, slot.Sender, a.Offered-1)
	case s.fault == "" && market.Met(below):
		s.Fatalf("nonce %d of %s starts at rung %d, and the market asks for less: %+v", slot.Nonce, slot.Sender, a.Offered-1, market)
	}
}

// mayClimb checks that an attempt had reason to be offered one rung up.
func (s *outgoingSchedule) mayClimb(was *wallet.Outgoing, a *wallet.Attempt, market outgoing.Market) {
	s.Helper()
	slot := was.Slot
	s.note("  nonce %d of %.6s climbs to rung %d", slot.Nonce, slot.Sender, a.Offered)
	if was.Wish == wallet.WishBump {
		return
	}
	have := a.Rungs[a.Offered-1]
	switch {
	case s.time.Sub(a.RungAt) < s.s.Terms.ClimbAfter:
		s.Fatalf("nonce %d of %s climbs %s after it did", slot.Nonce, slot.Sender, s.time.Sub(a.RungAt))
	case s.fault == "" && was.Refusal != wallet.RefusalUnderpriced && market.Met(have):
		s.Fatalf("nonce %d of %s climbs, and its rung pays %s, which the market asks: %+v", slot.Nonce, slot.Sender, have.MaxFeePerGas, market)
	}
}

// market is what an honest node says of fees.
func (s *outgoingSchedule) market() outgoing.Market {
	s.Helper()
	tip, err := s.sim.Client().SuggestGasTipCap(s.ctx)
	s.must(err)
	return outgoing.Market{BaseFee: s.baseFee(), Tip: wallet.AmountOf(tip), Known: true}
}
