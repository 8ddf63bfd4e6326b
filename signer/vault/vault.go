// Package vault keeps the private keys of the signing station: one BIP-39
// mnemonic, from which the addresses of the four roles are derived, and any
// imported keys, in one encrypted file.
//
// # Use
//
// [Create] writes a new vault, [Open] decrypts one. Opening takes one slow
// key derivation, however many addresses the vault holds; from then on
// [Vault.SignHash] costs little more than the signature itself. Keys are not
// handed out: a caller names a path and the address that it believes to be
// there, and gets a signature. The only ways out are the Web3 Secret Storage
// file of [Vault.ExportKeystore] and the mnemonic's paper copy.
//
// # File
//
// The file is JSON. Unknown, repeated or differently-cased members are
// refused.
//
//	{
//	  "format": "airlock-vault",
//	  "version": 1,
//	  "fingerprint": "…",          SHA-256 over the account keys, see hd.Fingerprint
//	  "kdf": {
//	    "name": "scrypt",          RFC 7914
//	    "n": 262144, "r": 8, "p": 1,
//	    "salt": "…"                32 bytes, hexadecimal
//	  },
//	  "cipher": {
//	    "name": "xchacha20-poly1305",
//	    "nonce": "…"               24 bytes, hexadecimal, new with every write
//	  },
//	  "ciphertext": "…"            base64
//	}
//
// The key is scrypt of the passphrase's bytes as given, 32 bytes long. The
// associated data is the file without the ciphertext member, in the order
// above and without white space. The plaintext is JSON again:
//
//	{"entropy":"…","imported":["…"]}
//
// entropy is that of the mnemonic (BIP-39, 16 to 32 bytes, no BIP-39
// passphrase), imported are private keys of 32 bytes, both hexadecimal.
// Without the passphrase the file tells its fingerprint and roughly how many
// keys were imported.
//
// # Memory
//
// Close overwrites the keys that the package holds. Copies that libraries
// and the runtime made (strings, stacks, moved buffers) and pages that the
// system swapped out are beyond its reach: the machine itself is what has to
// be trusted.
package vault

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

var (
	// ErrAddress says that the key at a path is not that of the address
	// which the caller expects there.
	ErrAddress = errors.New("the key is another address's")

	// ErrUnknown says that no imported key belongs to an address.
	ErrUnknown = errors.New("no imported key has this address")

	// ErrClosed says that the vault was used after Close.
	ErrClosed = errors.New("the vault is closed")

	// ErrChanged says that another process wrote the file meanwhile.
	ErrChanged = errors.New("the file was changed since it was opened: open it again and repeat")
)

// Info is what a vault file tells without its passphrase.
type Info struct {
	Path        string
	Fingerprint hd.Fingerprint
	KDF         KDF
}

// Stat reads what a vault file tells without its passphrase. None of it is
// proven until [Open] has decrypted the file.
func Stat(path string) (*Info, error) {
	f, _, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return &Info{Path: path, Fingerprint: f.Fingerprint, KDF: f.KDF.cost()}, nil
}

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
	c := &contents{Entropy: entropy, Imported: []hexBytes{}}
	defer c.wipe()
	master, err := newMaster(entropy)
	if err != nil {
		return nil, err
	}
	defer master.Close()

	h := header{
		Format:      format,
		Version:     version,
		Fingerprint: master.Watch().Fingerprint(),
		KDF:         kdfHeader{Name: kdfName, N: kdf.N, R: kdf.R, P: kdf.P, Salt: make(hexBytes, saltLen)},
		Cipher:      cipherHeader{Name: cipherName},
	}
	if _, err := rand.Read(h.KDF.Salt); err != nil {
		return nil, err
	}
	key, err := h.newKey(passphrase)
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
	return &Info{Path: path, Fingerprint: h.Fingerprint, KDF: kdf}, nil
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

