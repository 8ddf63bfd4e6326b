package scanner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestSchedules makes random things happen on a chain and to its followers. At
// the end of each schedule the store must equal an independent reading of the
// chain. AIRLOCK_SCHEDULES sets how many there are, AIRLOCK_SEED the first.
//
// A seed gives the same schedule and the same chain each time. Only what happens
// at the same time, as answers to several requests do, may come in another order.
func TestSchedules(t *testing.T) { chaintest.Schedules(t, 24, runSchedule) }

// finalityDepth is deeper than any reorg of a schedule, and much deeper than
// the confirmations that credit.
const (
	finalityDepth = 14
	maxReorg      = 6
)

type schedule struct {
	*home

	r      *rand.Rand
	done   *chaintest.Tally
	backup int           // scanner.Options.BackupBlocks
	second *faulty.Proxy // of a second endpoint, nil if there is none
	split  common.Address
	mover  common.Address
	trace  []string
	doubt  bool   // a node may have hidden something since all was read again
	past   bool   // an address became ours that may have received something before
	top    uint64 // the highest head ever
}

func runSchedule(t *testing.T, seed uint64, done *chaintest.Tally) {
	r := rand.New(rand.NewPCG(seed, 0))
	f := []wallet.Finality{{Confirmations: 1}, {Confirmations: 3}, {Tag: "finalized"}, {Tag: "safe"}}[r.IntN(4)]
	home := newTracedHome
	if seed%3 == 0 {
		home = newHome // what contracts pay is found in balances alone
	}
	o := chaintest.SimulatedOptions{Finality: finalityDepth, Seed: seed, Amsterdam: r.IntN(4) == 0}
	s := &schedule{home: home(t, f, o), r: r, done: done, backup: []int{0, 0, 5, -1}[r.IntN(4)]}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("AIRLOCK_SEED=%d AIRLOCK_SCHEDULES=1, %s, Amsterdam: %t, two endpoints: %t, traced: %t, second reading: %d\n%s",
				seed, f, o.Amsterdam, s.second != nil, s.traced, s.backup, strings.Join(s.trace, "\n"))
		}
	})
	if r.IntN(2) == 0 {
		s.second = faulty.New(s.net.URL())
		t.Cleanup(s.second.Close)
		s.dial()
	}
	var err error
	s.split, err = s.net.Deploy(t.Context(), chaintest.Forwarder)
	s.ok(err)
	s.mover, err = s.net.Deploy(t.Context(), chaintest.Mover)
	s.ok(err)
	s.vault, err = s.net.Deploy(t.Context(), chaintest.Mover)
	s.ok(err)
	s.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: s.vault, Role: wallet.TreasuryRole, Path: wallet.Path{Role: wallet.TreasuryRole, Index: 9}})
	})
	for i := range s.keys {
		s.fund(s.address(i), 5e17)
	}
	s.mine(1)
	if r.IntN(2) == 0 { // all of that is there before the start
		s.chain.StartBlock = 6
		s.update(func(tx store.Tx) error { return store.PutChain(tx, s.chain) })
	}
	s.deployWild()
	if !s.traced { // so that the addresses are open
		s.pass()
	}
	for range 30 + r.IntN(20) {
		s.act()
		if head, err := s.net.Client().BlockNumber(context.Background()); err == nil {
			s.top = max(s.top, head)
		}
	}
	// The chain that wins is the longest.
	head, err := s.net.Client().BlockNumber(context.Background())
	s.ok(err)
	s.mine(int(s.top-head) + 1)
	s.pass()
	s.again()
	s.pass()
	s.checkHome()
}

// again reads everything again, by a connection of its own: what a node hid is
// found. Where nothing is traced, the next comparison of balances does it.
func (s *schedule) again() {
	s.doubt = false
	s.dial()
	if !s.traced {
		s.mine(1)
		return
	}
	if s.cursor().Head < s.chain.StartBlock {
		return
	}
	sum, err := s.scanner(s.db).Rescan(s.Context(), s.chain.StartBlock, 0)
	s.ok(err)
	s.note("all again: %+v", sum)
}

// dial is home's, of all endpoints.
func (s *schedule) dial() {
	s.Helper()
	urls := []string{s.proxy.URL}
	if s.second != nil {
		urls = append(urls, s.second.URL)
	}
	var err error
	s.client, err = chain.Dial(s.Context(), chain.Options{URLs: urls, Attempts: 1, Backoff: time.Millisecond, Trace: s.traced})
	s.ok(err)
	s.Cleanup(s.client.Close)
}

