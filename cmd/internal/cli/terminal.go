package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// Terminal is the controlling terminal: where people are asked, and where
// secrets are shown, whatever the standard streams are connected to.
type Terminal interface {
	io.Writer
	// ReadLine reads a line, without its end.
	ReadLine() (string, error)
	// ReadSecret reads a line without showing it. The caller wipes it.
	ReadSecret() ([]byte, error)
	Close() error
}

var errNoTerminal = wallet.As(wallet.ErrUsage, "there is no terminal to ask on")

// Passphrase reads a passphrase from file, or has it typed without echo if
// file is empty, twice if repeat is set, in a process that is protected from
// then on. The caller wipes it.
func (e *Env) Passphrase(file, prompt string, repeat bool) ([]byte, error) {
	e.Protect()
	if file != "" {
		return secretfile.ReadSecret(file)
	}
	t, err := e.OpenTerminal()
	if err != nil {
		return nil, wallet.WithHint(err, "give --passphrase-file")
	}
	defer t.Close()
	secret, err := readSecret(t, prompt)
	if err != nil || !repeat {
		return secret, err
	}
	again, err := readSecret(t, prompt+" again")
	defer clear(again)
	if err == nil && !bytes.Equal(secret, again) {
		err = wallet.WithHint(errors.New("the two passphrases differ"), "nothing was done; type it again")
	}
	if err != nil {
		clear(secret)
		return nil, err
	}
	return secret, nil
}

func readSecret(t Terminal, prompt string) ([]byte, error) {
	fmt.Fprintf(t, "%s: ", Clean(prompt))
	secret, err := t.ReadSecret()
	fmt.Fprintln(t)
	if err == nil && len(secret) == 0 {
		err = wallet.As(wallet.ErrUsage, "nothing was typed")
	}
	return secret, err
}

// Ask has a line typed at the terminal.
func (e *Env) Ask(question string) (string, error) {
	t, err := e.OpenTerminal()
	if err != nil {
		return "", err
	}
	defer t.Close()
	fmt.Fprintf(t, "%s: ", cleanLines(question))
	return t.ReadLine()
}

// Confirm has want typed at the terminal, spaces and case aside. Anything else
// is an error of wallet.ErrRefused.
func (e *Env) Confirm(question, want string) error {
	typed, err := e.Ask(question)
	if err != nil {
		return err
	}
	if !strings.EqualFold(strings.Join(strings.Fields(typed), ""), strings.Join(strings.Fields(want), "")) {
		return wallet.As(wallet.ErrRefused, "what was typed is not what was asked for, so nothing was done")
	}
	return nil
}

// Show writes text, such as a mnemonic, to the terminal and nowhere else.
func (e *Env) Show(text string) error {
	t, err := e.OpenTerminal()
	if err != nil {
		return err
	}
	_, err = io.WriteString(t, text)
	return errors.Join(err, t.Close())
}

// device is the controlling terminal of this process.
type device struct {
	in, out *os.File
}

func openTerminal() (Terminal, error) {
	if runtime.GOOS == "windows" {
		in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
		if err != nil {
			return nil, errNoTerminal
		}
		out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
		if err != nil {
			in.Close()
			return nil, errNoTerminal
		}
		return &device{in, out}, nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errNoTerminal
	}
	return &device{tty, tty}, nil
}

func (d *device) Write(p []byte) (int, error) { return d.out.Write(p) }

func (d *device) ReadLine() (string, error) {
	return await(func() (string, error) {
		// A terminal hands over one line at a time, so nothing is read ahead
		// of the next question.
		line, err := bufio.NewReader(d.in).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = errors.New("the terminal was closed before an answer was typed")
		}
		return strings.TrimRight(line, "\r\n"), err
	}, func() { fmt.Fprintln(d.out) })
}

func (d *device) ReadSecret() ([]byte, error) {
	fd := int(d.in.Fd())
	visible, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	return await(func() ([]byte, error) { return term.ReadPassword(fd) }, func() { _ = term.Restore(fd, visible) })
}

// await returns what read reads, or context.Canceled as soon as the process is
// interrupted: nobody waits for an answer then. It calls restore before, so
// that the terminal shows what is typed next.
func await[T any](read func() (T, error), restore func()) (T, error) {
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupt)
	type answer struct {
		v   T
		err error
	}
	typed := make(chan answer, 1)
	go func() {
		v, err := read()
		typed <- answer{v, err}
	}()
	select {
	case a := <-typed:
		return a.v, a.err
	case <-interrupt:
		restore()
		var none T
		return none, context.Canceled
	}
}

func (d *device) Close() error {
	if d.out != d.in {
		return errors.Join(d.in.Close(), d.out.Close())
	}
	return d.in.Close()
}

// scripted is the terminal of Test.
type scripted struct {
	bytes.Buffer
	lines []string
}

func (s *scripted) ReadLine() (string, error) {
	if len(s.lines) == 0 {
		return "", io.EOF
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	return line, nil
}

func (s *scripted) ReadSecret() ([]byte, error) {
	line, err := s.ReadLine()
	return []byte(line), err
}

func (s *scripted) Close() error { return nil }
