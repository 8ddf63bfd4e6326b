package scanner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Chain is what scanning asks of a chain; a chain.Client does it all. Headers
// hash to what they claim and blocks are proven.
type Chain interface {
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SafeHeader(ctx context.Context) (*types.Header, error)
	FinalizedHeader(ctx context.Context) (*types.Header, error)
	Agree(ctx context.Context, number uint64, hash common.Hash) (chain.Votes, error)
	Blocks(ctx context.Context, from, to uint64) iter.Seq2[*chain.Block, error]
	BalancesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]*big.Int, error)
	NoncesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]uint64, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
	Proof(ctx context.Context, account common.Address, block common.Hash) (chain.Account, error)
	Heads(ctx context.Context, poll time.Duration) <-chan struct{}
}

// Options are the choices for a Scanner.
type Options struct {
	Now func() time.Time // nil is time.Now
	// Progress, if set, hears how much of what a pass is at is done. Blocks that
	// were read may not be recorded yet.
	Progress func(at Phase, done, total uint64)
	// MaxBlocksPerStep bounds what one store transaction writes; 0 is 64.
	MaxBlocksPerStep int
	// MaxOpeningsPerStep bounds how many opening balances are read and booked at
	// a time; 0 is 2,000.
	MaxOpeningsPerStep int
	// Poll is how often Follow looks for a new head that nobody told of; 0 is
	// 4 s.
	Poll time.Duration
	// CompareBlocks is within how many blocks the coin on all addresses is
	// compared with the books; 0 is 300 while blocks cannot be traced, and 7,200
	// while they are. Below 0 nothing is compared.
	CompareBlocks int
	// FinalityAlarm is how far, by their timestamps, the block at a tag that the
	// chain's settings use may lie below the head before that is an alarm and
	// nothing is credited or final by the tag; 0 is wallet.DefaultFinalityAlarm,
	// below 0 any.
	FinalityAlarm time.Duration
	// BackupBlocks is how many blocks behind the final one a pass reads again at
	// most; 0 is 128, below 0 none.
	BackupBlocks int
	// MaxUnproven bounds how much coin that could not be proven is kept in
	// quarantine, by block and address; 0 is 250,000.
	MaxUnproven int
	// Funds, if set, says at the end of a pass whether too little lies on the
	// addresses that pay, and what: that is the alarm of wallet.AlarmLow.
	Funds func(tx store.Tx) (*wallet.Alarm, error)
}

// Phase is what a pass is at, in words to put before a count.
type Phase string

// The phases of a pass. There may be any number of each.
const (
	ReadingBlocks   Phase = "blocks read"
	ReadingDue      Phase = "marked blocks read"
	ReadingOpenings Phase = "opening balances read"
)

// Scanner follows one chain of a home.
type Scanner struct {
	db    store.DB
	chain Chain
	id    uint64
	o     Options
}

// New returns a scanner of the chain with the given id, which the store must
// hold.
func New(db store.DB, c Chain, chainID uint64, o Options) *Scanner {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxBlocksPerStep = cmp.Or(o.MaxBlocksPerStep, 64)
	o.MaxOpeningsPerStep = cmp.Or(o.MaxOpeningsPerStep, 2_000)
	o.Poll = cmp.Or(o.Poll, 4*time.Second)
	o.FinalityAlarm = cmp.Or(o.FinalityAlarm, wallet.DefaultFinalityAlarm)
	o.BackupBlocks = cmp.Or(o.BackupBlocks, defaultBackup)
	o.MaxUnproven = cmp.Or(o.MaxUnproven, 250_000)
	return &Scanner{db: db, chain: c, id: chainID, o: o}
}