func (s *schedule) scanner(db store.DB) *scanner.Scanner {
	return scanner.New(db, s.client, s.net.ChainID(), scanner.Options{Now: now, MaxBlocksPerStep: 4, BackupBlocks: s.backup})
}

func (s *schedule) pass() scanner.Summary {
	s.Helper()
	sum, err := s.scanner(s.db).Pass(s.Context())
	s.ok(err)
	return sum
}

func (s *schedule) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

func (s *schedule) anyKey() int { return s.r.IntN(len(s.keys)) }

func (s *schedule) someone() common.Address {
	if s.r.IntN(3) == 0 {
		return common.Address{19: byte(1 + s.r.IntN(200)), 0: 0xee}
	}
	return s.address(s.anyKey())
}

// act makes one thing happen. What a node refuses does not happen.
func (s *schedule) act() {
	ctx := s.Context()
	switch n := s.r.IntN(38); n {
	case 0, 1, 2:
		who, wei := s.anyKey(), s.r.Int64N(3)*1e17
		_, err := s.net.Fund(ctx, s.address(who), big.NewInt(wei))
		s.note("fund %d with %d: %v", who, wei, err)
	case 3, 4:
		who, units := s.anyKey(), s.r.Int64N(3)*1000
		_, err := s.net.TransferToken(ctx, s.token, s.address(who), big.NewInt(units))
		s.note("token to %d: %d: %v", who, units, err)
	case 5:
		s.splitToken()
	case 6, 7:
		from, to, wei := s.anyKey(), s.someone(), s.r.Int64N(1e16)
		_, err := s.send(from, &to, wei, nil, 21000)
		s.note("%d sends %d to %s: %v", from, wei, to, err)
	case 8, 9:
		from, to, units := s.anyKey(), s.someone(), s.r.Int64N(1500) // more than it has, at times: it fails
		_, err := s.send(from, &s.token, 0, s.call("transfer", to, big.NewInt(units)), 90_000)
		s.note("%d sends %d tokens to %s: %v", from, units, to, err)
	case 10:
		who := s.anyKey()
		_, err := s.send(who, &s.token, 0, s.call("approve", s.net.Faucet().Address, big.NewInt(1e9)), 90_000)
		s.note("%d approves: %v", who, err)
	case 11:
		s.takeAllowance()
	case 12:
		who := s.anyKey()
		s.net.Withdraw(s.address(who), uint64(s.r.IntN(3)))
		s.note("validator withdrawal to %d", who)
	case 13:
		who := s.anyKey()
		_, err := s.send(who, nil, 0, []byte{0x60}, 100_000)
		s.note("%d creates a contract: %v", who, err)
	case 20:
		_, err := s.net.Fund(ctx, s.late, big.NewInt(1+s.r.Int64N(9)))
		_, err2 := s.net.TransferToken(ctx, s.token, s.late, big.NewInt(1+s.r.Int64N(9)))
		s.note("something for the late one: %v, %v", err, err2)
	case 21:
		s.note("the late one becomes ours")
		s.addLate()
		s.past = true
	case 14, 15:
		blocks := 1 + s.r.IntN(3)
		s.note("mine %d", blocks)
		s.mine(blocks)
	case 16:
		s.reorg()
	case 17:
		s.note("two passes at once")
		s.twoPasses()
	case 18:
		s.killedPass()
	case 19:
		s.faultyPass()
	case 24, 25:
		s.splitCoin()
	case 26:
		s.refund()
	case 27:
		s.fromVault()
	case 28:
		if !s.traced {
			return // a reward that was not proven at once is found as something else
		}
		var to common.Address
		if s.r.IntN(3) > 0 {
			to = s.address(s.anyKey())
		}
		s.net.SetFeeRecipient(to)
		s.note("fees go to %s", to)
	case 29:
		if s.traced {
			s.lyingPass()
		}
	case 30, 31, 32:
		s.wildToken()
	case 33:
		s.readAgain()
	default:
		sum := s.pass()
		s.note("pass: %+v", sum)
		if s.doubt && !sum.Behind {
			s.again()
			sum = s.pass()
		}
		if !sum.Behind {
			s.checkHome()
		}
	}
}

