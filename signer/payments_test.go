package signer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// together pays USDC 1, 2, 3 … to n recipients in one transaction at a nonce; the
// ids are w-FIRST and so on.
func (s *station) together(t testing.TB, nonce uint64, first, n int) *batch.Batch {
	t.Helper()
	b := s.head(batch.Withdrawals)
	usd := wallet.Token(1, usdc)
	b.Assets = append(b.Assets, batch.Asset{Asset: usd, Symbol: "USDC", Decimals: 6})
	it := batch.Item{
		From: s.address(t, wallet.PayoutRole, 0), Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: nonce,
		To: multipay.Address(), Rungs: fees(1), Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentPayments, ID: fmt.Sprintf("1:payout:%d", nonce), Asset: usd, Recipient: multipay.Address()},
	}
	for i := range n {
		it.Payments = append(it.Payments, batch.Payment{ID: fmt.Sprintf("w-%d", first+i), Recipient: recipient(first + i), Amount: wallet.NewAmount(int64(i+1) * 1_000_000)})
	}
	b.Items = []batch.Item{it}
	rewrite(t, b)
	return b
}

// rewrite makes the payload of the payments anew.
func rewrite(t testing.TB, b *batch.Batch) {
	t.Helper()
	it := &b.Items[0]
	c := it.Call(60_000)
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	it.Data, it.Gas, it.Intent.Amount = data, c.GasLimit(), c.Sum()
	b.ID = batch.NewID()
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
}

// Each withdrawal inside a transaction is bound to its nonce like one that has a
// transaction of its own.
func TestPaymentsAreBound(t *testing.T) {
	s := newStation(t)
	b := s.together(t, 0, 0, 3)
	if err := s.sign(t, b).Verify(); err != nil {
		t.Fatal(err)
	}
	alone := s.withdrawals(t, 1, 1) // at another nonce, and another asset
	alone.Items[0].Intent.ID = "w-2"
	same := s.withdrawals(t, 1, 1)
	{
		it := &same.Items[0]
		same.Assets = append(same.Assets, b.Assets[1])
		it.Intent = wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w-1", Asset: wallet.Token(1, usdc), Recipient: recipient(1), Amount: wallet.NewAmount(2_000_000)}
		it.To, it.Value, it.Data, it.Gas = usdc, wallet.Amount{}, batch.TransferData(recipient(1), wallet.NewAmount(2_000_000)), 90_000
	}
	again := s.together(t, 1, 2, 3) // w-2 once more
	renamed := s.together(t, 0, 0, 3)
	renamed.Items[0].Payments[1].ID = "w-77"
	rewrite(t, renamed)
	for name, test := range map[string]struct {
		b    *batch.Batch
		want string
	}{
		"alone, with other content": {alone, signer.RuleWithdrawal},
		"alone":                     {same, signer.RuleWithdrawal},
		"in another transaction":    {again, signer.RuleWithdrawal},
		"the same bytes for others": {renamed, signer.RuleSlot},
	} {
		_, err := s.Sign(t.Context(), test.b, s.vault, nil)
		list, ok := signer.IsRefused(err)
		if !ok || !slices.ContainsFunc(list, func(r signer.Refusal) bool { return r.Rule == test.want }) {
			t.Errorf("%s: %v, want a refusal by %s", name, err, test.want)
		}
	}
	// With other fees it is the same.
	b.Items[0].Rungs, b.ID = fees(2), batch.NewID()
	s.sign(t, b)

	// And the other way: what was signed alone is not paid together.
	other := s.withdrawals(t, 1, 1)
	other.Items[0].Intent.ID = "w-50"
	s.sign(t, other)
	single := s.together(t, 2, 49, 2)
	if _, err := s.Sign(t.Context(), single, s.vault, nil); err == nil || !strings.Contains(err.Error(), "/items/0/payments/1/id") {
		t.Errorf("a withdrawal that was signed is paid by another transaction: %v", err)
	}
}

// What is paid together counts for limits as if it were paid one by one.
func TestPaymentsAreSpent(t *testing.T) {
	s := newStation(t)
	s.Policy = parsePolicy(t, pins+`max_per_recipient = "3"
max_per_day = "8"
`)
	s.sign(t, s.together(t, 0, 0, 3)) // 1, 2 and 3
	more := s.together(t, 1, 2, 1)    // 1 to who got 3
	_, err := s.Sign(t.Context(), more, s.vault, nil)
	if err == nil || !strings.Contains(err.Error(), "max_per_recipient") {
		t.Errorf("one recipient gets 4 of 3: %v", err)
	}
	_, err = s.Sign(t.Context(), s.together(t, 1, 20, 2), s.vault, nil)
	if err == nil || !strings.Contains(err.Error(), "max_per_day") {
		t.Errorf("9 of 8 are paid within a day: %v", err)
	}
}

// The list of requests is held against every payment.
func TestRequestsOfPayments(t *testing.T) {
	s := newStation(t)
	b := s.together(t, 0, 0, 2)
	list := "id,asset,amount,to\nw-0,USDC,1," + recipient(0).Hex() + "\nw-1,USDC,%s," + recipient(1).Hex() + "\n"
	compare := func(amount string) error {
		q, err := signer.ParseRequests("list.csv", []byte(fmt.Sprintf(list, amount)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = q.Compare(b, parsePolicy(t, pins))
		return err
	}
	if err := compare("2"); err != nil {
		t.Error(err)
	}
	if err := compare("2.000001"); err == nil || !strings.Contains(err.Error(), "/items/0/payments/1/amount") {
		t.Errorf("another amount than asked for: %v", err)
	}
}

// A review knows every recipient inside.
func TestReviewOfPayments(t *testing.T) {
	s := newStation(t)
	s.sign(t, s.withdrawals(t, 0, 1)) // recipient 0
	b := s.together(t, 1, 0, 3)
	like := recipient(2)
	like[10] ^= 0xff
	b.Items[0].Payments[1].Recipient = like
	b.Items[0].Payments[0].ID, b.Items[0].Payments[1].ID = "w-8", "w-9"
	rewrite(t, b)
	fp := s.vault.Fingerprint()
	r, err := s.Review(t.Context(), b, nil, &fp, nil)
	if err != nil {
		t.Fatal(err)
	}
	item := r.Items[0]
	if want := []signer.Standing{signer.StandingPaid, signer.StandingUnseen, signer.StandingUnseen}; !slices.Equal(item.Payments, want) || item.Standing != signer.StandingUnseen || r.New != 2 || r.Recipients != 3 {
		t.Errorf("%v, %s, %d of %d new; want %v", item.Payments, item.Standing, r.New, r.Recipients, want)
	}
	if words := strings.Join(item.Warnings, "\n"); !strings.Contains(words, "looks like") || !strings.Contains(words, "with payment") {
		t.Errorf("nothing tells of two that look alike: %q", words)
	}
}
