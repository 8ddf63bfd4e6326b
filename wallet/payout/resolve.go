package payout

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
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
	senders, err := s.senders(ctx)
	if err != nil {
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

// senders lists the addresses of the home that send what was not deposited on
// them.
func (s *Service) senders(ctx context.Context) (list []common.Address, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list = nil
		for _, role := range wallet.SenderRoles() {
			if err := store.EachAddress(tx, role, 0, func(a wallet.Address) error {
				list = append(list, a.Address)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// Accept attributes a final transaction that is in doubt by its content. See
// outgoing.Accept: none of its choices can lead to a second payment. Endpoints
// are heard first, and can only prevent it: the error is of class
// wallet.ErrRefused if they contradict each other or what scanning proved, if
// none has the transaction where scanning found it, or if one does not hold it
// final yet, and wallet.ErrUnreachable if none answers.
func (s *Service) Accept(ctx context.Context, node Witness, sender common.Address, nonce uint64, withdrawal string) (a outgoing.Attribution, err error) {
	slot := wallet.Slot{ChainID: s.Chain, Sender: sender, Nonce: nonce}
	var d outgoing.Dossier
	if err := s.DB.View(ctx, func(tx store.Tx) error {
		d, err = outgoing.ReadDossier(tx, slot, s.now())
		return err
	}); err != nil {
		return a, err
	}
	if d.Doubt == nil && d.Mined != nil && d.Mined.Settled {
		return a, wallet.WithHint(wallet.As(wallet.ErrRefused, "nonce %d of %s is in the books already: nothing is in doubt there", nonce, sender), "airlock resolve lists what is in doubt")
	}
	heard := d.Doubt != nil && d.Doubt.Acceptable
	if heard {
		hashes := d.Hashes()
		words := node.Evidence(ctx, sender, hashes)
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		if err := witnessed(&d, hashes, words); err != nil {
			return a, err
		}
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		now, _, err := store.MinedAt(tx, slot)
		if err != nil {
			return err
		}
		if a, err = outgoing.Accept(tx, slot, withdrawal, s.now()); err != nil {
			return err
		}
		// What was heard is about what was mined then.
		if !heard || now.TxHash != d.Mined.TxHash || now.BlockHash != d.Mined.BlockHash {
			return fmt.Errorf("nonce %d of %s: %w", nonce, sender, outgoing.ErrChanged)
		}
		return nil
	})
	return a, err
}

// witnessed refuses what the endpoints do not bear out.
func witnessed(d *outgoing.Dossier, hashes []common.Hash, words []chain.Testimony) error {
	v := judge(d, hashes, words)
	refuse := func(why string, args ...any) error {
		return wallet.WithHint(
			wallet.As(wallet.ErrRefused, "nonce %d of %s cannot be accepted: "+why, append([]any{d.Slot.Nonce, d.Slot.Sender}, args...)...),
			"airlock resolve %s:%d shows what each endpoint says", d.Slot.Sender, d.Slot.Nonce)
	}
	switch {
	case v.heard == 0:
		return wallet.WithHint(
			wallet.As(wallet.ErrUnreachable, "nonce %d of %s cannot be accepted: no endpoint answers", d.Slot.Nonce, d.Slot.Sender),
			"airlock doctor asks each endpoint alone")
	case len(v.clashes) > 0:
		return refuse("%s", v.clashes[0])
	case len(v.backs) == 0:
		return refuse("no endpoint has %s in the block where scan found it", d.Mined.TxHash)
	case len(v.lagging) > 0:
		return refuse("%s does not hold it final yet", v.lagging[0])
	}
	return nil
}
