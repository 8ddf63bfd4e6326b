package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
	"github.com/airlock-wallet/airlock/wallet/sweep"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// home is an online station with a signing station's keys at hand, on a chain of
// its own.
type home struct {
	t      *testing.T
	ctx    context.Context
	net    *chaintest.Simulated
	client *chain.Client
	db     *bolt.DB
	keys   *hd.Master
	id     uint64
	coin   wallet.AssetID
	token  wallet.AssetID
	usdt   wallet.AssetID
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, ctx: t.Context(), net: chaintest.NewSimulated(t, chaintest.SimulatedOptions{})}
	h.id, h.coin = h.net.ChainID(), wallet.Coin(h.net.ChainID())
	token, err := h.net.Deploy(h.ctx, chaintest.Token, "Gold", "GLD", uint8(6), big.NewInt(1_000_000_000))
	h.ok(err)
	usdt, err := h.net.Deploy(h.ctx, chaintest.USDTLike, big.NewInt(1_000_000_000))
	h.ok(err)
	h.token, h.usdt = wallet.Token(h.id, token), wallet.Token(h.id, usdt)
	h.client, err = chain.Dial(h.ctx, chain.Options{URLs: []string{h.net.URL()}})
	h.ok(err)
	t.Cleanup(h.client.Close)
	h.keys, err = hd.NewMaster([]byte("a seed that every reader knows"))
	h.ok(err)
	h.db, err = bolt.Create(h.ctx, filepath.Join(t.TempDir(), "airlock.db"))
	h.ok(err)
	watch, err := h.keys.Watch().Encode()
	h.ok(err)
	h.update(func(tx store.Tx) error {
		h.ok(store.PutChain(tx, wallet.Chain{
			ID: h.id, Coin: wallet.Asset{ID: h.coin, Symbol: "ETH", Decimals: 18}, StartBlock: 1,
			Finality: wallet.Finality{Confirmations: 1},
		}))
		h.ok(store.PutToken(tx, wallet.Asset{ID: h.token, Symbol: "GLD", Decimals: 6}))
		h.ok(store.PutToken(tx, wallet.Asset{ID: h.usdt, Symbol: "USDT", Decimals: 6}))
		return store.PutWatchFile(tx, watch)
	})
	for role, n := range map[wallet.Role]uint32{wallet.DepositRole: 4, wallet.PayoutRole: 1, wallet.GasRole: 1, wallet.TreasuryRole: 1} {
		for i := range n {
			h.watch(role, i)
		}
	}
	return h
}

func (h *home) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) update(fn func(store.Tx) error) {
	h.t.Helper()
	h.ok(h.db.Update(h.ctx, fn))
}

// watch makes an address of ours.
func (h *home) watch(role wallet.Role, index uint32) {
	a := wallet.Address{Address: h.address(role, index), Path: wallet.Path{Role: role, Index: index}, Role: role}
	if role == wallet.DepositRole {
		a.Account = fmt.Sprintf("customer-%d", index)
	}
	h.update(func(tx store.Tx) error {
		h.ok(store.AddAddress(tx, a))
		return store.PutNextIndex(tx, role, index+1)
	})
}

func (h *home) address(role wallet.Role, index uint32) common.Address {
	a, err := h.keys.Account(role).Address(index)
	h.ok(err)
	return a
}

func (h *home) deposit(i uint32) common.Address { return h.address(wallet.DepositRole, i) }
func (h *home) gas() common.Address             { return h.address(wallet.GasRole, 0) }
func (h *home) treasury() common.Address        { return h.address(wallet.TreasuryRole, 0) }

func ether(milli int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(milli), big.NewInt(1_000_000_000_000_000))
}

func (h *home) fund(to common.Address, wei *big.Int) {
	h.t.Helper()
	_, err := h.net.Fund(h.ctx, to, wei)
	h.ok(err)
}

func (h *home) pay(token wallet.AssetID, to common.Address, units int64) {
	h.t.Helper()
	_, err := h.net.TransferToken(h.ctx, token.Contract, to, big.NewInt(units))
	h.ok(err)
}

// mine mines what was sent.
func (h *home) mine() {
	h.t.Helper()
	h.ok(h.net.Mine(h.ctx, 1))
}

func (h *home) finalize() {
	h.t.Helper()
	h.mine()
	h.ok(h.net.Finalize(h.ctx))
}

