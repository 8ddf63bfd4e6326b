package scanner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Rescan reads the blocks from ≤ n ≤ to again and records what is missing;
// what is right stays as it is, however often they are read. What is found is
// credited by the next Pass, or at once if its block is final enough. A to of 0
// means all that was read.
//
// Every block must lead, parent by parent, to one that was followed before, so
// some blocks beyond to are read as well.
func (s *Scanner) Rescan(ctx context.Context, from, to uint64) (Summary, error) {
	st, err := s.begin(ctx)
	if err == nil {
		err = s.canRead(st, from, to)
	}
	if err != nil {
		return Summary{}, err
	}
	if to == 0 || to > st.cursor.Head {
		to = st.cursor.Head
	}
	sum := Summary{From: from, To: to}
	news := 0
	count := func(_ store.Tx, f *Facts) error {
		news += len(f.Deposits) + len(f.Mined) + len(f.Outflows)
		return nil
	}
	for from <= to {
		if from, err = s.again(ctx, from, to, &sum, count); err != nil {
			return sum, err
		}
		s.progress(ReadingBlocks, from-sum.From, to-sum.From+1)
	}
	if news == 0 {
		if err := s.readOnceMore(ctx, st, &sum); err != nil {
			return sum, err
		}
	}
	return sum, s.settleAgain(ctx, &sum)
}

// CheckRescan reports why Rescan would refuse to read these blocks, or nil.
func (s *Scanner) CheckRescan(ctx context.Context, from, to uint64) error {
	st, err := s.begin(ctx)
	if err != nil {
		return err
	}
	return s.canRead(st, from, to)
}

func (s *Scanner) canRead(st state, from, to uint64) error {
	first := base(st.chain) + 1
	switch {
	case from < first:
		return wallet.WithHint(
			wallet.As(wallet.ErrUsage, "block %d is below the first block of chain %d, %d: what lay on addresses before it is their opening balance", from, s.id, first),
			"begin at block %d or above", first)
	case to != 0 && to < from:
		return wallet.As(wallet.ErrUsage, "blocks %d to %d: want the lower one first", from, to)
	case from > st.cursor.Head:
		return wallet.WithHint(wallet.As(wallet.ErrUsage, "block %d was not read for the first time yet: chain %d was read to block %d", from, s.id, st.cursor.Head),
			"airlock scan reads on from there")
	}
	return nil
}

// readOnceMore ends the alarm about blocks that were missed, if these are among
// the ones that were read again now without any news.
func (s *Scanner) readOnceMore(ctx context.Context, st state, sum *Summary) error {
	for _, a := range st.alarms {
		if a.Code == wallet.AlarmMissed && sum.From <= a.Block && a.Last <= sum.To {
			return s.end(ctx, st, wallet.AlarmMissed, sum)
		}
	}
	return nil
}

// settleAgain credits what was found in blocks that are final enough already.
func (s *Scanner) settleAgain(ctx context.Context, sum *Summary) error {
	st, err := s.begin(ctx)
	if err != nil {
		return err
	}
	t, err := s.readTags(ctx, st.chain)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, &st, t, sum); !errors.Is(err, errMoved) {
		return err
	}
	return nil // the pass that moved the cursor does it
}

// again reads blocks from the given one up to the next whose hash is known, and
// returns the block after it. What is news is told in the transaction that
// records it.
func (s *Scanner) again(ctx context.Context, from, to uint64, sum *Summary, tell func(store.Tx, *Facts) error) (uint64, error) {
	anchor, hash, err := s.followed(ctx, min(to, from+uint64(s.o.MaxBlocksPerStep)-1)) //nolint:gosec // small and positive
	if err != nil {
		return 0, err
	}
	facts, err := s.linked(ctx, from, block{anchor, hash}, func(n uint64) bool { return n <= to })
	if err != nil {
		return 0, err
	}
	return anchor + 1, s.recordAgain(ctx, anchor, hash, facts, sum, tell)
}

