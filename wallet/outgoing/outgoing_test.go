package outgoing

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

const chainID = 1337

var (
	now     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	coin    = wallet.Coin(chainID)
	tokenAt = common.HexToAddress("0x00000000000000000000000000000000000070Ce")
	token   = wallet.Token(chainID, tokenAt)
	master  = func() *hd.Master {
		m, err := hd.NewMaster(hd.Seed([]byte("test test test test test test test test test test test junk"), ""))
		if err != nil {
			panic(err)
		}
		return m
	}()
	payer    = derived(wallet.PayoutRole)
	gas      = derived(wallet.GasRole)
	treasury = derived(wallet.TreasuryRole)
	deposit  = derived(wallet.DepositRole)
	stranger = common.HexToAddress("0x000000000000000000000000000000000000dEaD")
)

func derived(role wallet.Role) common.Address {
	a, err := master.Account(role).Address(0)
	if err != nil {
		panic(err)
	}
	return a
}

// home is a store with one address per role, of which the senders have sent
// nothing yet and hold what the chain would say.
type home struct {
	*testing.T
	db *bolt.DB
}

func newHome(t *testing.T) *home {
	t.Helper()
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	h := &home{t, db}
	h.update(func(tx store.Tx) error {
		file, err := master.Watch().Encode()
		if err != nil {
			return err
		}
		steps := []error{
			store.PutChain(tx, wallet.Chain{ID: chainID, Coin: wallet.Asset{ID: coin, Symbol: "ETH", Decimals: 18}}),
			store.PutToken(tx, wallet.Asset{ID: token, Symbol: "TUSD", Decimals: 6}),
			store.PutWatchFile(tx, file),
		}
		for _, role := range wallet.Roles() {
			a := wallet.Address{Address: derived(role), Path: wallet.Path{Role: role}, Role: role}
			if role == wallet.DepositRole {
				a.Account = "alice"
			}
			steps = append(steps, store.AddAddress(tx, a), store.PutNextNonce(tx, chainID, a.Address, 0))
		}
		for _, id := range []wallet.AssetID{coin, token} {
			steps = append(steps, store.Book(tx, wallet.Entry{
				ID: "credit:" + id.String(), ChainID: chainID, Kind: wallet.EntryCredit, Time: now,
				Postings: wallet.Move(id, wallet.NewAmount(1000), wallet.Posting{Book: wallet.Available}, wallet.Posting{Owner: "alice", Book: wallet.Available}),
			}))
		}
		return errors.Join(steps...)
	})
	h.final(100)
	return h
}

func (h *home) update(fn func(store.Tx) error) {
	h.Helper()
	if err := h.db.Update(context.Background(), fn); err != nil {
		h.Fatal(err)
	}
}

// try is update for what may fail.
func (h *home) try(fn func(store.Tx) error) error { return h.db.Update(context.Background(), fn) }

func (h *home) final(block uint64) {
	h.update(func(tx store.Tx) error { return store.PutCursor(tx, chainID, store.Cursor{Head: block, Final: block}) })
}

// approved is a withdrawal of alice's that may be built.
func (h *home) approved(id string, asset wallet.AssetID, amount int64) wallet.Withdrawal {
	w := wallet.Withdrawal{
		WithdrawalRequest: wallet.WithdrawalRequest{ID: id, Account: "alice", Asset: asset, Amount: wallet.NewAmount(amount), To: stranger},
		Status:            wallet.WithdrawalApproved, RequestedAt: now, UpdatedAt: now,
	}
	h.update(func(tx store.Tx) error { return errors.Join(Freeze(tx, w, now), store.PutWithdrawal(tx, w)) })
	return w
}

func fee(n int64) []wallet.Fee {
	return []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(n), MaxPriorityFeePerGas: wallet.NewAmount(1)}}
}

func paymentOf(w wallet.Withdrawal, nonce uint64) batch.Item {
	p := PayloadOf(w.Asset, w.To, w.Amount, 60_000)
	return batch.Item{
		From: payer, Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: nonce, To: p.To, Value: p.Value, Data: p.Data, Gas: p.Gas,
		Rungs: fee(10), Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: w.ID, Asset: w.Asset, Recipient: w.To, Amount: w.Amount},
	}
}

