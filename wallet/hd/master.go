package hd

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"sync"

	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// ErrClosed says that a Master was used after Close.
var ErrClosed = errors.New("the keys were closed")

// Master derives the private keys of the four roles. It keeps no more of the
// tree than the external chains m/44'/60'/role'/0, so neither the seed nor a
// hardened parent stays in memory. It is safe for concurrent use.
type Master struct {
	watch *Watch

	mu     sync.RWMutex
	chains [4]*hdkeychain.ExtendedKey // by role; nil once closed
}

// NewMaster derives the four roles' chains from a BIP-32 seed of 16 to 64
// bytes (a BIP-39 seed has 64). The seed stays the caller's to wipe.
func NewMaster(seed []byte) (*Master, error) {
	root, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
	if err != nil {
		return nil, fmt.Errorf("BIP-32 master key: %w", err)
	}
	defer root.Zero()
	coin, err := derive(root, purpose, coinType)
	if err != nil {
		return nil, fmt.Errorf("derive m/44'/60': %w", err)
	}
	defer coin.Zero()

	m := new(Master)
	var accounts []*AccountKey
	for _, role := range wallet.Roles() {
		account, err := m.addRole(coin, role)
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("derive %s: %w", wallet.AccountPath(role), err)
		}
		accounts = append(accounts, account)
	}
	if m.watch, err = NewWatch(accounts...); err != nil {
		return nil, err
	}
	return m, nil
}

// addRole keeps the role's private external chain and returns its public
// account key.
func (m *Master) addRole(coin *hdkeychain.ExtendedKey, role wallet.Role) (*AccountKey, error) {
	account, err := derive(coin, hardened+uint32(role))
	if err != nil {
		return nil, err
	}
	defer account.Zero()
	public, err := account.Neuter()
	if err != nil {
		return nil, err
	}
	key, err := newAccountKey(role, public)
	if err != nil {
		return nil, err
	}
	chain, err := derive(account, external)
	if err != nil {
		return nil, err
	}
	// The library computes the public key on first use and keeps it, without
	// a lock; from here on the chain is only read.
	if _, err := chain.ECPubKey(); err != nil {
		return nil, err
	}
	m.chains[role] = chain
	return key, nil
}

// derive follows child numbers down from a private key and wipes every key
// on the way. Derive, not DeriveNonStandard, keeps leading zeros as BIP-32
// wants (its test vectors 3 and 4).
func derive(key *hdkeychain.ExtendedKey, path ...uint32) (*hdkeychain.ExtendedKey, error) {
	for depth, child := range path {
		next, err := key.Derive(child)
		if depth > 0 {
			key.Zero()
		}
		if err != nil {
			return nil, err
		}
		key = next
	}
	return key, nil
}

// Watch is the public side of the four roles. It outlives Close.
func (m *Master) Watch() *Watch { return m.watch }

// Account is the role's account key, nil for a role that is not derivable.
func (m *Master) Account(role wallet.Role) *AccountKey { return m.watch.Account(role) }

// Key derives the private key at a path. It is the caller's, to use briefly
// and to wipe with [Wipe].
func (m *Master) Key(path wallet.Path) (*ecdsa.PrivateKey, error) {
	if path.Imported || int(path.Role) >= len(m.chains) || path.Index > wallet.MaxIndex {
		return nil, fmt.Errorf("path %s: not derived from the vault's mnemonic", path)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	chain := m.chains[path.Role]
	if chain == nil {
		return nil, ErrClosed
	}
	child, err := chain.Derive(path.Index)
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", path, err)
	}
	defer child.Zero()
	priv, err := child.ECPrivKey()
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", path, err)
	}
	defer priv.Zero()
	raw := priv.Serialize()
	defer clear(raw)
	return crypto.ToECDSA(raw)
}

// Close wipes the chains. Copies that the runtime or the libraries made on
// the way are beyond reach.
func (m *Master) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for role, chain := range m.chains {
		if chain != nil {
			chain.Zero()
			m.chains[role] = nil
		}
	}
}

// Wipe overwrites a private key in place. Nobody may be using it.
func Wipe(key *ecdsa.PrivateKey) {
	// crypto/ecdsa has no way to forget a key; its words are overwritten.
	if key != nil && key.D != nil { //nolint:staticcheck // see above
		clear(key.D.Bits()) //nolint:staticcheck // see above
	}
}

// Format keeps the chains out of every fmt verb.
func (m *Master) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "hd.Master(%s)", m.watch.Fingerprint())
}
