package sweep

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// pageSize is how many sources are looked at between two looks at the store,
// and workers how many questions that nodes take one by one are asked at the
// same time.
const (
	pageSize = 200
	workers  = 8
)

// Chain is what planning asks of a chain.
type Chain interface {
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SuggestGasTipCap(ctx context.Context) (*big.Int, error)
	BalancesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]*big.Int, error)
	NoncesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]uint64, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
	EstimateGas(ctx context.Context, msg ethereum.CallMsg) (uint64, error)
	// Proof returns an account at a block, proven against its state root.
	Proof(ctx context.Context, account common.Address, block common.Hash) (chain.Account, error)
}

// facts is what all gathering goes by.
type facts struct {
	*Sweeper
	cursor   store.Cursor
	head     *types.Header
	coin     wallet.AssetID
	assets   map[wallet.AssetID]wallet.Asset // the coin and the registered tokens
	treasury wallet.Address
	gas      wallet.Address // zero if there is none
	doubtful map[common.Address]bool
}

// begin reads what does not depend on sources.
func (f *facts) begin(tx store.Tx) error {
	if err := store.CheckHalt(tx); err != nil {
		return err
	}
	home, err := store.Chain(tx, f.ChainID)
	if err != nil {
		return err
	}
	var ok bool
	if f.cursor, ok, err = store.ReadCursor(tx, f.ChainID); err != nil {
		return err
	} else if !ok || f.cursor.FinalHash == (common.Hash{}) {
		return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d: no block is known to be final yet, so nothing is certain enough to be swept", f.ChainID),
			"airlock scan reads the chain")
	}
	if f.treasury, ok, err = store.AddressAt(tx, wallet.TreasuryRole, 0); err != nil {
		return err
	} else if !ok {
		return wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no treasury address"), "airlock watch import brings one")
	}
	if f.gas, _, err = store.AddressAt(tx, wallet.GasRole, 0); err != nil {
		return err
	}
	tokens, err := store.Tokens(tx, f.ChainID)
	if err != nil {
		return err
	}
	f.assets = map[wallet.AssetID]wallet.Asset{f.coin: home.Coin}
	for _, t := range tokens {
		f.assets[t.ID] = t
	}
	slots, err := store.Unexplained(tx, f.ChainID)
	f.doubtful = map[common.Address]bool{}
	for _, s := range slots {
		f.doubtful[s.Sender] = true
	}
	return err
}

// funder reads what the gas address may spend.
func (f *facts) funder(ctx context.Context) (Funder, error) {
	g := Funder{Address: f.gas}
	if f.gas.Address == (common.Address{}) {
		g.Problem = "this home has no gas address"
		return g, nil
	}
	var ledger, open, notMined wallet.Amount
	if err := f.DB.View(ctx, func(tx store.Tx) (err error) {
		if g.Nonce, g.Problem, err = f.nextNonce(tx, f.gas.Address); err != nil {
			return err
		}
		if ledger, err = store.LocationBalance(tx, f.gas.Address, f.coin); err != nil {
			return err
		}
		return store.OpenOutgoingOf(tx, f.ChainID, f.gas.Address, func(o wallet.Outgoing) error {
			if outgoing.Rebuildable(&o) {
				return nil // reckoned with when it is built again
			}
			cost := o.Payload.Value.Add(topFee(&o).Mul(o.Payload.Gas))
			open = open.Add(cost)
			if o.State != wallet.OutgoingMined {
				notMined = notMined.Add(cost)
			}
			return nil
		})
	}); err != nil {
		return g, err
	}
	final, latest, nonces, err := f.coins(ctx, []common.Address{f.gas.Address})
	if err != nil {
		return g, err
	}
	if g.Problem == "" {
		g.Problem = nonceProblem(f.gas.Address, max(nonces[0], g.Nonce), g.Nonce) // those on their way are not mined
	}
	// What is on its way is spent as far as this plan goes; where it was mined,
	// the head shows it already.
	g.Free = Balance{Ledger: ledger.Sub(open), Final: final[0].Sub(open), Latest: latest[0].Sub(notMined)}.Certain()
	return g, nil
}

