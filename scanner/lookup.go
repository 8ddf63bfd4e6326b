package scanner

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// lookup is Known from a store transaction. It asks the store for what a block
// names, never for all addresses, and remembers the answers of one step. An
// error of the store stays until the end and makes all answers worthless.
type lookup struct {
	tx     store.Tx
	chain  uint64
	sieve  *store.Sieve
	ours   map[common.Address]*string // account; nil is not ours
	tokens map[common.Address]bool
	err    error
}

func newLookup(tx store.Tx, chain uint64) *lookup {
	sieve, err := store.ReadSieve(tx)
	return &lookup{tx: tx, err: err, sieve: sieve, chain: chain, ours: map[common.Address]*string{}, tokens: map[common.Address]bool{}}
}

// Ours implements Known.
func (l *lookup) Ours(a common.Address) (string, bool) {
	if !l.sieve.MayBeOurs(a) {
		return "", false
	}
	account, seen := l.ours[a]
	if !seen {
		rec, ok, err := store.OurAddress(l.tx, a)
		l.keep(err)
		if ok {
			account = &rec.Account
		}
		l.ours[a] = account
	}
	if account == nil {
		return "", false
	}
	return *account, true
}

// Token implements Known.
func (l *lookup) Token(contract common.Address) bool {
	is, seen := l.tokens[contract]
	if !seen {
		var err error
		is, err = store.IsToken(l.tx, l.chain, contract)
		l.keep(err)
		l.tokens[contract] = is
	}
	return is
}

// Signed implements Known.
func (l *lookup) Signed(tx common.Hash) bool {
	_, ok, err := store.SlotOfHash(l.tx, tx)
	l.keep(err)
	return ok
}

// Outgoing implements Known.
func (l *lookup) Outgoing(s wallet.Slot) (wallet.Outgoing, bool) {
	o, ok, err := store.OutgoingAt(l.tx, s)
	l.keep(err)
	return o, ok
}

// Unproven implements Known.
func (l *lookup) Unproven(block uint64) (list []common.Address) {
	l.keep(store.UnprovenCoins(l.tx, l.chain, block, func(u wallet.UnprovenCoin) error {
		if u.BlockNumber > block {
			return store.Stop
		}
		list = append(list, u.Address)
		return nil
	}))
	return list
}

func (l *lookup) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}
