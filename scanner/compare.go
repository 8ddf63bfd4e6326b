package scanner

import (
	"context"
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// What a trace does not show, or shows wrongly, is found by comparing the coin
// on our addresses with the books. Rounds over all addresses follow each other,
// a part of a round at the end of each pass that has read to the head. Where an
// address differs, explain.go looks for the blocks.

const (
	// untracedRound is how many blocks a round may take while blocks are read
	// that nobody traced: what arrived unseen is found within two such rounds.
	untracedRound = 300
	// tracedRound is how many blocks a round may take, and how many lie between
	// the beginnings of two, while all blocks are traced: a day of Ethereum's.
	tracedRound = 7_200
	// comparePage is how many addresses are compared at a time, and the least
	// that a pass compares while a round goes on.
	comparePage = 1_000
	// maxSearches bounds the addresses for whose differences a pass looks.
	maxSearches = 20
)

// A Residual is coin that reached or left an address of ours in a block
// without being seen there, as the balances before and after it prove.
type Residual struct {
	Address     common.Address
	BlockNumber uint64
	BlockHash   common.Hash
	Amount      wallet.Amount // wei; negative if it left
	// Traced is set for coin that arrived in a block that was traced: the trace
	// left it out. What leaves may be a fee that is not known here.
	Traced bool
}

// roundLength is within how many blocks a round must end.
func roundLength(r store.Round, setting int) uint64 {
	switch {
	case setting > 0:
		return uint64(setting)
	case r.Untraced > r.Agreed:
		return untracedRound
	}
	return tracedRound
}

// continued is the round as it is at a head: under way, begun anew if that is
// due, or not running.
func continued(r store.Round, head uint64, setting int) store.Round {
	if r.Running {
		return r
	}
	due := r.Began + roundLength(r, setting)
	if r.Untraced > r.Agreed {
		due = r.Began + 1
	}
	if head >= due {
		r.Running, r.Began, r.Next, r.Last = true, head, common.Address{}, !r.Last
	}
	return r
}

// inTime reports whether a round has come as far as it must have at a head, so
// that it ends in time. Addresses are hashes: they lie evenly between the first
// and the last there can be.
func inTime(r store.Round, head uint64, setting int) bool {
	length, passed := roundLength(r, setting), head-min(head, r.Began)
	if passed >= length {
		return false
	}
	due, _ := bits.Div64(passed, 0, length) // of 2⁶⁴
	return binary.BigEndian.Uint64(r.Next[:8]) >= due
}

// follower is the address after the given one, the first one after the last.
func follower(a common.Address) common.Address {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i]++; a[i] != 0 {
			break
		}
	}
	return a
}

// part is some addresses with what the books say lies on them at the cursor's
// block.
type part struct {
	was, round store.Round // as it was read, and once this part is done
	places     []common.Address
	expected   []wallet.Amount
	gaps       map[common.Address]store.Gap
}

// compareBalances goes on with the round, as far as it is due. What endpoints
// do not answer is asked again by the next pass.
func (s *Scanner) compareBalances(ctx context.Context, st state, sum *Summary) error {
	if s.o.CompareBlocks < 0 {
		return nil
	}
	for searches := 0; searches < maxSearches; {
		var p part
		err := s.db.View(ctx, func(tx store.Tx) (err error) {
			p, err = s.readPart(tx, st.cursor)
			return err
		})
		if err == nil && p.round.Running {
			err = s.comparePart(ctx, st, &p, &searches, sum)
		}
		var asked *askError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errMoved): // somebody else goes on from there
			return nil
		case errors.As(err, &asked):
			if !asked.behind() {
				sum.Uncompared = asked.err
			}
			return nil
		case err != nil:
			return err
		}
		if !p.round.Running || inTime(p.round, st.cursor.Head, s.o.CompareBlocks) {
			return nil
		}
	}
	return nil
}

// readPart reads the next part of the round. Its round does not run if there is
// nothing to do.
func (s *Scanner) readPart(tx store.Tx, c store.Cursor) (p part, err error) {
	if err := s.unmoved(tx, c); err != nil {
		return p, err
	}
	if p.was, err = store.ReadRound(tx, s.id); err != nil {
		return p, err
	}
	if p.round = continued(p.was, c.Head, s.o.CompareBlocks); !p.round.Running {
		return p, nil
	}
	list, err := store.AddressesFrom(tx, p.round.Next, comparePage)
	p.round.Next = common.Address{}
	if err != nil || len(list) == 0 {
		return p, err
	}
	if len(list) == comparePage {
		p.round.Next = follower(list[len(list)-1])
	}
	if p.gaps, err = store.Gaps(tx, s.id, list[0], list[len(list)-1]); err != nil {
		return p, err
	}
	moving, err := store.Unbooked(tx, s.id, c.Head)
	if err != nil {
		return p, err
	}
	coin := wallet.Coin(s.id)
	for _, a := range list {
		// What was not opened yet has no books.
		if unopened, err := store.IsUnopened(tx, store.Unopened{Address: a, Asset: coin}); err != nil {
			return p, err
		} else if unopened {
			continue
		}
		known, err := store.LocationBalance(tx, a, coin)
		if err != nil {
			return p, err
		}
		p.places = append(p.places, a)
		p.expected = append(p.expected, known.Add(moving[store.Place{Address: a, Asset: coin}]))
	}
	return p, nil
}

