package scanner_test

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/store"
)

var (
	three     = wallet.Finality{Confirmations: 3}
	finalized = wallet.Finality{Tag: "finalized"}
	deep      = chaintest.SimulatedOptions{Finality: 20}
)

func (h *home) deposit(tx common.Hash, kind wallet.DepositKind, position uint64) wallet.Deposit {
	h.Helper()
	var d wallet.Deposit
	h.view(func(t store.Tx) (err error) {
		var ok bool
		d, ok, err = store.Deposit(t, wallet.DepositID(h.net.ChainID(), tx, kind, position))
		if err == nil && !ok {
			err = errors.New("no such deposit")
		}
		return err
	})
	return d
}

func (h *home) frozen(account string) (reason string) {
	h.Helper()
	h.view(func(tx store.Tx) (err error) {
		reason, err = store.Frozen(tx, account)
		return err
	})
	return reason
}

func (h *home) wantStatus(d wallet.Deposit, want wallet.DepositStatus, events ...wallet.EventType) {
	h.Helper()
	if d.Status != want {
		h.Errorf("deposit %s is %s, want %s", d.ID, d.Status, want)
	}
	if have := h.events(d.ID); !slices.Equal(have, events) {
		h.Errorf("deposit %s: told %v, want %v", d.ID, have, events)
	}
}

const (
	detected  = wallet.DepositDetectedEvent
	confirmed = wallet.DepositConfirmedEvent
	orphaned  = wallet.DepositOrphanedEvent
)

// TestConfirmations follows deposits from their block to the ledger.
func TestConfirmations(t *testing.T) {
	h := newHome(t, three, deep)
	ether, gold := h.fund(h.address(alice), 1e9), h.pay(h.address(bob), 500)
	h.mine(1)
	first := h.pass()
	if first.Deposits != 2 || first.Confirmed != 0 {
		t.Errorf("first pass: %+v", first)
	}
	h.mine(1)
	h.pass()
	h.wantStatus(h.deposit(ether, wallet.KindNative, 0), wallet.DepositPending, detected)
	h.mine(1) // head − block + 1 = 3
	if sum := h.pass(); sum.Confirmed != 2 {
		t.Errorf("third pass: %+v", sum)
	}
	h.wantStatus(h.deposit(ether, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	h.wantStatus(h.deposit(gold, wallet.KindToken, 0), wallet.DepositConfirmed, detected, confirmed)
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(1e9)) != 0 {
		t.Errorf("alice has %s", a)
	}
	if sum := h.pass(); sum.Blocks != 0 || sum.Confirmed != 0 || sum.From != sum.To+1 {
		t.Errorf("a pass without anything new: %+v", sum)
	}
	h.checkHome()
}

// TestReorgAfterCredit reverses a credit whose block left the chain, while the
// customer has spent it, and credits it again when it is mined again.
func TestReorgAfterCredit(t *testing.T) {
	h := newHome(t, three, deep)
	ctx := t.Context()
	tx := h.fund(h.address(alice), 1000)
	h.mine(3)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	h.update(func(tx store.Tx) error {
		return store.Book(tx, wallet.Entry{
			ID: "spent", ChainID: h.net.ChainID(), Kind: wallet.EntryTransfer, Time: clock,
			Postings: wallet.Move(h.coin(), wallet.NewAmount(700), wallet.Posting{Owner: "alice"}, wallet.Posting{Owner: "bob"}),
		})
	})

	h.ok(h.net.Reorg(ctx, 3))
	sum := h.pass()
	if sum.Orphaned != 1 || sum.Undone != 3 {
		t.Errorf("reorg: %+v", sum)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositOrphaned, detected, confirmed, orphaned)
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(-700)) != 0 {
		t.Errorf("alice has %s after the reversal", a)
	}
	if h.frozen("alice") == "" {
		t.Error("alice owes and is not frozen")
	}

	// Mined again, in another block and at another position.
	old := h.deposit(tx, wallet.KindNative, 0)
	h.mine(3)
	h.pass()
	again := h.deposit(tx, wallet.KindNative, 0)
	h.wantStatus(again, wallet.DepositConfirmed, detected, confirmed, orphaned, detected, confirmed)
	if again.BlockHash == old.BlockHash || again.ID != old.ID {
		t.Errorf("mined again as %+v, was %+v", again, old)
	}
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(300)) != 0 {
		t.Errorf("alice has %s after the second credit", a)
	}
}

