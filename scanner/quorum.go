package scanner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// agreed lowers a target to what a quorum of the endpoints agrees on. Nobody
// is asked where nothing would advance. A block's hash stands for all blocks
// below it, so that mostly the higher of the two heights is voted on alone.
func (s *Scanner) agreed(ctx context.Context, c store.Cursor, to target, sum *Summary) (target, error) {
	credits, ends := to.credit > c.Credited, to.final > c.Final
	var heights []uint64
	if credits {
		heights = append(heights, to.credit)
	}
	if ends {
		heights = append(heights, to.final)
	}
	slices.Sort(heights)
	var limit block
	var short error
	for _, n := range slices.Backward(slices.Compact(heights)) {
		agreed, err := s.vote(ctx, c, n, sum)
		var d *chain.DisagreementError
		switch {
		case errors.As(err, &d):
			if short == nil {
				short = err
			}
		case err != nil:
			return target{}, err
		}
		if agreed.number > 0 {
			limit = agreed
			break
		}
	}
	to.credit = max(c.Credited, min(to.credit, limit.number))
	if to.final > limit.number {
		to.final, to.finalHash = c.Final, c.FinalHash
		if limit.number > c.Final {
			to.final, to.finalHash = limit.number, limit.hash
		}
	}
	if credits && to.credit == c.Credited || ends && to.final == c.Final {
		sum.Unagreed = s.unagreed(short, "nothing is credited or final up to there")
	}
	return to, nil
}

// block is one that was followed.
type block struct {
	number uint64
	hash   common.Hash
}

// vote asks the endpoints for the block at a height that was followed, and
// once more lower down if those that make a quorum are behind. It returns the
// block that they agree on, or none and a DisagreementError; both if that is
// not the one asked for.
func (s *Scanner) vote(ctx context.Context, c store.Cursor, n uint64, sum *Summary) (block, error) {
	b, votes, err := s.voteOn(ctx, c, n)
	var d *chain.DisagreementError
	switch {
	case err == nil:
		sum.noteDissent(votes)
		return b, nil
	case !errors.As(err, &d), d.Reach() == 0:
		return block{}, err
	}
	b, votes, lower := s.voteOn(ctx, c, d.Reach())
	switch {
	case lower == nil:
		sum.noteDissent(votes)
		return b, err
	case errors.As(lower, &d):
		return block{}, err
	}
	return block{}, lower
}

func (s *Scanner) voteOn(ctx context.Context, c store.Cursor, n uint64) (block, chain.Votes, error) {
	var b block
	err := s.db.View(ctx, func(tx store.Tx) error {
		if err := s.unmoved(tx, c); err != nil {
			return err
		}
		// Where the hash is not kept, one above it stands for it.
		var ok bool
		var err error
		if b.number, b.hash, ok, err = store.FollowedFrom(tx, s.id, n); err == nil && !ok {
			err = fmt.Errorf("chain %d: no hash is known from block %d on: %w", s.id, n, errMoved)
		}
		return err
	})
	if err != nil {
		return b, chain.Votes{}, err
	}
	votes, err := s.chain.Agree(ctx, b.number, b.hash)
	return b, votes, err
}

func (s *Summary) noteDissent(v chain.Votes) {
	if len(v.Differ) > 0 {
		s.Dissent = append(s.Dissent, v)
	}
}

func (s *Scanner) unagreed(err error, what string) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("chain %d: %s: %w", s.id, what, err)
	if errors.Is(err, wallet.ErrUnreachable) {
		return wallet.WithHint(err, "it goes on once they answer; an endpoint that will not come back has to be replaced in config.toml")
	}
	return wallet.WithHint(err, "compare the block with other nodes, and remove the endpoint that is wrong from config.toml")
}

// mayUndo makes sure that a quorum of the endpoints is on another branch above
// the fork before credits are reversed for it.
func (s *Scanner) mayUndo(ctx context.Context, c store.Cursor, fork uint64, sum *Summary) error {
	if fork >= c.Credited {
		return nil
	}
	var gone block
	if err := s.db.View(ctx, func(tx store.Tx) (err error) {
		if err := s.unmoved(tx, c); err != nil {
			return err
		}
		gone.number, gone.hash, _, err = store.FollowedFrom(tx, s.id, fork+1)
		return err
	}); err != nil {
		return err
	}
	votes, err := s.left(ctx, gone)
	if errors.Is(err, ethereum.NotFound) {
		return errMoved
	}
	var d *chain.DisagreementError
	if errors.As(err, &d) {
		sum.Unagreed = s.unagreed(err, fmt.Sprintf("block %d, up to which deposits were credited, left the chain; nothing is undone", c.Credited))
		return sum.Unagreed
	}
	if err == nil {
		sum.noteDissent(votes)
	}
	return err
}

// left makes sure that a quorum of the endpoints holds another block than one
// that was followed. It is errMoved if the endpoint that is asked for it holds
// the same: one that told otherwise before has no voice by that.
func (s *Scanner) left(ctx context.Context, was block) (chain.Votes, error) {
	h, err := s.headerAt(ctx, was.number)
	if err != nil {
		return chain.Votes{}, err
	}
	if h.Hash() == was.hash {
		return chain.Votes{}, fmt.Errorf("chain %d: block %d is still %s: %w", s.id, was.number, was.hash, errMoved)
	}
	return s.chain.Agree(ctx, was.number, h.Hash())
}
