package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// PutMined records what was mined at a slot of ours, replacing what a reorg
// put in its place.
func PutMined(tx Tx, m wallet.Mined) error {
	if old, ok, err := MinedAt(tx, m.Slot); err != nil {
		return err
	} else if ok {
		if err := tx.Delete(minedOpenKey(old)); err != nil {
			return err
		}
	}
	if !m.Settled {
		if err := tx.Put(minedOpenKey(m), m.TxHash[:]); err != nil {
			return err
		}
	}
	return put(tx, slotKey(tMined, m.Slot), m)
}

// MinedAt returns what was mined at a slot; ok is false if nothing was seen.
func MinedAt(tx Tx, s wallet.Slot) (m wallet.Mined, ok bool, err error) {
	return get[wallet.Mined](tx, slotKey(tMined, s))
}

// DeleteMined forgets an unsettled transaction whose block left the chain.
func DeleteMined(tx Tx, m wallet.Mined) error {
	if err := tx.Delete(minedOpenKey(m)); err != nil {
		return err
	}
	return tx.Delete(slotKey(tMined, m.Slot))
}

// UnsettledMined returns the transactions of blocks from ≤ n ≤ to that were
// mined and not booked yet, oldest block first.
func UnsettledMined(tx Tx, chain, from, to uint64) (list []wallet.Mined, err error) {
	skip := len(keyOf(tMinedOpen, chain, from))
	err = tx.Scan(Range{From: keyOf(tMinedOpen, chain, from), To: keyOf(tMinedOpen, chain, to+1)}, func(k, _ []byte) error {
		m, _, err := MinedAt(tx, slotOf(chain, k[skip:]))
		list = append(list, m)
		return err
	})
	return list, err
}

// UnsettledHashes returns the hashes of all transactions of a chain that were
// mined and not booked yet.
func UnsettledHashes(tx Tx, chain uint64) (map[wallet.Slot]common.Hash, error) {
	hashes := map[wallet.Slot]common.Hash{}
	skip := len(keyOf(tMinedOpen, chain, uint64(0)))
	return hashes, tx.Scan(under(keyOf(tMinedOpen, chain)), func(k, hash []byte) error {
		hashes[slotOf(chain, k[skip:])] = common.BytesToHash(hash)
		return nil
	})
}

func minedOpenKey(m wallet.Mined) []byte {
	return keyOf(tMinedOpen, m.Slot.ChainID, m.BlockNumber, m.Slot.Sender, m.Slot.Nonce)
}

func slotKey(table string, s wallet.Slot) []byte { return keyOf(table, s.ChainID, s.Sender, s.Nonce) }

// slotOf reads the sender and nonce at the end of a key.
func slotOf(chain uint64, b []byte) wallet.Slot {
	return wallet.Slot{ChainID: chain, Sender: common.BytesToAddress(b[:20]), Nonce: number(b[20:])}
}
