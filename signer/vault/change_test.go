package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// A mnemonic of the test vectors of BIP-39, and the first deposit address
// that it is known for.
const abandon = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

var abandonAddress = common.HexToAddress("0x9858EfFD232B4033E47d90003D41EC34EcaEda94")

func TestAddMnemonic(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	imported, err := v.addKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	added, err := v.AddMnemonic([]byte(abandon))
	if err != nil {
		t.Fatal(err)
	}
	for name, vault := range map[string]*Vault{"adding": v, "reopened": openVault(t, path)} {
		want := []hd.Fingerprint{v.Fingerprint(), added.Fingerprint()}
		if got := vault.Info().Fingerprints; !slices.Equal(got, want) || got[0].String() != junkFingerprint {
			t.Errorf("%s vault: fingerprints %s, want %s", name, got, want)
		}
		keys, err := vault.Keys(added.Fingerprint())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := keys.Address(wallet.Path{}); err != nil || got != abandonAddress {
			t.Errorf("%s vault: first address %s (%v), want %s", name, got, err, abandonAddress)
		}
		assertKeysSign(t, keys, wallet.Path{Role: wallet.PayoutRole}, [32]byte{1})
		assertKeysSign(t, vault.Own(), wallet.Path{Role: wallet.PayoutRole}, [32]byte{1})
		// The keys of one mnemonic do not sign for the addresses of another.
		first, err := vault.Own().Address(wallet.Path{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.SignHash(wallet.Path{}, first, [32]byte{1}); !errors.Is(err, ErrAddress) {
			t.Errorf("%s vault: signed for another mnemonic's address (%v)", name, err)
		}
		// Imported keys belong to the file.
		if got, err := keys.AddressOf(wallet.Path{Imported: true}, imported); err != nil || got != imported {
			t.Errorf("%s vault: imported %s (%v), want %s", name, got, err, imported)
		}
		accounts, err := vault.Accounts()
		if err != nil {
			t.Fatal(err)
		}
		if len(accounts) != 9 || accounts[4].Address != abandonAddress || accounts[8].Address != imported {
			t.Errorf("%s vault: accounts %v", name, accounts)
		}
	}
	stat, err := Stat(path)
	if err != nil || len(stat.Fingerprints) != 2 || stat.Fingerprint() != v.Fingerprint() {
		t.Errorf("Stat tells %+v, %v", stat, err)
	}
	if _, err := v.Keys(hd.Fingerprint{1}); !errors.Is(err, ErrFingerprint) {
		t.Errorf("keys of nobody: %v, want ErrFingerprint", err)
	}
}

func TestAddMnemonicRefuses(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	if _, err := v.AddMnemonic([]byte(abandon)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{junk, abandon} {
		if _, err := v.AddMnemonic([]byte(words)); !errors.Is(err, ErrDuplicate) {
			t.Errorf("a mnemonic again: %v, want ErrDuplicate", err)
		}
	}
	if _, err := v.AddMnemonic([]byte("abandon")); err == nil {
		t.Error("one word was taken for a mnemonic")
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("a refusal changed the file (%v)", err)
	}
	// The newest copy of the keys survives a refusal.
	keys, err := v.Keys(v.Info().Fingerprints[1])
	if err != nil {
		t.Fatal(err)
	}
	assertKeysSign(t, keys, wallet.Path{}, [32]byte{1})
}

func TestAddMnemonicLimit(t *testing.T) {
	v := openVault(t, newVault(t))
	for i := range MaxMnemonics {
		mnemonic, err := hd.Mnemonic(bytes.Repeat([]byte{byte(i)}, 16))
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.AddMnemonic(mnemonic)
		if last := i == MaxMnemonics-1; (err != nil) != last {
			t.Fatalf("mnemonic %d: %v", i+2, err)
		}
	}
	if n := len(openVault(t, v.Path()).Info().Fingerprints); n != MaxMnemonics {
		t.Errorf("%d mnemonics in the file, want %d", n, MaxMnemonics)
	}
}

// Of many that change the file at once, each from what it read, none loses
// what another wrote: it is told to begin again.
func TestChangeAtOnce(t *testing.T) {
	path := newVault(t)
	const n = 8
	keys := make([]common.Address, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			key := newKey(t)
			for {
				v, err := Open(path, []byte(passphrase))
				if err != nil {
					t.Error(err)
					return
				}
				keys[i], err = v.addKey(key)
				v.Close()
				if err == nil {
					return
				}
				if !errors.Is(err, ErrChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	v := openVault(t, path)
	for _, address := range keys {
		if got, err := v.Own().AddressOf(wallet.Path{Imported: true}, address); err != nil || got != address {
			t.Errorf("the key of %s is lost (%v)", address, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the vault alone", entries, err)
	}
}

func TestChangePassphrase(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	imported, err := v.addKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.AddMnemonic([]byte(abandon)); err != nil {
		t.Fatal(err)
	}
	before, salt := v.Info(), v.header.KDF.Salt
	raised := KDF{N: 4, R: 2, P: 1}
	if err := v.ChangePassphrase([]byte("battery staple"), raised); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, []byte(passphrase)); !errors.Is(err, ErrPassphrase) {
		t.Errorf("the old passphrase: %v, want ErrPassphrase", err)
	}
	again, err := Open(path, []byte("battery staple"))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := again.Info(); got.KDF != raised || !slices.Equal(got.Fingerprints, before.Fingerprints) {
		t.Errorf("it is now %+v, want the keys of %+v", got, before)
	}
	if bytes.Equal(again.header.KDF.Salt, salt) {
		t.Error("the salt was used again")
	}
	if got, err := again.Own().AddressOf(wallet.Path{Imported: true}, imported); err != nil || got != imported {
		t.Errorf("the imported key is lost (%v)", err)
	}
	// The open vault goes on with the new key, and no change lowers the cost.
	if _, err := v.addKey(newKey(t)); err != nil {
		t.Fatal(err)
	}
	if err := v.ChangePassphrase([]byte("third"), fastKDF); err != nil {
		t.Fatal(err)
	}
	if got := v.Info().KDF; got != raised {
		t.Errorf("the cost was changed to %+v, want %+v", got, raised)
	}
	if _, err := Open(path, []byte("third")); err != nil {
		t.Error(err)
	}
}

func TestChangePassphraseRefuses(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	if err := v.ChangePassphrase(nil, fastKDF); err == nil {
		t.Error("an empty passphrase was taken")
	}
	if err := v.ChangePassphrase([]byte("x"), KDF{N: 3, R: 1, P: 1}); err == nil {
		t.Error("a cost that is none was taken")
	}
	other := openVault(t, path)
	if _, err := other.addKey(newKey(t)); err != nil {
		t.Fatal(err)
	}
	if err := v.ChangePassphrase([]byte("x"), fastKDF); !errors.Is(err, ErrChanged) {
		t.Errorf("over another one's change: %v, want ErrChanged", err)
	}
	openVault(t, path) // with the passphrase as it was
	v.Close()
	if err := v.ChangePassphrase([]byte("x"), fastKDF); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed vault: %v, want ErrClosed", err)
	}
}

func assertKeysSign(t testing.TB, k *Keys, path wallet.Path, hash [32]byte) {
	t.Helper()
	from, err := k.Watch().Address(path)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := k.SignHash(path, from, hash)
	if err != nil {
		t.Fatal(err)
	}
	if pub, err := crypto.SigToPub(hash[:], sig[:]); err != nil || crypto.PubkeyToAddress(*pub) != from {
		t.Errorf("%s: signature of another key (%v)", path, err)
	}
}
