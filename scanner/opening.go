package scanner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

const (
	openLanes = 4   // questions about opening balances that are under way at the same time
	openPart  = 500 // places that one of them asks about
	// openFor bounds how long opening balances are read before new blocks are.
	// Nodes forget the state of a block that is old.
	openFor = 10 * time.Second
)

// errMore says that a pass has booked opening balances, and must begin anew at
// the head for the rest.
var errMore = errors.New("there are more opening balances")

// holding is what the chain says of a place at the cursor's block.
type holding struct {
	store.Unopened

	balance *big.Int
	nonce   uint64 // of the coin's places
}

// openBefore opens what it can before new blocks are read, at the last block that
// was read: all that comes later is a deposit then, even if only a comparison of
// balances shows it. Where a node has no state of that block any more, or fails,
// or time is up, open does the rest once the blocks are read.
func (s *Scanner) openBefore(ctx context.Context, st state, sum *Summary) error {
	err := s.open(ctx, st, sum)
	var asked *askError
	if ctx.Err() == nil && (errors.Is(err, errMore) || errors.As(err, &asked)) {
		return nil
	}
	return err
}

// open reads and books what lay on addresses before they were watched. It is
// read at the last block that was read: what lies there, less what the ledger
// and the records of scanning explain. It returns errMore if that took so long
// that the next blocks are due.
func (s *Scanner) open(ctx context.Context, st state, sum *Summary) error {
	if st.cursor.Head < base(st.chain) { // after a reorg of the start
		return nil
	}
	started, done, total := s.o.Now(), 0, 0
	for {
		var list []store.Unopened
		err := s.db.View(ctx, func(tx store.Tx) (err error) {
			list, err = store.UnopenedAddresses(tx, s.id, s.o.MaxOpeningsPerStep)
			if err == nil && total == 0 {
				total, err = store.CountUnopened(tx, s.id, math.MaxInt)
			}
			return err
		})
		switch {
		case err != nil || len(list) == 0:
			return err
		case done > 0 && s.o.Now().Sub(started) >= openFor:
			return errMore
		}
		holdings, err := s.holdings(ctx, list, st.cursor.HeadHash)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case (errors.Is(err, chain.ErrNoState) || errors.Is(err, ethereum.NotFound)) && done > 0:
			return errMore // the state was there before: the block is old now
		case errors.Is(err, chain.ErrNoState) || errors.Is(err, ethereum.NotFound):
			return nil // the endpoint is behind; the next pass asks again
		case err != nil:
			return &askError{fmt.Errorf("opening balances: %w", err)}
		}
		booked := 0
		err = s.db.Update(ctx, func(tx store.Tx) (err error) {
			if err := s.unmoved(tx, st.cursor); err != nil {
				return err
			}
			booked, err = s.bookOpenings(tx, st.cursor, holdings)
			return err
		})
		if err != nil {
			return err
		}
		sum.Openings += booked
		done += len(list)
		s.progress(ReadingOpenings, uint64(done), uint64(max(done, total))) //nolint:gosec // counts
	}
}

