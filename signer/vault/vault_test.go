package vault

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

const (
	junk       = "test test test test test test test test test test test junk"
	passphrase = "correct horse"

	junkFingerprint = "0af61e854806a5e93a9c63472ffb444d61b40b9e64833f8040630e6c191b0ade"
)

// fastKDF costs nothing; what it protects is public anyway.
var fastKDF = KDF{N: 2, R: 1, P: 1}

func newVault(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "vault.json")
	if _, err := Create(path, []byte(junk), []byte(passphrase), fastKDF); err != nil {
		t.Fatal(err)
	}
	return path
}

func openVault(t testing.TB, path string) *Vault {
	t.Helper()
	v, err := Open(path, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCreateOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.json")
	info, err := Create(path, []byte(junk), []byte(passphrase), LightKDF)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(stat, info) || stat.KDF != LightKDF {
		t.Errorf("Stat tells %+v, Create told %+v", stat, info)
	}
	mode, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", mode.Mode())
	}
	v := openVault(t, path)
	if v.Fingerprint() != info.Fingerprint() || v.Own().Watch().Fingerprint() != info.Fingerprint() {
		t.Errorf("fingerprint %s, want %s", v.Fingerprint(), info.Fingerprint())
	}
	addr, err := v.Own().Address(wallet.Path{})
	if want := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"); err != nil || addr != want {
		t.Errorf("first address %s, %v, want %s", addr, err, want)
	}
}

func TestCreateRestoresEveryLength(t *testing.T) {
	for bytes := 16; bytes <= 32; bytes += 4 {
		mnemonic, err := hd.Mnemonic(make([]byte, bytes))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "vault.json")
		if _, err := Create(path, mnemonic, []byte(passphrase), fastKDF); err != nil {
			t.Fatal(err)
		}
		master, err := hd.NewMaster(hd.Seed(mnemonic, ""))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := openVault(t, path).Fingerprint(), master.Watch().Fingerprint(); got != want {
			t.Errorf("entropy of %d bytes: fingerprint %s, want %s", bytes, got, want)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	tests := []struct {
		name, mnemonic, passphrase string
		kdf                        KDF
		want                       string
	}{
		{"no passphrase", junk, "", fastKDF, "passphrase is empty"},
		{"no mnemonic", "", passphrase, fastKDF, "0 words"},
		{"bad checksum", strings.Replace(junk, "junk", "test", 1), passphrase, fastKDF, "checksum"},
		{"no kdf", junk, passphrase, KDF{}, "scrypt n"},
		{"costly kdf", junk, passphrase, KDF{N: 1 << 24, R: 8, P: 1}, "memory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vault.json")
			_, err := Create(path, []byte(tt.mnemonic), []byte(tt.passphrase), tt.kdf)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file was left behind (%v)", err)
			}
		})
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	path := newVault(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, []byte(junk), []byte("another"), fastKDF); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v, want fs.ErrExist", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the vault was changed (%v)", err)
	}
}

func TestOpenWrongPassphrase(t *testing.T) {
	path := newVault(t)
	for _, p := range []string{"", "Correct horse", passphrase + "\n", passphrase + " "} {
		if _, err := Open(path, []byte(p)); !errors.Is(err, ErrPassphrase) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want ErrPassphrase with the file's name", p, err)
		}
	}
}

