package scanner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// proofsAtOnce is how many accounts are asked for at the same time.
const proofsAtOnce = 4

// spot is an account at a block.
type spot struct {
	account common.Address
	block   common.Hash
}

// proven is what a node proved of a spot, or why it did not.
type proven struct {
	balance wallet.Amount
	err     error
}

// prove asks the chain for the balances before and after the blocks of the
// addresses that claim something. What a node does not prove stays unproven and
// stops nothing; an endpoint that is out of reach does.
func (s *Scanner) prove(ctx context.Context, facts []Facts) error {
	asked := map[spot]*proven{}
	var order []spot
	ask := func(at spot) {
		if asked[at] == nil {
			asked[at] = new(proven)
			order = append(order, at)
		}
	}
	for i := range facts {
		if c := facts[i].Coin; c != nil {
			for j := range c.Claims {
				ask(spot{c.Claims[j].Address, c.parent})
				ask(spot{c.Claims[j].Address, c.hash})
			}
		}
	}
	if err := s.accounts(ctx, order, asked); err != nil {
		return err
	}
	for i := range facts {
		if c := facts[i].Coin; c != nil {
			for j := range c.Claims {
				claim := &c.Claims[j]
				claim.between(asked[spot{claim.Address, c.parent}], asked[spot{claim.Address, c.hash}])
			}
		}
	}
	return nil
}

// between sets the change from what was proven before and after the block.
func (c *Claim) between(before, after *proven) {
	for _, p := range []*proven{before, after} {
		if p.err != nil {
			c.Why = p.err.Error()
			return
		}
	}
	c.Change, c.Proven = after.balance.Sub(before.balance), true
}

// accounts asks for proofs, some at a time. After a proof that is wrong, or one
// that a node in reach does not give, the rest are not asked for: each would
// take as long to fail.
func (s *Scanner) accounts(ctx context.Context, order []spot, asked map[spot]*proven) error {
	work := make(chan spot)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var refused error
	for range min(proofsAtOnce, len(order)) {
		wg.Go(func() {
			for at := range work {
				mu.Lock()
				p := proven{err: refused}
				mu.Unlock()
				if p.err == nil {
					var a chain.Account
					if a, p.err = s.chain.Proof(ctx, at.account, at.block); p.err == nil {
						p.balance = wallet.AmountOf(a.Balance)
					}
				}
				mu.Lock()
				*asked[at] = p
				if hopeless(p.err) {
					refused = p.err
				}
				mu.Unlock()
			}
		})
	}
	for _, at := range order {
		work <- at
	}
	close(work)
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(refused, wallet.ErrUnreachable) {
		return nil
	}
	if _, err := s.chain.HeaderByNumber(ctx, nil); err != nil {
		return fmt.Errorf("balance proofs: %w", refused)
	}
	return nil
}

// hopeless reports whether the next proof will fare no better, and fail late.
func hopeless(err error) bool {
	var u *chain.UnprovenError
	return errors.Is(err, wallet.ErrUnreachable) || errors.As(err, &u)
}

// resolve turns what was proven of a block's coin into facts that are not
// recorded yet. It is done in the transaction that writes them, so that nothing
// is recorded twice.
func (s *Scanner) resolve(tx store.Tx, f Facts) (Facts, error) {
	if f.Coin == nil {
		return f, nil
	}
	have := stored{mined: make([]bool, len(f.Mined)), taken: make([]bool, len(f.Coin.Moved))}
	var transfers []Moved
	for i := range f.Mined {
		m, ok, err := store.MinedAt(tx, f.Mined[i].Slot)
		if err != nil {
			return f, err
		}
		have.mined[i] = ok && (m.Settled || m.BlockHash == f.Coin.hash)
		if !ok || m.BlockHash != f.Coin.hash {
			continue
		}
		for _, t := range m.Transfers {
			if t.Path != "" {
				transfers = append(transfers, Moved{Transfer: t, TxHash: m.TxHash})
			}
		}
	}
	var err error
	for i, m := range f.Coin.Moved {
		if have.taken[i], err = s.taken(tx, m, transfers); err != nil {
			return f, err
		}
	}
	if have.sums, err = s.recorded(tx, f.Coin, transfers); err != nil {
		return f, err
	}
	return f.resolved(s.id, have), nil
}

