package payout

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/reconcile"
)

// machine does anything that operators, crashes, networks and thieves of
// signed files may do, in any order. Each withdrawal pays an address of its
// own, so what that holds is how often it was paid.
type machine struct {
	*world
	requests []wallet.WithdrawalRequest
	batches  []*batch.Batch
	signed   []*batch.Signed // of any batch, discarded ones included
	foreigns int
	run      int

	record   record
	backup   []byte // of the store, if it may be lost in this run
	restored bool   // the store was lost
}

// record is what the signing station remembers: it signs one payload for a
// nonce, and one nonce for a withdrawal. A cancel takes the place of what was
// signed last, or of what was never signed.
type record struct {
	payloads map[wallet.Slot][]string // in the order of their signatures
	slot     map[string]wallet.Slot   // of withdrawals
}

func (r record) allows(b *batch.Batch) bool {
	payload := func(it *batch.Item) string { return fmt.Sprintf("%s %s %x", it.To, it.Value, it.Data) }
	for i := range b.Items {
		it := &b.Items[i]
		slot := wallet.Slot{ChainID: b.ChainID, Sender: it.From, Nonce: it.Nonce}
		signed := r.payloads[slot]
		if len(signed) > 0 && it.Intent.Kind != wallet.IntentCancel && !slices.Contains(signed, payload(it)) {
			return false
		}
		if before, ok := r.slot[it.Intent.ID]; ok && before != slot && it.Intent.Kind == wallet.IntentWithdrawal {
			return false
		}
	}
	for i := range b.Items {
		it := &b.Items[i]
		slot := wallet.Slot{ChainID: b.ChainID, Sender: it.From, Nonce: it.Nonce}
		if p := payload(it); !slices.Contains(r.payloads[slot], p) {
			r.payloads[slot] = append(r.payloads[slot], p)
		}
		if it.Intent.Kind == wallet.IntentWithdrawal {
			r.slot[it.Intent.ID] = slot
		}
	}
	return true
}

// calm is whether an error is one that a command may end with.
func calm(err error) bool {
	for _, allowed := range []error{errCrash, ErrNothing, wallet.ErrConflict, wallet.ErrRefused, wallet.ErrUnreachable, wallet.ErrNotFound} {
		if errors.Is(err, allowed) {
			return true
		}
	}
	return err == nil
}

func (m *machine) tolerate(err error) {
	m.Helper()
	if !calm(err) {
		m.Fatalf("%v", err)
	}
}

// mayCrash lets the store die within the next few writes.
func (m *machine) mayCrash(t *rapid.T) {
	m.db.after, m.db.commit = crashNever, false
	if rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
		m.db.after = rapid.IntRange(0, 2).Draw(t, "writes until the crash")
		m.db.commit = rapid.Bool().Draw(t, "after the commit")
	}
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"request": m.doRequest,
		"approve": func(t *rapid.T) {
			m.decide(t, func(id string) error { _, err := m.s.Approve(m.ctx, []string{id}); return err })
		},
		"approve 2": func(t *rapid.T) {
			m.decide(t, func(id string) error { _, err := m.s.Approve(m.ctx, []string{id}); return err })
		},
		"reject": func(t *rapid.T) {
			m.decide(t, func(id string) error { _, err := m.s.Reject(m.ctx, []string{id}, "no"); return err })
		},
		"cancel": func(t *rapid.T) {
			m.decide(t, func(id string) error { _, err := m.s.Cancel(m.ctx, []string{id}); return err })
		},
		"bump": func(t *rapid.T) {
			m.decide(t, func(id string) error { _, err := m.s.Bump(m.ctx, []string{id}); return err })
		},
		"build":     m.doBuild,
		"discard":   m.doDiscard,
		"sign":      m.doSign,
		"broadcast": m.doBroadcast,
		"confirm":   m.doConfirm,
		"leak":      m.doLeak,
		"alter":     m.doAlter,
		"foreign":   m.doForeign,
		"mine": func(t *rapid.T) {
			m.mine(rapid.IntRange(1, 3).Draw(t, "blocks"))
			if rapid.Bool().Draw(t, "scan") {
				m.scan()
			}
		},
		"scan": func(*rapid.T) { m.scan() },
		"reorg": func(t *rapid.T) {
			depth := rapid.IntRange(1, chaintestFinality).Draw(t, "depth")
			m.must(m.sim.Reorg(m.ctx, depth))
			if rapid.Bool().Draw(t, "lost") {
				m.sim.Rollback()
			}
			m.mine(1) // a network shows no chain that is not longer
		},
		"resolve":   m.doResolve,
		"reconcile": func(*rapid.T) { m.reconcile() },
		"back up":   m.doBackUp,
		"restore":   m.doRestore,
		"time":      func(*rapid.T) { m.time = m.time.Add(outgoing.OfferAgain) },
		"":          func(*rapid.T) { m.neverTwice() },
	}
}

