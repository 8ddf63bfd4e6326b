package payout

import (
	"context"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Outcome is what became of the transactions of a batch so far.
type Outcome struct {
	States map[wallet.OutgoingState]int `json:"states"`
	// Troubles are what was said of those that are not as they should be: what a
	// node answered, that one reverted, that another took its nonce.
	Troubles []Trouble `json:"troubles"`
}

// Trouble is what is wrong with one transaction.
type Trouble struct {
	Kind  wallet.IntentKind `json:"kind"`
	ID    string            `json:"id"`
	From  string            `json:"from"` // EIP-55
	Nonce uint64            `json:"nonce"`
	Text  string            `json:"text"`
}

// Outcome tells what became of a batch.
func (s *Service) Outcome(ctx context.Context, b wallet.BatchRecord) (o Outcome, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		o = Outcome{States: map[wallet.OutgoingState]int{}, Troubles: []Trouble{}}
		for _, slot := range b.Slots {
			out, ok, err := store.OutgoingAt(tx, slot)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			o.States[out.State]++
			if out.Answer != "" {
				o.Troubles = append(o.Troubles, Trouble{out.Intent.Kind, out.Intent.ID, slot.Sender.Hex(), slot.Nonce, out.Answer})
			}
		}
		return nil
	})
	return o, err
}
