package payout

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// planned is a planner that was given candidates in order, as ask does.
func planned(t *rapid.T, make func() *planner, list []candidate, estimate func(id string, l *line) uint64) *planner {
	p := make()
	list = append([]candidate(nil), list...)
	p.foresee(list)
	for i := range list {
		c := &list[i]
		c.estimate = estimate(c.w.ID, c.from)
		for asked := 0; ; asked++ {
			elsewhere := p.add(*c)
			if elsewhere == nil {
				break
			}
			if asked > 0 {
				t.Fatalf("%s was moved twice", c.w.ID)
			}
			c.from, c.moved = elsewhere, true
			c.estimate = estimate(c.w.ID, elsewhere)
		}
	}
	return p
}

// TestLines: whatever senders have and withdrawals need, none can be overspent
// even if every item is mined at its dearest, each line's nonces follow each
// other, what nobody may build on is left alone, and what is left out could not
// have been paid by anybody.
func TestLines(t *testing.T) {
	coin := wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	token := wallet.Asset{ID: wallet.Token(1, common.Address{9}), Symbol: "TUSD", Decimals: 6}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "senders")
		ladder, err := outgoing.Ladder(wallet.Fee{MaxFeePerGas: wallet.NewAmount(10), MaxPriorityFeePerGas: wallet.NewAmount(1)},
			rapid.IntRange(1, 6).Draw(t, "rungs"), outgoing.Budget{Times: rapid.Uint64Range(1, 5).Draw(t, "times")})
		if err != nil {
			t.Fatal(err)
		}
		cancel := rapid.SampledFrom([]uint64{0, 21_000, 400_000}).Draw(t, "gas of a cancel")
		have, lines := funds{}, []line{}
		for i := range n {
			a := common.Address{1, byte(i)}
			l := line{
				sender: wallet.Address{Address: a, Path: wallet.Path{Role: wallet.PayoutRole, Index: uint32(i)}}, fresh: true,
				next: rapid.Uint64Range(0, 9).Draw(t, "nonce"), waiting: rapid.IntRange(0, 3).Draw(t, "waiting"), cancelGas: cancel,
			}
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "unexplained") == 0 {
				l.problem = errors.New("unexplained")
			}
			lines = append(lines, l)
			have[place{a, coin.ID}] = wallet.NewAmount(rapid.Int64Range(-1e6, 2e7).Draw(t, "coin"))
			have[place{a, token.ID}] = wallet.NewAmount(rapid.Int64Range(0, 3000).Draw(t, "tokens"))
		}
		fresh := func() *planner {
			p := &planner{coin: coin, ladder: ladder, rungs: len(ladder), caps: Caps{Coin: DefaultCoinCap, Token: DefaultTokenCap}, funds: maps.Clone(have), max: 100}
			for _, l := range lines {
				p.lines = append(p.lines, &l)
			}
			return p
		}
		var list []candidate
		need := map[string]candidate{}
		for i := range rapid.IntRange(1, 20).Draw(t, "withdrawals") {
			c := candidate{asset: coin, w: wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{
				ID: fmt.Sprint("w", i), To: common.Address{7}, Amount: wallet.NewAmount(rapid.Int64Range(1, 3e6).Draw(t, "amount")),
			}}}
			if rapid.Bool().Draw(t, "token") {
				c.asset, c.w.Amount = token, wallet.NewAmount(rapid.Int64Range(1, 1000).Draw(t, "amount"))
			}
			list, need[c.w.ID] = append(list, c), c
		}
		gas := map[string]uint64{}
		estimate := func(id string, l *line) uint64 {
			key := id + l.sender.Address.Hex()
			if _, known := gas[key]; !known {
				gas[key] = rapid.Uint64Range(21_000, 200_000).Draw(t, "gas")
			}
			return gas[key]
		}
		p := planned(t, fresh, list, estimate)
		if again := planned(t, fresh, list, estimate); !reflect.DeepEqual(again.items, p.items) || !reflect.DeepEqual(again.leftOut, p.leftOut) {
			t.Fatalf("the same facts make another plan: %v, was %v", again.items, p.items)
		}

		left, next := maps.Clone(have), map[common.Address]uint64{}
		for _, l := range lines {
			next[l.sender.Address] = l.next
		}
		for _, it := range p.items {
			l := p.lineOf(it.From)
			if l.problem != nil || it.Nonce != next[it.From] || it.Path != l.sender.Path {
				t.Fatalf("nonce %d of %s, want %d (%v)", it.Nonce, it.From, next[it.From], l.problem)
			}
			next[it.From]++
			if top := batch.Bump(it.Rungs[len(it.Rungs)-1]); (it.Cancel != nil) != (cancel > 0) || it.Cancel != nil && (it.Cancel.MaxFeePerGas.Cmp(top.MaxFeePerGas) < 0 || it.Cancel.MaxPriorityFeePerGas.Cmp(top.MaxPriorityFeePerGas) < 0) {
				t.Fatalf("cancel %v, want one above %v", it.Cancel, top)
			}
			left.spend(it.From, it.Intent.Asset, it.Intent.Amount)
			left.spend(it.From, coin.ID, it.WorstFee())
		}
		for _, it := range p.items {
			for _, id := range []wallet.AssetID{coin.ID, token.ID} {
				if n := left[place{it.From, id}]; n.Sign() < 0 && (id == coin.ID || it.Intent.Asset == id) {
					t.Fatalf("%s is overspent by %s of %s", it.From, n.Neg(), id)
				}
			}
		}
		if len(p.items)+len(p.leftOut) != len(list) {
			t.Fatalf("%d items and %d left out of %d", len(p.items), len(p.leftOut), len(list))
		}
		for _, out := range p.leftOut {
			c := need[out.ID]
			if !strings.HasPrefix(out.Reason, insufficient) {
				t.Fatalf("%s is left out: %s", out.ID, out.Reason)
			}
			// Funds only shrink, so what could be paid now at the most gas could then.
			for _, l := range p.lines {
				if l.problem == nil && p.missing(&c, l, gasLimit(200_000)) == "" {
					t.Fatalf("%s is left out (%s), and %s can pay it", out.ID, out.Reason, l.sender.Address)
				}
			}
		}
	})
}

// Where every sender can pay everything, no queue is longer than another by more
// than it was.
func TestLinesStayEven(t *testing.T) {
	coin := wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	p := &planner{coin: coin, ladder: []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(1)}}, caps: Caps{Coin: DefaultCoinCap}, funds: funds{}, max: 100}
	for i, waiting := range []int{5, 0, 2} {
		a := common.Address{1, byte(i)}
		p.lines = append(p.lines, &line{sender: wallet.Address{Address: a}, fresh: true, waiting: waiting})
		p.funds[place{a, coin.ID}] = ether
	}
	for i := range 11 {
		c := candidate{asset: coin, estimate: 21_000, w: wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{ID: fmt.Sprint(i), Amount: wallet.NewAmount(1)}}}
		if c.from = p.add(c); c.from != nil {
			p.add(c)
		}
	}
	for i, l := range p.lines {
		if l.waiting != 6 {
			t.Errorf("line %d has %d waiting, want 6", i, l.waiting)
		}
	}
}
