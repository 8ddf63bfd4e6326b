package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// Place is one asset on one address.
type Place struct {
	Address common.Address
	Asset   wallet.AssetID
}

// Unbooked sums, for each place of ours on a chain, what scanning saw move there
// in blocks up to and including upTo and what is not in the ledger yet: pending
// deposits, unsettled transactions of ours with their gas, and outflows. What is
// in the ledger and vanished from the chain counts the other way round. Added to
// the ledger, it is what must lie there on chain.
func Unbooked(tx Tx, chain, upTo uint64) (map[Place]wallet.Amount, error) {
	sums := map[Place]wallet.Amount{}
	err := unbookedIn(tx, chain, 0, upTo, func(_ uint64, p Place, amount wallet.Amount) {
		sums[p] = sums[p].Add(amount)
	})
	return sums, err
}

// unbookedIn calls each for what moved in blocks from ≤ n ≤ to.
func unbookedIn(tx Tx, chain, from, to uint64, each func(block uint64, p Place, amount wallet.Amount)) error {
	u := unbooked{tx: tx, chain: chain, each: each}
	pending, err := pendingDeposits(tx, chain, from, to, 0)
	if err != nil {
		return err
	}
	for _, d := range pending {
		u.block = d.BlockNumber
		u.add(d.Address, d.Asset, d.Amount)
	}
	mined, err := UnsettledMined(tx, chain, from, to)
	if err != nil {
		return err
	}
	for _, m := range mined {
		u.block = m.BlockNumber
		if err := u.addMined(m); err != nil {
			return err
		}
	}
	outflows, err := Outflows(tx, chain, from, to, 0)
	if err != nil {
		return err
	}
	for _, o := range outflows {
		u.block = o.BlockNumber
		if err := u.move(o.Transfer.Asset, o.Transfer.From, o.Transfer.To, o.Transfer.Amount); err != nil {
			return err
		}
	}
	return u.addVanished(from, to)
}

// addVanished takes away what transactions moved that were booked in a block
// that left the chain, and adds what was mined at their slots since.
func (u *unbooked) addVanished(from, to uint64) error {
	all, err := AllVanished(u.tx, u.chain)
	if err != nil {
		return err
	}
	within := func(n uint64) bool { return from <= n && n <= to }
	for _, v := range all {
		old, ok, err := MinedAt(u.tx, v.Slot)
		if err != nil {
			return err
		}
		if ok && within(old.BlockNumber) {
			booked := unbooked{tx: u.tx, chain: u.chain, block: old.BlockNumber, settled: true, each: func(n uint64, p Place, a wallet.Amount) { u.each(n, p, a.Neg()) }}
			if err := booked.addMined(old); err != nil {
				return err
			}
		}
		if v.Found != nil && within(v.Found.BlockNumber) {
			u.block = v.Found.BlockNumber
			if err := u.addMined(*v.Found); err != nil {
				return err
			}
		}
	}
	return nil
}

type unbooked struct {
	tx    Tx
	chain uint64
	block uint64 // in which it moved
	each  func(block uint64, p Place, amount wallet.Amount)
	// settled says that what is summed was booked: a deposit that it brought was
	// booked on its own, even if that was undone since.
	settled bool
}

func (u *unbooked) add(at common.Address, asset wallet.AssetID, amount wallet.Amount) {
	u.each(u.block, Place{at, asset}, amount)
}

func (u *unbooked) move(asset wallet.AssetID, from, to common.Address, amount wallet.Amount) error {
	if ours, err := IsOurs(u.tx, from); err != nil {
		return err
	} else if ours {
		u.add(from, asset, amount.Neg())
	}
	ours, err := IsOurs(u.tx, to)
	if err == nil && ours {
		u.add(to, asset, amount)
	}
	return err
}

// addMined adds what a transaction of ours moved. Where the arrival is a
// deposit, that is a record of its own.
func (u *unbooked) addMined(m wallet.Mined) error {
	coin := wallet.Coin(u.chain)
	u.add(m.Slot.Sender, coin, m.Cost().Neg())
	if !m.Success {
		return nil
	}
	to, err := u.unlessDeposit(wallet.DepositID(u.chain, m.TxHash, wallet.KindNative, 0), m.To)
	if err != nil {
		return err
	}
	if err := u.move(coin, m.Slot.Sender, to, m.ValueOut()); err != nil {
		return err
	}
	for _, t := range m.Transfers {
		if to, err = u.unlessDeposit(t.DepositID(m.TxHash), t.To); err != nil {
			return err
		}
		if err := u.move(t.Asset, t.From, to, t.Amount); err != nil {
			return err
		}
	}
	return nil
}

// unlessDeposit is the address to, or the outside if the arrival there was
// recorded as a deposit.
func (u *unbooked) unlessDeposit(id string, to common.Address) (common.Address, error) {
	d, ok, err := Deposit(u.tx, id)
	if ok && (u.settled || d.Status != wallet.DepositOrphaned) {
		to = wallet.Outside
	}
	return to, err
}
