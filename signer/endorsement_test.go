package signer_test

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// person is somebody with a key of their own.
func person(t testing.TB, n byte) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

func signature(t testing.TB, key *ecdsa.PrivateKey, hash [32]byte) []byte {
	t.Helper()
	raw, err := crypto.Sign(hash[:], key)
	if err != nil {
		t.Fatal(err)
	}
	raw[64] += 27
	return raw
}

// approve adds the approval of a person to a batch.
func approve(t testing.TB, b *batch.Batch, n byte) common.Address {
	t.Helper()
	key, who := person(t, n)
	hash, err := b.ApprovalHash()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Approve(batch.Approval{Approver: who, Signature: signature(t, key, hash)}); err != nil {
		t.Fatal(err)
	}
	return who
}

// ask adds a person's signature of a withdrawal to it.
func ask(t testing.TB, it *batch.Item, n byte) common.Address {
	t.Helper()
	key, who := person(t, n)
	in := it.Intent
	hash := batch.RequestHash(in.ID, in.Asset, in.Amount, in.Recipient)
	it.RequestedBy = append(it.RequestedBy, wallet.Requester{Requester: who, Signature: signature(t, key, hash)})
	return who
}

func TestEndorse(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 200) // more than one processor's stretch
	var asked [][]common.Address
	for i := range b.Items {
		var list []common.Address
		for n := range i % 3 {
			list = append(list, ask(t, &b.Items[i], byte(10+n)))
		}
		asked = append(asked, list)
	}
	one, two := approve(t, b, 1), approve(t, b, 2)
	e, err := signer.Endorse(b)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b []common.Address) bool { return slices.Equal(a, b) }
	if got := e.Approvers(); len(got) != 2 || !slices.Contains(got, one) || !slices.Contains(got, two) {
		t.Errorf("approved by %v, want %s and %s", got, one, two)
	}
	if got := e.Requesters(); !slices.EqualFunc(got, asked, same) {
		t.Errorf("asked for by %v, want %v", got, asked)
	}

	// What the batch becomes is not what they signed.
	b.Items[5].Intent.Amount = b.Items[5].Intent.Amount.Add(wallet.NewAmount(1))
	b.Items[5].Value = b.Items[5].Intent.Amount
	asked[5] = nil
	if e, err = signer.Endorse(b); err != nil {
		t.Fatal(err)
	}
	if got := e.Approvers(); len(got) != 0 {
		t.Errorf("a changed batch is approved by %v", got)
	}
	if got := e.Requesters(); !slices.EqualFunc(got, asked, same) {
		t.Errorf("a changed batch was asked for by %v, want %v", got, asked)
	}
	told := 0
	for _, list := range [][]signer.Endorsement{e.Approvals, e.Requests} {
		for _, one := range list {
			if one.Wrong != nil {
				told++
			}
		}
	}
	if told != 4 {
		t.Errorf("%d endorsements are said to be wrong, want two approvals and the two requests of item 5", told)
	}
	if e, err = signer.Endorse(s.withdrawals(t, 0, 2)); err != nil || e.Approvers() != nil || e.Requesters() != nil {
		t.Errorf("nobody endorsed: %v, %v, %v", e.Approvers(), e.Requesters(), err)
	}
}

// TestEndorsementsDecide has the policy hear of whoever signed, and refuses a
// withdrawal that is not what was asked for, also under a policy that asks for
// no signatures.
func TestEndorsementsDecide(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 3)
	asked := ask(t, &b.Items[1], 10)
	approved := approve(t, b, 1)
	seen, err := s.Inspect(t.Context(), b, s.vault.Fingerprint(), nil)
	if err != nil || len(seen.Refusals) != 0 {
		t.Fatalf("%v, %v", seen, err)
	}
	c := seen.Context
	if !slices.Equal(c.Approvers, []common.Address{approved}) || len(c.Requesters) != 3 || !slices.Equal(c.Requesters[1], []common.Address{asked}) {
		t.Errorf("the policy heard of %v and %v", c.Approvers, c.Requesters)
	}
	for name, change := range map[string]func(in *wallet.Intent){
		"id":        func(in *wallet.Intent) { in.ID += "0" },
		"amount":    func(in *wallet.Intent) { in.Amount = in.Amount.Mul(10) },
		"recipient": func(in *wallet.Intent) { in.Recipient = recipient(77) },
	} {
		changed := s.withdrawals(t, 0, 3)
		it := &changed.Items[1]
		ask(t, it, 10)
		change(&it.Intent)
		it.To, it.Value = it.Intent.Recipient, it.Intent.Amount
		checkRefused(t, s.Check(t.Context(), changed, s.vault.Fingerprint(), nil), signer.RuleRequester)
		_, err := s.Sign(t.Context(), changed, s.vault, nil)
		checkRefused(t, err, signer.RuleRequester)
		if t.Failed() {
			t.Fatalf("another %s", name)
		}
	}
	// An approval that does not hold refuses nothing; it does not count.
	stale := s.withdrawals(t, 0, 3)
	approve(t, stale, 1)
	stale.Items[0].Gas++
	if seen, err = s.Inspect(t.Context(), stale, s.vault.Fingerprint(), nil); err != nil || len(seen.Refusals) != 0 || len(seen.Context.Approvers) != 0 {
		t.Errorf("an approval of another batch: %+v, %v", seen, err)
	}
	s.sign(t, stale)
}