func (h *home) write(kind string, items ...batch.Item) (rec wallet.BatchRecord, err error) {
	return rec, h.try(func(tx store.Tx) error {
		b, err := Draft(tx, kind, chainID, items, now, time.Hour)
		if err != nil {
			return err
		}
		rec, err = Write(tx, b)
		return err
	})
}

func (h *home) mustWrite(kind string, items ...batch.Item) wallet.BatchRecord {
	h.Helper()
	rec, err := h.write(kind, items...)
	if err != nil {
		h.Fatal(err)
	}
	return rec
}

// takeIn signs a batch that was written and takes its signatures in.
func (h *home) takeIn(rec wallet.BatchRecord) {
	h.Helper()
	h.takeInSigned(h.signed(rec), now)
}

func (h *home) takeInSigned(s *batch.Signed, at time.Time) {
	h.Helper()
	v, err := Verify(s)
	if err != nil {
		h.Fatal(err)
	}
	h.update(func(tx store.Tx) error {
		_, err := TakeIn(tx, v, at)
		return err
	})
}

// signed is what a vault makes of a batch that was written.
func (h *home) signed(rec wallet.BatchRecord) *batch.Signed {
	h.Helper()
	b, err := batch.Parse(rec.File)
	if err != nil {
		h.Fatal(err)
	}
	s := &batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *b, Digest: rec.Digest,
		PolicyHash: fmt.Sprintf("%064x", 1), RecordHead: fmt.Sprintf("%064x", 2), SignedAt: now,
	}
	for i := range b.Items {
		key, err := master.Key(b.Items[i].Path)
		if err != nil {
			h.Fatal(err)
		}
		tx, err := types.SignTx(b.Items[i].Transaction(chainID, 0), types.LatestSignerForChainID(big.NewInt(chainID)), key)
		if err != nil {
			h.Fatal(err)
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			h.Fatal(err)
		}
		s.Transactions = append(s.Transactions, []wallet.SignedRung{{Hash: tx.Hash(), Raw: raw}})
	}
	return s
}

// mined is a successful transaction that does what an item says.
func mined(it batch.Item, block uint64) wallet.Mined {
	return wallet.Mined{
		Slot:   wallet.Slot{ChainID: chainID, Sender: it.From, Nonce: it.Nonce},
		TxHash: crypto.Keccak256Hash(it.From[:], []byte{byte(it.Nonce)}), BlockNumber: block, Success: true,
		To: it.To, Value: it.Value, DataHash: keccak(it.Data), GasUsed: 50_000, GasPrice: wallet.NewAmount(4),
	}
}

func logOf(from, to common.Address, amount int64) wallet.Transfer {
	return wallet.Transfer{Asset: token, From: from, To: to, Amount: wallet.NewAmount(amount)}
}

func (h *home) settle(list ...wallet.Mined) (p Progress) {
	h.Helper()
	h.update(func(tx store.Tx) error {
		var slots []wallet.Slot
		for _, m := range list {
			if err := store.PutMined(tx, m); err != nil {
				return err
			}
			slots = append(slots, m.Slot)
		}
		var err error
		p, err = Settle(tx, chainID, slots, now)
		return err
	})
	return p
}

func (h *home) withdrawal(id string) (w wallet.Withdrawal) {
	h.Helper()
	h.update(func(tx store.Tx) (err error) {
		w, _, err = store.Withdrawal(tx, id)
		return err
	})
	return w
}

func (h *home) balance(owner string, asset wallet.AssetID, book wallet.Book) string {
	h.Helper()
	var b wallet.Balance
	h.update(func(tx store.Tx) (err error) {
		b, err = store.BalanceOf(tx, owner, asset)
		return err
	})
	return b[book].String()
}

func (h *home) location(at common.Address, asset wallet.AssetID) string {
	h.Helper()
	var a wallet.Amount
	h.update(func(tx store.Tx) (err error) {
		a, err = store.LocationBalance(tx, at, asset)
		return err
	})
	return a.String()
}