// Summary is what a pass read and changed.
type Summary struct {
	From, To  uint64 // the blocks that were read; From is To+1 if none was
	Blocks    uint64
	Deposits  int // seen for the first time, or again in another block
	Confirmed int
	Orphaned  int
	Mined     int    // transactions of ours
	Openings  int    // opening balances that were booked
	Undone    uint64 // blocks that left the chain
	// Malformed counts Transfer logs of registered tokens that are none.
	Malformed int
	// Unread counts transactions of types that are not known here: ether that
	// they may have moved was not seen.
	Unread int
	// UnprovenBlocks counts blocks whose content is the endpoints' word alone
	// (chain.Block.Unproven).
	UnprovenBlocks uint64
	// Unproven counts coin that moved inside a block by a trace's word and that
	// no balance proof confirmed, by block and address. It is in no book.
	Unproven int
	// Untraceable counts addresses and blocks in which a trace does not add up
	// to the proven balances: what was proven was taken as one movement. The
	// first of them are in Untraced.
	Untraceable int
	Untraced    []Untraceable
	// Residuals counts differences of coin that a comparison found and proved;
	// Unseen are those of this pass. What arrived is among Deposits too.
	Residuals int
	Unseen    []Residual
	// Uncompared is why balances were not compared that were due, or nil.
	Uncompared error
	// Behind is set when an endpoint does not have all yet that another one
	// has, or that was read before. What is shorter than what was read credits
	// nothing.
	Behind bool
	// Dissent are the votes that a quorum won while another endpoint held
	// another block. What the quorum agreed on counts.
	Dissent []chain.Votes
	// Unagreed is why deposits were not credited, or blocks not taken for
	// final, that otherwise would have been: a *chain.DisagreementError. The
	// pass returns it too.
	Unagreed error
	// Alarms are those of the chain that stand after the pass, and Cleared those
	// that it ended. While one stands that is not about the past, a pass that
	// does not fail otherwise returns a wallet.AlarmError.
	Alarms, Cleared []wallet.Alarm
	// Found is what the second reading of final blocks found that the first had
	// not. It is an alarm, too.
	Found []Found
	// Due is set when blocks that hold transfers of tokens which were registered
	// since are still to be read again.
	Due bool
	// Overdue is why they could not be. The pass returns it too, after it did
	// all the rest.
	Overdue error
}

// Plus is what two passes, one after the other, read and changed.
func (s Summary) Plus(next Summary) Summary {
	sum := next
	switch {
	case next.To == 0: // it broke off before it knew how far the chain was read
		sum.From, sum.To = s.From, s.To
	case s.Blocks > 0:
		sum.From = s.From
	}
	sum.Blocks += s.Blocks
	sum.Deposits += s.Deposits
	sum.Confirmed += s.Confirmed
	sum.Orphaned += s.Orphaned
	sum.Mined += s.Mined
	sum.Openings += s.Openings
	sum.Undone += s.Undone
	sum.Malformed += s.Malformed
	sum.Unread += s.Unread
	sum.UnprovenBlocks += s.UnprovenBlocks
	sum.Unproven += s.Unproven
	sum.Untraceable += s.Untraceable
	sum.Untraced = firstUntraced(s.Untraced, next.Untraced)
	sum.Residuals += s.Residuals
	sum.Cleared = slices.Concat(s.Cleared, next.Cleared)
	sum.Found = slices.Concat(s.Found, next.Found)
	return sum
}

// maxUntraced bounds how many a summary names.
const maxUntraced = 20

func firstUntraced(a, b []Untraceable) []Untraceable {
	all := slices.Concat(a, b)
	return all[:min(len(all), maxUntraced)]
}

func (s *Summary) add(f *Facts) {
	s.Mined += len(f.Mined)
	s.Malformed += f.Malformed
	s.Unread += f.Unread
	if f.UnprovenBlock {
		s.UnprovenBlocks++
	}
	s.Unproven += len(f.Unproven)
	s.Untraceable += len(f.Untraceable)
	s.Untraced = firstUntraced(s.Untraced, f.Untraceable)
}

func (s *Scanner) progress(at Phase, done, total uint64) {
	if s.o.Progress != nil {
		s.o.Progress(at, done, total)
	}
}

// errMoved says that the chain or the cursor changed while a step was made.
var errMoved = errors.New("changed meanwhile")

// maxRestarts bounds how often a pass begins anew because something changed
// under it.
const maxRestarts = 50

