package chaintest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

// ErrUnavailable is the cause of an error about a network whose program is not on
// this machine. It says how to get it.
var ErrUnavailable = errors.New("not available")

// process is a running child. It dies with this process, whatever ends it, where
// the system can promise that.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and its output was read
	err  error         // why, once done is closed

	mu   sync.Mutex
	last []string // the newest lines of its output
}

// startProcess starts cmd and waits for a line of output, on either stream, that
// matches ready; it returns the first group of the match.
func startProcess(ctx context.Context, cmd *exec.Cmd, ready *regexp.Regexp) (*process, string, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	found := make(chan string, 1)
	started := make(chan error, 1)
	output, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	dieWithParent(cmd)

	read := make(chan struct{})
	go func() {
		p.read(output, ready, found)
		close(read)
	}()
	go func() {
		// Linux kills the child when the thread that started it ends, so the
		// thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		w.Close()
		<-read // so that the end of the output tells why
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, "", err
	}

	var err error
	select {
	case match := <-found:
		return p, match, nil
	case <-p.done:
		err = fmt.Errorf("%s ended early: %w", cmd.Path, cmp.Or(p.err, errors.New("with success")))
	case <-ctx.Done():
		err = fmt.Errorf("%s is not ready: %w", cmd.Path, ctx.Err())
	}
	p.kill()
	return nil, "", fmt.Errorf("%w\n%s", err, p.tail())
}

// read follows the output of the process to its end.
func (p *process) read(output io.Reader, ready *regexp.Regexp, found chan<- string) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if match := ready.FindStringSubmatch(lines.Text()); match != nil {
			select {
			case found <- match[1]:
			default:
			}
		}
		p.mu.Lock()
		p.last = append(p.last[max(0, len(p.last)-19):], lines.Text())
		p.mu.Unlock()
	}
	// A line too long for the scanner must not stop the process.
	_, _ = io.Copy(io.Discard, output)
}

// tail is the end of the output.
func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.last, "\n")
}

// kill ends the process. It has nothing to save.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}
