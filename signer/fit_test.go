package signer_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
)

const small = `
version = 1
max_age = "48h"
max_items = 3
allow = ["withdrawal"]
roles = ["payout"]
approvals = 0
[[chain]]
id = 1
max_fee_per_gas_gwei = "100"
max_fee_per_transaction = "1"
max_fee_per_batch = "1"
any_recipient = true
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "0.000000000000000005"
max_per_batch = "0.000000000000000010"
max_per_recipient = "0.000000000000000010"
max_per_day = "0.000000000000000012"
max_per_week = "0.000000000000000040"
`

// What fits is signed: of any draft, the items that fit make a batch that Sign
// takes, one that does not fit would have it refused, and within no 24 hours is
// more signed than the limit of a day, whatever the order and the clock.
func TestWhatFitsIsSigned(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStation(t)
		s.Policy = parsePolicy(t, small)
		clock, nonce := now, uint64(0)
		s.Now = func() time.Time { return clock }
		type spend struct {
			at     time.Time
			amount int64
		}
		var spent []spend
		for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 30*60).Draw(rt, "minutes")) * time.Minute)
			b := s.withdrawals(t, nonce, rapid.IntRange(1, 6).Draw(rt, "items"))
			b.CreatedAt, b.ExpiresAt = clock.Truncate(time.Second), clock.Add(time.Hour).Truncate(time.Second)
			for i := range b.Items {
				amount := rapid.Int64Range(1, 7).Draw(rt, "wei")
				b.Items[i].Value = wallet.NewAmount(amount)
				b.Items[i].Intent.Amount = b.Items[i].Value
			}
			why, err := s.Fit(t.Context(), b, s.vault.Fingerprint())
			if err != nil {
				rt.Fatal(err)
			}
			fitting := *b
			fitting.Items = nil
			for i, it := range b.Items {
				if len(why[i]) == 0 {
					it.Nonce = nonce + uint64(len(fitting.Items))
					fitting.Items = append(fitting.Items, it)
					continue
				}
				with := fitting
				with.Items = append(append(with.Items[:0:0], fitting.Items...), it)
				if _, err := s.Sign(t.Context(), &with, s.vault, nil); !errors.Is(err, wallet.ErrRefused) {
					rt.Fatalf("item %d does not fit (%v), and is signed: %v", i, why[i], err)
				}
			}
			if len(fitting.Items) == 0 {
				continue
			}
			if _, err := s.Sign(t.Context(), &fitting, s.vault, nil); err != nil {
				rt.Fatalf("what fits is not signed: %v", err)
			}
			nonce += uint64(len(fitting.Items))
			for _, it := range fitting.Items {
				spent = append(spent, spend{clock, it.Intent.Amount.Big().Int64()})
			}
		}
		for _, from := range spent {
			var sum int64
			for _, x := range spent {
				if !x.at.Before(from.at) && !x.at.After(from.at.Add(24*time.Hour)) {
					sum += x.amount
				}
			}
			if sum > 12 {
				rt.Fatalf("%d wei were signed within a day from %s: %v", sum, from.at, spent)
			}
		}
	})
}

// What forbids the draft as a whole is no fault of an item.
func TestFitRefusesTheWhole(t *testing.T) {
	s, other := newStation(t), newStationOf(t, otherMnemonic)
	b := s.withdrawals(t, 0, 2)
	_, err := s.Fit(t.Context(), b, other.vault.Fingerprint())
	if list, ok := signer.IsRefused(err); !ok || list[0].Rule != signer.RuleVault {
		t.Errorf("of another vault: %v", err)
	}
	s.sign(t, b)
	// A nonce that pays another already is the item's fault, and only its own.
	again := s.withdrawals(t, 0, 3)
	again.Items[1].Value = wallet.NewAmount(9)
	again.Items[1].Intent.Amount = again.Items[1].Value
	why, err := s.Fit(t.Context(), again, s.vault.Fingerprint())
	if err != nil || len(why[0]) != 0 || len(why[1]) == 0 || len(why[2]) != 0 {
		t.Errorf("%v, %v", why, err)
	}
}
