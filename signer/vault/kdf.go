package vault

import (
	"fmt"
	"math/bits"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"
)

// KDF is the cost of turning a passphrase into a key with scrypt (RFC 7914):
// 128·N·R bytes of memory and work in proportion to N·R·P.
type KDF struct {
	N int // a power of two
	R int
	P int
}

// DefaultKDF takes 256 MiB and half a second or more. LightKDF takes 4 MiB and
// some milliseconds; it is for tests and demonstrations.
var (
	DefaultKDF = KDF{N: 1 << 18, R: 8, P: 1}
	LightKDF   = KDF{N: 1 << 12, R: 8, P: 1}
)

// What a file may ask for at most: 1 GiB of memory and eight times the work
// of DefaultKDF.
const (
	maxKDFMemory = 1 << 30
	maxKDFWork   = 1 << 24
)

// check bounds the cost, so that a file from a stranger cannot take the
// machine down. The name of the parameter at fault comes first.
func (k KDF) check() (field, reason string) {
	switch {
	case k.N < 2 || k.N > maxKDFMemory || bits.OnesCount(uint(k.N)) != 1:
		return "n", fmt.Sprintf("%d is not a power of two from 2 to 2^30", k.N)
	case k.R < 1 || k.R > 1024:
		return "r", fmt.Sprintf("%d is not from 1 to 1024", k.R)
	case k.P < 1 || k.P > 1024:
		return "p", fmt.Sprintf("%d is not from 1 to 1024", k.P)
	case 128*int64(k.N)*int64(k.R) > maxKDFMemory:
		return "n", fmt.Sprintf("asks for %d MiB of memory, the limit is %d", 128*int64(k.N)*int64(k.R)>>20, maxKDFMemory>>20)
	case int64(k.N)*int64(k.R)*int64(k.P) > maxKDFWork:
		return "p", fmt.Sprintf("asks for n·r·p = %d, the limit is %d", int64(k.N)*int64(k.R)*int64(k.P), maxKDFWork)
	}
	return "", ""
}

// newKey derives the 32-byte encryption key. This is the slow step.
func (k kdfHeader) newKey(passphrase []byte) ([]byte, error) {
	return scrypt.Key(passphrase, k.Salt, k.N, k.R, k.P, chacha20poly1305.KeySize)
}
