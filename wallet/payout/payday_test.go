package payout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// healthy is a node that says of itself what a test wants.
type healthy struct {
	*chain.Client
	states []chain.Readiness
}

func (h healthy) Readiness(context.Context) []chain.Readiness {
	if h.states == nil {
		return []chain.Readiness{{Host: "node", HeadTime: time.Now()}}
	}
	return h.states
}

func (w *world) payday(o PaydayOptions) Payday {
	w.Helper()
	d, err := w.tryPayday(o)
	w.must(err)
	return d
}

func (w *world) tryPayday(o PaydayOptions) (Payday, error) {
	if o.Asset == (wallet.AssetID{}) {
		o.Asset = coinID
	}
	if o.Threshold.IsZero() {
		o.Threshold = ether
	}
	return w.s.Payday(w.ctx, healthy{Client: w.client}, o)
}

func (w *world) payee(account string, to common.Address) {
	w.Helper()
	_, err := w.s.SetPayoutAddress(w.ctx, account, nil, to)
	w.must(err)
}

var credits int

func (w *world) credit(account string, asset wallet.AssetID, amount wallet.Amount) {
	w.Helper()
	credits++
	w.update(func(tx store.Tx) error {
		return store.Book(tx, wallet.Entry{
			ID: fmt.Sprint("credit:", credits), ChainID: asset.ChainID, Kind: wallet.EntryCredit, Time: w.time,
			Postings: wallet.Move(asset, amount,
				wallet.Posting{Owner: wallet.House, Book: wallet.Available}, wallet.Posting{Owner: account, Book: wallet.Available}),
		})
	})
}

// pay brings all that is requested to finality.
func (w *world) pay() {
	w.Helper()
	for _, v := range w.list(wallet.WithdrawalRequested) {
		w.approve(v.ID)
	}
	w.broadcast(w.build().Batch)
	w.finish()
	w.finish()
}

func (w *world) list(status wallet.WithdrawalStatus) []outgoing.Withdrawal {
	w.Helper()
	list, err := w.s.List(w.ctx, Filter{Status: status})
	w.must(err)
	return list
}

func codes(d Payday) map[string]string {
	all := map[string]string{}
	for _, u := range d.Unpaid {
		all[u.Account] = u.Code
	}
	return all
}

func TestPaydayPaysWhoHasTheThreshold(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	accounts := map[string]wallet.Amount{
		"rich": ether.Mul(3), "even": ether, "poor": ether.Sub(wallet.NewAmount(1)),
		"nowhere": ether.Mul(4), "frozen": ether.Mul(5), "burner": ether.Mul(6), strings.Repeat("long", 32): ether.Mul(2),
	}
	for account, amount := range accounts {
		w.credit(account, coinID, amount)
		if account != "nowhere" {
			w.payee(account, someone(account))
		}
	}
	w.update(func(tx store.Tx) error {
		if err := store.Freeze(tx, "frozen", "owes"); err != nil {
			return err
		}
		// Set when it was no token contract yet.
		return store.PutPayoutAddress(tx, wallet.PayoutAddress{Account: "burner", ChainID: w.s.Chain, To: w.token})
	})
	dry := w.payday(PaydayOptions{DryRun: true})
	if n := len(w.list("")); n != 0 {
		t.Fatalf("a dry run requested %d withdrawals", n)
	}
	d := w.payday(PaydayOptions{ID: "march"})
	if fmt.Sprint(codes(dry)) != fmt.Sprint(codes(d)) || len(dry.Payments) != len(d.Payments) {
		t.Errorf("a dry run told %+v, the run %+v", dry, d)
	}
	want := map[string]string{"alice": UnpaidNoAddress, "nowhere": UnpaidNoAddress, "frozen": UnpaidFrozen, "burner": UnpaidRecipient}
	if fmt.Sprint(codes(d)) != fmt.Sprint(want) {
		t.Errorf("left out %v, want %v", codes(d), want)
	}
	if len(d.Payments) != 3 || d.Payments[0].Account != "rich" || d.Payments[2].Account != "even" || d.Run.Total.Cmp(ether.Mul(6)) != 0 {
		t.Fatalf("paid %+v", d)
	}

	// The same run again, and another one at once.
	again := w.payday(PaydayOptions{ID: "march"})
	if !again.Already || fmt.Sprint(again.Payments) != fmt.Sprint(d.Payments) {
		t.Errorf("again: %+v", again)
	}
	if _, err := w.tryPayday(PaydayOptions{ID: "march", Threshold: ether.Mul(2)}); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("another run of the same id: %v", err)
	}
	if other := w.payday(PaydayOptions{}); len(other.Payments) != 0 {
		t.Errorf("a second run pays %+v", other.Payments)
	}

	w.pay()
	for account, amount := range accounts {
		want := wallet.Amount{}
		if slices.ContainsFunc(d.Payments, func(p Payment) bool { return p.Account == account }) {
			want = amount
		}
		if got := w.got(coinID, someone(account)); got.Cmp(want) != 0 || w.balance(account, coinID, wallet.Paid).Cmp(want) != 0 {
			t.Errorf("%s got %s, want %s", account, got, want)
		}
	}
	w.balanced()
	story, err := w.s.ShowRun(w.ctx, "march", "")
	w.must(err)
	if sum := story.Statuses[wallet.WithdrawalConfirmed]; sum.Accounts != 3 || sum.Total.Cmp(ether.Mul(6)) != 0 || len(story.Payments) != 3 {
		t.Errorf("the story of the run: %+v", story)
	}
	history, _, err := w.s.History(w.ctx, "rich", "", 0)
	w.must(err)
	if len(history) != 1 || history[0].Order != "march" || history[0].TxHash == nil {
		t.Errorf("history %+v", history)
	}
	// What arrives later is paid by a later run.
	w.credit("rich", coinID, ether)
	if d := w.payday(PaydayOptions{}); len(d.Payments) != 1 || d.Run.ID != "run-2" {
		t.Errorf("the next run: %+v", d)
	}
}