// scan reads the chain into the store.
func (h *home) scan() {
	h.t.Helper()
	_, err := scanner.New(h.db, h.client, h.id, scanner.Options{Now: func() time.Time { return start }}).Pass(h.ctx)
	h.ok(err)
}

// sign is what the signing station does with a batch.
func (h *home) sign(b *batch.Batch) *batch.Signed {
	h.t.Helper()
	digest, err := b.HexDigest()
	h.ok(err)
	s := &batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *b, Digest: digest,
		PolicyHash: strings.Repeat("0", 64), RecordHead: strings.Repeat("1", 64), SignedAt: start,
	}
	for i := range b.Items {
		key, err := h.keys.Key(b.Items[i].Path)
		h.ok(err)
		var rungs []wallet.SignedRung
		for rung := range b.Items[i].Rungs {
			t, err := types.SignTx(b.Items[i].Transaction(b.ChainID, rung), types.LatestSignerForChainID(new(big.Int).SetUint64(b.ChainID)), key)
			h.ok(err)
			raw, err := t.MarshalBinary()
			h.ok(err)
			rungs = append(rungs, wallet.SignedRung{Hash: t.Hash(), Raw: raw})
		}
		s.Transactions = append(s.Transactions, rungs)
	}
	return s
}

// broadcast takes the signed batch in and sends what is due.
func (h *home) broadcast(s *batch.Signed) {
	h.t.Helper()
	v, err := outgoing.Verify(s)
	h.ok(err)
	h.update(func(tx store.Tx) error {
		_, err := outgoing.TakeIn(tx, v, start)
		return err
	})
	h.send()
}

// send offers what is due and returns how much a node took.
func (h *home) send() int {
	h.t.Helper()
	s := payout.Service{DB: h.db, Chain: h.id, Now: func() time.Time { return start }}
	sent, err := s.Offer(h.ctx, h.client, "")
	h.ok(err)
	if sent.Refused+sent.Offered+sent.Unheard+sent.NonceUsed > 0 {
		h.t.Fatalf("not all was taken: %+v", sent)
	}
	return sent.Accepted
}

// confirm settles what is final.
func (h *home) confirm() (p outgoing.Progress) {
	h.t.Helper()
	h.update(func(tx store.Tx) error {
		stale, err := outgoing.Stale(tx, h.id)
		h.ok(err)
		_, err = outgoing.Observe(tx, stale, start)
		h.ok(err)
		ripe, err := outgoing.Ripe(tx, h.id)
		h.ok(err)
		var slots []wallet.Slot
		for _, m := range ripe {
			slots = append(slots, m.Slot)
		}
		p, err = outgoing.Settle(tx, h.id, slots, start)
		return err
	})
	return p
}

// finish mines, scans, settles and sends until nothing is on its way.
func (h *home) finish() (p outgoing.Progress) {
	h.t.Helper()
	for range 4 {
		h.finalize()
		h.scan()
		h.reconcile() // also while things are on their way
		p = p.Add(h.confirm())
		h.send()
	}
	h.ok(h.db.View(h.ctx, func(tx store.Tx) error {
		return store.OpenOutgoing(tx, h.id, func(o wallet.Outgoing) error {
			return fmt.Errorf("nonce %d of %s is still %s: %s", o.Slot.Nonce, o.Slot.Sender, o.State, o.Answer)
		})
	}))
	h.reconcile()
	return p
}

// reconcile fails the test unless the ledger is the chain, to the wei.
func (h *home) reconcile() {
	h.t.Helper()
	c := reconcile.Checker{DB: h.db, Chain: h.client, ChainID: h.id}
	res, err := c.Run(h.ctx, reconcile.Options{Each: func(r reconcile.Row) error {
		if r.Differs() {
			h.t.Errorf("%s %s: ledger %s, chain %s %s", r.Role, r.Asset.Symbol, r.Ledger, r.Chain, r.Note)
		}
		return nil
	}})
	h.ok(err)
	h.ok(res.Err())
}

func (h *home) sweep(o sweep.Options) sweep.Result {
	h.t.Helper()
	res, err := h.sweeper().Sweep(h.ctx, o)
	h.ok(err)
	return res
}

func (h *home) sweeper() *sweep.Sweeper {
	return &sweep.Sweeper{DB: h.db, Chain: h.client, ChainID: h.id, Now: func() time.Time { return start }}
}

