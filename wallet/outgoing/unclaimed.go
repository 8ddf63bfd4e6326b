package outgoing

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Unclaimed is what transactions paid that this store did not make, and that are not
// attributed yet: building what asks for the same would pay it twice.
type Unclaimed map[payment]wallet.Mined

// ReadUnclaimed looks at what is mined and not settled, at nonces that are bound to
// something else. One that is bound to nothing lets nothing be built anyway.
func ReadUnclaimed(tx store.Tx, chain uint64) (Unclaimed, error) {
	c, _, err := store.ReadCursor(tx, chain)
	if err != nil {
		return nil, err
	}
	mined, err := store.UnsettledMined(tx, chain, 0, max(c.Head, c.Final))
	if err != nil {
		return nil, err
	}
	u := Unclaimed{}
	for i := range mined {
		m := &mined[i]
		o, bound, err := store.OutgoingAt(tx, m.Slot)
		if err != nil {
			return nil, err
		}
		if !m.Success || m.Create || !bound || Judge(m, &o) != Foreign {
			continue
		}
		u[payment{m.To, m.Value.String(), m.DataHash}] = *m
		for n := range m.Paid {
			if key, made := madeBy(&m.Paid[n]); made {
				u[key] = *m
			}
		}
	}
	return u, nil
}

// Why says why a withdrawal must not be built, or "".
func (u Unclaimed) Why(w *wallet.Withdrawal) string {
	if len(u) == 0 {
		return ""
	}
	m, paid := u[keyOf(PayloadOf(w.Asset, w.To, w.Amount, 0))]
	if !paid {
		return ""
	}
	return fmt.Sprintf("%s, at nonce %d of %s, pays the same, and nobody here made it: airlock resolve shows it once it is final", m.TxHash, m.Slot.Nonce, m.Slot.Sender)
}
