package sweep

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

const testChain = 1337

var (
	treasury = common.HexToAddress("0x7000000000000000000000000000000000000001")
	gasAddr  = common.HexToAddress("0x6000000000000000000000000000000000000001")
	usd      = wallet.Token(testChain, common.HexToAddress("0x5000000000000000000000000000000000000001"))
	eur      = wallet.Token(testChain, common.HexToAddress("0x5000000000000000000000000000000000000002"))
	coin     = wallet.Coin(testChain)
)

func n(v int64) wallet.Amount { return wallet.NewAmount(v) }

// everywhere is a balance on which all sources agree.
func everywhere(v int64) Balance { return Balance{n(v), n(v), n(v)} }

func depositPath(i uint32) wallet.Path { return wallet.Path{Role: wallet.DepositRole, Index: i} }

func depositAddress(i uint32) common.Address {
	var a common.Address
	a[0] = 0xd0
	binary.BigEndian.PutUint32(a[16:], i)
	return a
}

// terms has a highest fee of 10 wei per gas, so that a plain transfer reserves
// 210,000 wei.
func terms(funds int64) Terms {
	return Terms{
		ChainID: testChain, Treasury: treasury,
		TreasuryPath: wallet.Path{Role: wallet.TreasuryRole}.String(),
		Rungs:        []wallet.Fee{{MaxFeePerGas: n(10), MaxPriorityFeePerGas: n(1)}},
		Floor:        n(4),
		Gas:          Funder{Address: wallet.Address{Address: gasAddr, Path: wallet.Path{Role: wallet.GasRole}, Role: wallet.GasRole}, Nonce: 7, Free: n(funds)},
		Max:          100,
	}
}

func source(i uint32, nonce uint64, coinBalance Balance, tokens ...Holding) Source {
	return Source{
		Address:  wallet.Address{Address: depositAddress(i), Path: depositPath(i), Account: "alice"},
		Nonce:    nonce,
		Coin:     Holding{Asset: coin, Balance: coinBalance, Estimate: 21000},
		Tokens:   tokens,
		TopUpGas: 21000,
	}
}

func token(asset wallet.AssetID, b Balance) Holding {
	return Holding{Asset: asset, Balance: b, Estimate: 40_000} // limit 60,000, reserve 600,000
}

// brief writes a plan as people would: kind, sender, nonce, asset amount, the
// item it waits for.
func brief(items []batch.Item) []string {
	var lines []string
	for _, it := range items {
		line := fmt.Sprintf("%s %s/%d %s", it.Intent.Kind, it.Path.Role, it.Nonce, it.Intent.Amount)
		if it.Requires >= 0 {
			line += fmt.Sprintf(" after %d", it.Requires)
		}
		lines = append(lines, line)
	}
	return lines
}

func reasons(skipped []Skipped, _ int) []string {
	var lines []string
	for _, s := range skipped {
		lines = append(lines, s.Amount.String()+": "+s.Reason)
	}
	return lines
}

