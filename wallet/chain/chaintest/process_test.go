//go:build linux

package chaintest

import (
	"bufio"
	"context"
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

var ready = regexp.MustCompile(`^ready (\S+)`)

func TestStartProcess(t *testing.T) {
	p, match, err := startProcess(t.Context(), exec.Command("sh", "-c", "echo booting; echo ready 42 >&2; exec sleep 600"), ready)
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	if match != "42" {
		t.Errorf("matched %q", match)
	}
	p.kill()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)); err == nil {
		t.Error("the process is still there after it was killed")
	}
}

// A start that fails shows what the program said.
func TestStartProcessFails(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // is impatient once the program has said something
		for _, err := os.Stat(said); err != nil && t.Context().Err() == nil; _, err = os.Stat(said) {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	for _, test := range []struct {
		script string
		want   []string
	}{
		{"echo no such flag; exit 3", []string{"exit status 3", "no such flag"}},
		{"echo thinking; touch " + said + "; exec sleep 600", []string{"not ready", "thinking"}},
	} {
		_, _, err := startProcess(ctx, exec.Command("sh", "-c", test.script), ready)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error %v does not say %q", test.script, err, want)
			}
		}
	}
}

// TestDieWithParent kills a process that has started another, which must die too.
func TestDieWithParent(t *testing.T) {
	if os.Getenv("CHAINTEST_PARENT") != "" {
		p, _, err := startProcess(t.Context(), exec.Command("sh", "-c", "echo ready now; exec sleep 600"), ready)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("child", p.cmd.Process.Pid)
		select {}
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestDieWithParent$")
	parent.Env = append(os.Environ(), "CHAINTEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	for lines := bufio.NewScanner(out); child == 0 && lines.Scan(); {
		if pid, ok := strings.CutPrefix(lines.Text(), "child "); ok {
			child, err = strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	parent.Process.Kill()
	parent.Wait()
	if child == 0 {
		t.Fatal("the parent started no child")
	}
	for range 6000 {
		// An orphan that nobody has waited for yet is dead enough.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
	t.Error("the child outlived its parent")
}
