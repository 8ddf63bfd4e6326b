package signer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/signer"
)

// What happens beside signatures stands in the same chain, so that the head
// which leaves with a signed batch commits to it.
func TestNote(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 2)
	for _, n := range []signer.Note{
		{Kind: signer.KindUnlock, Vault: b.Vault},
		{Kind: signer.KindReview, Batch: b},
		signer.RefusalNote(b, signer.CheckDigest(b, strings.Repeat("0", 64))),
		{Kind: signer.KindVault, What: strings.Repeat("ä", 600) + "\xff", Risks: []string{"exposes-role"}},
	} {
		if err := s.Note(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	signed := s.sign(t, b)
	list, head := s.allEntries(t)
	if len(list) != 6 || head != signed.RecordHead {
		t.Fatalf("%d entries with the head %s, want 6 and %s", len(list), head, signed.RecordHead)
	}
	if e := list[1]; e.Digest != signed.Digest || e.Batch != b.ID || e.Items != 2 || e.PolicyHash != s.Policy.Hash {
		t.Errorf("the review's entry is %+v", e)
	}
	if e := list[2]; e.Kind != signer.KindRefusal || strings.Join(e.Rules, ",") != "digest" || !strings.Contains(e.What, signed.Digest) {
		t.Errorf("the refusal's entry is %+v", e)
	}
	if what := []rune(list[3].What); len(what) != 500 || list[3].Risks[0] != "exposes-role" {
		t.Errorf("the vault's entry is %+v", list[3])
	}
	again := s.withdrawals(t, 2, 1)
	again.RecordHead = signed.RecordHead
	s.sign(t, again)
}

// A clock that was set back does not set the station's time back, and one that
// leaps ahead sets it forward only with today's date.
func TestClock(t *testing.T) {
	s := newStation(t)
	first := s.sign(t, s.withdrawals(t, 0, 1))
	clock := func(d time.Duration) { s.Now = func() time.Time { return now.Add(d) } }

	clock(-20 * 24 * time.Hour)
	back := s.withdrawals(t, 1, 1)
	if got := s.sign(t, back); !got.SignedAt.Equal(first.SignedAt) {
		t.Errorf("with the clock set back, signed at %s; want %s", got.SignedAt, first.SignedAt)
	}
	expired := s.withdrawals(t, 2, 1)
	expired.ExpiresAt = now
	_, err := s.Sign(t.Context(), expired, s.vault, nil)
	checkRefused(t, err, "expired")

	clock(signer.MaxClockJump)
	b := s.withdrawals(t, 2, 1)
	b.ExpiresAt = now.Add(365 * 24 * time.Hour)
	if needed, _, err := s.NeedsDate(t.Context()); err != nil || needed {
		t.Errorf("at the limit, a date is needed: %v, %v", needed, err)
	}
	clock(signer.MaxClockJump + time.Second)
	// Noting something at the new time does not make it the station's.
	if err := s.Note(t.Context(), signer.Note{Kind: signer.KindUnlock}); err != nil {
		t.Fatal(err)
	}
	for _, date := range []string{"", "2026-03-03", "4 March"} {
		s.Date = date
		_, err := s.Sign(t.Context(), b, s.vault, nil)
		checkRefused(t, err, "clock")
		checkRefused(t, s.Check(t.Context(), b, s.vault.Fingerprint(), nil), "clock")
	}
	s.Date = "2026-03-04"
	signed := s.sign(t, b)
	list, _ := s.allEntries(t)
	last := list[len(list)-1]
	if !signed.SignedAt.Equal(now.Add(signer.MaxClockJump+time.Second)) || last.Date != s.Date || !last.Clock.IsZero() {
		t.Errorf("signed at %s, entry %+v", signed.SignedAt, last)
	}
	if back, noted := list[2], list[3]; !back.Clock.Equal(now.Add(-20*24*time.Hour)) || !noted.At.Equal(now) || noted.Clock.IsZero() {
		t.Errorf("entries do not tell what the clock said: %+v, %+v", back, noted)
	}
	s.Date = "2026-03-05"
	later := s.withdrawals(t, 3, 1)
	later.ExpiresAt = b.ExpiresAt
	_, err = s.Sign(t.Context(), later, s.vault, nil)
	checkRefused(t, err, "clock") // also where no date was needed
	s.Date = ""
	s.sign(t, later)
}