// chaintestFinality is how deep a reorg may go before it would undo what is
// final.
const chaintestFinality = 2

func (m *machine) doRequest(t *rapid.T) {
	n := len(m.requests)
	id := fmt.Sprintf("w%d", n)
	r := wallet.WithdrawalRequest{
		ID: id, Account: rapid.SampledFrom([]string{"alice", wallet.House}).Draw(t, "account"), Asset: coinID,
		Amount: wallet.NewAmount(1e9 + int64(n)), To: m.recipient(id),
	}
	if rapid.Bool().Draw(t, "token") {
		r.Asset, r.Amount = m.tokenID(), wallet.NewAmount(1000+int64(n))
	}
	m.mayCrash(t)
	_, err := m.s.Request(m.ctx, r)
	m.tolerate(err)
	m.requests = append(m.requests, r)
}

// recipient is new in each run, because runs share the chain.
func (m *machine) recipient(id string) common.Address {
	return someone(fmt.Sprintf("run %d, %s", m.run, id))
}

func (m *machine) decide(t *rapid.T, fn func(id string) error) {
	if len(m.requests) == 0 {
		t.Skip("nothing was requested")
	}
	id := rapid.SampledFrom(m.requests).Draw(t, "withdrawal").ID
	m.mayCrash(t)
	m.tolerate(fn(id))
}

func (m *machine) doBuild(t *rapid.T) {
	m.mayCrash(t)
	b, err := m.s.Build(m.ctx, m.client, BuildOptions{
		Max: rapid.IntRange(1, 3).Draw(t, "max"), Rungs: rapid.IntRange(1, 3).Draw(t, "rungs"), Cancel: rapid.Bool().Draw(t, "with a cancel"),
	})
	m.tolerate(err)
	m.db.after = crashNever
	// Whether or not the command lived to write the file, batch show has it.
	list, err := m.s.Batches(m.ctx, 0)
	m.must(err)
	if len(list) > len(m.batches) {
		rec, err := m.s.Batch(m.ctx, list[0].ID)
		m.must(err)
		parsed, err := batch.Parse(rec.File)
		m.must(err)
		m.batches = append(m.batches, parsed)
	} else if b.Batch != nil {
		t.Fatalf("batch %s is not in the store", b.Batch.ID)
	}
}

func (m *machine) doDiscard(t *rapid.T) {
	if len(m.batches) == 0 {
		t.Skip("nothing was built")
	}
	m.mayCrash(t)
	_, err := m.s.Discard(m.ctx, rapid.SampledFrom(m.batches).Draw(t, "batch").ID)
	m.tolerate(err)
}

func (m *machine) doSign(t *rapid.T) {
	if len(m.batches) == 0 {
		t.Skip("nothing was built")
	}
	if b := rapid.SampledFrom(m.batches).Draw(t, "batch"); m.record.allows(b) {
		m.signed = append(m.signed, sign(m, b))
	}
}

func (m *machine) doBackUp(t *rapid.T) {
	if m.backup == nil {
		t.Skip("the store is not lost in this run")
	}
	m.backUp()
}

func (m *machine) backUp() {
	m.db.after = crashNever
	var copied bytes.Buffer
	m.must(m.db.Backup(m.ctx, &copied))
	m.backup = copied.Bytes()
}

