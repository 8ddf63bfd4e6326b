package tui

import (
	"context"
	"errors"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	"github.com/airlock-wallet/airlock/signer"
)

// ErrInterrupted says that a page was left with ctrl+c. Whoever would go on
// after the page must not.
var ErrInterrupted = errors.New("interrupted")

// Review shows a batch on the terminal behind in and out until the reader
// leaves it. If in is a file but no terminal, as in a pipe, the keys come from
// the controlling terminal. Review returns ErrInterrupted if it was left by
// ctrl+c, and the context's error if that ended first.
func Review(ctx context.Context, in io.Reader, out io.Writer, r *signer.Report) error {
	end, err := run(ctx, NewReview(r), in, out)
	if err != nil {
		return err
	}
	if m, ok := end.(Model); ok && m.interrupted {
		return ErrInterrupted
	}
	return nil
}

// run shows a page until it is left. It returns the context's error if that
// ended first.
func run(ctx context.Context, page tea.Model, in io.Reader, out io.Writer) (tea.Model, error) {
	options := []tea.ProgramOption{
		tea.WithContext(ctx),
		tea.WithOutput(out),
		tea.WithoutSignalHandler(), // signals end the context
	}
	if f, ok := in.(*os.File); !ok || term.IsTerminal(int(f.Fd())) {
		options = append(options, tea.WithInput(in))
	}
	end, err := tea.NewProgram(page, options...).Run()
	if ctx.Err() != nil {
		return end, ctx.Err()
	}
	return end, err
}
