package mutation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf16"
)

// byteEdits are changes of a file as a whole, whatever it holds.
func byteEdits(file []byte) iter.Seq[edit] {
	text := string(file)
	wide := func(order binary.ByteOrder) []byte {
		b := order.(binary.AppendByteOrder).AppendUint16(nil, 0xfeff)
		for _, u := range utf16.Encode([]rune(text)) {
			b = order.(binary.AppendByteOrder).AppendUint16(b, u)
		}
		return b
	}
	whole := []struct {
		how  string
		file []byte
	}{
		{"empty", nil},
		{"a space", []byte(" ")},
		{"white space", []byte(" \t\r\n")},
		{"NULs", make([]byte, 1000)},
		{"null", []byte("null")},
		{"true", []byte("true")},
		{"a number", []byte("1")},
		{"a text", []byte(`"airlock"`)},
		{"a list", []byte("[]")},
		{"an object", []byte("{}")},
		{"a member without a name", []byte(`{"":1}`)},
		{"only its format", []byte(`{"format":"airlock-batch","version":"1"}`)},
		{"byte order mark", []byte("\ufeff" + text)},
		{"UTF-16, little end first", wide(binary.LittleEndian)},
		{"UTF-16, big end first", wide(binary.BigEndian)},
		{"line ends of DOS", []byte(strings.ReplaceAll(text, "\n", "\r\n"))},
		{"line ends of old Macs", []byte(strings.ReplaceAll(text, "\n", "\r"))},
		{"line ends of mainframes", []byte(strings.ReplaceAll(text, "\n", "\u0085"))},
		{"no line ends", []byte(strings.ReplaceAll(text, "\n", ""))},
		{"tabs", []byte(strings.ReplaceAll(text, "  ", "\t"))},
		{"no-break spaces", []byte(strings.ReplaceAll(text, "  ", "\u00a0"))},
		{"form feeds", []byte(strings.ReplaceAll(text, "  ", "\f"))},
		{"twice", append(bytes.Clone(file), file...)},
		{"NUL behind", append(bytes.Clone(file), 0)},
		{"Ctrl-Z behind", append(bytes.Clone(file), 0x1a)},
		{"null behind", append(bytes.Clone(file), "null"...)},
		{"brace behind", append(bytes.Clone(file), '}')},
		{"white space behind", append(bytes.Clone(file), " \n\t\r "...)},
		{"much white space", append(bytes.Repeat([]byte(" "), 1<<20), file...)},
		{"a comment", append([]byte("// airlock\n"), file...)},
		{"a comment of another kind", append([]byte("# airlock\n"), file...)},
		{"commas before brackets", []byte(strings.NewReplacer("\n}", ",\n}", "\n]", ",\n]").Replace(text))},
		{"upper case", bytes.ToUpper(file)},
		{"lower case", bytes.ToLower(file)},
		{"backwards", []byte(reverse(text))},
		{"lists in lists", bytes.Repeat([]byte("["), 1<<20)},
		{"objects in objects", bytes.Repeat([]byte(`{"a":`), 1<<18)},
		{"many members", manyMembers()},
		{"many values", []byte(`{"items":[` + strings.Repeat("0,", 1<<20) + `0]}`)},
		{"a long name", []byte(`{"` + strings.Repeat("a", 1<<20) + `":1}`)},
	}
	return func(yield func(edit) bool) {
		for _, w := range whole {
			if !yield(edit{w.how, "", w.file}) {
				return
			}
		}
		// Cut off wherever it can be told from a whole file.
		for n := 1; n < len(bytes.TrimSpace(file)); n += 1 + len(file)/500 {
			if !yield(edit{fmt.Sprintf("cut at byte %d", n), "", bytes.Clone(file[:n])}) {
				return
			}
		}
	}
}

func manyMembers() []byte {
	var b bytes.Buffer
	b.WriteString(`{"format":"airlock-batch"`)
	for i := range 100_000 {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// tokens are pieces that files are made of, and that readers trip over.
var tokens = []string{
	"{", "}", "[", "]", ",", ":", "\"", "\\", "/", "'", "=", "#", ".", "-", "+", "0", "1", "9", "0x", "1e0", "e", "_", "null", "true", "false", "NaN",
	" ", "\n", "\t", "\r", "\x00", "\x7f", "\x80", "\xff", "\xc0\x80", "\xed\xa0\x80", "\ufeff", "\u202e", "\u200b", "\u0430", "\u0301", `\u0000`, `\ud800`, `\n`,
	"[[", "]]", `"""`, "'''", "}{", "[]", "{}", `""`, "format", "version", "18446744073709551616",
}

// randomBytes changes one to four pieces of a file at random.
func randomBytes(rng *rand.Rand, file []byte) edit {
	f := bytes.Clone(file)
	var how []string
	for range 1 + rng.IntN(4) {
		if len(f) == 0 {
			break
		}
		i := rng.IntN(len(f))
		span := func() int { return min(len(f), i+1+rng.IntN(40)) }
		switch rng.IntN(12) {
		case 0:
			f[i] ^= 1 << rng.IntN(8)
			how = append(how, "bit")
		case 1:
			f[i] = byte(rng.Uint32())
			how = append(how, "byte")
		case 2:
			f = slices.Insert(f, i, byte(rng.Uint32()))
			how = append(how, "byte more")
		case 3:
			f = slices.Delete(f, i, i+1)
			how = append(how, "byte less")
		case 4:
			f = slices.Insert(f, i, []byte(tokens[rng.IntN(len(tokens))])...)
			how = append(how, "token more")
		case 5:
			f = slices.Replace(f, i, span(), []byte(tokens[rng.IntN(len(tokens))])...)
			how = append(how, "token instead")
		case 6:
			f = slices.Delete(f, i, span())
			how = append(how, "piece less")
		case 7:
			f = slices.Insert(f, rng.IntN(len(f)), bytes.Clone(f[i:span()])...)
			how = append(how, "piece twice")
		case 8:
			if lines := bytes.SplitAfter(f, []byte("\n")); len(lines) > 1 {
				a, b := rng.IntN(len(lines)), rng.IntN(len(lines))
				lines[a], lines[b] = lines[b], lines[a]
				f = bytes.Join(lines, nil)
			}
			how = append(how, "lines swapped")
		case 9, 10:
			if d := bytes.IndexAny(f[i:], "0123456789"); d >= 0 {
				f[i+d] = '0' + (f[i+d]-'0'+byte(1+rng.IntN(9)))%10
			}
			how = append(how, "digit")
		default:
			if d := bytes.IndexAny(f[i:], "abcdefABCDEF"); d >= 0 {
				f[i+d] ^= 0x20
			}
			how = append(how, "case")
		}
	}
	return edit{strings.Join(how, ", "), "", f}
}
