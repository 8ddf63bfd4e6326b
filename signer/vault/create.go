package vault

import (
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// Create writes a new vault with the mnemonic, which may have 12, 15, 18, 21
// or 24 words; a new one comes from [hd.NewMnemonic], and should be on paper
// before this call. An existing file is never overwritten (the error wraps
// [io/fs.ErrExist]), an empty passphrase is refused.
func Create(path string, mnemonic, passphrase []byte, kdf KDF) (*Info, error) {
	entropy, err := hd.Entropy(mnemonic)
	if err != nil {
		return nil, err
	}
	defer clear(entropy)
	return CreateFrom(path, [][]byte{entropy}, passphrase, kdf)
}

// CreateFrom is Create with the entropies of one or several mnemonics (BIP-39),
// as shares carry them; the first is the vault's own.
func CreateFrom(path string, entropies [][]byte, passphrase []byte, kdf KDF) (*Info, error) {
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("vault %s: the passphrase is empty", path)
	}
	if field, reason := kdf.check(); field != "" {
		return nil, fmt.Errorf("vault %s: scrypt %s: %s", path, field, reason)
	}
	h := header{Format: format, Version: version, Cipher: cipherHeader{Name: cipherName}}
	c := &contents{Imported: []importedKey{}}
	defer c.wipe()
	for _, entropy := range entropies {
		fingerprint, err := FingerprintOf(entropy)
		if err != nil {
			return nil, err
		}
		if slices.Contains(h.Fingerprints, fingerprint) {
			return nil, fmt.Errorf("vault %s: %s: %w", path, fingerprint, ErrDuplicate)
		}
		h.Fingerprints = append(h.Fingerprints, fingerprint)
		c.Entropies = append(c.Entropies, slices.Clone(entropy))
	}
	key, err := h.lock(passphrase, kdf)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	defer clear(key)
	raw, err := seal(path, h, key, c)
	if err != nil {
		return nil, err
	}
	if err := secretfile.Create(path, raw); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return h.info(path), nil
}

// lock gives the header a cost with a salt of its own, and returns the key
// that this makes of a passphrase. It takes its time.
func (h *header) lock(passphrase []byte, cost KDF) ([]byte, error) {
	h.KDF = kdfHeader{Name: kdfName, N: cost.N, R: cost.R, P: cost.P, Salt: make(hexBytes, saltLen)}
	if _, err := rand.Read(h.KDF.Salt); err != nil {
		return nil, err
	}
	return h.KDF.newKey(passphrase)
}

// FingerprintOf is the fingerprint of the mnemonic with this entropy.
func FingerprintOf(entropy []byte) (hd.Fingerprint, error) {
	master, err := newMaster(entropy)
	if err != nil {
		return hd.Fingerprint{}, err
	}
	defer master.Close()
	return master.Watch().Fingerprint(), nil
}

func newMaster(entropy []byte) (*hd.Master, error) {
	mnemonic, err := hd.Mnemonic(entropy)
	if err != nil {
		return nil, err
	}
	defer clear(mnemonic)
	seed := hd.Seed(mnemonic, "")
	defer clear(seed)
	return hd.NewMaster(seed)
}