func TestPlan(t *testing.T) {
	amount := func(v int64) *wallet.Amount { a := n(v); return &a }
	for _, test := range []struct {
		name    string
		funds   int64
		change  func(*Terms)
		sources []Source
		items   []string
		skipped []string // beginnings
	}{{
		name:    "coin minus gas at the highest fee",
		sources: []Source{source(1, 3, everywhere(5_000_000))},
		items:   []string{"sweep deposit/3 4790000"},
	}, {
		name:    "only what is final",
		sources: []Source{source(1, 0, Balance{n(9_000_000), n(3_000_000), n(9_000_000)})},
		items:   []string{"sweep deposit/0 2790000"},
	}, {
		name:    "only what is still there",
		sources: []Source{source(1, 0, Balance{n(9_000_000), n(9_000_000), n(3_000_000)})},
		items:   []string{"sweep deposit/0 2790000"},
	}, {
		name:    "only what is booked",
		sources: []Source{source(1, 0, Balance{n(3_000_000), n(9_000_000), n(9_000_000)})},
		items:   []string{"sweep deposit/0 2790000"},
	}, {
		name:    "dust stays",
		sources: []Source{source(1, 0, everywhere(1_259_999)), source(2, 0, everywhere(1_260_000))},
		items:   []string{"sweep deposit/0 1050000"},
		skipped: []string{"1259999: not worth its gas"},
	}, {
		name:    "a minimum of the operator's replaces ours",
		change:  func(tm *Terms) { tm.Min = amount(210_001) },
		sources: []Source{source(1, 0, everywhere(210_000)), source(2, 0, everywhere(210_001))},
		items:   []string{"sweep deposit/0 1"},
		skipped: []string{"210000: below the minimum of 210001"},
	}, {
		name:    "a minimum below the cost of gas",
		change:  func(tm *Terms) { tm.Min = amount(1) },
		sources: []Source{source(1, 0, everywhere(210_000))},
		skipped: []string{"210000: gas may cost 210000, which is all of it"},
	}, {
		name:    "the chain has nothing of it",
		sources: []Source{source(1, 0, Balance{Ledger: n(5_000_000)})},
		skipped: []string{"5000000: the chain shows none of it"},
	}, {
		name:    "top-up of the whole gas",
		funds:   10_000_000,
		sources: []Source{source(1, 0, everywhere(0), token(usd, everywhere(77)))},
		items:   []string{"top-up gas/7 600000", "sweep deposit/0 77 after 0"},
	}, {
		name:    "top-up of the difference",
		funds:   10_000_000,
		sources: []Source{source(1, 0, everywhere(100_000), token(usd, everywhere(77)))},
		items:   []string{"top-up gas/7 500000", "sweep deposit/0 77 after 0"},
		skipped: []string{"100000: kept for the gas of the tokens there"},
	}, {
		name:    "no top-up where there is enough",
		sources: []Source{source(1, 0, everywhere(600_000), token(usd, everywhere(77)))},
		items:   []string{"sweep deposit/0 77"},
		skipped: []string{"600000: kept for the gas of the tokens there"},
	}, {
		name:    "one top-up for all tokens of an address",
		funds:   10_000_000,
		sources: []Source{source(1, 4, everywhere(1), token(usd, everywhere(77)), token(eur, everywhere(88)))},
		items:   []string{"top-up gas/7 1199999", "sweep deposit/4 77 after 0", "sweep deposit/5 88 after 0"},
		skipped: []string{"1: kept for the gas of the tokens there"},
	}, {
		name:    "tokens first, coin last and less by their gas",
		sources: []Source{source(1, 0, everywhere(9_000_000), token(usd, everywhere(77)), token(eur, everywhere(88)))},
		items:   []string{"sweep deposit/0 77", "sweep deposit/1 88", "sweep deposit/2 7590000"},
	}, {
		name:    "consecutive nonces of the gas address",
		funds:   10_000_000,
		sources: []Source{source(1, 0, everywhere(0), token(usd, everywhere(1))), source(2, 9, everywhere(0), token(usd, everywhere(2)))},
		items:   []string{"top-up gas/7 600000", "sweep deposit/0 1 after 0", "top-up gas/8 600000", "sweep deposit/9 2 after 2"},
	}, {
		name:    "gas address pays for the first and not for the second",
		funds:   1_619_999, // two top-ups of 600,000 and their own gas of 210,000 are 1,620,000
		sources: []Source{source(1, 0, everywhere(0), token(usd, everywhere(1))), source(2, 0, everywhere(0), token(usd, everywhere(2)))},
		items:   []string{"top-up gas/7 600000", "sweep deposit/0 1 after 0"},
		skipped: []string{"2: needs a top-up that may cost 810000, and gas address"},
	}, {
		name:    "gas address pays for one of two tokens, and the coin is kept",
		funds:   810_000,
		sources: []Source{source(1, 0, everywhere(1000), token(usd, everywhere(1)), token(eur, everywhere(2)))},
		items:   []string{"top-up gas/7 599000", "sweep deposit/0 1 after 0"},
		skipped: []string{"2: needs a top-up that may cost 1409000", "1000: kept for the gas"},
	}, {
		name:    "a gas address that must not send",
		funds:   810_000,
		change:  func(tm *Terms) { tm.Gas.Problem = "run scan" },
		sources: []Source{source(1, 0, everywhere(1), token(usd, everywhere(1))), source(2, 0, everywhere(5_000_000))},
		items:   []string{"sweep deposit/0 4790000"},
		skipped: []string{"1: needs a top-up: run scan", "1: kept for"},
	}, {
		name:    "one asset only",
		change:  func(tm *Terms) { tm.Asset = &eur },
		sources: []Source{source(1, 0, everywhere(9_000_000), token(usd, everywhere(77)), token(eur, everywhere(88)))},
		items:   []string{"sweep deposit/0 88"},
	}, {
		name:    "the coin only",
		change:  func(tm *Terms) { c := coin; tm.Asset = &c },
		sources: []Source{source(1, 0, everywhere(9_000_000), token(usd, everywhere(77)))},
		items:   []string{"sweep deposit/0 8790000"},
	}, {
		name:    "minimum of a token",
		change:  func(tm *Terms) { tm.Asset, tm.Min = &usd, amount(77) },
		sources: []Source{source(1, 0, everywhere(9_000_000), token(usd, everywhere(76))), source(2, 0, everywhere(9_000_000), token(usd, everywhere(77)))},
		items:   []string{"sweep deposit/0 77"},
		skipped: []string{"76: below the minimum of 77"},
	}, {
		name: "an address that must not send",
		sources: []Source{func() Source {
			s := source(1, 0, everywhere(9_000_000), token(usd, everywhere(76)))
			s.Problem = "on its way"
			return s
		}()},
		skipped: []string{"76: on its way", "9000000: on its way"},
	}, {
		name: "a token that cannot be moved holds up nothing else",
		sources: []Source{source(1, 0, everywhere(9_000_000),
			Holding{Asset: usd, Balance: everywhere(76), Problem: "it reverts"}, token(eur, everywhere(88)))},
		items:   []string{"sweep deposit/0 88", "sweep deposit/1 8190000"},
		skipped: []string{"76: it reverts"},
	}, {
		name: "a token that burns gas",
		sources: []Source{source(1, 0, everywhere(0),
			Holding{Asset: usd, Balance: everywhere(76), Estimate: 400_000})},
		skipped: []string{"76: needs 600000 gas, and the limit is 500000"},
	}, {
		name: "an estimate that overflows",
		sources: []Source{source(1, 0, everywhere(0),
			Holding{Asset: usd, Balance: everywhere(76), Estimate: 1<<64 - 1})},
		skipped: []string{"76: needs "},
	}, {
		name:    "a treasury that is a contract",
		sources: []Source{func() Source { s := source(1, 0, everywhere(9_000_000)); s.Coin.Estimate = 30_000; return s }()},
		items:   []string{"sweep deposit/0 8550000"},
	}, {
		name:    "a full batch keeps a top-up and its sweep together",
		funds:   10_000_000,
		change:  func(tm *Terms) { tm.Max = 2 },
		sources: []Source{source(1, 0, everywhere(5_000_000)), source(2, 0, everywhere(0), token(usd, everywhere(76)))},
		items:   []string{"sweep deposit/0 4790000"},
		skipped: []string{"76: the batch is full"},
	}, {
		name:    "a full batch sends the coin last",
		change:  func(tm *Terms) { tm.Max = 1 },
		sources: []Source{source(1, 0, everywhere(9_000_000), token(usd, everywhere(76)))},
		items:   []string{"sweep deposit/0 76"},
		skipped: []string{"9000000: the batch is full"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			tm := terms(test.funds)
			change := test.change
			if change == nil {
				change = func(*Terms) {}
			}
			change(&tm)
			p := NewPlanner(tm)
			for _, s := range test.sources {
				p.Add(s)
			}
			equalLines(t, "items", brief(p.Items()), test.items)
			startLike(t, reasons(p.Skipped()), test.skipped)
			checkBatch(t, p.Items())
		})
	}
}

func equalLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s:\n%s\nwant:\n%s", what, g, w)
	}
}

func startLike(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("skipped %q, want %q", got, want)
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("skipped %q, want %q…", got[i], want[i])
		}
	}
}

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkBatch holds items against every rule of the format.
func checkBatch(t fataler, items []batch.Item) {
	t.Helper()
	if len(items) == 0 {
		return
	}
	b := batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat("0", 32), Kind: batch.Sweep,
		ChainID: testChain, Vault: strings.Repeat("0", 64),
		CreatedAt: time.Unix(1_800_000_000, 0).UTC(), ExpiresAt: time.Unix(1_800_086_400, 0).UTC(),
		Items: items,
	}
	seen := map[wallet.AssetID]bool{}
	for _, it := range items {
		seen[it.Intent.Asset] = true
	}
	for asset := range seen {
		decimals := uint8(6)
		if asset.IsCoin() {
			decimals = 18
		}
		b.Assets = append(b.Assets, batch.Asset{Asset: asset, Symbol: "X", Decimals: decimals})
	}
	if err := b.Check(); err != nil {
		t.Fatalf("not a batch: %v", err)
	}
}

func drawBalance(t *rapid.T, label string, most int64) Balance {
	part := func(name string) wallet.Amount {
		return n(rapid.Int64Range(0, most).Draw(t, label+name))
	}
	if rapid.Bool().Draw(t, label+"agree") {
		return everywhere(rapid.Int64Range(0, most).Draw(t, label))
	}
	return Balance{part("ledger"), part("final"), part("latest")}
}