func TestOpenMissing(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "vault.json"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	raw, err := os.ReadFile(newVault(t))
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	fingerprints := regexp.MustCompile(`"fingerprints": \[[^]]*\]`)
	noFingerprint := fingerprints.ReplaceAllString(good, `"fingerprints": []`)
	tests := []struct{ name, file, field string }{
		{"empty", "", ""},
		{"truncated", good[:len(good)/2], ""},
		{"two documents", good + good, ""},
		{"too long", good + strings.Repeat(" ", maxFile), ""},
		{"other format", edit("airlock-vault", "airlock-watch"), "format"},
		{"later version", edit(`"version": 1`, `"version": 2`), "version"},
		{"unknown member", edit("{", `{"note": 1,`), "note"},
		{"member in other case", edit(`"format"`, `"Format"`), "Format"},
		{"member twice", edit("{", `{"version": 1,`), ""},
		{"fingerprint too short", edit(`"fingerprints": [`, `"fingerprints": ["",`), "fingerprints.0"},
		{"no fingerprint", noFingerprint, "fingerprints"},
		{"fingerprint twice", edit(`"fingerprints": [`, `"fingerprints": ["`+junkFingerprint+`",`), "fingerprints.1"},
		{"other kdf", edit("scrypt", "argon2"), "kdf.name"},
		{"n of 100 GB", edit(`"n": 2`, `"n": 134217728`), "kdf.n"},
		{"n beyond int64", edit(`"n": 2`, `"n": 18446744073709551616`), "kdf.n"},
		{"n not a power of two", edit(`"n": 2`, `"n": 3`), "kdf.n"},
		{"n negative", edit(`"n": 2`, `"n": -2`), "kdf.n"},
		{"r too high", edit(`"r": 1`, `"r": 1073741824`), "kdf.r"},
		{"p too high", edit(`"p": 1`, `"p": 1073741824`), "kdf.p"},
		{"memory of n and r", strings.NewReplacer(`"n": 2`, `"n": 1048576`, `"r": 1`, `"r": 9`).Replace(good), "kdf.n"},
		{"work of n and p", strings.NewReplacer(`"n": 2`, `"n": 1048576`, `"p": 1`, `"p": 17`).Replace(good), "kdf.p"},
		{"no salt", edit(`"salt": "`, `"salt": "", "x": "`), "kdf.x"},
		{"salt in capitals", edit(`"salt": "`, `"salt": "AA`), "kdf.salt"},
		{"salt too long", edit(`"salt": "`, `"salt": "00`), "kdf.salt"},
		{"other cipher", edit("xchacha20-poly1305", "aes-256-gcm"), "cipher.name"},
		{"nonce too long", edit(`"nonce": "`, `"nonce": "00`), "cipher.nonce"},
		{"ciphertext not base64", edit(`"ciphertext": "`, `"ciphertext": "!`), "ciphertext"},
		{"ciphertext null", good[:strings.Index(good, `"ciphertext"`)] + `"ciphertext": null}`, "ciphertext"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vault.json")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path, []byte(passphrase))
			var bad *FileError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want a FileError", err)
			}
			if bad.Field != tt.field || bad.Path != path || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v is about field %q, want %q of %s", err, bad.Field, tt.field, path)
			}
		})
	}
}

