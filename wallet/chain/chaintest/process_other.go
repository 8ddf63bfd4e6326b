//go:build !linux

package chaintest

import (
	"os"
	"os/exec"
)

// dieWithParent does nothing: on this system a child outlives a parent that is
// killed.
func dieWithParent(*exec.Cmd) {}

// lock does nothing: on this system two processes may build geth twice.
func lock(*os.File) error { return nil }
