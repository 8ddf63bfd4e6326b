package payout

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// GateLimits are what the gates of a payout run want.
type GateLimits struct {
	MinPeers uint64        // of each of enough endpoints; 0 asks for none
	MaxAge   time.Duration // of the newest block of the endpoints; 0 takes any
	MaxLag   time.Duration // from the block that was scanned last to that; 0 takes any
}

// The limits unless the operator sets others. Providers' endpoints have no peers
// to tell of.
const (
	DefaultMaxAge = 10 * time.Minute
	DefaultMaxLag = 2 * time.Minute
)

// Gate is a condition under which payouts are made.
type Gate struct {
	Name  string `json:"gate"`
	Open  bool   `json:"open"`
	Found string `json:"found"`
	Want  string `json:"want"`
	Hint  string `json:"hint,omitzero"` // the way out of a closed one
}

// The gates.
const (
	GateHalt   = "halt"
	GatePeers  = "peers"
	GateSync   = "sync"
	GateHead   = "head"
	GateScan   = "scan"
	GateAlarms = "alarms"
	GateDoubts = "doubts"
	GateFunds  = "funds"
)

// GatesError says which gates are closed.
type GatesError struct{ Closed []Gate }

func (e *GatesError) Error() string {
	lines := make([]string, len(e.Closed))
	for i, g := range e.Closed {
		lines[i] = fmt.Sprintf("gate %s is closed: %s; want %s", g.Name, g.Found, g.Want)
	}
	return strings.Join(lines, "\n")
}

func (e *GatesError) Unwrap() error { return wallet.ErrRefused }

// closed is a *GatesError with the ways out, or nil if all gates are open.
func closed(gates []Gate) error {
	e := &GatesError{}
	var hints []string
	for _, g := range gates {
		if !g.Open {
			e.Closed = append(e.Closed, g)
			hints = append(hints, g.Hint)
		}
	}
	if len(e.Closed) == 0 {
		return nil
	}
	return wallet.WithHint(e, "nothing was requested\n%s", strings.Join(hints, "\n"))
}

// gateFacts are what the gates and the funds of a payout run are judged by. What
// the world said is asked outside of the store's transactions.
type gateFacts struct {
	limits GateLimits
	now    time.Time

	// From the store, before the world is asked.
	cursor  store.Cursor
	coin    wallet.Asset
	asset   wallet.Asset
	senders []common.Address // that pay
	others  []common.Address // of ours, that send too

	// From the world.
	endpoints []chain.Readiness
	head      *types.Header
	scanned   *types.Header // at the cursor's height; nil if no endpoint has it
	perGas    wallet.Amount // wei that a new transaction pays at most
	counts    map[common.Address]uint64
	balances  funds // of all senders together, at the cursor's block

	// From the transaction that decides.
	halt   error
	alarms []wallet.Alarm
	doubts []outgoing.Doubt
}

func (f *gateFacts) readStore(tx store.Tx, id uint64, asset wallet.AssetID) error {
	c, err := store.Chain(tx, id)
	if err != nil {
		return err
	}
	f.coin = c.Coin
	if f.asset, err = store.Asset(tx, asset); err != nil {
		return err
	}
	scanned := false
	if f.cursor, scanned, err = store.ReadCursor(tx, id); err != nil {
		return err
	} else if !scanned {
		return wallet.WithHint(wallet.As(wallet.ErrConflict, "chain %d was not scanned yet", id), "airlock scan reads it")
	}
	f.senders, f.others = nil, nil
	for _, role := range wallet.SenderRoles() {
		list := &f.others
		if role == wallet.PayoutRole {
			list = &f.senders
		}
		if err := store.EachAddress(tx, role, 0, func(a wallet.Address) error {
			*list = append(*list, a.Address)
			return nil
		}); err != nil {
			return err
		}
	}
	if len(f.senders) == 0 {
		return wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no payout address"), "airlock watch import makes it")
	}
	return nil
}