// wildToken moves a token that is not registered yet, or registers it.
func (s *schedule) wildToken() {
	who, units := s.anyKey(), s.r.Int64N(3)*10
	switch s.r.IntN(8) {
	case 0:
		s.note("the wild token is registered")
		s.tameWild()
	case 1, 2:
		to := s.someone()
		_, err := s.send(who, &s.wild, 0, s.call("transfer", to, big.NewInt(units)), 90_000)
		s.note("%d sends %d wild to %s: %v", who, units, to, err)
	case 3:
		_, err := s.send(who, &s.wild, 0, s.call("approve", s.net.Faucet().Address, big.NewInt(1e9)), 90_000)
		from, to := s.address(who), s.someone()
		_, err2 := s.net.Send(s.Context(), chaintest.Call{To: &s.wild, Gas: 120_000, Data: s.call("transferFrom", from, to, big.NewInt(units))})
		s.note("%d wild of %d taken to %s: %v, %v", units, who, to, err, err2)
	default:
		_, err := s.net.TransferToken(s.Context(), s.wild, s.address(who), big.NewInt(units))
		s.note("wild to %d: %d: %v", who, units, err)
	}
}

// splitToken pays several addresses in one transaction of a contract.
func (s *schedule) splitToken() {
	ctx := s.Context()
	_, err := s.net.Send(ctx, chaintest.Call{To: &s.token, Data: s.call("approve", s.split, big.NewInt(1e9)), Gas: 90_000})
	s.note("approve the splitter: %v", err)
	to := []common.Address{s.someone(), s.someone(), s.someone()}
	data, err := chaintest.Forwarder.Call("splitToken", s.token, to, big.NewInt(s.r.Int64N(900)))
	s.ok(err)
	_, err = s.net.Send(ctx, chaintest.Call{To: &s.split, Data: data, Gas: 300_000})
	s.note("split tokens to %v: %v", to, err)
}

// splitCoin pays several addresses inside a contract, some of it at times taken
// back, in a transaction of the faucet or of ours.
func (s *schedule) splitCoin() {
	method := []string{"split", "splitHalf"}[s.r.IntN(2)]
	to := []common.Address{s.someone(), s.someone(), s.anyone()}
	data, err := chaintest.Forwarder.Call(method, to)
	s.ok(err)
	wei := s.r.Int64N(1e9)
	if s.r.IntN(3) == 0 {
		who := s.anyKey()
		_, err = s.send(who, &s.split, wei, data, 300_000)
		s.note("%d splits %d to %v by %s: %v", who, wei, to, method, err)
		return
	}
	_, err = s.net.Send(s.Context(), chaintest.Call{To: &s.split, Data: data, Wei: big.NewInt(wei), Gas: 300_000})
	s.note("%s of %d to %v: %v", method, wei, to, err)
}

// anyone is somebody, the contract of ours or the late one.
func (s *schedule) anyone() common.Address {
	return []common.Address{s.vault, s.late, s.someone()}[s.r.IntN(3)]
}

// refund has a contract give back part of what one of us sent.
func (s *schedule) refund() {
	who, wei := s.anyKey(), 1+s.r.Int64N(1e9)
	data, err := chaintest.Mover.Call("payOn", s.address(who), big.NewInt(s.r.Int64N(wei)))
	s.ok(err)
	_, err = s.send(who, &s.mover, wei, data, 90_000)
	s.note("%d pays %d and gets change: %v", who, wei, err)
}

// fromVault has the contract of ours pay, in a transaction of the faucet or of
// ours. It fails at times.
func (s *schedule) fromVault() {
	to, in, out := s.someone(), s.r.Int64N(2)*s.r.Int64N(1e9), s.r.Int64N(1e9)
	data, err := chaintest.Mover.Call("payOn", to, big.NewInt(out))
	s.ok(err)
	if s.r.IntN(2) == 0 {
		who := s.anyKey()
		_, err = s.send(who, &s.vault, in, data, 120_000)
		s.note("%d has the vault take %d and pay %d to %s: %v", who, in, out, to, err)
		return
	}
	_, err = s.net.Send(s.Context(), chaintest.Call{To: &s.vault, Data: data, Wei: big.NewInt(in), Gas: 120_000})
	s.note("the vault takes %d and pays %d to %s: %v", in, out, to, err)
}

// takeAllowance has the faucet move tokens of ours.
func (s *schedule) takeAllowance() {
	from, to := s.address(s.anyKey()), s.someone()
	_, err := s.net.Send(s.Context(), chaintest.Call{
		To: &s.token, Gas: 120_000,
		Data: s.call("transferFrom", from, to, big.NewInt(s.r.Int64N(700))),
	})
	s.note("allowance of %s used to %s: %v", from, to, err)
}

