package scanner_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
)

var safe = wallet.Finality{Tag: "safe"}

// alarms are the codes of the alarms that stand.
func alarms(list []wallet.Alarm) string {
	codes := make([]string, len(list))
	for i, a := range list {
		codes[i] = string(a.Code)
	}
	return strings.Join(codes, " ")
}

// try makes a pass that may end with an alarm.
func (h *home) try() scanner.Summary {
	h.Helper()
	sum, err := h.scanner(h.db).Pass(h.Context())
	var alarm *wallet.AlarmError
	if err != nil && !errors.As(err, &alarm) && !errors.Is(err, scanner.ErrFinalChanged) {
		h.Fatal(err)
	}
	if err != nil && (len(sum.Alarms) == 0 || wallet.Hint(err) == "") {
		h.Errorf("%v, without an alarm or a way out: %+v", err, sum.Alarms)
	}
	return sum
}

// tagAt has a node say that a tag stands at a block, of another branch if fork.
func (h *home) tagAt(tag string, n uint64, fork bool) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		if r.Method != "eth_getBlockByNumber" || string(r.Params[0]) != `"`+tag+`"` {
			return
		}
		head := h.head()
		header, err := h.net.Client().HeaderByNumber(h.Context(), new(big.Int).SetUint64(min(n, head)))
		if err != nil {
			h.Error(err)
			return
		}
		header.Number.SetUint64(n) // above the head nobody has the block
		if fork {
			header.Extra = []byte("fork")
		}
		a.Error = nil
		a.Result, err = json.Marshal(header)
		if err != nil {
			h.Error(err)
		}
	}
}

func both(rules ...faulty.Rule) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		for _, rule := range rules {
			rule(r, a)
		}
	}
}

// TestInjectedTags has nodes say of their tags what no chain would do. What was
// credited and final stays so; anything else is so only by a tag at a block
// that was read.
//
// Before, bob's deposit is in block 13 and pending, the head is 15, 6 is final
// and 9 safe.
func TestInjectedTags(t *testing.T) {
	const lies = `{"code":-39001,"message":"Unknown block"}`
	for name, c := range map[string]struct {
		finality wallet.Finality
		first    func(h *home) faulty.Rule // of the first endpoint, or of the only one
		second   func(h *home) faulty.Rule // of the second, if there is one
		credited uint64
		final    uint64
		alarms   string
		unsure   bool // fewer than a quorum say where the tag stands
	}{
		"above the head": {
			finality: finalized, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 40, false) },
			credited: 6, final: 6,
		},
		"goes back": {
			finality: finalized, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 3, false) },
			credited: 6, final: 6,
		},
		"moves on": {
			finality: finalized, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 14, false) },
			credited: 14, final: 14,
		},
		"at an unknown hash": {
			finality: finalized, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 14, true) },
			credited: 6, final: 6, alarms: "tag-elsewhere",
		},
		"at an unknown hash below the final block": {
			finality: finalized, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 5, true) },
			credited: 6, final: 6, alarms: "tag-elsewhere",
		},
		"safe at an unknown hash": {
			finality: safe, first: func(h *home) faulty.Rule { return h.tagAt("safe", 14, true) },
			credited: 9, final: 6, alarms: "tag-elsewhere",
		},
		"safe at an unknown hash, which credits nothing": {
			finality: finalized, first: func(h *home) faulty.Rule {
				return both(h.tagAt("safe", 14, true), h.tagAt("finalized", 13, false))
			},
			credited: 13, final: 13,
		},
		"safe far ahead of finalized": {
			finality: safe, first: func(h *home) faulty.Rule { return h.tagAt("safe", 15, false) },
			credited: 15, final: 8,
		},
		"safe behind finalized": {
			finality: safe, first: func(h *home) faulty.Rule {
				return both(h.tagAt("safe", 10, false), h.tagAt("finalized", 14, false))
			},
			credited: 10, final: 14,
		},
		"both above the head, after a fork": {
			finality: safe, first: func(h *home) faulty.Rule {
				return both(h.tagAt("safe", 40, true), h.tagAt("finalized", 40, true))
			},
			credited: 9, final: 6,
		},
		"one endpoint lies above the head": {
			finality: finalized, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 40, true) },
			second:   func(*home) faulty.Rule { return nil },
			credited: 8, final: 8,
		},
		"missing at one endpoint": {
			finality: finalized, first: func(*home) faulty.Rule { return nil },
			second:   func(*home) faulty.Rule { return tagRule("finalized", "", lies) },
			credited: 6, final: 6, unsure: true,
		},
		"missing everywhere": {
			finality: finalized, first: func(*home) faulty.Rule { return tagRule("finalized", "", lies) },
			credited: 6, final: 6,
		},
		"confirmations do not ask": {
			finality: three, first: func(h *home) faulty.Rule { return h.tagAt("finalized", 40, true) },
			credited: 13, final: 6,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, c.finality, chaintest.SimulatedOptions{Finality: 7})
			h.mine(11 - int(h.head()))
			var second *faulty.Proxy
			if c.second != nil {
				second = h.second()
			}
			h.mine(13 - 11 - 1)
			h.mine(1)
			h.pass()
			before := h.cursor()
			if before.Head != 13 || before.Final != 6 {
				t.Fatalf("not as planned: %+v", before)
			}
			h.mine(2)
			h.proxy.Rule(c.first(h))
			if second != nil {
				second.Rule(c.second(h))
			}
			for range 2 {
				if c.unsure {
					_, err := h.scanner(h.db).Pass(t.Context())
					var few *chain.TagError
					if !errors.As(err, &few) {
						t.Errorf("want too few that say where the tag stands: %v", err)
					}
					continue
				}
				sum := h.try()
				if have := alarms(sum.Alarms); have != c.alarms {
					t.Errorf("alarms %q, want %q", have, c.alarms)
				}
			}
			if now := h.cursor(); now.Head != 15 || now.Credited != c.credited || now.Final != c.final {
				t.Errorf("%+v, want credited %d and final %d; it was %+v", now, c.credited, c.final, before)
			}
			h.proxy.Rule(nil)
			if second != nil {
				second.Rule(nil)
			}
			sum := h.try()
			if have := alarms(sum.Cleared); have != c.alarms || len(sum.Alarms) != 0 {
				t.Errorf("ended %q, want %q; left are %+v", have, c.alarms, sum.Alarms)
			}
			if now := h.cursor(); now.Final < 8 {
				t.Errorf("in the end %+v", now)
			}
		})
	}
}

