package scanner_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// carol is a customer's address that is made while the chain goes on.
var carol = common.HexToAddress("0x0000000000000000000000000000000000ca201")

func (h *home) addCarol(old bool) {
	h.Helper()
	add := store.AddAddress
	if old {
		add = store.AddOldAddress
	}
	h.update(func(tx store.Tx) error {
		return add(tx, wallet.Address{Address: carol, Role: wallet.DepositRole, Account: "carol", Path: wallet.Path{Index: 40}})
	})
}

// wantCarol expects what carol has of the coin, what the house was booked there
// as an opening balance, and that both together lie there.
func (h *home) wantCarol(available, opening int64) {
	h.Helper()
	if got := h.available("carol", h.coin()); got.Cmp(wallet.NewAmount(available)) != 0 {
		h.Errorf("carol has %s, want %d", got, available)
	}
	if got := h.opening(carol, h.coin()); got.Cmp(wallet.NewAmount(opening)) != 0 {
		h.Errorf("the opening balance is %s, want %d", got, opening)
	}
	h.view(func(tx store.Tx) error {
		c := h.cursor()
		moving, err := store.Unbooked(tx, h.net.ChainID(), c.Head)
		h.ok(err)
		ledger, err := store.LocationBalance(tx, carol, h.coin())
		h.ok(err)
		lies, err := h.client.BalancesAt(h.Context(), []common.Address{carol}, c.HeadHash)
		h.ok(err)
		if books := ledger.Add(moving[store.Place{Address: carol, Asset: h.coin()}]); books.Cmp(wallet.AmountOf(lies[0])) != 0 {
			h.Errorf("the books explain %s, there lies %s", books, lies[0])
		}
		return nil
	})
}

// opening is what is booked as the opening balance of a place.
func (h *home) opening(at common.Address, asset wallet.AssetID) (sum wallet.Amount) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		for n := range h.cursor().Head + 1 {
			list, err := store.EntriesIn(tx, h.net.ChainID(), n)
			h.ok(err)
			for _, e := range list {
				if !strings.Contains(e.ID, "opening:") {
					continue
				}
				for _, p := range e.Postings {
					if p.Location == at && p.Asset == asset {
						sum = sum.Add(p.Amount)
					}
				}
			}
		}
		return nil
	})
	return sum
}

func (h *home) rescan(from uint64) {
	h.Helper()
	_, err := h.scanner(h.db).Rescan(h.Context(), from, 0)
	h.ok(err)
}

// uncompared reads to the head without comparing balances, as where a round has
// not come to the address yet.
func (h *home) uncompared() {
	h.Helper()
	_, err := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, CompareBlocks: -1}).Pass(h.Context())
	h.ok(err)
}

// TestOpeningStands: what a contract paid to an address after its opening
// balance was read stays the customer's, whatever is found on the address later,
// in blocks before that one or after it.
func TestOpeningStands(t *testing.T) {
	for name, c := range map[string]struct {
		before, after int64 // what came before it was ours, and after, and is found late
		want          int64
	}{
		"something before is found late": {before: 100, want: 100},
		"something after is found late":  {after: 30, want: 30},
		"both":                           {before: 100, after: 30, want: 130},
		"nothing":                        {},
	} {
		t.Run(name, func(t *testing.T) {
			h := newUnseenHome(t, wallet.Finality{Confirmations: 1})
			h.pass()
			h.fund(carol, 5) // stays an opening balance
			h.mine(1)
			from := h.cursorOfChain() + 1
			if c.before > 0 {
				h.fund(carol, c.before)
			}
			h.mine(2)
			h.pass()
			h.addCarol(true)
			h.uncompared()
			h.wantCarol(0, 5+c.before)
			var missed common.Hash
			if c.after > 0 {
				missed = h.fund(carol, c.after)
			}
			h.mine(2)
			h.uncompared()
			if c.after > 0 { // as if it had not been found
				h.dropDeposit(h.deposit(missed, wallet.KindNative, 0))
			}
			h.payInside(700, carol)
			h.mine(2)
			h.uncompared()
			for range 2 {
				h.rescan(from)
				h.pass()
				h.wantCarol(700+c.want, 5)
			}
		})
	}
}

