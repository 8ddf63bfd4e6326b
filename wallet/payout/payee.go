package payout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// payeeColumns are the names in the first line of a file of payout addresses. All
// of it is one transaction of the store, for which others wait.
var payeeColumns = csvfile.Columns{Needed: []string{"account", "address"}, Optional: []string{"asset"}, Repeat: true, Most: 10_000}

// checkPayee refuses what payouts must not pay: what no withdrawal may, and our
// own deposit addresses, since that is a transfer which costs gas.
func checkPayee(tx store.Tx, chain uint64, to common.Address) error {
	if err := checkRecipient(tx, chain, to); err != nil {
		return err
	}
	ours, ok, err := store.OurAddress(tx, to)
	if err != nil || !ok {
		return err
	}
	return wallet.WithHint(wallet.As(wallet.ErrUsage, "%s is our own deposit address of account %s", to, strconv.Quote(ours.Account)),
		"airlock ledger transfer moves funds between accounts without gas")
}

// SetPayoutAddress says where payout runs pay an account: an asset, or every one
// that has no address of its own if it is nil. Setting an address, also the same
// again, lets payouts to it that did not end well be tried again.
func (s *Service) SetPayoutAddress(ctx context.Context, account string, asset *wallet.AssetID, to common.Address) (a wallet.PayoutAddress, err error) {
	if err := wallet.CheckID("account", account); err != nil {
		return a, wallet.As(wallet.ErrUsage, "%w", err)
	}
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		if err := checkPayee(tx, s.Chain, to); err != nil {
			return err
		}
		a = wallet.PayoutAddress{Account: account, ChainID: s.Chain, Asset: asset, To: to, SetAt: s.now()}
		return store.PutPayoutAddress(tx, a)
	})
	return a, err
}

// RemovePayoutAddress takes back what SetPayoutAddress set for just this asset,
// or for every one.
func (s *Service) RemovePayoutAddress(ctx context.Context, account string, asset *wallet.AssetID) error {
	return s.DB.Update(ctx, func(tx store.Tx) error {
		ok, err := store.DeletePayoutAddress(tx, account, s.Chain, asset)
		if err == nil && !ok {
			err = wallet.WithHint(wallet.As(wallet.ErrNotFound, "account %s has no such payout address", account), "airlock payouts address list --account %s shows what it has", account)
		}
		return err
	})
}

// PayoutAddresses lists payout addresses by account: of one account if it is
// named, else up to limit, 0 for all, from the account after the given one on.
// more says that the limit left some out; it never parts those of one account.
func (s *Service) PayoutAddresses(ctx context.Context, account, after string, limit int) (list []wallet.PayoutAddress, more bool, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		list, more = []wallet.PayoutAddress{}, false
		take := func(a wallet.PayoutAddress) error {
			if limit > 0 && len(list) >= limit && list[len(list)-1].Account != a.Account {
				more = true
				return store.Stop
			}
			list = append(list, a)
			return nil
		}
		if account != "" {
			return store.PayoutAddressesOf(tx, s.Chain, account, take)
		}
		return store.PayoutAddresses(tx, s.Chain, after, take)
	})
	return list, more, err
}

// ImportPayoutAddresses sets the payout addresses of a CSV file with the columns
// account, address and perhaps asset, which may be empty: all of its rows, or none
// and a *csvfile.Error. What is set already in the same words is known and stays
// as it is. name is the file's, for errors.
func (s *Service) ImportPayoutAddresses(ctx context.Context, name string, in io.Reader) (sum Imported, err error) {
	rows, err := csvfile.Read(name, in, payeeColumns)
	if err == nil {
		err = s.DB.Update(ctx, func(tx store.Tx) error {
			sum = Imported{Rows: len(rows)}
			p := payees{s: s, tx: tx, assets: map[string]wallet.Asset{}, lines: map[string]int{}}
			for _, row := range rows {
				if err := ctx.Err(); err != nil {
					return err
				}
				known, err := p.take(row)
				switch {
				case err != nil:
					return err
				case known:
					sum.Known++
				default:
					sum.New++
				}
			}
			return nil
		})
	}
	if wrong := (*csvfile.Error)(nil); errors.As(err, &wrong) {
		hint := "correct the file and import it again"
		if inner := wallet.Hint(err); inner != "" {
			hint = inner
		}
		err = wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "nothing was imported; %s", hint)
	}
	if err != nil {
		return Imported{}, err
	}
	return sum, nil
}

// payees takes in the rows of a file.
type payees struct {
	s      *Service
	tx     store.Tx
	assets map[string]wallet.Asset // by the name in the file
	lines  map[string]int          // by account and asset
}

func (p *payees) take(row csvfile.Row) (known bool, err error) {
	a := wallet.PayoutAddress{Account: row.Value["account"], ChainID: p.s.Chain, SetAt: p.s.now()}
	if err := wallet.CheckID("account", a.Account); err != nil {
		return false, row.Wrong("account", err)
	}
	if name := row.Value["asset"]; name != "" {
		asset, ok := p.assets[name]
		if !ok {
			if asset, err = store.FindAsset(p.tx, p.s.Chain, name); err != nil {
				return false, wallet.WithHint(row.Wrong("asset", err), "%s", wallet.Hint(err))
			}
			p.assets[name] = asset
		}
		a.Asset = &asset.ID
	}
	if a.To, err = wallet.ParseAddress(row.Value["address"]); err != nil {
		return false, row.Wrong("address", err)
	}
	if err := checkPayee(p.tx, p.s.Chain, a.To); err != nil {
		return false, wallet.WithHint(row.Wrong("address", err), "%s", wallet.Hint(err))
	}
	key := fmt.Sprint(a.Account, "\x00", a.Asset)
	if at, twice := p.lines[key]; twice {
		return false, row.Wrong("account", fmt.Errorf("stands in line %d too, for the same asset", at))
	}
	p.lines[key] = row.Line
	have, ok, err := store.PayoutAddressSet(p.tx, a.Account, a.ChainID, a.Asset)
	if err != nil || ok && have.To == a.To {
		return ok, err
	}
	return false, store.PutPayoutAddress(p.tx, a)
}
