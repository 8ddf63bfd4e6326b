package batch

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/airlock-wallet/airlock/wallet"
)

// Error says why a batch is refused, and where.
type Error struct {
	Item    int    // position of the item from 0, or -1
	Field   string // JSON pointer (RFC 6901) into the file, such as /items/3/to
	Value   string // what stands there; empty if nothing does
	Problem string // what is wrong with it
}

func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString("batch")
	if e.Item >= 0 {
		fmt.Fprintf(&s, " item %d", e.Item)
	}
	if e.Field != "" {
		fmt.Fprintf(&s, " (%s)", told(e.Field, 120))
	}
	if e.Value != "" {
		fmt.Fprintf(&s, ": %s", told(e.Value, 200))
	}
	return s.String() + ": " + told(e.Problem, 600)
}

// told is what an error repeats of a file: at most so many bytes, on one line.
// A member's name can be as long as the file, and a line end in it would let
// the file add lines of its own to the program's words.
func told(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		s = strconv.Quote(s)
		s = s[1 : len(s)-1]
	}
	return s
}

// Unwrap puts the error in the class of refusals.
func (e *Error) Unwrap() error { return wallet.ErrRefused }

func refuse(format string, args ...any) error {
	return withHint(&Error{Item: -1, Problem: fmt.Sprintf(format, args...)})
}

// withHint adds the way out that all damaged files have in common.
func withHint(err error) error {
	return wallet.WithHint(err, "the file was cut short, changed, or made by another program: copy it again from where it was written, or build the batch again")
}

// fault refuses a member of the batch itself.
func fault(field string, value any, problem string, args ...any) error {
	return &Error{Item: -1, Field: "/" + field, Value: printed(value), Problem: fmt.Sprintf(problem, args...)}
}

// itemFault refuses a member of an item.
func itemFault(i int, field string, value any, problem string, args ...any) error {
	return &Error{Item: i, Field: fmt.Sprintf("/items/%d/%s", i, field), Value: printed(value), Problem: fmt.Sprintf(problem, args...)}
}

// printed writes a value for an error; text is quoted, so that it cannot
// disturb a terminal.
func printed(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return fmt.Sprintf("%.140q", v)
	default:
		return fmt.Sprint(v)
	}
}
