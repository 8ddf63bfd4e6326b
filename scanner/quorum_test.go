package scanner_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
)

// join adds endpoints to those that the home asks, after its own.
func (h *home) join(urls ...string) {
	h.Helper()
	h.ok(h.joinWith(chain.Options{Attempts: 1}, urls...))
}

// joinImpatiently is join before one of the endpoints is lost, so that it is
// not waited for long. All have several attempts: a slow machine is no lost
// endpoint.
func (h *home) joinImpatiently(urls ...string) {
	h.Helper()
	var err error
	for range 10 {
		if err = h.joinWith(chain.Options{Attempts: 10, Timeout: time.Second}, urls...); err == nil {
			return
		}
	}
	h.Fatal(err)
}

func (h *home) joinWith(o chain.Options, urls ...string) error {
	o.URLs, o.Backoff, o.Trace = append([]string{h.proxy.URL}, urls...), time.Millisecond, h.traced
	client, err := chain.Dial(h.Context(), o)
	if err == nil {
		h.Cleanup(client.Close)
		h.client = client
	}
	return err
}

// second is another endpoint of the same node, which can have faults of its own.
func (h *home) second() *faulty.Proxy {
	h.Helper()
	p := h.another()
	h.join(p.URL)
	return p
}

// another is one more endpoint of the node, that nobody asks yet.
func (h *home) another() *faulty.Proxy {
	h.Helper()
	p := faulty.New(h.net.URL())
	h.Cleanup(p.Close)
	return p
}

// TestWithoutQuorum credits nothing and takes nothing for final while the
// second endpoint does not agree, and does both once it does again.
func TestWithoutQuorum(t *testing.T) {
	for name, c := range map[string]struct {
		rule  faulty.Rule
		down  int
		later bool // because the endpoint cannot be reached, or is behind
	}{
		"lies":       {rule: faulty.Elsewhere(2)},
		"is behind":  {rule: faulty.Behind(0), later: true},
		"is down":    {down: http.StatusBadGateway, later: true},
		"is limited": {down: http.StatusTooManyRequests, later: true},
		"is lost":    {down: faulty.Lost, later: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, three, chaintest.SimulatedOptions{Finality: 3})
			second := h.second()
			h.fund(h.address(bob), 5)
			h.mine(4)
			h.pass()
			before := h.cursor()
			if before.Credited == 0 || before.Final == 0 {
				t.Fatalf("nothing to compare with: %+v", before)
			}

			if c.down == faulty.Lost {
				h.joinImpatiently(second.URL)
			}
			second.Rule(c.rule)
			second.Down(c.down)
			tx := h.fund(h.address(alice), 1000)
			h.mine(5)
			for range 2 {
				sum, err := h.scanner(h.db).Pass(t.Context())
				var d *chain.DisagreementError
				if !errors.As(err, &d) || !errors.As(sum.Unagreed, &d) || !strings.Contains(err.Error(), strings.TrimPrefix(second.URL, "http://")) {
					t.Fatalf("without a quorum: %v, summary %+v", err, sum)
				}
				if later := errors.Is(err, wallet.ErrUnreachable); later != c.later || wallet.Hint(err) == "" {
					t.Errorf("%v: to be tried again later: %v, hint %q", err, later, wallet.Hint(err))
				}
				h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)
				now := h.cursor()
				now.Head, now.HeadHash = before.Head, before.HeadHash
				if now != before {
					t.Fatalf("cursor at %+v, was %+v", now, before)
				}
			}

			second.Rule(nil)
			second.Down(0)
			h.join(second.URL)
			if sum := h.pass(); sum.Confirmed != 1 || sum.Unagreed != nil {
				t.Errorf("with a quorum again: %+v", sum)
			}
			h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
			if now := h.cursor(); now.Final <= before.Final {
				t.Errorf("cursor at %+v, was %+v", now, before)
			}
			h.checkHome()
		})
	}
}

// TestFirstLies has the preferred endpoint follow a branch of its own: what it
// tells is recorded, and never credited.
func TestFirstLies(t *testing.T) {
	h := newHome(t, three, chaintest.SimulatedOptions{Finality: 3})
	honest := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Finality: 3})
	h.join(honest.URL())
	tx := h.fund(h.address(alice), 1000)
	h.mine(8)
	h.ok(honest.Mine(t.Context(), 9))
	_, err := h.scanner(h.db).Pass(t.Context())
	var d *chain.DisagreementError
	if !errors.As(err, &d) || errors.Is(err, wallet.ErrUnreachable) {
		t.Errorf("two branches: %v", err)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)
	if c := h.cursor(); c.Credited != 0 || c.Final != 0 {
		t.Errorf("cursor at %+v", c)
	}
}

