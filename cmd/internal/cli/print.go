package cli

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Print writes a result to standard output: with --json v as one JSON
// document, else what human writes. In the document a list without elements is
// [], addresses are in EIP-55 form, nothing is escaped for HTML, and what Clean
// would escape is: terminals obey some of it.
func (e *Env) Print(v any, human func(w io.Writer)) error {
	w := bufio.NewWriter(e.Out)
	if !e.JSON {
		human(w)
		return w.Flush()
	}
	options := []json.Options{
		json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, a common.Address) error {
			return enc.WriteToken(jsontext.String(a.Hex()))
		})),
		json.Deterministic(true),
		jsontext.AllowInvalidUTF8(true), // text from a chain is what it is
	}
	if e.OutTerminal {
		options = append(options, jsontext.WithIndent("  "))
	}
	if err := json.MarshalWrite(&escaper{w: w}, v, options...); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	if err := w.WriteByte('\n'); err != nil {
		return err
	}
	return w.Flush()
}

// PrintDocument writes a result that is a JSON document, with or without --json.
func (e *Env) PrintDocument(v any) error {
	document := *e
	document.JSON = true
	return document.Print(v, nil)
}

// escaper writes JSON with all that cannot be seen as \u escapes, which mean
// the same to whoever reads the document. Outside of strings JSON has no such
// characters but line ends.
type escaper struct {
	w    *bufio.Writer
	rest []byte // of a character that was written in part
}

func (e *escaper) Write(p []byte) (int, error) {
	text := append(e.rest, p...)
	for seen := 0; ; {
		full := utf8.FullRune(text[seen:])
		r, size := utf8.DecodeRune(text[seen:])
		if full && (r == '\n' || unicode.IsPrint(r)) {
			seen += size
			continue
		}
		if _, err := e.w.Write(text[:seen]); err != nil {
			return 0, err
		}
		if text = text[seen:]; !full {
			e.rest = append(e.rest[:0], text...)
			return len(p), nil
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			if _, err := fmt.Fprintf(e.w, `\u%04x`, unit); err != nil {
				return 0, err
			}
		}
		text, seen = text[size:], 0
	}
}

// Clean makes text from a chain, a file or a person safe to print: whatever
// is not a visible character or a plain space (control characters, line ends,
// bidirectional overrides, invisible joiners, invalid UTF-8) is written as an
// escape such as \u202e.
func Clean(s string) string {
	clean := true
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// Narrow is Clean for text that stands in columns: characters that are not just
// one column wide, such as combining marks and wide letters, are escaped too.
func Narrow(s string) string {
	narrow := func(r rune) bool {
		return r < 0x7f || ansi.StringWidth(string(r)) == 1 && !unicode.In(r, unicode.M, unicode.Other_Default_Ignorable_Code_Point) && !isJamo(r)
	}
	s = Clean(s)
	if !strings.ContainsFunc(s, func(r rune) bool { return !narrow(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if narrow(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// isJamo reports whether a character is a part of a Hangul syllable, which
// terminals join to the one before.
func isJamo(r rune) bool { return 0x1100 <= r && r <= 0x11ff }

// DigestBlocks is a digest of 64 hexadecimal digits as people compare it: four
// blocks of four groups of four digits. The first block is what signing asks for.
func DigestBlocks(digest string) []string {
	var blocks []string
	for ; len(digest) >= 16; digest = digest[16:] {
		blocks = append(blocks, strings.Join([]string{digest[:4], digest[4:8], digest[8:12], digest[12:16]}, " "))
	}
	return blocks
}

// DigestLines is a digest in two lines of two blocks.
func DigestLines(digest string) []string {
	var lines []string
	for blocks := DigestBlocks(digest); len(blocks) > 0; blocks = blocks[min(2, len(blocks)):] {
		lines = append(lines, strings.Join(blocks[:min(2, len(blocks))], "  "))
	}
	return lines
}

// cleanLines is Clean for text whose line ends are our own.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return strings.Join(lines, "\n")
}
