package rebalance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

var (
	coin  = wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	token = wallet.Asset{ID: wallet.Token(1, common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")), Symbol: "USDC", Decimals: 6}
	price = wallet.Fee{MaxFeePerGas: wallet.NewAmount(2), MaxPriorityFeePerGas: wallet.NewAmount(1)}
)

const gas = 21_000

func n(i int64) wallet.Amount { return wallet.NewAmount(i) }

func address(role wallet.Role, index uint32) wallet.Address {
	path := wallet.Path{Role: role, Index: index}
	if role == wallet.FloatRole {
		path.Role = wallet.PayoutRole
	}
	return wallet.Address{Address: common.BytesToAddress([]byte(fmt.Sprintf("%s %d", role, index))), Path: path, Role: role}
}

// world is what lies where.
type world struct {
	*planner
	places []place
}

func newWorld(treasury map[wallet.AssetID]wallet.Amount) *world {
	home := address(wallet.TreasuryRole, 0)
	return &world{planner: &planner{
		chain: 1, treasury: home, rungs: []wallet.Fee{price}, estimates: map[route]estimate{},
		senders: map[common.Address]*sender{home.Address: {address: home, nonce: 7, free: treasury}},
	}}
}

// put has an amount lie at a place with marks, all of it free.
func (w *world) put(a wallet.Address, asset wallet.Asset, low, high, have int64) {
	s := w.senders[a.Address]
	if s == nil {
		s = &sender{address: a, free: map[wallet.AssetID]wallet.Amount{}}
		w.senders[a.Address] = s
	}
	s.free[asset.ID] = n(have)
	w.places = append(w.places, place{a, Mark{a.Role, asset, n(low), n(high)}, n(have)})
}

func (w *world) plan() {
	for _, m := range moves(w.places) {
		way := m.route(w.treasury)
		if _, asked := w.estimates[way]; !asked {
			w.estimates[way] = estimate{gas: gas}
		}
		w.add(m)
	}
}

// String is the plan in short: what goes where, and what is skipped.
func (w *world) String() string {
	var parts []string
	for _, it := range w.items {
		parts = append(parts, fmt.Sprintf("%d:%s→%s %s %q", it.Nonce, strings.Fields(string(it.From[:]))[0], strings.TrimLeft(string(it.Intent.Recipient[:]), "\x00"), it.Intent.Amount, it.RecipientPath))
	}
	for _, k := range w.skipped {
		parts = append(parts, fmt.Sprintf("skip %s %s: %s", k.Role, k.Amount, k.Reason))
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), "\x00", "")
}

func TestPlan(t *testing.T) {
	payout, other, gasAddress, float := address(wallet.PayoutRole, 0), address(wallet.PayoutRole, 1), address(wallet.GasRole, 0), address(wallet.FloatRole, 0)
	const fee = 2 * gas
	rich := func() map[wallet.AssetID]wallet.Amount {
		return map[wallet.AssetID]wallet.Amount{coin.ID: n(1e9), token.ID: n(1e9)}
	}
	for name, test := range map[string]struct {
		treasury map[wallet.AssetID]wallet.Amount
		put      func(w *world)
		want     string
	}{
		"between the marks":     {rich(), func(w *world) { w.put(payout, coin, 10, 20, 10); w.put(other, coin, 10, 20, 20) }, ""},
		"each address":          {rich(), func(w *world) { w.put(payout, coin, 10, 20, 9); w.put(other, coin, 10, 20, 0) }, `7:treasury→payout 0 6 "m/44'/60'/1'/0/0"; 8:treasury→payout 1 15 "m/44'/60'/1'/0/1"`},
		"the float has no path": {rich(), func(w *world) { w.put(float, token, 10, 21, 9) }, `7:treasury→float 0 6 ""`},
		"back, with the fee":    {rich(), func(w *world) { w.put(gasAddress, coin, 10, 100_000, 150_000) }, `0:gas→treasury 0 99995 "m/44'/60'/3'/0/0"`},
		"back from the float":   {rich(), func(w *world) { w.put(float, coin, 10, 100_000, 150_000) }, `0:float→treasury 0 99995 ""`},
		"as far as it goes":     {map[wallet.AssetID]wallet.Amount{coin.ID: n(fee + 12)}, func(w *world) { w.put(payout, coin, 10, 20, 0) }, `7:treasury→payout 0 12 "m/44'/60'/1'/0/0"`},
		"not worth it":          {map[wallet.AssetID]wallet.Amount{coin.ID: n(fee + 9)}, func(w *world) { w.put(payout, coin, 10, 20, 0) }, "skip payout 15: treasury address " + address(wallet.TreasuryRole, 0).Address.Hex() + " has 0.000000000000000009 ETH free"},
		"no gas for a token":    {map[wallet.AssetID]wallet.Amount{coin.ID: n(fee - 1), token.ID: n(100)}, func(w *world) { w.put(payout, token, 10, 20, 0) }, "skip payout 15: treasury address " + address(wallet.TreasuryRole, 0).Address.Hex() + " has 41999 wei free, and its gas may cost 42000"},
		"first come":            {map[wallet.AssetID]wallet.Amount{coin.ID: n(2*fee + 15)}, func(w *world) { w.put(payout, coin, 10, 20, 0); w.put(other, coin, 10, 20, 0) }, `7:treasury→payout 0 15 "m/44'/60'/1'/0/0"; skip payout 15: treasury address ` + address(wallet.TreasuryRole, 0).Address.Hex() + " has 0 ETH free"},
	} {
		w := newWorld(test.treasury)
		test.put(w)
		w.plan()
		if got := w.String(); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

// Whatever lies where: nobody sends more than is free with all fees, each item is
// one that a batch may have, everything ends between its marks unless it is
// skipped, and what is on its way is not asked for again.
func TestPlanProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 400_000)
		w := newWorld(map[wallet.AssetID]wallet.Amount{coin.ID: n(amount.Draw(t, "coin")), token.ID: n(amount.Draw(t, "tokens"))})
		for _, role := range []wallet.Role{wallet.PayoutRole, wallet.GasRole, wallet.FloatRole} {
			for i := range rapid.Uint32Range(0, 2).Draw(t, "addresses") {
				for _, asset := range []wallet.Asset{coin, token} {
					low := rapid.Int64Range(0, 100_000).Draw(t, "low")
					w.put(address(role, i), asset, low, low+1+rapid.Int64Range(0, 100_000).Draw(t, "more"), amount.Draw(t, "have"))
				}
			}
		}
		left := map[common.Address]map[wallet.AssetID]wallet.Amount{}
		for a, s := range w.senders {
			left[a] = map[wallet.AssetID]wallet.Amount{coin.ID: s.free[coin.ID], token.ID: s.free[token.ID]}
		}
		w.plan()
		skipped := map[string]bool{}
		for _, k := range w.skipped {
			skipped[k.Address.Hex()+k.Asset.String()] = true
		}
		arrived := map[string]wallet.Amount{}
		cold := batch.Batch{Kind: batch.Rebalance}
		for _, it := range w.items {
			from := left[it.From]
			from[coin.ID] = from[coin.ID].Sub(it.WorstFee())
			from[it.Intent.Asset] = from[it.Intent.Asset].Sub(it.Intent.Amount)
			if from[coin.ID].Sign() < 0 || from[it.Intent.Asset].Sign() < 0 || it.Intent.Amount.Sign() <= 0 {
				t.Fatalf("%s overspends: %s", it.From, w)
			}
			key := it.Intent.Recipient.Hex() + it.Intent.Asset.String()
			arrived[key] = arrived[key].Add(it.Intent.Amount)
			cold.Items = append(cold.Items, it)
		}
		for i := range w.places {
			p := &w.places[i]
			key := p.address.Address.Hex() + p.mark.Asset.ID.String()
			spent := p.level.Sub(left[p.address.Address][p.mark.Asset.ID])
			p.level = p.level.Sub(spent).Add(arrived[key])
			// What went for gas may have taken the coin a little below.
			if p.mark.Asset.ID == coin.ID {
				p.level = p.level.Add(n(2 * 2 * gas))
			}
			if !skipped[key] && p.level.Cmp(p.mark.Low) < 0 {
				t.Fatalf("%s %s has %s after all, below %s: %s", p.mark.Role, p.mark.Asset.Symbol, p.level, p.mark.Low, w)
			}
			if p.mark.Asset.ID == token.ID && !skipped[key] && len(moves([]place{*p})) > 0 {
				t.Fatalf("%s %s is asked for again at %s: %s", p.mark.Role, p.mark.Asset.Symbol, p.level, w)
			}
		}
	})
}

