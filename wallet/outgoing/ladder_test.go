package outgoing

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// amounts are wei per gas of any size that a chain or an operator may name.
func amounts() *rapid.Generator[wallet.Amount] {
	return rapid.Custom(func(t *rapid.T) wallet.Amount {
		bits := rapid.IntRange(0, 70).Draw(t, "bits")
		n := new(big.Int).SetUint64(rapid.Uint64().Draw(t, "n"))
		n.Mul(n, n).And(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1)))
		return wallet.AmountOf(n)
	})
}

func TestLadder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, tip := amounts().Draw(t, "base fee"), amounts().Draw(t, "tip")
		n := rapid.IntRange(1, batch.MaxRungs).Draw(t, "rungs")
		first := FirstRung(base, tip)
		if want := base.Mul(2).Add(tip); first.MaxFeePerGas.Cmp(want) != 0 && want.Sign() > 0 {
			t.Fatalf("first rung %s, want %s", first.MaxFeePerGas, want)
		}
		budget := Budget{Times: rapid.Uint64Range(1, MaxTimes).Draw(t, "times")}
		if rapid.Bool().Draw(t, "in gwei") {
			// Close above the first rung, where there is hardly room for a second.
			part := wallet.AmountOf(new(big.Int).Div(first.MaxFeePerGas.Big(), big.NewInt(int64(rapid.IntRange(1, 12).Draw(t, "part")))))
			budget = Budget{PerGas: first.MaxFeePerGas.Add(part)}
		}
		rungs, err := Ladder(first, n, budget)
		if err != nil {
			t.Fatal(err)
		}
		top := budget.Of(first)
		if rungs[0].MaxFeePerGas.Cmp(first.MaxFeePerGas) != 0 || rungs[0].MaxPriorityFeePerGas.Cmp(tip) != 0 {
			t.Fatalf("the first rung is %v, want %v", rungs[0], first)
		}
		last := rungs[len(rungs)-1].MaxFeePerGas
		if len(rungs) > 1 && last.Cmp(top) != 0 {
			t.Fatalf("the last rung is %s, want the budget of %s: %v", last, top, rungs)
		}
		for i, f := range rungs {
			if f.MaxPriorityFeePerGas.Cmp(f.MaxFeePerGas) > 0 || f.MaxFeePerGas.Cmp(top) > 0 {
				t.Fatalf("rung %d is %v, above the budget of %s or with a tip above its fee", i, f, top)
			}
			if i == 0 {
				continue
			}
			if least := batch.Bump(rungs[i-1]); f.MaxFeePerGas.Cmp(least.MaxFeePerGas) < 0 || f.MaxPriorityFeePerGas.Cmp(least.MaxPriorityFeePerGas) < 0 {
				t.Fatalf("rung %d is %v, less than a tenth above %v", i, f, rungs[i-1])
			}
		}
		if len(rungs) > n {
			t.Fatalf("%d rungs, asked for %d", len(rungs), n)
		}
		if len(rungs) == n {
			return
		}
		// Fewer than asked for: one more at the least distance would break it.
		f := first
		for range len(rungs) {
			f = batch.Bump(f)
		}
		if f.MaxFeePerGas.Cmp(top) <= 0 {
			t.Fatalf("%d rungs of %d, and %s leaves room for more", len(rungs), n, top)
		}
	})
}

func TestLadderIsSpreadEvenly(t *testing.T) {
	gwei := func(n int64) wallet.Amount { return wallet.NewAmount(n * 1e9) }
	first := wallet.Fee{MaxFeePerGas: gwei(10), MaxPriorityFeePerGas: gwei(1)}
	rungs, err := Ladder(first, 4, Budget{PerGas: gwei(80)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []wallet.Fee{first, {MaxFeePerGas: gwei(20), MaxPriorityFeePerGas: gwei(2)}, {MaxFeePerGas: gwei(40), MaxPriorityFeePerGas: gwei(4)}, {MaxFeePerGas: gwei(80), MaxPriorityFeePerGas: gwei(8)}} {
		if rungs[i].MaxFeePerGas.Cmp(want.MaxFeePerGas) != 0 || rungs[i].MaxPriorityFeePerGas.Cmp(want.MaxPriorityFeePerGas) != 0 {
			t.Errorf("rung %d is %v, want %v", i, rungs[i], want)
		}
	}
}

func TestBudgetBelowTheFirstRung(t *testing.T) {
	_, err := Ladder(wallet.Fee{MaxFeePerGas: wallet.NewAmount(42e9)}, 4, Budget{PerGas: wallet.NewAmount(41_900_000_000)})
	if err == nil || !strings.Contains(err.Error(), "41.9 gwei") || !strings.Contains(err.Error(), "42 gwei") || wallet.Hint(err) == "" {
		t.Errorf("%v", err)
	}
}
