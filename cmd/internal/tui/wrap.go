package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/airlock-wallet/airlock/cmd/internal/review"
)

// minValue is the room that a value needs beside its label; with less, it goes
// below.
const minValue = 20

// wrap lays facts out so that no line is wider than the terminal, and nothing is
// lost: labels on the left, values beside them.
func wrap(facts review.Facts, width int) []string {
	label := 0
	for _, f := range facts {
		label = max(label, len(f.Label)+1)
	}
	below := width-label < minValue
	if below {
		label = min(2, max(width-1, 0))
	}
	room := max(width-label, 1)
	var lines []string
	for _, f := range facts {
		left := f.Label
		if below && left != "" {
			lines = append(lines, broken(left, width)...)
			left = ""
		}
		for _, part := range valueLines(f, room) {
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%-*s%s", label, left, part), " "))
			left = ""
		}
	}
	return lines
}

func valueLines(f review.Fact, room int) []string {
	if f.Blocks == nil {
		return broken(f.Value, room)
	}
	per := 1
	if two := len(f.Blocks[0])*2 + 2; two <= room {
		per = 2
	}
	var lines []string
	for b := f.Blocks; len(b) > 0; b = b[min(per, len(b)):] {
		lines = append(lines, broken(strings.Join(b[:min(per, len(b))], "  "), room)...)
	}
	return lines
}

// broken breaks text into lines, at spaces where it can.
func broken(text string, room int) []string {
	if columns(text) <= room {
		return []string{text}
	}
	return strings.Split(ansi.Wrap(text, room, ""), "\n")
}
