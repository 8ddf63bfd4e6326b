package payout

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Tracked is a withdrawal and where it stands on its way.
type Tracked struct {
	outgoing.Withdrawal
	State  *wallet.OutgoingState `json:"state"`  // null until a batch holds it
	Cancel bool                  `json:"cancel"` // its cancel is offered instead; rungs and fee are those of it
	Rung   int                   `json:"rung"`   // highest that a node was given, from 1; 0 if none was
	Rungs  int                   `json:"rungs"`
	MaxFee *wallet.Amount        `json:"max_fee_per_gas"` // wei, of that rung or else of the first
	Age    *int64                `json:"age_seconds"`     // since its nonce was bound
	Ahead  *int                  `json:"ahead"`           // transactions of its sender before it that are not mined
	// Seconds until it is expected in a block, and final there; null where
	// nothing can be said.
	BlockETA *int64 `json:"block_eta_seconds"`
	ETA      *int64 `json:"eta_seconds"`
	Next     string `json:"next"` // what it waits for; empty if it is settled
}

// Observer is what tracking a withdrawal asks of a chain.
type Observer interface {
	Witness
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
}

// Track shows one withdrawal, and where it stands and why. node is nil where no
// endpoint can be reached; what only endpoints can say is left out then.
func (s *Service) Track(ctx context.Context, id string, node Observer) (t Tracked, err error) {
	var w wallet.Withdrawal
	var d *outgoing.Dossier
	var cursor store.Cursor
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		if w, err = s.find(tx, id); err != nil {
			return err
		}
		if t.Withdrawal, err = outgoing.ViewWithdrawal(tx, w); err != nil {
			return err
		}
		if cursor, _, err = store.ReadCursor(tx, s.Chain); err != nil || w.Slot == nil {
			return err
		}
		read, err := outgoing.ReadDossier(tx, *w.Slot, s.now())
		d = &read
		return err
	}); err != nil {
		return t, err
	}
	if d == nil || d.Outgoing == nil {
		t.Next = outgoing.NextStep(&w, nil, nil)
		return t, nil
	}
	t.stand(d.Outgoing, d.Before.Ahead, s.now())
	var met *bool
	var gone bool
	var tempo outgoing.Tempo
	if node != nil && !w.Status.Settled() {
		met, tempo = observe(ctx, node, cursor, d.Outgoing)
		t.Reason, gone = reasonOf(ctx, node, t.Reason, d, met)
		if ctx.Err() != nil {
			return t, ctx.Err()
		}
	} else if t.Reason == "" && !w.Status.Settled() {
		t.Reason = d.Why()
	}
	if !w.Status.Settled() {
		block, final := d.ETA(met, tempo, s.now())
		t.BlockETA, t.ETA = inSeconds(block), inSeconds(final)
	}
	t.Next = outgoing.NextStep(&w, d, met)
	if gone {
		t.Next = "airlock confirm offers it again"
	}
	return t, nil
}

// stand fills in where a slot's transaction stands.
func (t *Tracked) stand(o *wallet.Outgoing, ahead int, now time.Time) {
	a := o.Current()
	t.State, t.Cancel, t.Rung, t.Rungs, t.Ahead = &o.State, a.Cancel, a.Offered, len(a.Rungs), &ahead
	if a.Rung() < len(a.Rungs) {
		t.MaxFee = &a.Rungs[a.Rung()].MaxFeePerGas
	}
	t.Age = inSeconds(new(max(now.Sub(o.BoundAt), 0)))
}

// observe compares the fees of a transaction with the market, and measures the
// chain. What a node does not tell stays unknown.
func observe(ctx context.Context, node Observer, c store.Cursor, o *wallet.Outgoing) (met *bool, t outgoing.Tempo) {
	if a := o.Current(); a.Rung() < len(a.Rungs) {
		head, err := node.HeaderByNumber(ctx, nil)
		tip, tipErr := node.SuggestGasTipCap(ctx)
		if err == nil && tipErr == nil && head.BaseFee != nil {
			m := outgoing.Market{Head: head.Number.Uint64(), BaseFee: wallet.AmountOf(head.BaseFee), Tip: wallet.AmountOf(tip), Known: true}
			met = new(m.Met(a.Rungs[a.Rung()]))
		}
	}
	head, err := node.HeaderByNumber(ctx, new(big.Int).SetUint64(c.Head))
	if err != nil {
		return met, t
	}
	final, err := node.HeaderByNumber(ctx, new(big.Int).SetUint64(c.Final))
	if err != nil {
		return met, t
	}
	return met, outgoing.TempoOf(c.Head, c.Final, timeOf(head), timeOf(final))
}

func timeOf(h *types.Header) time.Time {
	return time.Unix(int64(h.Time), 0) //nolint:gosec // far from its bounds
}

// reasonOf is why a transaction is not further, by what the store knows and what
// endpoints say now; gone is true of what was sent and none of them has.
func reasonOf(ctx context.Context, node Witness, known string, d *outgoing.Dossier, met *bool) (reason string, gone bool) {
	if known != "" || d.Mined != nil {
		return known, false
	}
	hashes := d.Hashes()
	v := judge(d, hashes, node.Evidence(ctx, d.Slot.Sender, hashes))
	why := d.Why()
	switch {
	case len(v.clashes) > 0:
		return v.clashes[0], false
	case len(v.used) > 0 || len(v.mined) > 0:
		return "its nonce is used on chain: airlock scan finds by what", false
	case why != "" && d.Outgoing.State != wallet.OutgoingOffered:
		return why, false
	case d.Outgoing.Current().Offered > 0 && v.heard > 0 && len(v.pooled) == 0:
		return nowhere(v.heard), true
	case d.Before.Ahead > 0 && d.Before.Unheard > 0:
		return "what is before it is at no node yet", false
	case met != nil && !*met:
		return "its fee is below what the next block may ask", false
	}
	return why, false
}

// nowhere is why a transaction waits that was sent, and that none of these endpoints has.
func nowhere(endpoints int) string {
	if endpoints == 1 {
		return "the endpoint does not have it any more"
	}
	return fmt.Sprintf("none of %d endpoints has it", endpoints)
}

func inSeconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	return new(int64(d.Round(time.Second) / time.Second))
}
