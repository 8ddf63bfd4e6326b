package notifier

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// processName says which process of which boot this is. A process id alone is
// used again; with the time of its start it is not. A namespace of process ids
// (a container) cannot see into another one.
func processName() string {
	started, err := startOf(os.Getpid())
	place := here()
	if err != nil || place == "" {
		return anonymous()
	}
	return fmt.Sprintf("linux/%s/%d/%s", place, os.Getpid(), started)
}

// here names this boot and namespace of process ids.
func here() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(boot)) + "/" + ns
}

// processGone reports whether a process is known to be gone. Of what cannot be
// seen from here, such as another machine, it says no.
func processGone(name string) bool {
	rest, ok := strings.CutPrefix(name, "linux/"+here()+"/")
	if !ok {
		return false
	}
	pid, started, ok := strings.Cut(rest, "/")
	id, err := strconv.Atoi(pid)
	if !ok || err != nil {
		return false
	}
	now, err := startOf(id)
	return errors.Is(err, fs.ErrNotExist) || (err == nil && now != started)
}

// startOf returns when a process started, in clock ticks since boot; "" for
// one that ended and was not waited for yet. See proc_pid_stat(5).
func startOf(pid int) (string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name in parentheses may hold anything; fields are counted after it.
	_, rest, ok := strings.Cut(string(raw[max(bytes.LastIndexByte(raw, ')'), 0):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat: too short", pid)
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return "", nil
	}
	return fields[19], nil
}
