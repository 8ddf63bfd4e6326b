package vault

import (
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/signer/slip39"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// Shares splits the entropy of the mnemonic into count shares, any threshold
// of which give it again (SLIP-39). [CreateFrom] takes what
// [slip39.Combine] makes of them. Imported keys are in no share. The caller
// wipes the shares.
func (k *Keys) Shares(threshold, count int) ([]*slip39.Share, error) {
	v := k.vault
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return nil, ErrClosed
	}
	return slip39.Split(v.s.contents.Entropies[slices.Index(v.keys, k)], threshold, count)
}

// Copy writes another vault file with the same mnemonics and imported keys,
// under the same passphrase if passphrase is nil, else under that one at a
// cost of kdf. The new file is read, decrypted and compared before it
// returns. An existing file is never overwritten (the error wraps
// [io/fs.ErrExist]).
func (v *Vault) Copy(path string, passphrase []byte, kdf KDF) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return ErrClosed
	}
	h, key := v.header, slices.Clone(v.s.key)
	if passphrase != nil {
		if len(passphrase) == 0 {
			return fmt.Errorf("vault %s: the passphrase is empty", path)
		}
		if field, reason := kdf.check(); field != "" {
			return fmt.Errorf("vault %s: scrypt %s: %s", path, field, reason)
		}
		clear(key)
		var err error
		if key, err = h.lock(passphrase, kdf); err != nil {
			return fmt.Errorf("vault %s: %w", path, err)
		}
	}
	defer clear(key)
	raw, err := seal(path, h, key, v.s.contents)
	if err != nil {
		return err
	}
	if err := secretfile.Create(path, raw); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return v.checkCopy(path, passphrase, key)
}

// checkCopy opens a copy from the disk, by its passphrase if it has one of its
// own, and holds it against the vault.
func (v *Vault) checkCopy(path string, passphrase, key []byte) error {
	f, _, err := readFile(path)
	if err != nil {
		return err
	}
	if passphrase != nil {
		if key, err = f.KDF.newKey(passphrase); err != nil {
			return fmt.Errorf("vault %s: %w", path, err)
		}
		defer clear(key)
	}
	c, err := f.open(path, key)
	if err != nil {
		return err
	}
	defer c.wipe()
	if !c.equal(v.s.contents) || !slices.Equal(f.Fingerprints, v.header.Fingerprints) {
		return fmt.Errorf("vault %s: the copy holds something else than the vault: destroy it, and check the disk", path)
	}
	return nil
}
