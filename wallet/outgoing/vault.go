package outgoing

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Vault is the fingerprint of the vault that holds the keys of a role's
// addresses, in hex: the float's for wallet.FloatRole, else the cold one's.
func Vault(tx store.Tx, role wallet.Role) (string, error) {
	read := store.WatchFile
	if role == wallet.FloatRole {
		read = store.FloatWatchFile
	}
	file, err := read(tx)
	if err != nil {
		return "", err
	}
	if file == nil && role == wallet.FloatRole {
		return "", wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no float"),
			"airlock watch import --float makes one, of a vault of its own on this station; docs/operations.md tells how")
	}
	if file == nil {
		return "", wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no watch file yet, so no vault can sign for it"),
			"export it from the vault with airlock-signer vault export-watch, then run airlock watch import")
	}
	w, err := hd.DecodeWatch(file)
	if err != nil {
		return "", err
	}
	return w.Fingerprint().String(), nil
}

// vaults tells which vault signs for an address of the home.
type vaults struct {
	tx    store.Tx
	known map[wallet.Role]string // by FloatRole, or PayoutRole for all others
}

func newVaults(tx store.Tx) vaults { return vaults{tx, map[wallet.Role]string{}} }

// of is the fingerprint of the vault that signs for an address.
func (v vaults) of(a wallet.Address) (string, error) {
	role := wallet.PayoutRole
	if a.Role == wallet.FloatRole {
		role = a.Role
	}
	if vault, ok := v.known[role]; ok {
		return vault, nil
	}
	vault, err := Vault(v.tx, role)
	if err == nil {
		v.known[role] = vault
	}
	return vault, err
}

// vaultOf is the vault that signs for the senders of all items. Only Write looks
// at senders that are not ours.
func vaultOf(tx store.Tx, items []batch.Item) (vault string, err error) {
	known, seen := newVaults(tx), map[common.Address]bool{}
	for i := range items {
		from := items[i].From
		if seen[from] {
			continue
		}
		seen[from] = true
		a, _, err := store.OurAddress(tx, from)
		if err != nil {
			return "", err
		}
		its, err := known.of(a)
		if err != nil {
			return "", err
		}
		if vault != "" && its != vault {
			return "", fmt.Errorf("%w: item %d is sent by %s address %s, whose keys are in another vault than those of the items before it, and a batch belongs to one", wallet.ErrConflict, i, a.Role, from)
		}
		vault = its
	}
	return vault, nil
}
