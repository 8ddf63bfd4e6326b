package scanner_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestOldAddress registers an address that was in use before, and reads the
// chain again from a block on: what came from there on is credited, and what
// lay there before is its opening balance, to the wei, of the coin and of a
// token. It does not matter whether a scan came first and booked all of it as
// opening balance, whether the address has passed on what it got, nor how often
// the blocks are read.
func TestOldAddress(t *testing.T) {
	imported := wallet.Path{Role: wallet.ExternalRole, Imported: true}
	for name, c := range map[string]struct {
		path                          wallet.Path
		scannedBefore, emptied, quiet bool
	}{
		"read again at once":          {path: wallet.Path{Index: 40}},
		"scanned before":              {path: wallet.Path{Index: 40}, scannedBefore: true},
		"emptied, read again at once": {path: wallet.Path{Index: 40}, emptied: true},
		"emptied, scanned before":     {path: wallet.Path{Index: 40}, scannedBefore: true, emptied: true},
		"nothing came lately":         {path: wallet.Path{Index: 40}, quiet: true},
		"imported key":                {path: imported, scannedBefore: true},
		"imported key, emptied":       {path: imported, scannedBefore: true, emptied: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
			key, err := crypto.ToECDSA(crypto.Keccak256([]byte("old")))
			h.ok(err)
			s := spender{home: h, who: ourKey{wallet.Address{
				Address: crypto.PubkeyToAddress(key.PublicKey), Role: c.path.Role, Path: c.path, Account: "carol",
			}, key}}
			at := s.who.Address.Address
			h.fund(at, 1e18)
			h.pay(at, 70)
			h.mine(3)
			head, err := h.net.Client().BlockNumber(t.Context())
			h.ok(err)
			from := head + 1
			wei, units := int64(12345), int64(50)
			if c.quiet {
				wei, units = 0, 0
			} else {
				h.fund(at, wei)
				h.pay(at, units)
			}
			if c.emptied {
				h.mine(1)
				s.spend(h.token, new(big.Int), h.call("transfer", h.net.Faucet().Address, big.NewInt(70+units)), 90_000)
			}
			h.mine(3)
			h.pass()
			h.update(func(tx store.Tx) error { return store.AddOldAddress(tx, s.who.Address) })
			h.keys = append(h.keys, s.who)
			if c.scannedBefore {
				h.pass()
			}
			top, err := h.net.Client().HeaderByNumber(t.Context(), nil)
			h.ok(err)
			for range 2 {
				sum, err := h.scanner(h.db).Rescan(t.Context(), from, 0)
				h.ok(err)
				if sum.From != from || sum.To != top.Number.Uint64() {
					t.Errorf("read %d to %d again", sum.From, sum.To)
				}
				h.pass()
				h.checkBalances(top.Hash(), top.Number.Uint64())
				h.wantOld("carol", s.who, wei, units)
			}
		})
	}
}

// wantOld expects what was credited, and that all else that the chain has there
// was an opening balance of the house.
func (h *home) wantOld(account string, who ourKey, wei, units int64) {
	h.Helper()
	for asset, want := range map[wallet.AssetID][2]int64{h.coin(): {wei, 1e18}, h.asset(): {units, 70}} {
		if got := h.available(account, asset); got.Cmp(wallet.NewAmount(want[0])) != 0 {
			h.Errorf("%s has %s of %s, want %d", account, got, asset, want[0])
		}
		var opening wallet.Amount
		h.view(func(tx store.Tx) error {
			list, err := store.EntriesAbove(tx, h.net.ChainID(), 0)
			for _, e := range list {
				for _, p := range e.Postings {
					if e.Kind == wallet.EntryOpening && p.Location == who.Address.Address && p.Asset == asset {
						opening = opening.Add(p.Amount)
					}
				}
			}
			return err
		})
		if opening.Cmp(wallet.NewAmount(want[1])) != 0 {
			h.Errorf("the opening balance of %s is %s, want %d", asset, opening, want[1])
		}
	}
}
