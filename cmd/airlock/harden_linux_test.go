package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is the user that a process is run as, so that its files under /proc
// are its own unless they are kept from it.
const nobody = 65534

// A process that reads the passphrase of a vault leaves no core dump, lets no
// other process of its user look into its memory, and locks it where it may.
func TestHardened(t *testing.T) {
	root := os.Geteuid() == 0
	dir, err := os.MkdirTemp("", "airlock-harden-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	if root {
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		// Whatever the umask of these tests.
		for path, mode := range map[string]os.FileMode{
			dir: 0o777, bin: 0o755, filepath.Join(bin, "airlock"): 0o755, filepath.Join(bin, "airlock-signer"): 0o755,
		} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Two files that nobody owns, where the words and the passphrase lie.
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if root {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	home := filepath.Join(dir, "home")
	pass := file("pass", "correct horse battery staple\n")
	create := exec.Command(filepath.Join(bin, "airlock-signer"), "--home", home, "vault", "create", "--light-kdf",
		"--mnemonic-file", file("words", "test test test test test test test test test test test junk\n"), "--passphrase-file", pass)
	create.SysProcAttr = as
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	// As the user of the tests, who may be allowed to lock memory, and as
	// nobody, where the files under /proc tell whose they are.
	users := map[string]*syscall.SysProcAttr{"own user": {}}
	if root {
		users["nobody"] = as
	}
	for _, program := range []string{"airlock", "airlock-signer"} {
		for user, attributes := range users {
			t.Run(program+", "+user, func(t *testing.T) {
				unlimited := raise(t, unix.RLIMIT_MEMLOCK)
				raise(t, unix.RLIMIT_CORE)
				lock := unlimited || user == "own user" && mayLock(t)
				checkHardened(t, lock, filepath.Join(dir, "fifo-"+program+user), &exec.Cmd{
					Path: filepath.Join(bin, program), Args: []string{program, "--home", home, "vault", "accounts"}, SysProcAttr: attributes,
				})
			})
		}
	}
}

// checkHardened looks at a process while it waits for the passphrase, which
// comes through a pipe.
func checkHardened(t *testing.T, lock bool, fifo string, c *exec.Cmd) {
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if who := c.SysProcAttr.Credential; who != nil {
		if err := os.Chown(fifo, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	c.Args = append(c.Args, "--passphrase-file", fifo)
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // as soon as the process reads
	if err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", c.Process.Pid)
	if limits := procText(t, proc+"limits"); !strings.Contains(limits, "Max core file size        0                    0") {
		t.Errorf("core dumps are not off:\n%s", limits)
	}
	info, err := os.Stat(proc + "mem")
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 {
		t.Errorf("its memory belongs to the user %d, and can be read by its other processes", owner)
	}
	status := procText(t, proc+"status")
	if locked := !strings.Contains(status, "VmLck:\t       0 kB"); locked != lock {
		t.Errorf("memory is locked: %t, want %t:\n%s", locked, lock, status)
	}
	if _, err := w.WriteString("correct horse battery staple\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || !strings.Contains(out.String(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266") {
		t.Errorf("%v: %s", err, &out)
	}
}

// mayLock reports whether no limit holds for what this user locks.
func mayLock(t *testing.T) bool {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	page := make([]byte, 1<<16)
	err := unix.Mlock(page)
	if err == nil {
		err = unix.Munlock(page)
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	return err == nil
}

// raise lifts a limit that processes inherit until the test ends, as far as it
// may, and reports whether there is none left.
func raise(t *testing.T, resource int) bool {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(resource, &before); err != nil {
		t.Fatal(err)
	}
	after := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(resource, &after); err != nil {
		after = unix.Rlimit{Cur: before.Max, Max: before.Max}
		if err := unix.Setrlimit(resource, &after); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(resource, &before); err != nil {
			t.Error(err)
		}
	})
	return after.Cur == unix.RLIM_INFINITY
}

func procText(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
