package signer_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// one is a batch of one withdrawal of 1 wei at a nonce.
func (s *station) one(t testing.TB, nonce uint64, id string) *batch.Batch {
	t.Helper()
	b := s.withdrawals(t, nonce, 1)
	b.Items[0].Intent.ID = id
	return b
}

// emptied is a batch whose only item does nothing at a nonce: a cancel of what
// it replaces, or a no-op where it replaces nothing.
func (s *station) emptied(t testing.TB, nonce uint64, replaces wallet.IntentName) *batch.Batch {
	t.Helper()
	b := s.one(t, nonce, fmt.Sprintf("empty-%d", nonce))
	it := &b.Items[0]
	it.To, it.Value, it.Replaces = it.From, wallet.Amount{}, replaces
	it.Intent.Kind, it.Intent.Recipient, it.Intent.Amount = wallet.IntentNoOp, it.From, wallet.Amount{}
	if replaces.Kind != "" {
		it.Intent.Kind = wallet.IntentCancel
	}
	return b
}

func replacing(b *batch.Batch, old wallet.IntentName) *batch.Batch {
	b.Items[0].Replaces = old
	return b
}

func withdrawal(id string) wallet.IntentName {
	return wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: id}
}

func lost(risks ...string) signer.Risks {
	list := signer.Risks{}
	for _, r := range risks {
		list[r] = true
	}
	return list
}

// A step is a batch that is signed or refused for a rule.
type step struct {
	batch func(t *testing.T, s *station) *batch.Batch
	risks signer.Risks
	rules string
	say   string
}

func (st step) take(t *testing.T, s *station, n int) {
	t.Helper()
	b := st.batch(t, s)
	before, _ := s.entries(t)
	checked := s.Check(t.Context(), b, s.vault.Fingerprint(), st.risks)
	_, err := s.Sign(t.Context(), b, s.vault, st.risks)
	if (checked == nil) != (err == nil) {
		t.Errorf("step %d: Check says %v, Sign %v", n, checked, err)
	}
	if st.rules == "" {
		if err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		return
	}
	checkRefused(t, err, st.rules)
	if !strings.Contains(err.Error(), st.say) {
		t.Errorf("step %d: %q does not say %q", n, err, st.say)
	}
	if after, _ := s.entries(t); len(after) != len(before) {
		t.Errorf("step %d: refused, and recorded", n)
	}
}