// linked reads the blocks from the given one up to an anchor that was followed
// before, makes sure that they lead to it, and returns the facts of those that
// are wanted.
func (s *Scanner) linked(ctx context.Context, from uint64, anchor block, want func(n uint64) bool) ([]Facts, error) {
	var blocks []*chain.Block
	var facts []Facts
	var parent common.Hash
	items := 0
	flush := func() error {
		found, err := s.extract(ctx, blocks)
		facts, blocks, items = append(facts, found...), nil, 0
		return err
	}
	for b, err := range s.chain.Blocks(ctx, from, anchor.number) {
		if err != nil {
			return nil, err
		}
		if b.Number() > from && b.Header.ParentHash != parent {
			return nil, fmt.Errorf("chain %d: block %d does not follow block %d: %w", s.id, b.Number(), b.Number()-1, errMoved)
		}
		if parent = b.Hash; !want(b.Number()) {
			continue
		}
		items += itemsOf(b)
		if blocks = append(blocks, b); len(blocks) == s.o.MaxBlocksPerStep || items > maxStepItems {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if parent != anchor.hash {
		return nil, wallet.WithHint(fmt.Errorf("chain %d: block %d is %s now, %s was read before: %w", s.id, anchor.number, parent, anchor.hash, errMoved),
			"airlock scan follows what was reorganised; then read the blocks again")
	}
	return facts, nil
}

// followed finds the next block at or above n whose hash is known.
func (s *Scanner) followed(ctx context.Context, n uint64) (at uint64, hash common.Hash, err error) {
	err = s.db.View(ctx, func(tx store.Tx) error {
		var ok bool
		if at, hash, ok, err = store.FollowedFrom(tx, s.id, n); err == nil && !ok {
			err = fmt.Errorf("chain %d: no hash is known from block %d on: %w", s.id, n, errMoved)
		}
		return err
	})
	return at, hash, err
}

// recordAgain writes what was found, if the block that it hangs on is still in
// the store.
func (s *Scanner) recordAgain(ctx context.Context, anchor uint64, hash common.Hash, facts []Facts, sum *Summary, tell func(store.Tx, *Facts) error) error {
	deposits := 0
	err := s.db.Update(ctx, func(tx store.Tx) error {
		deposits = 0
		if _, now, ok, err := store.FollowedFrom(tx, s.id, anchor); err != nil {
			return err
		} else if !ok || now != hash {
			return fmt.Errorf("chain %d: block %d left the chain: %w", s.id, anchor, errMoved)
		}
		for i := range facts {
			var err error
			if facts[i], err = s.resolve(tx, facts[i]); err != nil {
				return err
			}
			news, err := s.recordLate(tx, &facts[i])
			if err != nil {
				return err
			}
			deposits += len(news.Deposits)
			if err := tell(tx, &news); err != nil {
				return err
			}
		}
		return nil
	})
	sum.Blocks += uint64(len(facts))
	sum.Deposits += deposits
	for i := range facts {
		sum.add(&facts[i])
	}
	return err
}

// recordLate records the facts of a block that was read before. What was not
// known is part of the opening balances that were read in this block or after
// it, and is taken out of them.
func (s *Scanner) recordLate(tx store.Tx, f *Facts) (news Facts, err error) {
	if len(f.Deposits)+len(f.Mined)+len(f.Outflows) == 0 {
		return s.recordNews(tx, f)
	}
	before, err := store.ChangesIn(tx, s.id, f.Number)
	if err != nil {
		return news, err
	}
	if news, err = s.recordNews(tx, f); err != nil {
		return news, err
	}
	more, err := store.ChangesIn(tx, s.id, f.Number)
	if err != nil {
		return news, err
	}
	for at, amount := range before {
		more[at] = more[at].Sub(amount)
	}
	places := slices.SortedFunc(maps.Keys(more), func(a, b store.Place) int {
		return cmp.Or(a.Address.Cmp(b.Address), a.Asset.Contract.Cmp(b.Asset.Contract))
	})
	for _, at := range places {
		opened, ok, err := store.OpenedAt(tx, at)
		if err != nil {
			return news, err
		}
		if !ok || opened < f.Number || more[at].IsZero() {
			continue
		}
		if err := s.bookOpening(tx, opened, at, more[at].Neg()); err != nil {
			return news, err
		}
	}
	return news, nil
}
