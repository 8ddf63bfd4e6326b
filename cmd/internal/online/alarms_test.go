package online

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
)

// alarmed are the parts of JSON documents that alarms are in.
type alarmed struct {
	Alarms   []wallet.Alarm
	Cleared  []wallet.Alarm
	Warnings []struct{ Code, Hint string }
	Chains   []struct {
		Findings []struct {
			Code   string
			Severe bool
		}
	}
	Orphaned int
}

func (h *payoutHome) alarmed(exit int, args ...string) (v alarmed) {
	h.Helper()
	out, _ := h.run(exit, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		h.Fatalf("airlock %q: %v in %q", args, err, out)
	}
	return v
}

// TestAlarmCommands has scan, status and doctor tell of a chain whose finality
// stopped and of a final block that changed, until they are over.
func TestAlarmCommands(t *testing.T) {
	h := newPayoutHome(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.sim.AdjustTime(2 * time.Hour))
	if v := h.alarmed(cli.ExitFailed, "scan"); len(v.Alarms) != 1 || v.Alarms[0].Code != wallet.AlarmStalled {
		t.Errorf("scan: %+v", v)
	}
	if _, notes := h.run(cli.ExitFailed, "scan"); !strings.Contains(notes, "finality-stalled") || !strings.Contains(notes, "set finality_alarm") {
		t.Errorf("scan says %q", notes)
	}
	warned := func(code string) (is bool) {
		for _, w := range h.alarmed(cli.ExitDone, "status").Warnings {
			is = is || w.Code == code && w.Hint != ""
		}
		return is
	}
	found := func(exit int, code string) (is bool) {
		for _, f := range h.alarmed(exit, "doctor").Chains[0].Findings {
			is = is || f.Code == code && f.Severe
		}
		return is
	}
	if !warned("finality-stalled") || !found(cli.ExitFailed, "finality-stalled") {
		t.Error("status and doctor do not tell that finality stopped")
	}

	settings := filepath.Join(h.dir, configFile)
	text, err := os.ReadFile(settings)
	must(err)
	must(os.WriteFile(settings, append(text, "finality_alarm = \"soon\"\n"...), 0o600))
	h.run(cli.ExitUsage, "scan")
	must(os.WriteFile(settings, append(text, "finality_alarm = \"12h\"\nbackup_blocks = 0\n"...), 0o600))
	if v := h.alarmed(cli.ExitDone, "scan"); len(v.Alarms) != 0 || len(v.Cleared) != 1 {
		t.Errorf("with a longer limit: %+v", v)
	}
	if warned("finality-stalled") || found(cli.ExitDone, "finality-stalled") {
		t.Error("status and doctor tell of what is over")
	}

	must(h.sim.Mine(h.Context(), 4))
	h.run(cli.ExitDone, "scan")
	h.run(cli.ExitRefused, "scan", "--accept-risk=final-changed")
	h.run(cli.ExitUsage, "scan", "--accept-risk=anything")
	h.run(cli.ExitUsage, "scan", "--follow", "--accept-risk=final-changed")
	must(h.sim.Reorg(h.Context(), 4))
	must(h.sim.Mine(h.Context(), 1))
	if v := h.alarmed(cli.ExitFailed, "scan"); len(v.Alarms) != 1 || v.Alarms[0].Code != wallet.AlarmFinal {
		t.Errorf("scan: %+v", v)
	}
	if !warned("final-changed") || !found(cli.ExitFailed, "final-changed") {
		t.Error("status and doctor do not tell that a final block changed")
	}
	if v := h.alarmed(cli.ExitDone, "scan", "--accept-risk=final-changed"); len(v.Alarms) != 0 || len(v.Cleared) != 1 {
		t.Errorf("accepted: %+v", v)
	}
	if warned("final-changed") {
		t.Error("status tells of what was accepted")
	}
}

// TestAlarmsAreToldOnce says in following what changes, and nothing each pass.
func TestAlarmsAreToldOnce(t *testing.T) {
	env, _, told := cli.Test(t.TempDir())
	s, known := &Station{env}, alarmsTold{}
	a := wallet.Alarm{Code: wallet.AlarmStalled, Text: "stalled, 1h", Hint: "wait", Was: common.Hash{1}}
	for _, step := range []struct {
		alarm *wallet.Alarm
		want  int
	}{
		{&a, 1},
		{&a, 1},
		{nil, 1},
		{&a, 2},
		{&wallet.Alarm{Code: a.Code, Text: "stalled, 2h", Was: a.Was}, 2},
		{&wallet.Alarm{Code: a.Code, Text: "stalled, 2h", Was: common.Hash{2}}, 3},
	} {
		var list []wallet.Alarm
		if step.alarm != nil {
			list = append(list, *step.alarm)
		}
		known.note(s, list)
		if have := strings.Count(told.String(), "alarm finality-stalled: stalled"); have != step.want {
			t.Errorf("told %d times, want %d: %q", have, step.want, told)
		}
	}
}