// TestFinalityStops raises an alarm while no block becomes final for too long,
// credits and finalizes nothing by the tag, and goes on once one does.
func TestFinalityStops(t *testing.T) {
	for name, c := range map[string]struct {
		finality wallet.Finality
		limit    time.Duration
		stale    string // tag that stays behind
		young    bool   // and stands at no block at all
		credited bool
		alarm    bool
	}{
		"finalized":                      {finality: finalized, stale: "finalized", alarm: true},
		"finalized, no limit":            {finality: finalized, stale: "finalized", limit: -1},
		"finalized, a longer limit":      {finality: finalized, stale: "finalized", limit: 12 * time.Hour},
		"safe":                           {finality: safe, stale: "safe", alarm: true},
		"safe goes on without finalized": {finality: safe, stale: "finalized", alarm: true, credited: true},
		"confirmations":                  {finality: three, stale: "finalized", alarm: true, credited: true},
		"none ever":                      {finality: finalized, stale: "finalized", young: true, alarm: true},
		"none ever, no limit":            {finality: finalized, stale: "finalized", young: true, limit: -1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, c.finality, chaintest.SimulatedOptions{Finality: 2})
			pass := func() (scanner.Summary, error) {
				return scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, FinalityAlarm: c.limit}).Pass(t.Context())
			}
			h.mine(9 - int(h.head()))
			at := uint64(7)
			if c.young {
				at = 0
			} else {
				_, err := pass()
				h.ok(err)
			}
			before := h.cursor()
			tx := h.fund(h.address(alice), 1000)
			h.mine(3)
			h.ok(h.net.AdjustTime(2*time.Hour + time.Minute))
			h.mine(3)
			h.proxy.Rule(h.tagAt(c.stale, at, false))
			var since time.Time
			for range 2 {
				sum, err := pass()
				var alarm *wallet.AlarmError
				if errors.As(err, &alarm) != c.alarm || (err != nil) != c.alarm {
					t.Fatalf("%v, alarm wanted: %v", err, c.alarm)
				}
				if !c.alarm {
					continue
				}
				a := sum.Alarms[0]
				if len(sum.Alarms) != 1 || a.Code != wallet.AlarmStalled || a.Block != at || !strings.Contains(a.Text, "2h") || !strings.Contains(a.Hint, "finality_alarm") {
					t.Errorf("%+v", sum.Alarms)
				}
				if !since.IsZero() && !a.Since.Equal(since) {
					t.Errorf("since %s, then %s", since, a.Since)
				}
				since = a.Since
			}
			d := h.deposit(tx, wallet.KindNative, 0)
			if is := d.Status == wallet.DepositConfirmed; is != c.credited {
				t.Errorf("the deposit is %s, credited wanted: %v", d.Status, c.credited)
			}
			if now := h.cursor(); c.stale == "finalized" && now.Final != before.Final || now.Head != h.head() {
				t.Errorf("%+v, was %+v", now, before)
			}
			h.proxy.Rule(nil)
			h.mine(3)
			sum, err := pass()
			h.ok(err)
			if len(sum.Alarms) != 0 || (len(sum.Cleared) == 1) != c.alarm {
				t.Errorf("alarms %+v, ended %+v", sum.Alarms, sum.Cleared)
			}
			h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
		})
	}
}

