package online

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// feeFlags are the fee ladder of a batch.
type feeFlags struct {
	rungs  int
	budget string
}

func (o *feeFlags) add(c *cobra.Command, rungs int, budget outgoing.Budget) {
	o.rungs = rungs
	c.Flags().IntVar(&o.rungs, "rungs", o.rungs, "sign this `number` of fees for each, the first at 2 × base fee + tip and the last at the budget, 1 to "+strconv.Itoa(batch.MaxRungs))
	c.Flags().StringVar(&o.budget, "budget", "", "highest fee, as `gwei` per gas or as Nx, which is N times the first (default "+strconv.FormatUint(budget.Times, 10)+"x)")
}

// parse returns the zero budget if none is given.
func (o *feeFlags) parse() (rungs int, b outgoing.Budget, err error) {
	if o.rungs < 1 || o.rungs > batch.MaxRungs {
		return 0, b, wallet.As(wallet.ErrUsage, "--rungs %d: want 1 to %d", o.rungs, batch.MaxRungs)
	}
	if times, is := strings.CutSuffix(o.budget, "x"); is {
		if b.Times, err = strconv.ParseUint(times, 10, 64); err == nil && b.Times >= 1 && b.Times <= outgoing.MaxTimes {
			return o.rungs, b, nil
		}
		return 0, b, wallet.As(wallet.ErrUsage, "--budget %q: want 1x to %dx", o.budget, outgoing.MaxTimes)
	}
	if o.budget != "" {
		if b.PerGas, err = wallet.ParseDecimal(o.budget, 9); err != nil || b.PerGas.IsZero() {
			return 0, b, wallet.As(wallet.ErrUsage, "--budget %q: want gwei per gas above zero, such as 40 or 0.5, or a multiple of the first rung, such as 5x", o.budget)
		}
	}
	return o.rungs, b, nil
}

// feeRow is one fee of a ladder.
type feeRow struct {
	MaxFeePerGas         wallet.Amount `json:"max_fee_per_gas"` // wei
	MaxPriorityFeePerGas wallet.Amount `json:"max_priority_fee_per_gas"`
}

func feeRows(ladder []wallet.Fee) []feeRow {
	rows := make([]feeRow, len(ladder))
	for i, f := range ladder {
		rows[i] = feeRow(f)
	}
	return rows
}
