package vault

import (
	"bytes"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// Verify proves that the keys are those that the file says, as far as anybody
// can without spending: the file is read again and must be what was opened,
// which compared every fingerprint and imported address with its key; and the
// key of each imported address and of the first perRole addresses of every
// role signs, and the signature recovers to the address that the public side
// derives. It returns how many addresses signed. The error names the first
// that did not.
func (v *Vault) Verify(perRole int) (checked int, err error) {
	_, now, err := readFile(v.path)
	if err != nil {
		return 0, err
	}
	accounts, err := v.Accounts()
	if err != nil {
		return 0, err
	}
	v.mu.RLock()
	same, keys := v.s != nil && bytes.Equal(now, v.s.raw), v.keys
	v.mu.RUnlock()
	if !same {
		return 0, fmt.Errorf("vault %s: %w", v.path, ErrChanged)
	}
	for _, k := range keys {
		for _, role := range wallet.Roles() {
			addresses, err := k.watch.Account(role).Addresses(0, perRole)
			if err != nil {
				return checked, err
			}
			for i, address := range addresses {
				if err := k.prove(wallet.Path{Role: role, Index: uint32(i)}, address); err != nil {
					return checked, err
				}
				checked++
			}
		}
	}
	for _, a := range accounts {
		if !a.Path.Imported {
			continue
		}
		if err := a.Keys.prove(a.Path, a.Address); err != nil {
			return checked, err
		}
		checked++
	}
	return checked, nil
}

// prove has the key of an address sign something that is no transaction, and
// recovers the signer.
func (k *Keys) prove(path wallet.Path, address common.Address) error {
	hash := crypto.Keccak256Hash([]byte("airlock vault verify"), address[:])
	sig, err := k.SignHash(path, address, hash)
	if err != nil {
		return err
	}
	pub, err := crypto.SigToPub(hash[:], sig[:])
	if err != nil {
		return fmt.Errorf("%s, %s: its signature: %w", path, address, err)
	}
	if got := crypto.PubkeyToAddress(*pub); got != address {
		return fmt.Errorf("%s, %s: its key signs for %s: check the machine's memory", path, address, got)
	}
	return nil
}
