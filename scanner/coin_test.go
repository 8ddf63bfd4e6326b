package scanner

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

var (
	ourA = common.HexToAddress("0xa1")
	ourB = common.HexToAddress("0xb1")
	them = common.HexToAddress("0xee")
)

// family knows two addresses of ours, and what could not be proven before.
type family struct{ unproven []common.Address }

func (family) Ours(a common.Address) (string, bool) {
	switch a {
	case ourA:
		return "alice", true
	case ourB:
		return "bob", true
	}
	return "", false
}
func (family) Token(common.Address) bool                        { return false }
func (family) Signed(common.Hash) bool                          { return false }
func (family) Outgoing(wallet.Slot) (o wallet.Outgoing, k bool) { return o, false }
func (f family) Unproven(uint64) []common.Address               { return f.unproven }

// in writes down what facts record, shortly.
func (f *Facts) in() (list []string) {
	who := func(a common.Address) string {
		return map[common.Address]string{ourA: "A", ourB: "B", them: "X"}[a]
	}
	for _, d := range f.Deposits {
		id := d.ID[strings.LastIndex(d.ID, ":")+1:]
		if d.ID == wallet.ResidualID(1, d.BlockHash, d.Address) {
			id = "rest"
		}
		list = append(list, fmt.Sprintf("%s %s>%s %s %s", d.Kind, who(d.From), who(d.Address), d.Amount, id))
	}
	for _, m := range f.Mined {
		for _, t := range m.Transfers {
			list = append(list, fmt.Sprintf("own %s>%s %s %s", who(t.From), who(t.To), t.Amount, t.Path))
		}
	}
	for _, o := range f.Outflows {
		path := o.Transfer.Path
		if path == o.Transfer.From.Hex() && o.TxHash == o.BlockHash {
			path = "rest"
		}
		list = append(list, fmt.Sprintf("out %s>%s %s %s", who(o.Transfer.From), who(o.Transfer.To), o.Transfer.Amount, path))
	}
	for _, u := range f.Unproven {
		list = append(list, fmt.Sprintf("unproven %s +%s -%s", who(u.Address), u.In, u.Out))
	}
	for _, u := range f.Untraceable {
		list = append(list, "untraceable "+who(u.Address))
	}
	return list
}

func move(path string, from, to common.Address, n int64) chain.Move {
	return chain.Move{Path: path, From: from, To: to, Value: big.NewInt(n)}
}

