//go:build unix

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// pool is a home whose accounts have two ether each, and payout addresses.
type pool struct {
	t        *testing.T
	home     string
	chain    uint64
	accounts int
}

func newPool(t *testing.T, accounts int) *pool {
	t.Helper()
	dir := t.TempDir()
	chain := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	p := &pool{t, filepath.Join(dir, "home"), chain.ChainID(), accounts}
	master, err := hd.NewMaster(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	file, err := master.Watch().Encode()
	if err != nil {
		t.Fatal(err)
	}
	watch := filepath.Join(dir, "watch.json")
	if err := os.WriteFile(watch, file, 0o600); err != nil {
		t.Fatal(err)
	}
	payout, err := master.Account(wallet.PayoutRole).Address(0)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := chain.Fund(t.Context(), payout, new(big.Int).Mul(big.NewInt(int64(3*accounts)), big.NewInt(1e18)))
	if err == nil {
		_, err = chain.Settle(t.Context(), tx)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.must("init", "--chain-id", strconv.FormatUint(p.chain, 10), "--rpc", chain.URL())
	p.must("watch", "import", watch, "--fingerprint", master.Watch().Fingerprint().String())
	p.must("scan")
	for from := 0; from < accounts; from += 1000 {
		if err := p.store().Update(t.Context(), func(tx store.Tx) error {
			for i := from; i < min(accounts, from+1000); i++ {
				if err := p.earn(tx, i); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// earn gives an account its two ether, and its payout address.
func (p *pool) earn(tx store.Tx, i int) error {
	name := fmt.Sprintf("miner-%06d", i)
	if err := store.PutPayoutAddress(tx, wallet.PayoutAddress{
		Account: name, ChainID: p.chain, To: common.BigToAddress(big.NewInt(int64(1<<40 + i))),
	}); err != nil {
		return err
	}
	return store.Book(tx, wallet.Entry{
		ID: "credit:" + name, ChainID: p.chain, Kind: wallet.EntryCredit, Time: time.Unix(0, 0),
		Postings: wallet.Move(wallet.Coin(p.chain), wallet.NewAmount(2e18),
			wallet.Posting{Owner: wallet.House, Book: wallet.Available}, wallet.Posting{Owner: name, Book: wallet.Available}),
	})
}

func (p *pool) store() *bolt.DB { return bolt.Open(filepath.Join(p.home, "airlock.db")) }

func (p *pool) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), filepath.Join(bin, "airlock"), args...)
	cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+p.home)
	return cmd
}

func (p *pool) must(args ...string) {
	p.t.Helper()
	if out, err := p.command(args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// payday is the command of a payout run. Blocks of a slow machine are old.
func (p *pool) payday(id string) *exec.Cmd {
	return p.command("payouts", "build", "--asset", "ETH", "--threshold", "1", "--id", id, "--max-age", "0", "--wait", "10m", "--json")
}

// requested counts the withdrawals, and checks that they and nothing else are
// what is pending.
func (p *pool) requested() int {
	p.t.Helper()
	n := 0
	if err := p.store().View(p.t.Context(), func(tx store.Tx) error {
		if err := store.Withdrawals(tx, p.chain, wallet.WithdrawalRequested, func(wallet.Withdrawal) error { n++; return nil }); err != nil {
			return err
		}
		totals, err := store.Totals(tx, p.chain)
		if err != nil {
			return err
		}
		two := wallet.NewAmount(2e18)
		b := totals[0].Balance
		if b[wallet.Pending].Cmp(two.Mul(uint64(n))) != 0 || b[wallet.Available].Cmp(two.Mul(uint64(p.accounts-n))) != 0 {
			return fmt.Errorf("of %d accounts with 2 ether, %d are paid, and %s is pending", p.accounts, n, b[wallet.Pending])
		}
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// locked reports whether somebody holds the store for writing.
func (p *pool) locked() bool {
	p.t.Helper()
	f, err := os.Open(filepath.Join(p.home, "airlock.db"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
		p.t.Fatal(err)
	}
	return err != nil
}

// killWhileLocked starts a payout run and kills it once it holds the store; ok is
// false if it ended before anybody saw that.
func (p *pool) killWhileLocked() (ok bool) {
	p.t.Helper()
	run := p.payday("may")
	if err := run.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = run.Wait(); close(ended) }()
	for !p.locked() {
		select {
		case <-ended:
			return false
		default:
		}
	}
	if err := run.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-ended
	return true
}

// TestPayoutLockDiesWithItsHolder kills payout runs while they hold the lock:
// nothing of them is there, nobody has to unlock anything, and the same run then
// pays everybody once.
func TestPayoutLockDiesWithItsHolder(t *testing.T) {
	p := newPool(t, 3000)
	file := filepath.Join(p.home, "airlock.db")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// On a loaded machine a run may be done before it is killed; then from anew.
	for killed, tries := 0, 0; killed < 3; tries++ {
		caught := p.killWhileLocked()
		if p.locked() {
			t.Fatal("the lock outlived its holder")
		}
		switch n := p.requested(); {
		case n == 0 && caught:
			killed++
		case n != p.accounts:
			t.Fatalf("a run that was killed requested %d of %d withdrawals", n, p.accounts)
		case tries == 50:
			t.Fatalf("%d of %d runs were done before they were killed", tries-killed, tries)
		default:
			if err := os.WriteFile(file, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		out, err := p.payday("may").CombinedOutput()
		if n := p.requested(); err != nil || n != p.accounts {
			t.Fatalf("%d of %d are requested: %v: %.1000s", n, p.accounts, err, out)
		}
	}
}

// TestPayoutRunsAtOnce starts several runs at the same time: one pays, and the
// others find nothing to pay.
func TestPayoutRunsAtOnce(t *testing.T) {
	p := newPool(t, 500)
	var all sync.WaitGroup
	paid := make([]bool, 6)
	for i := range paid {
		all.Go(func() {
			run := p.payday(fmt.Sprint("run-of-", i))
			var out, notes bytes.Buffer
			run.Stdout, run.Stderr = &out, &notes
			if err := run.Run(); err != nil {
				t.Errorf("%v: %s", err, notes.Bytes())
			}
			paid[i] = bytes.Contains(out.Bytes(), []byte(`"payments":500`))
		})
	}
	all.Wait()
	winners := 0
	for _, won := range paid {
		if won {
			winners++
		}
	}
	if n := p.requested(); n != p.accounts || winners != 1 {
		t.Errorf("%d of %d are requested, by %d runs", n, p.accounts, winners)
	}
}
