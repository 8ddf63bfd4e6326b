package crash

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A program is a command to run.
type program struct {
	args []string // the first is the path of the executable
	env  []string
	dir  string
	out  *os.File // for both streams
}

// A tracer runs a program and follows its system calls. It counts those that change
// a file below a directory, and kills the program at one of them.
type tracer struct {
	root   string
	number int  // which change to kill at, from 1 on; 0 for none
	after  bool // once the change is made; else before it

	seen    int    // changes, so far
	what    string // the change at which the program was killed
	pid     int
	threads map[int]*thread
	files   map[uint64]string // open ones below root, by descriptor
}

// thread is a thread of the program.
type thread struct {
	attached bool // its first stop is over
	call     call // that it is in
	change   string
	number   int // of that change
}

// call is a system call with its arguments.
type call struct {
	nr   uint64
	args [6]uint64
}

// syscallInfo is what PTRACE_GET_SYSCALL_INFO tells (struct ptrace_syscall_info).
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	// On entry the number of the call and its arguments; on exit its result.
	values [7]uint64
}

// run runs the program to its end and returns how it ended.
func (t *tracer) run(p program) (status syscall.WaitStatus, err error) {
	// Only the thread that starts a process may trace it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t.threads, t.files = map[int]*thread{}, map[uint64]string{}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	t.pid, err = syscall.ForkExec(p.args[0], p.args, &syscall.ProcAttr{
		Dir: p.dir, Env: p.env, Files: []uintptr{null.Fd(), p.out.Fd(), p.out.Fd()},
		Sys: &syscall.SysProcAttr{Ptrace: true, Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("trace %s: %w", p.args[0], err)
	}
	defer func() {
		if err != nil {
			_ = syscall.Kill(t.pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(t.pid, &status, syscall.WALL, nil)
		}
	}()
	if _, err := syscall.Wait4(t.pid, &status, syscall.WALL, nil); err != nil {
		return 0, err
	}
	if !status.Stopped() { // it could not be executed
		return status, fmt.Errorf("trace %s: it ended before it began", p.args[0])
	}
	t.threads[t.pid] = &thread{attached: true}
	if err := syscall.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, fmt.Errorf("trace %s: %w", p.args[0], err)
	}
	if err := resume(t.pid, 0); err != nil {
		return 0, err
	}
	for {
		// A session of its own is a group of its own; this process may have other
		// children.
		tid, err := syscall.Wait4(-t.pid, &status, syscall.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("trace %s: wait: %w", p.args[0], err)
		case !status.Stopped():
			if tid == t.pid {
				return status, nil
			}
			delete(t.threads, tid)
			continue
		}
		signal, err := t.stopped(tid, status)
		if err != nil && !errors.Is(err, syscall.ESRCH) { // it was killed meanwhile
			return 0, err
		}
		if err := resume(tid, signal); err != nil {
			return 0, err
		}
	}
}

func resume(tid int, signal syscall.Signal) error {
	if err := syscall.PtraceSyscall(tid, int(signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("trace: go on: %w", err)
	}
	return nil
}

// stopped looks at a thread that stopped, and returns the signal to go on with.
func (t *tracer) stopped(tid int, status syscall.WaitStatus) (syscall.Signal, error) {
	th := t.threads[tid]
	if th == nil {
		th = &thread{}
		t.threads[tid] = th
	}
	switch signal := status.StopSignal(); {
	case signal == syscall.SIGTRAP|0x80:
		return 0, t.syscall(tid, th)
	case signal == syscall.SIGTRAP: // a new thread, or the program itself begins
		return 0, nil
	case signal == syscall.SIGSTOP && !th.attached:
		th.attached = true
		return 0, nil
	default:
		return signal, nil
	}
}

// syscall looks at a thread on its way into a system call or out of one.
func (t *tracer) syscall(tid int, th *thread) error {
	var info syscallInfo
	if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); errno != 0 {
		return errno
	}
	switch info.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		th.call = call{nr: info.values[0], args: [6]uint64(info.values[1:])}
		var err error
		if th.change, err = t.change(tid, th.call); err != nil || th.change == "" {
			return err
		}
		t.seen++
		th.number = t.seen
		t.killAt(th, false)
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		if err := t.follow(tid, th.call, int64(info.values[0])); err != nil { //nolint:gosec // the kernel's own sign
			return err
		}
		if th.change != "" {
			t.killAt(th, true)
			th.change = ""
		}
	}
	return nil
}

