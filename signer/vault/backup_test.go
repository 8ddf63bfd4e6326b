package vault

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/airlock-wallet/airlock/signer/slip39"
	"github.com/airlock-wallet/airlock/wallet"
)

// full is a vault with two mnemonics and an imported key.
func full(t *testing.T) *Vault {
	t.Helper()
	v := openVault(t, newVault(t))
	if _, err := v.AddMnemonic([]byte(abandon)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.addKey(newKey(t)); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestShares(t *testing.T) {
	v := full(t)
	var entropies [][]byte
	for _, fp := range v.Info().Fingerprints {
		keys, err := v.Keys(fp)
		if err != nil {
			t.Fatal(err)
		}
		shares, err := keys.Shares(2, 3)
		if err != nil {
			t.Fatal(err)
		}
		entropy, err := slip39.Combine([]*slip39.Share{shares[2], shares[0]}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := FingerprintOf(entropy); err != nil || got != fp {
			t.Errorf("the shares of %s are of %s (%v)", fp, got, err)
		}
		entropies = append(entropies, entropy)
	}
	path := filepath.Join(t.TempDir(), "vault.json")
	info, err := CreateFrom(path, entropies, []byte(passphrase), fastKDF)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(info.Fingerprints, v.Info().Fingerprints) {
		t.Errorf("restored %s, want %s", info.Fingerprints, v.Info().Fingerprints)
	}
	again := openVault(t, path)
	for _, keys := range again.keys {
		assertKeysSign(t, keys, wallet.Path{Role: wallet.GasRole, Index: 3}, [32]byte{1})
	}
	if n := len(again.s.imported); n != 0 {
		t.Errorf("shares restored %d imported keys", n)
	}
	for name, list := range map[string][][]byte{"none": nil, "twice": {entropies[0], entropies[0]}, "short": {{1, 2}}} {
		other := filepath.Join(t.TempDir(), "vault.json")
		if _, err := CreateFrom(other, list, []byte(passphrase), fastKDF); err == nil {
			t.Errorf("%s: a vault was made", name)
		}
		if _, err := os.Stat(other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a file was left behind (%v)", name, err)
		}
	}
	v.Close()
	if _, err := v.keys[0].Shares(2, 3); !errors.Is(err, ErrClosed) {
		t.Errorf("shares of a closed vault: %v", err)
	}
}

func TestCopy(t *testing.T) {
	v := full(t)
	for name, own := range map[string][]byte{"same": nil, "own": []byte("battery staple")} {
		path := filepath.Join(t.TempDir(), "copy.json")
		if err := v.Copy(path, own, LightKDF); err != nil {
			t.Fatal(err)
		}
		pass, cost := []byte(passphrase), fastKDF
		if own != nil {
			pass, cost = own, LightKDF
		}
		copied, err := Open(path, pass)
		if err != nil {
			t.Fatal(err)
		}
		if !copied.s.contents.equal(v.s.contents) || copied.Info().KDF != cost || !slices.Equal(copied.Info().Fingerprints, v.Info().Fingerprints) {
			t.Errorf("%s passphrase: the copy holds something else", name)
		}
		if bytes.Equal(copied.header.Cipher.Nonce, v.header.Cipher.Nonce) || bytes.Equal(copied.header.KDF.Salt, v.header.KDF.Salt) != (own == nil) {
			t.Errorf("%s passphrase: nonce or salt are not as they should be", name)
		}
		copied.Close()
		if err := v.Copy(path, own, LightKDF); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file: %v, want fs.ErrExist", err)
		}
	}
	if err := v.Copy(filepath.Join(t.TempDir(), "copy"), []byte{}, LightKDF); err == nil {
		t.Error("an empty passphrase was taken")
	}
}

// A copy that changed on its way to the disk is found.
func TestCheckCopy(t *testing.T) {
	v := full(t)
	path := filepath.Join(t.TempDir(), "copy.json")
	if err := v.Copy(path, nil, KDF{}); err != nil {
		t.Fatal(err)
	}
	if err := v.checkCopy(path, nil, v.s.key); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.json")
	if _, err := Create(other, []byte(abandon), []byte(passphrase), fastKDF); err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, contents := range map[string][]byte{"cut": raw[:len(raw)-40], "another vault": foreign, "empty": nil} {
		if err := os.WriteFile(path, contents, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := v.checkCopy(path, []byte(passphrase), nil); err == nil {
			t.Errorf("%s: the copy was taken", name)
		}
	}
}
