package vault

import (
	"math/big"
	"unicode"
	"unicode/utf8"
)

// Strength is what can be said of a passphrase by looking at it: little, since
// what counts is how it was chosen. Both figures are bits, the logarithm of
// the number of guesses.
type Strength struct {
	// AsText is what it is worth as something that somebody thought up: words
	// and phrases have about two bits a character (Shannon 1951), a character
	// that goes on as the two before it (aaa, 123, cba) has none.
	AsText int
	// AsRandom is what it is worth at most: if each of its characters was drawn from
	// all that are like it, by dice or a machine.
	AsRandom int
}

// WeakBits is the strength below which a passphrase that somebody thought up
// should be another one: half of 2^60 guesses, a second and 256 MiB each, take a
// thousand million machines 18 years.
const WeakBits = 60

// StrengthOf looks at a passphrase. It keeps nothing of it.
func StrengthOf(passphrase []byte) Strength {
	var (
		lower, upper, digit, other bool
		n, text                    int
		last, step                 rune
	)
	for rest := passphrase; len(rest) > 0; { // no copy of it as a string
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		switch {
		case unicode.IsDigit(r):
			digit = true
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsLetter(r):
			lower = true
		default:
			other = true
		}
		if by := r - last; n == 0 || by != step || by < -1 || by > 1 {
			text += 2
			step = by
		}
		last = r
		n++
	}
	alphabet := int64(0)
	for _, class := range []struct {
		used bool
		size int64
	}{{lower, 26}, {upper, 26}, {digit, 10}, {other, 33}} {
		if class.used {
			alphabet += class.size
		}
	}
	random := 0
	if n > 0 {
		random = new(big.Int).Exp(big.NewInt(alphabet), big.NewInt(int64(n)), nil).BitLen() - 1
	}
	return Strength{AsText: min(text, random), AsRandom: random}
}