// killAt kills the program if this is the place. A call is not made if the program
// is killed on its way into it.
func (t *tracer) killAt(th *thread, after bool) {
	if th.number == t.number && after == t.after && t.what == "" {
		t.what = th.change
		_ = syscall.Kill(t.pid, syscall.SIGKILL) // it is there: nobody waited for it
	}
}

// changing are the calls that change what an open file holds, and changingPaths
// those that change names; the first and, with two, the third argument is a
// directory, and a path follows.
var (
	changing = map[uint64]string{
		unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_WRITEV: "writev", unix.SYS_PWRITEV: "pwritev", unix.SYS_PWRITEV2: "pwritev",
		unix.SYS_FTRUNCATE: "truncate", unix.SYS_FALLOCATE: "allocate", unix.SYS_SENDFILE: "sendfile", unix.SYS_COPY_FILE_RANGE: "copy",
		unix.SYS_FSYNC: "sync", unix.SYS_FDATASYNC: "sync", unix.SYS_FCHMOD: "chmod",
	}
	changingPaths = map[uint64]string{
		unix.SYS_UNLINKAT: "remove", unix.SYS_MKDIRAT: "make directory", unix.SYS_FCHMODAT: "chmod", unix.SYS_SYMLINKAT: "symlink",
		unix.SYS_LINKAT: "link", unix.SYS_RENAMEAT: "rename", unix.SYS_RENAMEAT2: "rename",
	}
)

// change says what a call changes below root, or "".
func (t *tracer) change(tid int, c call) (string, error) {
	if name, ok := changing[c.nr]; ok {
		fd := c.args[0]
		if c.nr == unix.SYS_COPY_FILE_RANGE {
			fd = c.args[2]
		}
		if file, ok := t.files[fd]; ok {
			return name + " " + file, nil
		}
		return "", nil
	}
	if name, ok := changingPaths[c.nr]; ok {
		file, err := t.below(tid, c.args[1])
		if err != nil || file == "" {
			return "", err
		}
		return name + " " + file, nil
	}
	if c.nr == unix.SYS_OPENAT {
		file, err := t.below(tid, c.args[1])
		if err != nil || file == "" {
			return "", err
		}
		_, missing := os.Lstat(filepath.Join(t.root, file))
		flags := c.args[2]
		if creates := missing != nil && flags&unix.O_CREAT != 0; creates || flags&unix.O_TRUNC != 0 {
			return "create " + file, nil
		}
	}
	return "", nil
}

// follow keeps track of which files are open, once a call returned.
func (t *tracer) follow(tid int, c call, result int64) error {
	switch c.nr {
	case unix.SYS_OPENAT:
		if result < 0 {
			return nil
		}
		file, err := t.below(tid, c.args[1])
		if err == nil && file != "" {
			t.files[uint64(result)] = file
		}
		return err
	case unix.SYS_CLOSE:
		delete(t.files, c.args[0])
	}
	return nil
}

// below reads a path from the memory of the program and returns it relative to
// root, or "" if it is not below. Relative ones are not: the programs are given
// absolute ones.
func (t *tracer) below(tid int, address uint64) (string, error) {
	var path []byte
	for len(path) < unix.PathMax {
		at := address + uint64(len(path))
		page := uint64(os.Getpagesize())           //nolint:gosec // a size
		buf := make([]byte, min(64, page-at%page)) // the next page may not be there
		if _, err := syscall.PtracePeekData(tid, uintptr(at), buf); err != nil {
			return "", err
		}
		if end := bytes.IndexByte(buf, 0); end >= 0 {
			path = append(path, buf[:end]...)
			break
		}
		path = append(path, buf...)
	}
	file, ok := strings.CutPrefix(filepath.Clean(string(path)), t.root+"/")
	if !ok {
		return "", nil
	}
	return file, nil
}
