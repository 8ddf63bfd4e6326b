package scanner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A block that holds transfers of a token which nobody registered is marked,
// and reading it again after the token was registered credits them.

// maxDue bounds how many blocks a pass reads again for that. A span of them
// that began is read to its end.
const maxDue = 2 * markEvery

// dueCount bounds how many marks are counted to show progress.
const dueCount = 10_000

// recordUnknown makes the marks of a block those that were found in it, and
// returns those that it has no longer: of tokens that were registered since,
// whose transfers are recorded in the same transaction.
func (s *Scanner) recordUnknown(tx store.Tx, f *Facts) (gone []wallet.UnknownToken, err error) {
	marks, err := store.UnknownTokensAt(tx, s.id, f.Number)
	if err != nil {
		return nil, err
	}
	same := func(u wallet.UnknownToken) func(wallet.UnknownToken) bool {
		return func(v wallet.UnknownToken) bool {
			return u.Contract == v.Contract && u.BlockHash == v.BlockHash && u.Logs == v.Logs
		}
	}
	for _, u := range marks {
		if slices.ContainsFunc(f.Unknown, same(u)) {
			continue
		}
		if err := store.DeleteUnknownToken(tx, u); err != nil {
			return nil, err
		}
		gone = append(gone, u)
	}
	for _, u := range f.Unknown {
		if slices.ContainsFunc(marks, same(u)) {
			continue
		}
		if err := s.putUnknown(tx, u); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

func (s *Scanner) putUnknown(tx store.Tx, u wallet.UnknownToken) error {
	if err := store.PutUnknownToken(tx, u); err != nil {
		return err
	}
	registered, err := store.IsToken(tx, s.id, u.Contract)
	if err != nil || !registered {
		return err
	}
	return store.MarkTokenDue(tx, s.id, u.Contract) // registered since the block was looked at
}

// recordMoved records what a transaction of ours that is known moved of tokens
// that were registered since. It is booked apart from the rest of it.
func (s *Scanner) recordMoved(tx store.Tx, old, m wallet.Mined) (moved []store.Outflow, err error) {
	if old.TxHash != m.TxHash {
		return nil, nil
	}
	for _, t := range m.Transfers {
		known := slices.ContainsFunc(old.Transfers, func(have wallet.Transfer) bool {
			return have.Position == t.Position && have.Path == t.Path
		})
		if known || t.Asset.IsCoin() || t.From == t.To {
			continue
		}
		if ours, err := store.IsOurs(tx, t.From); err != nil {
			return nil, err
		} else if !ours {
			continue // it is a deposit
		}
		o := store.Outflow{Transfer: t, TxHash: m.TxHash, BlockNumber: m.BlockNumber, BlockHash: m.BlockHash}
		news, err := s.recordOutflow(tx, o)
		if err != nil {
			return nil, err
		}
		if news {
			moved = append(moved, o)
		}
	}
	return moved, nil
}

// span is a run of blocks to be read again for some of them.
type span struct {
	from   uint64
	anchor block // above them, whose hash is known
	marked map[uint64]bool
}

// readDue reads again what is marked for tokens that were registered since. The
// newest blocks of each come first, since what endpoints no longer have are the
// oldest. Where it fails the pass goes on, and the next one tries again.
func (s *Scanner) readDue(ctx context.Context, sum *Summary) error {
	contracts, total, err := s.due(ctx)
	if err != nil {
		return err
	}
	done, read := 0, uint64(0)
	for _, contract := range contracts {
		for {
			if read >= maxDue {
				sum.Due = true
				return nil
			}
			sp, err := s.dueSpan(ctx, contract)
			if err != nil {
				return err
			}
			if len(sp.marked) == 0 {
				break
			}
			read += sp.anchor.number - sp.from + 1
			if err := s.readSpan(ctx, sp, sum); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				sum.Due, sum.Overdue = true, cmp.Or(sum.Overdue, s.overdue(contract, sp, err))
				if errors.Is(err, wallet.ErrUnreachable) {
					return nil
				}
				break
			}
			done += len(sp.marked)
			s.progress(ReadingDue, uint64(done), uint64(max(done, total))) //nolint:gosec // counts
		}
	}
	return nil
}

// due returns the tokens whose marked blocks are to be read again, and how many
// those are, up to dueCount of each.
func (s *Scanner) due(ctx context.Context) (contracts []common.Address, blocks int, err error) {
	err = s.db.View(ctx, func(tx store.Tx) error {
		blocks = 0
		if contracts, err = store.TokensDue(tx, s.id); err != nil {
			return err
		}
		for _, contract := range contracts {
			n, err := store.CountUnknownBlocks(tx, s.id, contract, dueCount)
			if err != nil {
				return err
			}
			blocks += n
		}
		return nil
	})
	return contracts, blocks, err
}

// dueSpan finds the newest marked blocks of a token that lead to the same
// anchor. When none is left, it notes that the token is done.
func (s *Scanner) dueSpan(ctx context.Context, contract common.Address) (sp span, err error) {
	err = s.db.View(ctx, func(tx store.Tx) (err error) {
		sp, err = s.newestSpan(tx, contract)
		return err
	})
	if err != nil || len(sp.marked) > 0 {
		return sp, err
	}
	return sp, s.db.Update(ctx, func(tx store.Tx) error {
		if n, err := store.CountUnknownBlocks(tx, s.id, contract, 1); err != nil || n > 0 {
			return err
		}
		return store.MarkTokenDone(tx, s.id, contract)
	})
}

func (s *Scanner) newestSpan(tx store.Tx, contract common.Address) (span, error) {
	sp := span{marked: map[uint64]bool{}}
	logs := uint64(0)
	err := store.UnknownTokensDown(tx, s.id, contract, func(u wallet.UnknownToken) error {
		n := u.BlockNumber
		at, hash, ok, err := store.FollowedFrom(tx, s.id, n)
		switch {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("chain %d: block %d is marked, and no hash is known from there on", s.id, n)
		case len(sp.marked) == 0:
			sp.anchor = block{at, hash}
		case at+1 < sp.from, sp.anchor.number-n >= markEvery, logs+u.Logs > maxStepItems:
			return store.Stop // it leads there no shorter than to an anchor of its own, or is too much at once
		}
		sp.from, sp.marked[n] = n, true
		logs += u.Logs
		return nil
	})
	return sp, err
}

func (s *Scanner) readSpan(ctx context.Context, sp span, sum *Summary) error {
	facts, err := s.linked(ctx, sp.from, sp.anchor, func(n uint64) bool { return sp.marked[n] })
	if err != nil {
		return err
	}
	return s.recordAgain(ctx, sp.anchor.number, sp.anchor.hash, facts, sum, func(store.Tx, *Facts) error { return nil })
}

// overdue says that blocks could not be read again. That is no reason to begin
// the pass anew.
func (s *Scanner) overdue(contract common.Address, sp span, err error) error {
	what := fmt.Sprintf("chain %d: transfers of token %s in blocks %d to %d are not credited yet", s.id, contract, sp.from, sp.anchor.number)
	switch {
	case errors.Is(err, errMoved):
		return wallet.As(wallet.ErrUnreachable, "%s: %v", what, err)
	case errors.Is(err, ethereum.NotFound):
		return wallet.WithHint(wallet.As(wallet.ErrUnreachable, "%s: %w", what, err), "no endpoint has these blocks any more: add one that keeps all history")
	}
	return fmt.Errorf("%s: %w", what, err)
}
