package vault

import (
	"crypto/rand"
	"fmt"

	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// Create writes a new vault with the mnemonic, which may have 12, 15, 18, 21
// or 24 words; a new one comes from [hd.NewMnemonic], and should be on paper
// before this call. An existing file is never overwritten (the error wraps
// [io/fs.ErrExist]), an empty passphrase is refused.
func Create(path string, mnemonic, passphrase []byte, kdf KDF) (*Info, error) {
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("vault %s: the passphrase is empty", path)
	}
	if field, reason := kdf.check(); field != "" {
		return nil, fmt.Errorf("vault %s: scrypt %s: %s", path, field, reason)
	}
	entropy, err := hd.Entropy(mnemonic)
	if err != nil {
		return nil, err
	}
	c := &contents{Entropies: []hexBytes{entropy}, Imported: []importedKey{}}
	defer c.wipe()
	master, err := newMaster(entropy)
	if err != nil {
		return nil, err
	}
	defer master.Close()

	h := header{
		Format:       format,
		Version:      version,
		Fingerprints: []hd.Fingerprint{master.Watch().Fingerprint()},
		Cipher:       cipherHeader{Name: cipherName},
	}
	if h.KDF, err = newKDF(kdf); err != nil {
		return nil, err
	}
	key, err := h.KDF.newKey(passphrase)
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
	return &Info{Path: path, Fingerprints: h.Fingerprints, KDF: kdf}, nil
}

// newKDF is a cost with a salt of its own.
func newKDF(cost KDF) (kdfHeader, error) {
	k := kdfHeader{Name: kdfName, N: cost.N, R: cost.R, P: cost.P, Salt: make(hexBytes, saltLen)}
	_, err := rand.Read(k.Salt)
	return k, err
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
