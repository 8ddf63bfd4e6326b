package outgoing

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

// gweis is a ladder of fees with tips of a tenth.
func gweis(fees ...int64) (ladder []wallet.Fee) {
	for _, f := range fees {
		ladder = append(ladder, wallet.Fee{MaxFeePerGas: wallet.NewAmount(f * 1e9), MaxPriorityFeePerGas: wallet.NewAmount(f * 1e8)})
	}
	return ladder
}

func hashOf(nonce uint64, rung int) common.Hash {
	return common.BigToHash(big.NewInt(int64(1000*nonce) + int64(rung) + 1)) //nolint:gosec // small
}

// placed is a signed transaction in a line, of which so many rungs were offered
// at now, at block 100.
func placed(nonce uint64, offered int, ladder []wallet.Fee) Place {
	a := wallet.Attempt{Rungs: ladder, Offered: offered}
	for r := range ladder {
		a.Signed = append(a.Signed, hashOf(nonce, r))
	}
	o := wallet.Outgoing{Slot: wallet.Slot{ChainID: chainID, Sender: payer, Nonce: nonce}, State: wallet.OutgoingSigned}
	if offered > 0 {
		a.RungAt, a.RungHead = now, 100
		o.State, o.OfferedAt = wallet.OutgoingOffered, now
	}
	o.Attempts = []wallet.Attempt{a}
	return Place{Outgoing: o, Head: nonce == 0}
}

// asks is a market with a base fee in gwei and a tip of a tenth of a gwei.
func asks(head uint64, base int64) Market {
	return Market{Head: head, BaseFee: wallet.NewAmount(base * 1e9), Tip: wallet.NewAmount(1e8), Known: true}
}

func TestMarket(t *testing.T) {
	m := Market{BaseFee: wallet.NewAmount(17), Tip: wallet.NewAmount(3), Known: true}
	if have := m.Asks().MaxFeePerGas; have.Cmp(wallet.NewAmount(23)) != 0 { // ⌈17 × 9/8⌉ + 3
		t.Errorf("asks %s, want 23", have)
	}
	for name, c := range map[string]struct {
		fee, tip int64
		met      bool
	}{"enough": {23, 3, true}, "fee": {22, 3, false}, "tip": {23, 2, false}} {
		if m.Met(wallet.Fee{MaxFeePerGas: wallet.NewAmount(c.fee), MaxPriorityFeePerGas: wallet.NewAmount(c.tip)}) != c.met {
			t.Errorf("%s: want met %v", name, c.met)
		}
	}
}

func TestClimbs(t *testing.T) {
	late := now.Add(DefaultTerms.ClimbAfter)
	falls := gweis(10, 20)
	falls[1].MaxPriorityFeePerGas = falls[0].MaxPriorityFeePerGas
	for name, c := range map[string]struct {
		ladder      []wallet.Fee
		offered     int
		underpriced bool
		market      Market
		now         time.Time
		want        bool
	}{
		"below the market":         {gweis(10, 20), 1, false, asks(103, 50), late, true},
		"meets the market":         {gweis(100, 200), 1, false, asks(103, 50), late, false},
		"meets it, the node not":   {gweis(100, 200), 1, true, asks(103, 50), late, true},
		"a second too early":       {gweis(10, 20), 1, false, asks(103, 50), late.Add(-time.Second), false},
		"a block too early":        {gweis(10, 20), 1, false, asks(102, 50), late, false},
		"underpriced, too early":   {gweis(10, 20), 1, true, asks(102, 50), late, false},
		"nobody knows the market":  {gweis(10, 20), 1, false, Market{Head: 103}, late, false},
		"never offered":            {gweis(10, 20), 0, false, asks(103, 50), late, false},
		"at the top":               {gweis(10, 20), 2, false, asks(103, 50), late, false},
		"the next tip is no more":  {falls, 1, false, asks(103, 50), late, false},
		"the head went back":       {gweis(10, 20), 1, false, asks(90, 50), late, false},
		"the second rung of three": {gweis(10, 20, 30), 2, false, asks(103, 50), late, true},
	} {
		p := placed(0, c.offered, c.ladder)
		if have := DefaultTerms.Climbs(&p.Outgoing.Attempts[0], c.underpriced, c.market, c.now); have != c.want {
			t.Errorf("%s: climbs %v, want %v", name, have, c.want)
		}
	}
}