// TestBackAndForth has the chain return to a block that was orphaned: the same
// things happen to the same deposit in the same block, and all of it is told.
func TestBackAndForth(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, deep)
	ctx := t.Context()
	h.mine(1)
	parent, err := h.net.Client().HeaderByNumber(ctx, nil)
	h.ok(err)
	tx := h.fund(h.address(alice), 1000)
	with, err := h.net.Commit()
	h.ok(err)
	h.pass()
	h.ok(h.net.Fork(parent.Hash()))
	h.net.Rollback()
	h.mine(1)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositOrphaned, detected, confirmed, orphaned)
	h.ok(h.net.Fork(with))
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed, orphaned, detected, confirmed)
	h.checkHome()
}

// TestShorterChain has the endpoint fall behind on another branch: nothing is
// undone or credited until that is as long.
func TestShorterChain(t *testing.T) {
	h := newHome(t, three, deep)
	ctx := t.Context()
	h.mine(1)
	parent, err := h.net.Client().HeaderByNumber(ctx, nil)
	h.ok(err)
	tx := h.fund(h.address(alice), 1000)
	h.mine(2)
	h.pass()
	h.ok(h.net.Fork(parent.Hash()))
	h.net.Rollback()
	h.mine(1)
	if sum := h.pass(); !sum.Behind || sum.Orphaned != 0 {
		t.Errorf("shorter chain: %+v", sum)
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositPending, detected)
	h.mine(1)
	h.pass()
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositOrphaned, detected, orphaned)
}

// TestFinalChanged has a block change that was final. Nothing is undone, and
// nothing credited, until somebody looks.
func TestFinalChanged(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
	tx := h.fund(h.address(alice), 1000)
	h.mine(6)
	h.pass()
	before := h.cursor()
	h.ok(h.net.Reorg(t.Context(), 6))
	h.fund(h.address(bob), 1000)
	h.mine(1)
	_, err := h.scanner(h.db).Pass(t.Context())
	if !errors.Is(err, scanner.ErrFinalChanged) || wallet.Hint(err) == "" {
		t.Errorf("final block changed: %v", err)
	}
	if h.cursor() != before {
		t.Errorf("cursor moved from %+v to %+v", before, h.cursor())
	}
	h.wantStatus(h.deposit(tx, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	if a := h.available("bob", h.coin()); !a.IsZero() {
		t.Errorf("bob was credited %s", a)
	}
}

// tagRule has the node answer about a tag as the test likes.
func tagRule(tag, result, fault string) faulty.Rule {
	return func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"`+tag+`"` {
			a.Result, a.Error = nil, nil
			if result != "" {
				a.Result = []byte(result)
			}
			if fault != "" {
				a.Error = []byte(fault)
			}
		}
	}
}

func TestTags(t *testing.T) {
	type wants struct {
		confirmed int
		final     uint64
		err       error
	}
	for name, c := range map[string]struct {
		finality wallet.Finality
		rule     faulty.Rule
		want     wants
	}{
		"finalized":                     {finalized, nil, wants{1, 78, nil}},
		"none yet":                      {finalized, tagRule("finalized", "null", ""), wants{0, 0, nil}},
		"none yet, as geth says":        {finalized, tagRule("finalized", "", `{"code":-39001,"message":"Unknown block"}`), wants{0, 0, nil}},
		"unknown tag":                   {finalized, tagRule("finalized", "", `{"code":-32602,"message":"invalid argument 0: hex string without 0x prefix"}`), wants{0, 17, chain.ErrTagUnsupported}},
		"unknown tag, by confirmations": {three, tagRule("finalized", "", `{"code":-32602,"message":"invalid argument 0"}`), wants{1, 17, nil}},
		"none yet, by confirmations":    {three, tagRule("finalized", "null", ""), wants{1, 0, nil}},
		"safe":                          {wallet.Finality{Tag: "safe"}, nil, wants{1, 78, nil}},
		"safe unknown":                  {wallet.Finality{Tag: "safe"}, tagRule("safe", "", `{"code":-32602,"message":"unsupported"}`), wants{0, 78, chain.ErrTagUnsupported}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, c.finality, chaintest.SimulatedOptions{Finality: 2})
			h.fund(h.address(alice), 1000)
			h.mine(79)
			h.proxy.Rule(c.rule)
			sum, err := h.scanner(h.db).Pass(t.Context())
			if !errors.Is(err, c.want.err) {
				t.Errorf("%v, want %v", err, c.want.err)
			}
			if sum.Confirmed != c.want.confirmed || h.cursor().Final != c.want.final {
				t.Errorf("confirmed %d, final %d, want %+v", sum.Confirmed, h.cursor().Final, c.want)
			}
		})
	}
}

// TestTagGoesBack never takes back what was final or credited.
func TestTagGoesBack(t *testing.T) {
	h := newHome(t, finalized, chaintest.SimulatedOptions{Finality: 2})
	h.fund(h.address(alice), 1000)
	h.mine(9)
	h.pass()
	before := h.cursor()
	h.proxy.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"finalized"` {
			h.ok(h.net.Client().Client().CallContext(context.Background(), &a.Result, r.Method, "0x3", false))
		}
	})
	h.mine(1)
	h.pass()
	after := h.cursor()
	if after.Final != before.Final || after.FinalHash != before.FinalHash || after.Credited != before.Credited {
		t.Errorf("%+v became %+v", before, after)
	}
}

