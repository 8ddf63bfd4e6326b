package signer

import (
	"context"
	"fmt"
	"time"

	"github.com/airlock-wallet/airlock/wallet/store"
)

// MaxClockJump is how far the clock may be ahead of the last entry of the
// record before somebody must give today's date.
const MaxClockJump = 72 * time.Hour

// moment is what the station takes for now.
type moment struct {
	at     time.Time // never before the last entry
	clock  time.Time
	jumped bool // nobody believes the clock: at is that of the last entry
	date   string
}

// momentOf decides what time it is. Time never runs backwards: a clock that was
// set back reopens no window and no expired batch. It never leaps forward
// either, unless somebody who gives the date says so: a clock set far ahead
// would begin every window anew, and keep the station in the future. date is what somebody gave, or empty; if the clock
// has another one, it is not believed at all. It is pure.
func momentOf(clock time.Time, last link, date string) moment {
	m := moment{at: clock, clock: clock}
	switch {
	case date != "" && !isDate(clock, date):
		m.jumped = true
		if last.sequence > 0 {
			m.at = last.at
		}
	case last.sequence == 0:
	case clock.Before(last.at):
		m.at = last.at
	case clock.Sub(last.at) <= MaxClockJump:
	case date == "":
		m.at, m.jumped = last.at, true
	default:
		m.date = date
	}
	return m
}

// isDate reports whether a date is that of a time, here or in UTC.
func isDate(t time.Time, date string) bool {
	return date == t.Format(time.DateOnly) || date == t.UTC().Format(time.DateOnly)
}

// stamp writes the time into an entry.
func (m moment) stamp(e *Entry) {
	e.At, e.Date = m.at.UTC().Truncate(time.Second), m.date
	if clock := m.clock.UTC().Truncate(time.Second); !clock.Equal(e.At) {
		e.Clock = clock
	}
}

// NeedsDate reports whether the clock is so far ahead of the record's last
// entry that nothing is signed until somebody gives today's date (see
// Service.Date), and when that entry was.
func (s *Service) NeedsDate(ctx context.Context) (needed bool, last time.Time, err error) {
	err = s.Record.View(ctx, func(tx store.Tx) error {
		l, err := lastLink(tx)
		needed, last = momentOf(s.Now(), l, "").jumped, l.at
		return err
	})
	return needed, last, err
}

func clockRefusal(m moment, date string) Refusal {
	r := Refusal{
		Rule: RuleClock, Item: -1, Value: m.clock.UTC().Format(time.RFC3339),
		Why:  "is what the clock says",
		Hint: "set the clock if it is wrong; if it is right, give today's date: at the terminal, or with --date YYYY-MM-DD",
	}
	if m.clock.Sub(m.at) > MaxClockJump {
		r.Why += fmt.Sprintf(", more than %d hours after the last entry of the signing record at %s", int(MaxClockJump.Hours()), m.at.UTC().Format(time.RFC3339))
	}
	if date != "" {
		r.Why += fmt.Sprintf(", and %.40q is not its date", date)
	}
	return r
}
