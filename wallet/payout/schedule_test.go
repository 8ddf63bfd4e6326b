package payout

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime/debug"
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
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestOutgoingSchedules has withdrawals paid through nodes that delay, lose,
// double, answer wrongly and look back, on a chain that reorganises, loses its
// pool and gets a hundred times as dear, by a station that dies, operators who
// change their minds, and keys that somebody else uses too. In the end, with
// honest nodes, all must be settled and paid as often as the store says, as the
// chain itself tells. AIRLOCK_SCHEDULES sets how many there are, AIRLOCK_SEED the
// first; a seed makes the same schedule on the same chain.
func TestOutgoingSchedules(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // chains that live for a second
	done := chaintest.Schedules(t, 24, runOutgoing)
	if done.Count("schedules") < 500 {
		return
	}
	for _, what := range slices.Concat(stepNames(), faultNames, happenings) {
		if done.Count(what) == 0 {
			t.Errorf("%d schedules, and none with: %s", done.Count("schedules"), what)
		}
	}
}

// happenings are what schedules must bring about beside their steps and faults.
var happenings = []string{
	"offers", "climbs", "crashes", "dropped by nodes", "returned by reorgs", "taken by others", "base fee a hundredfold",
	"confirmed", "canceled", "failed", "rejected", "final cancels", "mined above the first rung", "accepted for a person",
}

// How far the final block lies behind the head, and how deep a reorg may go.
const (
	outgoingFinality = 4
	outgoingReorg    = 3
)

// outgoingSchedule is one home on one chain, and what happens to both.
type outgoingSchedule struct {
	*world
	r       *rand.Rand
	done    *chaintest.Tally
	proxies []*faulty.Proxy
	senders []wallet.Address
	options BuildOptions

	requests []wallet.WithdrawalRequest
	batches  []*batch.Batch
	signed   []*batch.Signed // what came back from the signing station
	leaked   []*batch.Signed // that, and what was lost on its way back
	record   record
	foreigns int
	trace    []string
	fault    string // of the nodes now, or ""

	watch watch
}

func runOutgoing(t *testing.T, seed uint64, done *chaintest.Tally) {
	r := rand.New(rand.NewPCG(seed, 1))
	sim := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Seed: seed, Finality: outgoingFinality})
	n := onNetwork(t, sim)
	n.sim = sim
	s := &outgoingSchedule{
		r: r, done: done, world: n.newWorld(t, t.TempDir()),
		record: record{map[wallet.Slot][]string{}, map[string]wallet.Slot{}},
		options: BuildOptions{
			Senders: 1 + r.IntN(3), Rungs: 1 + r.IntN(4), Cancel: r.IntN(2) == 0, Budget: outgoing.Budget{Times: uint64(2 + r.IntN(9))},
		},
	}
	s.s.Terms = outgoing.Terms{Window: 1 + r.IntN(4), ClimbAfter: time.Minute, ClimbBlocks: uint64(r.IntN(3))}
	for range 1 + r.IntN(2) {
		p := faulty.New(sim.URL())
		t.Cleanup(p.Close)
		s.proxies = append(s.proxies, p)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("AIRLOCK_SEED=%d AIRLOCK_SCHEDULES=1, %d endpoints, %d senders, %d rungs up to %d times the first, cancels %t, %+v\n%s", seed,
				len(s.proxies), s.options.Senders, s.options.Rungs, s.options.Budget.Times, s.options.Cancel, s.s.Terms, strings.Join(s.trace, "\n"))
		}
	})
	s.payFromMany()
	s.honest(t)
	for range 3 {
		s.request()
	}
	if r.IntN(3) > 0 { // most days begin well
		s.calmly(func() {
			for _, w := range s.requests {
				_, err := s.s.Approve(s.ctx, []string{w.ID})
				s.tolerate(err, "approve %s", w.ID)
			}
			s.build()
			s.sign(true)
			s.broadcast()
		})
	}
	for range 35 + r.IntN(25) {
		s.act(t)
		s.never()
	}
	s.rest(t)
	s.settled()
}

// payFromMany gives the home as many payout addresses as pay.
func (s *outgoingSchedule) payFromMany() {
	s.Helper()
	for i := range uint32(s.options.Senders) {
		a := wallet.Address{Address: addressOf(wallet.PayoutRole, i), Path: wallet.Path{Role: wallet.PayoutRole, Index: i}, Role: wallet.PayoutRole}
		s.senders = append(s.senders, a)
		if i == 0 {
			continue
		}
		s.fund(a.Address)
		s.update(func(tx store.Tx) error {
			if err := store.AddAddress(tx, a); err != nil {
				return err
			}
			return store.MarkUnopened(tx, a.Address, s.tokenID())
		})
	}
	s.mine(1)
	s.must(s.Finalize(s.ctx))
	s.scan()
}