func TestJudge(t *testing.T) {
	pay := func(asset wallet.AssetID) wallet.Outgoing {
		return wallet.Outgoing{
			Slot:    wallet.Slot{ChainID: chainID, Sender: payer, Nonce: 3},
			Intent:  wallet.Intent{Kind: wallet.IntentWithdrawal, Asset: asset, Recipient: stranger, Amount: wallet.NewAmount(100)},
			Payload: PayloadOf(asset, stranger, wallet.NewAmount(100), 50_000), Attempts: []wallet.Attempt{{}},
		}
	}
	of := func(o wallet.Outgoing, change func(*wallet.Mined)) wallet.Mined {
		m := wallet.Mined{Slot: o.Slot, Success: true, To: o.Payload.To, Value: o.Payload.Value, DataHash: keccak(o.Payload.Data)}
		change(&m)
		return m
	}
	logs := func(list ...wallet.Transfer) func(*wallet.Mined) {
		return func(m *wallet.Mined) { m.Transfers = list }
	}
	for name, c := range map[string]struct {
		o      wallet.Outgoing
		change func(*wallet.Mined)
		want   Outcome
	}{
		"coin":                    {pay(coin), func(*wallet.Mined) {}, Done},
		"coin reverted":           {pay(coin), func(m *wallet.Mined) { m.Success = false }, Reverted},
		"another recipient":       {pay(coin), func(m *wallet.Mined) { m.To = treasury }, Foreign},
		"another value":           {pay(coin), func(m *wallet.Mined) { m.Value = wallet.NewAmount(99) }, Foreign},
		"call data added":         {pay(coin), func(m *wallet.Mined) { m.DataHash = keccak([]byte{1}) }, Foreign},
		"a contract created":      {pay(coin), func(m *wallet.Mined) { m.Create = true }, Foreign},
		"foreign and reverted":    {pay(coin), func(m *wallet.Mined) { m.To, m.Success = treasury, false }, Foreign},
		"token":                   {pay(token), logs(logOf(payer, stranger, 100)), Done},
		"token in two parts":      {pay(token), logs(logOf(payer, stranger, 60), logOf(payer, stranger, 40)), Done},
		"token without a log":     {pay(token), logs(), Silent},
		"token with a zero log":   {pay(token), logs(logOf(payer, stranger, 0)), Silent},
		"log of somebody else":    {pay(token), logs(logOf(stranger, payer, 100)), Silent},
		"token takes a fee":       {pay(token), logs(logOf(payer, stranger, 98), logOf(payer, treasury, 2)), Other},
		"token gives less":        {pay(token), logs(logOf(payer, stranger, 98)), Other},
		"token takes more":        {pay(token), logs(logOf(payer, stranger, 101)), Other},
		"token pays another":      {pay(token), logs(logOf(payer, treasury, 100)), Other},
		"token reverted":          {pay(token), func(m *wallet.Mined) { m.Success = false }, Reverted},
		"log of another contract": {pay(token), logs(wallet.Transfer{Asset: wallet.Token(chainID, stranger), From: payer, To: stranger, Amount: wallet.NewAmount(100)}), Silent},
	} {
		m := of(c.o, c.change)
		if have := Judge(&m, &c.o); have != c.want {
			t.Errorf("%s: outcome %d, want %d", name, have, c.want)
		}
	}
}

func TestWait(t *testing.T) {
	signed := []wallet.Attempt{{Rungs: fee(10), Signed: []common.Hash{{}}}}
	top := &wallet.Slot{ChainID: chainID, Sender: gas}
	ok, bad := &wallet.Mined{Success: true}, &wallet.Mined{}
	for name, c := range map[string]struct {
		o   wallet.Outgoing
		e   Evidence
		due bool
	}{
		"bound":              {wallet.Outgoing{State: wallet.OutgoingBound, Attempts: []wallet.Attempt{{}}}, Evidence{}, false},
		"signed":             {wallet.Outgoing{State: wallet.OutgoingSigned, Attempts: signed}, Evidence{}, true},
		"discarded":          {wallet.Outgoing{State: wallet.OutgoingBound, Attempts: []wallet.Attempt{{Signed: signed[0].Signed, Discarded: true}}}, Evidence{}, false},
		"offered":            {wallet.Outgoing{State: wallet.OutgoingOffered, Attempts: signed, OfferedAt: now}, Evidence{}, true},
		"accepted":           {wallet.Outgoing{State: wallet.OutgoingAccepted, Attempts: signed}, Evidence{}, true},
		"mined":              {wallet.Outgoing{State: wallet.OutgoingMined, Attempts: signed}, Evidence{Mined: ok}, false},
		"nonce taken":        {wallet.Outgoing{State: wallet.OutgoingOffered, Attempts: signed}, Evidence{Mined: bad}, false},
		"final":              {wallet.Outgoing{State: wallet.OutgoingFinal, Attempts: signed}, Evidence{}, false},
		"before its top-up":  {wallet.Outgoing{State: wallet.OutgoingSigned, Attempts: signed, Requires: top}, Evidence{}, false},
		"its top-up failed":  {wallet.Outgoing{State: wallet.OutgoingSigned, Attempts: signed, Requires: top}, Evidence{Required: bad}, false},
		"its top-up arrived": {wallet.Outgoing{State: wallet.OutgoingSigned, Attempts: signed, Requires: top}, Evidence{Required: ok}, true},
	} {
		if why := Wait(&c.o, c.e); (why == "") != c.due {
			t.Errorf("%s: waits %q, want due %v", name, why, c.due)
		}
	}
}

