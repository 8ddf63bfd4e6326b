package scanner_test

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestSchedules makes random things happen on a chain and to its followers. At
// the end of each schedule the store must equal an independent reading of the
// chain. AIRLOCK_SCHEDULES sets how many there are, AIRLOCK_SEED the first.
//
// A seed gives the same schedule and the same chain each time. Only what happens
// at the same time, as answers to several requests do, may come in another order.
func TestSchedules(t *testing.T) {
	count, first := number(t, "AIRLOCK_SCHEDULES", 24), number(t, "AIRLOCK_SEED", 1)
	var done tally
	t.Run("seed", func(t *testing.T) {
		for seed := first; seed < first+count; seed++ {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				runSchedule(t, seed, &done)
			})
		}
	})
	// To stdout: go test shows it where it is told no package, as in make test.
	fmt.Printf("seeds %d to %d: %s\n", first, first+count-1, &done)
}

// number reads a setting of the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		t.Fatalf("%s=%s: want a positive number", name, s)
	}
	return n
}

// tally counts what schedules did.
type tally struct {
	mu    sync.Mutex
	count map[string]int
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count = map[string]int{}
	}
	t.count[what]++
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, what := range slices.Sorted(maps.Keys(t.count)) {
		list = append(list, fmt.Sprintf("%d %s", t.count[what], what))
	}
	return strings.Join(list, ", ")
}

// finalityDepth is deeper than any reorg of a schedule, and much deeper than
// the confirmations that credit.
const (
	finalityDepth = 14
	maxReorg      = 6
)

type schedule struct {
	*home

	r     *rand.Rand
	done  *tally
	split common.Address
	mover common.Address
	trace []string
	doubt bool   // a node may have hidden something since all was read again
	top   uint64 // the highest head ever
}

func runSchedule(t *testing.T, seed uint64, done *tally) {
	r := rand.New(rand.NewPCG(seed, 0))
	f := []wallet.Finality{{Confirmations: 1}, {Confirmations: 3}, {Tag: "finalized"}, {Tag: "safe"}}[r.IntN(4)]
	home := newTracedHome
	if seed%3 == 0 {
		home = newHome // what contracts pay is found in balances alone
	}
	s := &schedule{home: home(t, f, chaintest.SimulatedOptions{Finality: finalityDepth, Seed: seed}), r: r, done: done}
	t.Cleanup(func() {
		done.add("schedules")
		if t.Failed() {
			done.add("failed")
			t.Logf("AIRLOCK_SEED=%d AIRLOCK_SCHEDULES=1, %s:\n%s", seed, f, strings.Join(s.trace, "\n"))
		}
	})
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
	s.proxy.Rule(nil)
	s.proxy.Down(0)
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
	switch n := s.r.IntN(36); n {
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
	s.done.add("reorgs")
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

func (s *schedule) twoPasses() {
	s.done.add("pairs of passes")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := s.scanner(s.db).Pass(s.Context()); err != nil {
				s.Errorf("one of two passes: %v", err)
			}
		})
	}
	wg.Wait()
}

func (s *schedule) killedPass() {
	s.done.add("kills")
	n := s.r.IntN(14)
	_, err := s.scanner(&mortalDB{s.db, n}).Pass(s.Context())
	s.note("pass killed at transaction %d: %v", n, err)
}