func TestDecide(t *testing.T) {
	low, calm, late := asks(100, 1), asks(103, 1), now.Add(time.Hour)
	refused := placed(0, 1, gweis(10))
	refused.Outgoing.Refusal = "insufficient funds"
	held := placed(0, 1, gweis(10))
	held.Wait = "it is to be canceled, and its cancel is not signed yet"
	returned := placed(0, 1, gweis(10))
	returned.Outgoing.OfferedAt = time.Time{}
	was := placed(0, 1, gweis(10))
	was.Outgoing.State = wallet.OutgoingAccepted
	wished := placed(0, 1, gweis(10, 20))
	wished.Outgoing.Wish = wallet.WishBump
	for name, c := range map[string]struct {
		line   []Place
		seen   Seen
		market Market
		now    time.Time
		want   string
	}{
		"never offered":         {[]Place{placed(0, 0, gweis(10)), placed(1, 0, gweis(10))}, nil, low, now, "0:0 1:0"},
		"a node has it":         {[]Place{placed(0, 1, gweis(10))}, Seen{hashOf(0, 0): true}, low, now, "0:has"},
		"nobody has it":         {[]Place{placed(0, 1, gweis(10))}, Seen{hashOf(0, 0): false}, low, now, "0:0"},
		"dropped":               {[]Place{was}, Seen{hashOf(0, 0): false}, low, now, "0:0"},
		"nobody tells":          {[]Place{was}, nil, low, now.Add(OfferAgain - 1), ""},
		"nobody tells for long": {[]Place{was}, nil, low, now.Add(OfferAgain), "0:0"},
		"back from a block":     {[]Place{returned}, Seen{hashOf(0, 0): true}, low, now, "0:0"},
		"a lower rung is there": {[]Place{placed(0, 2, gweis(10, 20))}, Seen{hashOf(0, 0): true, hashOf(0, 1): false}, low, now, "0:1"},
		"all of the line climb": {[]Place{placed(0, 1, gweis(10, 20, 30)), placed(1, 1, gweis(10, 20, 30))}, Seen{hashOf(0, 0): true, hashOf(1, 0): true}, asks(103, 50), late, "0:1+ 1:1+"},
		"new behind a climber":  {[]Place{placed(0, 2, gweis(10, 20, 30)), placed(1, 0, gweis(10, 20, 30))}, Seen{hashOf(0, 1): true}, asks(100, 50), now, "0:has 1:1"},
		"and fees fell":         {[]Place{placed(0, 2, gweis(10, 20, 30)), placed(1, 0, gweis(10, 20, 30))}, Seen{hashOf(0, 1): true}, low, now, "0:has 1:0"},
		"and has less":          {[]Place{placed(0, 2, gweis(10, 20, 30)), placed(1, 0, gweis(10, 15))}, Seen{hashOf(0, 1): true}, asks(100, 50), now, "0:has 1:1"},
		"new, fees rose":        {[]Place{placed(0, 0, gweis(10, 20, 30)), placed(1, 0, gweis(10, 20, 30))}, nil, asks(100, 50), now, "0:0 1:0"},
		"the market is met":     {[]Place{placed(0, 1, gweis(10, 20))}, Seen{hashOf(0, 0): true}, calm, late, "0:has"},
		"asked for":             {[]Place{wished}, Seen{hashOf(0, 0): true}, calm, now, "0:1+"},
		"behind a refusal":      {[]Place{refused, placed(1, 0, gweis(10))}, Seen{hashOf(0, 0): false}, low, now, "0:0"},
		"refused, and there":    {[]Place{refused, placed(1, 0, gweis(10))}, Seen{hashOf(0, 0): true}, low, now, "0:has 1:0"},
		"behind what waits":     {[]Place{held, placed(1, 0, gweis(10))}, Seen{hashOf(0, 0): false}, low, now, ""},
		"waits, and is there":   {[]Place{held, placed(1, 0, gweis(10))}, Seen{hashOf(0, 0): true}, low, now, "0:has 1:0"},
	} {
		have := ""
		for _, d := range Decide(c.line, c.seen, c.market, DefaultTerms, c.now) {
			if have != "" {
				have += " "
			}
			switch have += fmt.Sprintf("%d:", d.Slot.Nonce); {
			case d.Climb:
				have += fmt.Sprintf("%d+", d.rung)
			case d.Offer:
				have += fmt.Sprint(d.rung)
			case d.seen == present:
				have += "has"
			}
		}
		if have != c.want {
			t.Errorf("%s: decided %q, want %q", name, have, c.want)
		}
	}
}

