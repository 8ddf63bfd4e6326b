package signer

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Review is what an operator sees of a batch before it is signed: its summary,
// with what only this station knows. It marks recipients that the station
// never signed for, and warns of nonces that do not follow on what it signed
// and of assets whose symbol and decimals the policy does not pin. p is nil
// where there is no policy.
func Review(ctx context.Context, record store.DB, p *policy.Policy, b *batch.Batch) (batch.Summary, error) {
	s := batch.Summarize(b)
	known := map[common.Address]bool{}
	var gaps []string
	err := record.View(ctx, func(tx store.Tx) (err error) {
		for i := range b.Items {
			to := b.Items[i].Intent.Recipient
			if _, asked := known[to]; asked {
				continue
			}
			if known[to], err = IsRecipient(tx, b.ChainID, to); err != nil {
				return err
			}
		}
		gaps, err = nonceGaps(tx, s)
		return err
	})
	if err != nil {
		return s, err
	}
	s.MarkNew(func(a common.Address) bool { return known[a] })
	if n := len(gaps); n > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s%s: nonces are missing, payments wait unsigned, or this station's record is not whole", gaps[0], others(n)))
	}
	if warning := unpinned(p, b); warning != "" {
		s.Warnings = append(s.Warnings, warning)
	}
	return s, nil
}

// nonceGaps names the senders whose first nonce does not follow on one that
// was signed.
func nonceGaps(tx store.Tx, s batch.Summary) (gaps []string, err error) {
	for _, sender := range s.Senders {
		if sender.First == 0 {
			continue
		}
		words := fmt.Sprintf("%s begins with nonce %d, and this station signed none before", sender.Address, sender.First)
		followed := false
		below := store.Range{
			From: slotKey(s.ChainID, sender.Address, 0), To: slotKey(s.ChainID, sender.Address, sender.First), Reverse: true,
		}
		err := tx.Scan(below, func(k, _ []byte) error {
			last := binary.BigEndian.Uint64(k[len(k)-8:])
			followed = last == sender.First-1
			words = fmt.Sprintf("%s begins with nonce %d, and the last that this station signed before is %d", sender.Address, sender.First, last)
			return store.Stop
		})
		if err != nil {
			return nil, err
		}
		if !followed {
			gaps = append(gaps, words)
		}
	}
	return gaps, nil
}

func others(n int) string {
	switch n {
	case 1:
		return ""
	case 2:
		return " (and another sender)"
	}
	return fmt.Sprintf(" (and %d other senders)", n-1)
}

// unpinned warns of assets whose display rests on the online station's word.
func unpinned(p *policy.Policy, b *batch.Batch) string {
	n, example := 0, ""
	for _, a := range b.Assets {
		if p != nil {
			if _, pinned := p.Assets[a.Asset]; pinned {
				continue
			}
		}
		if n++; n == 1 {
			example = fmt.Sprintf("%s with %d decimals for %s", a.Symbol, a.Decimals, a.Asset)
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "symbol and decimals of an asset are the online station's word, and the policy does not name it: " + example
	}
	return fmt.Sprintf("symbols and decimals of %d assets are the online station's word, and the policy does not name them, such as %s", n, example)
}