func TestWriteChecksAgain(t *testing.T) {
	h := newHome(t)
	w := h.approved("w", coin, 10)
	other := h.approved("other", coin, 10)
	other.Status = wallet.WithdrawalRequested
	frozen := h.approved("frozen", coin, 10)
	h.update(func(tx store.Tx) error { return store.PutWithdrawal(tx, other) })
	changed := w
	changed.Amount = wallet.NewAmount(11)
	wrongPath := paymentOf(w, 0)
	wrongPath.Path.Index = 1
	for name, c := range map[string]struct {
		items  []batch.Item
		before func(store.Tx) error
		want   error
	}{
		"a gap":               {[]batch.Item{paymentOf(w, 1)}, nil, ErrChanged},
		"not approved":        {[]batch.Item{paymentOf(other, 0)}, nil, ErrChanged},
		"other content":       {[]batch.Item{paymentOf(changed, 0)}, nil, wallet.ErrConflict},
		"unknown":             {[]batch.Item{paymentOf(wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{ID: "x", Asset: coin, Amount: wallet.NewAmount(1), To: stranger}}, 0)}, nil, wallet.ErrNotFound},
		"another path":        {[]batch.Item{wrongPath}, nil, wallet.ErrConflict},
		"the same twice":      {[]batch.Item{paymentOf(w, 0), paymentOf(w, 1)}, nil, wallet.ErrRefused},
		"account was frozen":  {[]batch.Item{paymentOf(frozen, 0)}, func(tx store.Tx) error { return store.Freeze(tx, "alice", "owes") }, ErrChanged},
		"halted":              {[]batch.Item{paymentOf(w, 0)}, func(tx store.Tx) error { return store.SetHalt(tx, &store.Halt{Reason: "drill"}) }, wallet.ErrRefused},
		"nonce used":          {[]batch.Item{paymentOf(w, 0)}, func(tx store.Tx) error { return store.PutMined(tx, mined(paymentOf(w, 0), 5)) }, ErrChanged},
		"nonce moved":         {[]batch.Item{paymentOf(w, 0)}, func(tx store.Tx) error { return store.PutNextNonce(tx, chainID, payer, 1) }, ErrChanged},
		"nonce not known yet": {[]batch.Item{func() batch.Item { i := paymentOf(w, 0); return i }()}, func(tx store.Tx) error { return tx.Delete(nonceKey(tx)) }, ErrNoHistory},
	} {
		err := h.try(func(tx store.Tx) error {
			if c.before != nil {
				if err := c.before(tx); err != nil {
					return err
				}
			}
			b, err := Draft(tx, batch.Withdrawals, chainID, c.items, now, time.Hour)
			if err != nil {
				return err
			}
			if _, err := Write(tx, b); err != nil {
				return err
			}
			return errors.New("written")
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if w := h.withdrawal("w"); w.Status != wallet.WithdrawalApproved || w.Slot != nil {
		t.Errorf("left behind: %+v", w)
	}
}

// nonceKey finds where the payer's next nonce is stored.
func nonceKey(tx store.Tx) (key []byte) {
	_ = tx.Scan(store.Range{From: []byte("nonce\x00"), To: []byte("nonce\x01")}, func(k, _ []byte) error {
		if strings.Contains(string(k), string(payer[:])) {
			key = append([]byte(nil), k...)
		}
		return nil
	})
	return key
}

func TestRebuildKeepsSlotAndPayload(t *testing.T) {
	h := newHome(t)
	a, b := h.approved("a", coin, 10), h.approved("b", coin, 20)
	first := h.mustWrite(batch.Withdrawals, paymentOf(a, 0), paymentOf(b, 1))
	if _, err := h.write(batch.Withdrawals, paymentOf(a, 0)); !errors.Is(err, ErrChanged) {
		t.Fatalf("built again while the first batch stands: %v", err)
	}
	h.update(func(tx store.Tx) error {
		_, err := Discard(tx, first.ID, now)
		return err
	})
	for name, items := range map[string][]batch.Item{
		"at a new nonce":        {paymentOf(a, 2)},
		"at another's nonce":    {paymentOf(a, 1)},
		"both with one's nonce": {paymentOf(b, 0)},
	} {
		if _, err := h.write(batch.Withdrawals, items...); !errors.Is(err, wallet.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.mustWrite(batch.Withdrawals, paymentOf(b, 1)) // alone
	h.mustWrite(batch.Withdrawals, paymentOf(a, 0))
	h.update(func(tx store.Tx) error {
		if next, err := NextNonce(tx, chainID, payer); err != nil || next != 2 {
			t.Errorf("next nonce %d, %v", next, err)
		}
		return nil
	})
}

func TestOtherAmountIsHeldUntilAccepted(t *testing.T) {
	h := newHome(t)
	w := h.approved("w", token, 100)
	h.mustWrite(batch.Withdrawals, paymentOf(w, 0))
	m := mined(paymentOf(w, 0), 50)
	m.Transfers = []wallet.Transfer{logOf(payer, stranger, 98), {Asset: token, From: payer, To: treasury, Amount: wallet.NewAmount(1), Position: 1}}
	for range 2 {
		if p := h.settle(m); p.Held != 1 {
			t.Fatalf("%+v", p)
		}
	}
	if got := h.balance("alice", token, wallet.Pending); got != "100" {
		t.Fatalf("pending %s", got)
	}
	h.update(func(tx store.Tx) error {
		doubts, err := Doubts(tx, chainID, nil)
		if err == nil && (len(doubts) != 1 || doubts[0].Kind != DoubtAmount || !doubts[0].Acceptable) {
			t.Errorf("doubts: %+v", doubts)
		}
		return err
	})
	h.update(func(tx store.Tx) error {
		_, err := Accept(tx, m.Slot, "", now)
		return err
	})
	if w := h.withdrawal("w"); w.Status != wallet.WithdrawalConfirmed {
		t.Errorf("it is %s", w.Status)
	}
	for book, want := range map[wallet.Book]string{wallet.Pending: "0", wallet.Paid: "98", wallet.Available: "902"} {
		if got := h.balance("alice", token, book); got != want {
			t.Errorf("%s: %s, want %s", book, got, want)
		}
	}
	if got := h.location(payer, token); got != "-99" { // the home was never funded
		t.Errorf("the payer's tokens moved by %s", got)
	}
	if got := h.location(treasury, token); got != "1" {
		t.Errorf("the treasury's tokens moved by %s", got)
	}
}

func TestSilentTokenReleases(t *testing.T) {
	h := newHome(t)
	w := h.approved("w", token, 100)
	h.mustWrite(batch.Withdrawals, paymentOf(w, 0))
	if p := h.settle(mined(paymentOf(w, 0), 50)); p.Failed != 1 {
		t.Fatalf("%+v", p)
	}
	if w := h.withdrawal("w"); w.Status != wallet.WithdrawalFailed || w.Reason == "" {
		t.Errorf("%+v", w)
	}
	if got := h.balance("alice", token, wallet.Available); got != "1000" {
		t.Errorf("available %s", got)
	}
	if got := h.location(payer, coin); got != "-200000" {
		t.Errorf("gas of %s was booked", got)
	}
}

func TestNothingIsReleasedBelowFinality(t *testing.T) {
	h := newHome(t)
	w := h.approved("w", coin, 100)
	h.mustWrite(batch.Withdrawals, paymentOf(w, 0))
	m := mined(paymentOf(w, 0), 101)
	m.Success = false
	if p := h.settle(m); p != (Progress{}) {
		t.Fatalf("settled above the final block: %+v", p)
	}
	h.final(101)
	if p := h.settle(m); p.Failed != 1 {
		t.Fatalf("not settled at the final block: %+v", p)
	}
}

// A store from before a request finds the payment of it first, and books it as
// unknown. Asked for again, it must not be paid again.
func TestPaymentFoundBeforeItsRequest(t *testing.T) {
	for name, c := range map[string]struct {
		asset wallet.AssetID
		logs  []wallet.Transfer
	}{
		"coin":                               {coin, nil},
		"token":                              {token, []wallet.Transfer{logOf(payer, stranger, 7)}},
		"token that was not registered then": {token, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			m := mined(paymentOf(wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{Asset: c.asset, Amount: wallet.NewAmount(7), To: stranger}}, 0), 50)
			m.Transfers = c.logs
			if p := h.settle(m); p != (Progress{}) {
				t.Fatalf("%+v", p)
			}
			before := h.location(payer, c.asset)
			h.approved("later", c.asset, 7)
			h.update(func(tx store.Tx) error {
				a, err := Accept(tx, m.Slot, "", now)
				if a.Withdrawal != "later" {
					t.Errorf("it paid %q", a.Withdrawal)
				}
				return err
			})
			if w := h.withdrawal("later"); w.Status != wallet.WithdrawalConfirmed || w.TxHash != m.TxHash {
				t.Errorf("%+v", w)
			}
			if available, pending, paid := h.balance("alice", c.asset, wallet.Available), h.balance("alice", c.asset, wallet.Pending), h.balance("alice", c.asset, wallet.Paid); available != "993" || pending != "0" || paid != "7" {
				t.Errorf("alice has %s available, %s pending, %s paid", available, pending, paid)
			}
			if after := h.location(payer, c.asset); after != before {
				t.Errorf("the payer had %s, and has %s", before, after)
			}
			if err := h.try(func(tx store.Tx) error { _, err := Accept(tx, m.Slot, "", now); return err }); !errors.Is(err, wallet.ErrRefused) {
				t.Errorf("accepted again: %v", err)
			}
		})
	}
}

// A payment that nobody here made and that nothing asks for is booked, and
// accepting it goes on after it.
func TestForeignPaymentOfNothing(t *testing.T) {
	h := newHome(t)
	m := mined(paymentOf(wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{Asset: coin, Amount: wallet.NewAmount(7), To: stranger}}, 0), 50)
	h.settle(m)
	h.approved("other", coin, 8)
	h.update(func(tx store.Tx) error {
		a, err := Accept(tx, m.Slot, "", now)
		if a.Withdrawal != "" {
			t.Errorf("it paid %s", a.Withdrawal)
		}
		return err
	})
	if got := h.location(payer, coin); got != "-200007" {
		t.Errorf("the payer's coin moved by %s", got)
	}
}

// What an imported key sent is booked and needs no explanation, since nothing is
// built for it here.
func TestImportedKeySends(t *testing.T) {
	h := newHome(t)
	key := common.Address{0xee}
	h.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: key, Role: wallet.ExternalRole, Path: wallet.Path{Role: wallet.ExternalRole, Imported: true}})
	})
	h.settle(mined(batch.Item{From: key, To: stranger, Value: wallet.NewAmount(7)}, 50))
	h.update(func(tx store.Tx) error {
		list, err := store.Unexplained(tx, chainID)
		if len(list) != 0 {
			t.Errorf("%v are to be explained", list)
		}
		return err
	})
	if got := h.location(key, coin); got != "-200007" {
		t.Errorf("the key's coin moved by %s", got)
	}
}