func (h *home) balance(at common.Address, asset wallet.AssetID) *big.Int {
	h.t.Helper()
	if asset.IsCoin() {
		b, err := h.client.BalanceAt(h.ctx, at, nil)
		h.ok(err)
		return b
	}
	b, err := h.net.TokenBalance(h.ctx, asset.Contract, at)
	h.ok(err)
	return b
}

func (h *home) wantBalance(at common.Address, asset wallet.AssetID, want *big.Int) {
	h.t.Helper()
	if have := h.balance(at, asset); have.Cmp(want) != 0 {
		h.t.Errorf("%s has %s of %s, want %s", at, have, asset, want)
	}
}

// story writes a batch as kinds and senders.
func (h *home) story(b *batch.Batch) string {
	var lines []string
	for _, it := range b.Items {
		lines = append(lines, fmt.Sprintf("%s %s/%d", it.Intent.Kind, it.Path.Role, it.Path.Index))
	}
	return strings.Join(lines, ", ")
}

// Ether and tokens of both kinds reach the treasury, and the books are the chain
// at every step, with what was left for gas booked as dust.
func TestLoop(t *testing.T) {
	h := newHome(t)
	h.fund(h.gas(), ether(1000))
	h.fund(h.deposit(0), ether(500)) // ether alone
	h.pay(h.token, h.deposit(1), 70) // a token alone
	h.fund(h.deposit(2), ether(300)) // everything
	h.pay(h.token, h.deposit(2), 80)
	h.pay(h.usdt, h.deposit(2), 90)
	h.fund(h.deposit(3), big.NewInt(12345)) // dust, and a token
	h.pay(h.usdt, h.deposit(3), 5)
	h.finalize()
	h.scan()
	h.reconcile()

	dry := h.sweep(sweep.Options{DryRun: true})
	if dry.File != nil {
		t.Error("a dry run wrote a batch")
	}
	res := h.sweep(sweep.Options{})
	if len(res.Batch.Items) != len(dry.Batch.Items) {
		t.Errorf("the dry run promised %s, the batch holds %s", h.story(dry.Batch), h.story(res.Batch))
	}
	kinds := map[wallet.IntentKind]int{}
	for _, it := range res.Batch.Items {
		kinds[it.Intent.Kind]++
	}
	if kinds[wallet.IntentTopUp] != 2 || kinds[wallet.IntentSweep] != 6 {
		t.Errorf("the batch holds %s", h.story(res.Batch))
	}
	if len(res.Skipped) != 1 || res.Skipped[0].Address != h.deposit(3) || res.Skipped[0].Amount.String() != "12345" {
		t.Errorf("skipped %v", res.Skipped)
	}

	// While it is on its way, nothing of it is planned again.
	if again := h.sweep(sweep.Options{}); again.Batch != nil || len(again.Skipped) != 7 {
		t.Errorf("planned again: %v", again.Skipped)
	}

	h.broadcast(h.sign(res.Batch))
	if n := h.send(); n != 0 {
		t.Errorf("%d transactions were sent before what they need was mined", n)
	}
	if p := h.finish(); p.Confirmed != 8 || p.Failed != 0 {
		t.Errorf("settled %+v", p)
	}
	h.wantBalance(h.treasury(), h.token, big.NewInt(150))
	h.wantBalance(h.treasury(), h.usdt, big.NewInt(95))
	for i := range uint32(4) {
		h.wantBalance(h.deposit(i), h.token, new(big.Int))
		h.wantBalance(h.deposit(i), h.usdt, new(big.Int))
	}
	var dust wallet.Amount
	h.ok(h.db.View(h.ctx, func(tx store.Tx) error {
		b, err := store.BalanceOf(tx, wallet.House, h.coin)
		dust = b[wallet.Dust]
		return err
	}))
	if dust.Sign() <= 0 {
		t.Errorf("dust %s is booked", dust)
	}

	// What is left everywhere is not worth a sweep.
	worth := wallet.AmountOf(ether(1))
	if left := h.sweep(sweep.Options{Min: &worth}); left.Batch != nil || len(left.Skipped) != 4 {
		t.Errorf("swept again: %v", left.Skipped)
	}
	// New deposits are, at the next nonces, and the dust goes with them.
	h.fund(h.deposit(0), ether(700))
	h.pay(h.token, h.deposit(2), 1)
	h.finalize()
	h.scan()
	res = h.sweep(sweep.Options{Rungs: 3, Min: &worth})
	if got := h.story(res.Batch); !strings.Contains(got, "sweep deposit/0") || !strings.Contains(got, "sweep deposit/2") {
		t.Errorf("the second batch holds %s", got)
	}
	h.broadcast(h.sign(res.Batch))
	h.finish()
	h.wantBalance(h.treasury(), h.token, big.NewInt(151))
}