// fund sends an address what pays every withdrawal of a schedule.
func (s *outgoingSchedule) fund(a common.Address) {
	s.Helper()
	_, err := s.Fund(s.ctx, a, new(big.Int).Mul(big.NewInt(1000), ether.Big()))
	s.must(err)
	_, err = s.TransferToken(s.ctx, s.token, a, big.NewInt(1e9))
	s.must(err)
}

func (s *outgoingSchedule) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

// tolerate notes how a step ended, and fails for an error that no command may
// end with.
func (s *outgoingSchedule) tolerate(err error, what string, args ...any) {
	s.Helper()
	s.note(what+": %v", append(args, err)...)
	if errors.Is(err, errCrash) {
		s.done.Add("crashes")
	}
	var said *chain.EndpointError
	if !calm(err) && !errors.As(err, &said) { // nodes may say what they like, as of blocks that left the chain
		s.Fatalf(what+": %v", append(args, err)...)
	}
	s.db.after = crashNever
}

func (s *outgoingSchedule) mayCrash() {
	s.db.after, s.db.commit = crashNever, false
	if s.r.IntN(5) == 0 {
		s.db.after, s.db.commit = s.r.IntN(3), s.r.IntN(2) == 0
	}
}

// A step is something that happens, in so many of a hundred cases.
type step struct {
	name   string
	weight int
	do     func(*outgoingSchedule, *testing.T)
}

func steps() []step {
	plain := func(fn func(*outgoingSchedule)) func(*outgoingSchedule, *testing.T) {
		return func(s *outgoingSchedule, _ *testing.T) { fn(s) }
	}
	return []step{
		{"requests", 3, plain((*outgoingSchedule).request)},
		{"approvals", 6, plain((*outgoingSchedule).approveOne)},
		{"rejections", 1, plain(func(s *outgoingSchedule) {
			s.one("reject", func(id string) error { _, err := s.s.Reject(s.ctx, []string{id}, "no"); return err })
		})},
		{"cancels", 3, plain(func(s *outgoingSchedule) {
			s.one("cancel", func(id string) error { _, err := s.s.Cancel(s.ctx, []string{id}); return err })
		})},
		{"bumps", 4, plain(func(s *outgoingSchedule) {
			s.one("bump", func(id string) error { _, err := s.s.Bump(s.ctx, []string{id}); return err })
		})},
		{"builds", 9, plain((*outgoingSchedule).build)},
		{"discards", 2, plain((*outgoingSchedule).discard)},
		{"signed files", 9, plain(func(s *outgoingSchedule) { s.sign(true) })},
		{"signed files lost", 2, plain(func(s *outgoingSchedule) { s.sign(false) })},
		{"broadcasts", 9, plain((*outgoingSchedule).broadcast)},
		{"scans", 3, plain((*outgoingSchedule).look)},
		{"confirms", 19, plain((*outgoingSchedule).confirm)},
		{"leaked signatures", 2, plain((*outgoingSchedule).leak)},
		{"altered fees", 1, plain((*outgoingSchedule).alter)},
		{"foreign transactions", 1, plain((*outgoingSchedule).strange)},
		{"drained senders", 1, plain((*outgoingSchedule).drain)},
		{"mines", 5, plain(func(s *outgoingSchedule) {
			n := 1 + s.r.IntN(2)
			s.note("mine %d", n)
			s.mine(n)
		})},
		{"reorgs", 6, plain(func(s *outgoingSchedule) { s.reorg(false) })},
		{"reorgs that lose the pool", 3, plain(func(s *outgoingSchedule) { s.reorg(true) })},
		{"pools lost", 2, plain(func(s *outgoingSchedule) { s.note("the pool is lost"); s.sim.Rollback() })},
		{"dear times", 3, plain((*outgoingSchedule).dear)},
		{"cheap times", 1, plain((*outgoingSchedule).cheap)},
		{"clock steps", 9, plain(func(s *outgoingSchedule) {
			d := []time.Duration{time.Minute, outgoing.OfferAgain, time.Hour}[s.r.IntN(3)]
			s.note("%v pass", d)
			s.time = s.time.Add(d)
		})},
		{"resolves", 1, plain((*outgoingSchedule).resolve)},
		{"faults", 8, plain((*outgoingSchedule).goWrong)},
		{"ends of faults", 6, (*outgoingSchedule).honest},
	}
}

