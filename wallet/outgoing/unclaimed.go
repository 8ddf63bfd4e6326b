package outgoing

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Unclaimed is what transactions paid that this store did not make, and that are not
// attributed yet: building what asks for the same would pay it twice.
type Unclaimed map[payment]wallet.Mined

// ReadUnclaimed looks at what is mined of addresses that pay, at nonces that are bound
// to something else or to nothing, until it is settled or accepted.
func ReadUnclaimed(tx store.Tx, chain uint64) (Unclaimed, error) {
	c, _, err := store.ReadCursor(tx, chain)
	if err != nil {
		return nil, err
	}
	mined, err := store.UnsettledMined(tx, chain, 0, max(c.Head, c.Final))
	if err != nil {
		return nil, err
	}
	marked, err := store.Unexplained(tx, chain)
	if err != nil {
		return nil, err
	}
	for _, slot := range marked {
		m, ok, err := store.MinedAt(tx, slot)
		if err != nil {
			return nil, err
		}
		if ok {
			mined = append(mined, m)
		}
	}
	u := Unclaimed{}
	for i := range mined {
		m := &mined[i]
		sender, _, err := store.OurAddress(tx, m.Slot.Sender)
		if err != nil {
			return nil, err
		}
		if !m.Success || m.Create || sender.Role != wallet.PayoutRole && sender.Role != wallet.FloatRole {
			continue
		}
		o, bound, err := store.OutgoingAt(tx, m.Slot)
		if err != nil {
			return nil, err
		}
		if bound && Judge(m, &o) != Foreign {
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

// CheckUnclaimed refuses to give back what a withdrawal set aside that may have been
// paid already.
func CheckUnclaimed(tx store.Tx, w *wallet.Withdrawal) error {
	u, err := ReadUnclaimed(tx, w.Asset.ChainID)
	if err != nil {
		return err
	}
	if why := u.Why(w); why != "" {
		return fmt.Errorf("%w: withdrawal %s: %s", wallet.ErrConflict, w.ID, why)
	}
	return nil
}
