//go:build unix

package cli

import (
	"context"
	"errors"
	"syscall"
	"testing"
)

// TestAwaitInterrupted: who interrupts a question need not answer it, and sees
// again what is typed.
func TestAwaitInterrupted(t *testing.T) {
	restored := false
	got, err := await(func() (string, error) {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			t.Error(err)
		}
		select {} // nobody types
	}, func() { restored = true })
	if !errors.Is(err, context.Canceled) || got != "" {
		t.Errorf("await = %q, %v; want context.Canceled", got, err)
	}
	if !restored {
		t.Error("the terminal was not restored")
	}
}