// The books stay the chain whatever gas came to cost.
func TestGasPrices(t *testing.T) {
	for _, empty := range []int{0, 3, 12} {
		t.Run(fmt.Sprintf("%d empty blocks before", empty), func(t *testing.T) {
			h := newHome(t)
			h.fund(h.gas(), ether(1000))
			h.fund(h.deposit(0), ether(500))
			h.pay(h.usdt, h.deposit(1), 9)
			h.finalize()
			h.scan()
			res := h.sweep(sweep.Options{Rungs: 2})
			if res.Batch == nil {
				t.Fatalf("nothing is swept: %v", res.Skipped)
			}
			signed := h.sign(res.Batch)
			// The base fee falls with every empty block.
			h.ok(h.net.Mine(h.ctx, empty))
			h.broadcast(signed)
			h.finish()
			h.wantBalance(h.deposit(1), h.usdt, new(big.Int))
		})
	}
}

// What is not final is not swept, and what was final stays bounded by it.
func TestOnlyFinal(t *testing.T) {
	h := newHome(t)
	h.fund(h.deposit(0), ether(500))
	h.finalize()
	h.fund(h.deposit(0), ether(9000))
	h.fund(h.deposit(1), ether(100))
	h.mine()
	h.scan() // credits at the head: one confirmation is asked for
	h.reconcile()
	res := h.sweep(sweep.Options{})
	if got := h.story(res.Batch); got != "sweep deposit/0" {
		t.Fatalf("the batch holds %s", got)
	}
	if most := wallet.AmountOf(ether(500)); res.Batch.Items[0].Value.Cmp(most) >= 0 {
		t.Errorf("%s is swept, and %s is final", res.Batch.Items[0].Value, most)
	}
	if len(res.Skipped) != 1 || !strings.HasPrefix(res.Skipped[0].Reason, "not final yet") {
		t.Errorf("skipped %v", res.Skipped)
	}
}

// A discarded batch is built again with the same payloads at the same nonces.
func TestDiscard(t *testing.T) {
	h := newHome(t)
	h.fund(h.gas(), ether(1000))
	h.fund(h.deposit(0), ether(500))
	h.pay(h.token, h.deposit(1), 70)
	h.finalize()
	h.scan()
	first := h.sweep(sweep.Options{}).Batch
	lost := h.sign(first) // a copy may turn up anywhere
	h.update(func(tx store.Tx) error {
		_, err := outgoing.Discard(tx, first.ID, start)
		return err
	})
	h.pay(h.usdt, h.deposit(2), 3) // comes in the meantime
	h.finalize()
	h.scan()
	second := h.sweep(sweep.Options{}).Batch
	if got, want := len(second.Items), len(first.Items)+2; got != want {
		t.Fatalf("the second batch holds %s, the first %s", h.story(second), h.story(first))
	}
	type payload struct {
		from, to common.Address
		nonce    uint64
		value    string
		data     string
	}
	var before, after []payload
	list := func(b *batch.Batch) (all []payload) {
		for _, it := range b.Items {
			all = append(all, payload{it.From, it.To, it.Nonce, it.Value.String(), it.Data.String()})
		}
		return all
	}
	before, after = list(first), list(second)
	for _, p := range before {
		if !slices.Contains(after, p) {
			t.Errorf("%+v is not built again", p)
		}
	}
	v, err := outgoing.Verify(lost)
	h.ok(err)
	if err := h.db.Update(h.ctx, func(tx store.Tx) error { _, err := outgoing.TakeIn(tx, v, start); return err }); err == nil {
		t.Error("a discarded batch was taken in")
	}
	h.broadcast(h.sign(second))
	// The lost copy is sent by somebody else: one of the two is mined, never both.
	for _, rungs := range lost.Transactions {
		_ = h.client.SendRawTransaction(h.ctx, rungs[0].Raw)
	}
	h.finish()
	h.wantBalance(h.treasury(), h.token, big.NewInt(70))
	h.wantBalance(h.treasury(), h.usdt, big.NewInt(3))
}