// TestOpeningOfNothingStands is TestOpeningStands for an address on which nothing
// lay.
func TestOpeningOfNothingStands(t *testing.T) {
	h := newUnseenHome(t, wallet.Finality{Confirmations: 1})
	h.pass()
	h.mine(1)
	h.addCarol(false)
	h.uncompared()
	h.wantCarol(0, 0)
	missed := h.fund(carol, 30)
	h.mine(1)
	h.uncompared()
	h.dropDeposit(h.deposit(missed, wallet.KindNative, 0))
	h.payInside(700, carol)
	h.mine(1)
	h.uncompared()
	h.rescan(1)
	h.pass()
	h.wantCarol(730, 0)
}

// TestOpeningBeforeBlocks opens a new address where reading stands, so that what
// a contract pays it next is a deposit although nobody traces; where the node
// has forgotten that block, it is an opening balance.
func TestOpeningBeforeBlocks(t *testing.T) {
	for name, fault := range map[string]string{
		"":          "",
		"forgotten": `{"code":-32000,"message":"missing trie node 0123"}`,
		"failing":   `{"code":-32000,"message":"something else"}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newUnseenHome(t, wallet.Finality{Confirmations: 1})
			h.mine(1)
			h.pass()
			h.addCarol(false)
			old := h.cursor().HeadHash
			h.fund(carol, 30)
			h.payInside(700, carol)
			h.mine(2)
			if fault != "" {
				h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
					if r.Method == "eth_getBalance" && strings.Contains(string(r.Params[1]), old.Hex()) {
						a.Result, a.Error = nil, json.RawMessage(fault)
					}
				})
			}
			h.pass()
			if fault == "" {
				h.wantCarol(730, 0)
			} else {
				h.wantCarol(30, 700)
			}
		})
	}
}

// TestOpeningAndReorg reads an opening balance again whose block left the chain,
// also one that was nothing, at the fork: what comes after that is a deposit.
func TestOpeningAndReorg(t *testing.T) {
	for _, before := range []int64{0, 100} {
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			h := newUnseenHome(t, three)
			h.mine(1)
			h.pass()
			if before > 0 {
				h.fund(carol, before)
			}
			h.mine(1)
			fork := h.header(h.cursorOfChain()).Hash()
			h.mine(1)
			h.pass()
			h.addCarol(false)
			h.pass()
			h.wantCarol(0, before)
			h.ok(h.net.Fork(fork))
			h.payInside(700, carol)
			h.fund(carol, 30)
			h.mine(4)
			h.pass()
			h.wantCarol(730, before)
			h.rescan(1)
			h.pass()
			h.wantCarol(730+before, 0)
		})
	}
}

// TestOpeningOfTokenStands leaves a token on an address of a role as it was
// opened when something that came before is found, and what came since.
func TestOpeningOfTokenStands(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
	h.pass()
	h.pay(h.late, 60)
	h.mine(1)
	h.pass()
	h.addLate()
	h.pass()
	h.pay(h.late, 7)
	h.mine(1)
	h.pass()
	if got := h.opening(h.late, h.asset()); got.Cmp(wallet.NewAmount(60)) != 0 {
		t.Errorf("the opening balance is %s", got)
	}
	h.rescan(1)
	c := h.cursor()
	h.checkBalances(c.HeadHash, c.Head) // without another pass
	if got := h.opening(h.late, h.asset()); !got.IsZero() {
		t.Errorf("the opening balance is %s still", got)
	}
	h.pass()
	if got := h.available(wallet.House, h.asset()); got.Cmp(wallet.NewAmount(67)) != 0 {
		t.Errorf("the house has %s", got)
	}
}
