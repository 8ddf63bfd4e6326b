package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/airlock-wallet/airlock/cmd/internal/harden"
	"github.com/airlock-wallet/airlock/wallet"
)

// HomeVariable is the environment variable that names the home.
const HomeVariable = "AIRLOCK_HOME"

// DefaultWait is how long a command waits for another process that uses the
// store.
const DefaultWait = 30 * time.Second

// Env is where a command runs: its streams, its terminal, its clock, and the
// flags that all commands share. Their fields are set when a command runs, not
// when it is constructed.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// OutTerminal and ErrTerminal say that people watch the stream.
	OutTerminal, ErrTerminal bool
	OutColumns               int // width of the terminal of Out; 0 if it is not known
	// OpenTerminal opens the controlling terminal; it fails where there is
	// none, as in a cron job.
	OpenTerminal func() (Terminal, error)
	Now          func() time.Time
	// Harden protects the memory of the process and returns what it could not
	// do; nil, as in tests, does nothing. See Protect.
	Harden func() []string

	Home    string // --home, else $AIRLOCK_HOME, else the user's data directory
	JSON    bool   // --json
	Wait    time.Duration
	ChainID uint64 // --chain; 0 when it was not given
}

// System is the environment of this process.
func System() *Env {
	columns, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 where Out is no terminal
	return &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		OutTerminal:  term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal:  term.IsTerminal(int(os.Stderr.Fd())),
		OutColumns:   columns,
		OpenTerminal: openTerminal,
		Now:          time.Now,
		Harden:       harden.Process,
		Home:         defaultHome(),
		Wait:         DefaultWait,
	}
}

// Test is an environment in memory. Its terminal answers with typed, one line
// after another, and Out and Err are not terminals. Its clock is the real one.
func Test(home string, typed ...string) (env *Env, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	terminal := &scripted{lines: typed}
	return &Env{
		In: new(bytes.Buffer), Out: out, Err: err,
		OpenTerminal: func() (Terminal, error) {
			if len(typed) == 0 {
				return nil, errNoTerminal
			}
			return terminal, nil
		},
		Now:  time.Now,
		Home: home,
		Wait: DefaultWait,
	}, out, err
}

// AddFlags gives a root command the flags that every command takes.
func (e *Env) AddFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&e.Home, "home", e.Home, "`directory` of the station (else $"+HomeVariable+", else the user's data directory)")
	f.Lookup("home").DefValue = "" // not the reader's, in a manual
	f.BoolVar(&e.JSON, "json", e.JSON, "print one JSON document instead of text")
	f.DurationVar(&e.Wait, "wait", e.Wait, "how long to wait for another process that uses the store")
}

// AddChainFlag gives a root command the flag --chain.
func (e *Env) AddChainFlag(root *cobra.Command) {
	root.PersistentFlags().Uint64Var(&e.ChainID, "chain", e.ChainID, "chain `id` (EIP-155), needed where the home has several chains")
}

// Path is where a file of the home lies.
func (e *Env) Path(name string) string { return filepath.Join(e.Home, name) }

// NeedHome refuses to go on where no directory is named as the home, as for a
// user without one.
func (e *Env) NeedHome() error {
	if e.Home == "" {
		return wallet.WithHint(wallet.As(wallet.ErrUsage, "no home: this user has no data directory"), "name one with --home or $%s", HomeVariable)
	}
	return nil
}

// Protect keeps the memory of the process from any disk, as far as the system
// lets it, and says what it could not do. It comes before the first secret
// that opens a vault.
func (e *Env) Protect() {
	if e.Harden == nil {
		return
	}
	for _, note := range e.Harden() {
		e.Note("%s", note)
	}
}

// CheckHome refuses to go on where there is no home, and says how to make one.
func (e *Env) CheckHome(make string) error {
	if err := e.NeedHome(); err != nil {
		return err
	}
	info, err := os.Stat(e.Home)
	if errors.Is(err, os.ErrNotExist) {
		return wallet.WithHint(fmt.Errorf("there is no home at %s", e.Home), "%s makes one; --home or $%s names another", make, HomeVariable)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("home %s is not a directory", e.Home)
	}
	return err
}

// Note tells people something about the work, in a line of its own.
func (e *Env) Note(format string, args ...any) {
	fmt.Fprintln(e.Err, cleanLines(fmt.Sprintf(format, args...)))
}

func defaultHome() string {
	if dir := os.Getenv(HomeVariable); dir != "" {
		return dir
	}
	dir, err := userDataDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "airlock")
}

// userDataDir is where programs of a user keep what must not be lost: the XDG
// base directory on Unix.
func userDataDir() (string, error) {
	switch runtime.GOOS {
	case "windows", "darwin":
		return os.UserConfigDir()
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share"), err
}