// TestCatchingUpWhileFinalityStands credits nothing by an old tag either where
// the blocks below it were never read before.
func TestCatchingUpWhileFinalityStands(t *testing.T) {
	h := newHome(t, finalized, chaintest.SimulatedOptions{Finality: 2})
	tx := h.fund(h.address(alice), 1000)
	h.mine(9)
	h.proxy.Rule(h.tagAt("finalized", 7, false))
	h.ok(h.net.AdjustTime(2 * time.Hour))
	if sum := h.try(); alarms(sum.Alarms) != "finality-stalled" {
		t.Errorf("%+v", sum.Alarms)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)
	if c := h.cursor(); c.Final != 0 || c.Credited != 0 || c.Head != h.head() {
		t.Errorf("%+v", c)
	}
}

// TestFinalBlockIsBack goes on by itself once a quorum of the endpoints holds
// again what was final.
func TestFinalBlockIsBack(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
	second := h.second()
	h.fund(h.address(alice), 1000)
	h.mine(6)
	h.pass()
	before := h.cursor()
	h.proxy.Rule(faulty.Elsewhere(2))
	second.Rule(faulty.Elsewhere(2))
	h.mine(1)
	for range 2 {
		if sum := h.try(); alarms(sum.Alarms) != "final-changed" || sum.Alarms[0].Block != before.Final || sum.Alarms[0].Was != before.FinalHash {
			t.Fatalf("%+v", sum.Alarms)
		}
	}
	h.proxy.Rule(nil)
	_, err := h.scanner(h.db).Pass(t.Context())
	if !errors.Is(err, scanner.ErrFinalChanged) || h.cursor() != before {
		t.Errorf("with one of two endpoints: %v, %+v", err, h.cursor())
	}
	if _, err := h.scanner(h.db).AcceptFinal(t.Context()); err == nil {
		t.Error("one endpoint was enough to follow another branch")
	}
	second.Rule(nil)
	sum := h.pass()
	if alarms(sum.Cleared) != "final-changed" || len(sum.Alarms) != 0 || h.cursor().Head != h.head() {
		t.Errorf("%+v, %+v", sum, h.cursor())
	}
	h.checkHome()
}

