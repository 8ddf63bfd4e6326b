package store_test

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// checkHoldings compares the order of accounts by what they have, and the sums
// over all accounts, with what the balances add up to.
func checkHoldings(tx store.Tx, owned map[account]wallet.Amount) error {
	totals := map[wallet.AssetID]wallet.Balance{}
	held := map[wallet.AssetID]map[string]wallet.Amount{coin: {}, gold: {}}
	for a, n := range owned {
		if a.owner == wallet.House || a.book > wallet.Paid {
			continue
		}
		if totals[a.asset] == nil {
			totals[a.asset] = wallet.Balance{}
		}
		totals[a.asset][a.book] = totals[a.asset][a.book].Add(n)
		if a.book == wallet.Available && n.Sign() > 0 {
			held[a.asset][a.owner] = n
		}
	}
	have, err := store.Totals(tx, 1)
	if err != nil {
		return err
	}
	for _, t := range have {
		for book, n := range t.Balance {
			if want := totals[t.Asset][book]; n.IsZero() || n.Cmp(want) != 0 {
				return fmt.Errorf("all accounts have %s %s of %s, want %s", n, book, t.Asset, want)
			}
			delete(totals[t.Asset], book)
		}
	}
	for asset, left := range totals {
		for book, n := range left {
			if !n.IsZero() {
				return fmt.Errorf("the totals lack %s %s of %s", n, book, asset)
			}
		}
	}
	for asset, want := range held {
		if err := checkOrder(tx, asset, want); err != nil {
			return err
		}
	}
	return nil
}

// checkOrder reads the holdings of an asset from the first on, from each of them
// on, and down to the amount of each.
func checkOrder(tx store.Tx, asset wallet.AssetID, want map[string]wallet.Amount) error {
	var all []store.Holding
	if err := store.Holdings(tx, asset, nil, wallet.Amount{}, func(h store.Holding) error {
		if n := len(all); n > 0 && all[n-1].Amount.Cmp(h.Amount) < 0 {
			return fmt.Errorf("%v comes after %v", h, all[n-1])
		}
		if n, ok := want[h.Account]; !ok || n.Cmp(h.Amount) != 0 {
			return fmt.Errorf("the order of holdings has %v, want %s", h, n)
		}
		all = append(all, h)
		return nil
	}); err != nil {
		return err
	}
	if len(all) != len(want) {
		return fmt.Errorf("%d accounts hold %s, want %d", len(all), asset, len(want))
	}
	for i, from := range all {
		rest := all[i+1:]
		if err := store.Holdings(tx, asset, &from, wallet.Amount{}, func(h store.Holding) error {
			if len(rest) == 0 || h.Account != rest[0].Account {
				return fmt.Errorf("after %v comes %v, want %v", from, h, rest)
			}
			rest = rest[1:]
			return nil
		}); err != nil {
			return err
		}
		if len(rest) > 0 {
			return fmt.Errorf("after %v nothing comes, want %v", from, rest)
		}
		n, enough := 0, 0
		for _, h := range all {
			if h.Amount.Cmp(from.Amount) >= 0 {
				enough++
			}
		}
		if err := store.Holdings(tx, asset, nil, from.Amount, func(store.Holding) error { n++; return nil }); err != nil {
			return err
		}
		if n != enough {
			return fmt.Errorf("%d accounts hold %s or more, want %d", n, from.Amount, enough)
		}
	}
	return nil
}