func TestAcceptWantsAChoice(t *testing.T) {
	h := newHome(t)
	a := h.approved("a", coin, 7)
	h.approved("b", coin, 7)
	m := mined(paymentOf(a, 0), 50)
	if p := h.settle(m); p.Held != 1 {
		t.Fatalf("%+v", p)
	}
	accept := func(withdrawal string) error {
		return h.try(func(tx store.Tx) error {
			_, err := Accept(tx, m.Slot, withdrawal, now)
			return err
		})
	}
	for _, wrong := range []string{"", "c"} {
		if err := accept(wrong); !errors.Is(err, wallet.ErrRefused) {
			t.Errorf("accepted for %q: %v", wrong, err)
		}
	}
	if err := accept("b"); err != nil {
		t.Fatal(err)
	}
	if a, b := h.withdrawal("a"), h.withdrawal("b"); a.Status != wallet.WithdrawalApproved || b.Status != wallet.WithdrawalConfirmed {
		t.Errorf("a is %s, b is %s", a.Status, b.Status)
	}
}

// A sweep of tokens and then of coin, after a top-up: each in its turn, all of
// it movements, and the unspent gas is dust.
func TestSweepWithTopUp(t *testing.T) {
	h := newHome(t)
	own := func(kind wallet.IntentKind, from common.Address, role wallet.Role, nonce uint64, asset wallet.AssetID, to common.Address, recipient wallet.Role, amount int64) batch.Item {
		p := PayloadOf(asset, to, wallet.NewAmount(amount), 60_000)
		slot := wallet.Slot{ChainID: chainID, Sender: from, Nonce: nonce}
		return batch.Item{
			From: from, Path: wallet.Path{Role: role}, Nonce: nonce, To: p.To, Value: p.Value, Data: p.Data, Gas: p.Gas, Rungs: fee(10), Requires: -1,
			Intent:        wallet.Intent{Kind: kind, ID: slot.IntentID(), Asset: asset, Recipient: to, Amount: wallet.NewAmount(amount)},
			RecipientPath: wallet.Path{Role: recipient}.String(),
		}
	}
	top := own(wallet.IntentTopUp, gas, wallet.GasRole, 0, coin, deposit, wallet.DepositRole, 900_000)
	tokens := own(wallet.IntentSweep, deposit, wallet.DepositRole, 0, token, treasury, wallet.TreasuryRole, 500)
	coins := own(wallet.IntentSweep, deposit, wallet.DepositRole, 1, coin, treasury, wallet.TreasuryRole, 70)
	tokens.Requires, coins.Requires = 0, 0
	rec := h.mustWrite(batch.Sweep, top, tokens, coins)
	h.takeIn(rec)
	due := func(want ...wallet.Slot) {
		t.Helper()
		h.update(func(tx store.Tx) error {
			var have []wallet.Slot
			senders, err := store.OpenSenders(tx, chainID)
			for _, sender := range senders {
				line, lineErr := Line(tx, chainID, sender, 64)
				for _, d := range Decide(line, nil, Market{}, DefaultTerms, now) {
					have = append(have, d.Slot)
				}
				err = errors.Join(err, lineErr)
			}
			if fmt.Sprint(have) != fmt.Sprint(want) {
				t.Errorf("due %v, want %v", have, want)
			}
			return err
		})
	}
	due(rec.Slots[0])
	if p := h.settle(mined(top, 50)); p.Confirmed != 1 {
		t.Fatalf("top-up: %+v", p)
	}
	due(rec.Slots[1], rec.Slots[2])
	m := mined(tokens, 51)
	m.Transfers = []wallet.Transfer{logOf(deposit, treasury, 500)}
	if p := h.settle(m, mined(coins, 52)); p.Confirmed != 2 {
		t.Fatalf("sweeps: %+v", p)
	}
	for name, c := range map[string][2]string{
		"treasury's tokens": {h.location(treasury, token), "500"},
		"treasury's coin":   {h.location(treasury, coin), "70"},
		"deposit's tokens":  {h.location(deposit, token), "-500"},
		"deposit's coin":    {h.location(deposit, coin), "499930"}, // 900000 − 70 − 2 × 200000
		"dust":              {h.balance(wallet.House, coin, wallet.Dust), "800000"},
		"gas":               {h.balance(wallet.House, coin, wallet.GasSpent), "600000"},
		"alice's coin":      {h.balance("alice", coin, wallet.Available), "1000"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %s, want %s", name, c[0], c[1])
		}
	}
	h.update(func(tx store.Tx) error {
		left := 0
		if err := store.OpenOutgoing(tx, chainID, func(wallet.Outgoing) error { left++; return nil }); err != nil {
			return err
		}
		if left != 0 {
			t.Errorf("%d slots are open", left)
		}
		e, err := store.EventAt(tx, 2)
		if err == nil && e.Type != wallet.SweepConfirmedEvent {
			t.Errorf("event %s", e.Type)
		}
		return err
	})
}

