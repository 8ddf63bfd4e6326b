package sweep

import (
	"fmt"
	"math/big"
	"sort"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// WorthFactor is how many times its own reserve a sweep of the coin must bring,
// unless the operator names a minimum: at worst a sixth of what lies there is
// spent on the way.
const WorthFactor = 5

// SkippedLimit is how many skipped holdings a plan names. On a home with a
// million addresses nearly all of them may hold dust.
const SkippedLimit = 10_000

// The most gas that a transaction of a plan may be given. A sweep above it is
// left out: a treasury or token that asks for more is not what the operator
// thinks it is.
const (
	MaxCoinGas  = 300_000
	MaxTokenGas = 500_000
)

// Balance is what is known of one asset on one address, in base units.
type Balance struct {
	Ledger wallet.Amount // what the ledger says lies there
	Final  wallet.Amount // proven, for the coin, at the final block
	Latest wallet.Amount // at the head, where a spend shows first
}

// Certain is the least of the three, and never below zero.
func (b Balance) Certain() wallet.Amount {
	return atLeastZero(least(b.Ledger, least(b.Final, b.Latest)))
}

// Holding is one asset on a source.
type Holding struct {
	Asset wallet.AssetID
	Balance
	Estimate uint64 // gas that a node estimates for moving it to the treasury
	Problem  string // why it cannot be moved, or ""
}

// Source is a deposit address on which the ledger says that something lies.
type Source struct {
	Address  wallet.Address
	Nonce    uint64    // of its next new transaction
	Coin     Holding   // also when there is none: it pays for gas
	Tokens   []Holding // in the order in which they are to be moved
	TopUpGas uint64    // gas that a node estimates for sending it coin
	Problem  string    // why nothing may leave it now, or ""
}

// Funder is the gas address.
type Funder struct {
	Address wallet.Address
	Nonce   uint64        // of its next new transaction
	Free    wallet.Amount // certain coin that nothing on its way needs
	Problem string        // why it may send nothing, or ""
}

// Terms are what is the same for all sources of a plan.
type Terms struct {
	ChainID uint64
	// Treasury receives every sweep; TreasuryPath is where the vault finds it,
	// or "" for an address that the signing station's policy pins.
	Treasury     common.Address
	TreasuryPath string
	Rungs        []wallet.Fee  // rising; funds are checked at the last
	Floor        wallet.Amount // wei per gas below which nothing is mined now
	Gas          Funder
	// Asset, if set, is the only one that is swept. Min, if set, is the least
	// amount that is: of Asset, or of the coin when Asset is nil.
	Asset *wallet.AssetID
	Min   *wallet.Amount
	Max   int // items, top-ups included
}

// Skipped is something on a source that stays there, and why.
type Skipped struct {
	Address common.Address `json:"address"`
	Asset   wallet.AssetID `json:"asset"`
	Amount  wallet.Amount  `json:"amount"` // what the ledger says lies there
	Reason  string         `json:"reason"`
}

// Discarded is what discarded batches left bound and no transaction has filled:
// slots of deposit addresses and of the gas address.
type Discarded struct {
	Slots    []wallet.Outgoing
	Coin     map[common.Address]wallet.Amount // certain, on each deposit address among the senders
	TopUpGas map[common.Address]uint64        // estimate of sending it coin
	Paths    map[common.Address]wallet.Path   // of those that receive top-ups
	Mined    map[wallet.Slot]bool             // slots that others require and that were mined with success
}

// Planner makes a plan from facts, one source after the other. It does no I/O.
type Planner struct {
	terms   Terms
	top     wallet.Amount // the highest fee that is signed, wei per gas
	gas     Funder        // as it is after the items so far
	items   []batch.Item
	skipped []Skipped
	more    int // skipped beyond the limit
}

// NewPlanner begins an empty plan. The terms need at least one rung.
func NewPlanner(t Terms) *Planner {
	return &Planner{terms: t, top: t.Rungs[len(t.Rungs)-1].MaxFeePerGas, gas: t.Gas}
}

// Items is the plan so far, in the order in which it is to be sent.
func (p *Planner) Items() []batch.Item { return p.items }

// Skipped is what was left out so far, up to SkippedLimit, and how much more
// there is.
func (p *Planner) Skipped() (list []Skipped, more int) { return p.skipped, p.more }

// Full reports whether the plan can hold nothing more.
func (p *Planner) Full() bool { return len(p.items) >= p.terms.Max }

// Wants reports whether an asset is to be swept at all.
func (p *Planner) Wants(asset wallet.AssetID) bool {
	return p.terms.Asset == nil || *p.terms.Asset == asset
}

// minimum is the least amount of an asset that the operator wants to see swept.
func (p *Planner) minimum(asset wallet.AssetID) (min wallet.Amount, ok bool) {
	if p.terms.Min == nil || (p.terms.Asset == nil && !asset.IsCoin()) {
		return min, false
	}
	return *p.terms.Min, true
}

// unworthy says why sweeping the coin is not worth it, or "". The coin is what
// lies there, of which the tokens' gas needs some.
func (p *Planner) unworthy(coin, needs wallet.Amount, gas uint64) string {
	reserve := p.top.Mul(gas)
	value := coin.Sub(needs).Sub(reserve)
	if min, ok := p.minimum(wallet.Coin(p.terms.ChainID)); ok {
		switch {
		case coin.Cmp(min) < 0:
			return "below the minimum of " + min.String()
		case value.Sign() <= 0:
			return fmt.Sprintf("gas may cost %s, which is all of it", needs.Add(reserve))
		}
		return ""
	}
	if value.Cmp(reserve.Mul(WorthFactor)) < 0 {
		return fmt.Sprintf("not worth its gas: a sweep may cost %s and must bring %d times that; --min names another minimum", reserve, WorthFactor)
	}
	return ""
}

// move is one transaction of a source that was chosen.
type move struct {
	holding Holding
	gas     uint64
	amount  wallet.Amount
}

// Add plans for one source. What does not fit into the plan any more, or cannot
// or should not be moved, is skipped with a reason.
func (p *Planner) Add(s Source) {
	if s.Problem != "" {
		for _, h := range s.holdings() {
			p.skip(s, h, s.Problem)
		}
		return
	}
	tokens := p.choose(s)
	coin := s.Coin.Certain()
	gas, coinProblem := p.coinMove(s, coin, p.reserves(tokens))
	planned := len(tokens)
	tokens, topUp := p.afford(s, tokens, coin)

	switch {
	case coinProblem == "" && len(tokens) < planned:
		// The coin goes last: what is left of a source needs its gas there.
		coinProblem = "kept for the gas of the tokens there"
	case coinProblem == "" && len(p.items)+len(tokens) >= p.terms.Max:
		coinProblem = "the batch is full"
	}
	requires := -1
	if topUp.Sign() > 0 {
		requires = len(p.items)
		p.topUp(s.Address, topUp, s.TopUpGas)
	}
	nonce := s.Nonce
	for _, m := range tokens {
		p.sweep(s, nonce, m.holding.Asset, m.amount, m.gas, requires)
		nonce++
	}
	if !p.Wants(s.Coin.Asset) {
		return
	}
	if coinProblem != "" {
		p.skip(s, s.Coin, coinProblem)
		return
	}
	value := coin.Sub(p.reserves(tokens)).Sub(p.top.Mul(gas))
	p.sweep(s, nonce, s.Coin.Asset, value, gas, -1)
}

func (s Source) holdings() []Holding {
	return append(append([]Holding(nil), s.Tokens...), s.Coin)
}

// choose picks the tokens of a source that could be moved if there is gas and
// room for them.
func (p *Planner) choose(s Source) (chosen []move) {
	for _, h := range s.Tokens {
		if !p.Wants(h.Asset) {
			continue
		}
		amount := h.Certain()
		gas, problem := outgoing.GasLimit(h.Estimate, MaxTokenGas)
		min, hasMin := p.minimum(h.Asset)
		switch {
		case h.Problem != "":
			problem = h.Problem
		case amount.IsZero():
			problem = shortOnChain(h.Balance)
		case hasMin && amount.Cmp(min) < 0:
			problem = "below the minimum of " + min.String()
		}
		if problem != "" {
			p.skip(s, h, problem)
			continue
		}
		chosen = append(chosen, move{h, gas, amount})
	}
	return chosen
}

// coinMove says with which gas limit the coin of a source can be moved, beside
// tokens whose gas may need so much, or why not.
func (p *Planner) coinMove(s Source, coin, needs wallet.Amount) (gas uint64, problem string) {
	gas, problem = outgoing.GasLimit(s.Coin.Estimate, MaxCoinGas)
	switch {
	case s.Coin.Problem != "":
		return 0, s.Coin.Problem
	case coin.IsZero():
		return 0, shortOnChain(s.Coin.Balance)
	case problem != "":
		return 0, problem
	case needs.Sign() > 0 && coin.Cmp(needs) <= 0:
		return 0, "kept for the gas of the tokens there"
	}
	return gas, p.unworthy(coin, needs, gas)
}

// afford takes tokens from the end of the list until there is room for the rest
// and the gas address can pay the top-up for them.
func (p *Planner) afford(s Source, tokens []move, coin wallet.Amount) ([]move, wallet.Amount) {
	for ; len(tokens) > 0; tokens = tokens[:len(tokens)-1] {
		last := tokens[len(tokens)-1].holding
		topUp := atLeastZero(p.reserves(tokens).Sub(coin))
		size := len(tokens)
		if topUp.Sign() > 0 {
			size++
		}
		if len(p.items)+size > p.terms.Max {
			p.skip(s, last, "the batch is full")
			continue
		}
		if problem := p.cannotTopUp(topUp, s.TopUpGas); problem != "" {
			p.skip(s, last, problem)
			continue
		}
		return tokens, topUp
	}
	return nil, wallet.Amount{}
}

// cannotTopUp says why the gas address cannot send a top-up, or "".
func (p *Planner) cannotTopUp(amount wallet.Amount, estimate uint64) string {
	if amount.IsZero() {
		return ""
	}
	if p.gas.Problem != "" {
		return "needs a top-up: " + p.gas.Problem
	}
	gas, problem := outgoing.GasLimit(estimate, MaxCoinGas)
	if problem != "" {
		return "needs a top-up: " + problem
	}
	if cost := amount.Add(p.top.Mul(gas)); p.gas.Free.Cmp(cost) < 0 {
		return fmt.Sprintf("needs a top-up that may cost %s, and gas address %s has only %s free", cost, p.gas.Address.Address, p.gas.Free)
	}
	return ""
}

// topUp adds a top-up that cannotTopUp had no objection to.
func (p *Planner) topUp(to wallet.Address, amount wallet.Amount, estimate uint64) {
	gas, _ := outgoing.GasLimit(estimate, MaxCoinGas)
	item := p.item(p.gas.Address, p.gas.Nonce, wallet.Intent{
		Kind: wallet.IntentTopUp, Asset: wallet.Coin(p.terms.ChainID), Recipient: to.Address, Amount: amount,
	}, gas)
	item.RecipientPath = to.Path.String()
	p.items = append(p.items, item)
	p.gas.Nonce++
	p.gas.Free = p.gas.Free.Sub(amount).Sub(p.top.Mul(gas))
}

func (p *Planner) sweep(s Source, nonce uint64, asset wallet.AssetID, amount wallet.Amount, gas uint64, requires int) {
	item := p.item(s.Address, nonce, wallet.Intent{
		Kind: wallet.IntentSweep, Asset: asset, Recipient: p.terms.Treasury, Amount: amount,
	}, gas)
	item.RecipientPath, item.Requires = p.terms.TreasuryPath, requires
	p.items = append(p.items, item)
}

// item is the transaction of an intent, which gets its name from its slot.
func (p *Planner) item(from wallet.Address, nonce uint64, in wallet.Intent, gas uint64) batch.Item {
	in.ID = wallet.Slot{ChainID: p.terms.ChainID, Sender: from.Address, Nonce: nonce}.IntentID()
	payload := outgoing.PayloadOf(in.Asset, in.Recipient, in.Amount, gas)
	return batch.Item{
		From: from.Address, Path: from.Path, Nonce: nonce,
		To: payload.To, Value: payload.Value, Data: payload.Data, Gas: payload.Gas,
		Rungs: p.terms.Rungs, Intent: in, Requires: -1,
	}
}

func (p *Planner) reserves(moves []move) (sum wallet.Amount) {
	for _, m := range moves {
		sum = sum.Add(p.top.Mul(m.gas))
	}
	return sum
}

func (p *Planner) skip(s Source, h Holding, reason string) {
	if h.Ledger.Sign() > 0 && p.Wants(h.Asset) {
		p.note(Skipped{s.Address.Address, h.Asset, h.Ledger, reason})
	}
}

func (p *Planner) note(s Skipped) {
	if len(p.skipped) == SkippedLimit {
		p.more++
		return
	}
	p.skipped = append(p.skipped, s)
}

// Rebuild plans the slots of discarded batches again: the same payloads at the
// same nonces, with today's fees. It comes before the first Add.
//
// A payload leaves no choice in what it spends. Where the coin on a sender does
// not cover it at the highest fee, the fee is lowered as far as Floor; where
// that is not enough either, the difference is topped up.
func (p *Planner) Rebuild(d Discarded) {
	var ours, theirs []wallet.Outgoing
	for _, o := range d.Slots {
		if o.Slot.Sender == p.gas.Address.Address {
			ours = append(ours, o)
		} else {
			theirs = append(theirs, o)
		}
	}
	at, incoming := p.rebuildTopUps(ours, d.Paths)
	sortSlots(theirs)
	for len(theirs) > 0 {
		n := 1
		for n < len(theirs) && theirs[n].Slot.Sender == theirs[0].Slot.Sender {
			n++
		}
		sender := theirs[0].Slot.Sender
		if problem := p.rebuildSweeps(theirs[:n], d, at, incoming[sender]); problem != "" {
			for _, o := range theirs[:n] {
				p.note(Skipped{sender, o.Intent.Asset, o.Intent.Amount, problem})
			}
		}
		theirs = theirs[n:]
	}
}

// rebuildTopUps plans the gas address's own slots. The order of nonces leaves no
// choice: what does not fit holds up everything that the gas address would send
// after it.
func (p *Planner) rebuildTopUps(slots []wallet.Outgoing, paths map[common.Address]wallet.Path) (at map[wallet.Slot]int, incoming map[common.Address]wallet.Amount) {
	at, incoming = map[wallet.Slot]int{}, map[common.Address]wallet.Amount{}
	sortSlots(slots)
	for _, o := range slots {
		cost := o.Payload.Value.Add(p.top.Mul(o.Payload.Gas))
		switch {
		case p.gas.Problem != "":
		case p.Full():
			p.gas.Problem = "the batch is full"
		case p.gas.Free.Cmp(cost) < 0:
			p.gas.Problem = fmt.Sprintf("its transaction at nonce %d must be built again first and may cost %s, and it has only %s free", o.Slot.Nonce, cost, p.gas.Free)
		}
		if p.gas.Problem != "" {
			return at, incoming
		}
		item := again(o, p.terms.Rungs, -1)
		item.RecipientPath = paths[o.Payload.To].String()
		at[o.Slot] = len(p.items)
		p.items = append(p.items, item)
		p.gas.Free = p.gas.Free.Sub(cost)
		incoming[o.Payload.To] = incoming[o.Payload.To].Add(o.Payload.Value)
	}
	return at, incoming
}

// rebuildSweeps plans all slots of one deposit address, or says why not.
func (p *Planner) rebuildSweeps(slots []wallet.Outgoing, d Discarded, at map[wallet.Slot]int, incoming wallet.Amount) (problem string) {
	sender := slots[0].Slot.Sender
	rungs, missing := p.rebuildFees(slots, d.Coin[sender].Add(incoming))
	size, extra := len(slots), -1
	if missing.Sign() > 0 {
		size, extra = size+1, len(p.items)
		if problem := p.cannotTopUp(missing, d.TopUpGas[sender]); problem != "" {
			return problem
		}
	}
	if len(p.items)+size > p.terms.Max {
		return "the batch is full"
	}
	requires := make([]int, len(slots))
	for i, o := range slots {
		requires[i] = extra
		if o.Requires == nil || extra >= 0 || d.Mined[*o.Requires] {
			continue
		}
		var ok bool
		if requires[i], ok = at[*o.Requires]; !ok {
			return "waits for its top-up"
		}
	}
	if extra >= 0 {
		p.topUp(wallet.Address{Address: sender, Path: slots[0].Path}, missing, d.TopUpGas[sender])
	}
	for i, o := range slots {
		item := again(o, rungs, requires[i])
		if o.Intent.Recipient == p.terms.Treasury {
			item.RecipientPath = p.terms.TreasuryPath
		}
		p.items = append(p.items, item)
	}
	return ""
}

// rebuildFees are the fees at which slots can be built again by a sender that
// has so much coin, and what it lacks for them.
func (p *Planner) rebuildFees(slots []wallet.Outgoing, have wallet.Amount) (rungs []wallet.Fee, missing wallet.Amount) {
	var values wallet.Amount
	var gas uint64
	for _, o := range slots {
		values = values.Add(o.Payload.Value)
		gas += o.Payload.Gas
	}
	missing = atLeastZero(values.Add(p.top.Mul(gas)).Sub(have))
	if missing.IsZero() {
		return p.terms.Rungs, missing
	}
	fee := wallet.AmountOf(new(big.Int).Div(atLeastZero(have.Sub(values)).Big(), new(big.Int).SetUint64(gas)))
	if fee.Cmp(p.terms.Floor) < 0 {
		return p.terms.Rungs, missing
	}
	first := p.terms.Rungs[0]
	if fee.Cmp(first.MaxFeePerGas) < 0 {
		first = wallet.Fee{MaxFeePerGas: fee, MaxPriorityFeePerGas: least(fee, first.MaxPriorityFeePerGas)}
	}
	rungs, err := outgoing.Ladder(first, len(p.terms.Rungs), outgoing.Budget{PerGas: fee})
	if err != nil {
		return p.terms.Rungs, missing
	}
	return rungs, wallet.Amount{}
}

// again is the item of a slot that was built before.
func again(o wallet.Outgoing, rungs []wallet.Fee, requires int) batch.Item {
	return batch.Item{
		From: o.Slot.Sender, Path: o.Path, Nonce: o.Slot.Nonce,
		To: o.Payload.To, Value: o.Payload.Value, Data: o.Payload.Data, Gas: o.Payload.Gas,
		Rungs: rungs, Intent: o.Intent, Requires: requires,
	}
}

// shortOnChain says why nothing of what the ledger has can be moved.
func shortOnChain(b Balance) string {
	if b.Final.Sign() > 0 || b.Latest.Sign() > 0 {
		return "not final yet, or already on its way"
	}
	return "the chain shows none of it: airlock reconcile tells more"
}

// sortSlots puts the slots of a sender together, by rising nonces.
func sortSlots(slots []wallet.Outgoing) {
	sort.Slice(slots, func(i, j int) bool {
		a, b := slots[i].Slot, slots[j].Slot
		if a.Sender != b.Sender {
			return a.Sender.Cmp(b.Sender) < 0
		}
		return a.Nonce < b.Nonce
	})
}

func least(a, b wallet.Amount) wallet.Amount {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func atLeastZero(a wallet.Amount) wallet.Amount {
	if a.Sign() < 0 {
		return wallet.Amount{}
	}
	return a
}