func stepNames() (names []string) {
	for _, st := range steps() {
		names = append(names, st.name)
	}
	return names
}

func (s *outgoingSchedule) act(t *testing.T) {
	all := steps()
	sum := 0
	for _, st := range all {
		sum += st.weight
	}
	n := s.r.IntN(sum)
	for _, st := range all {
		if n -= st.weight; n < 0 {
			s.done.Add(st.name)
			st.do(s, t)
			return
		}
	}
}

func (s *outgoingSchedule) request() {
	s.Helper()
	n := len(s.requests)
	if n == 8 {
		return
	}
	id := fmt.Sprintf("w%d", n)
	r := wallet.WithdrawalRequest{
		ID: id, Account: []string{"alice", wallet.House}[s.r.IntN(2)], Asset: coinID,
		Amount: wallet.NewAmount(1e9 + int64(n)), To: someone(id),
	}
	if s.r.IntN(2) == 0 {
		r.Asset, r.Amount = s.tokenID(), wallet.NewAmount(1000+int64(n))
	}
	s.requests = append(s.requests, r)
	s.mayCrash()
	_, err := s.s.Request(s.ctx, r)
	s.tolerate(err, "request %s of %s", r.Amount, r.Asset)
}

func (s *outgoingSchedule) approveOne() {
	s.one("approve", func(id string) error { _, err := s.s.Approve(s.ctx, []string{id}); return err })
}

// one has an operator decide about a withdrawal.
func (s *outgoingSchedule) one(what string, fn func(id string) error) {
	s.Helper()
	id := s.requests[s.r.IntN(len(s.requests))].ID
	s.mayCrash()
	s.tolerate(fn(id), "%s %s", what, id)
}

func (s *outgoingSchedule) build() {
	s.Helper()
	o := s.options
	o.Max = 1 + s.r.IntN(4)
	s.mayCrash()
	_, err := s.s.Build(s.ctx, s.client, o)
	s.tolerate(err, "build up to %d", o.Max)
	s.readBatches()
}

// readBatches takes the files from the store, where they are whether or not the
// command lived to write them.
func (s *outgoingSchedule) readBatches() {
	s.Helper()
	list, err := s.s.Batches(s.ctx, 0) // the newest first
	s.must(err)
	for i := len(list) - len(s.batches) - 1; i >= 0; i-- {
		rec, err := s.s.Batch(s.ctx, list[i].ID)
		s.must(err)
		b, err := batch.Parse(rec.File)
		s.must(err)
		s.batches = append(s.batches, b)
		s.note("  batch %d: %s", len(s.batches)-1, describe(b))
	}
}

func describe(b *batch.Batch) string {
	var list []string
	for i := range b.Items {
		it := &b.Items[i]
		list = append(list, fmt.Sprintf("%.6s/%d %s %s from %s gwei", it.From, it.Nonce, it.Intent.Kind, it.Intent.ID, it.Rungs[0].MaxFeePerGas.Decimal(9)))
	}
	return strings.Join(list, ", ")
}

func (s *outgoingSchedule) discard() {
	s.Helper()
	if len(s.batches) == 0 {
		return
	}
	n := s.r.IntN(len(s.batches))
	s.mayCrash()
	_, err := s.s.Discard(s.ctx, s.batches[n].ID)
	s.tolerate(err, "discard batch %d", n)
}

// sign signs any batch, discarded ones included. The file comes back, or is lost
// to the station.
func (s *outgoingSchedule) sign(back bool) {
	s.Helper()
	if len(s.batches) == 0 {
		return
	}
	n := s.r.IntN(len(s.batches))
	if s.r.IntN(2) == 0 {
		n = len(s.batches) - 1
	}
	s.note("sign batch %d, which comes back: %t", n, back)
	if signed := s.signature(s.batches[n]); signed != nil && back {
		s.signed = append(s.signed, signed)
	}
}

