package scanner

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sort"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// ErrFinalChanged says that a block which was final is another one now. The
// alarm wallet.AlarmFinal stands then, and nothing is read, credited, reversed
// or final until it is the old one again, or AcceptFinal takes the new one.
var ErrFinalChanged = errors.New("a final block changed")

// RiskFinalChanged is the risk that an operator names who accepts it.
const RiskFinalChanged = "final-changed"

// A FinalChangedError is ErrFinalChanged with the block that changed.
type FinalChangedError struct {
	ChainID, Block uint64
	Was, Now       common.Hash // Now is zero where no endpoint has the block
}

func (e *FinalChangedError) Error() string {
	return fmt.Sprintf("chain %d: %v: %s", e.ChainID, ErrFinalChanged, e.text())
}

func (e *FinalChangedError) text() string {
	now := "no endpoint has it now"
	if e.Now != (common.Hash{}) {
		now = "it is " + e.Now.Hex() + " now"
	}
	return fmt.Sprintf("block %d was final as %s, %s; nothing is read or credited, and no funds are released", e.Block, e.Was, now)
}

// Unwrap gives the error's kind.
func (e *FinalChangedError) Unwrap() error { return ErrFinalChanged }

const finalHint = "compare the block with a block explorer and nodes of other people. If endpoints are wrong, replace them in config.toml: " +
	"the next airlock scan goes on by itself. If the chain really changed, airlock scan --accept-risk=" + RiskFinalChanged +
	" follows it and takes back what was credited in the blocks that left"

// errTagElsewhere says that the block at a tag is not the one that was read.
var errTagElsewhere = errors.New("a tag stands at another block")

// A tagError is errTagElsewhere with the block.
type tagError struct {
	tag       string
	block     uint64
	have, now common.Hash
}

func (e *tagError) Error() string {
	return fmt.Sprintf("the endpoints say that the %s block is %d, %s, but %s was read there", e.tag, e.block, e.now, e.have)
}

func (e *tagError) Unwrap() error { return errTagElsewhere }

// changed has an alarm stand for a tag or a final block that is not what was
// read. The alarm of a tag is all that is left of its error.
func (s *Scanner) changed(ctx context.Context, err error) error {
	var tag *tagError
	var final *FinalChangedError
	switch {
	case errors.As(err, &tag):
		return s.db.Update(ctx, func(tx store.Tx) error {
			return s.raise(tx, wallet.Alarm{
				Code: wallet.AlarmTag, Block: tag.block, Was: tag.have, Now: tag.now,
				Text: tag.Error() + ": nothing is credited, and no funds are released",
				Hint: "endpoints contradict each other or themselves: airlock doctor compares them; remove the one that is wrong from config.toml. It ends by itself once they agree",
			})
		})
	case errors.As(err, &final):
		return errors.Join(wallet.WithHint(err, "%s", finalHint), s.db.Update(ctx, func(tx store.Tx) error {
			c, _, err := store.ReadCursor(tx, s.id)
			if err != nil || c.Final != final.Block || c.FinalHash != final.Was {
				return err // somebody has set it right meanwhile
			}
			return s.raise(tx, wallet.Alarm{
				Code: wallet.AlarmFinal, Block: final.Block, Was: final.Was, Now: final.Now, Text: final.text(), Hint: finalHint,
			})
		}))
	}
	return err
}

// checkFinal lets a pass go on if no final block changed, or once a quorum of
// the endpoints holds again what was final.
func (s *Scanner) checkFinal(ctx context.Context, st state, sum *Summary) error {
	_, err := s.finalNow(ctx, st)
	if err != nil {
		return err
	}
	return s.end(ctx, st, wallet.AlarmFinal, sum)
}

// finalNow asks what became of the final block while the alarm about it stands:
// it returns a FinalChangedError as long as it is not what it was.
func (s *Scanner) finalNow(ctx context.Context, st state) (stood bool, err error) {
	for _, a := range st.alarms {
		if a.Code != wallet.AlarmFinal {
			continue
		}
		now := &FinalChangedError{s.id, a.Block, a.Was, common.Hash{}}
		h, err := s.headerAt(ctx, a.Block)
		switch {
		case errors.Is(err, ethereum.NotFound):
			return true, now
		case err != nil:
			return true, err
		}
		now.Now = h.Hash()
		if now.Now != a.Was {
			return true, now
		}
		_, err = s.chain.Agree(ctx, a.Block, a.Was)
		var d *chain.DisagreementError
		if errors.As(err, &d) {
			now.Now = a.Now
			return true, fmt.Errorf("%w; %w", now, err)
		}
		return true, err
	}
	return false, nil
}

