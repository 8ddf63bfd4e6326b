package payout

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// The bounds of an import.
const (
	MaxImportSize = 64 << 20 // bytes
	MaxImportRows = 100_000
)

// columns are the names in the first line of an import, in any order.
var columns = []string{"id", "account", "asset", "amount", "to", "memo"}

// ImportError says where an import is wrong. Line counts from 1.
type ImportError struct {
	File   string
	Line   int
	Column string // empty if the whole line is wrong
	Value  string
	Err    error
}

func (e *ImportError) Error() string {
	place := fmt.Sprintf("%s, line %d", e.File, e.Line)
	if e.Column != "" {
		place += fmt.Sprintf(", column %s", e.Column)
		if e.Value != "" {
			place += fmt.Sprintf(" (%.80q)", e.Value)
		}
	}
	return fmt.Sprintf("%s: %v", place, e.Err)
}

func (e *ImportError) Unwrap() error { return e.Err }

// Imported is what Import did.
type Imported struct {
	Rows  int `json:"rows"`
	New   int `json:"new"`
	Known int `json:"known"` // were requested before with the same content
}

// Import requests the withdrawals of a CSV file (RFC 4180, UTF-8, with or
// without a byte order mark): all of its rows, or none and an *ImportError. The
// first line names the columns id, account, asset, amount, to and memo. name is
// the file's, for errors. Importing a file again changes nothing.
func (s *Service) Import(ctx context.Context, name string, in io.Reader) (Imported, error) {
	rows, err := readRows(name, in)
	if err != nil {
		return Imported{}, err
	}
	var sum Imported
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		sum = Imported{Rows: len(rows)}
		p := importer{s: s, tx: tx, file: name, assets: map[string]wallet.Asset{}}
		for _, row := range rows {
			known, err := p.take(row)
			if err != nil {
				return err
			}
			if known {
				sum.Known++
			} else {
				sum.New++
			}
		}
		return nil
	})
	if err != nil {
		hint := "correct the file and import it again"
		if inner := wallet.Hint(err); inner != "" {
			hint = inner
		}
		return Imported{}, wallet.WithHint(err, "nothing was imported; %s", hint)
	}
	return sum, nil
}

// row is a line of the file, cut into columns.
type row struct {
	line  int
	value map[string]string
}

// readRows reads the file and checks all that needs no store.
func readRows(name string, in io.Reader) ([]row, error) {
	fail := func(line int, column, value string, err error) ([]row, error) {
		return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", &ImportError{name, line, column, value, err}), "nothing was imported; correct the file and import it again")
	}
	data, err := io.ReadAll(io.LimitReader(in, MaxImportSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxImportSize {
		return fail(1, "", "", fmt.Errorf("the file is larger than %d bytes", MaxImportSize))
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return fail(1+bytes.Count(data[:invalidAt(data)], []byte("\n")), "", "", errors.New("is not UTF-8 text"))
	}
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return fail(1, "", "", fmt.Errorf("the file is empty: want a first line %s", strings.Join(columns, ",")))
	}
	if err != nil {
		return fail(lineOf(err), "", "", err)
	}
	if value, problem := checkHeader(header); problem != nil {
		return fail(1, "", value, problem)
	}
	var rows []row
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
		if len(rows) == MaxImportRows {
			return fail(line, "", "", fmt.Errorf("more than %d rows: split the file", MaxImportRows))
		}
		v := row{line, map[string]string{}}
		for i, column := range header {
			v.value[column] = record[i]
		}
		if at, twice := first[v.value["id"]]; twice {
			return fail(line, "id", v.value["id"], fmt.Errorf("stands in line %d too", at))
		}
		first[v.value["id"]] = line
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
// the name that is wrong.
func checkHeader(header []string) (value string, problem error) {
	seen := map[string]bool{}
	for _, h := range header {
		if !slices.Contains(columns, h) {
			return h, fmt.Errorf("unknown column %.80q: want %s", h, strings.Join(columns, ","))
		}
		if seen[h] {
			return h, fmt.Errorf("column %s stands twice", h)
		}
		seen[h] = true
	}
	for _, c := range columns {
		if !seen[c] {
			return "", fmt.Errorf("column %s is missing: want %s", c, strings.Join(columns, ","))
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

type importer struct {
	s      *Service
	tx     store.Tx
	file   string
	assets map[string]wallet.Asset // by the name in the file
}

// take requests one row and reports whether it was known before.
func (p *importer) take(row row) (known bool, err error) {
	fail := func(column string, err error) (bool, error) {
		return false, wallet.As(wallet.ErrUsage, "%w", &ImportError{p.file, row.line, column, row.value[column], err})
	}
	r := wallet.WithdrawalRequest{ID: row.value["id"], Account: row.value["account"], Memo: row.value["memo"]}
	if err := wallet.CheckID("id", r.ID); err != nil {
		return fail("id", err)
	}
	if r.Account != wallet.House {
		if err := wallet.CheckID("account", r.Account); err != nil {
			return fail("account", err)
		}
	}
	asset, ok := p.assets[row.value["asset"]]
	if !ok {
		if asset, err = store.FindAsset(p.tx, p.s.Chain, row.value["asset"]); err != nil {
			return fail("asset", err)
		}
		p.assets[row.value["asset"]] = asset
	}
	r.Asset = asset.ID
	if r.Amount, err = wallet.ParseDecimal(row.value["amount"], asset.Decimals); err != nil {
		return fail("amount", err)
	}
	if r.Amount.IsZero() {
		return fail("amount", errors.New("want more than zero"))
	}
	if r.To, err = wallet.ParseAddress(row.value["to"]); err != nil {
		return fail("to", err)
	}
	if err := checkRecipient(p.tx, p.s.Chain, r.To); err != nil {
		return fail("to", err)
	}
	if len(r.Memo) > maxMemo {
		return fail("memo", fmt.Errorf("%d bytes: want at most %d", len(r.Memo), maxMemo))
	}
	if _, known, err = store.Withdrawal(p.tx, r.ID); err != nil {
		return false, err
	}
	if _, err := p.s.request(p.tx, r); err != nil {
		// Its own class stays: too little available is no fault of the file.
		column := "id"
		if errors.Is(err, store.ErrInsufficient) {
			column = "amount"
		}
		return false, wallet.WithHint(&ImportError{p.file, row.line, column, row.value[column], err}, "%s", wallet.Hint(err))
	}
	return known, nil
}