// maxKept bounds how many derived keys a vault keeps ready. Paths beyond are
// derived for each signature, which then takes about four times as long.
const maxKept = 1 << 14

// Vault is an open vault. It is safe for concurrent use.
type Vault struct {
	path   string
	watch  *hd.Watch
	header header

	mu sync.RWMutex // held for reading while a key is in use
	s  *secrets     // behind a pointer, which fmt does not follow; nil once closed

	keptMu sync.Mutex
}

type secrets struct {
	raw      []byte // the file as last read or written
	key      []byte // encrypts the file
	contents *contents
	master   *hd.Master
	imported map[common.Address]*signer
	kept     map[wallet.Path]*signer // guarded by Vault.keptMu
}

// signer is a private key and its address.
type signer struct {
	key     *ecdsa.PrivateKey
	address common.Address
}

func newSigner(key *ecdsa.PrivateKey) *signer {
	return &signer{key: key, address: crypto.PubkeyToAddress(key.PublicKey)}
}

// Open reads and decrypts a vault. A passphrase that does not fit is
// [ErrPassphrase], a file that is no vault a [*FileError].
func Open(path string, passphrase []byte) (*Vault, error) {
	f, raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	key, err := f.newKey(passphrase)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	c, err := f.open(path, key)
	if err != nil {
		clear(key)
		return nil, err
	}
	s := &secrets{
		raw: raw, key: key, contents: c,
		imported: make(map[common.Address]*signer),
		kept:     make(map[wallet.Path]*signer),
	}
	if err := s.load(path, f.Fingerprint); err != nil {
		s.wipe()
		return nil, err
	}
	return &Vault{path: path, watch: s.master.Watch(), header: f.header, s: s}, nil
}

// load turns the decrypted contents into keys.
func (s *secrets) load(path string, fingerprint hd.Fingerprint) error {
	master, err := newMaster(s.contents.Entropy)
	if err != nil {
		return &FileError{Path: path, Field: "entropy", Reason: err.Error()}
	}
	s.master = master
	if got := master.Watch().Fingerprint(); got != fingerprint {
		return &FileError{Path: path, Field: "fingerprint", Reason: fmt.Sprintf("%s, but its keys have %s", fingerprint, got)}
	}
	for i, raw := range s.contents.Imported {
		key, err := crypto.ToECDSA(raw)
		if err != nil {
			return &FileError{Path: path, Field: fmt.Sprintf("imported.%d", i), Reason: "not a private key of secp256k1"}
		}
		k := newSigner(key)
		s.imported[k.address] = k
	}
	return nil
}

func (s *secrets) wipe() {
	clear(s.key)
	s.contents.wipe()
	if s.master != nil {
		s.master.Close()
	}
	for _, k := range s.imported {
		hd.Wipe(k.key)
	}
	for _, k := range s.kept {
		hd.Wipe(k.key)
	}
}

// Close overwrites the keys, after the signatures under way. It may be
// called again.
func (v *Vault) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s != nil {
		v.s.wipe()
		v.s = nil
	}
}

// Path is the name of the vault's file.
func (v *Vault) Path() string { return v.path }

// Fingerprint names the vault; it covers the mnemonic's keys and not the
// imported ones.
func (v *Vault) Fingerprint() hd.Fingerprint { return v.header.Fingerprint }

// Watch is the public side: what the watch file carries. It outlives Close.
func (v *Vault) Watch() *hd.Watch { return v.watch }

// Address derives the address at a path.
func (v *Vault) Address(path wallet.Path) (common.Address, error) { return v.watch.Address(path) }

// AddressOf is the address that the vault has at a path: the derived one, or the
// given one if it is of an imported key. It is zero if that was never imported.
func (v *Vault) AddressOf(path wallet.Path, claimed common.Address) (common.Address, error) {
	if !path.Imported {
		return v.Address(path)
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return common.Address{}, ErrClosed
	}
	if v.s.imported[claimed] == nil {
		return common.Address{}, nil
	}
	return claimed, nil
}