// signature is what the signing station does: it signs one payload for a nonce,
// and a second nonce of a withdrawal only if nothing of ours is mined at the
// first for good. What it would refuse should never have been built. It is nil for
// an old batch whose withdrawal moved on or whose nonce has a signed cancel.
func (s *outgoingSchedule) signature(b *batch.Batch) *batch.Signed {
	s.Helper()
	for i := range b.Items {
		it := &b.Items[i]
		slot := wallet.Slot{ChainID: b.ChainID, Sender: it.From, Nonce: it.Nonce}
		before, ok := s.record.slot[it.Intent.ID]
		if !ok || before == slot || it.Intent.Kind != wallet.IntentWithdrawal {
			continue
		}
		if s.nonce(before.Sender, true) <= before.Nonce {
			if s.nonce(slot.Sender, true) > slot.Nonce {
				return nil // an old batch, of a nonce that somebody took
			}
			s.Fatalf("withdrawal %s is built at nonce %d of %s, and nonce %d of %s is not final", it.Intent.ID, slot.Nonce, slot.Sender, before.Nonce, before.Sender)
		}
		delete(s.record.slot, it.Intent.ID)
	}
	if !s.record.allows(b) {
		if s.canceled(b) {
			return nil
		}
		s.Fatalf("batch %s pays something else at a nonce that was signed: %s", b.ID, describe(b))
	}
	signed := sign(s, b)
	s.leaked = append(s.leaked, signed)
	return signed
}

// canceled reports whether a cancel is signed for the nonce of a payment in a
// batch.
func (s *outgoingSchedule) canceled(b *batch.Batch) bool {
	for _, other := range s.leaked {
		for i := range other.Batch.Items {
			it := &other.Batch.Items[i]
			if it.Intent.Kind == wallet.IntentCancel && slices.ContainsFunc(b.Items, func(p batch.Item) bool { return p.From == it.From && p.Nonce == it.Nonce }) {
				return true
			}
		}
	}
	return false
}

// nonce is how many transactions of an address the chain has, at the final block
// or at the head.
func (s *outgoingSchedule) nonce(a common.Address, final bool) uint64 {
	s.Helper()
	var at *big.Int
	if final {
		at = big.NewInt(-3) // the tag finalized
	}
	n, err := s.sim.Client().NonceAt(s.ctx, a, at)
	s.must(err)
	return n
}

func (s *outgoingSchedule) broadcast() {
	s.Helper()
	if len(s.signed) == 0 {
		return
	}
	n := s.r.IntN(len(s.signed))
	if s.r.IntN(2) == 0 {
		n = len(s.signed) - 1
	}
	file := s.file(s.signed[n])
	s.mayCrash()
	rec, err := s.s.TakeIn(s.ctx, file)
	s.tolerate(err, "broadcast batch %s", s.signed[n].Batch.ID)
	if err != nil {
		return
	}
	s.offering("  and offer it", func() error {
		sent, err := s.s.Offer(s.ctx, s.client, rec.ID)
		s.done.AddN("climbs", sent.Climbed)
		s.done.AddN("dropped by nodes", sent.Dropped)
		return err
	})
}

func (s *outgoingSchedule) confirm() {
	s.Helper()
	if s.r.IntN(3) > 0 {
		s.look()
	}
	s.offering("confirm", s.pass)
}

// pass is a command that confirms.
func (s *outgoingSchedule) pass() error {
	r, err := s.s.Confirm(s.ctx, s.dial)
	s.note("  %+v", r)
	s.done.AddN("offers", r.Rebroadcast)
	s.done.AddN("climbs", r.Climbed)
	s.done.AddN("dropped by nodes", r.Dropped)
	s.done.AddN("returned by reorgs", r.Returned)
	s.done.AddN("taken by others", r.Replaced)
	s.done.AddN("final cancels", r.Canceled)
	return err
}

// look scans to the head.
func (s *outgoingSchedule) look() {
	s.Helper()
	s.mayCrash()
	_, err := scanner.New(s.db, s.client, s.ChainID(), scanner.Options{Now: s.s.Now}).Pass(s.ctx)
	if s.fault != "" && err != nil && !errors.Is(err, errCrash) {
		s.note("scan: %v", err) // how nodes lie to those who read blocks is for the scanner's own tests
		s.db.after = crashNever
		return
	}
	s.tolerate(err, "scan")
}

// leak has somebody mine what was signed, or send it past airlock.
func (s *outgoingSchedule) leak() {
	s.Helper()
	if len(s.leaked) == 0 {
		return
	}
	b := s.leaked[s.r.IntN(len(s.leaked))]
	i := s.r.IntN(len(b.Transactions))
	n := s.r.IntN(len(b.Transactions[i]))
	tx := new(types.Transaction)
	s.must(tx.UnmarshalBinary(b.Transactions[i][n].Raw))
	if s.r.IntN(2) == 0 {
		err := s.sim.Client().SendTransaction(s.ctx, tx)
		s.note("signature %d of nonce %d of %.6s is sent by somebody: %v", n, tx.Nonce(), b.Batch.Items[i].From, err)
		return
	}
	s.note("signature %d of nonce %d of %.6s is mined for somebody", n, tx.Nonce(), b.Batch.Items[i].From)
	s.mineIfNext(tx, b.Batch.Items[i].From)
}

