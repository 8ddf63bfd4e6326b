package hd

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil/base58"
	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/wallet"
)

// BIP-44 constants. Hardened child numbers have the top bit set.
const (
	hardened = hdkeychain.HardenedKeyStart
	purpose  = hardened + 44
	coinType = hardened + 60 // ether, SLIP-44
	external = 0             // the chain of receiving addresses

	accountDepth = 3
	payloadLen   = 78 // of a serialized extended key, without its checksum
)

// ErrPrivateKey says that a private extended key stood where only a public
// one may be. Whoever sees this has a secret lying in the wrong place.
var ErrPrivateKey = errors.New("a private extended key (xprv) must never leave the vault: " +
	"export the watch file again, and treat the key as leaked")

// AccountKey is the extended public key of one role's account level,
// m/44'/60'/role'. It derives the role's addresses and cannot sign. It is
// immutable and safe for concurrent use.
type AccountKey struct {
	role    wallet.Role
	payload [payloadLen]byte // BIP-32 serialization, without checksum

	// The external chain, m/44'/60'/role'/0, kept ready for derivation.
	chainKey  [btcec.PubKeyBytesLenCompressed]byte
	chainCode [32]byte
	point     btcec.JacobianPoint
}

// maxXpub is the length of 82 bytes in base58.
const maxXpub = 112

// ParseAccountKey reads the base58 form (xpub…) of a role's account key. It
// refuses private keys, other networks' version bytes, a bad checksum, a
// point off the curve, and any key that is not at depth 3 with the child
// number of the role (BIP-32, BIP-44).
func ParseAccountKey(role wallet.Role, xpub string) (*AccountKey, error) {
	if role > wallet.TreasuryRole {
		return nil, fmt.Errorf("role %s has no account key", role)
	}
	// Decoding takes time in the square of the length.
	if len(xpub) > maxXpub {
		return nil, fmt.Errorf("account key of %s: a length of %d characters, and an extended key has at most %d", role, len(xpub), maxXpub)
	}
	// A private key is looked for first, and no error below may repeat the
	// text, since what was pasted could be one.
	payload := base58.Decode(xpub)
	if len(payload) > 45 && payload[45] == 0 || len(xpub) > 4 && xpub[1:4] == "prv" {
		return nil, fmt.Errorf("account key of %s: %w", role, ErrPrivateKey)
	}
	key, err := hdkeychain.NewKeyFromString(xpub)
	if err != nil {
		return nil, fmt.Errorf("account key of %s: %w", role, err)
	}
	if [4]byte(key.Version()) != chaincfg.MainNetParams.HDPublicKeyID {
		return nil, fmt.Errorf("account key of %s: version bytes %x, want those of xpub (0488b21e)", role, key.Version())
	}
	return newAccountKey(role, key)
}

// newAccountKey checks the place of a public extended key in the tree and
// derives its external chain.
func newAccountKey(role wallet.Role, key *hdkeychain.ExtendedKey) (*AccountKey, error) {
	if key.Depth() != accountDepth {
		return nil, fmt.Errorf("account key of %s: depth %d, want %d (%s)",
			role, key.Depth(), accountDepth, wallet.AccountPath(role))
	}
	if want := hardened + uint32(role); key.ChildIndex() != want {
		return nil, fmt.Errorf("account key of %s: child number %#x, want %#x (%s)",
			role, key.ChildIndex(), want, wallet.AccountPath(role))
	}
	chain, err := key.Derive(external)
	if err != nil {
		return nil, fmt.Errorf("account key of %s: derive external chain: %w", role, err)
	}
	pub, err := chain.ECPubKey()
	if err != nil {
		return nil, fmt.Errorf("account key of %s: external chain: %w", role, err)
	}
	a := &AccountKey{role: role}
	copy(a.payload[:], base58.Decode(key.String()))
	copy(a.chainKey[:], pub.SerializeCompressed())
	copy(a.chainCode[:], chain.ChainCode())
	pub.AsJacobian(&a.point)
	return a, nil
}

// Role is the role whose account this is.
func (a *AccountKey) Role() wallet.Role { return a.role }

// String is the base58 form, xpub….
func (a *AccountKey) String() string {
	first := sha256.Sum256(a.payload[:])
	sum := sha256.Sum256(first[:])
	return base58.Encode(append(a.payload[:], sum[:4]...))
}

// Address derives the address at m/44'/60'/role'/0/index. The index is at
// most [wallet.MaxIndex]. About one index in 2^127 has no key; it is an error
// and the next index is to be used (BIP-32).
func (a *AccountKey) Address(index uint32) (common.Address, error) {
	if index > wallet.MaxIndex {
		return common.Address{}, fmt.Errorf("%s address %d: the highest index is %d", a.role, index, wallet.MaxIndex)
	}
	// CKDpub of BIP-32. The library's own Derive computes the parent's
	// fingerprint and decompresses two points for every child; here the
	// parent's point is at hand and the child's is never compressed.
	var (
		scalar       btcec.ModNScalar
		point, child btcec.JacobianPoint
	)
	if overflow := scalar.SetByteSlice(a.tweak(index)); overflow {
		return common.Address{}, a.noKey(index)
	}
	btcec.ScalarBaseMultNonConst(&scalar, &point)
	btcec.AddNonConst(&point, &a.point, &child)
	if child.Z.IsZero() {
		return common.Address{}, a.noKey(index)
	}
	child.ToAffine()
	var xy [64]byte
	child.X.PutBytesUnchecked(xy[:32])
	child.Y.PutBytesUnchecked(xy[32:])
	return common.BytesToAddress(crypto.Keccak256(xy[:])[12:]), nil
}

// tweak is the left half of HMAC-SHA512 over the chain's public key and the
// index: what BIP-32 adds to the parent, in units of the generator.
func (a *AccountKey) tweak(index uint32) []byte {
	mac := hmac.New(sha512.New, a.chainCode[:])
	mac.Write(a.chainKey[:])
	mac.Write(binary.BigEndian.AppendUint32(nil, index))
	return mac.Sum(nil)[:32]
}

func (a *AccountKey) noKey(index uint32) error {
	return fmt.Errorf("%s address %d has no key (BIP-32): use the next index", a.role, index)
}

// Addresses derives the n addresses from index from on, in order, on all
// processors.
func (a *AccountKey) Addresses(from uint32, n int) ([]common.Address, error) {
	if n < 0 || int64(from)+int64(n) > wallet.MaxIndex+1 {
		return nil, fmt.Errorf("%d %s addresses from index %d: the highest index is %d", n, a.role, from, wallet.MaxIndex)
	}
	const chunk = 256 // about 5 ms of work
	addrs := make([]common.Address, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < n; start += chunk {
		g.Go(func() error {
			for i := start; i < min(start+chunk, n); i++ {
				addr, err := a.Address(from + uint32(i))
				if err != nil {
					return err
				}
				addrs[i] = addr
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return addrs, nil
}
