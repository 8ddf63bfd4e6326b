package vault

import (
	"fmt"
	"math/bits"
	"time"

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

// DefaultKDF takes 256 MiB and half a second or more; no vault is made with
// less, but in tests and demonstrations: LightKDF takes 4 MiB and some
// milliseconds.
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

// MeasureKDF is the cost that takes this machine about a second, at least
// DefaultKDF and at most 1 GiB of memory. Measuring takes about a tenth of
// what it measures.
func MeasureKDF() (KDF, error) {
	probe := KDF{N: 1 << 16, R: 8, P: 1}
	began := time.Now()
	_, err := scrypt.Key([]byte("passphrase"), make([]byte, saltLen), probe.N, probe.R, probe.P, chacha20poly1305.KeySize)
	return chooseKDF(probe, time.Since(began)), err
}

// kdfTime is how long opening a vault should take.
const kdfTime = time.Second

// chooseKDF doubles the cost, which doubles the time, until that is about
// kdfTime: from 0.7 to 1.4 of it.
func chooseKDF(probe KDF, took time.Duration) KDF {
	k := DefaultKDF
	for {
		next := KDF{N: 2 * k.N, R: k.R, P: k.P}
		if _, reason := next.check(); reason != "" {
			return k
		}
		if time.Duration(k.N/probe.N)*took >= kdfTime*7/10 {
			return k
		}
		k = next
	}
}

// atLeast is a cost that is no lower than either, in no parameter.
func (k KDF) atLeast(other KDF) KDF {
	most := KDF{N: max(k.N, other.N), R: max(k.R, other.R), P: max(k.P, other.P)}
	if _, reason := most.check(); reason != "" {
		return other
	}
	return most
}

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