// doRestore goes back to the last backup. Whoever asked for withdrawals since
// then asks again.
func (m *machine) doRestore(t *rapid.T) {
	if m.backup == nil {
		t.Skip("the store is not lost in this run")
	}
	m.restored = true
	m.must(os.WriteFile(m.path, m.backup, 0o600))
	if rapid.Bool().Draw(t, "scan and confirm come first") {
		m.scan()
		_, err := m.s.settle(m.ctx)
		m.must(err)
	}
	for _, r := range m.requests {
		_, err := m.s.Request(m.ctx, r)
		m.tolerate(err)
	}
	list, err := m.s.Batches(m.ctx, 0)
	m.must(err)
	m.batches = m.batches[:len(list)]
}

// reconcile compares the books with the chain at the final block, whatever is on
// its way.
func (w *world) reconcile() {
	w.Helper()
	w.db.after = crashNever
	c := reconcile.Checker{DB: w.db, Chain: w.client, ChainID: w.s.Chain}
	res, err := c.Run(w.ctx, reconcile.Options{Each: func(r reconcile.Row) error {
		if r.Differs() {
			w.Fatalf("%s %s: ledger %s, chain %s %s", r.Role, r.Asset.Symbol, r.Ledger, r.Chain, r.Note)
		}
		return nil
	}})
	w.must(err)
	w.must(res.Err())
}

func (m *machine) pickSigned(t *rapid.T) *batch.Signed {
	if len(m.signed) == 0 {
		t.Skip("nothing was signed")
	}
	return rapid.SampledFrom(m.signed).Draw(t, "file")
}

// unsure is a node whose requests and answers get lost.
func (m *machine) unsure(t *rapid.T) Sender {
	return badNode{m.client, func() (bool, bool) {
		return rapid.IntRange(0, 4).Draw(t, "request lost") == 0, rapid.IntRange(0, 4).Draw(t, "answer lost") == 0
	}}
}

func (m *machine) doBroadcast(t *rapid.T) {
	file := m.file(m.pickSigned(t))
	m.mayCrash(t)
	rec, err := m.s.TakeIn(m.ctx, file)
	m.tolerate(err)
	if err == nil {
		_, err = m.s.Offer(m.ctx, m.unsure(t), rec.ID)
		m.tolerate(err)
	}
}

func (m *machine) doConfirm(t *rapid.T) {
	m.mayCrash(t)
	_, err := m.s.settle(m.ctx)
	m.tolerate(err)
	_, err = m.s.Offer(m.ctx, m.unsure(t), "")
	m.tolerate(err)
}

// doLeak sends a signed transaction past airlock.
func (m *machine) doLeak(t *rapid.T) {
	s := m.pickSigned(t)
	i := rapid.IntRange(0, len(s.Transactions)-1).Draw(t, "item")
	n := rapid.IntRange(0, len(s.Transactions[i])-1).Draw(t, "signature")
	_ = m.client.SendRawTransaction(m.ctx, s.Transactions[i][n].Raw) // the node may refuse it
}

// doAlter has the key pay exactly what an item says, with other fees.
func (m *machine) doAlter(t *rapid.T) {
	if len(m.batches) == 0 {
		t.Skip("nothing was built")
	}
	b := rapid.SampledFrom(m.batches).Draw(t, "batch")
	it := rapid.SampledFrom(b.Items).Draw(t, "item")
	m.mineIfNext(m.foreign(it.Nonce, it.To, it.Value.Big(), it.Data))
}

// doForeign has the key do something of its own at its next nonce.
func (m *machine) doForeign(t *rapid.T) {
	if m.foreigns == 3 {
		t.Skip("often enough")
	}
	m.foreigns++
	nonce, err := m.client.NonceAt(m.ctx, payoutAddress, nil)
	m.must(err)
	m.mineIfNext(m.foreign(nonce, someone("nobody"), big.NewInt(1), nil))
}

// mineIfNext mines a transaction if its nonce is the next one on chain.
func (m *machine) mineIfNext(tx *types.Transaction) {
	nonce, err := m.client.NonceAt(m.ctx, payoutAddress, nil)
	m.must(err)
	if tx.Nonce() == nonce {
		_, err := m.sim.CommitOnly(tx)
		m.must(err)
	}
}

