package vault

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

var (
	// ErrAddress says that the key at a path is not that of the address
	// which the caller expects there.
	ErrAddress = errors.New("the key is another address's")

	// ErrUnknown says that no imported key belongs to an address.
	ErrUnknown = errors.New("no imported key has this address")

	// ErrFingerprint says that no mnemonic of the vault has a fingerprint.
	ErrFingerprint = errors.New("no mnemonic of this vault has this fingerprint")

	// ErrClosed says that the vault was used after Close.
	ErrClosed = errors.New("the vault is closed")
)

// Info is what a vault file tells without its passphrase.
type Info struct {
	Path         string
	Fingerprints []hd.Fingerprint // one per mnemonic, the vault's own first
	KDF          KDF
}

// Fingerprint is the vault's own: that of its first mnemonic.
func (i *Info) Fingerprint() hd.Fingerprint { return i.Fingerprints[0] }

// Stat reads what a vault file tells without its passphrase. None of it is
// proven until [Open] has decrypted the file.
func Stat(path string) (*Info, error) {
	f, _, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return f.info(path), nil
}

func (h *header) info(path string) *Info {
	return &Info{Path: path, Fingerprints: slices.Clone(h.Fingerprints), KDF: h.KDF.cost()}
}

// Vault is an open vault. It is safe for concurrent use.
type Vault struct {
	path string

	mu     sync.RWMutex // held for reading while a key is in use
	header header
	keys   []*Keys  // one per mnemonic, in the header's order
	s      *secrets // behind a pointer, which fmt does not follow; nil once closed
}

// secrets is what the whole file shares; a mnemonic's are in its [Keys].
type secrets struct {
	raw      []byte // the file as last read or written
	key      []byte // encrypts the file
	contents *contents
	imported map[common.Address]*signer
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
	key, err := f.KDF.newKey(passphrase)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	c, err := f.open(path, key)
	if err != nil {
		clear(key)
		return nil, err
	}
	v := &Vault{
		path: path, header: f.header,
		s: &secrets{raw: raw, key: key, contents: c, imported: make(map[common.Address]*signer)},
	}
	if err := v.load(); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// load turns the decrypted contents into keys, and holds them against what
// the file says of them.
func (v *Vault) load() error {
	bad := func(field, reason string) error { return &FileError{Path: v.path, Field: field, Reason: reason} }
	entropies, fingerprints := v.s.contents.Entropies, v.header.Fingerprints
	if len(entropies) != len(fingerprints) {
		return bad("fingerprints", fmt.Sprintf("%d for %d mnemonics", len(fingerprints), len(entropies)))
	}
	for i, entropy := range entropies {
		master, err := newMaster(entropy)
		if err != nil {
			return bad(fmt.Sprintf("entropies.%d", i), err.Error())
		}
		k := newKeys(v, master)
		v.keys = append(v.keys, k)
		if got := k.Fingerprint(); got != fingerprints[i] {
			return bad(fmt.Sprintf("fingerprints.%d", i), fmt.Sprintf("%s, but its keys have %s", fingerprints[i], got))
		}
	}
	for i, imported := range v.s.contents.Imported {
		key, err := crypto.ToECDSA(imported.Key)
		if err != nil {
			return bad(fmt.Sprintf("imported.%d", i), "not a private key of secp256k1")
		}
		k := newSigner(key)
		if k.address != imported.Address {
			return bad(fmt.Sprintf("imported.%d", i), fmt.Sprintf("was imported as %s, but its key is that of %s", imported.Address, k.address))
		}
		v.s.imported[k.address] = k
	}
	return nil
}

// Close overwrites the keys, after the signatures under way. It may be
// called again.
func (v *Vault) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s == nil {
		return
	}
	clear(v.s.key)
	v.s.contents.wipe()
	for _, k := range v.s.imported {
		hd.Wipe(k.key)
	}
	for _, k := range v.keys {
		k.wipe()
	}
	v.s = nil
}

// Path is the name of the vault's file.
func (v *Vault) Path() string { return v.path }

// Info is what the file tells without its passphrase, proven by having been
// decrypted.
func (v *Vault) Info() *Info {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.header.info(v.path)
}

// Fingerprint is the vault's own: that of its first mnemonic.
func (v *Vault) Fingerprint() hd.Fingerprint { return v.Own().Fingerprint() }

// Own are the keys of the first mnemonic.
func (v *Vault) Own() *Keys {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.keys[0]
}

// Keys are the keys of the mnemonic with a fingerprint; if there is none, the
// error is [ErrFingerprint].
func (v *Vault) Keys(fingerprint hd.Fingerprint) (*Keys, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, k := range v.keys {
		if k.Fingerprint() == fingerprint {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", fingerprint, ErrFingerprint)
}

// Account is one address of the vault.
type Account struct {
	Keys    *Keys // sign for it: its mnemonic's, or of an imported key the first ones
	Path    wallet.Path
	Address common.Address
}

// Accounts lists the first address of each role, mnemonic by mnemonic, then
// the imported ones in the order of their addresses.
func (v *Vault) Accounts() ([]Account, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return nil, ErrClosed
	}
	var accounts []Account
	for _, k := range v.keys {
		for _, role := range wallet.Roles() {
			path := wallet.Path{Role: role}
			addr, err := k.Address(path)
			if err != nil {
				return nil, err
			}
			accounts = append(accounts, Account{k, path, addr})
		}
	}
	derived := len(accounts)
	for addr := range v.s.imported {
		accounts = append(accounts, Account{v.keys[0], wallet.Path{Role: wallet.ExternalRole, Imported: true}, addr})
	}
	slices.SortFunc(accounts[derived:], func(a, b Account) int { return a.Address.Cmp(b.Address) })
	return accounts, nil
}

// Format keeps the secrets out of every fmt verb.
func (v *Vault) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "vault.Vault(%s)", v.Fingerprint())
}
