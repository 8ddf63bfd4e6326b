package book

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Alikes finds assets whose symbols could be taken for another one.
type Alikes struct {
	exact map[string]wallet.Asset
	all   []look
	vague []look // those whose symbols could look like anything
}

// look is how the symbol of an asset reads.
type look struct {
	runes []rune
	asset wallet.Asset
}

// ReadAlikes returns the coin and the registered tokens of a chain.
func ReadAlikes(tx store.Tx, chain uint64) (*Alikes, error) {
	c, err := store.Chain(tx, chain)
	if err != nil {
		return nil, err
	}
	tokens, err := store.Tokens(tx, chain)
	a := &Alikes{exact: map[string]wallet.Asset{}}
	a.add(c.Coin)
	for _, t := range tokens {
		a.add(t)
	}
	return a, err
}

func (a *Alikes) add(asset wallet.Asset) {
	s := skeleton(asset.Symbol)
	a.exact[s] = asset
	l := look{[]rune(s), asset}
	a.all = append(a.all, l)
	if slices.Contains(l.runes, anything) {
		a.vague = append(a.vague, l)
	}
}

// Of returns an asset that a symbol could be taken for, such as the one that
// bears it.
func (a *Alikes) Of(symbol string) (wallet.Asset, bool) {
	s := skeleton(symbol)
	if asset, ok := a.exact[s]; ok {
		return asset, true
	}
	runes, others := []rune(s), a.vague
	if slices.Contains(runes, anything) {
		others = a.all
	}
	for _, l := range others {
		if match(l.runes, runes) {
			return l.asset, true
		}
	}
	return wallet.Asset{}, false
}

// anything stands in a skeleton for a character of which nobody said what it
// looks like.
const anything = unicode.ReplacementChar

func match(a, b []rune) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && a[i] != anything && b[i] != anything {
			return false
		}
	}
	return true
}

// alike maps characters to the one that they are taken for: letters of other
// alphabets that look like Latin capitals, and digits that look like letters.
var alike = map[rune]rune{
	'0': 'O', '1': 'I', 'L': 'I', '5': 'S', '8': 'B', '$': 'S', '€': 'E', '₮': 'T', '₿': 'B',
	// Cyrillic
	'А': 'A', 'В': 'B', 'Е': 'E', 'К': 'K', 'М': 'M', 'Н': 'H', 'О': 'O', 'Р': 'P', 'С': 'C', 'Т': 'T', 'У': 'Y',
	'Х': 'X', 'І': 'I', 'Ѕ': 'S', 'Ј': 'J', 'Ԁ': 'D', 'З': '3', 'Ү': 'Y', 'Ӏ': 'I', 'Ԛ': 'Q', 'Ԝ': 'W',
	// Greek
	'Α': 'A', 'Β': 'B', 'Ε': 'E', 'Ζ': 'Z', 'Η': 'H', 'Ι': 'I', 'Κ': 'K', 'Μ': 'M', 'Ν': 'N', 'Ο': 'O', 'Ρ': 'P',
	'Τ': 'T', 'Υ': 'Y', 'Χ': 'X', 'Ξ': 'E', 'Σ': 'E',
}

// unlike are scripts whose characters nobody takes for Latin letters.
var unlike = []*unicode.RangeTable{unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo}

// skeleton is how a symbol reads at a glance: symbols whose skeletons match may
// be taken for each other. Letters lose their accents, styles and case
// (compatibility decomposition, UAX #15); what cannot be seen, and punctuation,
// is left out; look-alikes become the letter that they look like. What is then
// still foreign could look like anything.
func skeleton(symbol string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToUpper(norm.NFKD.String(symbol))) {
		if invisible(r) || r == '+' || unicode.In(r, unicode.M, unicode.P, unicode.Z, unicode.Lm, unicode.Sk) {
			continue
		}
		if a, ok := alike[r]; ok {
			r = a
		}
		if r > unicode.MaxASCII && !unicode.In(r, unlike...) {
			r = anything
		}
		b.WriteRune(r)
	}
	return b.String()
}

// invisible reports whether a character takes no room or shows nothing, even
// if Unicode counts it as a letter, a mark or a symbol.
func invisible(r rune) bool {
	return r == '\u2800' || !unicode.IsGraphic(r) ||
		unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}
