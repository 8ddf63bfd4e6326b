package payout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// columns are the names in the first line of an import. A signature column has
// those of the requesters, ADDRESS:SIGNATURE, with spaces between several.
var columns = csvfile.Columns{Needed: []string{"id", "account", "asset", "amount", "to", "memo"}, Optional: []string{"signature"}}

// Imported is what Import did.
type Imported struct {
	Rows  int `json:"rows"`
	New   int `json:"new"`
	Known int `json:"known"` // were requested before with the same content
}

// Import requests the withdrawals of a CSV file (RFC 4180, UTF-8, with or
// without a byte order mark): all of its rows, or none and a *csvfile.Error. The
// first line names the columns id, account, asset, amount, to, memo, and perhaps
// signature. name is the file's, for errors. Importing a file again changes
// nothing, but takes in signatures that it has now.
func (s *Service) Import(ctx context.Context, name string, in io.Reader) (Imported, error) {
	rows, err := readRows(name, in)
	if err != nil {
		return Imported{}, err
	}
	var sum Imported
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		sum = Imported{Rows: len(rows)}
		p := importer{s: s, tx: tx, assets: map[string]wallet.Asset{}}
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

// readRows reads the file and checks all that needs no store.
func readRows(name string, in io.Reader) ([]csvfile.Row, error) {
	rows, err := csvfile.Read(name, in, columns)
	var wrong *csvfile.Error
	if errors.As(err, &wrong) {
		err = wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "nothing was imported; correct the file and import it again")
	}
	return rows, err
}

type importer struct {
	s      *Service
	tx     store.Tx
	assets map[string]wallet.Asset // by the name in the file
}

// take requests one row and reports whether it was known before.
func (p *importer) take(row csvfile.Row) (known bool, err error) {
	fail := func(column string, err error) (bool, error) {
		return false, wallet.As(wallet.ErrUsage, "%w", row.Wrong(column, err))
	}
	r := wallet.WithdrawalRequest{ID: row.Value["id"], Account: row.Value["account"], Memo: row.Value["memo"]}
	if err := wallet.CheckID("id", r.ID); err != nil {
		return fail("id", err)
	}
	if r.Account != wallet.House {
		if err := wallet.CheckID("account", r.Account); err != nil {
			return fail("account", err)
		}
	}
	asset, ok := p.assets[row.Value["asset"]]
	if !ok {
		if asset, err = store.FindAsset(p.tx, p.s.Chain, row.Value["asset"]); err != nil {
			return fail("asset", err)
		}
		p.assets[row.Value["asset"]] = asset
	}
	r.Asset = asset.ID
	if r.Amount, err = wallet.ParseDecimal(row.Value["amount"], asset.Decimals); err != nil {
		return fail("amount", err)
	}
	if r.Amount.IsZero() {
		return fail("amount", errors.New("want more than zero"))
	}
	if r.To, err = wallet.ParseAddress(row.Value["to"]); err != nil {
		return fail("to", err)
	}
	if err := checkRecipient(p.tx, p.s.Chain, r.To); err != nil {
		return fail("to", err)
	}
	if len(r.Memo) > maxMemo {
		return fail("memo", fmt.Errorf("%d bytes: want at most %d", len(r.Memo), maxMemo))
	}
	if r.RequestedBy, err = ParseRequesters(strings.Fields(row.Value["signature"])); err != nil {
		return fail("signature", err)
	}
	if err := checkRequesters(r); err != nil {
		return fail("signature", err)
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
		return false, wallet.WithHint(row.Wrong(column, err), "%s", wallet.Hint(err))
	}
	return known, nil
}
