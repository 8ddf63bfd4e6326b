package qrcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"
)

// text is of so many characters that a UR can have.
func text(size int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-:"
	random := rand.New(rand.NewPCG(1, uint64(size)))
	b := []byte("UR:BYTES/7-23/")[:min(size, 14)]
	for len(b) < size {
		b = append(b, letters[random.IntN(26)])
	}
	return string(b)
}

func encode(t testing.TB, text string, version int) Code {
	t.Helper()
	c, err := Encode(text, version)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every version holds as much as Capacity says, not a letter more, and the
// decoder reads what the encoder wrote.
func TestCapacity(t *testing.T) {
	for v := MinVersion; v <= MaxVersion; v++ {
		full := strings.Repeat("A", Capacity(v))
		c := encode(t, full, v)
		if c.Side() != Side(v) {
			t.Errorf("version %d has %d modules a side", v, c.Side())
		}
		if _, err := Encode(full+"A", v); err == nil {
			t.Errorf("version %d holds more than %d characters", v, Capacity(v))
		}
		if got, ok := VersionFor(len(full)); !ok || got != v {
			t.Errorf("%d characters get version %d", len(full), got)
		}
		want := text(Capacity(v))
		if got, err := Find(encode(t, want, v).Image(4)); err != nil || got != want {
			t.Errorf("version %d: %q, %v", v, got, err)
		}
	}
	if v, ok := VersionFor(Capacity(MaxVersion) + 1); ok {
		t.Errorf("too many characters get version %d", v)
	}
}

func TestFitting(t *testing.T) {
	for size, want := range map[[2]int]int{{80, 24}: 6, {49, 24}: 6, {48, 24}: 5, {80, 23}: 5, {29, 14}: 1, {300, 100}: 20} {
		if got, ok := Fitting(size[0], size[1]); !ok || got != want {
			t.Errorf("%v shows version %d, want %d", size, got, want)
		}
	}
	for _, size := range [][2]int{{28, 14}, {29, 13}, {0, 0}} {
		if v, ok := Fitting(size[0], size[1]); ok {
			t.Errorf("%v shows version %d", size, v)
		}
	}
}

// screen draws lines of half blocks as a terminal does whose characters are 8
// by 16 pixels.
func screen(lines []string, text, ground color.Gray) image.Image {
	img := image.NewGray(image.Rect(0, 0, 8*len([]rune(lines[0])), 16*len(lines)))
	for y, line := range lines {
		for x, r := range []rune(line) {
			for i := range 8 * 16 {
				c := ground
				if r == '█' || (r == '▀' && i < 64) || (r == '▄' && i >= 64) {
					c = text
				}
				img.SetGray(8*x+i%8, 16*y+i/8, c)
			}
		}
	}
	return img
}

func TestLines(t *testing.T) {
	black, white := color.Gray{0}, color.Gray{255}
	for v := MinVersion; v <= 20; v++ {
		want := text(Capacity(v))
		c := encode(t, want, v)
		lines := c.Lines(false)
		if len(lines) != Lines(v) || len([]rune(lines[0])) != Columns(v) {
			t.Errorf("version %d: %d lines of %d", v, len(lines), len([]rune(lines[0])))
		}
		for name, img := range map[string]image.Image{
			"black on white":   screen(lines, black, white),
			"dark terminal":    screen(c.Lines(true), white, black),
			"the wrong way":    screen(lines, white, black),
			"little contrast":  screen(lines, color.Gray{60}, color.Gray{150}),
			"the wrong way, 2": screen(c.Lines(true), black, white),
		} {
			if got, err := Find(img); err != nil || got != want {
				t.Errorf("version %d, %s: %q, %v", v, name, got, err)
			}
		}
	}
}

func TestRead(t *testing.T) {
	want := text(150)
	var asPNG, asJPEG, empty bytes.Buffer
	img := encode(t, want, 6).Image(6)
	if err := errors.Join(png.Encode(&asPNG, img), jpeg.Encode(&asJPEG, img, nil), png.Encode(&empty, image.NewGray(image.Rect(0, 0, 50, 50)))); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"PNG": asPNG.Bytes(), "JPEG": asJPEG.Bytes()} {
		if got, err := Read(file); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := Read(empty.Bytes()); !errors.Is(err, ErrNoCode) {
		t.Errorf("an empty image: %q, %v", got, err)
	}
	if got, err := Read([]byte("words")); err == nil {
		t.Errorf("words: %q", got)
	}
	if got, err := Read(asPNG.Bytes()[:asPNG.Len()/2]); err == nil {
		t.Errorf("half an image: %q", got)
	}
	huge := bytes.Clone(asPNG.Bytes())
	copy(huge[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0})                        // 65536 by 65536
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29])) // of the chunk that says so
	if got, err := Read(huge); err == nil || !strings.Contains(err.Error(), "65536 by 65536 pixels is too big") {
		t.Errorf("a huge image: %q, %v", got, err)
	}
}

// FuzzFind gives noise on a code to the decoder. It reads the text or nothing;
// the parts' own checksums tell what is left.
func FuzzFind(f *testing.F) {
	c, err := Encode(text(150), 6)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(1), uint64(2), 40)
	f.Fuzz(func(t *testing.T, a, b uint64, spots int) {
		random := rand.New(rand.NewPCG(a, b))
		clean := c.Image(3).(*image.Paletted)
		for range min(max(spots, 0), 500) {
			x, y, w := random.IntN(150), random.IntN(150), 1+random.IntN(9)
			for i := range w * w {
				clean.SetColorIndex(x+i%w, y+i/w, uint8(a&1))
			}
		}
		if got, err := Find(clean); err != nil && !errors.Is(err, ErrNoCode) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

// scanned is a grey progressive JPEG of side by side pixels: one scan of nothing,
// then so many that each say in a few bytes that all its blocks end.
func scanned(side, scans int) []byte {
	blocks := (side + 7) / 8 * ((side + 7) / 8)
	segment := func(marker byte, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(body))), body...)
	}
	oneCode := func(class, value byte) []byte { // of one bit
		return segment(0xc4, []byte{class, 1}, make([]byte, 15), []byte{value})
	}
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{8}, uint16(side)), uint16(side))
	file := bytes.Join([][]byte{
		{0xff, 0xd8},
		segment(0xdb, make([]byte, 1), bytes.Repeat([]byte{1}, 64)),
		segment(0xc2, size, []byte{1, 1, 0x11, 0}),
		oneCode(0, 0),
		oneCode(0x10, 0xe0), // a run of 2^14 blocks, and a number of 14 bits more
		segment(0xda, []byte{1, 1, 0, 0, 0, 0}),
		make([]byte, blocks/8+8),
	}, nil)
	scan := append(segment(0xda, []byte{1, 1, 0, 1, 63, 0}), make([]byte, 15*(blocks>>14+2)/8+4)...)
	return append(append(file, bytes.Repeat(scan, scans)...), 0xff, 0xd9)
}

// A JPEG of a hundred kilobytes can have its decoder go a thousand times through
// all the pixels that an image may have, and one as long as may be for hours.
func TestReadRefusesManyScans(t *testing.T) {
	if _, err := Read(scanned(64, 10)); !errors.Is(err, ErrNoCode) {
		t.Errorf("ten scans: %v, want an image that is decoded", err)
	}
	if _, err := Read(scanned(64, maxScans)); err == nil || !strings.Contains(err.Error(), "JPEG image of 101 scans is too complicated") {
		t.Errorf("%d scans and one: %v", maxScans, err)
	}
}