func drawSource(t *rapid.T, i uint32) Source {
	estimates := rapid.SampledFrom([]uint64{21000, 21001, 35_000, 60_000, 450_000})
	s := source(i, rapid.Uint64Range(0, 5).Draw(t, "nonce"), drawBalance(t, "coin", 12_000_000))
	s.Coin.Estimate = estimates.Draw(t, "coin gas")
	s.TopUpGas = estimates.Draw(t, "top-up gas")
	for _, asset := range []wallet.AssetID{usd, eur} {
		if rapid.Bool().Draw(t, "has token") {
			h := token(asset, drawBalance(t, "token", 100))
			h.Estimate = estimates.Draw(t, "token gas")
			s.Tokens = append(s.Tokens, h)
		}
	}
	return s
}

// replay runs a plan at the worst: every transaction costs its whole gas limit
// at the highest fee, in the order of the batch. It fails as soon as somebody
// spends what is not there.
func replay(t fataler, items []batch.Item, coins map[common.Address]wallet.Amount, tokens map[Skipped]wallet.Amount) {
	t.Helper()
	next := map[common.Address]uint64{}
	for i, it := range items {
		if last, ok := next[it.From]; ok && it.Nonce != last {
			t.Fatalf("item %d: nonce %d after %d", i, it.Nonce, last-1)
		}
		next[it.From] = it.Nonce + 1
		coins[it.From] = coins[it.From].Sub(it.Value).Sub(it.WorstFee())
		if coins[it.From].Sign() < 0 {
			t.Fatalf("item %d spends %s more than lies on %s", i, coins[it.From].Neg(), it.From)
		}
		coins[it.To] = coins[it.To].Add(it.Value)
		if it.Intent.Asset.IsCoin() {
			continue
		}
		key := Skipped{Address: it.From, Asset: it.Intent.Asset}
		if tokens[key].Cmp(it.Intent.Amount) != 0 {
			t.Fatalf("item %d moves %s of %s, and %s is certain", i, it.Intent.Amount, it.Intent.Asset, tokens[key])
		}
		delete(tokens, key)
	}
}

// A plan never spends more than lies there, tops up exactly what is missing,
// keeps every order, and leaves nothing out without saying so.
func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		funds := rapid.Int64Range(0, 4_000_000).Draw(t, "funds")
		tm := terms(funds)
		tm.Max = rapid.IntRange(1, 12).Draw(t, "max")
		asset := rapid.SampledFrom([]*wallet.AssetID{nil, &coin, &usd}).Draw(t, "asset")
		tm.Asset = asset
		if rapid.Bool().Draw(t, "has min") {
			least := n(rapid.Int64Range(0, 3_000_000).Draw(t, "min"))
			tm.Min = &least
		}
		p := NewPlanner(tm)
		coins := map[common.Address]wallet.Amount{gasAddr: n(funds)}
		tokens := map[Skipped]wallet.Amount{}
		had := map[common.Address]wallet.Amount{}
		held := map[Skipped]int{} // what the ledger has → how often the plan speaks of it
		for i := range uint32(rapid.IntRange(1, 6).Draw(t, "sources")) {
			s := drawSource(t, i)
			coins[s.Address.Address], had[s.Address.Address] = s.Coin.Certain(), s.Coin.Certain()
			for _, h := range s.holdings() {
				if !h.Asset.IsCoin() {
					tokens[Skipped{Address: s.Address.Address, Asset: h.Asset}] = h.Certain()
				}
				if h.Ledger.Sign() > 0 && p.Wants(h.Asset) {
					held[Skipped{Address: s.Address.Address, Asset: h.Asset}] = 0
				}
			}
			p.Add(s)
		}
		items := p.Items()
		if len(items) > tm.Max {
			t.Fatalf("%d items, and the most is %d", len(items), tm.Max)
		}
		checkBatch(t, items)
		replay(t, items, coins, tokens)

		needs := map[common.Address]wallet.Amount{}
		topUps := map[common.Address]wallet.Amount{}
		for _, it := range items {
			switch it.Intent.Kind {
			case wallet.IntentTopUp:
				topUps[it.To] = topUps[it.To].Add(it.Value)
			default:
				needs[it.From] = needs[it.From].Add(it.Value).Add(it.WorstFee())
				held[Skipped{Address: it.From, Asset: it.Intent.Asset}]++
			}
		}
		for a, topUp := range topUps {
			if topUp.Cmp(needs[a].Sub(had[a])) != 0 || topUp.Sign() <= 0 {
				t.Fatalf("top-up of %s, where %s is needed and %s there", topUp, needs[a], had[a])
			}
		}
		skipped, _ := p.Skipped()
		for _, s := range skipped {
			held[Skipped{Address: s.Address, Asset: s.Asset}]++
		}
		for h, times := range held {
			if times != 1 {
				t.Fatalf("%s on %s is spoken of %d times", h.Asset, h.Address, times)
			}
		}
	})
}

