package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/scrypt"

	"github.com/airlock-wallet/airlock/wallet"
)

type keystoreVector struct {
	Name       string         `json:"name"`
	File       jsontext.Value `json:"file"`
	Passphrase string         `json:"passphrase"`
	Key        string         `json:"key"`
}

func keystoreVectors(t *testing.T) []keystoreVector {
	t.Helper()
	b, err := os.ReadFile("testdata/keystore_v3.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Source  string           `json:"source"`
		Vectors []keystoreVector `json:"vectors"`
	}
	if err := json.Unmarshal(b, &f, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	return f.Vectors
}

// openKeystore is a second implementation of Web3 Secret Storage, straight
// from its definition.
func openKeystore(t *testing.T, data []byte, passphrase string) []byte {
	t.Helper()
	var f struct {
		Crypto struct {
			CipherText   string `json:"ciphertext"`
			CipherParams struct {
				IV string `json:"iv"`
			} `json:"cipherparams"`
			KDF       string `json:"kdf"`
			KDFParams struct {
				DKLen, N, R, P, C int
				Salt              string
			} `json:"kdfparams"`
			MAC string `json:"mac"`
		} `json:"crypto"`
	}
	if err := json.Unmarshal(data, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p := f.Crypto.KDFParams
	var derived []byte
	var err error
	switch f.Crypto.KDF {
	case "scrypt":
		derived, err = scrypt.Key([]byte(passphrase), unhex(p.Salt), p.N, p.R, p.P, p.DKLen)
	case "pbkdf2":
		derived, err = pbkdf2.Key(sha256.New, passphrase, unhex(p.Salt), p.C, p.DKLen)
	default:
		t.Fatalf("kdf %q", f.Crypto.KDF)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := unhex(f.Crypto.CipherText)
	if mac := crypto.Keccak256(derived[16:32], text); !bytes.Equal(mac, unhex(f.Crypto.MAC)) {
		t.Fatal("the MAC does not fit")
	}
	block, err := aes.NewCipher(derived[:16])
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCTR(block, unhex(f.Crypto.CipherParams.IV)).XORKeyStream(text, text)
	return text
}

// The vectors of the definition, and go-ethereum's with keys that lost their
// leading zeros.
func TestKeystoreVectors(t *testing.T) {
	for _, vector := range keystoreVectors(t) {
		t.Run(vector.Name, func(t *testing.T) {
			key, err := decryptKeystore(vector.File, []byte(vector.Passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(crypto.FromECDSA(key)); strings.TrimLeft(got, "0") != vector.Key {
				t.Errorf("key %s, want %s", got, vector.Key)
			}
			if got := hex.EncodeToString(openKeystore(t, vector.File, vector.Passphrase)); got != vector.Key {
				t.Errorf("the second implementation reads %s, want %s", got, vector.Key)
			}
			if _, err := decryptKeystore(vector.File, []byte(vector.Passphrase+" ")); !errors.Is(err, ErrKeystorePassphrase) {
				t.Errorf("wrong passphrase: %v, want ErrKeystorePassphrase", err)
			}
		})
	}
}

// lightVector is a vector that costs next to nothing to decrypt.
func lightVector(t *testing.T) keystoreVector {
	t.Helper()
	for _, v := range keystoreVectors(t) {
		if v.Name == "31_byte_key" {
			return v
		}
	}
	t.Fatal("the vector is missing")
	return keystoreVector{}
}

func TestImportKeystore(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	vector := lightVector(t)
	addr, err := v.ImportKeystore(vector.File, []byte(vector.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := v.ImportKeystore(vector.File, []byte(vector.Passphrase)); err != nil || again != addr {
		t.Errorf("imported again: %s, %v", again, err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, first) {
		t.Errorf("importing again changed the file (%v)", err)
	}

	imported := wallet.Path{Role: wallet.ExternalRole, Imported: true}
	for name, vault := range map[string]*Vault{"importing": v, "reopened": openVault(t, path)} {
		accounts, err := vault.Accounts()
		if err != nil {
			t.Fatal(err)
		}
		if len(accounts) != 5 || accounts[4] != (Account{vault.Own(), imported, addr}) {
			t.Errorf("%s vault: accounts %v, want the imported one last", name, accounts)
		}
		hash := [32]byte{1}
		sig, err := vault.Own().SignHash(imported, addr, hash)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := crypto.SigToPub(hash[:], sig[:])
		if err != nil || crypto.PubkeyToAddress(*pub) != addr {
			t.Errorf("%s vault: signed by another key (%v)", name, err)
		}
		if vault.Fingerprint() != v.Fingerprint() {
			t.Errorf("%s vault: the import changed the fingerprint", name)
		}
	}
}

// A nonce is never used twice under the vault's key.
func TestImportTakesNewNonce(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	seen := map[string]bool{}
	for range 5 {
		f, _, err := readFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if nonce := string(f.Cipher.Nonce); seen[nonce] {
			t.Fatal("nonce used twice")
		} else {
			seen[nonce] = true
		}
		if _, err := v.addKey(newKey(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// Two processes that import do not lose each other's key.
func TestImportSeesOtherWriter(t *testing.T) {
	path := newVault(t)
	one, two := openVault(t, path), openVault(t, path)
	addr, err := one.addKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.addKey(newKey(t)); !errors.Is(err, ErrChanged) {
		t.Errorf("second writer: %v, want ErrChanged", err)
	}
	accounts, err := openVault(t, path).Accounts()
	if err != nil || len(accounts) != 5 || accounts[4].Address != addr {
		t.Errorf("accounts %v, %v, want the first writer's import", accounts, err)
	}
}

func TestImportKeystoreRefuses(t *testing.T) {
	vector := lightVector(t)
	good := string(vector.File)
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct{ name, file, want string }{
		{"empty", "", "not Web3 Secret Storage"},
		{"array", "[]", "not Web3 Secret Storage"},
		{"empty object", "{}", "version"},
		{"version 1", edit(`"version": 3`, `"version": 1`), "version"},
		{"member twice", edit("{", `{"version": 3,`), "not Web3 Secret Storage"},
		{"member twice in another case", edit("{", `{"Version": 3,`), "not Web3 Secret Storage"},
		{"address of another key", edit("{", `{"address": "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",`), "address"},
		{"address that is none", edit("{", `{"address": "f39f",`), "address"},
		{"cipher", edit("aes-128-ctr", "aes-256-gcm"), "crypto.cipher"},
		{"short iv", edit(`"iv": "`, `"iv": "00", "x": "`), "crypto.cipherparams.iv"},
		{"short mac", edit(`"mac": "`, `"mac": "00", "x": "`), "crypto.mac"},
		{"no ciphertext", edit(`"ciphertext": "`, `"ciphertext": "", "x": "`), "crypto.ciphertext"},
		{"salt as a number", edit(`"salt": "`, `"salt": 1, "x": "`), "not Web3 Secret Storage"},
		{"kdf", edit(`"scrypt"`, `"argon2"`), "crypto.kdf"},
		{"short key", edit(`"dklen": 32`, `"dklen": 16`), "crypto.kdfparams.dklen"},
		{"n of 100 GB", edit(`"n": 2`, `"n": 134217728`), "crypto.kdfparams.n"},
		{"p of weeks", edit(`"p": 1`, `"p": 1000000000`), "crypto.kdfparams.p"},
		{"r zero", edit(`"r": 8`, `"r": 0`), "crypto.kdfparams.r"},
		{"pbkdf2 without rounds", edit(`"scrypt"`, `"pbkdf2"`), "crypto.kdfparams.c"},
		{"pbkdf2 with rounds for weeks", strings.Replace(edit(`"scrypt"`, `"pbkdf2"`), `"n": 2`, `"c": 1000000000000`, 1), "crypto.kdfparams.c"},
		{"pbkdf2 without prf", strings.Replace(edit(`"scrypt"`, `"pbkdf2"`), `"n": 2`, `"c": 1`, 1), "crypto.kdfparams.prf"},
	}
	v := openVault(t, newVault(t))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := v.ImportKeystore([]byte(tt.file), []byte(vector.Passphrase))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Files as other wallets write them: crypto in capitals, members of their
// own, the address with 0x.
func TestImportKeystoreVariants(t *testing.T) {
	vector := lightVector(t)
	key, err := decryptKeystore(vector.File, []byte(vector.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	want := crypto.PubkeyToAddress(key.PublicKey)
	good := string(vector.File)
	for name, file := range map[string]string{
		"Crypto":             strings.Replace(good, `"crypto"`, `"Crypto"`, 1),
		"address":            strings.Replace(good, "{", `{"address": "`+strings.ToLower(want.Hex()[2:])+`",`, 1),
		"address with 0x":    strings.Replace(good, "{", `{"address": "`+want.Hex()+`",`, 1),
		"members of its own": strings.Replace(good, "{", `{"name": "a", "x-ethers": {"client": "ethers.js"},`, 1),
		"no id":              strings.Replace(good, `"id"`, `"x-id"`, 1),
	} {
		got, err := decryptKeystore([]byte(file), []byte(vector.Passphrase))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !got.Equal(key) {
			t.Errorf("%s: another key", name)
		}
	}
}

// No file, however malformed, stops the program.
func FuzzDecryptKeystore(f *testing.F) {
	b, err := os.ReadFile("testdata/keystore_v3.json")
	if err != nil {
		f.Fatal(err)
	}
	var vectors struct {
		Vectors []keystoreVector `json:"vectors"`
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors.Vectors[2:] { // the two that decrypt at once
		f.Add([]byte(v.File))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, c, err := readKeystore(data)
		if err != nil {
			return
		}
		if n, ok := c.KDFParams["n"].(int); ok && n > 1<<10 {
			return // allowed, but too slow here
		}
		if n, ok := c.KDFParams["c"].(int); ok && n > 1<<10 {
			return
		}
		_, _ = decryptKeystore(data, []byte("foo"))
	})
}

func TestExportKeystore(t *testing.T) {
	v := openVault(t, newVault(t))
	key := newKey(t)
	importedAddr, err := v.addKey(key)
	if err != nil {
		t.Fatal(err)
	}
	derived := wallet.Path{Role: wallet.TreasuryRole, Index: 7}
	derivedAddr, err := v.Own().Address(derived)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range []Account{
		{v.Own(), derived, derivedAddr},
		{v.Own(), wallet.Path{Role: wallet.ExternalRole, Imported: true}, importedAddr},
	} {
		t.Run(account.Path.String(), func(t *testing.T) {
			data, err := v.Own().ExportKeystore(account.Path, account.Address, []byte("foo"), true)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := keystore.DecryptKey(data, "foo")
			if err != nil {
				t.Fatal(err)
			}
			if theirs.Address != account.Address {
				t.Errorf("geth reads the key of %s, want %s", theirs.Address, account.Address)
			}
			if got := openKeystore(t, data, "foo"); !bytes.Equal(got, crypto.FromECDSA(theirs.PrivateKey)) {
				t.Error("the second implementation reads another key")
			}
			other := openVault(t, newVault(t))
			if addr, err := other.ImportKeystore(data, []byte("foo")); err != nil || addr != account.Address {
				t.Errorf("imported into another vault: %s, %v", addr, err)
			}
		})
	}
}

func TestExportKeystoreRefuses(t *testing.T) {
	v := openVault(t, newVault(t))
	first, err := v.Own().Address(wallet.Path{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Own().ExportKeystore(wallet.Path{}, first, nil, true); err == nil {
		t.Error("exported without a passphrase")
	}
	if _, err := v.Own().ExportKeystore(wallet.Path{Index: 1}, first, []byte("foo"), true); !errors.Is(err, ErrAddress) {
		t.Errorf("another path: %v, want ErrAddress", err)
	}
	if _, err := v.Own().ExportKeystore(wallet.Path{Imported: true}, common.Address{1}, []byte("foo"), true); !errors.Is(err, ErrUnknown) {
		t.Errorf("not imported: %v, want ErrUnknown", err)
	}
}
