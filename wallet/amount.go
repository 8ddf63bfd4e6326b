package wallet

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Amount is an integer number of base units (wei for ether). It is immutable
// and its zero value is 0. Amounts may be negative: postings are.
type Amount struct{ i *big.Int }

// MaxDecimals bounds the decimals a token may claim, so that a hostile token
// cannot make us compute 10^255.
const MaxDecimals = 77

// NewAmount returns n base units.
func NewAmount(n int64) Amount { return Amount{big.NewInt(n)} }

// AmountOf copies n; nil is 0.
func AmountOf(n *big.Int) Amount {
	if n == nil {
		return Amount{}
	}
	return Amount{new(big.Int).Set(n)}
}

// Big returns a copy.
func (a Amount) Big() *big.Int {
	if a.i == nil {
		return new(big.Int)
	}
	return new(big.Int).Set(a.i)
}

func (a Amount) ref() *big.Int {
	if a.i == nil {
		return new(big.Int)
	}
	return a.i
}

// Add returns a + b.
func (a Amount) Add(b Amount) Amount { return Amount{new(big.Int).Add(a.ref(), b.ref())} }

// Sub returns a − b.
func (a Amount) Sub(b Amount) Amount { return Amount{new(big.Int).Sub(a.ref(), b.ref())} }

// Neg returns −a.
func (a Amount) Neg() Amount { return Amount{new(big.Int).Neg(a.ref())} }

// Mul returns a × n.
func (a Amount) Mul(n uint64) Amount {
	return Amount{new(big.Int).Mul(a.ref(), new(big.Int).SetUint64(n))}
}

// Cmp is −1, 0 or +1 as a is below, equal to or above b.
func (a Amount) Cmp(b Amount) int { return a.ref().Cmp(b.ref()) }

// Sign is −1, 0 or +1.
func (a Amount) Sign() int { return a.ref().Sign() }

// IsZero reports whether a is 0; encoders use it to omit zero amounts.
func (a Amount) IsZero() bool { return a.Sign() == 0 }

// String writes base units in decimal.
func (a Amount) String() string { return a.ref().String() }

// MarshalText writes base units in decimal, so that JSON carries a string.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// AppendText appends what MarshalText writes.
func (a Amount) AppendText(b []byte) ([]byte, error) {
	n := a.ref()
	if n.IsUint64() { // most amounts and all fees, at a fraction of the cost
		return strconv.AppendUint(b, n.Uint64(), 10), nil
	}
	return n.Append(b, 10), nil
}

// UnmarshalText reads exactly what MarshalText writes: no sign but a leading
// minus, no leading zeros, no spaces.
func (a *Amount) UnmarshalText(b []byte) error {
	v, err := ParseAmount(string(b))
	if err != nil {
		return err
	}
	*a = v
	return nil
}

// maxText is more characters than an amount can need: the largest of 256 bits
// has 78, and a sum would take 10^21 of those to grow beyond.
const maxText = 100

// ParseAmount reads an integer in base units in its only canonical form.
// It refuses anything over 100 characters.
func ParseAmount(s string) (Amount, error) {
	if len(s) == 0 || len(s) > maxText {
		return Amount{}, fmt.Errorf("amount %.110q: want a decimal integer of 1 to %d characters", s, maxText)
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.String() != s {
		return Amount{}, fmt.Errorf("amount %q: want a decimal integer without leading zeros or plus sign", s)
	}
	return Amount{n}, nil
}

// Decimal writes a in whole units with the given number of decimals, without
// trailing zeros: Decimal(1500000000000000000, 18) is "1.5".
func (a Amount) Decimal(decimals uint8) string {
	s := new(big.Int).Abs(a.ref()).String()
	if decimals > 0 {
		if missing := int(decimals) + 1 - len(s); missing > 0 {
			s = strings.Repeat("0", missing) + s
		}
		whole, frac := s[:len(s)-int(decimals)], strings.TrimRight(s[len(s)-int(decimals):], "0")
		s = whole
		if frac != "" {
			s += "." + frac
		}
	}
	if a.Sign() < 0 {
		s = "-" + s
	}
	return s
}

// ErrDecimals says that a decimal has more digits after the point than its
// asset can hold.
var ErrDecimals = errors.New("too many digits after the point")

// ParseDecimal reads what a person types, such as "0.25", as base units of an
// asset with the given decimals. It takes digits and one point only: no sign,
// no exponent, no thousands separators. It never rounds.
func ParseDecimal(s string, decimals uint8) (Amount, error) {
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || (point && frac == "") || len(s) > 160 {
		return Amount{}, fmt.Errorf("amount %.170q: want digits such as 12 or 0.25", s)
	}
	for _, c := range whole + frac {
		if c < '0' || c > '9' {
			return Amount{}, fmt.Errorf("amount %q: want digits such as 12 or 0.25, without sign, exponent or separators", s)
		}
	}
	if len(frac) > int(decimals) {
		return Amount{}, fmt.Errorf("amount %q: %w: the asset has %d decimals", s, ErrDecimals, decimals)
	}
	n, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", int(decimals)-len(frac)), 10)
	if n.BitLen() > 256 {
		return Amount{}, fmt.Errorf("amount %q: does not fit in 256 bits", s)
	}
	return Amount{n}, nil
}
