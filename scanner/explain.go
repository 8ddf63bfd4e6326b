package scanner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// maxQuestions bounds the requests that a pass makes to look for what explains
// the difference of one address.
const maxQuestions = 64

// errTooMany says that maxQuestions were asked.
var errTooMany = errors.New("too many questions")

// askError is what endpoints answered to a question about balances.
type askError struct{ err error }

func (e *askError) Error() string { return e.err.Error() }
func (e *askError) Unwrap() error { return e.err }

// behind reports whether an endpoint does not have what was asked for, or has
// it no longer.
func (e *askError) behind() bool {
	return errors.Is(e.err, chain.ErrNoState) || errors.Is(e.err, ethereum.NotFound)
}

// search looks for the blocks in which the coin of an address changed by more
// or less than the books say.
type search struct {
	*Scanner

	st    state
	place store.Place
	// expected is what the books say lies there at the head.
	expected wallet.Amount
	// changes are those of the books in the blocks from known on.
	changes []store.Change
	known   uint64
	// floor is the lowest block to look at. The books begin there if begun is
	// set.
	floor uint64
	begun bool
	asked int
}

// begin sets the lowest block to look at.
func (q *search) begin(ctx context.Context, floor uint64) error {
	q.floor, q.known = max(floor, base(q.st.chain)), q.st.cursor.Head+1
	return q.db.View(ctx, func(tx store.Tx) error {
		opened, ok, err := store.OpenedAt(tx, q.place)
		if ok && opened >= q.floor {
			q.floor, q.begun = opened, true
		}
		return err
	})
}

// explain finds, proves and records what explains a difference at the head, the
// newest first. It returns what is left of the difference, and why.
func (q *search) explain(ctx context.Context, rest wallet.Amount, sum *Summary) (left wallet.Amount, reason string, err error) {
	for hi := q.st.cursor.Head; !rest.IsZero(); {
		at, before, err := q.lastChange(ctx, hi, rest)
		switch {
		case err == nil && at > hi:
			before, err = wallet.Amount{}, q.unfounded(ctx, rest)
		case err == nil:
			err = q.prove(ctx, at, rest.Sub(before), sum)
		}
		if ctx.Err() != nil {
			return rest, "", ctx.Err()
		}
		var asked *askError
		if errors.As(err, &asked) && !errors.Is(err, wallet.ErrUnreachable) {
			return rest, asked.Error(), nil
		}
		if err != nil {
			return rest, "", err
		}
		rest, hi = before, at-1
	}
	return rest, "", nil
}

// unfounded is for a difference that was there at the lowest block already. If
// the books of the address begin in that block, its opening balance was read on
// a branch that is gone, and is read again.
func (q *search) unfounded(ctx context.Context, rest wallet.Amount) error {
	if !q.begun {
		return &askError{fmt.Errorf("no block after %d explains it", q.floor)}
	}
	if err := q.count(2); err != nil {
		return err
	}
	proven, err := q.chain.Proof(ctx, q.place.Address, q.st.cursor.HeadHash)
	if err != nil {
		return &askError{fmt.Errorf("its balance cannot be proven: %w", err)}
	}
	if wallet.AmountOf(proven.Balance).Sub(q.expected).Cmp(rest) != 0 {
		return &askError{errors.New("endpoints contradict each other about its balance")}
	}
	return q.db.Update(ctx, func(tx store.Tx) error {
		if err := q.unmoved(tx, q.st.cursor); err != nil {
			return err
		}
		return q.unopen(tx, q.place)
	})
}

// lastChange finds the last block up to hi after which the difference was rest,
// as it is at hi, and what it was before. It looks down in growing steps, since
// what is missing is mostly young and old states may be gone. The block is above
// hi if the difference was the same all the way down.
func (q *search) lastChange(ctx context.Context, hi uint64, rest wallet.Amount) (at uint64, before wallet.Amount, err error) {
	same, other := hi, uint64(0)
	for step, found := uint64(1), false; !found; step *= 2 {
		n := same - min(step, same-min(same, q.floor))
		if n >= same {
			return hi + 1, before, nil
		}
		if err := q.read(ctx, n); err != nil {
			return 0, before, err
		}
		d, err := q.difference(ctx, n)
		if err != nil {
			return 0, before, err
		}
		if found = d.Cmp(rest) != 0; found {
			other, before = n, d
		} else {
			same = n
		}
	}
	for same-other > 1 {
		n := other + (same-other)/2
		d, err := q.difference(ctx, n)
		switch {
		case err != nil:
			return 0, before, err
		case d.Cmp(rest) == 0:
			same = n
		default:
			other, before = n, d
		}
	}
	return same, before, nil
}

// read has the books' changes after block n at hand.
func (q *search) read(ctx context.Context, n uint64) error {
	if n+1 >= q.known {
		return nil
	}
	var more []store.Change
	err := q.db.View(ctx, func(tx store.Tx) (err error) {
		if err := q.unmoved(tx, q.st.cursor); err != nil {
			return err
		}
		more, err = store.Changes(tx, q.place, n+1, q.known-1)
		return err
	})
	q.changes, q.known = append(q.changes, more...), n+1
	return err
}

