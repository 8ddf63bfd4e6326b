package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
)

// The exit codes, on which scripts depend.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitRefused     = 3
	ExitBusy        = 4
	ExitUnreachable = 5
	ExitDiffer      = 6
)

// ExitCodes explains them, for the help of a root command.
const ExitCodes = `Exit codes:
  0  done
  1  failed, or interrupted
  2  wrong usage: arguments, amounts, addresses, files of requests
  3  refused: policy, tampering, signing record
  4  the store is busy
  5  the chain cannot be reached
  6  the books differ from the chain`

// Main runs a root command and returns the exit code. It prints the error, if
// there is one, once. The first SIGINT or SIGTERM cancels the command's
// context; the second one ends the process.
func Main(root *cobra.Command, env *Env, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return MainContext(ctx, root, env, args)
}

// MainContext is Main without the signals.
func MainContext(ctx context.Context, root *cobra.Command, env *Env, args []string) int {
	// What cobra refuses before a command begins is wrong usage.
	begun := false
	each(root, func(c *cobra.Command) {
		if c.RunE == nil {
			return
		}
		if c.Args == nil {
			c.Args = cobra.NoArgs
		}
		run := c.RunE
		c.RunE = func(c *cobra.Command, args []string) error {
			begun = true
			return run(c, args)
		}
	})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitDone
	}
	if !begun {
		hint := wallet.Hint(err)
		if hint == "" {
			hint = cmd.CommandPath() + " --help shows how"
		}
		err = wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "%s", hint)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; what was done before is kept")
	}
	for line := range strings.Lines(strings.TrimSpace(err.Error()) + "\n" + wallet.Hint(err)) {
		// The commands that cobra suggests are indented.
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  ")
		if line != "" {
			fmt.Fprintf(env.Err, "%s: %s\n", root.Name(), Clean(line))
		}
	}
	return ExitCode(err)
}

// ExitCode maps the class of an error to the exit code.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, wallet.ErrUsage):
		return ExitUsage
	case errors.Is(err, wallet.ErrRefused):
		return ExitRefused
	case errors.Is(err, wallet.ErrBusy):
		return ExitBusy
	case errors.Is(err, wallet.ErrUnreachable):
		return ExitUnreachable
	case errors.Is(err, wallet.ErrDiffer):
		return ExitDiffer
	}
	return ExitFailed
}

// Group is a command that only holds others. Called without one of them it is
// wrong usage.
func Group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			var names []string
			for _, sub := range c.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			want := strings.Join(names, ", ")
			if len(args) == 0 {
				return wallet.WithHint(wallet.As(wallet.ErrUsage, "%s: name one of its commands: %s", c.CommandPath(), want), "%s --help shows how", c.CommandPath())
			}
			return wallet.WithHint(wallet.As(wallet.ErrUsage, "unknown command %q for %q: want one of %s", args[0], c.CommandPath(), want), "%s --help shows how", c.CommandPath())
		},
	}
	c.AddCommand(commands...)
	return c
}

func each(c *cobra.Command, fn func(*cobra.Command)) {
	fn(c)
	for _, sub := range c.Commands() {
		each(sub, fn)
	}
}
