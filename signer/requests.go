package signer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Bounds of a list of requests, those of an import online.
const (
	MaxRequestsSize = 64 << 20 // bytes
	maxRequests     = 100_000
)

// Requests is a list of withdrawals that reached this station another way
// than the batch.
type Requests struct {
	name string
	rows map[string]request // by id
}

type request struct {
	line              int
	asset, amount, to string // as written
}

// The columns of a list: those of withdraw import. Account and memo, which no
// transaction tells of, may be missing.
var (
	requestColumns = []string{"id", "account", "asset", "amount", "to", "memo"}
	neededColumns  = []string{"id", "asset", "amount", "to"}
)

// ParseRequests reads a list in the form of withdraw import: CSV (RFC 4180) in
// UTF-8, with or without a byte order mark, whose first line names the
// columns. name is the file's, for errors, which are of class
// [wallet.ErrUsage].
func ParseRequests(name string, raw []byte) (*Requests, error) {
	fail := func(line int, format string, args ...any) (*Requests, error) {
		return nil, wallet.As(wallet.ErrUsage, "%s, line %d: %w", name, line, fmt.Errorf(format, args...))
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if len(raw) > MaxRequestsSize || !utf8.Valid(raw) {
		return fail(1, "want UTF-8 text of at most %d bytes", MaxRequestsSize)
	}
	r := csv.NewReader(bytes.NewReader(raw))
	header, err := r.Read()
	if err != nil {
		return fail(1, "want the columns %s: %w", strings.Join(requestColumns, ","), err)
	}
	at := map[string]int{}
	for i, column := range header {
		if _, twice := at[column]; twice || !slices.Contains(requestColumns, column) {
			return fail(1, "column %.80q stands twice or is unknown: want %s", column, strings.Join(requestColumns, ","))
		}
		at[column] = i
	}
	for _, column := range neededColumns {
		if _, ok := at[column]; !ok {
			return fail(1, "column %s is missing", column)
		}
	}
	q := &Requests{name: name, rows: map[string]request{}}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return q, nil
		}
		if err != nil {
			return nil, wallet.As(wallet.ErrUsage, "%s: %w", name, err) // names the line
		}
		line, _ := r.FieldPos(0)
		id := row[at["id"]]
		if err := wallet.CheckID("id", id); err != nil {
			return fail(line, "column id: %w", err)
		}
		if first, twice := q.rows[id]; twice {
			return fail(line, "column id: %q stands in line %d too", id, first.line)
		}
		if len(q.rows) == maxRequests {
			return fail(line, "more than %d rows", maxRequests)
		}
		q.rows[id] = request{line, row[at["asset"]], row[at["amount"]], row[at["to"]]}
	}
}

// Compare refuses a batch that holds a withdrawal which the list does not, or
// has with another asset, amount or recipient. It returns how many requests
// are not in the batch, which is no fault: another batch may pay them. The
// policy must have allowed the batch, because it is what vouches for symbols
// and decimals. It is pure.
func (q *Requests) Compare(b *batch.Batch, p *policy.Policy) (left int, err error) {
	assets := make(map[wallet.AssetID]batch.Asset, len(b.Assets))
	for _, a := range b.Assets {
		assets[a.Asset] = a
	}
	var list []Refusal
	found := 0
	for i := range b.Items {
		in := &b.Items[i].Intent
		if in.Kind != wallet.IntentWithdrawal {
			continue
		}
		refuse := func(field, value, why string, args ...any) {
			list = append(list, Refusal{
				Rule: RuleRequests, Item: i, Field: fmt.Sprintf("/items/%d/intent/%s", i, field), Value: value, Why: fmt.Sprintf(why, args...),
				Hint: "nobody asked for this payment in the list: find out where the batch got it before you sign anything",
			})
		}
		row, ok := q.rows[in.ID]
		if !ok {
			refuse("id", fmt.Sprintf("%q", in.ID), "is not in %s", q.name)
			continue
		}
		found++
		a := assets[in.Asset]
		if problem := names(row.asset, a, p); problem != "" {
			refuse("asset", in.Asset.String(), "is %.80q in line %d of %s%s", row.asset, row.line, q.name, problem)
		} else if want, err := wallet.ParseDecimal(row.amount, a.Decimals); err != nil || want.Cmp(in.Amount) != 0 {
			refuse("amount", in.Amount.Decimal(a.Decimals), "is %.80q in line %d of %s", row.amount, row.line, q.name)
		}
		if to, err := wallet.ParseAddress(row.to); err != nil || to != in.Recipient {
			refuse("recipient", in.Recipient.Hex(), "is %.80q in line %d of %s", row.to, row.line, q.name)
		}
	}
	return len(q.rows) - found, refused(list...)
}

// names says why the text of a list does not name an asset, or "" if it does:
// by its CAIP-19 id, its contract, or its symbol in any case, if the policy
// has no other asset of that symbol on the chain.
func names(text string, a batch.Asset, p *policy.Policy) string {
	if text == a.Asset.String() {
		return ""
	}
	if contract, err := wallet.ParseAddress(text); err == nil && contract == a.Asset.Contract && contract != (common.Address{}) {
		return ""
	}
	if !strings.EqualFold(text, a.Symbol) {
		return ", which is another asset"
	}
	for id, other := range p.Assets {
		if id != a.Asset && id.ChainID == a.Asset.ChainID && strings.EqualFold(text, other.Symbol) {
			return ", which may be another asset of the policy"
		}
	}
	return ""
}
