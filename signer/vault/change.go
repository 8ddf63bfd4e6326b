package vault

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

var (
	// ErrChanged says that another process wrote the file meanwhile.
	ErrChanged = errors.New("the file was changed since it was opened: open it again and repeat")

	// ErrDuplicate says that the vault has a mnemonic already.
	ErrDuplicate = errors.New("this vault has this mnemonic already")
)

// write replaces the file by one with this header, key and contents, and
// keeps them. The caller holds the lock of v.
func (v *Vault) write(h header, key []byte, c *contents) error {
	raw, err := seal(v.path, h, key, c)
	if err != nil {
		return err
	}
	unlock, err := lockFile(v.path)
	if err != nil {
		return fmt.Errorf("vault %s: %w", v.path, err)
	}
	defer unlock()
	_, now, err := readFile(v.path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, v.s.raw) {
		return fmt.Errorf("vault %s: %w", v.path, ErrChanged)
	}
	if err := secretfile.Replace(v.path, raw); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	v.header, v.s.raw, v.s.key, v.s.contents = h, raw, key, c
	return nil
}

// AddMnemonic writes the vault with one more mnemonic, as [Create] takes it,
// and returns its keys. One that the vault has already is [ErrDuplicate].
func (v *Vault) AddMnemonic(mnemonic []byte) (*Keys, error) {
	entropy, err := hd.Entropy(mnemonic)
	if err != nil {
		return nil, err
	}
	k, err := v.addEntropy(entropy)
	if err != nil {
		clear(entropy)
	}
	return k, err
}

func (v *Vault) addEntropy(entropy []byte) (*Keys, error) {
	master, err := newMaster(entropy)
	if err != nil {
		return nil, err
	}
	k := newKeys(v, master)
	if err := v.addKeys(k, entropy); err != nil {
		k.wipe()
		return nil, err
	}
	return k, nil
}

func (v *Vault) addKeys(k *Keys, entropy []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s == nil {
		return ErrClosed
	}
	h := v.header
	if slices.Contains(h.Fingerprints, k.Fingerprint()) {
		return fmt.Errorf("%s: %w", k.Fingerprint(), ErrDuplicate)
	}
	if len(h.Fingerprints) >= MaxMnemonics {
		return fmt.Errorf("vault %s: it has %d mnemonics, which is the limit: make a vault in another home", v.path, MaxMnemonics)
	}
	h.Fingerprints = append(slices.Clone(h.Fingerprints), k.Fingerprint())
	c := &contents{Entropies: append(slices.Clone(v.s.contents.Entropies), entropy), Imported: v.s.contents.Imported}
	if err := v.write(h, v.s.key, c); err != nil {
		return err
	}
	v.keys = append(v.keys, k)
	return nil
}

// addKey writes the vault with one more imported key. A key that is there
// already changes nothing.
func (v *Vault) addKey(key *ecdsa.PrivateKey) (common.Address, error) {
	k := newSigner(key)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s == nil {
		return common.Address{}, ErrClosed
	}
	if _, ok := v.s.imported[k.address]; ok {
		return k.address, nil
	}
	c := &contents{
		Entropies: v.s.contents.Entropies,
		Imported:  append(slices.Clone(v.s.contents.Imported), importedKey{k.address, crypto.FromECDSA(key)}),
	}
	if err := v.write(v.header, v.s.key, c); err != nil {
		return common.Address{}, err
	}
	v.s.imported[k.address] = k
	return k.address, nil
}

// ChangePassphrase writes the vault under another passphrase, with a new salt
// and a cost that is at least the given one and at least the present one. If
// it fails, or the process ends before it returns, the file is as it was or
// changed completely. Older copies of the file keep the older passphrase.
func (v *Vault) ChangePassphrase(passphrase []byte, kdf KDF) error {
	if len(passphrase) == 0 {
		return fmt.Errorf("vault %s: the passphrase is empty", v.path)
	}
	if field, reason := kdf.check(); field != "" {
		return fmt.Errorf("vault %s: scrypt %s: %s", v.path, field, reason)
	}
	var fresh header
	key, err := fresh.lock(passphrase, v.Info().KDF.atLeast(kdf)) // before the file is locked
	if err != nil {
		return fmt.Errorf("vault %s: %w", v.path, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s == nil {
		clear(key)
		return ErrClosed
	}
	h, old := v.header, v.s.key
	h.KDF = fresh.KDF
	if err := v.write(h, key, v.s.contents); err != nil {
		clear(key)
		return err
	}
	clear(old)
	return nil
}
