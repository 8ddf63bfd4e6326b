package outgoing

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Freeze sets aside what a withdrawal pays: its account's available becomes
// pending. The house freezes nothing. The error wraps store.ErrInsufficient.
func Freeze(tx store.Tx, w wallet.Withdrawal, now time.Time) error {
	return shift(tx, w, "freeze", wallet.EntryFreeze, wallet.Available, wallet.Pending, w.Amount, now)
}

// Release undoes Freeze for a withdrawal that will never be paid.
func Release(tx store.Tx, w wallet.Withdrawal, now time.Time) error {
	return shift(tx, w, "release", wallet.EntryRelease, wallet.Pending, wallet.Available, w.Amount, now)
}

// shift moves an amount of a withdrawal's account from one book to another,
// while the value stays where it is.
func shift(tx store.Tx, w wallet.Withdrawal, what string, kind wallet.EntryKind, from, to wallet.Book, amount wallet.Amount, now time.Time) error {
	if w.Account == wallet.House || amount.IsZero() {
		return nil
	}
	return store.Book(tx, wallet.Entry{
		ID: what + ":" + w.ID, ChainID: w.Asset.ChainID, Kind: kind, Ref: w.ID, Time: now.UTC(),
		Postings: wallet.Move(w.Asset, amount,
			wallet.Posting{Location: wallet.Outside, Owner: w.Account, Book: from},
			wallet.Posting{Location: wallet.Outside, Owner: w.Account, Book: to}),
	})
}

// flow is value that a mined transaction moved.
type flow struct {
	asset    wallet.AssetID
	from, to common.Address
	amount   wallet.Amount
	deposit  bool // scanning recorded it as a deposit, which books the arrival
}

