package signer

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
)

// MaxRequestsSize bounds a list of requests, in bytes.
const MaxRequestsSize = csvfile.MaxSize

// Requests is a list of withdrawals that reached this station another way
// than the batch.
type Requests struct {
	name string
	rows map[string]csvfile.Row // by id
}

// requestColumns are those of withdraw import. What no transaction tells of may
// be missing.
var requestColumns = csvfile.Columns{Needed: []string{"id", "asset", "amount", "to"}, Optional: []string{"account", "memo", "signature"}}

// ParseRequests reads a list in the form of withdraw import. name is the file's,
// for errors, which are of class [wallet.ErrUsage].
func ParseRequests(name string, raw []byte) (*Requests, error) {
	rows, err := csvfile.Read(name, bytes.NewReader(raw), requestColumns)
	if err != nil {
		return nil, wallet.As(wallet.ErrUsage, "%w", err)
	}
	q := &Requests{name: name, rows: make(map[string]csvfile.Row, len(rows))}
	for _, row := range rows {
		if err := wallet.CheckID("id", row.Value["id"]); err != nil {
			return nil, wallet.As(wallet.ErrUsage, "%w", row.Wrong("id", err))
		}
		q.rows[row.Value["id"]] = row
	}
	return q, nil
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
	for _, w := range b.Withdrawals() {
		in := &w.Intent
		refuse := func(field, value, why string, args ...any) {
			list = append(list, Refusal{
				Rule: RuleRequests, Item: w.Item, Field: w.Field(field), Value: value, Why: fmt.Sprintf(why, args...),
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
		if problem := names(row.Value["asset"], a, p); problem != "" {
			refuse("asset", in.Asset.String(), "is %.80q in line %d of %s%s", row.Value["asset"], row.Line, q.name, problem)
		} else if want, err := wallet.ParseDecimal(row.Value["amount"], a.Decimals); err != nil || want.Cmp(in.Amount) != 0 {
			refuse("amount", in.Amount.Decimal(a.Decimals), "is %.80q in line %d of %s", row.Value["amount"], row.Line, q.name)
		}
		if to, err := wallet.ParseAddress(row.Value["to"]); err != nil || to != in.Recipient {
			refuse("recipient", in.Recipient.Hex(), "is %.80q in line %d of %s", row.Value["to"], row.Line, q.name)
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