func (m *machine) doResolve(t *rapid.T) {
	doubts, err := m.s.Doubts(m.ctx, m.client)
	m.must(err)
	for _, d := range doubts {
		if d.Acceptable {
			m.mayCrash(t)
			_, err := m.s.Accept(m.ctx, m.client, d.Slot.Sender, d.Slot.Nonce, "")
			m.tolerate(err)
			return
		}
	}
}

// neverTwice holds at every instant, on whatever the head is.
func (m *machine) neverTwice() {
	m.db.after = crashNever
	for _, r := range m.requests {
		got := m.got(r.Asset, r.To)
		if got.Cmp(r.Amount) > 0 {
			m.Fatalf("withdrawal %s of %s was paid %s", r.ID, r.Amount, got)
		}
		if v, err := m.s.Show(m.ctx, r.ID); err == nil && v.Status == wallet.WithdrawalCanceled && !got.IsZero() && !m.restored {
			m.Fatalf("withdrawal %s is canceled (%s), and was paid %s", r.ID, v.Reason, got)
		}
	}
}

// settled brings everything that is signed to an end and compares the books
// with the chain.
func (m *machine) settled() {
	m.db.after = crashNever
	for range 4 {
		m.time = m.time.Add(outgoing.OfferAgain)
		_, err := m.s.Confirm(m.ctx, m.dial)
		m.tolerate(err)
		m.mine(2)
		m.must(m.sim.Finalize(m.ctx))
		m.scan()
		_, err = m.s.settle(m.ctx)
		m.must(err)
	}
	doubts, err := m.s.Doubts(m.ctx, m.client)
	m.must(err)
	for _, d := range doubts {
		if d.Acceptable {
			_, err := m.s.Accept(m.ctx, m.client, d.Slot.Sender, d.Slot.Nonce, "")
			m.must(err)
		}
	}
	m.neverTwice()
	m.balanced()
	m.reconcile()
	if !m.restored { // else some were paid of which the store was never told again
		m.accounted()
	}
	m.sim.Rollback() // what this run signed is not the next one's
}

// accounted compares each withdrawal with what its recipient got, and the
// account's books with the withdrawals.
func (m *machine) accounted() {
	var pending, paid wallet.Amount
	for _, r := range m.requests {
		v, err := m.s.Show(m.ctx, r.ID)
		if errors.Is(err, wallet.ErrNotFound) {
			continue // the crash was before the commit
		}
		m.must(err)
		got := m.got(r.Asset, r.To)
		if confirmed := v.Status == wallet.WithdrawalConfirmed; confirmed != (got.Cmp(r.Amount) == 0) {
			m.Fatalf("withdrawal %s is %s (%s), and was paid %s of %s", r.ID, v.Status, v.Reason, got, r.Amount)
		}
		if r.Account == "alice" && r.Asset == coinID {
			switch {
			case v.Status == wallet.WithdrawalConfirmed:
				paid = paid.Add(r.Amount)
			case !v.Status.Settled():
				pending = pending.Add(r.Amount)
			}
		}
	}
	if have := m.balance("alice", coinID, wallet.Pending); have.Cmp(pending) != 0 {
		m.Fatalf("alice has %s pending, her withdrawals say %s", have, pending)
	}
	if have := m.balance("alice", coinID, wallet.Paid); have.Cmp(paid) != 0 {
		m.Fatalf("alice has paid %s, her withdrawals say %s", have, paid)
	}
	all := pending.Add(paid).Add(m.balance("alice", coinID, wallet.Available))
	if all.Cmp(ether.Mul(50)) != 0 {
		m.Fatalf("alice has %s in all", all)
	}
}

func TestPaidOnceWhateverHappens(t *testing.T) {
	n := newNetwork(t)
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &machine{world: n.newWorld(rt, dir), run: run, record: record{map[wallet.Slot][]string{}, map[string]wallet.Slot{}}}
		if rapid.IntRange(0, 2).Draw(rt, "store may be lost") == 0 {
			m.backUp()
		}
		for range 3 {
			m.doRequest(rt)
		}
		m.db.after = crashNever
		for _, r := range m.requests[:2] {
			_, err := m.s.Approve(m.ctx, []string{r.ID})
			m.tolerate(err)
		}
		rt.Repeat(m.actions())
		m.settled()
	})
}