// What the record holds against a batch, step by step.
func TestRecordRules(t *testing.T) {
	type B = *batch.Batch
	pay := func(nonce uint64, id string) func(*testing.T, *station) B {
		return func(t *testing.T, s *station) B { t.Helper(); return s.one(t, nonce, id) }
	}
	payFor := func(nonce uint64, id, old string) func(*testing.T, *station) B {
		return func(t *testing.T, s *station) B { t.Helper(); return replacing(s.one(t, nonce, id), withdrawal(old)) }
	}
	cancel := func(nonce uint64, old string) func(*testing.T, *station) B {
		return func(t *testing.T, s *station) B { t.Helper(); return s.emptied(t, nonce, withdrawal(old)) }
	}
	noOp := func(nonce uint64) func(*testing.T, *station) B {
		return func(t *testing.T, s *station) B { t.Helper(); return s.emptied(t, nonce, wallet.IntentName{}) }
	}
	second, restored := lost(signer.RiskSecondNonce), lost(signer.RiskRecordRestored)
	head := func(make func(*testing.T, *station) B) func(*testing.T, *station) B {
		return func(t *testing.T, s *station) B {
			t.Helper()
			b := make(t, s)
			b.RecordHead = strings.Repeat("1", 64)
			return b
		}
	}
	for name, steps := range map[string][]step{
		"replaced": {
			{pay(0, "a"), nil, "", ""},
			{pay(0, "b"), nil, "slot", `was signed for another payment, withdrawal "a"`},
			{payFor(0, "b", "c"), nil, "slot", `is not what was signed last for nonce 0`},
			{payFor(0, "b", "a"), nil, "", ""},
			{payFor(0, "c", "a"), nil, "slot", `which is withdrawal "b"`},
			{pay(0, "a"), nil, "", ""}, // on its way already
			{payFor(0, "b", "a"), nil, "", ""},
			{payFor(0, "b", "z"), nil, "slot", `withdrawal "z" was never signed for nonce 0`},
			{payFor(0, "c", "b"), nil, "", ""},
			{cancel(0, "c"), nil, "", ""},
			{cancel(0, "c"), nil, "", ""},
		},
		"of another kind": {
			{pay(0, "a"), nil, "", ""},
			{func(t *testing.T, s *station) B {
				return replacing(s.one(t, 0, "b"), wallet.IntentName{Kind: wallet.IntentSweep, ID: "a"})
			}, nil, "slot", `sweep "a" is not what was signed last`},
		},
		"canceled": {
			{pay(0, "a"), nil, "", ""},
			{cancel(0, "b"), nil, "slot", `is not what was signed last`},
			{payFor(1, "b", "a"), nil, "slot", "cannot be replaced: nothing was signed for nonce 1"},
			{cancel(0, "a"), nil, "", ""},
			{pay(1, "a"), nil, "withdrawal", "was signed as nonce 0"},
		},
		"canceled, and nobody knows whether it was signed": {
			{cancel(0, "a"), nil, "", ""},
			{cancel(0, "a"), nil, "", ""}, // with higher fees
			{pay(0, "a"), nil, "slot", `was signed for another payment, cancel "empty-0"`},
			{payFor(0, "b", "a"), nil, "slot", `is not what was signed last for nonce 0`},
			{noOp(0), nil, "slot", "a no-op takes an unused nonce"},
			{pay(1, "a"), nil, "", ""}, // the withdrawal itself was never signed
			{cancel(1, "b"), nil, "slot", `is not what was signed last`},
			{cancel(1, "a"), nil, "", ""},
		},
		"canceled and paid otherwise": {
			{pay(0, "a"), nil, "", ""},
			{cancel(0, "a"), nil, "", ""},
			{func(t *testing.T, s *station) B {
				b := replacing(s.one(t, 0, "a"), wallet.IntentName{Kind: wallet.IntentCancel, ID: "empty-0"})
				setAmount(&b.Items[0], 1_000_000)
				return b
			}, nil, "withdrawal", "another asset, amount or recipient"},
			{func(t *testing.T, s *station) B {
				return replacing(s.one(t, 0, "a"), wallet.IntentName{Kind: wallet.IntentCancel, ID: "empty-0"})
			}, nil, "", ""},
		},
		"no-op": {
			{noOp(0), nil, "", ""},
			{noOp(0), nil, "", ""},
			{pay(0, "a"), nil, "slot", `no-op "empty-0"`},
			{pay(1, "a"), nil, "", ""},
			{noOp(1), nil, "slot", "a no-op takes an unused nonce"},
		},
		"second nonce": {
			{pay(0, "a"), nil, "", ""},
			{pay(1, "a"), nil, "withdrawal", "was signed as nonce 0 of"},
			{pay(1, "a"), second, "", ""},
			{pay(0, "a"), nil, "", ""},
			{pay(1, "a"), nil, "", ""},
			{pay(2, "a"), nil, "withdrawal", " and nonce 1 of"},
			{pay(2, "a"), second, "", ""},
			{func(t *testing.T, s *station) B {
				b := s.one(t, 3, "a")
				setAmount(&b.Items[0], 2)
				return b
			}, second, "withdrawal", "another asset, amount or recipient"},
		},
		"began late": {
			{pay(5, "a"), nil, "record", "5 were used before"},
			{pay(5, "a"), second, "record", ""},
			{pay(5, "a"), restored, "", ""},
			{pay(4, "b"), nil, "watermark", "below 5"},
			{pay(4, "b"), lost(signer.RiskRecordRestored, signer.RiskSecondNonce), "watermark", ""},
			{noOp(4), nil, "watermark", ""},
			{pay(5, "a"), nil, "", ""},
			{pay(7, "b"), nil, "", ""},
			{pay(6, "c"), nil, "", ""},
		},
		"behind": {
			{pay(0, "a"), nil, "", ""},
			{head(pay(7, "b")), nil, "record", "older than what the online station saw"},
			{head(pay(7, "b")), restored, "", ""},
			{pay(6, "c"), nil, "watermark", "below 7"},
			{payFor(0, "c", "a"), nil, "watermark", "below 7"}, // it may have been replaced since
			{pay(0, "a"), nil, "", ""},
			{pay(8, "c"), nil, "", ""},
		},
		"behind, a nonce that is known": {
			{pay(0, "a"), nil, "", ""},
			{pay(1, "b"), nil, "", ""},
			{head(func(t *testing.T, s *station) B {
				b := s.withdrawals(t, 1, 2)
				b.Items[0] = s.one(t, 1, "b").Items[0]
				return b
			}), restored, "", ""},
			{pay(1, "b"), nil, "", ""},
			{payFor(1, "c", "b"), nil, "watermark", "below 2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			for n, st := range steps {
				st.take(t, s, n)
			}
			s.verify(t)
		})
	}
}