// taken reports whether something is recorded by the name that a move would
// have, whatever it is: a trace that was a lie has other moves in its places.
func (s *Scanner) taken(tx store.Tx, m Moved, transfers []Moved) (bool, error) {
	if slices.ContainsFunc(transfers, func(t Moved) bool { return t.TxHash == m.TxHash && t.Path == m.Path }) {
		return true, nil
	}
	id, _ := m.deposit(s.id)
	if d, ok, err := store.Deposit(tx, id); err != nil || ok && d.Status != wallet.DepositOrphaned {
		return ok, err
	}
	return s.knowsOutflow(tx, store.Outflow{Transfer: m.Transfer, TxHash: m.TxHash})
}

// recorded sums what the store has of the coin of a block's claims, given what
// it has in transactions of ours.
func (s *Scanner) recorded(tx store.Tx, c *Coin, transfers []Moved) (map[common.Address]wallet.Amount, error) {
	have := map[common.Address]wallet.Amount{}
	claimed := map[common.Address]bool{}
	for i := range c.Claims {
		claimed[c.Claims[i].Address] = true
	}
	add := func(a common.Address, n wallet.Amount) {
		if claimed[a] {
			have[a] = have[a].Add(n)
		}
	}
	for _, t := range transfers {
		add(t.From, t.Amount.Neg())
		add(t.To, t.Amount)
	}
	deposits, err := store.DepositsIn(tx, s.id, c.number)
	if err != nil {
		return nil, err
	}
	for _, d := range deposits {
		if d.BlockHash == c.hash && d.Status != wallet.DepositOrphaned && d.Asset.IsCoin() && c.hides(&d) {
			add(d.Address, d.Amount)
		}
	}
	outflows, err := store.Outflows(tx, s.id, c.number, c.number, 0)
	if err != nil {
		return nil, err
	}
	for _, o := range outflows {
		if o.BlockHash == c.hash && o.Transfer.Asset.IsCoin() {
			add(o.Transfer.From, o.Transfer.Amount.Neg())
			add(o.Transfer.To, o.Transfer.Amount)
		}
	}
	return have, s.booked(tx, c, add)
}

// hides reports whether a deposit is one that the block's bytes do not show.
func (c *Coin) hides(d *wallet.Deposit) bool {
	switch d.Kind {
	case wallet.KindInternal, wallet.KindReward:
		return true
	case wallet.KindNative:
		return c.unread[d.TxHash] && d.ID == wallet.DepositID(d.ChainID, d.TxHash, d.Kind, 0)
	case wallet.KindToken, wallet.KindWithdrawal:
	}
	return false
}

// booked adds the outflows of the block that are in the ledger. One that was
// booked before its recipient was ours is part of that one's opening balance,
// and recorded all the same.
func (s *Scanner) booked(tx store.Tx, c *Coin, add func(common.Address, wallet.Amount)) error {
	entries, err := store.EntriesIn(tx, s.id, c.number)
	if err != nil {
		return err
	}
	outside := map[string]bool{}
	for _, e := range entries {
		if !strings.HasPrefix(e.ID, outflowPrefix) {
			continue
		}
		for _, p := range e.Postings {
			switch {
			case !p.Asset.IsCoin():
			case p.Location == wallet.Outside:
				outside[e.ID] = true
			default:
				add(p.Location, p.Amount)
			}
		}
	}
	for _, m := range c.Moved {
		if outside[s.outflowEntry(store.Outflow{Transfer: m.Transfer, TxHash: m.TxHash})] {
			add(m.To, m.Amount)
		}
	}
	return nil
}