func BenchmarkEndorse10k(b *testing.B) {
	s := newStation(b)
	u := s.withdrawals(b, 0, 10_000)
	for i := range u.Items {
		ask(b, &u.Items[i], 10)
	}
	approve(b, u, 1)
	for b.Loop() {
		if _, err := signer.Endorse(u); err != nil {
			b.Fatal(err)
		}
	}
}

// people is an open policy with three approvers, two of whom must approve, and
// a requester.
func people(t testing.TB) *policy.Policy {
	t.Helper()
	raw, err := policy.Preset("open")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw) + "\napprovals = 2\nrequests_signed = true\n"
	for n, name := range []string{"Alice", "Bob", "Carol"} {
		_, who := person(t, byte(1+n))
		text += fmt.Sprintf("[[approver]]\nname = %q\naddress = %q\n", name, who.Hex())
	}
	_, who := person(t, 10)
	return parsePolicy(t, text+fmt.Sprintf("[[requester]]\nname = \"billing\"\naddress = %q\n", who.Hex()))
}

// TestApprovalsDecide signs once enough of those whom the policy names approved
// just this batch, and tells what of the rest does not count, and why.
func TestApprovalsDecide(t *testing.T) {
	s := newStation(t)
	s.Policy = people(t)
	b := s.withdrawals(t, 0, 2)
	for i := range b.Items {
		ask(t, &b.Items[i], 10)
	}
	refused := func(want ...string) {
		t.Helper()
		_, err := s.Sign(t.Context(), b, s.vault, nil)
		checkRefused(t, err, "policy approvals")
		for _, words := range want {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("the refusal %q does not say %q", err, words)
			}
		}
	}
	refused("0 approvals", "fewer than the 2", "Alice, Bob, Carol")
	alice := approve(t, b, 1)
	refused("1 approval by Alice", "Bob, Carol")
	stranger := approve(t, b, 4)
	refused("1 approval by Alice")

	// Nobody is a second person by another spelling, place or name.
	key, bob := person(t, 2)
	hash, err := s.withdrawals(t, 0, 1).ApprovalHash()
	if err != nil {
		t.Fatal(err)
	}
	b.Approvals = append(b.Approvals, batch.Approval{Approver: bob, Signature: signature(t, key, hash)})
	refused("1 approval by Alice")
	approvals, err := signer.Approvals(b, s.Policy)
	if err != nil {
		t.Fatal(err)
	}
	told := map[common.Address]signer.Endorser{}
	for _, a := range approvals {
		told[a.Signer] = a
	}
	if a := told[alice]; !a.Counts || a.Name != "Alice" || a.Why != "" {
		t.Errorf("%+v", a)
	}
	if a := told[stranger]; a.Counts || a.Wrong != nil || !strings.Contains(a.Why, "names no such approver") {
		t.Errorf("%+v", a)
	}
	if a := told[bob]; a.Counts || a.Wrong == nil || a.Name != "Bob" {
		t.Errorf("%+v", a)
	}
	double := b.Approvals[0]
	b.Approvals = []batch.Approval{double, double}
	if _, err := s.Sign(t.Context(), b, s.vault, nil); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), "approves twice") {
		t.Errorf("twice the same approval: %v", err)
	}

	b.Approvals = nil
	approve(t, b, 1)
	approve(t, b, 3)
	report := s.review(t, b)
	if n := report.Approvals; n.Needed != 2 || len(n.Given) != 2 || !n.Given[0].Counts || !n.Given[1].Counts || len(n.Others) != 1 || n.Others[0].Name != "Bob" {
		t.Errorf("%+v", n)
	}
	s.sign(t, b)

	b = s.withdrawals(t, 2, 2)
	ask(t, &b.Items[0], 10)
	ask(t, &b.Items[1], 11) // whom the policy does not name
	approve(t, b, 1)
	approve(t, b, 2)
	_, err = s.Sign(t.Context(), b, s.vault, nil)
	checkRefused(t, err, "policy requests_signed")
}