// TestResolve goes through what a trace, proven balances and the store can say
// of the coin of two addresses.
func TestResolve(t *testing.T) {
	contract := types.NewTx(&types.LegacyTx{To: &them, Value: new(big.Int)})
	plain := types.NewTx(&types.LegacyTx{To: &ourA, Value: big.NewInt(3), V: big.NewInt(27), R: new(big.Int), S: new(big.Int)})
	tipped := chain.Tx{Tx: contract, Success: true, GasUsed: 2, GasPrice: big.NewInt(12)} // 2 × (12 − 7)
	type changes map[common.Address]int64
	for name, c := range map[string]struct {
		txs      []chain.Tx
		moves    []chain.Move
		coinbase common.Address
		change   changes // proven, of addresses that are not named nothing is
		have     changes
		before   []common.Address // unproven
		taken    []int            // places of moves
		want     []string
	}{
		"to one":             {moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: 5}, want: []string{"internal X>A 5 0"}},
		"to one, twice":      {moves: []chain.Move{move("0", them, ourA, 5), move("1.0", them, ourA, 2)}, change: changes{ourA: 7}, want: []string{"internal X>A 5 0", "internal X>A 2 1.0"}},
		"beside a plain one": {txs: []chain.Tx{{Tx: plain, Success: true}}, moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: 8}, want: []string{"native >A 3 0", "internal X>A 5 0"}},
		"to others only":     {moves: []chain.Move{move("0", them, common.Address{7}, 5)}},
		"out":                {moves: []chain.Move{move("0", ourA, them, 5)}, change: changes{ourA: -5}, want: []string{"out A>X 5 0"}},
		"between ours":       {moves: []chain.Move{move("0", ourA, ourB, 5)}, change: changes{ourA: -5, ourB: 5}, want: []string{"out A>B 5 0"}},
		"a frame dropped":    {moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: 9}, want: []string{"internal >A 9 rest", "untraceable A"}},
		"a frame added":      {moves: []chain.Move{move("0", them, ourA, 5), move("1", them, ourA, 5)}, change: changes{ourA: 5}, want: []string{"internal >A 5 rest", "untraceable A"}},
		"nothing but a lie":  {moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: 0}, want: []string{"untraceable A"}},
		"doubled":            {moves: []chain.Move{move("0", them, ourA, 10)}, change: changes{ourA: 5}, want: []string{"internal >A 5 rest", "untraceable A"}},
		"one place twice":    {moves: []chain.Move{move("0", them, ourA, 5), move("0", them, ourA, 2)}, change: changes{ourA: 7}, want: []string{"internal >A 7 rest", "untraceable A"}},
		"no place":           {moves: []chain.Move{move("0", them, ourA, 5), move("x\x00", them, ourA, 2)}, change: changes{ourA: 7}, want: []string{"internal >A 7 rest", "untraceable A"}},
		"lost unseen":        {moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: -4}, want: []string{"out A> 4 rest", "untraceable A"}},
		"a gain and a spending that were invented together": {moves: []chain.Move{move("0", them, ourA, 5), move("1", ourA, them, 5)}, change: changes{ourA: 0}},
		"a gain and a spending":                             {moves: []chain.Move{move("0", them, ourA, 5), move("1", ourA, them, 2)}, change: changes{ourA: 3}, want: []string{"internal >A 3 rest"}},
		"passed on between ours":                            {moves: []chain.Move{move("0", ourB, ourA, 5), move("1", ourA, them, 5)}, change: changes{ourA: 0, ourB: -5}, want: []string{"out B>A 5 0", "out A>X 5 1"}},
		"between ours, and one end does not add up":         {moves: []chain.Move{move("0", ourA, ourB, 5)}, change: changes{ourA: -5, ourB: 6}, want: []string{"internal >B 6 rest", "out A> 5 rest", "untraceable B"}},
		"between ours, and one end is not proven":           {moves: []chain.Move{move("0", ourA, ourB, 5)}, change: changes{ourA: -5}, want: []string{"out A> 5 rest", "unproven B +5 -0"}},
		"between ours, and one end is recorded":             {moves: []chain.Move{move("0", ourA, ourB, 5)}, change: changes{ourA: -5, ourB: 5}, have: changes{ourB: 5}, want: []string{"out A> 5 rest"}},
		"there and back, not proven":                        {moves: []chain.Move{move("0", ourA, ourB, 5), move("1", ourB, ourA, 5)}, want: []string{"unproven A +5 -5", "unproven B +5 -5"}},
		"not proven":                                        {moves: []chain.Move{move("0", them, ourA, 5), move("1", ourA, them, 2)}, want: []string{"unproven A +5 -2"}},
		"not proven, but recorded":                          {moves: []chain.Move{move("0", them, ourA, 5)}, have: changes{ourA: 5}},
		"recorded":                                          {moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: 5}, have: changes{ourA: 5}},
		"recorded by another trace":                         {moves: []chain.Move{move("0", them, ourA, 2), move("1", them, ourA, 3)}, change: changes{ourA: 5}, have: changes{ourA: 5}},
		"recorded, and not so much":                         {moves: []chain.Move{move("0", them, ourA, 5)}, change: changes{ourA: 5}, have: changes{ourA: 9}, want: []string{"untraceable A"}},
		"its name is taken":                                 {moves: []chain.Move{move("0", them, ourA, 5), move("1", them, ourB, 5)}, change: changes{ourA: 5, ourB: 5}, taken: []int{0}, want: []string{"internal X>B 5 1", "internal >A 5 rest"}},
		"tips":                                              {txs: []chain.Tx{tipped}, coinbase: ourA, change: changes{ourA: 10}, want: []string{"reward >A 10 0"}},
		"tips and a static reward":                          {txs: []chain.Tx{tipped}, coinbase: ourA, change: changes{ourA: 13}, want: []string{"reward >A 10 0", "internal >A 3 rest"}},
		"a static reward alone":                             {coinbase: ourA, change: changes{ourA: 13}, want: []string{"internal >A 13 rest"}},
		"tips of a chain without":                           {txs: []chain.Tx{tipped}, coinbase: ourA, change: changes{ourA: 0}},
		"tips of a chain without, by the trace spent":       {txs: []chain.Tx{tipped}, moves: []chain.Move{move("0", ourA, them, 10)}, coinbase: ourA, change: changes{ourA: 0}},
		"tips beside gas that was paid elsewhere":           {txs: []chain.Tx{tipped, {Type: 0x7e, Success: true, GasUsed: 9, GasPrice: new(big.Int), Bridged: &chain.Bridged{From: them, To: &them, Mint: new(big.Int), Value: new(big.Int)}}}, coinbase: ourA, change: changes{ourA: 10}, want: []string{"reward >A 10 0"}},
		"tips and a deposit":                                {txs: []chain.Tx{tipped}, moves: []chain.Move{move("0", them, ourA, 4)}, coinbase: ourA, change: changes{ourA: 14}, want: []string{"internal X>A 4 0", "reward >A 10 0"}},
		"a deposit on a chain without":                      {txs: []chain.Tx{tipped}, moves: []chain.Move{move("0", them, ourA, 4)}, coinbase: ourA, change: changes{ourA: 4}, want: []string{"internal X>A 4 0"}},
		"tips that are not proven":                          {txs: []chain.Tx{tipped}, coinbase: ourA, want: []string{"unproven A +10 -0"}},
		"an empty block of ours":                            {coinbase: ourA, change: changes{ourA: 0}},
		"an empty block, not proven":                        {coinbase: ourA},
		"unproven before":                                   {before: []common.Address{ourA}, change: changes{ourA: 5}, want: []string{"internal >A 5 rest", "untraceable A"}},
		"unproven before, and nothing":                      {before: []common.Address{ourA}, change: changes{ourA: 0}},
		"of an unknown type":                                {txs: []chain.Tx{{Type: 0x7d}}, moves: []chain.Move{move("root", them, ourA, 5), move("0", them, ourA, 1)}, change: changes{ourA: 6}, want: []string{"native X>A 5 0", "internal X>A 1 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &chain.Block{
				Header: &types.Header{Number: big.NewInt(9), Coinbase: c.coinbase, BaseFee: big.NewInt(7)},
				Hash:   common.Hash{9}, Txs: c.txs, Moves: c.moves, Traced: true,
			}
			if len(b.Txs) == 0 {
				b.Txs = []chain.Tx{{Tx: contract, Success: true, GasPrice: big.NewInt(7)}}
			}
			f := Extract(1, b, family{c.before}, time.Time{})
			have := stored{sums: map[common.Address]wallet.Amount{}}
			for a, n := range c.have {
				have.sums[a] = wallet.NewAmount(n)
			}
			if f.Coin != nil {
				have.taken = make([]bool, len(f.Coin.Moved))
				for _, i := range c.taken {
					have.taken[i] = true
				}
				for i := range f.Coin.Claims {
					claim := &f.Coin.Claims[i]
					n, proven := c.change[claim.Address]
					claim.Change, claim.Proven = wallet.NewAmount(n), proven
				}
			}
			if f.Coin != nil {
				f = f.resolved(1, have)
			}
			if got := f.in(); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
