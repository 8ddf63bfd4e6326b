package payout

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Counter is what resolving asks of a chain.
type Counter interface {
	NonceAt(ctx context.Context, account common.Address, number *big.Int) (uint64, error)
}

// Doubts lists what the store cannot explain alone: transactions of ours that
// airlock did not make, others that took the nonce of a payment, tokens that
// moved something else than they were told, and transactions that the chain
// counts and scanning did not find.
func (s *Service) Doubts(ctx context.Context, node Counter) (list []outgoing.Doubt, err error) {
	counts, err := s.counts(ctx, node)
	if err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, err = outgoing.Doubts(tx, s.Chain, counts)
		return err
	})
	return list, err
}

// Gaps lists the nonces that hold up signed transactions of their senders.
func (s *Service) Gaps(ctx context.Context, node Counter) (list []outgoing.Gap, err error) {
	counts, err := s.counts(ctx, node)
	if err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, err = outgoing.Gaps(tx, s.Chain, counts)
		return err
	})
	return list, err
}

// counts asks how many transactions of each sender the latest block counts.
func (s *Service) counts(ctx context.Context, node Counter) (map[common.Address]uint64, error) {
	var senders []common.Address
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		senders = nil
		for _, role := range wallet.SenderRoles() {
			if err := store.EachAddress(tx, role, 0, func(a wallet.Address) error {
				senders = append(senders, a.Address)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	counts := make(map[common.Address]uint64, len(senders))
	for _, a := range senders {
		n, err := node.NonceAt(ctx, a, nil)
		if err != nil {
			return nil, err
		}
		counts[a] = n
	}
	return counts, nil
}

// Accept attributes a final transaction that is in doubt by its content. See
// outgoing.Accept: none of its choices can lead to a second payment.
func (s *Service) Accept(ctx context.Context, sender common.Address, nonce uint64, withdrawal string) (a outgoing.Attribution, err error) {
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		a, err = outgoing.Accept(tx, wallet.Slot{ChainID: s.Chain, Sender: sender, Nonce: nonce}, withdrawal, s.now())
		return err
	})
	return a, err
}
