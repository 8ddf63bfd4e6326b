//go:build unix

package vault

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/airlock-wallet/airlock/wallet"
)

// lockWait is how long another process may take to write the file.
const lockWait = 30 * time.Second

// lockFile waits until no other process changes the file, and keeps others
// from changing it until unlock. The lock is on the file itself and ends with
// the process, so that a crash leaves none behind.
func lockFile(path string) (unlock func(), err error) {
	deadline := time.Now().Add(lockWait)
	for {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && stillAt(path, f) {
			return func() { f.Close() }, nil
		}
		f.Close()
		switch {
		case err == nil || errors.Is(err, unix.EINTR): // replaced while it was waited for
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("lock: %w", err)
		case time.Now().After(deadline):
			return nil, wallet.As(wallet.ErrBusy, "another process has been changing it for %s", lockWait)
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// stillAt reports whether a name still is that of an open file.
func stillAt(path string, f *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
