//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// enter waits for the turn to wait for the lock of the file at path, at most
// so long, and returns how to pass the turn on. ok is false when it did not
// come in time.
//
// Readers share the lock of the file. Without turns, readers that overlap would
// keep a writer out for as long as they please; a writer that waits for them in
// the turnstile has the next ones wait behind it.
//
// The turnstile is a lock on the directory, so that no further file stands
// beside the store. The kernel opens it when its holder dies. Where a directory
// cannot be locked there are no turns: the lock of the file still holds, but
// nothing is fair about it.
func enter(ctx context.Context, path string, wait time.Duration) (leave func(), ok bool) {
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {}, true
	}
	fd := int(f.Fd())
	pass := func() { _ = f.Close() }
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EWOULDBLOCK {
		return pass, true
	}
	// Asking again and again would favour whoever asks at the right moment; the
	// kernel wakes those that wait. It cannot be told to give up, so whoever
	// gives up leaves that to the goroutine.
	passed := make(chan struct{})
	go func() {
		for syscall.Flock(fd, syscall.LOCK_EX) == syscall.EINTR {
		}
		close(passed)
	}()
	limit := time.NewTimer(wait)
	defer limit.Stop()
	select {
	case <-passed:
		return pass, true
	case <-ctx.Done():
	case <-limit.C:
	}
	go func() {
		<-passed
		pass()
	}()
	return nil, false
}