// flows lists what a transaction moved from or to addresses of ours.
func (s *settler) flows(m *wallet.Mined) (list []flow, err error) {
	if !m.Success {
		return nil, nil
	}
	if out := m.ValueOut(); !out.IsZero() {
		f := flow{asset: wallet.Coin(s.chain), from: m.Slot.Sender, to: m.To, amount: out}
		if f.deposit, err = s.isDeposit(wallet.DepositID(s.chain, m.TxHash, wallet.KindNative, 0)); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	for _, t := range m.Transfers {
		if t.Amount.IsZero() {
			continue
		}
		f := flow{asset: t.Asset, from: t.From, to: t.To, amount: t.Amount}
		if f.deposit, err = s.isDeposit(t.DepositID(m.TxHash)); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

func (s *settler) isDeposit(id string) (bool, error) {
	d, ok, err := store.Deposit(s.tx, id)
	return ok && d.Status != wallet.DepositOrphaned, err
}

// bookMined books all that a final transaction moved, gas included, and marks
// it settled. If it paid withdrawals, up to the amount of each is the
// withdrawal's and the rest is the house's.
func (s *settler) bookMined(m wallet.Mined, withdrawals []wallet.Withdrawal) error {
	id := m.Slot.IntentID()
	gas := wallet.Move(wallet.Coin(s.chain), m.Cost(),
		wallet.Posting{Location: m.Slot.Sender, Owner: wallet.House, Book: wallet.Available},
		wallet.Posting{Location: wallet.Outside, Owner: wallet.House, Book: wallet.GasSpent})
	if err := s.book(&m, "gas:"+id, wallet.EntryGas, id, gas); err != nil {
		return err
	}
	flows, err := s.flows(&m)
	if err != nil {
		return err
	}
	var moved, unknown []wallet.Posting
	paid := make([][]wallet.Posting, len(withdrawals))
	left := make([]wallet.Amount, len(withdrawals))
	for i := range withdrawals {
		left[i] = withdrawals[i].Amount
	}
	for _, f := range flows {
		from, to, err := s.ends(f)
		if err != nil {
			return err
		}
		for i := range withdrawals {
			w := &withdrawals[i]
			if f.asset != w.Asset || f.from != m.Slot.Sender || !paysThere(&f, w) || left[i].IsZero() || f.amount.IsZero() {
				continue
			}
			part := f.amount
			if part.Cmp(left[i]) > 0 {
				part = left[i]
			}
			left[i], f.amount = left[i].Sub(part), f.amount.Sub(part)
			paid[i] = append(paid[i], payPostings(f.asset, part, from.Location, to.Location, w.Account)...)
		}
		switch {
		case from.Location == to.Location:
		case from.Location != wallet.Outside && to.Location != wallet.Outside:
			moved = append(moved, wallet.Move(f.asset, f.amount, from, to)...)
		default:
			unknown = append(unknown, wallet.Move(f.asset, f.amount, from, to)...)
		}
	}
	for i, w := range withdrawals {
		if err := s.book(&m, "withdrawal:"+w.ID, wallet.EntryWithdrawal, w.ID, paid[i]); err != nil {
			return err
		}
		if err := shift(s.tx, w, "release", wallet.EntryRelease, wallet.Pending, wallet.Available, left[i], s.now); err != nil {
			return err
		}
	}
	if err := s.book(&m, "movement:"+id, wallet.EntryMovement, id, moved); err != nil {
		return err
	}
	if err := s.book(&m, "unknown:"+id, wallet.EntryUnknown, id, unknown); err != nil {
		return err
	}
	m.Settled = true
	return store.PutMined(s.tx, m)
}

// payPostings settle a payment: what was set aside for the account is paid.
func payPostings(asset wallet.AssetID, amount wallet.Amount, from, to common.Address, account string) []wallet.Posting {
	book := wallet.Pending
	if account == wallet.House {
		book = wallet.Available
	}
	return wallet.Move(asset, amount,
		wallet.Posting{Location: from, Owner: account, Book: book},
		wallet.Posting{Location: to, Owner: account, Book: wallet.Paid})
}

// ends says where the two ends of a flow are booked for the house. An arrival
// that is a deposit is booked by the deposit, so here it went outside.
func (s *settler) ends(f flow) (from, to wallet.Posting, err error) {
	outside := wallet.Posting{Location: wallet.Outside, Owner: wallet.House, Book: wallet.Unknown}
	from, to = outside, outside
	fromOurs, err := store.IsOurs(s.tx, f.from)
	if err != nil {
		return from, to, err
	}
	toOurs, err := store.IsOurs(s.tx, f.to)
	if err != nil {
		return from, to, err
	}
	if fromOurs {
		from = wallet.Posting{Location: f.from, Owner: wallet.House, Book: wallet.Available}
	}
	if toOurs && !f.deposit {
		to = wallet.Posting{Location: f.to, Owner: wallet.House, Book: wallet.Available}
	}
	return from, to, nil
}

func (s *settler) book(m *wallet.Mined, id string, kind wallet.EntryKind, ref string, postings []wallet.Posting) error {
	if len(postings) == 0 {
		return nil
	}
	return store.Book(s.tx, wallet.Entry{
		ID: id, ChainID: s.chain, Kind: kind, Ref: ref, Time: s.now.UTC(), Block: m.BlockNumber, Postings: postings,
	})
}

// bookDust books what a sweep of the coin left of the gas that was reserved on
// its address: its own, and that of the token sweeps before it in its batch.
// What earlier sweeps left there was swept along with the rest.
func (s *settler) bookDust(m *wallet.Mined, o *wallet.Outgoing) error {
	dust := unspent(m, o)
	for slot := o.Slot; slot.Nonce > 0; {
		slot.Nonce--
		earlier, ok, err := store.OutgoingAt(s.tx, slot)
		if err != nil {
			return err
		}
		if !ok || earlier.Last().Batch != o.Last().Batch {
			break
		}
		mined, ok, err := store.MinedAt(s.tx, slot)
		if err != nil {
			return err
		}
		if ok && isOurs(&mined, &earlier) {
			dust = dust.Add(unspent(&mined, &earlier))
		}
	}
	before, err := store.DustAt(s.tx, s.chain, o.Slot.Sender)
	if err != nil {
		return err
	}
	postings := wallet.Move(wallet.Coin(s.chain), dust.Sub(before),
		wallet.Posting{Location: o.Slot.Sender, Owner: wallet.House, Book: wallet.Available},
		wallet.Posting{Location: o.Slot.Sender, Owner: wallet.House, Book: wallet.Dust})
	if err := s.book(m, "dust:"+o.Slot.IntentID(), wallet.EntryMovement, o.Slot.IntentID(), postings); err != nil {
		return err
	}
	return store.PutDust(s.tx, s.chain, o.Slot.Sender, dust)
}

// unspent is what a transaction left of the gas that was reserved for it: its
// limit at the top rung of the attempt that was mined, or of the newest one if
// somebody altered its fees.
func unspent(m *wallet.Mined, o *wallet.Outgoing) wallet.Amount {
	attempt := o.Last()
	for i := range o.Attempts {
		if o.Attempts[i].Holds(m.TxHash) {
			attempt = &o.Attempts[i]
		}
	}
	if len(attempt.Rungs) == 0 {
		return wallet.Amount{}
	}
	left := attempt.Rungs[len(attempt.Rungs)-1].MaxFeePerGas.Mul(o.PayloadOf(attempt).Gas).Sub(m.Cost())
	if left.Sign() < 0 {
		return wallet.Amount{}
	}
	return left
}