func TestTakeInRefusesAnotherBatch(t *testing.T) {
	h, stranger := newHome(t), newHome(t)
	w := stranger.approved("w", coin, 10)
	rec := stranger.mustWrite(batch.Withdrawals, paymentOf(w, 0))
	b, err := batch.Parse(rec.File)
	if err != nil {
		t.Fatal(err)
	}
	v := Verified{&batch.Signed{Batch: *b}, rec.Digest}
	if err := h.try(func(tx store.Tx) error { _, err := TakeIn(tx, v, now); return err }); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("a batch of another home: %v", err)
	}
	v.digest = "another"
	if err := stranger.try(func(tx store.Tx) error { _, err := TakeIn(tx, v, now); return err }); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("a batch that was changed: %v", err)
	}
}

// A signed file whose time was changed to lie in the future cannot keep later
// files from telling the newest head of the signing record.
func TestHeadFromTheFuture(t *testing.T) {
	h := newHome(t)
	first := h.signed(h.mustWrite(batch.Withdrawals, paymentOf(h.approved("a", coin, 1), 0)))
	first.RecordHead, first.SignedAt = strings.Repeat("f", 64), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	h.takeInSigned(first, now)
	second := h.signed(h.mustWrite(batch.Withdrawals, paymentOf(h.approved("b", coin, 1), 1)))
	second.RecordHead, second.SignedAt = strings.Repeat("2", 64), now.Add(time.Minute)
	h.takeInSigned(second, now.Add(time.Hour))
	h.update(func(tx store.Tx) error {
		head, err := store.LastRecordHead(tx, second.Batch.Vault)
		if head.Head != second.RecordHead || head.SignedAt.After(second.SignedAt) {
			t.Errorf("the newest head is %+v, want %s", head, second.RecordHead)
		}
		return err
	})
}