// TestAcceptFinal follows a chain whose final block changed once the operator
// says so: what was credited in the blocks that left is taken back, and what is
// mined again is the same deposit.
func TestAcceptFinal(t *testing.T) {
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprintf("mined again %v", again), func(t *testing.T) {
			h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
			ctx := t.Context()
			early := h.fund(h.address(bob), 5)
			h.pay(h.address(alice), 1000)
			h.fund(h.address(alice), 1e18)
			h.mine(1)
			_, err := h.send(alice, &h.token, 0, h.call("approve", h.net.Faucet().Address, big.NewInt(1e9)), 90_000)
			h.ok(err)
			h.mine(1)
			forkAt := h.head()
			tx := h.fund(h.address(alice), 1e9)
			own, err := h.send(alice, &h.late, 7, nil, 21_000)
			h.ok(err)
			raw, _, err := h.net.Client().TransactionByHash(ctx, own)
			h.ok(err)
			h.mine(1)
			_, err = h.net.Send(ctx, chaintest.Call{To: &h.token, Data: h.call("transferFrom", h.address(alice), h.address(bob), big.NewInt(400))})
			h.ok(err)
			h.mine(6)
			h.pass()
			before := h.cursor()
			h.update(func(db store.Tx) error { // as confirming does
				mined, err := store.UnsettledMined(db, h.net.ChainID(), forkAt+1, before.Final)
				h.ok(err)
				if len(mined) != 1 {
					t.Fatalf("%d transactions of ours", len(mined))
				}
				mined[0].Settled = true
				h.ok(store.PutMined(db, mined[0]))
				return store.Book(db, wallet.Entry{
					ID: "own", ChainID: h.net.ChainID(), Kind: wallet.EntryUnknown, Time: clock, Block: mined[0].BlockNumber,
					Postings: wallet.Move(h.coin(), mined[0].Cost().Add(mined[0].Value),
						wallet.Posting{Location: h.address(alice), Owner: wallet.House, Book: wallet.Available},
						wallet.Posting{Owner: wallet.House, Book: wallet.Unknown}),
				})
			})
			if _, err := h.scanner(h.db).AcceptFinal(ctx); !errors.Is(err, wallet.ErrRefused) {
				t.Errorf("accepted where nothing changed: %v", err)
			}

			h.ok(h.net.Reorg(ctx, int(h.head()-forkAt)))
			if !again {
				h.net.Rollback()
			}
			h.mine(2)
			h.try()
			if now := h.cursor(); now != before {
				t.Fatalf("%+v, was %+v", now, before)
			}
			sum, err := h.scanner(h.db).AcceptFinal(ctx)
			h.ok(err)
			if sum.Undone != before.Head-forkAt || sum.Orphaned != 1 || alarms(sum.Cleared) != "final-changed" || len(sum.Alarms) != 0 {
				t.Errorf("%+v", sum)
			}
			h.wantStatus(h.deposit(early, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
			want, events := wallet.DepositOrphaned, []wallet.EventType{detected, confirmed, orphaned}
			if again {
				want, events = wallet.DepositConfirmed, append(events, detected, confirmed)
			}
			h.wantStatus(h.deposit(tx, wallet.KindNative, 0), want, events...)
			h.wantVanished(again)
			head, err := h.net.Client().HeaderByNumber(ctx, nil)
			h.ok(err)
			h.checkBalances(head.Hash(), head.Number.Uint64())
			if again { // and leaves once more, as it may before it is final
				h.ok(h.net.Reorg(ctx, 2))
				h.net.Rollback()
				h.mine(1)
				h.pass()
				h.wantVanished(false)
				h.ok(h.net.Client().SendTransaction(ctx, raw))
				h.mine(1)
				h.pass()
				h.wantVanished(true)
			}
			h.mine(4)
			h.pass()
			head, err = h.net.Client().HeaderByNumber(ctx, nil)
			h.ok(err)
			h.checkBalances(head.Hash(), head.Number.Uint64())
			if frozen := h.frozen("alice"); frozen != "" {
				t.Errorf("alice, who spent nothing, is frozen: %s", frozen)
			}
		})
	}
}

// wantVanished wants one transaction of ours that vanished.
func (h *home) wantVanished(found bool) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		gone, err := store.AllVanished(tx, h.net.ChainID())
		if len(gone) != 1 || (gone[0].Found != nil) != found {
			h.Errorf("vanished, and found again: %v: %+v", found, gone)
		}
		return err
	})
}

// TestAcceptFinalWithoutHashes follows a fork below the hashes that are kept
// from the last mark on, and refuses one below all of them.
func TestAcceptFinalWithoutHashes(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
	h.fund(h.address(alice), 1000)
	h.mine(8)
	h.pass()
	depth := int(h.head() - 5)
	kept, gone := uint64(1), uint64(6) // as if pruned: a lower block stands for a mark
	h.update(func(tx store.Tx) error { return store.DeleteBlockHashes(tx, h.net.ChainID(), kept+1, gone-1) })
	h.ok(h.net.Reorg(t.Context(), depth))
	h.mine(1)
	h.try()
	sum, err := h.scanner(h.db).AcceptFinal(t.Context())
	h.ok(err)
	if sum.To != h.head() || len(sum.Alarms) != 0 {
		t.Errorf("%+v", sum)
	}
	h.checkHome()

	final := h.cursor().Final
	h.update(func(tx store.Tx) error {
		h.ok(store.DeleteBlockMarks(tx, h.net.ChainID(), 0))
		return store.DeleteBlockHashes(tx, h.net.ChainID(), 0, final-1)
	})
	h.ok(h.net.Reorg(t.Context(), 6))
	h.mine(1)
	h.try()
	before := h.cursor()
	if _, err := h.scanner(h.db).AcceptFinal(t.Context()); !errors.Is(err, scanner.ErrTooDeep) || wallet.Hint(err) == "" || h.cursor() != before {
		t.Errorf("no hash below: %v", err)
	}
}

