package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/qrcode"
)

// Rates at which codes follow each other, per second.
const (
	MinFPS = 1
	MaxFPS = 30
)

// Frame is one QR code of a series.
type Frame struct {
	Number int // of the part, from 1
	Code   qrcode.Code
}

// Film is a series of QR codes that somebody else's camera reads.
type Film struct {
	Title string // what is shown, such as the name of a file
	Notes []string
	Parts int // how many different ones a reader needs at least
	FPS   int // MinFPS to MaxFPS
	Limit int // frames to show; 0 is no limit
	// Light draws the light modules instead of the dark ones, for displays
	// that show them the wrong way round.
	Light bool
	Next  func() (Frame, error)
}

// Show plays a film on the terminal behind in and out until the reader leaves
// it or its frames are over, and returns how many were shown. The terminal is
// restored, also when the context ends, whose error it returns then.
func (f Film) Show(ctx context.Context, in io.Reader, out io.Writer) (frames int, err error) {
	end, err := run(ctx, newFilmModel(f), in, out)
	m, ok := end.(filmModel)
	if !ok {
		return 0, err
	}
	return m.shown, errors.Join(err, m.err)
}

// filmModel is the page that plays a film.
type filmModel struct {
	film          Film
	frame         Frame
	shown         int
	stopped       bool
	colors        bool
	ticks         int // that were asked for; a late one of an earlier rate does nothing
	width, height int
	err           error
}

func newFilmModel(f Film) filmModel {
	m := filmModel{film: f, colors: true, width: 80, height: 24}
	return m.advance()
}

// tick says that the time of a frame is over.
type tick int

func (m filmModel) wait() tea.Cmd {
	n := m.ticks
	return tea.Tick(time.Second/time.Duration(m.film.FPS), func(time.Time) tea.Msg { return tick(n) })
}

// advance shows the next frame.
func (m filmModel) advance() filmModel {
	if m.frame, m.err = m.film.Next(); m.err == nil {
		m.shown++
	}
	return m
}

// Init implements tea.Model.
func (m filmModel) Init() tea.Cmd { return m.wait() }

// Update implements tea.Model.
func (m filmModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.ColorProfileMsg:
		m.colors = msg.Profile > colorprofile.ASCII
	case tick:
		if m.stopped || int(msg) != m.ticks {
			return m, nil
		}
		if m.over() {
			return m, tea.Quit
		}
		return m.next()
	case tea.KeyPressMsg:
		return m.press(msg.String())
	}
	return m, nil
}

func (m filmModel) over() bool { return m.film.Limit > 0 && m.shown >= m.film.Limit }

func (m filmModel) next() (tea.Model, tea.Cmd) {
	if m = m.advance(); m.err != nil {
		return m, tea.Quit
	}
	return m, m.wait()
}

func (m filmModel) press(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q", "esc", "ctrl+c":
		return m, tea.Quit
	case "space", " ":
		m.stopped = !m.stopped
		m.ticks++
		if !m.stopped {
			return m, m.wait()
		}
	case "right", "n":
		if m.stopped && !m.over() {
			if m = m.advance(); m.err != nil {
				return m, tea.Quit
			}
		}
	case "+", "up":
		m.film.FPS = min(m.film.FPS+1, MaxFPS)
	case "-", "down":
		m.film.FPS = max(m.film.FPS-1, MinFPS)
	case "i":
		m.film.Light = !m.film.Light
	}
	return m, nil
}

// blackOnWhite are the colors of the palette that themes leave alone.
var blackOnWhite = lipgloss.NewStyle().Foreground(lipgloss.Color("16")).Background(lipgloss.Color("231"))

// View implements tea.Model.
func (m filmModel) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "airlock qr show"
	return v
}

// beside is how many columns the words beside a code need.
const beside = 20

// besideFits reports whether a terminal has room for words beside a code of
// that width; they stand below it otherwise, on one line.
func besideFits(width, columns int) bool { return width >= columns+beside }

// Fitting is the highest version of a QR code that a terminal of that size
// shows together with the words of a film; false if it shows none.
func Fitting(width, height int) (version int, ok bool) {
	if version, ok = qrcode.Fitting(width-beside, height); ok {
		if below, ok := qrcode.Fitting(width, height-1); ok && below > version {
			return below, true
		}
		return version, true
	}
	return qrcode.Fitting(width, height-1)
}

// screen is the lines of the terminal.
func (m filmModel) screen() []string {
	// Without colors the terminal is taken for a dark one.
	code := m.frame.Code.Lines(m.film.Light == m.colors)
	columns := ansi.StringWidth(code[0])
	side := besideFits(m.width, columns)
	if columns > m.width || len(code) > m.height || (!side && len(code)+1 > m.height) {
		return []string{
			"the terminal is too small for this code",
			fmt.Sprintf("make it %d by %d, or begin again with a smaller --size", columns, len(code)+1),
		}
	}
	words := m.words()
	lines := make([]string, len(code))
	for i, line := range code {
		if m.colors {
			line = blackOnWhite.Render(line)
		}
		if side && i < len(words) {
			line += "  " + ansi.Truncate(words[i], m.width-columns-2, "…")
		}
		lines[i] = line
	}
	if !side {
		lines = append(lines, ansi.Truncate(m.progress()+"  "+words[0], m.width, "…"))
	}
	return lines
}

// progress says which part is shown. Parts beyond those that are needed make
// up for any that were missed.
func (m filmModel) progress() string {
	if n := m.frame.Number; n > m.film.Parts {
		return fmt.Sprintf("part %d, %d needed", n, m.film.Parts)
	}
	return fmt.Sprintf("part %d of %d", m.frame.Number, m.film.Parts)
}

func (m filmModel) words() []string {
	words := []string{strong.Render(cli.Clean(m.film.Title)), m.progress(), ""}
	for _, n := range m.film.Notes {
		words = append(words, cli.Clean(n))
	}
	rate := fmt.Sprintf("%d a second", m.film.FPS)
	if m.stopped {
		rate = "stopped"
	}
	return append(words, "", rate, "", "space  stop, go on", "n      next, if stopped", "+ -    faster, slower", "i      invert", "q      leave")
}
