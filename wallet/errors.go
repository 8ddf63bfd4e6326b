package wallet

import (
	"errors"
	"fmt"
)

// The classes of failure that scripts tell apart. The command line maps each
// to an exit code; everything else is a plain failure.
var (
	ErrUsage       = errors.New("wrong usage")
	ErrRefused     = errors.New("refused")
	ErrBusy        = errors.New("store busy")
	ErrUnreachable = errors.New("chain unreachable")
	ErrDiffer      = errors.New("books differ")
)

// ErrNotFound says that a record that was named does not exist.
var ErrNotFound = errors.New("not found")

// ErrConflict says that an id was used before with other content, or that
// something is in a state that does not allow what was asked.
var ErrConflict = errors.New("conflict")

type classError struct {
	class error
	err   error
}

func (e *classError) Error() string   { return e.err.Error() }
func (e *classError) Unwrap() []error { return []error{e.err, e.class} }

// As makes an error of a class without adding the class's words to it:
// errors.Is(As(ErrUsage, …), ErrUsage) holds.
func As(class error, format string, args ...any) error {
	return &classError{class, fmt.Errorf(format, args...)}
}

type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// WithHint adds the way out of an error, a sentence that the command line
// prints on a line of its own.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// Hint returns the outermost way out that WithHint added, or "".
func Hint(err error) string {
	var h *hintError
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