func TestStuckAboveTheTopRung(t *testing.T) {
	p := placed(0, 2, gweis(10, 30))
	p.Outgoing.Intent = wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w"}
	for base, want := range map[int64]string{
		10: "",
		28: "top rung 30 gwei is below 31.6 gwei, which the next block may ask: airlock withdraw bump w builds higher fees, or wait",
		45: "top rung 30 gwei is below the base fee 45 gwei: airlock withdraw bump w builds higher fees, or wait",
	} {
		list := Decide([]Place{p}, nil, asks(103, base), DefaultTerms, now)
		have := ""
		if len(list) > 0 {
			have = list[0].answer
		}
		if have != want {
			t.Errorf("base fee %d: %q, want %q", base, have, want)
		}
	}
}

// TestClimbingNeverPaysTooMuch walks a ladder through random markets, polls,
// pools and crashes. A crash is a decision that was written and never sent.
func TestClimbingNeverPaysTooMuch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ladder := gweis(10, 12, 15, 20, 40)
		line := []Place{placed(0, 0, ladder), placed(1, 0, ladder), placed(2, 0, ladder)}
		at, head := now, uint64(100)
		lastClimb, climbed := map[uint64]time.Time{}, map[uint64]uint64{}
		for range rapid.IntRange(1, 40).Draw(t, "polls") {
			at = at.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			head += rapid.Uint64Range(0, 4).Draw(t, "blocks")
			m := asks(head, rapid.Int64Range(1, 50).Draw(t, "base fee"))
			m.Known = rapid.IntRange(0, 5).Draw(t, "market") > 0
			seen := Seen{}
			for i := range line {
				if o := &line[i].Outgoing; rapid.IntRange(0, 3).Draw(t, "told") > 0 {
					for r := range ladder {
						seen[hashOf(o.Slot.Nonce, r)] = rapid.Bool().Draw(t, "has")
					}
				}
				line[i].Outgoing.Refusal = rapid.SampledFrom([]wallet.Refusal{"", wallet.RefusalUnderpriced}).Draw(t, "refused")
			}
			decided := map[uint64]bool{}
			for _, d := range Decide(line, seen, m, DefaultTerms, at) {
				n := d.Slot.Nonce
				if decided[n] {
					t.Fatalf("nonce %d was decided on twice in a poll", n)
				}
				decided[n] = true
				o := &line[n].Outgoing
				before := o.Attempts[0]
				if !d.Offer {
					continue
				}
				offer(o, &d, head, at)
				after := o.Attempts[0]
				switch {
				case after.Offered > len(ladder):
					t.Fatalf("nonce %d is past its last rung", n)
				case after.Offered < before.Offered:
					t.Fatalf("the fee of nonce %d fell", n)
				case before.Offered == 0 && after.Offered > 1:
					if lower := after.Offered - 2; m.Known && m.Met(ladder[lower]) || line[n-1].Outgoing.Attempts[0].Offered <= lower+1 {
						t.Fatalf("nonce %d starts higher than the one before it and the market ask", n)
					}
				case before.Offered > 0 && after.Offered > before.Offered+1:
					t.Fatalf("nonce %d climbed two rungs in one poll", n)
				case before.Offered > 0 && after.Offered > before.Offered:
					if m.Known && m.Met(ladder[before.Offered-1]) && o.Refusal == "" {
						t.Fatalf("it climbed past what the market asks")
					}
					if !m.Known && o.Refusal == "" {
						t.Fatalf("it climbed without a market")
					}
					if last, ok := lastClimb[n]; ok && (at.Sub(last) < DefaultTerms.ClimbAfter || head-climbed[n] < DefaultTerms.ClimbBlocks) {
						t.Fatalf("it climbed %s and %d blocks after it climbed", at.Sub(last), head-climbed[n])
					}
				}
				if after.Offered > before.Offered {
					lastClimb[n], climbed[n] = at, head
				}
			}
		}
	})
}
