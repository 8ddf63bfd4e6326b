package book

import (
	"context"
	"errors"
	"io"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// transferColumns are the names in the first line of a file of transfers. All of
// it is one transaction of the store, for which others wait.
var transferColumns = csvfile.Columns{
	Needed: []string{"id", "from", "to", "asset", "amount"}, Optional: []string{"memo"}, Most: 10_000,
}

// TransferFile is what TransferAll did.
type TransferFile struct {
	Rows   int             `json:"rows"`
	New    int             `json:"new"`
	Known  int             `json:"known"`  // were booked before with the same content
	Totals []TransferTotal `json:"totals"` // of all rows, in the order in which assets appear
}

// TransferTotal is how much of an asset a file moves.
type TransferTotal struct {
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Amount   wallet.Amount  `json:"amount"` // base units
}

// TransferAll moves funds between accounts as the rows of a CSV file say, one to
// one or one to many: all of them in one transaction, or none and a
// *csvfile.Error. Rows count one after the other, so that an account may give on
// what an earlier row gave it, and none may owe in between. Each is what Transfer
// does: a file that was booked before changes nothing. Assets are of the given
// chain. progress, if set, hears of each row.
func (b *Book) TransferAll(ctx context.Context, chain uint64, name string, in io.Reader, progress func()) (sum TransferFile, err error) {
	rows, err := csvfile.Read(name, in, transferColumns)
	if err == nil {
		err = b.DB.Update(ctx, func(tx store.Tx) error {
			t := fileBooker{b: b, tx: tx, chain: chain, assets: map[string]wallet.Asset{}, totals: map[wallet.AssetID]int{}}
			t.sum.Rows = len(rows)
			for _, row := range rows {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := t.take(row); err != nil {
					return err
				}
				if progress != nil {
					progress()
				}
			}
			sum = t.sum
			return nil
		})
	}
	if err == nil {
		return sum, nil
	}
	if wrong := (*csvfile.Error)(nil); !errors.As(err, &wrong) {
		return TransferFile{}, err
	} else if !errors.Is(err, wallet.ErrConflict) {
		err = wallet.As(wallet.ErrUsage, "%w", err)
	}
	hint := "correct the file and give it again"
	if inner := wallet.Hint(err); inner != "" {
		hint = inner
	}
	return TransferFile{}, wallet.WithHint(err, "nothing was booked; %s", hint)
}

type fileBooker struct {
	b      *Book
	tx     store.Tx
	chain  uint64
	assets map[string]wallet.Asset // by the name in the file
	totals map[wallet.AssetID]int  // the place in sum.Totals
	sum    TransferFile
}

// take books one row.
func (f *fileBooker) take(row csvfile.Row) error {
	t := Transfer{ID: row.Value["id"], From: row.Value["from"], To: row.Value["to"], Memo: row.Value["memo"]}
	if err := wallet.CheckID("id", t.ID); err != nil {
		return row.Wrong("id", err)
	}
	if err := wallet.CheckID("account", t.To); err != nil {
		return row.Wrong("to", err)
	}
	if err := checkGiver(t); err != nil {
		return row.Wrong("from", err)
	}
	asset, ok := f.assets[row.Value["asset"]]
	var err error
	if !ok {
		if asset, err = store.FindAsset(f.tx, f.chain, row.Value["asset"]); err != nil {
			return wallet.WithHint(row.Wrong("asset", err), "%s", wallet.Hint(err))
		}
		f.assets[row.Value["asset"]] = asset
	}
	t.Asset = asset.ID
	if t.Amount, err = wallet.ParseDecimal(row.Value["amount"], asset.Decimals); err != nil {
		return row.Wrong("amount", err)
	}
	if t.Amount.IsZero() {
		return row.Wrong("amount", errors.New("want more than zero"))
	}
	if err := checkMemo(t.Memo); err != nil {
		return row.Wrong("memo", err)
	}
	done, err := f.b.bookIn(f.tx, wallet.EntryTransfer, t)
	switch {
	case errors.Is(err, store.ErrInsufficient):
		return wallet.WithHint(row.Wrong("amount", err), "%s", wallet.Hint(err))
	case errors.Is(err, wallet.ErrConflict) && done.Already:
		return wallet.WithHint(row.Wrong("id", err), "%s", wallet.Hint(err))
	case errors.Is(err, wallet.ErrConflict):
		return wallet.WithHint(row.Wrong("from", err), "%s", wallet.Hint(err))
	case err != nil:
		return err
	}
	f.count(asset, t.Amount, done.Already)
	return nil
}

func (f *fileBooker) count(asset wallet.Asset, amount wallet.Amount, known bool) {
	if known {
		f.sum.Known++
	} else {
		f.sum.New++
	}
	i, ok := f.totals[asset.ID]
	if !ok {
		i = len(f.sum.Totals)
		f.totals[asset.ID] = i
		f.sum.Totals = append(f.sum.Totals, TransferTotal{asset.ID, asset.Symbol, asset.Decimals, wallet.Amount{}})
	}
	f.sum.Totals[i].Amount = f.sum.Totals[i].Amount.Add(amount)
}