func (s *station) verify(t testing.TB) *signer.Verified {
	t.Helper()
	v, err := signer.Verify(context.Background(), s.db, "")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The entry tells of the risks that were needed, and of no others.
func TestRisksAreRecorded(t *testing.T) {
	s := newStation(t)
	both := lost(signer.RiskSecondNonce, signer.RiskRecordRestored)
	for _, b := range []*batch.Batch{s.one(t, 3, "a"), s.one(t, 4, "b"), s.one(t, 5, "a")} {
		if _, err := s.Sign(t.Context(), b, s.vault, both); err != nil {
			t.Fatal(err)
		}
	}
	list, _ := s.entries(t)
	for i, want := range []string{signer.RiskRecordRestored, "", signer.RiskSecondNonce} {
		if got := strings.Join(list[i].Risks, " "); got != want {
			t.Errorf("entry %d tells of %q, want %q", list[i].Sequence, got, want)
		}
	}
}

// limited is a policy with windows.
func limited(t testing.TB, more string) *policy.Policy {
	t.Helper()
	return parsePolicy(t, `
version = 1
open = true
[[chain]]
id = 1
`+more+`
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_recipient = "0.00000000000000001"
max_per_day = "0.00000000000000002"
max_per_week = "0.00000000000000003"
`)
}

// paying is a batch of one withdrawal.
func (s *station) paying(t testing.TB, nonce uint64, id string, to int, wei int64) *batch.Batch {
	t.Helper()
	b := s.one(t, nonce, id)
	setAmount(&b.Items[0], wei)
	b.Items[0].To, b.Items[0].Intent.Recipient = recipient(to), recipient(to)
	b.ExpiresAt = now.Add(30 * 24 * time.Hour)
	return b
}

// 10 wei a recipient, 20 a day, 30 a week.
func TestWindows(t *testing.T) {
	s := newStation(t)
	s.Policy = limited(t, "")
	at := func(d time.Duration) { s.Now = func() time.Time { return now.Add(d) } }
	steps := []struct {
		at    time.Duration
		batch *batch.Batch
		risks signer.Risks
		rules string
	}{
		{0, s.paying(t, 0, "a", 1, 10), nil, ""},
		{0, s.paying(t, 1, "b", 1, 1), nil, "policy max_per_recipient"},
		{0, s.paying(t, 1, "b", 2, 9), nil, ""},
		{0, s.paying(t, 0, "a", 1, 10), nil, ""}, // again: counted already
		{0, s.paying(t, 2, "c", 3, 2), nil, "policy max_per_day"},
		{time.Hour, s.paying(t, 2, "c", 3, 1), nil, ""},
		{day, s.paying(t, 3, "d", 1, 1), nil, "policy max_per_day, policy max_per_recipient"}, // the first second still counts
		{day + time.Second, s.paying(t, 3, "d", 1, 10), nil, ""},
		{day + time.Second, s.paying(t, 4, "e", 4, 1), nil, "policy max_per_week"},
		{3 * day, s.paying(t, 4, "e", 4, 1), nil, "policy max_per_week"},
		// What takes the place of another counts in full, and so does a second nonce.
		{3 * day, replacing(s.paying(t, 3, "e", 4, 1), withdrawal("d")), nil, "policy max_per_week"},
		{3 * day, s.paying(t, 4, "d", 1, 10), lost(signer.RiskSecondNonce), "policy max_per_week"},
		{5 * day, s.paying(t, 3, "d", 1, 10), nil, ""},
		{week, s.paying(t, 4, "e", 4, 1), nil, "policy max_per_week"},
		{week + time.Second, s.paying(t, 4, "e", 4, 10), nil, ""},
		{week + time.Second, s.paying(t, 5, "f", 4, 1), nil, "policy max_per_recipient"},
		{week + time.Second, s.paying(t, 5, "f", 5, 10), nil, "policy max_per_week"},
		{0, s.paying(t, 5, "f", 5, 10), nil, "policy max_per_week"}, // the clock set back
		{0, s.paying(t, 5, "f", 5, 9), nil, ""},
	}
	for n, st := range steps {
		at(st.at)
		s.Date = now.Add(st.at).Format(time.DateOnly)
		_, err := s.Sign(t.Context(), st.batch, s.vault, st.risks)
		if st.rules != "" {
			checkRefused(t, err, st.rules)
		}
		if (err == nil) != (st.rules == "") {
			t.Fatalf("step %d: %v, want it refused for %q", n, err, st.rules)
		}
	}
	s.verify(t)
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// A recipient counts from when the station first saw it in its policy; those of
// the first policy count at once.
func TestAllowedSince(t *testing.T) {
	s := newStation(t)
	at := func(d time.Duration) { s.Now = func() time.Time { return now.Add(d) } }
	allow := func(list ...int) {
		var text []string
		for _, n := range list {
			text = append(text, `"`+recipient(n).Hex()+`"`)
		}
		s.Policy = parsePolicy(t, "version = 1\nopen = true\n[[chain]]\nid = 1\nrecipients_delay = \"24h\"\nrecipients = ["+strings.Join(text, ", ")+"]\n")
	}
	pays := func(to int) error {
		b := s.paying(t, 0, fmt.Sprint("w-", to), to, 1)
		return s.Check(t.Context(), b, s.vault.Fingerprint(), nil)
	}
	const delayed = "policy recipients_delay"
	allow(1)
	// Who only looks notes no policy, and is told what signing would find.
	first := s.paying(t, 0, "w-1", 1, 1)
	if r := s.review(t, first); len(r.Refusals) != 0 {
		t.Errorf("a review before the first policy was noted refuses: %v", r.Refusals)
	}
	if err := pays(1); err != nil {
		t.Errorf("in the first policy: %v", err)
	}
	allow(1, 2)
	if r := s.review(t, s.paying(t, 0, "w-2", 2, 1)); len(r.Refusals) != 1 || r.Refusals[0].Rule != delayed {
		t.Errorf("a review before the second policy was noted refuses: %v, want %s", r.Refusals, delayed)
	}
	checkRefused(t, pays(2), delayed)
	at(day - time.Second)
	checkRefused(t, pays(2), delayed)
	if err := pays(1); err != nil {
		t.Errorf("as before: %v", err)
	}
	at(day)
	if err := pays(2); err != nil {
		t.Errorf("after a day: %v", err)
	}
	allow(1)
	checkRefused(t, pays(2), "policy recipients")
	allow(2)
	checkRefused(t, pays(2), delayed) // taken out and put back
	allow(1, 2)
	checkRefused(t, pays(1), delayed)

	// While nobody believes the clock, nothing begins to count.
	at(10 * day)
	allow(2, 3)
	checkRefused(t, pays(3), "clock, "+delayed)
	s.Date = now.Add(10 * day).Format(time.DateOnly)
	checkRefused(t, pays(3), delayed)
	if err := pays(2); err != nil {
		t.Errorf("long after: %v", err)
	}
	if v := s.verify(t); v.Kinds[signer.KindPolicy] != 6 {
		t.Errorf("%d entries of policies, want 6", v.Kinds[signer.KindPolicy])
	}
}

// counted counts the rows that a transaction is shown.
type counted struct {
	store.DB
	rows *int
}

type countedTx struct {
	store.Tx
	rows *int
}

func (c counted) View(ctx context.Context, fn func(store.Tx) error) error {
	return c.DB.View(ctx, func(tx store.Tx) error { return fn(countedTx{tx, c.rows}) })
}

func (c counted) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.DB.Update(ctx, func(tx store.Tx) error { return fn(countedTx{tx, c.rows}) })
}

func (c countedTx) Get(k []byte) ([]byte, error) { *c.rows++; return c.Tx.Get(k) }

func (c countedTx) Scan(r store.Range, fn func(k, v []byte) error) error {
	return c.Tx.Scan(r, func(k, v []byte) error {
		*c.rows++
		return fn(k, v)
	})
}

// What a signature costs does not grow with what was signed before.
func TestCostDoesNotGrow(t *testing.T) {
	s := newStation(t)
	rows := 0
	s.Record = counted{s.db, &rows}
	s.Policy = limited(t, `recipients = ["`+recipient(0).Hex()+`"]`)
	var first int
	for n := range 60 {
		at := now.Add(time.Duration(n) * 3 * day)
		s.Now = func() time.Time { return at }
		b := s.paying(t, uint64(n), fmt.Sprint("w-", n), 0, 1)
		b.CreatedAt, b.ExpiresAt = at, at.Add(day)
		rows = 0
		s.sign(t, b)
		if n == 4 {
			first = rows // a week is full
		}
	}
	if rows > first+2 {
		t.Errorf("the last signature read %d rows, one at the beginning %d", rows, first)
	}
}

// A vault with several mnemonics has one record, which knows whose it is.
func TestRecordOfSeveralMnemonics(t *testing.T) {
	s, other := newStation(t), newStationOf(t, otherMnemonic)
	other.Record, other.db = s.db, s.db
	both := []hd.Fingerprint{s.vault.Fingerprint(), other.vault.Fingerprint()}
	s.Fingerprints, other.Fingerprints = both, both
	one := s.sign(t, s.one(t, 0, "a"))
	b := other.one(t, 0, "b")
	b.RecordHead = one.RecordHead // whichever of them it came with
	two := other.sign(t, b)
	b = s.one(t, 1, "c")
	b.RecordHead = two.RecordHead
	s.sign(t, b)
	b = other.one(t, 1, "a")
	_, err := other.Sign(t.Context(), b, other.vault, nil)
	checkRefused(t, err, "withdrawal")
	s.Fingerprints = both[:1]
	_, err = s.Sign(t.Context(), s.one(t, 2, "d"), s.vault, nil)
	checkRefused(t, err, "record")
	s.verify(t)
}