func (s *schedule) reorg() {
	ctx := s.Context()
	head, err := s.net.Client().BlockNumber(ctx)
	s.ok(err)
	depth := min(uint64(1+s.r.IntN(maxReorg)), head-min(head, 6))
	if s.top > head+maxReorg-depth {
		return // with what was cut off before, this would be deeper than finality
	}
	s.done.Add("reorgs")
	switch how := s.r.IntN(3); {
	case depth == 0:
	case how == 0:
		s.note("reorg of %d, what was in it is pending", depth)
		s.ok(s.net.Reorg(ctx, int(depth)))
	case how == 1:
		s.note("reorg of %d, what was in it is lost", depth)
		s.ok(s.net.Reorg(ctx, int(depth)))
		s.net.Rollback()
	default:
		h, err := s.net.Client().HeaderByNumber(ctx, new(big.Int).SetUint64(head-depth))
		s.ok(err)
		s.note("fork at %d, shorter", h.Number)
		s.ok(s.net.Fork(h.Hash()))
		s.mine(s.r.IntN(int(depth) + 2))
	}
}

// twoPasses has two processes read at the same time. One of them is killed at
// times.
func (s *schedule) twoPasses() {
	s.done.Add("pairs of passes")
	second := s.db
	if s.r.IntN(3) == 0 {
		second = &mortalDB{s.db, s.r.IntN(20)}
	}
	var wg sync.WaitGroup
	for _, db := range []store.DB{s.db, second} {
		wg.Go(func() {
			if _, err := s.scanner(db).Pass(s.Context()); err != nil && !errors.Is(err, errKilled) {
				s.Errorf("one of two passes: %v", err)
			}
		})
	}
	wg.Wait()
}

// killedPass kills the process that reads, at one of its transactions, or has
// the disk fail at one of its writes. What was written before is what is there.
func (s *schedule) killedPass() {
	if s.r.IntN(2) == 0 {
		s.done.Add("kills")
		n := s.r.IntN(20)
		what, err := s.readBy(&mortalDB{s.db, n})
		s.note("%s killed at transaction %d: %v", what, n, err)
		return
	}
	s.done.Add("failed writes")
	db := &frailDB{DB: s.db, left: s.r.IntN(1 << s.r.IntN(8))}
	n := db.left
	what, err := s.readBy(db)
	s.note("%s whose disk fails at write %d: %v", what, n, err)
	if db.hidden || db.failed && !errors.Is(err, errDisk) {
		s.Errorf("%s passed over that write %d failed: %v", what, n, err)
	}
}

// readBy reads on, or at times some blocks again, with a store of its own.
func (s *schedule) readBy(db store.DB) (what string, err error) {
	if from, to, ok := s.someBlocks(); ok && s.r.IntN(3) == 0 {
		_, err := s.scanner(db).Rescan(s.Context(), from, to)
		return fmt.Sprintf("reading %d to %d again", from, to), err
	}
	_, err = s.scanner(db).Pass(s.Context())
	return "a pass", err
}

// someBlocks is a range that was read, if there is any.
func (s *schedule) someBlocks() (from, to uint64, ok bool) {
	first, head := s.chain.StartBlock, s.cursor().Head
	if head < first {
		return 0, 0, false
	}
	from = first + s.r.Uint64N(head-first+1)
	return from, from + s.r.Uint64N(head-from+1), true
}

// readAgain reads blocks again in which nothing is wrong: nothing changes.
func (s *schedule) readAgain() {
	if s.pass().Behind {
		return
	}
	if s.doubt {
		s.again()
	}
	if head := s.cursor().Head; s.past && head >= s.chain.StartBlock {
		_, err := s.scanner(s.db).Rescan(s.Context(), s.chain.StartBlock, head)
		s.ok(err)
		s.past = false
	}
	s.pass() // what was found has its opening balance read again
	from, to, ok := s.someBlocks()
	if !ok {
		return
	}
	s.done.Add("readings again")
	before := s.dump()
	sum, err := s.scanner(s.db).Rescan(s.Context(), from, to)
	s.note("%d to %d again: %+v", from, to, sum)
	s.ok(err)
	if after := s.dump(); !maps.Equal(before, after) {
		for key, value := range before {
			if after[key] != value {
				s.Errorf("reading %d to %d again: %q was %s, is %s", from, to, key, value, after[key])
			}
		}
		for key, value := range after {
			if _, ok := before[key]; !ok {
				s.Errorf("reading %d to %d again: %q is new: %s", from, to, key, value)
			}
		}
	}
}

// dump is all that the store holds.
func (s *schedule) dump() map[string]string {
	all := map[string]string{}
	s.view(func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(key, value []byte) error {
			all[string(key)] = string(value)
			return nil
		})
	})
	return all
}
