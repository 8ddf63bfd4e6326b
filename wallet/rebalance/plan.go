package rebalance

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// place is one asset on one address that a mark is for.
type place struct {
	address wallet.Address
	mark    Mark
	level   wallet.Amount // by the chain, with what is on its way there and without what leaves
}

// sender is an address that may send.
type sender struct {
	address wallet.Address
	nonce   uint64                           // of its next new transaction
	free    map[wallet.AssetID]wallet.Amount // certain, and needed by nothing on its way
	problem string                           // why it may send nothing, or ""
}

// Skipped is a place that stays as it is though its marks say otherwise, and why.
type Skipped struct {
	Role    wallet.Role    `json:"role"`
	Address common.Address `json:"address"`
	Asset   wallet.AssetID `json:"asset"`
	Amount  wallet.Amount  `json:"amount"` // that should be moved
	Reason  string         `json:"reason"`
}

// route is who sends what to whom. Gas is asked for each.
type route struct {
	from, to common.Address
	asset    wallet.AssetID
}

// estimate is what a node says that a route needs, or why it would fail.
type estimate struct {
	gas     uint64
	problem string
}

// planner makes a plan from facts. It does no I/O.
type planner struct {
	chain     uint64
	treasury  wallet.Address
	rungs     []wallet.Fee // rising; funds are checked at the last
	senders   map[common.Address]*sender
	estimates map[route]estimate

	items   []batch.Item
	skipped []Skipped
}

// move is what a place needs: an amount, from the treasury or back to it.
type move struct {
	place  place
	back   bool
	amount wallet.Amount // to the middle
	least  wallet.Amount // less than this is not worth a transaction
}

// moves says what the marks ask for, in the order of the places: below low it is
// filled, above high it is emptied, in between nothing is done.
func moves(places []place) (list []move) {
	for _, p := range places {
		middle := p.mark.middle()
		switch {
		case p.level.Cmp(p.mark.Low) < 0:
			list = append(list, move{p, false, middle.Sub(p.level), p.mark.Low.Sub(p.level)})
		case p.level.Cmp(p.mark.High) > 0:
			list = append(list, move{p, true, p.level.Sub(middle), wallet.NewAmount(1)})
		}
	}
	return list
}

// route is the way of a move.
func (m move) route(treasury wallet.Address) route {
	if m.back {
		return route{m.place.address.Address, treasury.Address, m.place.mark.Asset.ID}
	}
	return route{treasury.Address, m.place.address.Address, m.place.mark.Asset.ID}
}

// again builds what discarded batches left, by rising nonces of each sender.
// What does not fit ends what its sender can do: nothing after its nonce would be
// mined.
func (p *planner) again(slots []wallet.Outgoing) {
	for _, o := range slots {
		s := p.senders[o.Slot.Sender]
		rungs := outbid(&o, p.rungs)
		cost := map[wallet.AssetID]wallet.Amount{wallet.Coin(p.chain): rungs[len(rungs)-1].MaxFeePerGas.Mul(o.Payload.Gas)}
		cost[o.Intent.Asset] = cost[o.Intent.Asset].Add(o.Intent.Amount)
		if s.problem == "" && !s.has(cost) {
			s.problem = fmt.Sprintf("its transaction at nonce %d must be built again first, and it has not enough for it", o.Slot.Nonce)
		}
		if s.problem != "" {
			continue
		}
		s.spend(cost)
		p.items = append(p.items, batch.Item{
			From: o.Slot.Sender, Path: o.Path, Nonce: o.Slot.Nonce,
			To: o.Payload.To, Value: o.Payload.Value, Data: o.Payload.Data, Gas: o.Payload.Gas,
			Rungs: rungs, Intent: o.Intent, RecipientPath: p.recipientPath(s.address, o.Intent.Recipient), Requires: -1,
		})
	}
}

// outbid are fees that take the place of whatever was signed for a slot.
func outbid(o *wallet.Outgoing, rungs []wallet.Fee) []wallet.Fee {
	first := rungs[0]
	for _, a := range o.Attempts {
		if len(a.Signed) == 0 {
			continue
		}
		up := batch.Bump(a.Rungs[len(a.Rungs)-1])
		first.MaxFeePerGas = most(first.MaxFeePerGas, up.MaxFeePerGas)
		first.MaxPriorityFeePerGas = most(first.MaxPriorityFeePerGas, up.MaxPriorityFeePerGas)
	}
	list := []wallet.Fee{first}
	for len(list) < len(rungs) {
		list = append(list, batch.Bump(list[len(list)-1]))
	}
	return list
}

func most(a, b wallet.Amount) wallet.Amount {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

// add plans one move, or says why not. Where there is not enough for the middle,
// what there is moves if it is worth it.
func (p *planner) add(m move) {
	way := m.route(p.treasury)
	from := p.senders[way.from]
	coin := wallet.Coin(p.chain)
	asset := m.place.mark.Asset
	e := p.estimates[way]
	problem := from.problem
	if problem == "" {
		problem = e.problem
	}
	if problem != "" {
		p.skip(m, problem)
		return
	}
	fee := p.rungs[len(p.rungs)-1].MaxFeePerGas.Mul(e.gas)
	room := from.free[asset.ID]
	if asset.ID == coin {
		room = room.Sub(fee)
	} else if from.free[coin].Cmp(fee) < 0 {
		p.skip(m, fmt.Sprintf("%s address %s has %s wei free, and its gas may cost %s", from.address.Role, way.from, atLeastZero(from.free[coin]), fee))
		return
	}
	amount := least(m.amount, room)
	if amount.Cmp(m.least) < 0 || amount.Sign() <= 0 {
		p.skip(m, fmt.Sprintf("%s address %s has %s free", from.address.Role, way.from, asset.Format(atLeastZero(room))))
		return
	}
	cost := map[wallet.AssetID]wallet.Amount{coin: fee}
	cost[asset.ID] = cost[asset.ID].Add(amount)
	from.spend(cost)
	slot := wallet.Slot{ChainID: p.chain, Sender: way.from, Nonce: from.nonce}
	from.nonce++
	payload := outgoing.PayloadOf(asset.ID, way.to, amount, e.gas)
	p.items = append(p.items, batch.Item{
		From: way.from, Path: from.address.Path, Nonce: slot.Nonce,
		To: payload.To, Value: payload.Value, Data: payload.Data, Gas: payload.Gas,
		Rungs: p.rungs, RecipientPath: p.recipientPath(from.address, way.to), Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentRebalance, ID: slot.IntentID(), Asset: asset.ID, Recipient: way.to, Amount: amount},
	})
}

// recipientPath is where the sender's vault finds a recipient, or "" for one of
// another vault, which the policy pins.
func (p *planner) recipientPath(from wallet.Address, to common.Address) string {
	recipient := p.treasury
	if to != p.treasury.Address {
		recipient = p.senders[to].address
	}
	if (from.Role == wallet.FloatRole) != (recipient.Role == wallet.FloatRole) {
		return ""
	}
	return recipient.Path.String()
}

func (p *planner) skip(m move, reason string) {
	p.skipped = append(p.skipped, Skipped{m.place.mark.Role, m.place.address.Address, m.place.mark.Asset.ID, m.amount, reason})
}

func (s *sender) has(cost map[wallet.AssetID]wallet.Amount) bool {
	for id, amount := range cost {
		if s.free[id].Cmp(amount) < 0 {
			return false
		}
	}
	return true
}

func (s *sender) spend(cost map[wallet.AssetID]wallet.Amount) {
	for id, amount := range cost {
		s.free[id] = s.free[id].Sub(amount)
	}
}
