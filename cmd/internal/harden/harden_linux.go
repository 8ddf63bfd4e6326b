package harden

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// noDumps forbids core dumps. The limit is for files; that a process is not
// dumpable holds also where a program takes the dumps, and keeps other
// processes of the user from reading the memory (ptrace, /proc/PID/mem).
func noDumps() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}

// lockMemory keeps all memory of the process out of swap, what it gets later
// included. A limit that is not unlimited must not be tried: as soon as it is
// reached the runtime gets no more memory, and ends the process.
func lockMemory() error {
	const all = unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	if limit.Max == unix.RLIM_INFINITY {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: limit.Max}); err != nil {
			return err
		}
		return unix.Mlockall(all)
	}
	// Under a limit of one page only a process that no limit holds for
	// (CAP_IPC_LOCK) may lock more.
	page := uint64(os.Getpagesize())
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: min(page, limit.Max), Max: limit.Max}); err != nil {
		return err
	}
	err := unix.Mlockall(all)
	if err != nil {
		err = fmt.Errorf("the limit is %d KiB: %w", limit.Max>>10, err)
	}
	return errors.Join(err, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit))
}

// swaps reports whether the machine has swap, or does not say.
func swaps() bool {
	raw, err := os.ReadFile("/proc/swaps")
	return err != nil || swapsIn(raw)
}

// swapsIn reads /proc/swaps: a heading, and a line for each.
func swapsIn(raw []byte) bool {
	return bytes.Count(bytes.TrimSpace(raw), []byte("\n")) > 0
}