// TestPayoutIsNotTriedAgainByItself guards against a payout that cannot be made
// and costs gas with each run, and against one that an operator took back.
func TestPayoutIsNotTriedAgainByItself(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.payee("alice", someone("alice"))
	d := w.payday(PaydayOptions{})
	w.credit("alice", coinID, ether)
	if got := codes(w.payday(PaydayOptions{}))["alice"]; got != UnpaidOnItsWay {
		t.Errorf("while the first is on its way: %q", got)
	}
	_, err := w.s.Reject(w.ctx, []string{d.Payments[0].Withdrawal}, "wrong address")
	w.must(err)
	if got := codes(w.payday(PaydayOptions{}))["alice"]; got != UnpaidHeld {
		t.Errorf("after it was rejected: %q", got)
	}
	dues, _, err := w.s.Due(w.ctx, coinID, ether, "alice", "", 0)
	w.must(err)
	if len(dues) != 1 || dues[0].Code != UnpaidHeld || !strings.Contains(dues[0].Reason, "payouts address set alice") {
		t.Errorf("due: %+v", dues)
	}
	// Another asset is another matter.
	if d := w.payday(PaydayOptions{Asset: w.tokenID(), Threshold: wallet.NewAmount(1)}); len(d.Payments) != 1 {
		t.Errorf("of the token: %+v", d)
	}
	w.payee("alice", someone("alice"))
	if d := w.payday(PaydayOptions{}); len(d.Payments) != 1 || d.Payments[0].Amount.Cmp(ether.Mul(51)) != 0 {
		t.Errorf("after the address was set again: %+v", d)
	}
}

// TestPaydayPromisesNoMoreThanThereIs: what was promised before is taken off, in
// each asset alone, and gas is counted.
func TestPaydayPromisesNoMoreThanThereIs(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir()) // with 1000 ether and 1,000,000 tokens
	for i, account := range []string{"a", "b", "c"} {
		w.payee(account, someone(account))
		w.credit(account, coinID, ether.Mul(300-uint64(i)))
		w.credit(account, w.tokenID(), wallet.NewAmount(int64(400_000-i)*1e6))
	}
	w.request("h", wallet.House, coinID, ether.Mul(150), someone("h"))
	tokens := w.payday(PaydayOptions{Asset: w.tokenID(), Threshold: wallet.NewAmount(1)})
	if len(tokens.Payments) != 2 || codes(tokens)["c"] != UnpaidShort {
		t.Fatalf("of 1,000,000 tokens: %+v", tokens)
	}
	// 850 ether are left, less gas: three of 300, 299 and 298 do not fit.
	coins := w.payday(PaydayOptions{})
	if len(coins.Payments) != 2 || codes(coins)["c"] != UnpaidShort {
		t.Fatalf("of 850 ether: %+v", coins)
	}
	w.pay() // all of it, with what was requested before
	w.balanced()

	// Promised is more than there is: nobody is promised more.
	w.credit("d", coinID, ether)
	w.payee("d", someone("d"))
	w.request("i", wallet.House, coinID, ether.Mul(5000), someone("i"))
	var refused *GatesError
	if _, err := w.tryPayday(PaydayOptions{}); !errors.As(err, &refused) || refused.Closed[0].Name != GateFunds || !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("beyond the funds: %v", err)
	}
	// A coin that is short keeps tokens back too: they need gas.
	if _, err := w.tryPayday(PaydayOptions{Asset: w.tokenID(), Threshold: wallet.NewAmount(1)}); !errors.As(err, &refused) {
		t.Fatalf("without gas: %v", err)
	}
}