// bound is a slot of a discarded batch.
func bound(it batch.Item, requires *wallet.Slot) wallet.Outgoing {
	return wallet.Outgoing{
		Slot: wallet.Slot{ChainID: testChain, Sender: it.From, Nonce: it.Nonce}, Path: it.Path, Intent: it.Intent,
		Payload:  wallet.Payload{To: it.To, Value: it.Value, Data: it.Data, Gas: it.Gas},
		Attempts: []wallet.Attempt{{Rungs: it.Rungs}}, State: wallet.OutgoingBound, Requires: requires,
	}
}

// discard takes a plan as what a discarded batch left.
func discard(items []batch.Item, coins map[common.Address]wallet.Amount) Discarded {
	d := Discarded{Coin: coins, TopUpGas: map[common.Address]uint64{}, Paths: map[common.Address]wallet.Path{}, Mined: map[wallet.Slot]bool{}}
	for _, it := range items {
		var requires *wallet.Slot
		if it.Requires >= 0 {
			requires = &wallet.Slot{ChainID: testChain, Sender: items[it.Requires].From, Nonce: items[it.Requires].Nonce}
		}
		d.Slots = append(d.Slots, bound(it, requires))
		d.TopUpGas[it.From] = 21000
		if it.Intent.Kind == wallet.IntentSweep {
			d.Paths[it.From] = it.Path
		}
	}
	return d
}

func TestRebuild(t *testing.T) {
	old := NewPlanner(terms(10_000_000))
	old.Add(source(1, 0, everywhere(100_000), token(usd, everywhere(77))))
	old.Add(source(2, 5, everywhere(3_000_000)))
	coins := map[common.Address]wallet.Amount{depositAddress(1): n(100_000), depositAddress(2): n(3_000_000)}
	again := []string{"top-up gas/7 500000", "sweep deposit/0 77 after 0", "sweep deposit/5 2790000"}
	equalLines(t, "first plan", brief(old.Items()), again)

	fee := func(max int64) func(*Terms) {
		return func(tm *Terms) { tm.Rungs = []wallet.Fee{{MaxFeePerGas: n(max), MaxPriorityFeePerGas: n(1)}} }
	}
	for _, test := range []struct {
		name    string
		funds   int64
		change  func(*Terms)
		mined   []wallet.Slot
		drop    int // slots that are settled by now
		items   []string
		fees    []string // of the first rungs
		skipped []string
	}{{
		name: "at the same fees", funds: 10_000_000, change: fee(10),
		items: again, fees: []string{"10", "10", "10"},
	}, {
		name: "at lower fees", funds: 10_000_000, change: fee(6),
		items: again, fees: []string{"6", "6", "6"},
	}, {
		name: "at higher fees, the payloads leave what they left", funds: 10_000_000, change: fee(12),
		items: again, fees: []string{"12", "10", "10"},
	}, {
		name: "at fees that are too high, the difference is topped up", funds: 10_000_000,
		change: func(tm *Terms) { fee(20)(tm); tm.Floor = n(11) },
		items: []string{
			"top-up gas/7 500000",
			"top-up gas/8 600000", "sweep deposit/0 77 after 1",
			"top-up gas/9 210000", "sweep deposit/5 2790000 after 3",
		},
		fees: []string{"20", "20", "20", "20", "20"},
	}, {
		name: "after the top-up was mined", funds: 10_000_000, change: fee(10), drop: 1,
		mined: []wallet.Slot{{ChainID: testChain, Sender: gasAddr, Nonce: 7}},
		items: []string{"sweep deposit/0 77", "sweep deposit/5 2790000"},
		fees:  []string{"10", "10"},
	}, {
		name: "while the top-up is elsewhere", funds: 10_000_000, change: fee(1), drop: 1,
		items:   []string{"sweep deposit/5 2790000"},
		fees:    []string{"1"},
		skipped: []string{"77: waits for its top-up"},
	}, {
		name: "with a gas address that has too little", funds: 709_999, change: fee(10),
		items:   []string{"sweep deposit/5 2790000"},
		fees:    []string{"10"},
		skipped: []string{"77: needs a top-up: its transaction at nonce 7 must be built again first and may cost 710000"},
	}, {
		name: "in a batch without room", funds: 10_000_000, change: func(tm *Terms) { tm.Max = 2 },
		items:   again[:2],
		fees:    []string{"10", "10"},
		skipped: []string{"2790000: the batch is full"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			tm := terms(test.funds)
			test.change(&tm)
			d := discard(old.Items(), coins)
			d.Slots = d.Slots[test.drop:]
			for _, slot := range test.mined {
				d.Mined[slot] = true
				d.Coin = map[common.Address]wallet.Amount{depositAddress(1): n(600_000), depositAddress(2): n(3_000_000)}
			}
			tm.Gas.Nonce = 8 // 7 is bound
			p := NewPlanner(tm)
			p.Rebuild(d)
			equalLines(t, "items", brief(p.Items()), test.items)
			startLike(t, reasons(p.Skipped()), test.skipped)
			var fees []string
			for _, it := range p.Items() {
				fees = append(fees, it.Rungs[0].MaxFeePerGas.String())
			}
			equalLines(t, "fees", fees, test.fees)
			checkBatch(t, p.Items())
		})
	}
}