// stale reports whether no endpoint holds any more what a vote was about.
func stale(err error) bool {
	var d *chain.DisagreementError
	return errors.As(err, &d) && len(d.Agree) == 0 && len(d.Differ) > 0
}

// Pass reads to the head, follows what was reorganised, and credits what has
// become final enough. It may be stopped anywhere and run any number of times
// at once.
func (s *Scanner) Pass(ctx context.Context) (Summary, error) {
	sum, err := s.passes(ctx)
	if err = s.changed(ctx, err); ctx.Err() != nil {
		return sum, err
	}
	if err == nil {
		err = s.watchFunds(ctx, &sum)
	}
	return sum, s.stands(ctx, &sum, err)
}

// passes tries until nothing changes while it reads.
func (s *Scanner) passes(ctx context.Context) (Summary, error) {
	var sum Summary
	for try := 0; try < maxRestarts; try++ {
		err := s.pass(ctx, &sum)
		if errors.Is(err, errMore) {
			try, err = -1, errMoved // what it waits for gets less
		}
		// What a tag names, and what the chain is, may have changed between two
		// answers.
		again := errors.Is(err, errMoved) || (errors.Is(err, ErrFinalChanged) || errors.Is(err, errTagElsewhere) || stale(err)) && try < 2
		if !again {
			return sum, cmp.Or(err, sum.Overdue)
		}
		if err := ctx.Err(); err != nil {
			return sum, err
		}
	}
	return sum, wallet.WithHint(wallet.As(wallet.ErrUnreachable, "chain %d changed %d times while it was read", s.id, maxRestarts),
		"the endpoints may disagree about the chain: airlock doctor compares them")
}

// pass is one try. It returns errMoved when it must begin anew.
func (s *Scanner) pass(ctx context.Context, sum *Summary) error {
	sum.Dissent, sum.Unagreed, sum.Uncompared, sum.Due, sum.Overdue = nil, nil, nil, false, nil
	st, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if err := s.checkFinal(ctx, st, sum); err != nil {
		return err
	}
	// The tags come first, so that they stand at or below the head.
	tags, err := s.readTags(ctx, st.chain)
	if err != nil {
		return err
	}
	head, err := s.chain.HeaderByNumber(ctx, nil)
	if err != nil {
		return err
	}
	furthest, err := s.further(ctx, st, head)
	if err != nil {
		return err
	}
	to, err := s.compare(ctx, st, furthest, sum)
	if err != nil {
		return err
	}
	st.keep = keepFrom(tags.final(st, to))
	sum.noteRange(st.cursor.Head+1, st.cursor.Head)
	sum.Behind = to < st.cursor.Head
	if !sum.Behind {
		if err := s.judge(ctx, st, &tags, head, sum); err != nil {
			return err
		}
		if to > st.cursor.Head {
			if err := s.openBefore(ctx, st, sum); err != nil {
				return err
			}
		}
		if err := s.read(ctx, &st, to, sum); err != nil {
			return err
		}
		if err := s.readDue(ctx, sum); err != nil {
			return err
		}
		if err := s.settle(ctx, &st, tags, sum); err != nil {
			return err
		}
		if err := s.end(ctx, st, wallet.AlarmTag, sum); err != nil {
			return err
		}
		if err := s.backup(ctx, &st, tags, sum); err != nil {
			return err
		}
	}
	if to != st.cursor.Head {
		sum.Behind = true
		return nil
	}
	if err := s.open(ctx, st, sum); err != nil {
		return err
	}
	found := sum.Residuals
	if err := s.compareBalances(ctx, st, sum); err != nil || sum.Residuals == found {
		return err
	}
	return s.settle(ctx, &st, tags, sum) // its block may be final already
}

// noteRange widens the range that was read.
func (s *Summary) noteRange(from, to uint64) {
	if s.Blocks == 0 || from < s.From {
		s.From = from
	}
	s.To = to
}

