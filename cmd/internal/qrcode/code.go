package qrcode

import (
	"fmt"
	"image"
	"image/color"
	"strings"

	encoder "github.com/skip2/go-qrcode"
)

// Versions of QR codes that are made; each adds four modules to the side. The
// standard goes up to 40, but what is bigger than 97 modules needs a steadier
// hand and a better camera than people have.
const (
	MinVersion = 1
	MaxVersion = 20
)

// Quiet is the width of the light margin that a reader needs, in modules.
const Quiet = 4

// codewords is how many bytes of data a code holds at the lowest level of
// error correction, by version from 1 (ISO/IEC 18004, table 7). Parts that
// were misread are made up by others, so no code carries more correction.
var codewords = [...]int{
	19, 34, 55, 80, 108, 136, 156, 194, 232, 274, 324, 370, 428, 461, 523, 589, 647, 721, 795, 861,
}

// Capacity is how many characters a version holds of digits, upper-case
// letters and the punctuation of a UR.
func Capacity(version int) int {
	count := 9 // bits that tell the number of characters
	if version >= 10 {
		count = 11
	}
	bits := 8*codewords[version-1] - 4 - count
	characters := 2 * (bits / 11) // two in eleven bits, a last one in six
	if bits%11 >= 6 {
		characters++
	}
	return characters
}

// VersionFor is the lowest version that holds so many characters; false if
// none does.
func VersionFor(characters int) (version int, ok bool) {
	for v := MinVersion; v <= MaxVersion; v++ {
		if Capacity(v) >= characters {
			return v, true
		}
	}
	return 0, false
}

// Side is how many modules a version has on each side, without the margin.
func Side(version int) int { return 17 + 4*version }

// Code is a QR code, without its margin.
type Code struct {
	dark [][]bool // by row
}

// Encode makes the code of a text in a given version, so that the codes of a
// series are equally big. The text is written in upper case, which takes half
// of the room.
func Encode(text string, version int) (Code, error) {
	q, err := encoder.NewWithForcedVersion(strings.ToUpper(text), version, encoder.Low)
	if err != nil {
		return Code{}, fmt.Errorf("QR code of %d characters in version %d: %w", len(text), version, err)
	}
	q.DisableBorder = true
	return Code{q.Bitmap()}, nil
}

// Side is how many modules the code has on each side.
func (c Code) Side() int { return len(c.dark) }

// at reports whether a module is dark; those around the code are not.
func (c Code) at(x, y int) bool {
	return y >= 0 && y < len(c.dark) && x >= 0 && x < len(c.dark) && c.dark[y][x]
}

// Image draws the code with its margin, so many pixels a module.
func (c Code) Image(scale int) image.Image {
	side := (c.Side() + 2*Quiet) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if c.at(x/scale-Quiet, y/scale-Quiet) {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	return img
}
