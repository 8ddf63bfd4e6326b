//go:build linux

package tui

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkProcess opens and reviews 10,000 items on a station whose record has
// 40,000 other recipients: as a page, until it is on the screen of a real
// terminal, and as text and document. It reports the peak of resident memory of
// a process, and the time of processors that it took. Run it with -benchtime 5x.
func BenchmarkProcess(b *testing.B) {
	st := newSigner(b)
	for i := range 4 {
		st.sign(st.batch(i*10_000, 10_000, string(rune('a'+i))))
	}
	file := st.write(st.batch(40_000, 10_000, "e"))
	for name, flags := range map[string]string{"text": "--plain", "json": "--json"} {
		b.Run(name, func(b *testing.B) {
			peak, cpu, runs := 0, time.Duration(0), 0
			for b.Loop() {
				kib, took := st.measured("review", file, flags)
				peak, cpu, runs = max(peak, kib), cpu+took, runs+1
			}
			b.ReportMetric(float64(peak)/1024, "peak-MiB")
			b.ReportMetric(float64(cpu.Milliseconds())/float64(runs), "cpu-ms/op")
		})
	}
	b.Run("page", func(b *testing.B) {
		peak, pid := 0, filepath.Join(st.home, "pid")
		for b.Loop() {
			command := fmt.Sprintf("echo $$ > %s; exec %s review %s", pid, st.program, file)
			tt := startTerminal(b, []string{"AIRLOCK_HOME=" + st.home}, "sh", "-c", command)
			tt.shows("1 of 10000")
			b.StopTimer()
			raw, err := os.ReadFile(pid)
			if err != nil {
				b.Fatal(err)
			}
			peak = max(peak, peakOf(b, filepath.Join("/proc", strings.TrimSpace(string(raw)), "status")))
			b.StartTimer()
		}
		b.ReportMetric(float64(peak)/1024, "peak-MiB")
	})
}

// measured runs the program and returns the peak of its memory in KiB, and the
// time of processors that it took.
func (st *signerHome) measured(args ...string) (kib int, cpu time.Duration) {
	st.t.Helper()
	cmd := exec.Command(st.program, args...)
	cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+st.home)
	if err := cmd.Run(); err != nil {
		st.t.Fatalf("%q: %v", args, err)
	}
	end := cmd.ProcessState
	return int(end.SysUsage().(*syscall.Rusage).Maxrss), end.UserTime() + end.SystemTime()
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

func peakOf(t testing.TB, status string) int {
	t.Helper()
	raw, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	found := peakLine.FindSubmatch(raw)
	if found == nil {
		t.Fatalf("%s has no VmHWM", status)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