// TestWithdrawalToOurselves makes a withdrawal that pays one of our deposit
// addresses a deposit there, and no other transaction of ours.
func TestWithdrawalToOurselves(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, deep)
	ctx := t.Context()
	h.fund(h.address(payout), 1e18)
	h.pay(h.address(payout), 1000)
	h.mine(1)
	to := h.address(alice)
	bind := func(nonce uint64, asset wallet.AssetID, p wallet.Payload) {
		h.update(func(tx store.Tx) error {
			return store.PutOutgoing(tx, wallet.Outgoing{
				Slot: wallet.Slot{ChainID: h.net.ChainID(), Sender: h.address(payout), Nonce: nonce}, State: wallet.OutgoingBound,
				Intent:  wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w", Asset: asset, Recipient: to, Amount: wallet.NewAmount(40)},
				Payload: p, Attempts: []wallet.Attempt{{}},
			})
		})
	}
	transfer := h.call("transfer", to, big.NewInt(40))
	bind(0, h.coin(), wallet.Payload{To: to, Value: wallet.NewAmount(40)})
	bind(1, h.asset(), wallet.Payload{To: h.token, Data: transfer})
	bind(2, h.coin(), wallet.Payload{To: to, Value: wallet.NewAmount(40)}) // and then another amount is sent
	var txs []*types.Transaction
	send := func(to *common.Address, wei int64, data []byte) common.Hash {
		tx, err := h.sign(payout, uint64(len(txs)), to, wei, data, 90_000)
		h.ok(err)
		txs = append(txs, tx)
		return tx.Hash()
	}
	ether, gold := send(&to, 40, nil), send(&h.token, 0, transfer)
	send(&to, 41, nil)
	send(&to, 42, nil) // bound to nothing
	_, err := h.net.CommitOnly(txs...)
	h.ok(err)
	if sum := h.pass(); sum.Deposits != 4 || sum.Mined != 4 { // two of them are the faucet's
		t.Errorf("%+v", sum)
	}
	h.wantStatus(h.deposit(ether, wallet.KindNative, 0), wallet.DepositConfirmed, detected, confirmed)
	h.wantStatus(h.deposit(gold, wallet.KindToken, 0), wallet.DepositConfirmed, detected, confirmed)
	head, err := h.net.Client().HeaderByNumber(ctx, nil)
	h.ok(err)
	h.checkBalances(head.Hash(), head.Number.Uint64())
}