// difference is by how much the coin on the address differs from the books at a
// block after which their changes are at hand.
func (q *search) difference(ctx context.Context, n uint64) (wallet.Amount, error) {
	b, err := q.blockAt(ctx, n)
	if err != nil {
		return wallet.Amount{}, err
	}
	if err := q.count(1); err != nil {
		return wallet.Amount{}, err
	}
	balances, err := q.chain.BalancesAt(ctx, []common.Address{q.place.Address}, b.hash)
	if err != nil {
		return wallet.Amount{}, &askError{fmt.Errorf("its balance at block %d: %w", n, err)}
	}
	return wallet.AmountOf(balances[0]).Sub(expectedAt(q.expected, q.changes, n)), nil
}

// expectedAt is what the books say lay on an address at a block, from what they
// say at the head and what they say happened since.
func expectedAt(head wallet.Amount, changes []store.Change, n uint64) wallet.Amount {
	for _, c := range changes {
		if c.Block > n {
			head = head.Sub(c.Amount)
		}
	}
	return head
}

// changeIn is what the books say that one block changed.
func changeIn(changes []store.Change, n uint64) (sum wallet.Amount) {
	for _, c := range changes {
		if c.Block == n {
			sum = sum.Add(c.Amount)
		}
	}
	return sum
}

func (q *search) count(questions int) error {
	if q.asked += questions; q.asked > maxQuestions {
		return errTooMany
	}
	return nil
}

// blockAt is a block that was followed, or, where its hash is kept no longer, one
// that an endpoint says is canonical.
func (q *search) blockAt(ctx context.Context, n uint64) (block, error) {
	hash, err := q.hashOf(ctx, q.st.cursor, n)
	if err != nil || hash != (common.Hash{}) {
		return block{n, hash}, err
	}
	if err := q.count(1); err != nil {
		return block{}, err
	}
	h, err := q.headerAt(ctx, n)
	if err != nil {
		return block{}, &askError{fmt.Errorf("block %d: %w", n, err)}
	}
	return block{n, h.Hash()}, nil
}

// prove makes sure that a block changed the coin on the address by so much more
// than the books say, and records it.
func (q *search) prove(ctx context.Context, n uint64, claim wallet.Amount, sum *Summary) error {
	if err := q.count(5); err != nil {
		return err
	}
	b, h, err := q.followedBlock(ctx, n)
	if err != nil {
		return err
	}
	var proven [2]wallet.Amount // after the block, and before it
	for i, hash := range []common.Hash{b.hash, h.ParentHash} {
		account, err := q.chain.Proof(ctx, q.place.Address, hash)
		if err != nil {
			return &askError{fmt.Errorf("its balance around block %d cannot be proven: %w", n, err)}
		}
		proven[i] = wallet.AmountOf(account.Balance)
	}
	r := Residual{Address: q.place.Address, BlockNumber: n, BlockHash: b.hash}
	r.Amount = proven[0].Sub(proven[1]).Sub(changeIn(q.changes, n))
	if r.Amount.Cmp(claim) != 0 {
		return &askError{fmt.Errorf("endpoints say that block %d brought %s wei that were not seen, and %s are proven", n, claim, r.Amount)}
	}
	var tips wallet.Amount
	if h.Coinbase == r.Address {
		if tips, err = q.tips(ctx, b); err != nil {
			return err
		}
	}
	deposits, err := q.recordResidual(ctx, &r, tips)
	if err != nil {
		return err
	}
	q.expected = q.expected.Add(r.Amount)
	q.changes = append(q.changes, store.Change{Block: n, Amount: r.Amount})
	sum.Deposits += deposits
	sum.Residuals++
	sum.Unseen = append(sum.Unseen, r)
	if r.Traced {
		sum.Found = append(sum.Found, r.found(q.id))
	}
	return nil
}

// found is what the alarm about it names.
func (r *Residual) found(chainID uint64) Found {
	return Found{r.BlockNumber, "deposit", wallet.ResidualID(chainID, r.BlockHash, r.Address)}
}

// tips is what the transactions of a block paid its fee recipient.
func (q *search) tips(ctx context.Context, at block) (wallet.Amount, error) {
	for b, err := range q.chain.Blocks(ctx, at.number, at.number) {
		switch {
		case err != nil:
			return wallet.Amount{}, &askError{fmt.Errorf("block %d: %w", at.number, err)}
		case b.Hash != at.hash:
			return wallet.Amount{}, errMoved
		}
		return tips(b), nil
	}
	return wallet.Amount{}, ctx.Err()
}