func topFee(o *wallet.Outgoing) wallet.Amount {
	var top wallet.Amount
	for _, a := range o.Attempts {
		for _, r := range a.Rungs {
			if r.MaxFeePerGas.Cmp(top) > 0 {
				top = r.MaxFeePerGas
			}
		}
	}
	return top
}

// nextNonce is the nonce of a sender's next new transaction, or why there is
// none.
func (f *facts) nextNonce(tx store.Tx, sender common.Address) (n uint64, problem string, err error) {
	if f.doubtful[sender] {
		return 0, "it has transactions that airlock did not make: airlock resolve shows them", nil
	}
	n, err = outgoing.NextNonce(tx, f.ChainID, sender)
	if errors.Is(err, outgoing.ErrNoHistory) {
		return 0, "its history was not read yet: run airlock scan", nil
	}
	return n, "", err
}

// nonceProblem compares what a sender has sent by the chain and by the store.
func nonceProblem(sender common.Address, chain, next uint64) string {
	if err := outgoing.CheckNonce(sender, chain, next); err != nil {
		return err.Error() + ": run airlock scan, then airlock resolve"
	}
	if chain < next {
		return fmt.Sprintf("the node counts %d of its transactions, and %d are final: it lags behind", chain, next)
	}
	return ""
}

// coins asks about the coin and the nonces of accounts.
func (f *facts) coins(ctx context.Context, accounts []common.Address) (final, latest []wallet.Amount, nonces []uint64, err error) {
	final = make([]wallet.Amount, len(accounts))
	if err := each(ctx, len(accounts), func(ctx context.Context, i int) error {
		a, err := f.Chain.Proof(ctx, accounts[i], f.cursor.FinalHash)
		final[i] = wallet.AmountOf(a.Balance)
		return err
	}); err != nil {
		return nil, nil, nil, wallet.WithHint(fmt.Errorf("balances at the final block %d: %w", f.cursor.Final, err),
			"airlock scan moves on to a newer final block; a node must prove balances (eth_getProof) of some 100 past blocks")
	}
	now, err := f.Chain.BalancesAt(ctx, accounts, f.head.Hash())
	if err != nil {
		return nil, nil, nil, err
	}
	for _, n := range now {
		latest = append(latest, wallet.AmountOf(n))
	}
	nonces, err = f.Chain.NoncesAt(ctx, accounts, f.head.Hash())
	return final, latest, nonces, err
}

