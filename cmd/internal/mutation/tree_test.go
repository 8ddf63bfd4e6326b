package mutation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// node is a value of a JSON text (RFC 8259), whose scalars are kept as they are
// spelled. It is read by code that shares nothing with the readers under test.
type node struct {
	kind byte     // {, [, ", or the first byte of another scalar
	raw  string   // of a scalar
	keys []string // of an object, as they are spelled
	kids []*node  // of an object or a list
	// instead is written in the value's place, if it is not empty.
	instead string
}

const maxDepth = 1000

// read reads a text that says one thing: no name stands twice in an object, and
// all is valid UTF-8.
func read(text []byte) (*node, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	r := &reader{rest: text}
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if r.space(); len(r.rest) > 0 {
		return nil, errors.New("something after the value")
	}
	return n, nil
}

type reader struct{ rest []byte }

func (r *reader) space() { r.rest = bytes.TrimLeft(r.rest, " \t\r\n") }

func (r *reader) take(c byte) bool {
	r.space()
	if len(r.rest) > 0 && r.rest[0] == c {
		r.rest = r.rest[1:]
		return true
	}
	return false
}

func (r *reader) value(depth int) (*node, error) {
	r.space()
	switch {
	case depth > maxDepth:
		return nil, errors.New("too deep")
	case len(r.rest) == 0:
		return nil, errors.New("too short")
	case r.rest[0] == '{':
		return r.object(depth)
	case r.rest[0] == '[':
		return r.list(depth)
	case r.rest[0] == '"':
		raw, err := r.text()
		return &node{kind: '"', raw: raw}, err
	}
	end := bytes.IndexAny(r.rest, " \t\r\n,:]}[{\"")
	if end < 0 {
		end = len(r.rest)
	}
	raw := r.rest[:end]
	r.rest = r.rest[end:]
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%.20q is no value", raw)
	}
	return &node{kind: raw[0], raw: string(raw)}, nil
}

func (r *reader) object(depth int) (*node, error) {
	n := &node{kind: '{'}
	if r.take('{'); r.take('}') {
		return n, nil
	}
	seen := map[string]bool{}
	for {
		r.space()
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		if seen[unquote(key)] {
			return nil, fmt.Errorf("%s stands twice", key)
		}
		seen[unquote(key)] = true
		if !r.take(':') {
			return nil, errors.New("no colon")
		}
		kid, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.keys, n.kids = append(n.keys, key), append(n.kids, kid)
		if r.take('}') {
			return n, nil
		}
		if !r.take(',') {
			return nil, errors.New("no comma")
		}
	}
}

func (r *reader) list(depth int) (*node, error) {
	n := &node{kind: '['}
	if r.take('['); r.take(']') {
		return n, nil
	}
	for {
		kid, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
		if r.take(']') {
			return n, nil
		}
		if !r.take(',') {
			return nil, errors.New("no comma")
		}
	}
}

// text reads a string and returns it as it is spelled.
func (r *reader) text() (string, error) {
	for i := 1; i < len(r.rest) && r.rest[0] == '"'; i++ {
		switch r.rest[i] {
		case '\\':
			i++
		case '"':
			raw := string(r.rest[:i+1])
			r.rest = r.rest[i+1:]
			// A lone half of a surrogate pair is read as the replacement
			// character by many, and refused by some.
			if !json.Valid([]byte(raw)) || strings.Count(unquote(raw), "\ufffd") != strings.Count(raw, "\ufffd")+strings.Count(strings.ToLower(raw), `\ufffd`) {
				return "", fmt.Errorf("%.40q is no text", raw)
			}
			return raw, nil
		}
	}
	return "", errors.New("no text")
}

func unquote(raw string) string {
	var s string
	_ = json.Unmarshal([]byte(raw), &s) // it is valid
	return s
}

// quote spells a text with as few escapes as can be.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// write spells the value again, without white space.
func (n *node) write(b *bytes.Buffer) {
	switch {
	case n.instead != "":
		b.WriteString(n.instead)
	case n.kind == '{':
		for i, kid := range n.kids {
			b.WriteByte("{,"[min(i, 1)])
			b.WriteString(n.keys[i])
			b.WriteByte(':')
			kid.write(b)
		}
		if len(n.kids) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	case n.kind == '[':
		b.WriteByte('[')
		for i, kid := range n.kids {
			if i > 0 {
				b.WriteByte(',')
			}
			kid.write(b)
		}
		b.WriteByte(']')
	default:
		b.WriteString(n.raw)
	}
}

func (n *node) file() []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

// says is all that a value says, spelled in one way: members in the order of
// their names, texts unescaped. Numbers stay as they are spelled.
func (n *node) says(b *strings.Builder) {
	switch n.kind {
	case '{':
		order := make([]int, len(n.keys))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int { return strings.Compare(unquote(n.keys[i]), unquote(n.keys[j])) })
		b.WriteByte('{')
		for _, i := range order {
			fmt.Fprintf(b, "%q:", unquote(n.keys[i]))
			n.kids[i].says(b)
			b.WriteByte(';')
		}
		b.WriteByte('}')
	case '[':
		b.WriteByte('[')
		for _, kid := range n.kids {
			kid.says(b)
			b.WriteByte(';')
		}
		b.WriteByte(']')
	case '"':
		fmt.Fprintf(b, "%q", unquote(n.raw))
	default:
		b.WriteString(n.raw)
	}
}

// jsonSays is what a JSON text says, or why that cannot be told.
func jsonSays(text []byte) (string, error) {
	n, err := read(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	n.says(&b)
	return b.String(), nil
}
