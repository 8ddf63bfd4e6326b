package rebalance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// tries is how often a plan is made again because the store changed meanwhile.
const tries = 3

// Chain is what planning asks of a chain.
type Chain interface {
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
	NonceAt(ctx context.Context, account common.Address, number *big.Int) (uint64, error)
	BalanceAtHash(ctx context.Context, account common.Address, block common.Hash) (*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
	EstimateGas(ctx context.Context, msg ethereum.CallMsg) (uint64, error)
}

// Rebalancer plans rebalances of one chain of a home.
type Rebalancer struct {
	DB      store.DB
	Chain   Chain
	ChainID uint64
	Now     func() time.Time
}

// Options say what to rebalance.
type Options struct {
	Marks []Mark
	Asset *wallet.AssetID // if set, the only one
	// Float makes a batch of the float, which brings back what is too much there.
	// Else it is one of the cold vault.
	Float    bool
	Rungs    int           // of the fee ladder; 0 is 1
	Validity time.Duration // of the batch; 0 is outgoing.Validity
	DryRun   bool          // write nothing
}

// Result is a plan, and the batch that was made of it.
type Result struct {
	Batch   *batch.Batch // nil if nothing is to be moved
	File    []byte       // as stored; nil after a dry run
	Skipped []Skipped
}

// Rebalance makes a plan and, unless it is a dry run, writes its batch and binds
// its transactions in one step. Where nothing is to be moved nothing is written.
func (r *Rebalancer) Rebalance(ctx context.Context, o Options) (res Result, err error) {
	o.Rungs, o.Validity = cmp.Or(o.Rungs, 1), cmp.Or(o.Validity, outgoing.Validity)
	for _, m := range o.Marks {
		if err := m.Check(); err != nil {
			return res, wallet.As(wallet.ErrUsage, "%s of %s: %w", m.Asset.Symbol, m.Role, err)
		}
	}
	for range tries {
		if res, err = r.try(ctx, o); !errors.Is(err, outgoing.ErrChanged) {
			return res, err
		}
	}
	return res, wallet.WithHint(err, "another airlock builds or settles at the same time; run this again once it is done")
}

func (r *Rebalancer) try(ctx context.Context, o Options) (res Result, err error) {
	f := &facts{Rebalancer: r, o: o, senders: map[common.Address]*sender{}}
	if err := r.DB.View(ctx, f.read); err != nil {
		return res, err
	}
	p, err := f.ask(ctx)
	if err != nil {
		return res, err
	}
	res.Skipped = p.skipped
	if len(p.items) == 0 {
		return res, nil
	}
	draft := func(tx store.Tx) (err error) {
		res.Batch, err = outgoing.Draft(tx, batch.Rebalance, r.ChainID, p.items, r.Now(), o.Validity)
		return err
	}
	if o.DryRun {
		return res, r.DB.View(ctx, draft)
	}
	return res, r.DB.Update(ctx, func(tx store.Tx) error {
		if err := draft(tx); err != nil {
			return err
		}
		rec, err := outgoing.Write(tx, res.Batch)
		res.File = rec.File
		return err
	})
}

// facts is what a plan is made from.
type facts struct {
	*Rebalancer
	o        Options
	cursor   store.Cursor
	coin     wallet.AssetID
	treasury wallet.Address
	senders  map[common.Address]*sender // the treasury and every address with marks
	places   []place
	slots    []wallet.Outgoing // that discarded batches left, by sender and nonce
	assets   []wallet.AssetID
	ledger   map[store.Place]wallet.Amount
	owed     map[common.Address]map[wallet.AssetID]wallet.Amount // by all that is open
	leaving  map[common.Address]map[wallet.AssetID]wallet.Amount // by what the last scanned block has not mined
	coming   map[store.Place]wallet.Amount                       // on its way, and not mined in the last scanned block
}

// read reads what the home itself knows.
func (f *facts) read(tx store.Tx) error {
	f.coin = wallet.Coin(f.ChainID)
	if err := store.CheckHalt(tx); err != nil {
		return err
	}
	var ok bool
	var err error
	if f.cursor, ok, err = store.ReadCursor(tx, f.ChainID); err != nil {
		return err
	} else if !ok {
		return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d was not scanned yet", f.ChainID), "airlock scan reads it")
	}
	if f.treasury, ok, err = store.AddressAt(tx, wallet.TreasuryRole, 0); err != nil {
		return err
	} else if !ok {
		return wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no treasury address"), "airlock watch import brings one")
	}
	f.senders[f.treasury.Address] = &sender{address: f.treasury}
	f.assets = []wallet.AssetID{f.coin}
	for _, m := range f.o.Marks {
		if !slices.Contains(f.assets, m.Asset.ID) {
			f.assets = append(f.assets, m.Asset.ID)
		}
		if err := store.EachAddress(tx, m.Role, 0, func(a wallet.Address) error {
			f.senders[a.Address] = &sender{address: a}
			if f.o.Asset == nil || *f.o.Asset == m.Asset.ID {
				f.places = append(f.places, place{address: a, mark: m})
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if err := f.readOpen(tx); err != nil {
		return err
	}
	return f.readSenders(tx)
}

// readOpen reads what is on its way, and what discarded batches left.
func (f *facts) readOpen(tx store.Tx) error {
	f.coming = map[store.Place]wallet.Amount{}
	return store.OpenOutgoing(tx, f.ChainID, func(o wallet.Outgoing) error {
		if o.Intent.Kind != wallet.IntentRebalance {
			return nil
		}
		_, mined, err := store.MinedAt(tx, o.Slot)
		if err != nil || mined {
			return err
		}
		to := store.Place{Address: o.Intent.Recipient, Asset: o.Intent.Asset}
		f.coming[to] = f.coming[to].Add(o.Intent.Amount)
		if from := f.senders[o.Slot.Sender]; outgoing.Rebuildable(&o) && from != nil && f.sends(from.address) {
			if f.senders[o.Intent.Recipient] == nil { // its marks are gone
				to, _, err := store.OurAddress(tx, o.Intent.Recipient)
				if err != nil {
					return err
				}
				f.senders[to.Address] = &sender{address: to}
			}
			if !slices.Contains(f.assets, o.Intent.Asset) {
				f.assets = append(f.assets, o.Intent.Asset)
			}
			f.slots = append(f.slots, o)
		}
		return nil
	})
}

// sends reports whether the keys of an address are in the vault of the batch.
func (f *facts) sends(a wallet.Address) bool { return (a.Role == wallet.FloatRole) == f.o.Float }

// readSenders reads what may leave each address.
func (f *facts) readSenders(tx store.Tx) error {
	doubts, err := store.Unexplained(tx, f.ChainID)
	if err != nil {
		return err
	}
	f.ledger = map[store.Place]wallet.Amount{}
	f.owed, f.leaving = map[common.Address]map[wallet.AssetID]wallet.Amount{}, map[common.Address]map[wallet.AssetID]wallet.Amount{}
	for a, s := range f.senders {
		// What is built again is reckoned with when it is.
		again := func(o *wallet.Outgoing) bool {
			return slices.ContainsFunc(f.slots, func(have wallet.Outgoing) bool { return have.Slot == o.Slot })
		}
		if f.owed[a], err = takes(tx, f.ChainID, a, func(o *wallet.Outgoing) (bool, error) { return again(o), nil }); err != nil {
			return err
		}
		if f.leaving[a], err = takes(tx, f.ChainID, a, func(o *wallet.Outgoing) (bool, error) {
			_, mined, err := store.MinedAt(tx, o.Slot)
			return mined || again(o), err
		}); err != nil {
			return err
		}
		for _, id := range f.assets {
			at := store.Place{Address: a, Asset: id}
			if f.ledger[at], err = store.LocationBalance(tx, a, id); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(doubts, func(slot wallet.Slot) bool { return slot.Sender == a }) {
			s.problem = "it has transactions that airlock did not make: airlock resolve shows them"
			continue
		}
		s.nonce, err = outgoing.NextNonce(tx, f.ChainID, a)
		if errors.Is(err, outgoing.ErrNoHistory) {
			s.problem, err = "its history was not read yet: run airlock scan", nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ask asks the chain what the plan needs, and makes it.
func (f *facts) ask(ctx context.Context) (*planner, error) {
	p := &planner{chain: f.ChainID, treasury: f.treasury, senders: f.senders, estimates: map[route]estimate{}}
	if len(f.places)+len(f.slots) == 0 {
		return p, nil
	}
	for a, s := range f.senders {
		if err := f.askSender(ctx, a, s); err != nil {
			return nil, err
		}
	}
	var list []move
	for _, m := range moves(f.places) {
		if f.sends(f.senders[m.route(f.treasury).from].address) {
			list = append(list, m)
		}
	}
	if len(list)+len(f.slots) == 0 {
		return p, nil
	}
	head, err := f.Chain.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, err
	}
	tip, err := f.Chain.SuggestGasTipCap(ctx)
	if err != nil {
		return nil, err
	}
	if p.rungs, err = outgoing.Ladder(outgoing.FirstRung(wallet.AmountOf(head.BaseFee), wallet.AmountOf(tip)), f.o.Rungs, outgoing.DefaultBudget); err != nil {
		return nil, err
	}
	p.again(f.slots)
	for _, m := range list {
		way := m.route(f.treasury)
		if p.estimates[way], err = f.estimate(ctx, way, m.amount); err != nil {
			return nil, err
		}
		p.add(m)
	}
	return p, nil
}

// askSender asks what lies on an address at the block that was scanned last, so
// that what is mined up to there counts once.
func (f *facts) askSender(ctx context.Context, a common.Address, s *sender) error {
	s.free = map[wallet.AssetID]wallet.Amount{}
	for _, id := range f.assets {
		have, err := f.balance(ctx, a, id)
		if err != nil {
			return wallet.WithHint(fmt.Errorf("balance of %s at block %d: %w", a, f.cursor.Head, err), "airlock scan reads up to the newest block, whose state every node has")
		}
		left := have.Sub(f.leaving[a][id])
		at := store.Place{Address: a, Asset: id}
		s.free[id] = least(left, f.ledger[at].Sub(f.owed[a][id]))
		for i := range f.places {
			if p := &f.places[i]; p.address.Address == a && p.mark.Asset.ID == id {
				p.level = left.Add(f.coming[at])
			}
		}
	}
	if s.problem != "" {
		return nil
	}
	count, err := f.Chain.NonceAt(ctx, a, nil)
	if err != nil {
		return err
	}
	if err := outgoing.CheckNonce(a, count, s.nonce); err != nil {
		s.problem = err.Error() + ": run airlock scan, then airlock resolve"
	}
	return nil
}

func (f *facts) balance(ctx context.Context, a common.Address, id wallet.AssetID) (wallet.Amount, error) {
	if id.IsCoin() {
		n, err := f.Chain.BalanceAtHash(ctx, a, f.cursor.HeadHash)
		return wallet.AmountOf(n), err
	}
	list, err := f.Chain.TokenBalances(ctx, id.Contract, []common.Address{a}, f.cursor.HeadHash)
	if err != nil {
		return wallet.Amount{}, err
	}
	return wallet.AmountOf(list[0]), nil
}

// The most gas that a move may be given.
const (
	maxCoinGas  = 300_000
	maxTokenGas = 500_000
)

// estimate asks what a move needs. What would fail is a problem of that move.
func (f *facts) estimate(ctx context.Context, way route, amount wallet.Amount) (e estimate, err error) {
	limit := uint64(maxTokenGas)
	if way.asset.IsCoin() {
		limit, amount = maxCoinGas, wallet.NewAmount(1)
	} else {
		amount = least(amount, atLeastZero(f.senders[way.from].free[way.asset]))
	}
	call := outgoing.PayloadOf(way.asset, way.to, amount, 0)
	gas, err := f.Chain.EstimateGas(ctx, ethereum.CallMsg{From: way.from, To: &call.To, Value: call.Value.Big(), Data: call.Data})
	switch {
	case err == nil:
		e.gas, e.problem = outgoing.GasLimit(gas, limit)
		return e, nil
	case ctx.Err() != nil || errors.Is(err, wallet.ErrUnreachable) || errors.Is(err, chain.ErrNoState):
		return e, err
	}
	return estimate{problem: "it would fail: " + err.Error()}, nil
}
