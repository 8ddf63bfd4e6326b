// Package csvfile reads lists that operators import: CSV (RFC 4180) in UTF-8,
// with or without a byte order mark, whose first line names the columns.
package csvfile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of a file.
const (
	MaxSize = 64 << 20 // bytes
	MaxRows = 100_000
)

// Error says where a file is wrong. Line counts from 1.
type Error struct {
	File   string
	Line   int
	Column string // empty if the whole line is wrong
	Value  string
	Err    error
}

func (e *Error) Error() string {
	place := fmt.Sprintf("%s, line %d", e.File, e.Line)
	if e.Column != "" {
		place += fmt.Sprintf(", column %s", e.Column)
		if e.Value != "" {
			place += fmt.Sprintf(" (%.80q)", e.Value)
		}
	}
	return fmt.Sprintf("%s: %v", place, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Row is a line of a file, cut into columns.
type Row struct {
	File  string
	Line  int
	Value map[string]string // by column
}

// Wrong is an error about one column of the row.
func (r *Row) Wrong(column string, err error) error {
	return &Error{r.File, r.Line, column, r.Value[column], err}
}

// Columns are those of a file, in any order. A row has an empty value for an
// optional column that the file does not have.
type Columns struct {
	Needed, Optional []string
	Repeat           bool // the first column may have a value in several rows
	Most             int  // rows; 0 for MaxRows
}

func (c Columns) String() string {
	names := strings.Join(c.Needed, ",")
	if len(c.Optional) > 0 {
		names += " and perhaps " + strings.Join(c.Optional, ",")
	}
	return names
}

// Read reads a file that has these columns and no others, and at least one row.
// The first column that is needed must not have a value twice, unless columns say
// so. Errors are *Error; name is the file's in them.
func Read(name string, in io.Reader, columns Columns) ([]Row, error) {
	fail := func(line int, column, value string, err error) ([]Row, error) {
		return nil, &Error{name, line, column, value, err}
	}
	data, err := io.ReadAll(io.LimitReader(in, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxSize {
		return fail(1, "", "", fmt.Errorf("the file is larger than %d bytes", MaxSize))
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return fail(1+bytes.Count(data[:invalidAt(data)], []byte("\n")), "", "", errors.New("is not UTF-8 text"))
	}
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return fail(1, "", "", fmt.Errorf("the file is empty: want a first line %s", columns))
	}
	if err != nil {
		return fail(lineOf(err), "", "", err)
	}
	if value, problem := checkHeader(header, columns); problem != nil {
		return fail(1, "", value, problem)
	}
	var rows []Row
	first := map[string]int{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(lineOf(err), "", "", err)
		}
		line, _ := r.FieldPos(0)
		if most := cmp.Or(columns.Most, MaxRows); len(rows) == most {
			return fail(line, "", "", fmt.Errorf("more than %d rows: split the file", most))
		}
		v := Row{name, line, map[string]string{}}
		for i, column := range header {
			v.Value[column] = record[i]
		}
		key := v.Value[columns.Needed[0]]
		if at, twice := first[key]; twice && !columns.Repeat {
			return fail(line, columns.Needed[0], key, fmt.Errorf("stands in line %d too", at))
		}
		first[key] = line
		rows = append(rows, v)
	}
	if len(rows) == 0 {
		return fail(1, "", "", errors.New("the file has no rows"))
	}
	return rows, nil
}

// invalidAt is where data stops being UTF-8.
func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// checkHeader refuses a header that does not name each column once. value is
// the name that is wrong. A first line that names no column is of some other
// file, perhaps of a secret one, and is not repeated.
func checkHeader(header []string, columns Columns) (value string, problem error) {
	known := func(h string) bool { return slices.Contains(columns.Needed, h) || slices.Contains(columns.Optional, h) }
	if !slices.ContainsFunc(header, known) {
		return "", fmt.Errorf("the first line names none of the columns: want %s", columns)
	}
	seen := map[string]bool{}
	for _, h := range header {
		if !known(h) {
			return h, fmt.Errorf("unknown column %.80q: want %s", h, columns)
		}
		if seen[h] {
			return h, fmt.Errorf("column %s stands twice", h)
		}
		seen[h] = true
	}
	for _, c := range columns.Needed {
		if !seen[c] {
			return "", fmt.Errorf("column %s is missing: want %s", c, columns)
		}
	}
	return "", nil
}

// lineOf is the line of an error of the CSV reader.
func lineOf(err error) int {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return p.Line
	}
	return 1
}
