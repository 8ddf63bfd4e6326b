package scanner_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// benchProcess runs airlock scan, the program as it is shipped, in homes of
// different sizes: over full blocks, and again where nothing is new. It reports
// how long each took from start to exit, and the most memory that was resident
// during the first by Linux' count (VmHWM), in which the pages of the store that
// were mapped are.
func benchProcess(b *testing.B, node *recording) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skip("there is no /proc to read resident memory from")
	}
	bin := filepath.Join(b.TempDir(), "airlock")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, "../cmd/airlock").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v: %s", err, out)
	}
	for _, addresses := range []int{1_000, 100_000, 1_000_000} {
		node.store(b, addresses)
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			var reads, idle time.Duration
			var resident uint64
			for b.Loop() {
				b.StopTimer()
				home := b.TempDir()
				config := fmt.Sprintf("[[chain]]\nid = %d\nrpc = [%q]\n", node.id, node.URL)
				fatal(b, os.WriteFile(filepath.Join(home, "config.toml"), []byte(config), 0o600))
				fatal(b, copyFile(node.store(b, addresses), filepath.Join(home, "airlock.db")))
				b.StartTimer()
				took, peak := runScan(b, bin, home, fullBlocks)
				reads, resident = reads+took, max(resident, peak)
				took, _ = runScan(b, bin, home, 0)
				idle += took
				fatal(b, os.RemoveAll(home))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(reads.Seconds()*1000/float64(b.N), "full-ms")
			b.ReportMetric(idle.Seconds()*1000/float64(b.N), "nothing-new-ms")
			b.ReportMetric(float64(resident)/1e6, "resident-MB")
		})
	}
}

// runScan runs the program in a home, which must read that many blocks, and
// returns how long it ran and the most memory in bytes that was resident.
func runScan(b *testing.B, bin, home string, blocks int) (took time.Duration, resident uint64) {
	var out bytes.Buffer
	cmd := exec.CommandContext(b.Context(), bin, "scan", "--json", "--home", home)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	started := time.Now()
	fatal(b, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			fatal(b, err)
			took = time.Since(started)
			if want := fmt.Sprintf(`"blocks":%d,`, blocks); !strings.Contains(out.String(), want) {
				b.Fatalf("scan printed %s, want %s", out.String(), want)
			}
			return took, resident
		case <-time.After(2 * time.Millisecond):
			resident = max(resident, highWater(cmd.Process.Pid))
		}
	}
}

// highWater is the most memory in bytes that a process ever had resident; 0 if
// it is gone.
func highWater(pid int) uint64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ = strings.Cut(line, " kB")
	kilobytes, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes * 1024
}