// ask asks the world.
func (f *gateFacts) ask(ctx context.Context, node PaydayNode) (err error) {
	f.endpoints = node.Readiness(ctx)
	if f.head, err = node.HeaderByNumber(ctx, nil); err != nil {
		return err
	}
	if f.scanned, err = node.HeaderByNumber(ctx, new(big.Int).SetUint64(f.cursor.Head)); errors.Is(err, wallet.ErrUnreachable) {
		return err
	} else if err != nil {
		f.scanned = nil // a node that is behind
	}
	tip, err := node.SuggestGasTipCap(ctx)
	if err != nil {
		return err
	}
	f.perGas = outgoing.DefaultBudget.Of(outgoing.FirstRung(wallet.AmountOf(f.head.BaseFee), wallet.AmountOf(tip)))
	f.counts = map[common.Address]uint64{}
	for _, list := range [][]common.Address{f.senders, f.others} {
		for _, a := range list {
			if f.counts[a], err = node.NonceAt(ctx, a, nil); err != nil {
				return err
			}
		}
	}
	f.balances = funds{}
	for id := range map[wallet.AssetID]bool{f.coin.ID: true, f.asset.ID: true} {
		balances, err := askBalances(ctx, node, f.senders, id, f.cursor)
		if err != nil {
			return err
		}
		for _, balance := range balances {
			f.balances.spend(common.Address{}, id, wallet.AmountOf(balance).Neg())
		}
	}
	return nil
}

// recheck reads, in the transaction that decides, what may have changed. The
// error is outgoing.ErrChanged if the world must be asked again.
func (f *gateFacts) recheck(tx store.Tx, id uint64) (err error) {
	cursor, _, err := store.ReadCursor(tx, id)
	if err != nil {
		return err
	}
	if cursor.HeadHash != f.cursor.HeadHash {
		return fmt.Errorf("%w: block %d was scanned", outgoing.ErrChanged, cursor.Head)
	}
	if f.halt = store.CheckHalt(tx); f.halt != nil && !errors.Is(f.halt, wallet.ErrRefused) {
		return f.halt
	}
	if f.alarms, err = store.Alarms(tx, id); err != nil {
		return err
	}
	// Whether the funds are enough is a gate of its own.
	f.alarms = slices.DeleteFunc(f.alarms, func(a wallet.Alarm) bool { return a.Code == wallet.AlarmLow })
	f.doubts, err = outgoing.Doubts(tx, id, f.counts)
	return err
}

// The gas that a payment is reckoned to need until a node has estimated it: what
// its limit will be, for a coin to an account and for most tokens.
const (
	coinGas  = 31_500
	tokenGas = 100_000
)

// fee is what a payment of an asset may cost.
func (f *gateFacts) fee(asset wallet.AssetID) wallet.Amount {
	if asset.IsCoin() {
		return f.perGas.Mul(coinGas)
	}
	return f.perGas.Mul(tokenGas)
}

// short says why there are not enough funds for a payment.
func (f *gateFacts) short(spare funds, amount, fee wallet.Amount) string {
	need := fmt.Sprintf("%s and %s for gas", f.asset.Format(amount), f.coin.Format(fee))
	return fmt.Sprintf("payout addresses have %s to spare, and this needs %s: fund them, and airlock scan", f.left(spare), need)
}

// left words what is to spare.
func (f *gateFacts) left(spare funds) string {
	text := f.asset.Format(spare[place{asset: f.asset.ID}])
	if f.asset.ID != f.coin.ID {
		text += " and " + f.coin.Format(spare[place{asset: f.coin.ID}])
	}
	return text
}

// judge draws the gates. It does no I/O.
func (f *gateFacts) judge(spare funds) []Gate {
	return []Gate{
		f.judgeHalt(), f.judgePeers(), f.judgeSync(), f.judgeHead(), f.judgeScan(), f.judgeAlarms(), f.judgeDoubts(), f.judgeFunds(spare),
	}
}

func (f *gateFacts) judgeHalt() Gate {
	g := Gate{Name: GateHalt, Open: f.halt == nil, Found: "not halted", Want: "a home that is not halted"}
	if !g.Open {
		g.Found, g.Hint = f.halt.Error(), wallet.Hint(f.halt)
	}
	return g
}

// enough is how many endpoints must be good: the quorum of the chain.
func (f *gateFacts) enough() int { return min(wallet.Quorum, len(f.endpoints)) }

// count makes the gate of those endpoints that say nothing bad.
func (f *gateFacts) count(name, want, hint string, bad func(chain.Readiness) string) Gate {
	good := 0
	var found []string
	for _, e := range f.endpoints {
		why := ""
		if e.Err != nil {
			why = "does not answer: " + e.Err.Error()
		} else {
			why = bad(e)
		}
		if why == "" {
			good++
			continue
		}
		found = append(found, e.Host+" "+why)
	}
	g := Gate{Name: name, Open: good > 0 && good >= f.enough(), Want: fmt.Sprintf("%d of %d endpoints %s", max(1, f.enough()), len(f.endpoints), want)}
	g.Found = fmt.Sprintf("%d of %d are", good, len(f.endpoints))
	if len(found) > 0 {
		g.Found += ": " + strings.Join(found, "; ")
	}
	if !g.Open {
		g.Hint = hint
	}
	return g
}