// TestLateAddressAndReorg books what lay on an address before it was ours, and
// corrects it when the blocks that brought it leave the chain.
func TestLateAddressAndReorg(t *testing.T) {
	h := newHome(t, three, deep)
	ctx := t.Context()
	h.fund(h.late, 100)
	h.mine(3)
	h.fund(h.late, 7)
	h.mine(1)
	h.pass()
	h.addLate()
	if sum := h.pass(); sum.Openings != 1 {
		t.Errorf("%+v", sum)
	}
	h.checkHome()
	h.ok(h.net.Reorg(ctx, 2)) // the second one is no longer there, and comes again
	if sum := h.pass(); sum.Openings != 1 {
		t.Errorf("after the reorg: %+v", sum)
	}
	h.checkHome()
	h.mine(1)
	if sum := h.pass(); sum.Deposits != 1 {
		t.Errorf("mined again: %+v", sum)
	}
	h.checkHome()
	var opening wallet.Amount
	h.view(func(tx store.Tx) error {
		b, err := store.BalanceOf(tx, wallet.House, h.coin())
		opening = b[wallet.Opening]
		return err
	})
	if opening.Cmp(wallet.NewAmount(-100)) != 0 {
		t.Errorf("opening balance is %s", opening)
	}
	var nonce uint64
	h.view(func(tx store.Tx) (err error) {
		nonce, _, err = store.NextNonce(tx, h.net.ChainID(), h.address(payout))
		return err
	})
	if nonce != 0 {
		t.Errorf("next nonce %d", nonce)
	}
}

