package policy

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// limited has small limits, so that few payments fill them, and one person for
// what is more than half of a day.
const limited = `
version = 1
max_age = "48h"
max_items = 6
allow = ["withdrawal"]
roles = ["payout"]
approvals = 0
[[approver]]
name = "Alice"
address = "0x00000000000000000000000000000000000a11ce"
[[chain]]
id = 1
max_fee_per_gas_gwei = "100"
max_fee_per_transaction = "1"
max_fee_per_batch = "1"
any_recipient = true
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "0.00000000000000001"
max_per_batch = "0.000000000000000015"
max_per_recipient = "0.000000000000000012"
max_per_day = "0.00000000000000003"
max_per_week = "0.00000000000000008"
approvals = [{ above = "0.00000000000000002", need = 1 }]
[[asset]]
asset = "eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
symbol = "ETHX"
decimals = 0
max_per_transaction = "10"
max_per_batch = "15"
max_per_recipient = "12"
max_per_day = "30"
max_per_week = "80"
`

// What limited says, read by hand.
const one, perBatch, perRecipient, perDay, perWeek, approved = 10, 15, 12, 30, 80, 20

var twoAssets = []wallet.AssetID{wallet.Coin(1), wallet.Token(1, usdc)}

// payout is one withdrawal in the books of a test.
type paidOut struct {
	id       string
	asset    wallet.AssetID
	to       common.Address
	amount   int64
	at       time.Time
	approved bool // by Alice, as all of its batch
}

// books are a signing record of the plainest kind.
type books []paidOut

func (k books) sum(from, to time.Time, of func(paidOut) bool) (sum int64) {
	for _, p := range k {
		if p.at.After(from) && !p.at.After(to) && of(p) {
			sum += p.amount
		}
	}
	return sum
}

// context is what a station with these books knows at a time.
func (k books) context(at time.Time, b *batch.Batch) Context {
	c := Context{Now: at, Spent: map[wallet.AssetID]Spent{}, Paid: map[Payee]wallet.Amount{}, Repeated: make([]bool, len(b.Items))}
	for _, a := range twoAssets {
		of := func(p paidOut) bool { return p.asset == a }
		c.Spent[a] = Spent{Day: wallet.NewAmount(k.sum(at.Add(-24*time.Hour), at, of)), Week: wallet.NewAmount(k.sum(at.Add(-7*24*time.Hour), at, of))}
	}
	for i := range b.Items {
		in := b.Items[i].Intent
		of := func(p paidOut) bool { return p.asset == in.Asset && p.to == in.Recipient }
		c.Paid[Payee{in.Asset, in.Recipient}] = wallet.NewAmount(k.sum(at.Add(-24*time.Hour), at, of))
		c.Repeated[i] = slices.ContainsFunc(k, func(p paidOut) bool { return p.id == in.ID })
	}
	return c
}

// batchOf is a batch of withdrawals, as the books would have them.
func batchOf(t testing.TB, list []paidOut, at time.Time) *batch.Batch {
	b := payment(t, "1")
	b.Items, b.CreatedAt, b.ExpiresAt, b.Assets = nil, at, at.Add(time.Hour), nil
	for i, p := range list {
		it := batch.Item{
			From: payout, Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: uint64(i), To: p.to, Gas: 21_000,
			Rungs: []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(50e9)}}, Requires: -1,
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: p.id, Asset: p.asset, Recipient: p.to, Amount: wallet.NewAmount(p.amount)},
		}
		if p.asset.IsCoin() {
			it.Value = it.Intent.Amount
		} else {
			it.To, it.Data = p.asset.Contract, batch.TransferData(p.to, it.Intent.Amount)
		}
		b.Items = append(b.Items, it)
	}
	for n, a := range twoAssets {
		if slices.ContainsFunc(list, func(p paidOut) bool { return p.asset == a }) {
			b.Assets = append(b.Assets, batch.Asset{Asset: a, Symbol: []string{"ETH", "ETHX"}[n], Decimals: []uint8{18, 0}[n]})
		}
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

func drawn(rt *rapid.T, known books, step int, at time.Time) []paidOut {
	var list []paidOut
	for i := range rapid.IntRange(1, 6).Draw(rt, "items") {
		p := paidOut{
			id: fmt.Sprintf("w-%d-%d", step, i), at: at,
			asset: rapid.SampledFrom(twoAssets).Draw(rt, "asset"), to: rapid.SampledFrom([]common.Address{friend, stranger, newcomer}).Draw(rt, "to"),
			amount: rapid.Int64Range(1, 11).Draw(rt, "amount"),
		}
		if len(known) > 0 && rapid.IntRange(0, 3).Draw(rt, "again") == 0 {
			p = rapid.SampledFrom(known).Draw(rt, "known")
		}
		if !slices.ContainsFunc(list, func(other paidOut) bool { return other.id == p.id }) {
			list = append(list, p)
		}
	}
	return list
}

// Whoever writes the batches, and however they are split over items, assets,
// recipients, hours and files: what is signed never exceeds a limit, in no
// window that ends with any signature, and more than a threshold never without
// the approval that it needs.
func TestNoSequenceExceedsAWindow(t *testing.T) {
	p := parse(t, limited)
	signed, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		var k books
		at := now
		for step := range rapid.IntRange(1, 25).Draw(rt, "batches") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(rt, "later")).Truncate(time.Second))
			list := drawn(rt, k, step, at)
			b := batchOf(t, list, at)
			c := k.context(at, b)
			approves := rapid.Bool().Draw(rt, "approved")
			if approves {
				c.Approvers = []common.Address{alice}
			}
			if len(p.Evaluate(b, c)) > 0 {
				refused++
				continue
			}
			signed++
			var batchSum [2]int64
			for _, pay := range list {
				batchSum[slices.Index(twoAssets, pay.asset)] += pay.amount
				if pay.amount > one {
					rt.Fatalf("signed a payment of %d", pay.amount)
				}
				if !slices.ContainsFunc(k, func(old paidOut) bool { return old.id == pay.id }) {
					pay.approved = approves
					k = append(k, pay)
				}
			}
			if max(batchSum[0], batchSum[1]) > perBatch {
				rt.Fatalf("signed a batch of %v", batchSum)
			}
		}
		for _, end := range k {
			day := func(of func(paidOut) bool) int64 { return k.sum(end.at.Add(-24*time.Hour), end.at, of) }
			sameAsset := func(p paidOut) bool { return p.asset == end.asset }
			if sum := day(sameAsset); sum > perDay {
				rt.Fatalf("%d within the day that ends with %+v", sum, end)
			} else if end.asset.IsCoin() && sum > approved && !slices.ContainsFunc(k, func(p paidOut) bool { return p.at.Equal(end.at) && sameAsset(p) && p.approved }) {
				rt.Fatalf("%d within the day that ends with %+v, and nobody approved", sum, end)
			}
			if sum := day(func(p paidOut) bool { return sameAsset(p) && p.to == end.to }); sum > perRecipient {
				rt.Fatalf("%d to one recipient within the day that ends with %+v", sum, end)
			}
			if sum := k.sum(end.at.Add(-7*24*time.Hour), end.at, sameAsset); sum > perWeek {
				rt.Fatalf("%d within the week that ends with %+v", sum, end)
			}
		}
	})
	if signed < 50 || refused < 50 {
		t.Errorf("%d batches were signed and %d refused: too few of either to prove anything", signed, refused)
	}
}

