package vault

import (
	"crypto/ecdsa"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// maxKept bounds how many derived keys of a mnemonic are kept ready. Paths
// beyond are derived for each signature, which then takes about four times as
// long.
const maxKept = 1 << 14

// Keys are those of one mnemonic of an open vault, and the imported ones. They
// can be used until the vault is closed, and by many at the same time.
type Keys struct {
	vault  *Vault
	watch  *hd.Watch
	master *hd.Master

	keptMu sync.Mutex
	kept   map[wallet.Path]*signer
}

func newKeys(v *Vault, master *hd.Master) *Keys {
	return &Keys{vault: v, watch: master.Watch(), master: master, kept: make(map[wallet.Path]*signer)}
}

func (k *Keys) wipe() {
	k.master.Close()
	for _, s := range k.kept {
		hd.Wipe(s.key)
	}
}

// Fingerprint names the mnemonic's keys; it does not cover imported ones.
func (k *Keys) Fingerprint() hd.Fingerprint { return k.watch.Fingerprint() }

// Watch is the public side: what the watch file carries. It outlives Close.
func (k *Keys) Watch() *hd.Watch { return k.watch }

// Address derives the address at a path.
func (k *Keys) Address(path wallet.Path) (common.Address, error) { return k.watch.Address(path) }

// AddressOf is the address that the vault has at a path: the derived one, or the
// given one if it is of an imported key. It is zero if that was never imported.
func (k *Keys) AddressOf(path wallet.Path, claimed common.Address) (common.Address, error) {
	if !path.Imported {
		return k.Address(path)
	}
	k.vault.mu.RLock()
	defer k.vault.mu.RUnlock()
	if k.vault.s == nil {
		return common.Address{}, ErrClosed
	}
	if k.vault.s.imported[claimed] == nil {
		return common.Address{}, nil
	}
	return claimed, nil
}

// SignHash signs a 32-byte hash with the key at path, which must be that of
// from, else the error is [ErrAddress]. An imported key is named by from
// alone. The signature is R, S and the recovery id 0 or 1, with S in the
// lower half of the order (EIP-2), and deterministic (RFC 6979).
//
// It signs whatever it is given: what the hash stands for is the caller's to
// check.
func (k *Keys) SignHash(path wallet.Path, from common.Address, hash [32]byte) (sig [65]byte, err error) {
	err = k.use(path, from, func(key *ecdsa.PrivateKey) error {
		b, err := crypto.Sign(hash[:], key)
		copy(sig[:], b)
		return err
	})
	return sig, err
}

// use calls f with the key at path if it is that of from. The key stays
// valid until f returns.
func (k *Keys) use(path wallet.Path, from common.Address, f func(*ecdsa.PrivateKey) error) error {
	k.vault.mu.RLock()
	defer k.vault.mu.RUnlock()
	if k.vault.s == nil {
		return ErrClosed
	}
	if path.Imported {
		s := k.vault.s.imported[from]
		if s == nil {
			return fmt.Errorf("%s: %w", from, ErrUnknown)
		}
		return f(s.key)
	}
	s := k.ready(path)
	if s == nil {
		key, err := k.master.Key(path)
		if err != nil {
			return err
		}
		s = newSigner(key)
		if !k.keep(path, s) {
			defer hd.Wipe(key)
		}
	}
	if s.address != from {
		return fmt.Errorf("%s is %s, not %s: %w", path, s.address, from, ErrAddress)
	}
	return f(s.key)
}

// ready looks for a key that was derived before.
func (k *Keys) ready(path wallet.Path) *signer {
	k.keptMu.Lock()
	defer k.keptMu.Unlock()
	return k.kept[path]
}

// keep holds on to a derived key unless there are enough of them, or another
// signature was quicker to derive it.
func (k *Keys) keep(path wallet.Path, s *signer) bool {
	k.keptMu.Lock()
	defer k.keptMu.Unlock()
	if _, ok := k.kept[path]; ok || len(k.kept) >= maxKept {
		return false
	}
	k.kept[path] = s
	return true
}

// Format keeps the secrets out of every fmt verb.
func (k *Keys) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "vault.Keys(%s)", k.Fingerprint())
}