// followedBlock is a block of the chain that was read, with its header. Where its hash is kept no longer, the headers after it must lead to one whose
// hash is.
func (q *search) followedBlock(ctx context.Context, n uint64) (b block, own *types.Header, err error) {
	at, hash, err := q.followed(ctx, n)
	if err != nil {
		return b, nil, err
	}
	last := common.Hash{}
	for i := n; i <= at; i++ {
		h, err := q.headerAt(ctx, i)
		if err != nil {
			return b, nil, &askError{fmt.Errorf("block %d: %w", i, err)}
		}
		if i == n {
			b, own = block{n, h.Hash()}, h
		} else if h.ParentHash != last {
			return b, nil, errMoved
		}
		last = h.Hash()
	}
	if last != hash {
		return b, nil, errMoved
	}
	return b, own, nil
}

// recordResidual writes what was proven, if nothing was recorded meanwhile for
// the block and address.
func (q *search) recordResidual(ctx context.Context, r *Residual, tips wallet.Amount) (deposits int, err error) {
	seen := changeIn(q.changes, r.BlockNumber)
	err = q.db.Update(ctx, func(tx store.Tx) error {
		deposits = 0
		if err := q.unmoved(tx, q.st.cursor); err != nil {
			return err
		}
		now, err := store.Changes(tx, q.place, r.BlockNumber, r.BlockNumber)
		if err != nil {
			return err
		}
		if changeIn(now, r.BlockNumber).Cmp(seen) != 0 {
			return errMoved
		}
		round, err := store.ReadRound(tx, q.id)
		if err != nil {
			return err
		}
		r.Traced = r.Amount.Sign() > 0 && r.BlockNumber > round.Untraced
		// A trace that told of it was not proven then.
		if err := store.DeleteUnprovenCoin(tx, q.id, r.BlockNumber, r.Address); err != nil {
			return err
		}
		if deposits, err = q.putResidual(tx, *r, tips); err != nil || !r.Traced {
			return err
		}
		return q.raiseMissed(tx, "the comparison of balances with the books", []Found{r.found(q.id)})
	})
	return deposits, err
}

// putResidual records what a block brought or took beyond what else is known of
// it, the tips as a reward. What was recorded so before, when less or more was
// known, is replaced.
func (s *Scanner) putResidual(tx store.Tx, r Residual, tips wallet.Amount) (deposits int, err error) {
	coin, amount := wallet.Coin(s.id), r.Amount
	id := wallet.ResidualID(s.id, r.BlockHash, r.Address)
	old, had, err := store.Deposit(tx, id)
	if err != nil {
		return 0, err
	}
	if had && old.Status != wallet.DepositOrphaned {
		amount = amount.Add(old.Amount)
		if err := s.orphan(tx, old); err != nil {
			return 0, err
		}
	}
	out := store.Outflow{
		Transfer: wallet.Transfer{Asset: coin, From: r.Address, To: wallet.Outside, Path: r.Address.Hex()},
		TxHash:   r.BlockHash, BlockNumber: r.BlockNumber, BlockHash: r.BlockHash,
	}
	unbooked, err := store.Outflows(tx, s.id, r.BlockNumber, r.BlockNumber, 0)
	if err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(unbooked, func(o store.Outflow) bool {
		return o.TxHash == out.TxHash && o.Transfer.Path == out.Transfer.Path
	}); i >= 0 {
		amount = amount.Sub(unbooked[i].Transfer.Amount)
		if err := store.DeleteOutflow(tx, s.id, out); err != nil {
			return 0, err
		}
	}
	account, ours := newLookup(tx, s.id).Ours(r.Address)
	if !ours {
		return 0, errMoved
	}
	deposit := func(id string, kind wallet.DepositKind, amount wallet.Amount) error {
		deposits++
		_, err := s.recordDeposit(tx, wallet.Deposit{
			ID: id, ChainID: s.id, Account: account, Address: r.Address, Asset: coin, Amount: amount, Kind: kind,
			BlockNumber: r.BlockNumber, BlockHash: r.BlockHash, Status: wallet.DepositPending, SeenAt: s.o.Now().UTC(),
		})
		return err
	}
	if reward := wallet.RewardID(s.id, r.BlockHash); tips.Sign() > 0 && amount.Cmp(tips) >= 0 {
		have, known, err := store.Deposit(tx, reward)
		if err != nil {
			return 0, err
		}
		if !known || have.Status == wallet.DepositOrphaned {
			if err := deposit(reward, wallet.KindReward, tips); err != nil {
				return 0, err
			}
			amount = amount.Sub(tips)
		}
	}
	switch amount.Sign() {
	case 0:
		return deposits, nil
	case -1:
		out.Transfer.Amount = amount.Neg()
		if booked, err := s.knowsOutflow(tx, out); err != nil {
			return 0, err
		} else if booked {
			return 0, &askError{fmt.Errorf("more left in block %d than was booked already", r.BlockNumber)}
		}
		return 0, store.PutOutflow(tx, s.id, out)
	}
	err = deposit(id, wallet.KindInternal, amount)
	return deposits, err
}