// Of two batches that were signed within a second, the one that comes last tells
// the newest head; one that comes again tells nothing.
func TestHeadsOfTheSameSecond(t *testing.T) {
	h := newHome(t)
	first := h.signed(h.mustWrite(batch.Withdrawals, paymentOf(h.approved("a", coin, 1), 0)))
	second := h.signed(h.mustWrite(batch.Withdrawals, paymentOf(h.approved("b", coin, 1), 1)))
	first.RecordHead, second.RecordHead = strings.Repeat("1", 64), strings.Repeat("2", 64)
	for _, s := range []*batch.Signed{first, second, first} {
		h.takeInSigned(s, now)
	}
	h.update(func(tx store.Tx) error {
		head, err := store.LastRecordHead(tx, second.Batch.Vault)
		if head.Head != second.RecordHead {
			t.Errorf("the newest head is %s, want %s", head.Head, second.RecordHead)
		}
		return err
	})
}

// A file whose signatures were exchanged, cut off or left over from another
// batch is refused before the store sees it.
func TestVerifyRefusesOtherSignatures(t *testing.T) {
	h := newHome(t)
	two := func(id string, nonce uint64) *batch.Signed {
		return h.signed(h.mustWrite(batch.Withdrawals, paymentOf(h.approved(id+"1", coin, 1), nonce), paymentOf(h.approved(id+"2", coin, 2), nonce+1)))
	}
	other := two("other", 0)
	tests := map[string]func(s *batch.Signed){
		"exchanged":            func(s *batch.Signed) { s.Transactions[0], s.Transactions[1] = s.Transactions[1], s.Transactions[0] },
		"of another batch":     func(s *batch.Signed) { s.Transactions = other.Transactions },
		"one of another batch": func(s *batch.Signed) { s.Transactions[1] = other.Transactions[1] },
		"one missing":          func(s *batch.Signed) { s.Transactions = s.Transactions[:1] },
		"one rung missing":     func(s *batch.Signed) { s.Transactions[1] = nil },
		"another batch":        func(s *batch.Signed) { s.Batch = other.Batch },
		"batch and digest":     func(s *batch.Signed) { s.Batch, s.Digest = other.Batch, other.Digest },
	}
	nonce := uint64(2)
	for name, change := range tests {
		s := two(name, nonce)
		nonce += 2
		change(s)
		if _, err := Verify(s); !errors.Is(err, wallet.ErrRefused) {
			t.Errorf("%s: Verify = %v, want a refusal", name, err)
		}
	}
}
