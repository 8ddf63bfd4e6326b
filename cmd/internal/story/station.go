package story

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// station is one of the two machines: a program with a home of its own.
type station struct {
	name    string // as the prompt shows it
	program string
	home    string
	dir     string   // where commands run: what crosses the gap lies there
	wrap    []string // a command that runs another one, such as unshare
	out     io.Writer
	chaos   *rand.Rand // set: kill commands before they are run for good
}

// repeatable are the commands that may be killed at any instant and then run
// again, as if nothing had happened.
var repeatable = map[string]bool{
	"scan": true, "confirm": true, "broadcast": true, "notify": true, "sign": true, "reconcile": true, "watch": true,
}

// kill starts a command and kills it with all its children (SIGKILL) after a
// moment, in which it may have come to its end.
func (s *station) kill(ctx context.Context, args []string) error {
	cmd := s.command(ctx, args)
	if err := cmd.Start(); err != nil {
		return err
	}
	time.Sleep(time.Duration(s.chaos.IntN(150)) * time.Millisecond)
	if err := killGroup(cmd); err != nil {
		return err
	}
	_ = cmd.Wait() // however it ended
	return nil
}

// run runs a command in front of the audience.
func (s *station) run(ctx context.Context, args ...string) error {
	fmt.Fprintf(s.out, "\n%s$ %s\n", s.name, shellWords(append([]string{filepath.Base(s.program)}, args...)))
	if s.chaos != nil && repeatable[args[0]] {
		for range 3 {
			if err := s.kill(ctx, args); err != nil {
				return err
			}
		}
	}
	cmd := s.command(ctx, args)
	// In a pipe the columns of tables are divided by tabs; people see them in line.
	var stderr bytes.Buffer
	lined := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	cmd.Stdout = lined
	cmd.Stderr = &stderr
	err := cmd.Run()
	if flushErr := lined.Flush(); flushErr != nil {
		return flushErr
	}
	fmt.Fprint(s.out, stderr.String())
	return s.explain(err, args, stderr.String())
}

// say runs a command that must print some words. One that was killed before may
// have done the work then, and have nothing to say now.
func (s *station) say(ctx context.Context, words string, args ...string) error {
	var printed bytes.Buffer
	out := s.out
	s.out = io.MultiWriter(out, &printed)
	err := s.run(ctx, args...)
	s.out = out
	if err == nil && s.chaos == nil && !strings.Contains(printed.String(), words) {
		return fmt.Errorf("%s %s printed %q, want %q in it", filepath.Base(s.program), strings.Join(args, " "), printed.String(), words)
	}
	return err
}

// refuse runs a command that must fail with the given exit code.
func (s *station) refuse(ctx context.Context, code int, args ...string) error {
	err := s.run(ctx, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		return fmt.Errorf("%s %s: want exit code %d, got: %w", filepath.Base(s.program), args[0], code, err)
	}
	fmt.Fprintf(s.out, "(exit code %d)\n", code)
	return nil
}

// ask runs a command behind the scenes and reads its JSON.
func (s *station) ask(ctx context.Context, into any, args ...string) error {
	args = append(args, "--json")
	cmd := s.command(ctx, args)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := s.explain(cmd.Run(), args, stderr.String()); err != nil {
		return err
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		return fmt.Errorf("%s %s: %w in %q", filepath.Base(s.program), args[0], err, stdout.String())
	}
	return nil
}

func (s *station) command(ctx context.Context, args []string) *exec.Cmd {
	words := append(append([]string{}, s.wrap...), s.program)
	words = append(words, args...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // our own programs
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+s.home)
	detach(cmd)
	return cmd
}

func (s *station) explain(err error, args []string, stderr string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w: %s", filepath.Base(s.program), strings.Join(args, " "), err, strings.TrimSpace(stderr))
}

// shellWords writes a command line so that it could be pasted into a shell.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if strings.ContainsAny(w, " '\"$&|;<>()*?") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}
