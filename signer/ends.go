package signer

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Who poisons a history makes an address that begins and ends like one that is
// paid often, and waits for somebody who compares the ends alone. Two addresses
// look alike here if they agree in at least endDigits digits at both ends and
// in likeDigits in all. People and wallets look at three to six digits at an
// end; such a pair takes some 2^27 tries to make, and 10,000 recipients beside
// 100,000 known addresses have about seven by chance, 100 recipients beside 1,000
// one in 1,400 batches.
const (
	endDigits  = 3 // hex digits, in any case
	likeDigits = 7
)

// tEnds finds addresses by their ends: the first and the last endDigits digits
// in three bytes, the next digit of each end in one, address, sequence -> empty.
// It has every sender and every
// recipient that was signed for, on any chain, each once.
const tEnds = "sign.ends"

func endsPrefix(a common.Address) []byte {
	n := len(a)
	return append(tableKey(tEnds, 3+1+common.AddressLength),
		a[0], a[1]&0xf0|a[n-2]&0x0f, a[n-1])
}

// nextDigits are the digits that follow at both ends, that in front first.
func nextDigits(a common.Address) (leading, trailing byte) {
	return a[1] & 0x0f, a[len(a)-2] >> 4
}

func endsKey(a common.Address) []byte {
	leading, trailing := nextDigits(a)
	return append(append(endsPrefix(a), leading<<4|trailing), a[:]...)
}

// alike tells how many digits two different addresses have in common at their
// ends, and whether that makes them look alike.
func alike(a, b common.Address) (leading, trailing int, ok bool) {
	digit := func(a common.Address, i int) byte {
		if i%2 == 0 {
			return a[i/2] >> 4
		}
		return a[i/2] & 0x0f
	}
	const digits = 2 * common.AddressLength
	for leading < digits && digit(a, leading) == digit(b, leading) {
		leading++
	}
	if leading == digits {
		return 0, 0, false // the same
	}
	for digit(a, digits-1-trailing) == digit(b, digits-1-trailing) {
		trailing++
	}
	return leading, trailing, leading >= endDigits && trailing >= endDigits && leading+trailing >= likeDigits
}

// neighbors finds addresses that look alike among many, in a time that does not
// grow with them: whatever looks alike agrees in endDigits digits at one end
// and in the rest of likeDigits at the other.
type neighbors map[[5]byte][]familiar

// familiar is an address that a reviewer may take another for.
type familiar struct {
	address common.Address
	whose   string // end of a sentence, after "which"
}

// keys are those under which an address lies: endDigits digits in front and the
// rest of likeDigits behind, and the other way.
func (neighbors) keys(a common.Address) [2][5]byte {
	n := len(a)
	return [2][5]byte{
		{0, a[0], a[1] & 0xf0, a[n-2], a[n-1]},
		{1, a[0], a[1], a[n-2] & 0x0f, a[n-1]},
	}
}

// add makes an address known. Two under a key are enough: of every other that
// comes to it, at least one of them is a neighbor.
func (n neighbors) add(a common.Address, whose string) {
	for _, k := range n.keys(a) {
		list := n[k]
		if len(list) == 2 || len(list) == 1 && list[0].address == a {
			continue
		}
		n[k] = append(list, familiar{a, whose})
	}
}

// of finds an address that looks like a and is another one.
func (n neighbors) of(a common.Address) (familiar, bool) {
	for _, k := range n.keys(a) {
		for _, other := range n[k] {
			if other.address != a {
				return other, true
			}
		}
	}
	return familiar{}, false
}

// signedLike finds an address that was signed for and looks like a. Few have the
// ends of another, unless somebody had many such addresses paid; then it looks
// for those alone that have a further digit in common, at one end or the other,
// which is what looking alike takes. So its time does not grow with them.
func signedLike(tx store.Tx, a common.Address) (like common.Address, ok bool, err error) {
	const few = 64
	prefix := endsPrefix(a)
	all, err := firstAlike(tx, prefix, a, few, &like, &ok)
	if ok || all || err != nil {
		return like, ok, err
	}
	leading, trailing := nextDigits(a)
	for other := byte(0); other < 16 && !ok && err == nil; other++ {
		for _, digits := range [2]byte{leading<<4 | other, other<<4 | trailing} {
			if _, err = firstAlike(tx, append(prefix[:len(prefix):len(prefix)], digits), a, few, &like, &ok); ok || err != nil {
				break
			}
		}
	}
	return like, ok, err
}

// firstAlike looks at the addresses of a prefix of tEnds for one that looks like
// a. It reports whether it saw all of them, and sees no more than most.
func firstAlike(tx store.Tx, prefix []byte, a common.Address, most int, like *common.Address, ok *bool) (all bool, err error) {
	seen := 0
	err = tx.Scan(prefixed(prefix), func(k, _ []byte) error {
		if seen++; seen > most {
			return store.Stop
		}
		other := common.BytesToAddress(k[len(k)-8-common.AddressLength : len(k)-8])
		if _, _, *ok = alike(a, other); *ok {
			*like = other
			return store.Stop
		}
		return nil
	})
	return seen <= most, err
}

// lookalike words what two addresses have in common.
func lookalike(a common.Address, other familiar) string {
	leading, trailing, _ := alike(a, other.address)
	return fmt.Sprintf("%s looks like %s, which %s, and is another address: the first %d and the last %d digits are the same",
		a, other.address, other.whose, leading, trailing)
}

// endsKeys are the keys, without a sequence, under which the addresses of a
// batch will be found by their ends, in their order.
func endsKeys(b *batch.Batch) [][]byte {
	keys := make([][]byte, 0, len(b.Items)+1)
	seen := make(map[common.Address]bool, len(b.Items)+1)
	add := func(a common.Address) {
		if !seen[a] {
			seen[a] = true
			keys = append(keys, endsKey(a))
		}
	}
	for i := range b.Items {
		add(b.Items[i].From)
		add(b.Items[i].Intent.Recipient)
	}
	for _, w := range b.Withdrawals() {
		add(w.Intent.Recipient)
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}