// holdings asks the chain for balances at a block, and for the nonces of the
// coin's places.
func (s *Scanner) holdings(ctx context.Context, list []store.Unopened, block common.Hash) ([]holding, error) {
	all := make([]holding, len(list))
	for i := range list {
		all[i].Unopened = list[i]
	}
	slices.SortStableFunc(all, func(a, b holding) int { return a.Asset.Contract.Cmp(b.Asset.Contract) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(openLanes)
	for rest := all; len(rest) > 0; {
		n := 1
		for n < min(len(rest), openPart) && rest[n].Asset == rest[0].Asset {
			n++
		}
		part := rest[:n]
		rest = rest[n:]
		g.Go(func() error { return s.ask(ctx, part, block) })
	}
	return all, g.Wait()
}

// ask fills in the balances and nonces of places of one asset.
func (s *Scanner) ask(ctx context.Context, part []holding, block common.Hash) error {
	owners := make([]common.Address, len(part))
	for i := range part {
		owners[i] = part[i].Address
	}
	balances, nonces, err := s.balances(ctx, part[0].Asset.Contract, owners, block)
	if err != nil {
		return err
	}
	for i := range part {
		part[i].balance = balances[i]
		if nonces != nil {
			part[i].nonce = nonces[i]
		}
	}
	return nil
}

func (s *Scanner) balances(ctx context.Context, contract common.Address, owners []common.Address, block common.Hash) (balances []*big.Int, nonces []uint64, err error) {
	if contract == (common.Address{}) {
		if balances, err = s.chain.BalancesAt(ctx, owners, block); err != nil {
			return nil, nil, err
		}
		nonces, err = s.chain.NoncesAt(ctx, owners, block)
		return balances, nonces, err
	}
	balances, err = s.chain.TokenBalances(ctx, contract, owners, block)
	if errors.Is(err, chain.ErrNotToken) || reverted(err) {
		// A contract that no longer answers holds nothing for anybody.
		balances, err = make([]*big.Int, len(owners)), nil
	}
	return balances, nil, err
}

// reverted reports whether a call failed in the contract and not on the way.
func reverted(err error) bool {
	var e *chain.EndpointError
	return errors.As(err, &e) && (e.Code == 3 || e.Code == -32015 || len(e.Data) > 0)
}

// bookOpenings books what nothing explains as opening balances of the house.
func (s *Scanner) bookOpenings(tx store.Tx, c store.Cursor, holdings []holding) (booked int, err error) {
	moving, err := store.Unbooked(tx, s.id, c.Head)
	if err != nil {
		return 0, err
	}
	for _, h := range holdings {
		if still, err := store.IsUnopened(tx, h.Unopened); err != nil {
			return 0, err
		} else if !still {
			continue
		}
		known, err := store.LocationBalance(tx, h.Address, h.Asset)
		if err != nil {
			return 0, err
		}
		rest := wallet.AmountOf(h.balance).Sub(known).Sub(moving[store.Place{Address: h.Address, Asset: h.Asset}])
		if !rest.IsZero() {
			if err := s.bookOpening(tx, c.Head, store.Place(h.Unopened), rest); err != nil {
				return 0, err
			}
			booked++
		}
		if err := s.opened(tx, c.Head, h); err != nil {
			return 0, err
		}
	}
	return booked, nil
}

// bookOpening books an opening balance, or a correction of one, in the block in
// which it was read.
func (s *Scanner) bookOpening(tx store.Tx, block uint64, at store.Place, amount wallet.Amount) error {
	id, err := unusedEntry(tx, openingEntry(at.Asset, at.Address))
	if err != nil {
		return err
	}
	return store.Book(tx, wallet.Entry{
		ID: id, ChainID: s.id, Kind: wallet.EntryOpening, Ref: at.Address.Hex(), Time: s.o.Now().UTC(), Block: block,
		Postings: wallet.Move(at.Asset, amount,
			wallet.Posting{Location: wallet.Outside, Owner: wallet.House, Book: wallet.Opening},
			wallet.Posting{Location: at.Address, Owner: wallet.House, Book: wallet.Available}),
	})
}

func openingEntry(asset wallet.AssetID, at common.Address) string {
	return fmt.Sprintf("opening:%s:%s", asset, at)
}

// opened notes that a place is open. From the coin's on, the nonces of the
// address are the store's to give out.
func (s *Scanner) opened(tx store.Tx, block uint64, h holding) error {
	if err := store.MarkOpened(tx, h.Unopened, block); err != nil || !h.Asset.IsCoin() {
		return err
	}
	if _, known, err := store.NextNonce(tx, s.id, h.Address); err != nil || known {
		return err
	}
	return store.PutNextNonce(tx, s.id, h.Address, h.nonce)
}

// reopen has the opening balances that were read in blocks from the given one
// on read again.
func (s *Scanner) reopen(tx store.Tx, from uint64) error {
	list, err := store.OpenedFrom(tx, s.id, from)
	if err != nil {
		return err
	}
	for _, at := range list {
		if err := s.unopen(tx, at); err != nil {
			return err
		}
	}
	return nil
}

// unopen takes back an opening balance and has it read again.
func (s *Scanner) unopen(tx store.Tx, at store.Place) error {
	var booked []wallet.Entry
	if _, err := unused(openingEntry(at.Asset, at.Address), func(id string) (bool, error) {
		e, ok, err := store.EntryByID(tx, id)
		if ok {
			booked = append(booked, e)
		}
		return ok, err
	}); err != nil {
		return err
	}
	for _, e := range booked {
		if err := s.reverseEntry(tx, e); err != nil {
			return err
		}
	}
	return store.MarkUnopened(tx, at.Address, at.Asset)
}
