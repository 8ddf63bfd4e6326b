package scanner

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// tags is what the endpoints say is safe and final.
type tags struct {
	safe      *types.Header // nil if nothing is, or if nobody needs to know
	finalized *types.Header // nil if nothing is
	// untagged is set where no endpoint knows the finalized tag.
	untagged bool
	// missing is why deposits cannot be credited by the chain's finality.
	missing error
	// Why it is not known where a tag stands: the blocks are read all the same,
	// and nothing is credited or final by that tag.
	safeUnsure, finalizedUnsure error
}

// readTags asks for the tags that the chain's settings need.
func (s *Scanner) readTags(ctx context.Context, c wallet.Chain) (tags, error) {
	var t tags
	var err error
	t.finalized, err = s.chain.FinalizedHeader(ctx)
	switch {
	case fewAgree(err):
		t.finalizedUnsure = err
	case errors.Is(err, chain.ErrTagUnsupported):
		t.untagged = true
		if c.Finality.Tag == "finalized" {
			t.missing = err
		}
	case err != nil && !errors.Is(err, chain.ErrNotYet):
		return t, err
	}
	if c.Finality.Tag != "safe" {
		return t, nil
	}
	t.safe, err = s.chain.SafeHeader(ctx)
	switch {
	case fewAgree(err):
		t.safeUnsure = err
	case errors.Is(err, chain.ErrTagUnsupported):
		t.missing = err
	case err != nil && !errors.Is(err, chain.ErrNotYet):
		return t, err
	}
	return t, nil
}

// fewAgree reports whether too few endpoints agree where a tag stands.
func fewAgree(err error) bool {
	var few *chain.TagError
	var split *chain.DisagreementError
	return errors.As(err, &few) || errors.As(err, &split)
}

// unsure is why it is not known where one of the tags stands.
func (t *tags) unsure() error { return cmp.Or(t.finalizedUnsure, t.safeUnsure) }

// known reports whether it is known where the tags stand.
func (t *tags) known() bool { return t.unsure() == nil }

// final is the block that may be final once the chain was read to head; it is
// what the endpoints say and not yet compared with what was read.
func (t *tags) final(st state, head uint64) uint64 {
	switch {
	case t.finalized != nil:
		return min(t.finalized.Number.Uint64(), head)
	case t.untagged:
		return confirmed(head, settleDepth(st.chain))
	}
	return st.cursor.Final
}

func settleDepth(c wallet.Chain) uint64 {
	if c.SettleDepth == 0 {
		return wallet.DefaultSettleDepth
	}
	return c.SettleDepth
}

// confirmed is the last block that has n confirmations: head − block + 1 ≥ n.
func confirmed(head, n uint64) uint64 {
	n = max(n, 1)
	return head + 1 - min(n, head+1)
}

// target is how far crediting and finality may go.
type target struct {
	credit, final uint64
	finalHash     common.Hash
}

// aim decides how far crediting and finality may go, from what was read. What
// a tag names counts only if it is a block that was read: a tag above the head
// waits, and one at another block is errTagElsewhere. Neither ever goes back.
func (s *Scanner) aim(tx store.Tx, st state, t tags) (target, error) {
	c := st.cursor
	to := target{c.Credited, c.Final, c.FinalHash}
	if f := st.chain.Finality; f.Tag == "" {
		to.credit = max(to.credit, confirmed(c.Head, f.Confirmations))
	}
	for _, tag := range []struct {
		name          string
		header        *types.Header
		credits, ends bool
	}{
		{"finalized", t.finalized, st.chain.Finality.Tag == "finalized", true},
		{"safe", t.safe, st.chain.Finality.Tag == "safe", false},
	} {
		if tag.header == nil {
			continue
		}
		n, hash := tag.header.Number.Uint64(), tag.header.Hash()
		if n > c.Head || n < base(st.chain) {
			continue
		}
		have, err := store.BlockHash(tx, s.id, n)
		switch {
		case err != nil:
			return to, err
		case have == (common.Hash{}): // so far below what is final that it is not kept
			continue
		case have != hash:
			return to, &tagError{tag.name, n, have, hash}
		}
		if tag.credits {
			to.credit = max(to.credit, n)
		}
		if tag.ends && n > to.final {
			to.final, to.finalHash = n, hash
		}
	}
	if n := confirmed(c.Head, settleDepth(st.chain)); t.untagged && n > to.final && n >= base(st.chain) {
		hash, err := store.BlockHash(tx, s.id, n)
		if err != nil {
			return to, err
		}
		if hash != (common.Hash{}) {
			to.final, to.finalHash = n, hash
		}
	}
	return to, nil
}

// maxSettle bounds the deposits and outflows that one transaction books.
const maxSettle = 500

// settle credits what has become final enough, and moves what is final along,
// as far as a quorum of the endpoints agrees.
func (s *Scanner) settle(ctx context.Context, st *state, t tags, sum *Summary) error {
	var to target
	err := s.db.View(ctx, func(tx store.Tx) (err error) {
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		to, err = s.aim(tx, *st, t)
		return err
	})
	if err != nil {
		return err
	}
	if to, err = s.agreed(ctx, st.cursor, to, sum); err != nil {
		return err
	}
	for more := true; more; {
		var cursor store.Cursor
		booked := 0
		err := s.db.Update(ctx, func(tx store.Tx) (err error) {
			// What was read stands as long as the cursor does.
			if err := s.unmoved(tx, st.cursor); err != nil {
				return err
			}
			cursor, booked, more, err = s.bookUpTo(tx, st.cursor, to)
			if err != nil || cursor == st.cursor {
				return err
			}
			if err := s.prune(tx, min(keepFrom(cursor.Final), cursor.Head)); err != nil {
				return err
			}
			return store.PutCursor(tx, s.id, cursor)
		})
		if err != nil {
			return err
		}
		sum.Confirmed += booked
		st.cursor = cursor
	}
	if t.missing != nil {
		return wallet.WithHint(fmt.Errorf("chain %d: deposits are credited at the tag %q: %w", s.id, st.chain.Finality.Tag, t.missing),
			"use an endpoint that knows the tag, or set up the chain with --confirmations")
	}
	if err := t.unsure(); sum.Unagreed == nil && err != nil {
		sum.Unagreed = wallet.WithHint(fmt.Errorf("chain %d: nothing is credited or final by a tag: %w", s.id, err),
			"airlock doctor asks each endpoint alone; one that is gone or does not know the tag has to be replaced in config.toml")
	}
	return sum.Unagreed
}

// bookUpTo books some of what lies up to the target. There may be more.
func (s *Scanner) bookUpTo(tx store.Tx, c store.Cursor, to target) (after store.Cursor, booked int, more bool, err error) {
	pending, err := store.PendingDeposits(tx, s.id, to.credit, maxSettle)
	if err != nil {
		return c, 0, false, err
	}
	for _, d := range pending {
		if err := s.credit(tx, d); err != nil {
			return c, 0, false, err
		}
	}
	outflows, err := store.Outflows(tx, s.id, 0, to.final, maxSettle)
	if err != nil {
		return c, 0, false, err
	}
	for _, o := range outflows {
		if err := s.bookOutflow(tx, o); err != nil {
			return c, 0, false, err
		}
	}
	if len(pending) == maxSettle || len(outflows) == maxSettle {
		return c, len(pending), true, nil
	}
	c.Credited, c.Final, c.FinalHash = to.credit, to.final, to.finalHash
	return c, len(pending), false, nil
}