// TestSecondReading finds behind finality what the first reading of a block had
// not, asks the other endpoint for it, credits it and raises an alarm, which a
// reading of the same blocks without news ends.
func TestSecondReading(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 4})
	second := h.second()
	tx := h.fund(h.address(alice), 1000)
	h.mine(1)
	h.pass()
	lost := h.deposit(tx, wallet.KindNative, 0)
	// As if the first reading had missed it.
	h.dropDeposit(lost)
	h.mine(7)
	before := second.Seen("eth_getBlockReceipts")
	sum := h.try()
	if len(sum.Found) != 1 || sum.Found[0] != (scanner.Found{Block: lost.BlockNumber, Kind: "deposit", ID: lost.ID}) || alarms(sum.Alarms) != "missed" {
		t.Fatalf("found %+v, alarms %+v", sum.Found, sum.Alarms)
	}
	if second.Seen("eth_getBlockReceipts") == before {
		t.Error("the other endpoint was not asked")
	}
	if d := h.deposit(tx, wallet.KindNative, 0); d.Status != wallet.DepositConfirmed {
		t.Errorf("it is %s", d.Status)
	}
	h.mine(2)
	if sum := h.pass(); len(sum.Found) != 0 || alarms(sum.Alarms) != "missed" {
		t.Errorf("later: %+v", sum)
	}
	if c := h.cursor(); c.Reread != c.Final {
		t.Errorf("%+v", c)
	}
	again, err := h.scanner(h.db).Rescan(t.Context(), lost.BlockNumber+1, 0)
	h.ok(err)
	if len(again.Cleared) != 0 {
		t.Error("blocks above it ended the alarm")
	}
	again, err = h.scanner(h.db).Rescan(t.Context(), lost.BlockNumber, 0)
	h.ok(err)
	if alarms(again.Cleared) != "missed" || len(h.pass().Alarms) != 0 {
		t.Errorf("%+v", again)
	}
	h.checkHome()
}

// TestSecondReadingOfAnOpening takes what had come to an address before it was
// ours for no surprise.
func TestSecondReadingOfAnOpening(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 4})
	h.mine(1)
	h.fund(h.late, 100)
	h.mine(1)
	h.pass()
	h.addLate()
	h.pass()
	h.mine(5)
	if sum := h.pass(); len(sum.Found) != 0 || len(sum.Alarms) != 0 || sum.Deposits != 1 || h.cursor().Reread != h.cursor().Final {
		t.Errorf("%+v", sum)
	}
	h.checkHome()
}

// dropDeposit has the store forget a deposit and its credit.
func (h *home) dropDeposit(d wallet.Deposit) {
	h.Helper()
	h.update(func(tx store.Tx) error {
		e, ok, err := store.EntryByID(tx, "deposit:"+d.ID)
		h.ok(err)
		if ok {
			e.ID, e.Postings = "lost:"+e.ID, slices.Clone(e.Postings)
			for i := range e.Postings {
				e.Postings[i].Amount = e.Postings[i].Amount.Neg()
			}
			h.ok(store.Book(tx, e))
		}
		var keys [][]byte
		h.ok(tx.Scan(store.Range{From: []byte("dep"), To: []byte("deq")}, func(k, _ []byte) error {
			if bytes.Contains(k, []byte(d.ID)) {
				keys = append(keys, bytes.Clone(k))
			}
			return nil
		}))
		for _, k := range keys {
			h.ok(tx.Delete(k))
		}
		return nil
	})
}

// TestSecondReadingIsBounded reads no more than it is told to, leaves alone what
// lies below after catching up, and is not stopped by an endpoint that is
// elsewhere.
func TestSecondReadingIsBounded(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 4})
	h.mine(30)
	// Endpoints of its own for each pass: what a pass fetched ahead and gave up
	// may reach a node after it.
	read := func() (receipts, news uint64) {
		proxies := []*faulty.Proxy{h.another(), h.another(), h.another()}
		proxies[2].Rule(faulty.Elsewhere(2))
		h.proxy = proxies[0]
		h.join(proxies[1].URL, proxies[2].URL)
		from := h.cursor().Head
		_, err := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, BackupBlocks: 6}).Pass(t.Context())
		h.ok(err)
		for _, p := range proxies {
			receipts += uint64(p.Seen("eth_getBlockReceipts"))
		}
		return receipts, h.cursor().Head - from
	}
	all, news := read()
	t.Logf("%d receipts for %d blocks", all, news)
	if c := h.cursor(); c.Reread != c.Final || all > news+3*6+4 {
		t.Errorf("%d blocks read for %d new ones, %+v", all, news, c)
	}
	if all, news := read(); all != 0 || news != 0 {
		t.Errorf("%d blocks read again without news", all)
	}
}