// comparePart compares a part, looks for what explains its differences, and
// moves the round behind it. If there are too many of them, it stops before the
// first that was not looked at. Every other round prefers the last endpoint: one
// that hides coin from traces may hide it from balances, too.
func (s *Scanner) comparePart(ctx context.Context, st state, p *part, searches *int, sum *Summary) error {
	if p.round.Last {
		ctx = chain.PreferLast(ctx)
	}
	balances, err := s.chain.BalancesAt(ctx, p.places, st.cursor.HeadHash)
	if err != nil {
		return &askError{err}
	}
	var left []difference
	for i, a := range p.places {
		gap, known := p.gaps[a]
		rest := wallet.AmountOf(balances[i]).Sub(p.expected[i])
		if rest.IsZero() {
			if known {
				left = append(left, difference{gap: gap})
			}
			continue
		}
		if *searches++; *searches > maxSearches {
			p.round.Next = a
			break
		}
		if !known {
			gap = store.Gap{Address: a, Since: min(p.round.Floor, st.cursor.Final)}
		}
		q := search{Scanner: s, st: st, place: store.Place{Address: a, Asset: wallet.Coin(s.id)}, expected: p.expected[i]}
		if err := q.begin(ctx, min(gap.Since, p.round.Floor)); err != nil {
			return err
		}
		rest, reason, err := q.explain(ctx, rest, sum)
		if errors.Is(err, errTooMany) { // the next pass goes on with it
			p.round.Next = a
			break
		}
		if err != nil {
			return err
		}
		left = append(left, difference{gap, rest, reason})
	}
	if p.round.Next == (common.Address{}) {
		p.round.Running, p.round.Floor, p.round.Agreed = false, p.round.Agreed, p.round.Began
	}
	return s.db.Update(ctx, func(tx store.Tx) error {
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		if now, err := store.ReadRound(tx, s.id); err != nil {
			return err
		} else if now != p.was {
			return errMoved
		}
		for _, d := range left {
			if err := s.putDifference(tx, st.cursor, d); err != nil {
				return err
			}
		}
		return store.PutRound(tx, s.id, p.round)
	})
}

// difference is what is left of one after it was looked into: nothing if rest
// is zero.
type difference struct {
	gap    store.Gap
	rest   wallet.Amount // signed, wei
	reason string
}

// putDifference remembers a difference that nothing explains, and puts it in
// quarantine where it can be seen, once per address; or forgets it.
func (s *Scanner) putDifference(tx store.Tx, c store.Cursor, d difference) error {
	a, rest := d.gap.Address, d.rest
	var own *wallet.UnprovenCoin
	taken := false // the place of the record
	err := store.UnprovenCoins(tx, s.id, d.gap.Since+1, func(u wallet.UnprovenCoin) error {
		switch {
		case u.Address != a:
		case u.BlockNumber == d.gap.Block:
			own = &u
		default: // what a trace told and nobody could prove
			rest = rest.Sub(u.In).Add(u.Out)
			taken = taken || u.BlockNumber == c.Head
		}
		return nil
	})
	if err != nil {
		return err
	}
	if own != nil {
		if own.In.Sub(own.Out).Cmp(rest) == 0 && own.Reason == d.reason {
			return nil
		}
		if err := store.DeleteUnprovenCoin(tx, s.id, d.gap.Block, a); err != nil {
			return err
		}
		d.gap.Block = 0
	}
	if d.rest.IsZero() {
		return store.DeleteGap(tx, s.id, a)
	}
	if !rest.IsZero() && !taken {
		u := wallet.UnprovenCoin{
			ChainID: s.id, Address: a, BlockNumber: c.Head, BlockHash: c.HeadHash,
			Reason: d.reason, SeenAt: s.o.Now().UTC(),
		}
		if rest.Sign() > 0 {
			u.In = rest
		} else {
			u.Out = rest.Neg()
		}
		d.gap.Block = c.Head
		if err := store.PutUnprovenCoin(tx, u); err != nil {
			return err
		}
	}
	return store.PutGap(tx, s.id, d.gap)
}

// noteUntraced remembers that a block was read without a trace.
func (s *Scanner) noteUntraced(tx store.Tx, n uint64) error {
	r, err := store.ReadRound(tx, s.id)
	if err != nil || n <= r.Untraced {
		return err
	}
	r.Untraced = n
	return store.PutRound(tx, s.id, r)
}

// compareFrom has what was compared above a fork compared again.
func (s *Scanner) compareFrom(tx store.Tx, fork uint64) error {
	r, err := store.ReadRound(tx, s.id)
	if err != nil {
		return err
	}
	was := r
	if r.Began > fork {
		r.Running, r.Began = false, fork
	}
	r.Agreed, r.Floor, r.Untraced = min(r.Agreed, fork), min(r.Floor, fork), min(r.Untraced, fork)
	if r == was {
		return nil
	}
	return store.PutRound(tx, s.id, r)
}
