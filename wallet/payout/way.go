package payout

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Row is a transaction on its way, or one that holds up others.
type Row struct {
	Kind   wallet.IntentKind
	ID     string
	From   common.Address
	Nonce  uint64
	Rung   int // highest that a node was given, from 1; 0 if none was
	Rungs  int
	Fee    wallet.Fee // of that rung, or of the first
	Cancel bool       // nodes are given its cancel instead
	State  wallet.OutgoingState
	Since  time.Time // when it was bound
	TxHash common.Hash
	Reason string // why it is not further
}

// OnTheWay lists what is signed and not final, by sender and nonce, and what is
// not signed but holds up what is.
func (s *Service) OnTheWay(ctx context.Context) (rows []Row, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		w := way{window: s.terms().Window}
		if err := store.OpenOutgoing(tx, s.Chain, func(o wallet.Outgoing) error {
			why, err := outgoing.WhyWaits(tx, &o)
			if err == nil {
				w.add(&o, why)
			}
			return err
		}); err != nil {
			return err
		}
		rows = w.rows
		return nil
	})
	return rows, err
}

// way puts rows together, a sender after the other, by nonce.
type way struct {
	window int
	rows   []Row

	sender  common.Address
	ahead   int    // unmined transactions of the sender before
	blocker *Row   // the first of them that no node may be given, not listed yet
	why     string // everything after it waits
}

func (w *way) add(o *wallet.Outgoing, wait string) {
	if o.Slot.Sender != w.sender {
		w.sender, w.ahead, w.blocker, w.why = o.Slot.Sender, 0, nil, ""
	}
	r := rowOf(o)
	if o.State == wallet.OutgoingMined {
		w.rows = append(w.rows, r)
		return
	}
	if r.Reason == "" {
		r.Reason = w.reason(o, wait)
	}
	w.ahead++
	if o.State != wallet.OutgoingBound {
		if w.blocker != nil {
			w.rows, w.blocker = append(w.rows, *w.blocker), nil
		}
		w.rows = append(w.rows, r)
	}
	if w.why == "" && wait == "" && o.Refusal != "" && o.State != wallet.OutgoingAccepted {
		w.why = fmt.Sprintf("behind nonce %d: %s", o.Slot.Nonce, o.Answer)
	}
	if w.why == "" && wait != "" {
		w.why = fmt.Sprintf("behind nonce %d: %s", o.Slot.Nonce, wait)
		if o.State == wallet.OutgoingBound {
			w.blocker = &r
		}
	}
}

func (w *way) reason(o *wallet.Outgoing, wait string) string {
	switch {
	case w.why != "":
		return w.why
	case wait != "":
		return wait
	case w.ahead >= w.window:
		return fmt.Sprintf("waits for the window of %d", w.window)
	case o.State == wallet.OutgoingOffered:
		return "no node shows it yet"
	}
	return ""
}

func rowOf(o *wallet.Outgoing) Row {
	a := o.Current()
	r := Row{
		Kind: o.Intent.Kind, ID: o.Intent.ID, From: o.Slot.Sender, Nonce: o.Slot.Nonce,
		Rung: a.Offered, Rungs: len(a.Rungs), Cancel: a.Cancel,
		State: o.State, Since: o.BoundAt, TxHash: o.TxHash, Reason: o.Answer,
	}
	if len(a.Rungs) > a.Rung() {
		r.Fee = a.Rungs[a.Rung()]
	}
	if (r.TxHash == common.Hash{}) && len(a.Signed) > a.Rung() {
		r.TxHash = a.Signed[a.Rung()]
	}
	return r
}
