package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// BuildOptions are the choices for a batch.
type BuildOptions struct {
	Max    int           // items; 0 for as many as a batch may have
	Expiry time.Duration // 0 is outgoing.Validity
	MaxFee wallet.Amount // wei per gas; zero for no limit
	Caps   Caps          // zero for the defaults
	Float  Float         // zero for the payout addresses of the cold vault
	// Progress, if set, hears of each gas estimate that came in, of several at
	// the same time.
	Progress func()
}

// Built is a batch that was written.
type Built struct {
	Batch   *batch.Batch // nil if no withdrawal could be built
	Record  wallet.BatchRecord
	LeftOut []LeftOut
}

// ErrNothing says that there was nothing to put into a batch.
var ErrNothing = errors.New("nothing to build")

// Build writes a batch of approved withdrawals: first those that a discarded
// batch left bound, at their own nonces, then new ones in the order of their
// requests. What cannot be paid now is left out alone, with its reason. The
// batch is in the store when Build returns; its file is Record.File.
//
// Build refuses while the home is halted, and on a sender whose nonce on chain
// the store does not explain. With nothing to build the error is ErrNothing.
func (s *Service) Build(ctx context.Context, node Node, o BuildOptions) (Built, error) {
	o.Expiry = cmp.Or(o.Expiry, outgoing.Validity)
	o.Caps.Coin = cmp.Or(o.Caps.Coin, DefaultCoinCap)
	o.Caps.Token = cmp.Or(o.Caps.Token, DefaultTokenCap)
	if o.Max < 0 || o.Max > batch.MaxItems {
		return Built{}, wallet.As(wallet.ErrUsage, "%d items: want 1 to %d", o.Max, batch.MaxItems)
	}
	o.Max = cmp.Or(o.Max, batch.MaxItems)
	// Somebody else may build or discard between the look and the writing;
	// then the look was for nothing.
	for try := 1; ; try++ {
		built, err := s.build(ctx, node, o)
		if err == nil || try == 3 || !errors.Is(err, outgoing.ErrChanged) {
			return built, err
		}
	}
}

func (s *Service) build(ctx context.Context, node Node, o BuildOptions) (Built, error) {
	d, err := s.look(ctx, o)
	if err != nil {
		return Built{}, err
	}
	p, err := s.plan(ctx, node, d, o)
	if err != nil {
		return Built{}, err
	}
	built := Built{LeftOut: append(d.leftOut, p.leftOut...)}
	if err := s.DB.Update(ctx, func(tx store.Tx) (err error) {
		if list := inOrder(append(items(p.picks), p.empties...)); len(list) > 0 {
			if built.Batch, err = outgoing.Draft(tx, batch.Withdrawals, s.Chain, list, s.now(), o.Expiry); err != nil {
				return err
			}
			if built.Record, err = outgoing.Write(tx, built.Batch); err != nil {
				return err
			}
		}
		return noteReasons(tx, built.LeftOut, s.now())
	}); err != nil {
		return Built{}, err
	}
	if built.Batch == nil {
		return built, nothing(built.LeftOut)
	}
	return built, nil
}

// draft is what a look at the store found.
type draft struct {
	cursor  store.Cursor
	coin    wallet.Asset
	sender  wallet.Address
	next    map[common.Address]uint64 // of every sender that is needed
	again   []candidate               // bound by discarded batches or to get higher fees, by nonce
	cancels []wallet.Outgoing         // whose nonces are to be taken by a cancel
	fresh   []candidate               // in the order of requests
	owed    funds                     // what transactions on their way need, negative
	leftOut []LeftOut
}