// state is what a pass goes by: the cursor must still be where it was when it
// writes.
type state struct {
	chain  wallet.Chain
	cursor store.Cursor
	keep   uint64 // hashes of blocks from there on are kept
	alarms []wallet.Alarm
}

// base is the block before the first that is read. It is read for its hash
// only. On a chain that is read from its beginning it is block 0, which has no
// transactions.
func base(c wallet.Chain) uint64 { return max(c.StartBlock, 1) - 1 }

// begin reads the state, and anchors a chain that was never read.
func (s *Scanner) begin(ctx context.Context) (state, error) {
	var st state
	known := false
	err := s.db.View(ctx, func(tx store.Tx) (err error) {
		if st.chain, err = store.Chain(tx, s.id); err != nil {
			return err
		}
		if st.alarms, err = store.Alarms(tx, s.id); err != nil {
			return err
		}
		st.cursor, known, err = store.ReadCursor(tx, s.id)
		return err
	})
	if err != nil || known {
		return st, err
	}
	n := base(st.chain)
	h, err := s.chain.HeaderByNumber(ctx, new(big.Int).SetUint64(n))
	if errors.Is(err, ethereum.NotFound) {
		return st, wallet.WithHint(fmt.Errorf("chain %d: start block %d is above the head of every endpoint: %w", s.id, st.chain.StartBlock, err),
			"wait for it, or check whether the endpoints are synchronised")
	}
	if err != nil {
		return st, err
	}
	st.cursor = store.Cursor{Head: n, HeadHash: h.Hash(), Credited: n, FinalHash: st.chain.GenesisHash, Reread: n}
	return st, s.db.Update(ctx, func(tx store.Tx) error {
		if _, ok, err := store.ReadCursor(tx, s.id); err != nil || ok {
			return cmp.Or(err, errMoved)
		}
		if err := s.putHash(tx, n, st.cursor.HeadHash); err != nil {
			return err
		}
		return store.PutCursor(tx, s.id, st.cursor)
	})
}

// unmoved makes sure that nobody changed the cursor since it was read.
func (s *Scanner) unmoved(tx store.Tx, cursor store.Cursor) error {
	now, _, err := store.ReadCursor(tx, s.id)
	if err == nil && now != cursor {
		err = errMoved
	}
	return err
}

// compare finds out up to where there is something to read. It undoes what
// left the chain, and then returns errMoved. A chain that is shorter than what
// was read is not followed, since a network never shows one: the endpoint is
// behind, and less than the cursor's head is returned.
func (s *Scanner) compare(ctx context.Context, st state, head *types.Header, sum *Summary) (uint64, error) {
	n := head.Number.Uint64()
	if n < st.cursor.Head {
		return n, nil
	}
	at := head
	if n > st.cursor.Head {
		var err error
		at, err = s.headerAt(ctx, st.cursor.Head)
		if errors.Is(err, ethereum.NotFound) {
			return 0, nil // another endpoint than the one that told the head
		}
		if err != nil {
			return 0, err
		}
	}
	if at.Hash() == st.cursor.HeadHash {
		return n, nil
	}
	if err := s.reorg(ctx, st, sum); !errors.Is(err, errBehind) {
		return 0, err
	}
	return 0, nil
}

// further is the head of another endpoint where the preferred one has nothing
// new and may have stopped. What the other one has is read, and voted on like any
// block.
func (s *Scanner) further(ctx context.Context, st state, head *types.Header) (*types.Header, error) {
	if head.Number.Uint64() > st.cursor.Head {
		return head, nil
	}
	other, err := s.chain.HeaderByNumber(chain.PreferLast(ctx), nil)
	if err != nil || other.Number.Cmp(head.Number) <= 0 {
		return head, err
	}
	return other, nil
}

func (s *Scanner) headerAt(ctx context.Context, n uint64) (*types.Header, error) {
	return s.chain.HeaderByNumber(ctx, new(big.Int).SetUint64(n))
}

const (
	// maxStepItems bounds the transactions, logs and moves that a step holds in
	// memory.
	maxStepItems = 50_000
	// maxStepTime bounds what is read again after an interruption, where blocks
	// come slowly.
	maxStepTime = 5 * time.Second
)