// TestRescan finds what was missed and leaves alone what is right.
func TestRescan(t *testing.T) {
	h := newHome(t, three, deep)
	ctx := t.Context()
	other, err := h.net.Deploy(ctx, chaintest.USDTLike, big.NewInt(1e6))
	h.ok(err)
	h.fund(h.address(alice), 5)
	h.mine(1)
	data, err := chaintest.USDTLike.Call("transfer", h.address(alice), big.NewInt(30))
	h.ok(err)
	tx, err := h.net.Send(ctx, chaintest.Call{To: &other, Data: data})
	h.ok(err)
	h.mine(6)
	h.pass()
	h.update(func(t store.Tx) error {
		return store.PutToken(t, wallet.Asset{ID: wallet.Token(h.net.ChainID(), other), Symbol: "USDT", Decimals: 6})
	})
	before := h.cursor()
	for range 3 {
		sum, err := h.scanner(h.db).Rescan(ctx, 1, 0)
		h.ok(err)
		if sum.From != 1 || sum.To != before.Head || sum.Blocks != before.Head {
			t.Errorf("%+v", sum)
		}
	}
	h.wantStatus(h.deposit(tx, wallet.KindToken, 0), wallet.DepositConfirmed, detected, confirmed)
	if len(h.deposits()) != 2 || h.cursor() != before {
		t.Errorf("%d deposits, cursor %+v, was %+v", len(h.deposits()), h.cursor(), before)
	}
	for what, r := range map[string][2]uint64{"below the start": {0, 5}, "upside down": {5, 4}, "not read yet": {before.Head + 1, 0}} {
		if _, err := h.scanner(h.db).Rescan(ctx, r[0], r[1]); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A chain that changed meanwhile is not believed.
	h.ok(h.net.Reorg(ctx, 3))
	if _, err := h.scanner(h.db).Rescan(ctx, 1, 0); err == nil || !strings.Contains(wallet.Hint(err), "airlock scan") {
		t.Errorf("rescan of a reorganised chain: %v", err)
	}
}

// TestAllowance books what somebody else moved away from us.
func TestAllowance(t *testing.T) {
	h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
	ctx := t.Context()
	h.fund(h.address(alice), 1e18)
	h.pay(h.address(alice), 1000)
	h.mine(1)
	_, err := h.send(alice, &h.token, 0, h.call("approve", h.net.Faucet().Address, big.NewInt(1e9)), 90_000)
	h.ok(err)
	h.mine(1)
	for _, to := range []common.Address{{0xee}, h.address(payout)} {
		_, err = h.net.Send(ctx, chaintest.Call{To: &h.token, Data: h.call("transferFrom", h.address(alice), to, big.NewInt(100))})
		h.ok(err)
	}
	h.mine(1)
	h.pass()
	h.checkHome()
	h.mine(4)
	h.pass()
	h.checkHome()
	h.view(func(tx store.Tx) error {
		left, err := store.Outflows(tx, h.net.ChainID(), 0, 100, 0)
		h.ok(err)
		b, err := store.BalanceOf(tx, wallet.House, h.asset())
		if len(left) != 0 || b[wallet.Unknown].Cmp(wallet.NewAmount(100)) != 0 {
			t.Errorf("%d outflows left, house has %v", len(left), b)
		}
		return err
	})
}

// TestFollow hears of blocks by itself and ends with its context.
func TestFollow(t *testing.T) {
	h := newHome(t, three, deep)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := scanner.New(h.db, h.client, h.net.ChainID(), scanner.Options{Now: now, Poll: 5 * time.Millisecond})
	h.fund(h.address(alice), 9)
	passes, failed := 0, 0
	err := s.Follow(ctx, func(sum scanner.Summary, err error) error {
		passes++
		switch {
		case err != nil:
			failed++
			h.proxy.Down(0)
		case passes == 2:
			h.proxy.Down(503)
		case h.available("alice", h.coin()).Sign() > 0:
			cancel()
		default:
			h.mine(1)
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || failed == 0 {
		t.Errorf("ended with %v after %d passes, %d of which failed", err, passes, failed)
	}
}

// TestHashesAreForgotten keeps the store from growing with every block.
func TestHashesAreForgotten(t *testing.T) {
	h := newHome(t, three, deep)
	h.mine(3)
	h.pass()
	h.update(func(tx store.Tx) error { return store.DeleteBlockHashes(tx, h.net.ChainID(), 0, 2) })
	h.ok(h.net.Reorg(t.Context(), 3))
	_, err := h.scanner(h.db).Pass(t.Context())
	if !errors.Is(err, scanner.ErrTooDeep) {
		t.Errorf("reorg deeper than what is kept: %v", err)
	}
}

func TestDecodeTransfer(t *testing.T) {
	topic := crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	from, to := common.HexToHash("0x01"), common.HexToHash("0x02")
	dirty := common.HexToHash("0x010000000000000000000000000000000000000000000000000000000000ff02")
	word := make([]byte, 32)
	for name, c := range map[string]struct {
		topics []common.Hash
		data   []byte
		want   bool
	}{
		"good":                {[]common.Hash{topic, from, to}, word, true},
		"ERC-721":             {[]common.Hash{topic, from, to, {}}, nil, false},
		"unindexed recipient": {[]common.Hash{topic, from}, append(word, word...), false},
		"dirty sender":        {[]common.Hash{topic, dirty, to}, word, false},
		"dirty recipient":     {[]common.Hash{topic, from, dirty}, word, false},
		"short data":          {[]common.Hash{topic, from, to}, word[:31], false},
		"long data":           {[]common.Hash{topic, from, to}, append(word, 0), false},
		"no data":             {[]common.Hash{topic, from, to}, nil, false},
		"other event":         {[]common.Hash{{1}, from, to}, word, false},
		"no topics":           {nil, word, false},
	} {
		if _, ok := scanner.DecodeTransfer(&chain.Log{Topics: c.topics, Data: c.data}); ok != c.want {
			t.Errorf("%s: %v, want %v", name, ok, c.want)
		}
	}
}

func FuzzDecodeTransfer(f *testing.F) {
	topic := crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	f.Add(topic[:], make([]byte, 32))
	f.Add(append(append(topic[:], make([]byte, 12)...), make([]byte, 52)...), make([]byte, 32))
	f.Fuzz(func(t *testing.T, topics, data []byte) {
		var l chain.Log
		for part := range slices.Chunk(topics, 32) {
			l.Topics = append(l.Topics, common.BytesToHash(part))
		}
		l.Data = data
		m, ok := scanner.DecodeTransfer(&l)
		if !ok {
			return
		}
		// What was read must write the same log.
		if common.BytesToHash(m.From[:]) != l.Topics[1] || common.BytesToHash(m.To[:]) != l.Topics[2] ||
			common.BigToHash(m.Amount.Big()) != common.BytesToHash(data) {
			t.Errorf("%+v from %+v", m, l)
		}
	})
}