// A header that says something else is noticed, although it can be read.
func TestHeaderIsAuthenticated(t *testing.T) {
	path := newVault(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := openVault(t, path).Fingerprint().String()
	forged := strings.Replace(string(raw), fingerprint, strings.Repeat("0", 64), 1)
	if err := os.WriteFile(path, []byte(forged), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, []byte(passphrase)); !errors.Is(err, ErrPassphrase) {
		t.Errorf("forged fingerprint: %v, want ErrPassphrase", err)
	}
}

// Contents that were encrypted well but make no sense are refused.
func TestOpenRefusesContents(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	own := v.s.contents.Entropies[0]
	own32 := bytes.Repeat([]byte{1}, 32)
	tests := []struct {
		name  string
		c     contents
		field string
	}{
		{"no entropy", contents{}, "fingerprints"},
		{"a second entropy", contents{Entropies: []hexBytes{own, make(hexBytes, 16)}}, "fingerprints"},
		{"entropy too short", contents{Entropies: []hexBytes{make(hexBytes, 8)}}, "entropies.0"},
		{"another entropy", contents{Entropies: []hexBytes{make(hexBytes, 16)}}, "fingerprints.0"},
		{"imported zero", contents{Entropies: []hexBytes{own}, Imported: []importedKey{{Key: make(hexBytes, 32)}}}, "imported.0"},
		{"imported too short", contents{Entropies: []hexBytes{own}, Imported: []importedKey{{Key: hexBytes{1}}}}, "imported.0"},
		{"imported, another address", contents{Entropies: []hexBytes{own}, Imported: []importedKey{{Key: own32}}}, "imported.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := seal(path, v.header, v.s.key, &tt.c)
			if err != nil {
				t.Fatal(err)
			}
			other := filepath.Join(t.TempDir(), "vault.json")
			if err := os.WriteFile(other, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = Open(other, []byte(passphrase))
			var bad *FileError
			if !errors.As(err, &bad) || bad.Field != tt.field {
				t.Errorf("error %v, want one about field %q", err, tt.field)
			}
		})
	}
}

// Whatever bit of the file is changed, and wherever it is cut, it is refused
// or means the same.
func TestMutations(t *testing.T) {
	path := newVault(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entropy, err := hd.Entropy([]byte(junk))
	if err != nil {
		t.Fatal(err)
	}
	want := &contents{Entropies: []hexBytes{entropy}}
	read := func(raw []byte) (*contents, error) {
		f, err := decode(path, raw)
		if err != nil {
			return nil, err
		}
		key, err := f.KDF.newKey([]byte(passphrase))
		if err != nil {
			return nil, err
		}
		return f.open(path, key)
	}
	same := 0
	for i := range good {
		for bit := range 8 {
			raw := bytes.Clone(good)
			raw[i] ^= 1 << bit
			c, err := read(raw)
			if err == nil && !c.equal(want) {
				t.Errorf("bit %d of byte %d (%q): opens with other contents", bit, i, good[i])
			}
			if err == nil {
				same++
			}
		}
		if c, err := read(good[:i]); err == nil && (i < len(good)-1 || !c.equal(want)) {
			t.Errorf("cut to %d of %d bytes: opens", i, len(good))
		}
	}
	// Only white space can change without changing the meaning.
	if limit := 8 * strings.Count(string(good), " ") / 2; same > limit {
		t.Errorf("%d changes were accepted, more than white space explains (%d)", same, limit)
	}
}

// Every key signs for exactly the address that the watch derives.
func TestSignHash(t *testing.T) {
	v := openVault(t, newVault(t))
	rapid.Check(t, func(t *rapid.T) {
		path := wallet.Path{
			Role:  rapid.SampledFrom(wallet.Roles()).Draw(t, "role"),
			Index: rapid.Uint32Range(0, wallet.MaxIndex).Draw(t, "index"),
		}
		assertSigns(t, v, path, [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash")))
	})
}

func TestSignHashFirstOfEachRole(t *testing.T) {
	v := openVault(t, newVault(t))
	for _, role := range wallet.Roles() {
		for i := range uint32(100) {
			assertSigns(t, v, wallet.Path{Role: role, Index: i}, crypto.Keccak256Hash([]byte{byte(i)}))
		}
	}
}

func assertSigns(t rapid.TB, v *Vault, path wallet.Path, hash [32]byte) {
	t.Helper()
	from, err := v.Own().Watch().Address(path)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := v.Own().SignHash(path, from, hash)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := crypto.SigToPub(hash[:], sig[:])
	if err != nil {
		t.Fatal(err)
	}
	if got := crypto.PubkeyToAddress(*pub); got != from {
		t.Errorf("%s: signed by %s, the watch derives %s", path, got, from)
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	if !crypto.ValidateSignatureValues(sig[64], r, s, true) {
		t.Errorf("%s: signature %x is not in the canonical form of EIP-2", path, sig)
	}
	again, err := v.Own().SignHash(path, from, hash)
	if err != nil || again != sig {
		t.Errorf("%s: signed again: %x, %v, want %x", path, again, err, sig)
	}
}

func TestSignHashRefuses(t *testing.T) {
	v := openVault(t, newVault(t))
	first, err := v.Own().Address(wallet.Path{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		path wallet.Path
		from common.Address
		want error
	}{
		{"another index", wallet.Path{Index: 1}, first, ErrAddress},
		{"another role", wallet.Path{Role: wallet.PayoutRole}, first, ErrAddress},
		{"no address", wallet.Path{}, common.Address{}, ErrAddress},
		{"not imported", wallet.Path{Role: wallet.ExternalRole, Imported: true}, first, ErrUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // derived, then kept
				sig, err := v.Own().SignHash(tt.path, tt.from, [32]byte{1})
				if !errors.Is(err, tt.want) || sig != [65]byte{} {
					t.Errorf("signature %x, error %v, want %v", sig, err, tt.want)
				}
			}
		})
	}
	for _, path := range []wallet.Path{{Role: wallet.ExternalRole}, {Role: 4}, {Index: wallet.MaxIndex + 1}} {
		if _, err := v.Own().SignHash(path, first, [32]byte{}); err == nil {
			t.Errorf("%s (role %s) was signed for", path, path.Role)
		}
	}
}

// More paths than are kept still sign, and the rest is not held on to.
func TestKeptIsBounded(t *testing.T) {
	v := openVault(t, newVault(t))
	for i := range uint32(maxKept - 1) {
		v.keys[0].kept[wallet.Path{Role: wallet.GasRole, Index: i}] = &signer{key: new(ecdsa.PrivateKey)}
	}
	for i := range uint32(10) {
		assertSigns(t, v, wallet.Path{Index: i}, [32]byte{1})
	}
	if n := len(v.keys[0].kept); n != maxKept {
		t.Errorf("%d keys kept, want %d", n, maxKept)
	}
}

// Signatures, imports and Close at the same time: each signature is right or
// refused because the vault is closed.
func TestConcurrently(t *testing.T) {
	v := openVault(t, newVault(t))
	var wg sync.WaitGroup
	for g := range uint32(8) {
		wg.Go(func() {
			for i := range uint32(200) {
				path := wallet.Path{Index: (g + i) % 20}
				from, err := v.Own().Address(path)
				if err != nil {
					t.Error(err)
					return
				}
				hash := crypto.Keccak256Hash([]byte{byte(i)})
				sig, err := v.Own().SignHash(path, from, hash)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				pub, err := crypto.SigToPub(hash[:], sig[:])
				if err != nil || crypto.PubkeyToAddress(*pub) != from {
					t.Errorf("%s: signature of another key (%v)", path, err)
				}
				if g == 0 && i == 150 {
					v.Close()
				}
			}
		})
	}
	wg.Go(func() {
		for range 3 {
			if _, err := v.addKey(newKey(t)); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func TestClose(t *testing.T) {
	v := openVault(t, newVault(t))
	imported, err := v.addKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	assertSigns(t, v, wallet.Path{}, [32]byte{1})
	s := v.s
	keys := []*ecdsa.PrivateKey{s.imported[imported].key, v.keys[0].kept[wallet.Path{}].key}
	v.Close()
	v.Close() // again at any time

	for _, b := range [][]byte{s.key, s.contents.Entropies[0], s.contents.Imported[0].Key} {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Error("a secret outlives Close")
		}
	}
	for _, key := range keys {
		for _, word := range key.D.Bits() { //nolint:staticcheck // what Wipe overwrites
			if word != 0 {
				t.Error("a private key outlives Close")
			}
		}
	}
	if _, err := v.Own().SignHash(wallet.Path{}, common.Address{}, [32]byte{}); !errors.Is(err, ErrClosed) {
		t.Errorf("SignHash after Close: %v", err)
	}
	if _, err := v.Accounts(); !errors.Is(err, ErrClosed) {
		t.Errorf("Accounts after Close: %v", err)
	}
	if _, err := v.addKey(newKey(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("import after Close: %v", err)
	}
	if _, err := v.Own().Watch().Encode(); err != nil {
		t.Errorf("the watch does not outlive Close: %v", err)
	}
}

// No way of printing a vault, or an error of it, shows a secret.
func TestNothingIsPrinted(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	key := newKey(t)
	imported, err := v.addKey(key)
	if err != nil {
		t.Fatal(err)
	}
	assertSigns(t, v, wallet.Path{}, [32]byte{1})

	var secrets []string
	for _, b := range [][]byte{
		[]byte(passphrase), []byte("test test"), v.s.key, v.s.contents.Entropies[0],
		crypto.FromECDSA(key), crypto.FromECDSA(v.keys[0].kept[wallet.Path{}].key),
	} {
		secrets = append(secrets, string(b), hex.EncodeToString(b), fmt.Sprintf("%d", b), strings.Trim(fmt.Sprintf("%#v", b), "[]byte{}"), new(big.Int).SetBytes(b).String())
	}
	things := []any{v, struct{ V *Vault }{v}, v.keys[0].master, v.header}
	_, wrong := Open(path, []byte("wrong"))
	_, words := Create(filepath.Join(t.TempDir(), "v"), []byte(strings.Replace(junk, "junk", "test", 1)), []byte(passphrase), fastKDF)
	_, unknown := Create(filepath.Join(t.TempDir(), "v"), []byte(strings.Replace(junk, "junk", "xyzzy", 1)), []byte(passphrase), fastKDF)
	_, address := v.Own().SignHash(wallet.Path{}, imported, [32]byte{})
	_, keystore := v.ImportKeystore([]byte(junk), []byte(passphrase))
	secrets = append(secrets, "xyzzy")
	for _, err := range []error{wrong, words, unknown, address, keystore} {
		if err == nil {
			t.Fatal("an error is missing")
		}
		things = append(things, err)
	}
	for _, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out := fmt.Sprintf(verb, thing)
			for _, secret := range secrets {
				if strings.Contains(strings.ToLower(out), strings.ToLower(secret)) {
					t.Errorf("%s of %T shows a secret: %s", verb, thing, out)
				}
			}
		}
	}
}

// BenchmarkSign signs 10,000 hashes on all processors: bare, through the
// vault with 16 senders as withdrawals have, and through the vault with a
// sender of its own for each hash as sweeps have.
func BenchmarkSign(b *testing.B) {
	const n, senders = 10_000, 16
	v := openVault(b, newVault(b))
	from, err := v.Own().Watch().Account(wallet.DepositRole).Addresses(0, n)
	if err != nil {
		b.Fatal(err)
	}
	var keys [senders]*ecdsa.PrivateKey
	for i := range keys {
		if keys[i], err = v.keys[0].master.Key(wallet.Path{Index: uint32(i)}); err != nil {
			b.Fatal(err)
		}
	}
	hash := crypto.Keccak256Hash([]byte("hash"))
	signAll := func(b *testing.B, sign func(i int) error) time.Duration {
		start := time.Now()
		var g errgroup.Group
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			g.Go(func() error {
				for i := w; i < n; i += workers {
					if err := sign(i); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	bare := func(i int) error {
		_, err := crypto.Sign(hash[:], keys[i%senders])
		return err
	}
	vault := func(senders int) func(i int) error {
		return func(i int) error {
			i %= senders
			_, err := v.Own().SignHash(wallet.Path{Index: uint32(i)}, from[i], hash)
			return err
		}
	}
	for _, bb := range []struct {
		name    string
		prepare func()
		sign    func(i int) error
	}{
		{"16 senders", func() {}, vault(senders)},
		{"10000 senders", func() { clear(v.keys[0].kept) }, vault(n)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var vaultTime, bareTime time.Duration
			for b.Loop() {
				bb.prepare()
				bareTime += signAll(b, bare)
				vaultTime += signAll(b, bb.sign)
			}
			b.ReportMetric(float64(n*b.N)/vaultTime.Seconds(), "signatures/s")
			b.ReportMetric(vaultTime.Seconds()/bareTime.Seconds(), "times-bare")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, bb := range []struct {
		name string
		kdf  KDF
	}{{"default", DefaultKDF}, {"light", LightKDF}} {
		b.Run(bb.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "vault.json")
			if _, err := Create(path, []byte(junk), []byte(passphrase), bb.kdf); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				v, err := Open(path, []byte(passphrase))
				if err != nil {
					b.Fatal(err)
				}
				v.Close()
			}
		})
	}
}