// read reads the blocks after the cursor up to the given one, step by step.
func (s *Scanner) read(ctx context.Context, st *state, to uint64, sum *Summary) error {
	from := st.cursor.Head + 1
	if to < from {
		return nil
	}
	var step []*chain.Block
	items, parent, begun := 0, st.cursor.HeadHash, s.o.Now()
	flush := func() error {
		if len(step) == 0 {
			return nil
		}
		if err := s.step(ctx, st, step, sum); err != nil {
			return err
		}
		step, items, begun = step[:0], 0, s.o.Now()
		return nil
	}
	for b, err := range s.chain.Blocks(ctx, from, to) {
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ethereum.NotFound): // this endpoint is behind the one that told the head
			return flush()
		case err != nil:
			return errors.Join(flush(), err)
		case b.Header.ParentHash != parent:
			// What was read so far belonged together; begin anew from there.
			return cmp.Or(flush(), errMoved)
		}
		parent = b.Hash
		step = append(step, b)
		items += itemsOf(b)
		if len(step) == s.o.MaxBlocksPerStep || items > maxStepItems || s.o.Now().Sub(begun) > maxStepTime {
			if err := flush(); err != nil {
				return err
			}
		}
		s.progress(ReadingBlocks, b.Number()-from+1, to-from+1)
	}
	return flush()
}

// itemsOf counts against maxStepItems.
func itemsOf(b *chain.Block) int {
	n := len(b.Txs) + len(b.Moves)
	for i := range b.Txs {
		n += len(b.Txs[i].Logs)
	}
	return n
}

// step records what some blocks hold and moves the cursor behind them.
func (s *Scanner) step(ctx context.Context, st *state, blocks []*chain.Block, sum *Summary) error {
	facts, err := s.extract(ctx, blocks)
	if err != nil {
		return err
	}
	last := blocks[len(blocks)-1]
	cursor := st.cursor
	cursor.Head, cursor.HeadHash = last.Number(), last.Hash
	deposits := 0
	err = s.db.Update(ctx, func(tx store.Tx) (err error) {
		deposits = 0
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		untraced := uint64(0)
		for i, b := range blocks {
			if err := s.putHash(tx, b.Number(), b.Hash); err != nil {
				return err
			}
			if facts[i], err = s.resolve(tx, facts[i]); err != nil {
				return err
			}
			if !b.Traced {
				untraced = b.Number()
			}
			f := &facts[i]
			if b.Number() < st.chain.StartBlock {
				if f, err = s.beforeStart(tx, f); err != nil {
					return err
				}
			}
			n, err := s.record(tx, f)
			if err != nil {
				return err
			}
			deposits += n
		}
		if err := s.noteUntraced(tx, untraced); err != nil {
			return err
		}
		// While it catches up, what lies far below what is final need not be
		// kept for reorgs. How far that is may be the word of one endpoint.
		if err := s.prune(tx, min(keepFrom(cursor.Head), st.keep)); err != nil {
			return err
		}
		return store.PutCursor(tx, s.id, cursor)
	})
	if err != nil {
		return err
	}
	sum.noteRange(st.cursor.Head+1, cursor.Head)
	sum.Blocks += uint64(len(blocks))
	sum.Deposits += deposits
	for i := range facts {
		sum.add(&facts[i])
	}
	st.cursor = cursor
	return nil
}

// extract finds the facts of some blocks in one view of the store, and then asks
// the chain for proofs of what only balances prove.
func (s *Scanner) extract(ctx context.Context, blocks []*chain.Block) ([]Facts, error) {
	var facts []Facts
	err := s.db.View(ctx, func(tx store.Tx) error {
		facts = make([]Facts, len(blocks))
		known, now := newLookup(tx, s.id), s.o.Now().UTC()
		for i, b := range blocks {
			facts[i] = Extract(s.id, b, known, now)
		}
		return known.err
	})
	if err == nil {
		err = s.prove(ctx, facts)
	}
	return facts, err
}