func (f *gateFacts) judgePeers() Gate {
	if f.limits.MinPeers == 0 {
		return Gate{Name: GatePeers, Open: true, Found: "not asked for", Want: "any number: --min-peers asks for some"}
	}
	return f.count(GatePeers, fmt.Sprintf("with %d peers", f.limits.MinPeers),
		"wait until the nodes have found peers; endpoints of providers tell of none, and --min-peers 0 does without",
		func(e chain.Readiness) string {
			switch {
			case e.Peers == nil:
				return "does not tell its peers"
			case *e.Peers < f.limits.MinPeers:
				return fmt.Sprintf("has %d peers", *e.Peers)
			}
			return ""
		})
}

func (f *gateFacts) judgeSync() Gate {
	return f.count(GateSync, "in sync", "wait until the nodes have read the chain; airlock doctor shows each", func(e chain.Readiness) string {
		// Some providers do not tell; the age of their head does.
		if e.Syncing != nil && *e.Syncing {
			return "is still reading the chain"
		}
		return ""
	})
}

func (f *gateFacts) judgeHead() Gate {
	if f.limits.MaxAge == 0 {
		return Gate{Name: GateHead, Open: true, Found: "not asked for", Want: "a newest block of any age: --max-age asks for a young one"}
	}
	return f.count(GateHead, fmt.Sprintf("with a block of the last %s", f.limits.MaxAge),
		"find out whether the chain or the nodes stand still; --max-age allows more", func(e chain.Readiness) string {
			if age := f.now.Sub(e.HeadTime); age > f.limits.MaxAge {
				return fmt.Sprintf("has block %d, %s old", e.Head, age.Round(time.Second))
			}
			return ""
		})
}

func (f *gateFacts) judgeScan() Gate {
	g := Gate{Name: GateScan, Want: fmt.Sprintf("a block at most %s before the head", f.limits.MaxLag)}
	if f.limits.MaxLag == 0 {
		g.Want = "any block of the chain: --max-lag asks for one near the head"
	}
	switch {
	case f.scanned == nil || f.scanned.Hash() != f.cursor.HeadHash:
		g.Found = fmt.Sprintf("block %d was scanned last, as %s, and the endpoints do not have it", f.cursor.Head, f.cursor.HeadHash)
	default:
		lag := wallet.BlocksApart(f.scanned.Time, f.head.Time)
		g.Open = f.limits.MaxLag == 0 || lag <= f.limits.MaxLag
		g.Found = fmt.Sprintf("block %d was scanned last, %s before the head, %s", f.cursor.Head, lag, f.head.Number)
	}
	if !g.Open {
		g.Hint = "airlock scan reads up to the head"
	}
	return g
}

func (f *gateFacts) judgeAlarms() Gate {
	g := Gate{Name: GateAlarms, Open: len(f.alarms) == 0, Found: "none", Want: "no alarm of the chain"}
	if !g.Open {
		g.Found, g.Hint = fmt.Sprintf("%d, the first: %s", len(f.alarms), f.alarms[0].Text), f.alarms[0].Hint
	}
	return g
}

func (f *gateFacts) judgeDoubts() Gate {
	g := Gate{Name: GateDoubts, Open: len(f.doubts) == 0, Found: "nothing", Want: "nothing in doubt"}
	if !g.Open {
		d := f.doubts[0]
		g.Found = fmt.Sprintf("%d in doubt, the first: nonce %d of %s is %s", len(f.doubts), d.Slot.Nonce, d.Slot.Sender, d.Kind)
		g.Hint = "airlock resolve shows the evidence; " + d.Advice
	}
	return g
}

func (f *gateFacts) judgeFunds(spare funds) Gate {
	g := Gate{Name: GateFunds, Open: true, Found: f.left(spare) + " to spare", Want: "all that was promised before, with its gas, on the payout addresses"}
	for _, id := range []wallet.AssetID{f.asset.ID, f.coin.ID} {
		g.Open = g.Open && spare[place{asset: id}].Sign() >= 0
	}
	if !g.Open {
		g.Hint = "fund the payout addresses, then airlock scan; airlock withdraw list --status requested shows what could be rejected instead"
	}
	return g
}