// Account is one address of the vault.
type Account struct {
	Path    wallet.Path
	Address common.Address
}

// Accounts lists the first address of each role, then the imported ones in
// the order of their addresses.
func (v *Vault) Accounts() ([]Account, error) {
	var accounts []Account
	for _, role := range wallet.Roles() {
		path := wallet.Path{Role: role}
		addr, err := v.Address(path)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, Account{path, addr})
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return nil, ErrClosed
	}
	derived := len(accounts)
	for addr := range v.s.imported {
		accounts = append(accounts, Account{wallet.Path{Role: wallet.ExternalRole, Imported: true}, addr})
	}
	slices.SortFunc(accounts[derived:], func(a, b Account) int { return a.Address.Cmp(b.Address) })
	return accounts, nil
}

// SignHash signs a 32-byte hash with the key at path, which must be that of
// from, else the error is [ErrAddress]. An imported key is named by from
// alone. The signature is R, S and the recovery id 0 or 1, with S in the
// lower half of the order (EIP-2), and deterministic (RFC 6979).
//
// It signs whatever it is given: what the hash stands for is the caller's to
// check.
func (v *Vault) SignHash(path wallet.Path, from common.Address, hash [32]byte) (sig [65]byte, err error) {
	err = v.use(path, from, func(key *ecdsa.PrivateKey) error {
		b, err := crypto.Sign(hash[:], key)
		copy(sig[:], b)
		return err
	})
	return sig, err
}

// use calls f with the key at path if it is that of from. The key stays
// valid until f returns.
func (v *Vault) use(path wallet.Path, from common.Address, f func(*ecdsa.PrivateKey) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return ErrClosed
	}
	if path.Imported {
		k := v.s.imported[from]
		if k == nil {
			return fmt.Errorf("%s: %w", from, ErrUnknown)
		}
		return f(k.key)
	}
	k := v.kept(path)
	if k == nil {
		key, err := v.s.master.Key(path)
		if err != nil {
			return err
		}
		k = newSigner(key)
		if !v.keep(path, k) {
			defer hd.Wipe(key)
		}
	}
	if k.address != from {
		return fmt.Errorf("%s is %s, not %s: %w", path, k.address, from, ErrAddress)
	}
	return f(k.key)
}

// kept looks for a key that was derived before.
func (v *Vault) kept(path wallet.Path) *signer {
	v.keptMu.Lock()
	defer v.keptMu.Unlock()
	return v.s.kept[path]
}

// keep holds on to a derived key unless there are enough of them, or another
// signature was quicker to derive it.
func (v *Vault) keep(path wallet.Path, k *signer) bool {
	v.keptMu.Lock()
	defer v.keptMu.Unlock()
	if _, ok := v.s.kept[path]; ok || len(v.s.kept) >= maxKept {
		return false
	}
	v.s.kept[path] = k
	return true
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
	_, now, err := readFile(v.path)
	if err != nil {
		return common.Address{}, err
	}
	if !bytes.Equal(now, v.s.raw) {
		return common.Address{}, fmt.Errorf("vault %s: %w", v.path, ErrChanged)
	}
	c := &contents{
		Entropy:  v.s.contents.Entropy,
		Imported: append(slices.Clone(v.s.contents.Imported), crypto.FromECDSA(key)),
	}
	raw, err := seal(v.path, v.header, v.s.key, c)
	if err != nil {
		return common.Address{}, err
	}
	if err := secretfile.Replace(v.path, raw); err != nil {
		return common.Address{}, fmt.Errorf("vault: %w", err)
	}
	v.s.raw, v.s.contents, v.s.imported[k.address] = raw, c, k
	return k.address, nil
}

// Format keeps the secrets out of every fmt verb.
func (v *Vault) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "vault.Vault(%s)", v.header.Fingerprint)
}
