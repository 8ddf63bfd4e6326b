package qrcode

import "strings"

// A character of a terminal is about twice as high as wide: it shows two
// modules, one above the other. The margin lacks its lowest row, which would
// take a line more; the edge of the screen or an empty line lies below.
const cut = 1

// Columns and Lines are how much of a terminal a version takes, margin
// included.
func Columns(version int) int { return Side(version) + 2*Quiet }

// Lines is the height, see Columns.
func Lines(version int) int { return (Side(version) + 2*Quiet - cut) / 2 }

// Fitting is the highest version that a terminal of that size shows; false if
// it shows none.
func Fitting(columns, lines int) (version int, ok bool) {
	for v := MaxVersion; v >= MinVersion; v-- {
		if Columns(v) <= columns && Lines(v) <= lines {
			return v, true
		}
	}
	return 0, false
}

// Lines draws the code with its margin in half blocks. What is dark is drawn
// in the color of the text; or if light is set, what is light, for terminals
// with bright text on a dark ground.
func (c Code) Lines(light bool) []string {
	var lines []string
	for y := -Quiet; y < c.Side()+Quiet-cut; y += 2 {
		var line strings.Builder
		for x := -Quiet; x < c.Side()+Quiet; x++ {
			upper, lower := c.at(x, y) != light, c.at(x, y+1) != light
			switch {
			case upper && lower:
				line.WriteRune('█')
			case upper:
				line.WriteRune('▀')
			case lower:
				line.WriteRune('▄')
			default:
				line.WriteByte(' ')
			}
		}
		lines = append(lines, line.String())
	}
	return lines
}
