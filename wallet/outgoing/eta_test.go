package outgoing

import (
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func TestTempoOf(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		head, final uint64
		lag         time.Duration
		want        Tempo
	}{
		"Ethereum":           {1000, 936, 64 * 12 * time.Second, Tempo{12 * time.Second, 768 * time.Second}},
		"missed slots":       {1000, 940, 768 * time.Second, Tempo{12800 * time.Millisecond, 768 * time.Second}},
		"nothing final":      {1000, 0, time.Hour, Tempo{}},
		"final at once":      {1000, 1000, 0, Tempo{}},
		"final above":        {1000, 1001, time.Second, Tempo{}},
		"clocks go back":     {1000, 990, -time.Second, Tempo{}},
		"all in one second":  {1000, 990, 0, Tempo{}},
		"sub-second rollups": {1000, 900, 25 * time.Second, Tempo{250 * time.Millisecond, 25 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := TempoOf(c.head, c.final, now, now.Add(-c.lag)); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// What is expected of a transaction, and what nobody can honestly expect.
func TestETA(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ethereum := Tempo{Block: 12 * time.Second, Final: 14 * time.Minute}
	const unknown = -1
	accepted := func(change ...func(*Dossier)) *Dossier {
		d := &Dossier{Outgoing: &wallet.Outgoing{State: wallet.OutgoingAccepted}}
		for _, c := range change {
			c(d)
		}
		return d
	}
	in := func(s wallet.OutgoingState) func(*Dossier) {
		return func(d *Dossier) { d.Outgoing.State = s }
	}
	mined := func(ago time.Duration, final bool) *Dossier {
		return accepted(in(wallet.OutgoingMined), func(d *Dossier) {
			d.Mined, d.Final = &wallet.Mined{BlockTime: now.Add(-ago)}, final
		})
	}
	yes, no := true, false
	for _, c := range []struct {
		name         string
		d            *Dossier
		met          *bool
		tempo        Tempo
		block, final time.Duration
	}{
		{"accepted", accepted(), &yes, ethereum, 12 * time.Second, 14*time.Minute + 12*time.Second},
		{"63 before it", accepted(func(d *Dossier) { d.Before.Ahead = 63 }), &yes, ethereum, 12 * time.Second, 14*time.Minute + 12*time.Second},
		{"200 before it", accepted(func(d *Dossier) { d.Before.Ahead = 200 }), &yes, ethereum, 48 * time.Second, 14*time.Minute + 48*time.Second},
		{"finality unknown", accepted(), &yes, Tempo{Block: time.Second}, time.Second, unknown},
		{"fee too low", accepted(), &no, ethereum, unknown, unknown},
		{"market unknown", accepted(), nil, ethereum, unknown, unknown},
		{"chain unknown", accepted(), &yes, Tempo{}, unknown, unknown},
		{"no node has it", accepted(in(wallet.OutgoingOffered)), &yes, ethereum, unknown, unknown},
		{"not sent", accepted(in(wallet.OutgoingSigned)), &yes, ethereum, unknown, unknown},
		{"not signed", accepted(in(wallet.OutgoingBound)), &yes, ethereum, unknown, unknown},
		{"one before it is nowhere", accepted(func(d *Dossier) { d.Before = Queue{Ahead: 2, Unheard: 1} }), &yes, ethereum, unknown, unknown},
		{"one before it is held", accepted(func(d *Dossier) { d.Before = Queue{Ahead: 1, Held: "x"} }), &yes, ethereum, unknown, unknown},
		{"mined a minute ago", mined(time.Minute, false), nil, ethereum, 0, 13 * time.Minute},
		{"mined, and finality is late", mined(time.Hour, false), nil, ethereum, 0, 12 * time.Second},
		{"mined, chain unknown", mined(time.Minute, false), nil, Tempo{}, 0, unknown},
		{"final", mined(time.Hour, true), nil, Tempo{}, 0, 0},
		{"vanished", func() *Dossier {
			d := mined(time.Hour, true)
			d.Vanished = &store.Vanished{}
			return d
		}(), &yes, ethereum, unknown, unknown},
		{"not bound", &Dossier{}, &yes, ethereum, unknown, unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			block, final := c.d.ETA(c.met, c.tempo, now)
			for _, x := range []struct {
				what string
				got  *time.Duration
				want time.Duration
			}{{"a block", block, c.block}, {"finality", final, c.final}} {
				got := time.Duration(unknown)
				if x.got != nil {
					got = *x.got
				}
				if got != x.want {
					t.Errorf("%s in %s, want %s", x.what, got, x.want)
				}
			}
		})
	}
}