// mineIfNext mines a transaction if its nonce is the next one on chain and it
// pays for its gas.
func (s *outgoingSchedule) mineIfNext(tx *types.Transaction, from common.Address) {
	s.Helper()
	head, err := s.sim.Client().HeaderByNumber(s.ctx, nil)
	s.must(err)
	dearer := new(big.Int).Mul(head.BaseFee, big.NewInt(2))
	balance, err := s.sim.Client().BalanceAt(s.ctx, from, nil)
	s.must(err)
	if tx.Nonce() == s.nonce(from, false) && tx.GasFeeCap().Cmp(dearer) > 0 && tx.Cost().Cmp(balance) <= 0 {
		_, err := s.sim.CommitOnly(tx)
		s.must(err)
	}
}

// alter has the key pay exactly what an item says, with other fees.
func (s *outgoingSchedule) alter() {
	s.Helper()
	if len(s.batches) == 0 {
		return
	}
	b := s.batches[s.r.IntN(len(s.batches))]
	it := b.Items[s.r.IntN(len(b.Items))]
	s.note("nonce %d of %.6s is signed with other fees", it.Nonce, it.From)
	s.mineIfNext(s.stranger(it.Path, it.Nonce, it.To, it.Value.Big(), it.Data), it.From)
}

// strange has a key do something of its own at its next nonce.
func (s *outgoingSchedule) strange() {
	s.Helper()
	from := s.senders[s.r.IntN(len(s.senders))]
	if s.foreigns++; s.foreigns > 2 {
		return
	}
	n := s.nonce(from.Address, false)
	s.note("the key of %.6s does something of its own at nonce %d", from.Address, n)
	s.mineIfNext(s.stranger(from.Path, n, someone("nobody"), big.NewInt(1), nil), from.Address)
}

// drain has a key send away all its tokens, or nearly all its coin.
func (s *outgoingSchedule) drain() {
	s.Helper()
	from := s.senders[s.r.IntN(len(s.senders))]
	if s.foreigns++; s.foreigns > 2 {
		return
	}
	to, value, data := someone("thief"), new(big.Int), []byte(nil)
	if s.r.IntN(3) == 0 {
		balance, err := s.sim.Client().BalanceAt(s.ctx, from.Address, nil)
		s.must(err)
		if value.Sub(balance, big.NewInt(3e17)); value.Sign() < 0 {
			return
		}
	} else {
		balance, err := s.TokenBalance(s.ctx, s.token, from.Address)
		s.must(err)
		to, data = s.token, batch.TransferData(to, wallet.AmountOf(balance))
	}
	n := s.nonce(from.Address, false)
	s.note("the key of %.6s sends away %s of the coin, or its tokens, at nonce %d", from.Address, value, n)
	s.mineIfNext(s.stranger(from.Path, n, to, value, data), from.Address)
}

// stranger is a transaction of a key of ours that airlock knows nothing of.
func (s *outgoingSchedule) stranger(path wallet.Path, nonce uint64, to common.Address, value *big.Int, data []byte) *types.Transaction {
	s.Helper()
	id := new(big.Int).SetUint64(s.ChainID())
	tx, err := types.SignNewTx(keyOf(path), types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasTipCap: big.NewInt(3_000_000_000), GasFeeCap: big.NewInt(1_000_000_000_000),
		Gas: 200_000, To: &to, Value: value, Data: data,
	})
	s.must(err)
	return tx
}

func (s *outgoingSchedule) reorg(lost bool) {
	s.Helper()
	depth := 1 + s.r.IntN(outgoingReorg)
	s.note("reorg of %d, which loses the pool: %t", depth, lost)
	s.must(s.sim.Reorg(s.ctx, depth))
	if lost {
		s.sim.Rollback()
	}
	s.mine(1) // a network shows no chain that is not longer
}

