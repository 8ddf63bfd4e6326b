package store

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// RecordHead is the head of a vault's signing record as a signed batch showed
// it.
type RecordHead struct {
	Head     string    `json:"head"` // hex
	SignedAt time.Time `json:"signed_at"`
}

// LastRecordHead returns the newest head of a vault's signing record that came
// back with a signed batch, or a zero one.
func LastRecordHead(tx Tx, vault string) (RecordHead, error) {
	h, _, err := get[RecordHead](tx, keyOf(tMeta, "record-head."+vault))
	return h, err
}

// PutRecordHead stores what LastRecordHead returns.
func PutRecordHead(tx Tx, vault string, h RecordHead) error {
	return put(tx, keyOf(tMeta, "record-head."+vault), h)
}

// DustAt is what sweeps of the coin left on an address and booked as dust.
func DustAt(tx Tx, chain uint64, at common.Address) (wallet.Amount, error) {
	a, _, err := get[wallet.Amount](tx, keyOf(tDust, chain, at))
	return a, err
}

// PutDust stores what DustAt returns.
func PutDust(tx Tx, chain uint64, at common.Address, a wallet.Amount) error {
	return put(tx, keyOf(tDust, chain, at), a)
}

// MarkUnexplained notes a transaction of ours that airlock did not make and
// that nobody attributed yet.
func MarkUnexplained(tx Tx, s wallet.Slot) error { return mark(tx, slotKey(tUnexplained, s)) }

// ClearUnexplained undoes MarkUnexplained.
func ClearUnexplained(tx Tx, s wallet.Slot) error { return tx.Delete(slotKey(tUnexplained, s)) }

// Unexplained lists the marked slots of a chain, by sender and nonce.
func Unexplained(tx Tx, chain uint64) (list []wallet.Slot, err error) {
	prefix := keyOf(tUnexplained, chain)
	err = tx.Scan(under(prefix), func(k, _ []byte) error {
		list = append(list, slotOf(chain, k[len(prefix):]))
		return nil
	})
	return list, err
}

// WithdrawalsAfter is Withdrawals from the one after the given id on. An empty
// id begins with the first.
func WithdrawalsAfter(tx Tx, chain uint64, status wallet.WithdrawalStatus, id string, fn func(wallet.Withdrawal) error) error {
	prefix := keyOf(tWithdrawalSt, chain, string(status))
	r := under(prefix)
	if id != "" {
		seq, _, err := getNumber(tx, keyOf(tWithdrawalSq, id))
		if err != nil {
			return err
		}
		r.From = keyOf(tWithdrawalSt, chain, string(status), seq+1)
	}
	return tx.Scan(r, func(_, key []byte) error {
		w, _, err := Withdrawal(tx, string(key))
		if err != nil {
			return err
		}
		return fn(w)
	})
}
