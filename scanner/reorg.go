package scanner

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// ErrTooDeep says that a reorg goes deeper than the block hashes that are kept.
var ErrTooDeep = errors.New("the reorg is deeper than what is kept")

// errBehind says that an endpoint has no block below the head that was told:
// another one told it. That proves nothing about the block.
var errBehind = errors.New("an endpoint is behind")

const (
	// kept is for how many blocks below the final one hashes are kept.
	kept = 10_000
	// markEvery is the distance of the blocks whose hashes are kept for ever,
	// so that an old block that is read again is at most so far from a hash
	// that was followed from the head.
	markEvery = 1024
)

// keepFrom is the lowest block whose hash is kept when n is final.
func keepFrom(n uint64) uint64 { return n - min(n, kept) }

// putHash remembers a block that was followed.
func (s *Scanner) putHash(tx store.Tx, n uint64, hash common.Hash) error {
	if n%markEvery == 0 {
		if err := store.PutBlockMark(tx, s.id, n, hash); err != nil {
			return err
		}
	}
	return store.PutBlockHash(tx, s.id, n, hash)
}

// prune forgets the hashes of blocks below n, the marks excepted.
func (s *Scanner) prune(tx store.Tx, n uint64) error {
	if n == 0 {
		return nil
	}
	return store.DeleteBlockHashes(tx, s.id, 0, n-1)
}

// reorg undoes the blocks that are no longer in the chain. It returns errMoved
// when it did: reading begins anew. Where it cannot tell which they are because
// an endpoint is behind, it returns errBehind.
func (s *Scanner) reorg(ctx context.Context, st state, sum *Summary) error {
	fork, hash, err := s.findFork(ctx, st)
	if err != nil {
		return err
	}
	if err := s.mayUndo(ctx, st.cursor, fork, sum); err != nil {
		return err
	}
	orphaned, err := s.rollback(ctx, st, fork, hash)
	if err != nil {
		return err
	}
	sum.Orphaned += orphaned
	sum.Undone += st.cursor.Head - fork
	return errMoved
}

// findFork finds the last block that is both in the store and in the chain.
// It returns a zero hash if there is none down to the block before the start.
func (s *Scanner) findFork(ctx context.Context, st state) (uint64, common.Hash, error) {
	low := max(base(st.chain), st.cursor.Final)
	same := func(n uint64) (bool, error) {
		have, err := s.hashOf(ctx, st.cursor, n)
		if err != nil {
			return false, err
		}
		if have == (common.Hash{}) {
			return false, wallet.WithHint(fmt.Errorf("chain %d: block %d left the chain, and so did those down to block %d: %w",
				s.id, st.cursor.Head, n, ErrTooDeep), "the endpoints may serve another chain; else restore a backup from before that block")
		}
		h, err := s.headerAt(ctx, n)
		if errors.Is(err, ethereum.NotFound) {
			return false, errBehind
		}
		return err == nil && h.Hash() == have, err
	}
	// Most reorgs are shallow: go down in growing steps, then look between.
	bad := st.cursor.Head
	good, found := low, false
	for step := uint64(1); bad > low && !found; step *= 2 {
		n := bad - min(step, bad-low)
		is, err := same(n)
		switch {
		case err != nil:
			return 0, common.Hash{}, err
		case is:
			good, found = n, true
		default:
			bad = n
		}
	}
	if !found {
		return s.lostBase(ctx, st, low)
	}
	var failed error
	between := sort.Search(int(bad-good), func(i int) bool { //nolint:gosec // less than the blocks kept
		if failed != nil {
			return true
		}
		is, err := same(good + uint64(i))
		failed = err
		return !is
	})
	if failed != nil {
		return 0, common.Hash{}, failed
	}
	fork := good + uint64(max(between, 1)-1)
	hash, err := s.hashOf(ctx, st.cursor, fork)
	return fork, hash, err
}

// lostBase is what happens when not even the lowest block is still there: it
// was final, which must not happen, or it is the one before the start. Then
// reading starts again so far below that what was read after the start, and is
// mined before it now, is found there.
func (s *Scanner) lostBase(ctx context.Context, st state, low uint64) (uint64, common.Hash, error) {
	if st.cursor.Final >= low && st.cursor.Final > 0 {
		h, err := s.headerAt(ctx, st.cursor.Final)
		if errors.Is(err, ethereum.NotFound) {
			return 0, common.Hash{}, errBehind
		}
		if err != nil {
			return 0, common.Hash{}, err
		}
		if h.Hash() == st.cursor.FinalHash {
			return 0, common.Hash{}, errMoved
		}
		return 0, common.Hash{}, &FinalChangedError{s.id, st.cursor.Final, st.cursor.FinalHash, h.Hash()}
	}
	low -= min(low, settleDepth(st.chain))
	h, err := s.headerAt(ctx, low)
	if err != nil {
		return 0, common.Hash{}, err
	}
	return low, h.Hash(), nil
}

