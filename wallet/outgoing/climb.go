package outgoing

import (
	"fmt"
	"math/big"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// Terms are how transactions are offered.
type Terms struct {
	// Window is how many unmined transactions of a sender nodes are given at a
	// time, the lowest nonces first.
	Window int
	// A rung that is not mined gets ClimbAfter and ClimbBlocks new blocks before
	// the next one is offered.
	ClimbAfter  time.Duration
	ClimbBlocks uint64
}

// DefaultTerms fit the pools of nodes as they come, and Ethereum: 64 is what geth
// keeps of an account while an earlier nonce is missing, and what pays enough is
// mined within four slots.
var DefaultTerms = Terms{Window: 64, ClimbAfter: 48 * time.Second, ClimbBlocks: 3}

// Market is what the head of a chain says about fees, in wei per gas.
type Market struct {
	Head    uint64 // number of the head
	BaseFee wallet.Amount
	Tip     wallet.Amount // that nodes suggest
	Known   bool          // whether BaseFee and Tip are
}

// Asks is what the next block may ask at most: a base fee rises by an eighth
// per block (EIP-1559).
func (m Market) Asks() wallet.Fee {
	bound := m.BaseFee.Mul(9).Big()
	bound.Add(bound, big.NewInt(7)).Div(bound, big.NewInt(8)) // rounded up
	return wallet.Fee{MaxFeePerGas: wallet.AmountOf(bound).Add(m.Tip), MaxPriorityFeePerGas: m.Tip}
}

// Met reports whether a fee is as high as the next block may ask, in both
// fields.
func (m Market) Met(f wallet.Fee) bool {
	asks := m.Asks()
	return f.MaxFeePerGas.Cmp(asks.MaxFeePerGas) >= 0 && f.MaxPriorityFeePerGas.Cmp(asks.MaxPriorityFeePerGas) >= 0
}

// start is the rung at which an attempt is offered first: the lowest that pays
// what the transaction before it was raised to, or what the market asks if that
// is less. The word of a node alone lifts nothing: the one before it climbed by
// time and blocks.
func (m Market) start(a *wallet.Attempt, before wallet.Fee) int {
	for n, f := range a.Rungs {
		if f.MaxFeePerGas.Cmp(before.MaxFeePerGas) >= 0 && f.MaxPriorityFeePerGas.Cmp(before.MaxPriorityFeePerGas) >= 0 || m.Known && m.Met(f) {
			return n
		}
	}
	return len(a.Rungs) - 1
}

// Climbs reports whether the next rung of an attempt is to be offered: its
// highest rung so far was given time and blocks, there is a higher one, and it
// is too low for the market, or for a node that said so (underpriced).
func (t Terms) Climbs(a *wallet.Attempt, underpriced bool, m Market, now time.Time) bool {
	if a.Offered == 0 || a.Offered >= len(a.Signed) || a.Offered >= len(a.Rungs) {
		return false
	}
	have, next := a.Rungs[a.Rung()], a.Rungs[a.Rung()+1]
	if next.MaxFeePerGas.Cmp(have.MaxFeePerGas) <= 0 || next.MaxPriorityFeePerGas.Cmp(have.MaxPriorityFeePerGas) <= 0 {
		return false // no node would take it in the place of the one before
	}
	if now.Sub(a.RungAt) < t.ClimbAfter || m.Head < a.RungHead+t.ClimbBlocks {
		return false
	}
	return underpriced || m.Known && !m.Met(have)
}

// stuck says that no rung is left although the market asks for more, or "".
func stuck(o *wallet.Outgoing, a *wallet.Attempt, m Market) string {
	if !m.Known || a.Offered == 0 || a.Offered < len(a.Signed) || m.Met(a.Rungs[a.Rung()]) {
		return ""
	}
	top, asks := a.Rungs[a.Rung()], m.Asks()
	if top.MaxFeePerGas.Cmp(asks.MaxFeePerGas) >= 0 {
		return "" // only the tip is low: it waits for a block with room
	}
	why := fmt.Sprintf("top rung %s gwei is below the base fee %s gwei", gwei(top.MaxFeePerGas), gwei(m.BaseFee))
	if top.MaxFeePerGas.Cmp(m.BaseFee) >= 0 {
		why = fmt.Sprintf("top rung %s gwei is below %s gwei, which the next block may ask", gwei(top.MaxFeePerGas), gwei(asks.MaxFeePerGas))
	}
	if o.Intent.Kind == wallet.IntentWithdrawal && !a.Cancel {
		return fmt.Sprintf("%s: airlock withdraw bump %s builds higher fees, or wait", why, o.Intent.ID)
	}
	return why + ": it waits until fees fall"
}

func gwei(a wallet.Amount) string { return a.Decimal(9) }