// TestPaydayAsksAgainWhenTheStoreMovedOn: funds at a block count with what was
// promised up to that block alone.
func TestPaydayAsksAgainWhenTheStoreMovedOn(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.payee("alice", someone("alice"))
	asked := 0
	node := scanningNode{healthy{Client: w.client}, func() {
		if asked++; asked == 1 {
			w.mine(1)
			w.scan()
		}
	}}
	d, err := w.s.Payday(w.ctx, node, PaydayOptions{Asset: coinID, Threshold: ether})
	w.must(err)
	if asked != 2 || len(d.Payments) != 1 {
		t.Errorf("asked %d times, paid %+v", asked, d)
	}
}

// scanningNode lets something happen while a run asks.
type scanningNode struct {
	healthy
	meanwhile func()
}

func (n scanningNode) Readiness(ctx context.Context) []chain.Readiness {
	n.meanwhile()
	return n.healthy.Readiness(ctx)
}

// TestGates closes each gate, and only that one.
func TestGates(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	peers, syncing := func(n uint64) *uint64 { return &n }, true
	head := &types.Header{Number: common.Big2, Time: uint64(now.Unix()) - 12}
	good := func() *gateFacts {
		return &gateFacts{
			limits: GateLimits{MinPeers: 25, MaxAge: DefaultMaxAge, MaxLag: DefaultMaxLag}, now: now,
			coin: wallet.Asset{ID: coinID, Symbol: "ETH", Decimals: 18}, asset: wallet.Asset{ID: coinID, Symbol: "ETH", Decimals: 18},
			cursor: store.Cursor{Head: 2, HeadHash: head.Hash()}, head: head, scanned: head,
			endpoints: []chain.Readiness{
				{Host: "a", Peers: peers(25), Head: 2, HeadTime: now.Add(-12 * time.Second)},
				{Host: "b", Peers: peers(30), Head: 2, HeadTime: now.Add(-12 * time.Second)},
				{Host: "c", Err: errors.New("no answer")},
			},
		}
	}
	later := *head
	later.Time += uint64(DefaultMaxLag/time.Second) + 1
	for _, test := range []struct {
		name   string
		change func(*gateFacts)
		spare  int64
		closed string
	}{
		{name: "all is well", change: func(*gateFacts) {}},
		{name: "one endpoint is all", change: func(f *gateFacts) { f.endpoints = f.endpoints[:1] }},
		{name: "halted", change: func(f *gateFacts) { f.halt = wallet.As(wallet.ErrRefused, "halted") }, closed: GateHalt},
		{name: "few peers", change: func(f *gateFacts) { f.endpoints[1].Peers = peers(24) }, closed: GatePeers},
		{name: "no word of peers", change: func(f *gateFacts) { f.endpoints[1].Peers = nil }, closed: GatePeers},
		{name: "peers do not matter", change: func(f *gateFacts) { f.endpoints[1].Peers, f.limits.MinPeers = nil, 0 }},
		{name: "syncing", change: func(f *gateFacts) { f.endpoints[0].Syncing = &syncing }, closed: GateSync},
		{name: "no word of syncing", change: func(f *gateFacts) { f.endpoints[0].Syncing = nil }},
		{name: "nobody answers", change: func(f *gateFacts) { f.endpoints = f.endpoints[2:] }, closed: "peers sync head"},
		{name: "old head", change: func(f *gateFacts) { f.endpoints[0].HeadTime = now.Add(-DefaultMaxAge - time.Second) }, closed: GateHead},
		{name: "any head", change: func(f *gateFacts) {
			f.endpoints[0].HeadTime, f.limits.MaxAge = now.Add(-1000*time.Hour), 0
		}},
		{name: "scanning is behind", change: func(f *gateFacts) { f.head = &later }, closed: GateScan},
		{name: "scanning may be behind", change: func(f *gateFacts) { f.head, f.limits.MaxLag = &later, 0 }},
		{name: "another branch", change: func(f *gateFacts) { f.scanned, f.limits.MaxLag = &later, 0 }, closed: GateScan},
		{name: "a node that is behind", change: func(f *gateFacts) { f.scanned = nil }, closed: GateScan},
		{name: "alarm", change: func(f *gateFacts) { f.alarms = []wallet.Alarm{{Text: "x", Hint: "y"}} }, closed: GateAlarms},
		{name: "doubt", change: func(f *gateFacts) { f.doubts = []outgoing.Doubt{{Kind: outgoing.DoubtUnseen}} }, closed: GateDoubts},
		{name: "funds", change: func(*gateFacts) {}, spare: -1, closed: GateFunds},
	} {
		f := good()
		test.change(f)
		spare := funds{}
		spare.spend(common.Address{}, coinID, wallet.NewAmount(-test.spare))
		var shut []string
		for _, g := range f.judge(spare) {
			if !g.Open {
				shut = append(shut, g.Name)
			}
			if g.Found == "" || g.Want == "" || g.Open != (g.Hint == "") && g.Name != GateHalt {
				t.Errorf("%s: %+v", test.name, g)
			}
		}
		if got := strings.Join(shut, " "); got != test.closed {
			t.Errorf("%s: closed are %q, want %q", test.name, got, test.closed)
		}
	}
}