// dear has others fill blocks.
func (s *outgoingSchedule) dear() {
	s.Helper()
	n := []int{8, 16, 42}[s.r.IntN(3)]
	before := s.baseFee()
	if before.Cmp(wallet.NewAmount(2e9)) > 0 {
		return // geth takes nothing whose gas may cost more than 1 ether
	}
	s.must(s.sim.Congest(n))
	after := s.baseFee()
	s.note("%d full blocks: base fee %s wei, was %s", n, after, before)
	if after.Cmp(before.Mul(100)) >= 0 {
		s.done.Add("base fee a hundredfold")
	}
}

// cheap has nobody use the chain for a while.
func (s *outgoingSchedule) cheap() {
	s.Helper()
	n := 0
	for ; n < 45 && s.baseFee().Cmp(wallet.NewAmount(1e9)) > 0; n++ {
		s.mine(1)
	}
	s.note("%d blocks with room: base fee %s wei", n, s.baseFee())
}

func (s *outgoingSchedule) baseFee() wallet.Amount {
	s.Helper()
	head, err := s.sim.Client().HeaderByNumber(s.ctx, nil)
	s.must(err)
	return wallet.AmountOf(head.BaseFee)
}

// resolve accepts what is in doubt, as far as a person may.
func (s *outgoingSchedule) resolve() {
	s.Helper()
	doubts, err := s.s.Doubts(s.ctx, s.client)
	s.tolerate(err, "%d doubts", len(doubts))
	for _, d := range doubts {
		if d.Acceptable {
			s.mayCrash()
			a, err := s.s.Accept(s.ctx, s.client, d.Slot.Sender, d.Slot.Nonce, "")
			s.tolerate(err, "accept %s nonce %d of %.6s (for %q)", d.Kind, d.Slot.Nonce, d.Slot.Sender, a.Withdrawal)
			if err == nil {
				s.done.Add("accepted for a person")
			}
		}
	}
}

// honest ends all faults, and forgets who was slow.
func (s *outgoingSchedule) honest(t *testing.T) {
	if s.fault != "" {
		s.note("the nodes are honest again")
	}
	s.fault = ""
	var urls []string
	for _, p := range s.proxies {
		p.Rule(s.watch.rule(nil))
		p.Gate(s.watch.gate(s, nil))
		p.Fates(nil)
		urls = append(urls, p.URL)
	}
	c, err := chain.Dial(t.Context(), chain.Options{ChainID: s.ChainID(), URLs: urls, Attempts: 1, Backoff: time.Millisecond})
	s.must(err)
	t.Cleanup(c.Close)
	s.client = c
}

// rest brings everything to an end with honest nodes.
func (s *outgoingSchedule) rest(t *testing.T) {
	s.Helper()
	s.note("from here on all is honest")
	s.honest(t)
	s.cheap()
	for _, a := range s.senders {
		s.fund(a.Address)
	}
	open := func() bool {
		for _, r := range s.requests {
			if v, err := s.s.Show(s.ctx, r.ID); err == nil && !v.Status.Settled() {
				return true
			}
		}
		return false
	}
	s.mine(1)
	s.must(s.Finalize(s.ctx))
	s.scan() // what the schedule sent is final, and the funds are seen
	s.offering("confirm", s.pass)
	for round := 0; round < 12 && open(); round++ {
		s.note("round %d", round)
		s.time = s.time.Add(outgoing.OfferAgain)
		for _, r := range s.requests {
			if v, err := s.s.Show(s.ctx, r.ID); err == nil && v.Status == wallet.WithdrawalRequested {
				s.approve(r.ID)
			}
		}
		s.calmly(s.resolve)
		_, err := s.s.Build(s.ctx, s.client, s.options)
		s.tolerate(err, "build")
		s.readBatches()
		for i, b := range s.batches {
			rec, err := s.s.Batch(s.ctx, b.ID)
			s.must(err)
			if rec.Status != wallet.BatchBuilt {
				continue
			}
			if signed := s.signature(b); signed != nil {
				_, err := s.s.TakeIn(s.ctx, s.file(signed))
				s.tolerate(err, "take in batch %d", i)
			} else {
				_, err := s.s.Discard(s.ctx, b.ID)
				s.tolerate(err, "discard batch %d, which the signing station refuses", i)
			}
		}
		s.offering("confirm", s.pass)
		s.mine(1)
		s.must(s.Finalize(s.ctx))
		s.scan()
		s.offering("confirm", s.pass)
	}
}

// calmly does something that does not crash.
func (s *outgoingSchedule) calmly(fn func()) {
	r := s.r
	s.r = rand.New(never{})
	fn()
	s.r = r
}

// never is a source whose dice always show the highest number.
type never struct{}

func (never) Uint64() uint64 { return 1<<64 - 1 }
