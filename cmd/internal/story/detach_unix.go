//go:build unix

package story

import (
	"errors"
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own, without a terminal: nothing may
// wait for somebody to type.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// killGroup kills a detached command and its children.
func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return nil // it has ended
	}
	return err
}