// Who must not send does not.
func TestSkipped(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(h *home)
		want  string // part of the reason for deposit address 0
	}{
		{"history not read", func(h *home) {
			h.update(func(tx store.Tx) error {
				h.ok(store.AddAddress(tx, wallet.Address{Address: h.deposit(9), Path: wallet.Path{Role: wallet.DepositRole, Index: 9}, Account: "x"}))
				return store.Book(tx, wallet.Entry{
					ID: "deposit:9", ChainID: h.id, Kind: wallet.EntryDeposit, Time: start,
					Postings: wallet.Move(h.coin, wallet.AmountOf(ether(9)),
						wallet.Posting{Location: wallet.Outside, Owner: "x", Book: wallet.Received},
						wallet.Posting{Location: h.deposit(9), Owner: "x", Book: wallet.Available}),
				})
			})
		}, "its history was not read yet"},
		{"a transaction that nobody explains", func(h *home) {
			h.steal(h.deposit(0), wallet.Path{Role: wallet.DepositRole}, ether(1))
		}, "is 1 on chain, and this home explains only those below 0"},
		{"a transaction that waits for a person", func(h *home) {
			h.update(func(tx store.Tx) error {
				return store.MarkUnexplained(tx, wallet.Slot{ChainID: h.id, Sender: h.deposit(0)})
			})
		}, "airlock resolve shows them"},
		{"a node that lags behind", func(h *home) {
			h.update(func(tx store.Tx) error { return store.PutNextNonce(tx, h.id, h.deposit(0), 3) })
		}, "it lags behind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHome(t)
			h.fund(h.deposit(0), ether(500))
			h.fund(h.deposit(1), ether(500))
			h.finalize()
			h.scan()
			test.spoil(h)
			res := h.sweep(sweep.Options{})
			reasons := fmt.Sprint(res.Skipped)
			if !strings.Contains(reasons, test.want) {
				t.Errorf("skipped %s, want %q", reasons, test.want)
			}
			if got := h.story(res.Batch); !strings.Contains(got, "sweep deposit/1") {
				t.Errorf("the others are not swept: %s", got)
			}
		})
	}
}

// steal sends coin from an address of ours past airlock.
func (h *home) steal(from common.Address, path wallet.Path, wei *big.Int) {
	h.t.Helper()
	key, err := h.keys.Key(path)
	h.ok(err)
	nonce, err := h.client.PendingNonceAt(h.ctx, from)
	h.ok(err)
	thief := common.HexToAddress("0x00000000000000000000000000000000000badad")
	t, err := types.SignNewTx(key, types.LatestSignerForChainID(new(big.Int).SetUint64(h.id)), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(h.id), Nonce: nonce, To: &thief, Value: wei, Gas: 21000,
		GasFeeCap: big.NewInt(3_000_000_000), GasTipCap: big.NewInt(1_000_000_000),
	})
	h.ok(err)
	raw, err := t.MarshalBinary()
	h.ok(err)
	h.ok(h.client.SendRawTransaction(h.ctx, raw))
	h.ok(h.net.Mine(h.ctx, 1))
}

func TestRefused(t *testing.T) {
	h := newHome(t)
	for _, test := range []struct {
		name  string
		o     sweep.Options
		class error
	}{
		{"before the first scan", sweep.Options{}, wallet.ErrConflict},
		{"too many items", sweep.Options{Max: batch.MaxItems + 1}, wallet.ErrUsage},
		{"no items", sweep.Options{Max: -1}, wallet.ErrUsage},
		{"too many rungs", sweep.Options{Rungs: batch.MaxRungs + 1}, wallet.ErrUsage},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := h.sweeper().Sweep(h.ctx, test.o)
			wantClass(t, err, test.class)
		})
	}
	h.finalize()
	h.scan()
	h.update(func(tx store.Tx) error { return store.SetHalt(tx, &store.Halt{Reason: "drill", Since: start}) })
	_, err := h.sweeper().Sweep(h.ctx, sweep.Options{})
	wantClass(t, err, wallet.ErrRefused)
}

func wantClass(t *testing.T, err, class error) {
	t.Helper()
	if !isClass(err, class) {
		t.Errorf("got %v, want an error of class %v", err, class)
	}
}

func isClass(err, class error) bool { return err != nil && errors.Is(err, class) }
