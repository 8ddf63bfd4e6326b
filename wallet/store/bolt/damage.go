package bolt

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
)

// guard calls fn and returns an error where a page of the file cannot be what it
// says: the engine checks no sums, and panics at such pages, or reads beyond the
// file. Any other panic goes on.
func (db *DB) guard(fn func() error) (damaged bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		switch {
		case r == nil:
		case !isDamage(r):
			panic(r)
		default:
			damaged = true
			err = wallet.WithHint(fmt.Errorf("store %s: the file is damaged: %.200v", db.path, r),
				"put its newest backup in its place, and look after the disk")
		}
	}()
	return false, fn()
}

// isDamage reports whether a panic comes of the file: a read where no memory is,
// or one that begins in the engine.
func isDamage(r any) bool {
	if _, fault := r.(interface{ Addr() uintptr }); fault {
		return true
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panics := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panics = true
		case panics && !strings.HasPrefix(f.Function, "runtime."):
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt.") || strings.HasPrefix(f.Function, "go.etcd.io/bbolt/")
		}
		if !more {
			return false
		}
	}
}
