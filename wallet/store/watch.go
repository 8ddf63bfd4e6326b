package store

import (
	"github.com/airlock-wallet/airlock/wallet"
)

var (
	watchKey = keyOf(tMeta, "watch")
	floatKey = keyOf(tMeta, "watch.float")
)

// PutWatchFile stores the watch file of the home.
func PutWatchFile(tx Tx, file []byte) error { return tx.Put(watchKey, file) }

// WatchFile returns the watch file of the home, or nil before one was
// imported.
func WatchFile(tx Tx) ([]byte, error) {
	raw, err := tx.Get(watchKey)
	return append([]byte(nil), raw...), err
}

// PutFloatWatchFile stores the watch file of the vault whose keys are online.
func PutFloatWatchFile(tx Tx, file []byte) error { return tx.Put(floatKey, file) }

// FloatWatchFile returns the watch file of the vault whose keys are online, or
// nil before one was imported.
func FloatWatchFile(tx Tx) ([]byte, error) {
	raw, err := tx.Get(floatKey)
	return append([]byte(nil), raw...), err
}

// EachAccountAddressFrom is EachAccountAddress for the addresses of one role,
// from an index on.
func EachAccountAddressFrom(tx Tx, account string, role wallet.Role, from uint32, fn func(wallet.Address) error) error {
	prefix := keyOf(tAddrAcct, account, uint64(role))
	return eachAddress(tx, Range{From: keyOf(tAddrAcct, account, uint64(role), uint64(from)), To: after(prefix)}, fn)
}
