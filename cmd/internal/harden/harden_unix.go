//go:build unix && !linux

package harden

import (
	"errors"

	"golang.org/x/sys/unix"
)

func noDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

func lockMemory() error { return errors.ErrUnsupported }

// swaps says yes: nobody looked.
func swaps() bool { return true }
