package signer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// A risk that was accepted for one payment lets all others of the batch pass that
// need it, also those that somebody put into the file since. So the review names
// each of them, with both nonces, and what the record does not know.
func TestReviewTellsWhatAnAcceptedRiskLetsPass(t *testing.T) {
	s := newStation(t)
	s.sign(t, s.withdrawals(t, 0, 3)) // w-0, w-1, w-2
	again := s.withdrawals(t, 3, 4)
	for i := range 3 {
		again.Items[i+1].Intent = s.withdrawals(t, 0, 3).Items[i].Intent
		again.Items[i+1].To, again.Items[i+1].Value = again.Items[i+1].Intent.Recipient, again.Items[i+1].Intent.Amount
	}
	again.RecordHead = strings.Repeat("1", 64)
	unknown := s.withdrawals(t, 5, 1)
	unknown.ChainID, unknown.Assets[0].Asset.ChainID, unknown.Items[0].Intent.Asset.ChainID = 2, 2, 2
	unknown.Items[0].Intent.ID = "x"
	both := lost(signer.RiskSecondNonce, signer.RiskRecordRestored)
	vault := s.vault.Fingerprint()

	r, err := s.Review(t.Context(), again, nil, &vault, both)
	if err != nil {
		t.Fatal(err)
	}
	var head bool
	var items []string
	for _, w := range r.Warnings {
		if w.Rule != signer.WarnAccepted {
			continue
		}
		head = head || strings.Contains(w.Text, again.RecordHead) && len(w.Items) == 0
		for _, remark := range w.Items {
			items = append(items, fmt.Sprintf("%d: %s", remark.Item, remark.Text))
		}
	}
	if r.Verdict() != signer.VerdictAllowed || !head || len(items) != 3 {
		t.Fatalf("%s, %+v", r.Verdict(), r.Warnings)
	}
	for i, words := range items {
		was, is := fmt.Sprintf(`%d: a risk was accepted: "w-%d" was signed as nonce %d of`, i+1, i, i), fmt.Sprintf("this is nonce %d of", i+4)
		if !strings.HasPrefix(words, was) || !strings.Contains(words, is) || !slices.Contains(r.Items[i+1].Warnings, words[len("1: "):]) {
			t.Errorf("%q does not begin with %q, or does not say %q, or the item does not", words, was, is)
		}
	}

	if r, err = s.Review(t.Context(), unknown, nil, &vault, both); err != nil || len(r.Refusals) > 0 || len(r.Items[0].Warnings) == 0 || !strings.Contains(r.Items[0].Warnings[0], "5 were used before") {
		t.Errorf("%v, %+v, %+v", err, r.Refusals, r.Items)
	}
	// What needs no risk is not told as if it did.
	if r, err = s.Review(t.Context(), s.withdrawals(t, 3, 1), nil, &vault, both); err != nil || slices.ContainsFunc(r.Warnings, func(w batch.Warning) bool { return w.Rule == signer.WarnAccepted }) {
		t.Errorf("%v, %+v", err, r.Warnings)
	}
}