// A batch that is allowed stays so without any of its items, one that is
// forbidden with any more; and the order of items changes nothing.
func TestItemsOnlyAdd(t *testing.T) {
	p := parse(t, limited)
	allowed := 0
	rapid.Check(t, func(rt *rapid.T) {
		old := books(drawn(rt, nil, 0, now.Add(-time.Hour)))
		list := drawn(rt, old, 1, now)
		b := batchOf(t, list, now)
		all := p.Evaluate(b, old.context(now, b))
		rules := func(list []Violation) string {
			set := map[string]bool{}
			for _, v := range list {
				set[v.Rule+strings.Join(strings.Fields(v.Value), "_")] = true
			}
			return strings.Join(slices.Sorted(maps.Keys(set)), " ")
		}
		mixed := batchOf(t, rapid.Permutation(list).Draw(rt, "order"), now)
		if got := p.Evaluate(mixed, old.context(now, mixed)); rules(got) != rules(all) {
			rt.Fatalf("in another order: %v, before %v", got, all)
		}
		if len(list) < 2 || len(all) > 0 {
			return
		}
		allowed++
		out := rapid.IntRange(0, len(list)-1).Draw(rt, "without")
		less := batchOf(t, slices.Delete(slices.Clone(list), out, out+1), now)
		if got := p.Evaluate(less, old.context(now, less)); len(got) > 0 {
			rt.Fatalf("without item %d: %v", out, got)
		}
	})
	if allowed < 10 {
		t.Errorf("only %d batches were allowed", allowed)
	}
}

// The largest amounts there are do not wrap around any limit, and of a token
// without decimals one is one.
func TestHugeAmounts(t *testing.T) {
	most := wallet.AmountOf(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)))
	p := parse(t, limited)
	list := []paidOut{{id: "a", asset: twoAssets[1], to: friend, amount: 1}, {id: "b", asset: twoAssets[1], to: stranger, amount: 1}}
	b := batchOf(t, list, now)
	for i := range b.Items {
		b.Items[i].Intent.Amount = most
		b.Items[i].Data = batch.TransferData(b.Items[i].Intent.Recipient, most)
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	c := Context{Now: now, Spent: map[wallet.AssetID]Spent{twoAssets[1]: {most, most}}, Paid: map[Payee]wallet.Amount{{twoAssets[1], friend}: most}}
	want := "max_per_transaction 0, max_per_transaction 1, max_per_batch -1, max_per_day -1, max_per_week -1, max_per_recipient 0, max_per_recipient 1"
	if got := rulesOf(t, p.Evaluate(b, c)); got != want {
		t.Errorf("Evaluate finds %q, want %q", got, want)
	}
	for _, l := range p.Leaves(b, c) {
		if l.Left.Sign() >= 0 {
			t.Errorf("%s leaves %s", l.Rule, l.Left)
		}
	}
}

// What the limits leave is what may be signed next, to the unit.
func TestLeaves(t *testing.T) {
	p := parse(t, limited)
	rapid.Check(t, func(rt *rapid.T) {
		old := books(drawn(rt, nil, 0, now.Add(-time.Hour)))
		list := drawn(rt, old, 1, now)
		b := batchOf(t, list, now)
		c := old.context(now, b)
		c.Approvers = []common.Address{alice}
		broken := map[string]bool{}
		for _, v := range p.Evaluate(b, c) {
			if v.Rule != "max_per_transaction" {
				broken[v.Rule+" "+strings.Fields(v.Value)[1]] = true
			}
		}
		// A limit is broken when nothing is left, except by what was before.
		left := map[string]bool{}
		for _, l := range p.Leaves(b, c) {
			if l.Left.Cmp(l.Limit.Sub(l.Before).Sub(l.Batch)) != 0 {
				rt.Fatalf("%+v does not add up", l)
			}
			if l.Left.Sign() < 0 && !l.Batch.IsZero() {
				left[l.Rule+" "+l.Symbol] = true
			}
		}
		if !maps.Equal(broken, left) {
			rt.Fatalf("broken are %v, and without room %v", broken, left)
		}
	})
}
