package outgoing

import (
	"fmt"
	"math/big"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// DefaultRungs is how many rungs a payment has unless the operator says
// otherwise.
const DefaultRungs = 4

// DefaultBudget is five times the first rung, which is ten times the base fee of
// the head: what the fees of a day hardly ever outgrow. Above it a payment waits
// until blocks are cheaper.
var DefaultBudget = Budget{Times: 5}

// MaxTimes bounds Budget.Times.
const MaxTimes = 1000

// Budget is the most that gas may cost: the max fee per gas of the top rung.
// A cancel, which outbids the top rung, goes a tenth beyond it.
type Budget struct {
	PerGas wallet.Amount // wei; zero for Times
	Times  uint64        // of the first rung
}

// IsZero reports whether a budget says nothing.
func (b Budget) IsZero() bool { return b.PerGas.IsZero() && b.Times == 0 }

// Of is the budget of a ladder with the given first rung, in wei per gas.
func (b Budget) Of(first wallet.Fee) wallet.Amount {
	if b.PerGas.IsZero() {
		return first.MaxFeePerGas.Mul(b.Times)
	}
	return b.PerGas
}

// FirstRung is the fee of a transaction that must survive the hours until it is
// signed and sent: 2 × base fee + tip, which five full blocks in a row cannot
// outgrow. Fees are in wei per gas, of the head. A fee of zero is none, so it is
// 1 wei at least.
func FirstRung(baseFee, tip wallet.Amount) wallet.Fee {
	f := wallet.Fee{MaxFeePerGas: baseFee.Mul(2).Add(tip), MaxPriorityFeePerGas: tip}
	if f.MaxFeePerGas.IsZero() {
		f.MaxFeePerGas = wallet.NewAmount(1)
	}
	return f
}

// Ladder plans the fees of a transaction: the given first rung, then up to n−1
// others, the last of them with the budget as its max fee per gas. Between them
// each is about as many times the one before, and at least batch.Bump of it. The
// tip grows in step. A budget that has no room for n rungs gets fewer: one, if
// it has none for a second. A budget below the first rung is an error.
func Ladder(first wallet.Fee, n int, budget Budget) ([]wallet.Fee, error) {
	top := budget.Of(first)
	if top.Cmp(first.MaxFeePerGas) < 0 {
		return nil, wallet.WithHint(
			fmt.Errorf("the budget is %s gwei per gas, and the first rung takes %s gwei", top.Decimal(9), first.MaxFeePerGas.Decimal(9)),
			"wait until blocks are cheaper, or raise --budget")
	}
	// The most that each rung may take, from the top down, so that all above it
	// keep their distance.
	caps := []wallet.Amount{top}
	for len(caps) < n {
		below := unbump(caps[0])
		if below.Cmp(first.MaxFeePerGas) < 0 {
			break
		}
		caps = append([]wallet.Amount{below}, caps...)
	}
	rungs := []wallet.Fee{first}
	for i := 1; i < len(caps); i++ {
		next := batch.Bump(rungs[i-1])
		between := mean(first.MaxFeePerGas, top, i, len(caps)-1)
		next.MaxFeePerGas = smaller(larger(next.MaxFeePerGas, between), caps[i])
		next.MaxPriorityFeePerGas = larger(next.MaxPriorityFeePerGas, inStep(first, next.MaxFeePerGas))
		rungs = append(rungs, next)
	}
	return rungs, nil
}

// unbump is the highest fee that batch.Bump brings to no more than a.
func unbump(a wallet.Amount) wallet.Amount {
	n := a.Big()
	n.Mul(n, big.NewInt(10)).Div(n, big.NewInt(11))
	return smaller(wallet.AmountOf(n), a.Sub(wallet.NewAmount(1)))
}

// mean is the ith of k equal steps from a to b, each the same multiple of the
// one before: the kth root of a^(k−i) × b^i, rounded down.
func mean(a, b wallet.Amount, i, k int) wallet.Amount {
	low := new(big.Int).Exp(a.Big(), big.NewInt(int64(k-i)), nil)
	high := new(big.Int).Exp(b.Big(), big.NewInt(int64(i)), nil)
	return wallet.AmountOf(root(low.Mul(low, high), k))
}

// root is the integer kth root of n ≥ 0, rounded down, by Newton's method.
func root(n *big.Int, k int) *big.Int {
	degree, less := big.NewInt(int64(k)), big.NewInt(int64(k-1))
	x := new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()/k+1)) // above the root
	for {
		y := new(big.Int).Exp(x, less, nil)
		y.Div(n, y).Add(y, new(big.Int).Mul(x, less)).Div(y, degree)
		if y.Cmp(x) >= 0 {
			return x
		}
		x = y
	}
}

// inStep is the tip that is to a max fee what it is at the first rung.
func inStep(first wallet.Fee, maxFee wallet.Amount) wallet.Amount {
	n := new(big.Int).Mul(first.MaxPriorityFeePerGas.Big(), maxFee.Big())
	return wallet.AmountOf(n.Div(n, first.MaxFeePerGas.Big()))
}

func larger(a, b wallet.Amount) wallet.Amount {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func smaller(a, b wallet.Amount) wallet.Amount {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}