// page reads the next sources from the store, with what the ledger has on them
// and why some must not send.
func (f *facts) page(tx store.Tx, p *Planner, from common.Address) (sources []Source, next *common.Address, err error) {
	var last *Source
	err = store.LocationsFrom(tx, f.ChainID, from, func(l store.Location) error {
		if l.Amount.Sign() <= 0 {
			return nil
		}
		if last == nil || last.Address.Address != l.Address {
			if len(sources) == pageSize {
				next = &l.Address
				return store.Stop
			}
			ours, ok, err := store.OurAddress(tx, l.Address)
			if err != nil || !ok || ours.Role != wallet.DepositRole && !ours.Path.Imported {
				return err
			}
			sources = append(sources, Source{Address: ours, Coin: Holding{Asset: f.coin}})
			last = &sources[len(sources)-1]
		}
		if l.Asset.IsCoin() {
			last.Coin.Ledger = l.Amount
			return nil
		}
		if !p.Wants(l.Asset) {
			return nil
		}
		h := Holding{Asset: l.Asset, Balance: Balance{Ledger: l.Amount}}
		if _, known := f.assets[l.Asset]; !known {
			h.Problem = "the token is not registered"
		}
		last.Tokens = append(last.Tokens, h)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	kept := sources[:0]
	for _, s := range sources {
		wanted, err := f.state(tx, p, &s)
		if err != nil {
			return nil, nil, err
		}
		if wanted {
			kept = append(kept, s)
		}
	}
	return kept, next, nil
}

// state reads whether a source may send, and at which nonce. An imported key may
// not: it is of interest for the reason alone. One of which nothing is wanted, or whose slots a discarded batch left, is not of interest.
func (f *facts) state(tx store.Tx, p *Planner, s *Source) (wanted bool, err error) {
	if len(s.Tokens) == 0 {
		if !p.Wants(s.Coin.Asset) {
			return false, nil
		}
		// Nothing on chain can make it worth more than the ledger says.
		s.Problem = p.unworthy(s.Coin.Ledger, wallet.Amount{}, minGas)
	}
	if s.Address.Path.Imported {
		s.Problem = "its key was imported into the vault, which signs for derived ones alone: move it with the wallet that it came from"
		return true, nil
	}
	if s.Problem == "" {
		if s.Nonce, s.Problem, err = f.nextNonce(tx, s.Address.Address); err != nil {
			return false, err
		}
	}
	wanted = true
	err = store.OpenOutgoingOf(tx, f.ChainID, s.Address.Address, func(o wallet.Outgoing) error {
		if outgoing.Rebuildable(&o) {
			wanted = false
			return nil
		}
		s.Problem = fmt.Sprintf("its transaction at nonce %d is on its way, in batch %s", o.Slot.Nonce, o.Last().Batch)
		return nil
	})
	return wanted, err
}

// ask asks the chain about the sources that may send.
func (f *facts) ask(ctx context.Context, sources []Source) error {
	var able []*Source
	var accounts []common.Address
	for i := range sources {
		if sources[i].Problem == "" {
			able = append(able, &sources[i])
			accounts = append(accounts, sources[i].Address.Address)
		}
	}
	if len(able) == 0 {
		return nil
	}
	final, latest, nonces, err := f.coins(ctx, accounts)
	if err != nil {
		return err
	}
	holders := map[wallet.AssetID][]*Holding{}
	owners := map[wallet.AssetID][]common.Address{}
	for i, s := range able {
		s.Coin.Final, s.Coin.Latest = final[i], latest[i]
		s.Problem = nonceProblem(s.Address.Address, nonces[i], s.Nonce)
		for j := range s.Tokens {
			if h := &s.Tokens[j]; h.Problem == "" && s.Problem == "" {
				holders[h.Asset] = append(holders[h.Asset], h)
				owners[h.Asset] = append(owners[h.Asset], s.Address.Address)
			}
		}
	}
	for asset, holdings := range holders {
		if err := f.askToken(ctx, asset, holdings, owners[asset]); err != nil {
			return err
		}
	}
	return each(ctx, len(able), func(ctx context.Context, i int) error { return f.estimate(ctx, able[i]) })
}

// askToken asks a token for balances. A token that does not answer is a problem
// of its own holdings only.
func (f *facts) askToken(ctx context.Context, asset wallet.AssetID, holdings []*Holding, owners []common.Address) error {
	final, err := f.Chain.TokenBalances(ctx, asset.Contract, owners, f.cursor.FinalHash)
	var latest []*big.Int
	if err == nil {
		latest, err = f.Chain.TokenBalances(ctx, asset.Contract, owners, f.head.Hash())
	}
	if err != nil && cannotAsk(ctx, err) {
		return err
	}
	for i, h := range holdings {
		if err != nil {
			h.Problem = "the token could not be asked: " + err.Error()
			continue
		}
		h.Final, h.Latest = wallet.AmountOf(final[i]), wallet.AmountOf(latest[i])
	}
	return nil
}

// estimate asks what the transactions of a source would need.
func (f *facts) estimate(ctx context.Context, s *Source) error {
	if s.Problem != "" {
		return nil
	}
	from := s.Address.Address
	if coin := s.Coin.Certain(); coin.Sign() > 0 {
		if err := f.estimateFor(ctx, &s.Coin, ethereum.CallMsg{From: from, To: &f.treasury.Address, Value: big.NewInt(1)}); err != nil {
			return err
		}
	}
	for i := range s.Tokens {
		h := &s.Tokens[i]
		amount := h.Certain()
		if h.Problem != "" || amount.IsZero() {
			continue
		}
		call := outgoing.PayloadOf(h.Asset, f.treasury.Address, amount, 0)
		if err := f.estimateFor(ctx, h, ethereum.CallMsg{From: from, To: &call.To, Data: call.Data}); err != nil {
			return err
		}
	}
	if len(s.Tokens) == 0 {
		return nil
	}
	var err error
	s.TopUpGas, err = f.Chain.EstimateGas(ctx, ethereum.CallMsg{From: f.gas.Address, To: &from})
	return err
}

// estimateFor asks what moving a holding needs. One that would fail is a
// problem of the holding.
func (f *facts) estimateFor(ctx context.Context, h *Holding, msg ethereum.CallMsg) (err error) {
	if h.Estimate, err = f.Chain.EstimateGas(ctx, msg); err == nil {
		return nil
	}
	if cannotAsk(ctx, err) {
		return err
	}
	h.Problem = "it would fail: " + err.Error()
	return nil
}

// cannotAsk tells a chain that does not answer from an answer that is bad.
func cannotAsk(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, wallet.ErrUnreachable) || errors.Is(err, chain.ErrNoState) || errors.Is(err, ethereum.NotFound)
}

// discarded reads what discarded batches left to be built again, and asks the
// chain about its senders.
func (f *facts) discarded(ctx context.Context) (Discarded, error) {
	d := Discarded{
		Coin: map[common.Address]wallet.Amount{}, TopUpGas: map[common.Address]uint64{},
		Paths: map[common.Address]wallet.Path{}, Mined: map[wallet.Slot]bool{},
	}
	ledger := map[common.Address]wallet.Amount{}
	var senders []common.Address
	if err := f.DB.View(ctx, func(tx store.Tx) error {
		if err := store.OpenOutgoing(tx, f.ChainID, func(o wallet.Outgoing) error {
			if own := o.Intent.Kind == wallet.IntentSweep || o.Intent.Kind == wallet.IntentTopUp; !own || !outgoing.Rebuildable(&o) {
				return nil
			}
			// What was mined there is for airlock confirm to settle.
			_, mined, err := store.MinedAt(tx, o.Slot)
			if err == nil && !mined {
				d.Slots = append(d.Slots, o)
			}
			return err
		}); err != nil {
			return err
		}
		for _, o := range d.Slots {
			if err := d.look(tx, &o); err != nil {
				return err
			}
			if _, seen := ledger[o.Slot.Sender]; seen || o.Slot.Sender == f.gas.Address {
				continue
			}
			have, err := store.LocationBalance(tx, o.Slot.Sender, f.coin)
			if err != nil {
				return err
			}
			ledger[o.Slot.Sender] = have
			senders = append(senders, o.Slot.Sender)
		}
		return nil
	}); err != nil || len(senders) == 0 {
		return d, err
	}
	final, latest, _, err := f.coins(ctx, senders)
	if err != nil {
		return d, err
	}
	gas := make([]uint64, len(senders))
	if err := each(ctx, len(senders), func(ctx context.Context, i int) (err error) {
		gas[i], err = f.Chain.EstimateGas(ctx, ethereum.CallMsg{From: f.gas.Address, To: &senders[i]})
		return err
	}); err != nil {
		return d, err
	}
	for i, a := range senders {
		d.Coin[a] = Balance{ledger[a], final[i], latest[i]}.Certain()
		d.TopUpGas[a] = gas[i]
	}
	return d, nil
}

// look reads what building a slot again needs of the store.
func (d *Discarded) look(tx store.Tx, o *wallet.Outgoing) error {
	if o.Intent.Kind == wallet.IntentTopUp {
		to, ok, err := store.OurAddress(tx, o.Intent.Recipient)
		if err == nil && !ok {
			err = fmt.Errorf("top-up %s goes to %s: %w among our addresses", o.Intent.ID, o.Intent.Recipient, wallet.ErrNotFound)
		}
		d.Paths[o.Intent.Recipient] = to.Path
		return err
	}
	if o.Requires == nil {
		return nil
	}
	m, ok, err := store.MinedAt(tx, *o.Requires)
	d.Mined[*o.Requires] = ok && m.Success
	return err
}

// each runs fn for 0 ≤ i < n, some at a time, until one fails.
func each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return fn(ctx, i)
		})
	}
	return group.Wait()
}