// look reads what can be built, and refuses what must not even be tried.
func (s *Service) look(ctx context.Context, o BuildOptions) (d *draft, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		d = &draft{next: map[common.Address]uint64{}, owed: funds{}}
		if err := store.CheckHalt(tx); err != nil {
			return err
		}
		c, err := store.Chain(tx, s.Chain)
		if err != nil {
			return err
		}
		d.coin = c.Coin
		var ok bool
		if d.cursor, ok, err = store.ReadCursor(tx, s.Chain); err != nil {
			return err
		} else if !ok {
			return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d was not scanned yet", s.Chain), "airlock scan reads it")
		}
		if d.sender, ok, err = store.AddressAt(tx, o.Float.role(), 0); err != nil {
			return err
		} else if !ok {
			_, err := outgoing.Vault(tx, o.Float.role()) // which says what is missing
			return cmp.Or(err, wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no %s address", o.Float.role()), "airlock watch import makes it"))
		}
		return s.collect(tx, d, o.Float)
	})
	return d, err
}

// collect sorts the approved withdrawals, and counts what is on its way.
func (s *Service) collect(tx store.Tx, d *draft, float Float) error {
	if err := d.addSender(tx, s.Chain, d.sender.Address); err != nil {
		return err
	}
	rebuilt := map[wallet.Slot]bool{}
	if err := store.Withdrawals(tx, s.Chain, wallet.WithdrawalApproved, func(w wallet.Withdrawal) error {
		c := candidate{w: w}
		elsewhere, why, err := float.elsewhere(tx, w)
		if err != nil {
			return err
		}
		if elsewhere && why == "" {
			return nil
		}
		if why == "" {
			why, err = s.examine(tx, &c)
			if errors.Is(err, errCanceling) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if why == "" && c.rebuild == nil {
			why = float.tooMuch(&c)
		}
		switch {
		case why != "":
			d.leftOut = append(d.leftOut, LeftOut{w.ID, why})
		case c.rebuild != nil:
			d.again = append(d.again, c)
			return d.addSender(tx, s.Chain, c.rebuild.Slot.Sender)
		default:
			d.fresh = append(d.fresh, c)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.collectWishes(tx, d, float); err != nil {
		return err
	}
	for _, c := range d.again {
		rebuilt[c.rebuild.Slot] = true
	}
	slices.SortFunc(d.again, func(a, b candidate) int {
		x, y := a.rebuild.Slot, b.rebuild.Slot
		return cmp.Or(x.Sender.Cmp(y.Sender), cmp.Compare(x.Nonce, y.Nonce))
	})
	for sender := range d.next {
		if err := store.OpenOutgoingOf(tx, s.Chain, sender, func(o wallet.Outgoing) error {
			// What the cursor's block has mined is gone from the balance there.
			if _, mined, err := store.MinedAt(tx, o.Slot); err != nil || mined || rebuilt[o.Slot] {
				return err
			}
			d.owed.spend(sender, o.Intent.Asset, o.Intent.Amount)
			d.owed.spend(sender, d.coin.ID, o.WorstFee())
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) addSender(tx store.Tx, chain uint64, sender common.Address) error {
	if _, ok := d.next[sender]; ok {
		return nil
	}
	next, err := outgoing.NextNonce(tx, chain, sender)
	if err != nil {
		return err
	}
	d.next[sender] = next
	// A node may be behind what scanning has seen already.
	if _, mined, err := store.MinedAt(tx, wallet.Slot{ChainID: chain, Sender: sender, Nonce: next}); err != nil || !mined {
		return err
	}
	return outgoing.CheckNonce(sender, next+1, next)
}

// errCanceling says that a withdrawal is not to be paid any more.
var errCanceling = errors.New("is to be canceled")

// examine reads what a candidate needs and says why it must stay out, or "".
func (s *Service) examine(tx store.Tx, c *candidate) (why string, err error) {
	if c.asset, err = store.Asset(tx, c.w.Asset); err != nil {
		return "", err
	}
	if c.w.Account != wallet.House {
		frozen, err := store.Frozen(tx, c.w.Account)
		if err != nil {
			return "", err
		}
		if frozen != "" {
			return fmt.Sprintf("account %s is frozen: %s", c.w.Account, frozen), nil
		}
	}
	if c.w.Slot == nil {
		err := checkRecipient(tx, s.Chain, c.w.To)
		if errors.Is(err, wallet.ErrUsage) {
			return err.Error(), nil
		}
		return "", err
	}
	o, ok, err := store.OutgoingAt(tx, *c.w.Slot)
	if err != nil {
		return "", err
	}
	if m, mined, err := store.MinedAt(tx, *c.w.Slot); err != nil {
		return "", err
	} else if mined {
		return fmt.Sprintf("nonce %d of %s was used by %s: run airlock confirm", c.w.Slot.Nonce, c.w.Slot.Sender, m.TxHash), nil
	}
	if ok && o.Wish == wallet.WishCancel {
		return "", errCanceling
	}
	if !ok || !outgoing.Rebuildable(&o) {
		return fmt.Sprintf("nonce %d of %s is not free: run airlock confirm", c.w.Slot.Nonce, c.w.Slot.Sender), nil
	}
	c.rebuild = &o
	return "", nil
}

// ask asks the chain what the plan needs, and makes it.
func (s *Service) ask(ctx context.Context, node Node, d *draft, o BuildOptions) (*planner, error) {
	counts := map[common.Address]uint64{}
	for sender, next := range d.next {
		count, err := node.NonceAt(ctx, sender, nil)
		if err != nil {
			return nil, err
		}
		if err := outgoing.CheckNonce(sender, count, next); err != nil {
			return nil, err
		}
		counts[sender] = count
	}
	p := &planner{coin: d.coin, sender: d.sender, next: d.next[d.sender.Address], caps: o.Caps, max: o.Max}
	gaps, err := s.gaps(ctx, d, counts)
	if err != nil || len(d.again)+len(d.fresh)+len(d.cancels)+len(gaps) == 0 {
		return p, err
	}
	if p.fee, err = askFee(ctx, node, o.MaxFee); err != nil {
		return nil, err
	}
	if p.funds, err = askFunds(ctx, node, d); err != nil {
		return nil, err
	}
	if err := p.empty(ctx, node, d.cancels, gaps); err != nil {
		return nil, err
	}
	for _, c := range d.again {
		if slot := c.rebuild.Slot; slot.Nonce < counts[slot.Sender] {
			p.leave(c, fmt.Sprintf("nonce %d of %s was used on chain: run airlock scan, then airlock confirm", slot.Nonce, slot.Sender))
		} else if !p.full() {
			p.again(c)
		}
	}
	for len(d.fresh) > 0 && !p.full() {
		n := min(len(d.fresh), p.max-len(p.picks))
		part := d.fresh[:n]
		d.fresh = d.fresh[n:]
		if err := s.estimate(ctx, node, p.sender.Address, part, o.Progress); err != nil {
			return nil, err
		}
		for _, c := range part {
			p.add(c)
		}
	}
	return p, nil
}

func askFee(ctx context.Context, node Node, limit wallet.Amount) (wallet.Fee, error) {
	head, err := node.HeaderByNumber(ctx, nil)
	if err != nil {
		return wallet.Fee{}, err
	}
	if head.BaseFee == nil {
		return wallet.Fee{}, errors.New("the chain has no base fee (EIP-1559), and airlock builds no other transactions")
	}
	tip, err := node.SuggestGasTipCap(ctx)
	if err != nil {
		return wallet.Fee{}, err
	}
	return firstRung(wallet.AmountOf(head.BaseFee), wallet.AmountOf(tip), limit)
}

// askFunds reads what lies on the senders at the block that was scanned last,
// so that what is mined up to there is counted once, and takes off what is on
// its way.
func askFunds(ctx context.Context, node Node, d *draft) (funds, error) {
	have := funds{}.merge(d.owed)
	assets := map[wallet.AssetID]bool{d.coin.ID: true}
	for _, c := range slices.Concat(d.again, d.fresh) {
		assets[c.asset.ID] = true
	}
	for sender := range d.next {
		for asset := range assets {
			balance, err := askBalance(ctx, node, sender, asset, d.cursor.HeadHash)
			if err != nil {
				return nil, wallet.WithHint(fmt.Errorf("balance of %s at block %d: %w", sender, d.cursor.Head, err), "airlock scan reads up to the newest block, whose state every node has")
			}
			have.spend(sender, asset, wallet.AmountOf(balance).Neg())
		}
	}
	return have, nil
}

// balanceNode tells what lies on an address.
type balanceNode interface {
	BalanceAtHash(ctx context.Context, account common.Address, block common.Hash) (*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
}

func askBalance(ctx context.Context, node balanceNode, sender common.Address, asset wallet.AssetID, block common.Hash) (*big.Int, error) {
	if asset.IsCoin() {
		return node.BalanceAtHash(ctx, sender, block)
	}
	balances, err := node.TokenBalances(ctx, asset.Contract, []common.Address{sender}, block)
	if err != nil {
		return nil, err
	}
	return balances[0], nil
}

// estimators is how many estimates are asked for at the same time.
const estimators = 16

// estimate asks a node for the gas of each candidate. One that the node will
// not estimate gets a problem; no answer at all is an error.
func (s *Service) estimate(ctx context.Context, node Node, from common.Address, list []candidate, progress func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(estimators)
	for i := range list {
		g.Go(func() error {
			c := &list[i]
			payload := outgoing.PayloadOf(c.asset.ID, c.w.To, c.w.Amount, 0)
			gas, err := node.EstimateGas(ctx, ethereum.CallMsg{From: from, To: &payload.To, Value: payload.Value.Big(), Data: payload.Data})
			var coded interface{ ErrorCode() int }
			switch {
			case err == nil:
				c.estimate = gas
			case errors.Is(err, wallet.ErrUnreachable) || !errors.As(err, &coded) || coded.ErrorCode() == 0:
				return fmt.Errorf("withdrawal %s: gas: %w", c.w.ID, err)
			default:
				c.problem = "the payment would fail: " + err.Error()
			}
			if progress != nil {
				progress()
			}
			return nil
		})
	}
	return g.Wait()
}

func items(picks []pick) []batch.Item {
	list := make([]batch.Item, len(picks))
	for i, p := range picks {
		list[i] = batch.Item{
			From: p.slot.Sender, Path: p.path, Nonce: p.slot.Nonce,
			To: p.payload.To, Value: p.payload.Value, Data: p.payload.Data, Gas: p.payload.Gas,
			Rungs: []wallet.Fee{p.fee}, Requires: -1, RequestedBy: p.w.RequestedBy,
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: p.w.ID, Asset: p.asset.ID, Recipient: p.w.To, Amount: p.w.Amount},
		}
	}
	return list
}

// noteReasons stores why withdrawals were left out, for withdraw show.
func noteReasons(tx store.Tx, list []LeftOut, now time.Time) error {
	for _, l := range list {
		w, ok, err := store.Withdrawal(tx, l.ID)
		if err != nil {
			return err
		}
		if !ok || w.Status != wallet.WithdrawalApproved || w.Reason == l.Reason {
			continue
		}
		w.Reason, w.UpdatedAt = l.Reason, now
		if err := store.PutWithdrawal(tx, w); err != nil {
			return err
		}
	}
	return nil
}

// nothing says why no batch was written, and the way on.
func nothing(left []LeftOut) error {
	if len(left) == 0 {
		return wallet.WithHint(fmt.Errorf("%w: no withdrawal is approved", ErrNothing), "airlock withdraw list --status requested shows what waits for approval")
	}
	err := fmt.Errorf("%w: all %d approved withdrawals were left out, the first, %s, because: %s", ErrNothing, len(left), left[0].ID, left[0].Reason)
	if strings.HasPrefix(left[0].Reason, "insufficient payout funds") {
		return wallet.WithHint(err, "fund the payout address, run airlock scan, and build again")
	}
	return wallet.WithHint(err, "airlock withdraw list --status approved shows the reason of each")
}
