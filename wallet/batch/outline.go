package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// The shape of both formats, with room to spare. No object of theirs has more
// members, and nothing in them lies deeper: who wants a member that stands twice
// to be noticed must remember every name, and a file of nothing but names
// takes minutes and gigabytes.
const (
	maxMembers = 32
	maxDepth   = 16
)

// claim is what a file says that it is. A member that is missing or no string is
// empty.
type claim struct{ format, version string }

// outline reads the whole file for its shape alone, in memory that does not grow
// with it. Whether a member stands twice is left to the strict reading.
func outline(file []byte) (c claim, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(file), jsontext.AllowDuplicateNames(true))
	if k := d.PeekKind(); k != '{' && k != 0 { // 0 is an error that is told below
		return c, &Error{Item: -1, Problem: fmt.Sprintf("cannot be read: no JSON object (byte %d)", d.InputOffset())}
	}
	name := ""
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) && d.InputOffset() > 0 {
			return c, nil
		}
		if errors.Is(err, io.EOF) {
			return c, &Error{Item: -1, Problem: "the file ends too early (byte 0)"}
		}
		if err != nil {
			return c, readError(err)
		}
		depth := d.StackDepth()
		kind, length := d.StackIndex(depth)
		switch {
		case depth > maxDepth:
			return c, tooMuch(d, fmt.Sprintf("is more than %d deep", maxDepth))
		case kind == '{' && length > 2*maxMembers:
			return c, tooMuch(d, fmt.Sprintf("has more than %d members", maxMembers))
		case depth != 1 || kind != '{':
		case length%2 == 1:
			name = token.String()
		case token.Kind() == '"' && name == "format" && c.format == "":
			c.format = token.String()
		case token.Kind() == '"' && name == "version" && c.version == "":
			c.version = token.String()
		}
	}
}

func tooMuch(d *jsontext.Decoder, problem string) error {
	place := d.StackPointer().Parent()
	return &Error{Item: itemOf(place), Field: string(place), Problem: fmt.Sprintf("%s (byte %d)", problem, d.InputOffset())}
}
