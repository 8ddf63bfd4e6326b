package policy

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// Explain says in words what the policy allows, one sentence a line.
func (p *Policy) Explain() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if p.Open {
		add("This policy is OPEN: what it does not limit below is not limited at all. It is meant for tests and demonstrations.")
	} else {
		add("What this policy does not allow is refused.")
	}
	if p.MaxAge > 0 {
		add("A batch may be at most %s old.", duration(p.MaxAge))
	}
	if p.MaxItems > 0 {
		add("A batch may have at most %d transactions.", p.MaxItems)
	}
	if len(p.chains) == 0 && !p.Open {
		add("No chain is allowed, so nothing is signed.")
	}
	for _, id := range p.chains {
		out = append(out, p.explainChain(p.Chains[id])...)
	}
	return out
}

func (p *Policy) explainChain(c Chain) []string {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("Chain %d: ", c.ID)+fmt.Sprintf(format, args...))
	}
	if c.MaxFeePerGas != nil {
		add("no transaction may offer more than %s gwei for gas.", c.MaxFeePerGas.Decimal(gweiDecimals))
	}
	if c.MaxFeePerBatch != nil {
		add("the gas of a batch may cost at most %s of the coin, all at the highest fee.", c.MaxFeePerBatch.Decimal(coinDecimals))
	}
	switch {
	case c.Treasury != common.Address{}:
		add("sweeps may go to the vault's treasury addresses and to %s.", c.Treasury)
	default:
		add("sweeps may go to the vault's treasury addresses only.")
	}
	switch {
	case c.Recipients == nil:
		add("withdrawals may pay anyone.")
	case len(c.Recipients) == 0:
		add("withdrawals may pay nobody: the list of recipients is empty.")
	default:
		add("withdrawals may pay %d listed recipients and nobody else.", len(c.Recipients))
	}
	none := true
	for _, id := range p.assets {
		a := p.Assets[id]
		if id.ChainID != c.ID {
			continue
		}
		none = false
		add("withdrawals of %s (%s) may pay %s each and %s a batch.", a.Symbol, id, a.limit(a.MaxPerTransaction), a.limit(a.MaxPerBatch))
	}
	if none && !p.Open {
		add("no asset is allowed, so there are no withdrawals.")
	}
	return out
}

func (a *Asset) limit(n *wallet.Amount) string {
	if n == nil {
		return "any amount"
	}
	return "at most " + a.format(*n)
}

// duration writes whole hours as people do.
func duration(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return d.String()
}
