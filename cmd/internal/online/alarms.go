package online

import (
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// alarmsTold are the alarms that following has told, by what they are about.
type alarmsTold map[wallet.AlarmCode]wallet.Alarm

// note tells alarms that are new, or about something else than before.
func (t alarmsTold) note(s *Station, alarms []wallet.Alarm) {
	stands := alarmsTold{}
	for _, a := range alarms {
		had, told := t[a.Code]
		stands[a.Code] = a
		if told && had.Since.Equal(a.Since) && had.Was == a.Was && had.Now == a.Now && had.Count == a.Count {
			continue
		}
		s.Note("alarm %s: %s\n%s", a.Code, a.Text, a.Hint)
	}
	clear(t)
	for code, a := range stands {
		t[code] = a
	}
}

// noteEnded tells which alarms are over.
func noteEnded(s *Station, alarms []wallet.Alarm) {
	for _, a := range alarms {
		s.Note("alarm %s of %s is over", a.Code, a.Since.Format(time.RFC3339))
	}
}