func TestPayoutAddresses(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	for _, to := range []common.Address{{}, w.token, payoutAddress, aliceDeposit} {
		if _, err := w.s.SetPayoutAddress(w.ctx, "alice", nil, to); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%s: %v", to, err)
		}
	}
	file := "account,address,asset\nalice," + someone("a").Hex() + ",\nalice," + someone("t").Hex() + ",TUSD\nbob," + someone("b").Hex() + ",\n"
	for n, known := range []int{0, 3} {
		sum, err := w.s.ImportPayoutAddresses(w.ctx, "f.csv", strings.NewReader(file))
		if w.must(err); sum.Known != known || sum.Rows != 3 {
			t.Errorf("import %d: %+v", n, sum)
		}
	}
	for bad, want := range map[string]string{
		"account,address\ncarol," + someone("c").Hex() + "\ncarol," + someone("c").Hex() + "\n":                "line 3, column account",
		"account,address\ncarol," + someone("c").Hex() + "\ndora,0x0000000000000000000000000000000000000000\n": "line 3, column address",
		"account,address,asset\ncarol," + someone("c").Hex() + ",GOLD\n":                                       "line 2, column asset",
	} {
		if _, err := w.s.ImportPayoutAddresses(w.ctx, "f.csv", strings.NewReader(bad)); !errors.Is(err, wallet.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	list, more, err := w.s.PayoutAddresses(w.ctx, "", "", 1)
	if w.must(err); len(list) != 2 || !more {
		t.Errorf("the first page: %v, %v", list, more)
	}
	if list, more, err = w.s.PayoutAddresses(w.ctx, "", "alice", 1); err != nil || len(list) != 1 || more || list[0].Account != "bob" {
		t.Errorf("the second page: %v, %v, %v", list, more, err)
	}
	token := w.tokenID()
	at := func(asset wallet.AssetID) (to common.Address) {
		w.view(func(tx store.Tx) error {
			a, _, err := store.PayoutAddressOf(tx, "alice", asset)
			to = a.To
			return err
		})
		return to
	}
	if at(coinID) != someone("a") || at(token) != someone("t") {
		t.Errorf("alice is paid at %s and %s", at(coinID), at(token))
	}
	w.must(w.s.RemovePayoutAddress(w.ctx, "alice", &token))
	if at(token) != someone("a") {
		t.Errorf("alice is paid tokens at %s", at(token))
	}
	if err := w.s.RemovePayoutAddress(w.ctx, "alice", &token); !errors.Is(err, wallet.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

// TestPaydaysWhateverHappens does what pools do, in any order and with crashes:
// credits, addresses, payouts, transfers, rejections, and payments to finality. At
// every instant what accounts were given is what they have, wait for and were
// paid; nobody's pending is below zero, or other than what withdrawals ask for;
// and each payee holds just what confirmed withdrawals sent.
func TestPaydaysWhateverHappens(t *testing.T) {
	n, dir, number := newNetwork(t), t.TempDir(), 0
	accounts := []string{"alice", "bob", "carol", "dora"}
	rapid.Check(t, func(t *rapid.T) {
		number++
		_, err := n.sim.Fund(context.Background(), payoutAddress, ether.Mul(200).Big())
		if err == nil {
			err = n.sim.Mine(context.Background(), 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		w := n.newWorld(t, dir)
		payee := func(account string) common.Address { return someone(fmt.Sprintf("%d %s", number, account)) }
		given := ether.Mul(50)
		runs := 0
		crash := func() {
			w.db.after, w.db.commit = crashNever, rapid.Bool().Draw(t, "after the commit")
			if rapid.IntRange(0, 2).Draw(t, "crash") == 0 {
				w.db.after = 0
			}
		}
		calm := func(err error) {
			w.db.after = crashNever
			if err != nil && !errors.Is(err, errCrash) && !errors.Is(err, wallet.ErrConflict) && !errors.Is(err, wallet.ErrRefused) {
				t.Fatal(err)
			}
		}
		check := func(ended bool) {
			var all, open wallet.Amount
			paid := map[string]wallet.Amount{}
			for _, v := range w.list("") {
				switch {
				case v.Status == wallet.WithdrawalConfirmed:
					paid[v.Account] = paid[v.Account].Add(v.Amount)
				case !v.Status.Settled():
					open = open.Add(v.Amount)
				}
			}
			for _, a := range accounts {
				pending := w.balance(a, coinID, wallet.Pending)
				if pending.Sign() < 0 || w.balance(a, coinID, wallet.Available).Sign() < 0 {
					t.Fatalf("%s has %s pending", a, pending)
				}
				all = all.Add(pending).Add(w.balance(a, coinID, wallet.Available)).Add(w.balance(a, coinID, wallet.Paid))
				open = open.Sub(pending)
				if got := w.got(coinID, payee(a)); got.Cmp(paid[a]) < 0 || ended && got.Cmp(paid[a]) != 0 || w.balance(a, coinID, wallet.Paid).Cmp(paid[a]) != 0 {
					t.Fatalf("%s got %s, and withdrawals of %s are confirmed", a, got, paid[a])
				}
			}
			if all.Cmp(given) != 0 || !open.IsZero() {
				t.Fatalf("accounts were given %s, and have %s in all; %s more is on its way than is pending", given, all, open)
			}
			totals, err := w.s.Totals(w.ctx)
			w.must(err)
			sum := totals[slices.IndexFunc(totals, func(p Purse) bool { return p.Asset.ID == coinID })].Balance
			if sum[wallet.Available].Add(sum[wallet.Pending]).Add(sum[wallet.Paid]).Cmp(given) != 0 {
				t.Fatalf("the totals are %v, and %s was given", sum, given)
			}
		}
		account := rapid.SampledFrom(accounts)
		t.Repeat(map[string]func(*rapid.T){
			"credit": func(t *rapid.T) {
				amount := wallet.NewAmount(rapid.Int64Range(1, 4e18).Draw(t, "amount"))
				w.credit(account.Draw(t, "account"), coinID, amount)
				given = given.Add(amount)
			},
			"address": func(t *rapid.T) {
				who := account.Draw(t, "account")
				crash()
				_, err := w.s.SetPayoutAddress(w.ctx, who, nil, payee(who))
				calm(err)
			},
			"payday": func(t *rapid.T) {
				runs++
				o := PaydayOptions{
					ID: fmt.Sprint("r", rapid.IntRange(max(1, runs-1), runs).Draw(t, "run")), Approve: rapid.Bool().Draw(t, "approve"),
					Max: rapid.IntRange(1, 3).Draw(t, "max"),
				}
				crash()
				before := w.list("")
				_, err := w.tryPayday(o)
				crashed, kept := errors.Is(err, errCrash), w.db.commit
				calm(err)
				if after := w.list(""); crashed && !kept && len(after) != len(before) {
					t.Fatalf("%d withdrawals came of a run that died", len(after)-len(before))
				}
				if err == nil || crashed && kept {
					// Whoever did not hear the answer asks again, and it pays nothing more.
					count := len(w.list(""))
					if d := w.payday(o); d.Already && len(w.list("")) != count {
						t.Fatalf("run %s again requested more", o.ID)
					}
				}
			},
			"reject": func(t *rapid.T) {
				if list := w.list(wallet.WithdrawalRequested); len(list) > 0 {
					crash()
					_, err := w.s.Reject(w.ctx, []string{list[0].ID}, "no")
					calm(err)
				}
			},
			"pay": func(*rapid.T) {
				for _, v := range w.list(wallet.WithdrawalRequested) {
					w.approve(v.ID)
				}
				if len(w.list(wallet.WithdrawalApproved)) > 0 {
					w.broadcast(w.build().Batch)
				}
				w.finish()
			},
			"": func(*rapid.T) { check(false) },
		})
		w.finish()
		w.finish()
		check(true)
		w.balanced()
		w.sim.Rollback()
	})
}