// What was planned once and discarded is planned again with the same payloads
// at the same nonces, whatever the fees became, and never spends more than lies
// there.
func TestRebuildProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tm := terms(100_000_000)
		first := NewPlanner(tm)
		coins := map[common.Address]wallet.Amount{}
		for i := range uint32(rapid.IntRange(1, 4).Draw(t, "sources")) {
			s := drawSource(t, i)
			s.TopUpGas = 21000
			coins[s.Address.Address] = s.Coin.Certain()
			first.Add(s)
		}
		d := discard(first.Items(), coins)
		payloads := map[wallet.Slot]string{}
		for _, o := range d.Slots {
			payloads[o.Slot] = fmt.Sprint(o.Payload)
			tm.Gas.Nonce = max(tm.Gas.Nonce, o.Slot.Nonce+1)
		}
		tm.Gas.Nonce += 10 // new ones are told apart by it
		funds := rapid.Int64Range(0, 20_000_000).Draw(t, "funds")
		tm.Gas.Free = n(funds)
		top := rapid.Int64Range(1, 40).Draw(t, "fee")
		tm.Rungs = []wallet.Fee{{MaxFeePerGas: n(top), MaxPriorityFeePerGas: n(1)}}
		tm.Floor = n(rapid.Int64Range(1, top).Draw(t, "floor"))
		tm.Max = rapid.IntRange(1, 20).Draw(t, "max")
		p := NewPlanner(tm)
		p.Rebuild(d)
		if len(p.Items()) > tm.Max {
			t.Fatalf("%d items, and the most is %d", len(p.Items()), tm.Max)
		}
		checkBatch(t, p.Items())

		spent := map[common.Address]wallet.Amount{gasAddr: n(funds)}
		for a, have := range coins {
			spent[a] = have
		}
		for i, it := range p.Items() {
			slot := wallet.Slot{ChainID: testChain, Sender: it.From, Nonce: it.Nonce}
			payload, known := payloads[slot]
			if fresh := it.From == gasAddr && it.Nonce >= tm.Gas.Nonce; known == fresh {
				t.Fatalf("item %d is at a nonce that was bound: %t", i, known)
			}
			if got := fmt.Sprint(wallet.Payload{To: it.To, Value: it.Value, Data: it.Data, Gas: it.Gas}); known && got != payload {
				t.Fatalf("item %d: payload %s, first %s", i, got, payload)
			}
			if fee := it.Rungs[0].MaxFeePerGas; fee.Cmp(tm.Floor) < 0 || fee.Cmp(n(top)) > 0 {
				t.Fatalf("item %d: fee %s", i, fee)
			}
			spent[it.From] = spent[it.From].Sub(it.Value).Sub(it.WorstFee())
			if spent[it.From].Sign() < 0 {
				t.Fatalf("item %d spends %s more than lies on %s", i, spent[it.From].Neg(), it.From)
			}
			spent[it.To] = spent[it.To].Add(it.Value)
		}
	})
}
