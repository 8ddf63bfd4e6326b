package outgoing

import (
	"fmt"

	"github.com/ethereum/go-ethereum/params"
)

// GasLimit is the gas limit for a transaction that a node estimates at so much,
// or why there is none. A plain transfer of the coin is exact: it costs what it
// costs, and every unit more would only be dust. Everything else gets half as
// much again, since the state it meets may have changed by then.
func GasLimit(estimate, limit uint64) (gas uint64, problem string) {
	if estimate == params.TxGas {
		return params.TxGas, ""
	}
	if gas = estimate + estimate/2; gas > limit || gas < estimate {
		return 0, fmt.Sprintf("needs %d gas, and the limit is %d", gas, limit)
	}
	return gas, ""
}
