package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/airlock-wallet/airlock/cmd/internal/qrcode"
)

// film plays codes of a version whose parts count from 1.
func film(t *testing.T, version int) Film {
	n := 0
	return Film{Title: "batch.json", Notes: []string{"500 bytes"}, Parts: 3, FPS: 8, Next: func() (Frame, error) {
		n++
		code, err := qrcode.Encode(fmt.Sprintf("UR:BYTES/%d", n), version)
		if err != nil {
			t.Fatal(err)
		}
		return Frame{Number: n, Code: code}, nil
	}}
}

// after gives a page a message and tells whether it wants to end.
func after(t *testing.T, m filmModel, msg tea.Msg) (filmModel, bool) {
	t.Helper()
	next, cmd := m.Update(msg)
	end := false
	if cmd != nil && m.over() {
		_, end = cmd().(tea.QuitMsg)
	}
	return next.(filmModel), end
}

func pressed(t *testing.T, m filmModel, key rune) filmModel {
	t.Helper()
	next, _ := m.Update(tea.KeyPressMsg{Code: key, Text: string(key)})
	return next.(filmModel)
}

func onScreen(m filmModel) string { return ansi.Strip(strings.Join(m.screen(), "\n")) }

func wants(t *testing.T, m filmModel, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(onScreen(m), w) {
			t.Errorf("the screen lacks %q:\n%s", w, onScreen(m))
		}
	}
}

func TestFilmProgress(t *testing.T) {
	m := newFilmModel(film(t, 6))
	wants(t, m, "batch.json", "part 1 of 3", "500 bytes", "8 a second")
	for range 3 {
		m, _ = after(t, m, tick(0))
	}
	wants(t, m, "part 4, 3 needed")
	m = pressed(t, m, '+')
	wants(t, m, "9 a second")
	m = pressed(t, m, ' ')
	m, _ = after(t, m, tick(0)) // of before
	wants(t, m, "part 4, 3 needed", "stopped")
	m = pressed(t, m, 'n')
	wants(t, m, "part 5, 3 needed", "stopped")
	m = pressed(t, m, ' ')
	m, _ = after(t, m, tick(0))
	wants(t, m, "part 5, 3 needed", "9 a second")
	m, _ = after(t, m, tick(2))
	wants(t, m, "part 6, 3 needed")
}

func TestFilmEnds(t *testing.T) {
	f := film(t, 6)
	f.Limit = 3
	m, end := newFilmModel(f), false
	for n := 1; !end; n++ {
		if m.shown != n || n > 3 {
			t.Fatalf("%d frames were shown when %d were", m.shown, n)
		}
		m, end = after(t, m, tick(0))
	}
	if m.shown != 3 {
		t.Errorf("%d frames were shown, want 3", m.shown)
	}
	broken := errors.New("no more")
	f.Next = func() (Frame, error) { return Frame{}, broken }
	if m := newFilmModel(f); !errors.Is(m.err, broken) || m.shown != 0 {
		t.Errorf("%v after %d frames", m.err, m.shown)
	}
}

// Whatever the size: a code that Fitting allows is shown whole with its
// progress, and no line leaves the terminal.
func TestFilmFits(t *testing.T) {
	for size, want := range map[[2]int]int{{80, 24}: 6, {69, 24}: 6, {68, 24}: 5, {49, 24}: 5, {45, 60}: 5, {80, 40}: 13, {40, 80}: 3, {300, 100}: 20} {
		version, ok := Fitting(size[0], size[1])
		if !ok || version != want {
			t.Errorf("%v shows version %d, want %d", size, version, want)
			continue
		}
		m := newFilmModel(film(t, version))
		m, _ = after(t, m, tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		wants(t, m, "part 1 of 3")
		lines := strings.Split(onScreen(m), "\n")
		if len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if ansi.StringWidth(line) > size[0] {
				t.Errorf("%v: a line of %d columns", size, ansi.StringWidth(line))
			}
		}
		m, _ = after(t, m, tea.WindowSizeMsg{Width: size[0], Height: qrcode.Lines(version) - 1})
		wants(t, m, "too small")
	}
	if v, ok := Fitting(28, 24); ok {
		t.Errorf("28 columns show version %d", v)
	}
}

func TestFilmColors(t *testing.T) {
	margin := strings.Repeat("█", qrcode.Columns(6))
	for _, test := range []struct {
		profile  colorprofile.Profile
		light    bool
		ink, sgr bool // of the margin, in the lines
	}{
		{colorprofile.TrueColor, false, false, true},
		{colorprofile.ANSI, true, true, true},
		{colorprofile.ASCII, false, true, false},
		{colorprofile.ASCII, true, false, false},
	} {
		f := film(t, 6)
		f.Light = test.light
		m, _ := after(t, newFilmModel(f), tea.ColorProfileMsg{Profile: test.profile})
		line := m.screen()[1]
		if strings.HasPrefix(ansi.Strip(line), margin) != test.ink || strings.Contains(line, "48;5;231") != test.sgr {
			t.Errorf("%v, inverted %v: %q", test.profile, test.light, line)
		}
		if turned := pressed(t, m, 'i'); strings.HasPrefix(ansi.Strip(turned.screen()[1]), margin) == test.ink {
			t.Errorf("%v, inverted %v: i does nothing", test.profile, test.light)
		}
	}
}