// AcceptFinal follows a chain whose final block changed: it undoes what was
// recorded above the last block that is still there, reverses what was credited
// there, and reads on. Accounts that have spent what is reversed owe it and are
// frozen. Transactions of ours that were booked as final stay booked, and are
// marked as store.Vanished until they are mined again.
//
// A quorum of the endpoints must hold another block above the last that is still
// there. The error is of class
// wallet.ErrRefused if no final block changed.
func (s *Scanner) AcceptFinal(ctx context.Context) (Summary, error) {
	st, err := s.begin(ctx)
	if err != nil {
		return Summary{}, err
	}
	stood, err := s.finalNow(ctx, st)
	switch {
	case !stood:
		return Summary{}, wallet.WithHint(wallet.As(wallet.ErrRefused, "chain %d: no final block is known to have changed", s.id), "airlock scan finds it if one did")
	case err != nil && !errors.Is(err, ErrFinalChanged):
		return Summary{}, err
	case err == nil: // the old one is back
		return s.Pass(ctx)
	}
	sum, err := s.acceptFork(ctx, st)
	if errors.Is(err, errMoved) { // another endpoint said so than those that are asked now
		return s.Pass(ctx)
	}
	if err != nil {
		return sum, err
	}
	next, err := s.Pass(ctx)
	next.Orphaned, next.Undone = next.Orphaned+sum.Orphaned, next.Undone+sum.Undone
	next.Cleared = append(sum.Cleared, next.Cleared...)
	return next, err
}

func (s *Scanner) acceptFork(ctx context.Context, st state) (sum Summary, err error) {
	behind := func(n uint64) error {
		return wallet.WithHint(wallet.As(wallet.ErrUnreachable, "chain %d: an endpoint has no block %d", s.id, n), "wait until it has, then accept again")
	}
	fork, gone, err := s.forkBelow(ctx, st)
	if err == nil {
		_, err = s.left(ctx, gone)
	}
	var d *chain.DisagreementError
	switch {
	case errors.Is(err, ethereum.NotFound):
		return sum, behind(st.cursor.Final)
	case errors.As(err, &d):
		return sum, s.unagreed(err, fmt.Sprintf("nothing is undone for block %d", st.cursor.Final))
	case err != nil:
		return sum, err
	}
	err = s.db.Update(ctx, func(tx store.Tx) error {
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		alarm, stands, err := store.Alarm(tx, s.id, wallet.AlarmFinal)
		if err != nil || !stands {
			return errors.Join(err, errMoved)
		}
		c := st.cursor
		if err := s.undoFinal(tx, fork.number+1); err != nil {
			return err
		}
		c.Final, c.FinalHash = fork.number, fork.hash
		if sum.Orphaned, err = s.rollbackTo(tx, c, fork.number, fork.hash); err != nil {
			return err
		}
		sum.Undone, sum.Cleared = st.cursor.Head-fork.number, []wallet.Alarm{alarm}
		return store.ClearAlarm(tx, s.id, wallet.AlarmFinal)
	})
	return sum, err
}

// forkBelow finds the last block below the final one whose hash is known and
// still the chain's, and the next one whose hash is known. Far below, where only
// marks are kept, the first may lie below the true fork: then more is undone and
// read again than left the chain. It is errMoved if the final block is the same.
func (s *Scanner) forkBelow(ctx context.Context, st state) (fork, gone block, err error) {
	var known []block
	if err := s.db.View(ctx, func(tx store.Tx) error {
		known = known[:0]
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		return store.Followed(tx, s.id, st.cursor.Final, func(n uint64, hash common.Hash) {
			known = append(known, block{n, hash})
		})
	}); err != nil {
		return fork, gone, err
	}
	var failed error
	first := sort.Search(len(known), func(i int) bool {
		if failed != nil {
			return true
		}
		h, err := s.chain.HeaderByNumber(ctx, new(big.Int).SetUint64(known[i].number))
		failed = err
		return err == nil && h.Hash() != known[i].hash
	})
	switch {
	case failed != nil:
		return fork, gone, failed
	case first == len(known):
		return fork, gone, fmt.Errorf("chain %d: block %d is still the final one: %w", s.id, st.cursor.Final, errMoved)
	case first == 0:
		return fork, gone, wallet.WithHint(fmt.Errorf("chain %d: no block that was read is in the chain any more: %w", s.id, ErrTooDeep),
			"restore a backup from before the fork, or begin with a new home")
	}
	return known[first-1], known[first], nil
}

// undoFinal takes back what blocks from the given one on brought for good:
// what others moved away from us and was booked. Settled transactions of ours
// are marked, since what was paid, released and built since then does not come
// undone.
func (s *Scanner) undoFinal(tx store.Tx, from uint64) error {
	entries, err := store.EntriesAbove(tx, s.id, from-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isOutflowEntry(e, s.id) {
			continue
		}
		if err := s.reverseEntry(tx, e); err != nil {
			return err
		}
	}
	settled, err := store.SettledMined(tx, s.id, from)
	if err != nil {
		return err
	}
	for _, m := range settled {
		if _, before, err := store.VanishedAt(tx, m.Slot); err != nil {
			return err
		} else if before {
			continue
		}
		if err := store.PutVanished(tx, store.Vanished{Slot: m.Slot}); err != nil {
			return err
		}
	}
	return nil
}