// TestDissenter credits what two of three endpoints agree on, and names the
// third.
func TestDissenter(t *testing.T) {
	h := newHome(t, three, chaintest.SimulatedOptions{Finality: 3})
	fork := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	h.ok(fork.Mine(t.Context(), 20))
	good := faulty.New(h.net.URL())
	t.Cleanup(good.Close)
	h.join(fork.URL(), good.URL)
	h.fund(h.address(alice), 1000)
	h.mine(6)
	sum := h.pass()
	if sum.Confirmed != 1 || len(sum.Dissent) != 1 || len(sum.Dissent[0].Differ) != 1 ||
		sum.Dissent[0].Differ[0].Host != strings.TrimPrefix(fork.URL(), "http://") || len(sum.Dissent[0].Agree) != 2 {
		t.Errorf("two of three: %+v", sum)
	}
	h.checkHome()
}

// TestQuorumLags credits as far as the second endpoint is.
func TestQuorumLags(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 3})
	second := h.second()
	h.mine(2)
	early := h.fund(h.address(alice), 1000)
	h.mine(3)
	reach := h.head()
	late := h.fund(h.address(bob), 1000)
	h.mine(2)
	second.Rule(faulty.Behind(reach))
	if sum := h.pass(); sum.Confirmed != 1 || sum.Unagreed != nil {
		t.Errorf("one endpoint two blocks behind: %+v", sum)
	}
	h.wantStatus(h.deposit(early, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	h.wantStatus(h.deposit(late, wallet.KindNative, 0), wallet.DepositPending, detected)
	if c := h.cursor(); c.Credited != reach {
		t.Errorf("credited to block %d, the second endpoint has %d", c.Credited, reach)
	}
	second.Rule(nil)
	h.pass()
	h.checkHome()
}

// TestFinalLags takes for final what the second endpoint has, with the hash of
// that block.
func TestFinalLags(t *testing.T) {
	h := newHome(t, finalized, chaintest.SimulatedOptions{Finality: 2})
	second := h.second()
	h.mine(10)
	reach := h.head() - 4
	second.Rule(faulty.Behind(reach))
	h.pass()
	at, err := h.client.HeaderByNumber(t.Context(), new(big.Int).SetUint64(reach))
	h.ok(err)
	if c := h.cursor(); c.Final != reach || c.Credited != reach || c.FinalHash != at.Hash() {
		t.Errorf("cursor at %+v, the second endpoint is at block %d, %s", c, reach, at.Hash())
	}
}

// TestUndoNeedsQuorum keeps one endpoint from having credits reversed.
func TestUndoNeedsQuorum(t *testing.T) {
	h := newHome(t, three, deep)
	second := h.second()
	tx := h.fund(h.address(alice), 1000)
	h.mine(4)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)

	second.Rule(remember(t, second, h.head()))
	h.ok(h.net.Reorg(t.Context(), 4))
	before := h.cursor()
	_, err := h.scanner(h.db).Pass(t.Context())
	var d *chain.DisagreementError
	if !errors.As(err, &d) || h.cursor() != before {
		t.Errorf("a reorg on one of two endpoints: %v, cursor %+v", err, h.cursor())
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)

	second.Rule(nil)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositOrphaned, detected, confirmed, orphaned)
}

// remember is a node that goes on with the headers that it has up to a height.
func remember(t *testing.T, p *faulty.Proxy, height uint64) faulty.Rule {
	t.Helper()
	client, err := chain.Dial(t.Context(), chain.Options{URLs: []string{p.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var mu sync.Mutex
	headers := map[string]json.RawMessage{}
	p.Rule(func(r faulty.Request, a *faulty.Answer) {
		mu.Lock()
		defer mu.Unlock()
		headers[string(r.Params[0])] = a.Result
	})
	for n := range height + 1 {
		if _, err := client.HeaderByNumber(t.Context(), new(big.Int).SetUint64(n)); err != nil {
			t.Fatal(err)
		}
	}
	return func(r faulty.Request, a *faulty.Answer) {
		if old, ok := headers[string(r.Params[0])]; ok && r.Method == "eth_getBlockByNumber" {
			a.Result = old
		}
	}
}

// TestQuorumCosts asks the second endpoint once per pass where the tag stands,
// and once more for a vote if something moves, or else for its head.
func TestQuorumCosts(t *testing.T) {
	h := newHome(t, three, chaintest.SimulatedOptions{Finality: 3})
	second := h.second()
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, BackupBlocks: -1})
	for range 3 {
		h.mine(3)
		before := second.Seen("eth_getBlockByNumber")
		_, err := s.Pass(t.Context())
		h.ok(err)
		once := second.Seen("eth_getBlockByNumber")
		_, err = s.Pass(t.Context())
		h.ok(err)
		if after := second.Seen("eth_getBlockByNumber"); once != before+2 || after != once+2 {
			t.Errorf("asked %d times, then %d", once-before, after-once)
		}
	}
}

func (h *home) head() uint64 {
	h.Helper()
	n, err := h.net.Client().BlockNumber(h.Context())
	h.ok(err)
	return n
}