// What was signed before is outbid, at its own nonce and payload, and what cannot
// be built again lets nothing pass it.
func TestBuiltAgain(t *testing.T) {
	payout := address(wallet.PayoutRole, 0)
	home := address(wallet.TreasuryRole, 0)
	slot := wallet.Slot{ChainID: 1, Sender: home.Address, Nonce: 3}
	o := wallet.Outgoing{
		Slot: slot, Path: home.Path,
		Intent:   wallet.Intent{Kind: wallet.IntentRebalance, ID: slot.IntentID(), Asset: coin.ID, Recipient: payout.Address, Amount: n(50)},
		Payload:  wallet.Payload{To: payout.Address, Value: n(50), Data: []byte{}, Gas: gas},
		Attempts: []wallet.Attempt{{Rungs: []wallet.Fee{{MaxFeePerGas: n(100), MaxPriorityFeePerGas: n(10)}}, Signed: []common.Hash{{}}, Discarded: true}},
	}
	w := newWorld(map[wallet.AssetID]wallet.Amount{coin.ID: n(1e9)})
	w.put(payout, coin, 10, 20, 60)
	w.again([]wallet.Outgoing{o})
	if len(w.items) != 1 {
		t.Fatalf("not built again: %s", w)
	}
	it := w.items[0]
	if it.Nonce != 3 || it.Intent != o.Intent || it.Rungs[0].MaxFeePerGas.Cmp(n(110)) != 0 || it.Rungs[0].MaxPriorityFeePerGas.Cmp(n(11)) != 0 || it.RecipientPath != "m/44'/60'/1'/0/0" {
		t.Errorf("built again as %+v", it)
	}
	poor := newWorld(map[wallet.AssetID]wallet.Amount{coin.ID: n(110*gas + 49)})
	poor.put(payout, token, 10, 20, 0)
	poor.senders[home.Address].free[token.ID] = n(100)
	poor.again([]wallet.Outgoing{o})
	poor.plan()
	if len(poor.items) != 0 || len(poor.skipped) != 1 || !strings.Contains(poor.skipped[0].Reason, "at nonce 3 must be built again first") {
		t.Errorf("without the coin for it: %s", poor)
	}
}

func TestMarks(t *testing.T) {
	for name, m := range map[string]Mark{
		"a deposit address": {wallet.DepositRole, coin, n(1), n(2)},
		"the treasury":      {wallet.TreasuryRole, coin, n(1), n(2)},
		"gas in tokens":     {wallet.GasRole, token, n(1), n(2)},
		"low is high":       {wallet.PayoutRole, coin, n(2), n(2)},
	} {
		if m.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := (Mark{wallet.FloatRole, token, n(0), n(1)}).Check(); err != nil {
		t.Error(err)
	}
}