// hashOf is the hash of a block that was read, the zero hash if it is not kept.
func (s *Scanner) hashOf(ctx context.Context, cursor store.Cursor, n uint64) (hash common.Hash, err error) {
	err = s.db.View(ctx, func(tx store.Tx) (err error) {
		if err := s.unmoved(tx, cursor); err != nil {
			return err
		}
		hash, err = store.BlockHash(tx, s.id, n)
		return err
	})
	return hash, err
}

// rollback undoes, in one transaction, everything that was recorded above the
// fork. It returns how many deposits were orphaned.
func (s *Scanner) rollback(ctx context.Context, st state, fork uint64, hash common.Hash) (orphaned int, err error) {
	err = s.db.Update(ctx, func(tx store.Tx) error {
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		orphaned, err = s.rollbackTo(tx, st.cursor, fork, hash)
		return err
	})
	return orphaned, err
}

// rollbackTo undoes what was recorded above the fork and sets the cursor there.
func (s *Scanner) rollbackTo(tx store.Tx, c store.Cursor, fork uint64, hash common.Hash) (orphaned int, err error) {
	was, err := store.BlockHash(tx, s.id, fork)
	if err != nil {
		return 0, err
	}
	from := fork + 1
	if was != hash && was != (common.Hash{}) {
		from = fork // the chain's first block was replaced
	}
	if from <= c.Final {
		return 0, &FinalChangedError{s.id, c.Final, c.FinalHash, hash}
	}
	if orphaned, err = s.undo(tx, from, c.Head); err != nil {
		return 0, err
	}
	if err := store.DeleteBlockHashes(tx, s.id, from, c.Head); err != nil {
		return 0, err
	}
	if err := store.DeleteBlockMarks(tx, s.id, from); err != nil {
		return 0, err
	}
	if err := s.putHash(tx, fork, hash); err != nil {
		return 0, err
	}
	if err := s.compareFrom(tx, from-1); err != nil {
		return 0, err
	}
	c.Head, c.HeadHash = fork, hash
	c.Credited, c.Reread = min(c.Credited, fork), min(c.Reread, fork)
	return orphaned, store.PutCursor(tx, s.id, c)
}

// undo takes back what the blocks from ≤ n ≤ to brought.
func (s *Scanner) undo(tx store.Tx, from, to uint64) (orphaned int, err error) {
	deposits, err := store.DepositsFrom(tx, s.id, from)
	if err != nil {
		return 0, err
	}
	for _, d := range deposits {
		if d.Status == wallet.DepositOrphaned {
			continue
		}
		if err := s.orphan(tx, d); err != nil {
			return 0, err
		}
		orphaned++
	}
	mined, err := store.UnsettledMined(tx, s.id, from, to)
	if err != nil {
		return 0, err
	}
	for _, m := range mined {
		if err := store.DeleteMined(tx, m); err != nil {
			return 0, err
		}
	}
	vanished, err := store.AllVanished(tx, s.id)
	if err != nil {
		return 0, err
	}
	for _, v := range vanished {
		if v.Found == nil || v.Found.BlockNumber < from {
			continue
		}
		v.Found = nil
		if err := store.PutVanished(tx, v); err != nil {
			return 0, err
		}
	}
	outflows, err := store.Outflows(tx, s.id, from, to, 0)
	if err != nil {
		return 0, err
	}
	for _, o := range outflows {
		if err := store.DeleteOutflow(tx, s.id, o); err != nil {
			return 0, err
		}
	}
	var unproven []wallet.UnprovenCoin
	if err := store.UnprovenCoins(tx, s.id, from, func(u wallet.UnprovenCoin) error {
		unproven = append(unproven, u)
		return nil
	}); err != nil {
		return 0, err
	}
	for _, u := range unproven {
		if err := store.DeleteUnprovenCoin(tx, s.id, u.BlockNumber, u.Address); err != nil {
			return 0, err
		}
	}
	unknown, err := store.UnknownTokensFrom(tx, s.id, from)
	if err != nil {
		return 0, err
	}
	for _, u := range unknown {
		if err := store.DeleteUnknownToken(tx, u); err != nil {
			return 0, err
		}
	}
	return orphaned, s.reopen(tx, from)
}

// beforeStart keeps of the facts of a block before the start, which is read only
// after a reorg of the start, what a block after the start held before. The
// rest was never ours to credit: it is part of opening balances, which are not
// read before the start is reached again.
func (s *Scanner) beforeStart(tx store.Tx, f *Facts) (*Facts, error) {
	kept := Facts{Number: f.Number}
	for _, d := range f.Deposits {
		if _, known, err := store.Deposit(tx, d.ID); err != nil {
			return nil, err
		} else if known {
			kept.Deposits = append(kept.Deposits, d)
		}
	}
	for _, m := range f.Mined {
		if _, bound, err := store.OutgoingAt(tx, m.Slot); err != nil {
			return nil, err
		} else if bound {
			kept.Mined = append(kept.Mined, m)
		}
	}
	return &kept, nil
}
