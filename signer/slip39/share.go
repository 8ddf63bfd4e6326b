package slip39

import (
	"errors"
	"fmt"
)

// set is what all shares of a set have in common.
type set struct {
	id             uint16 // 15 bits
	extendable     bool
	exponent       byte // PBKDF2 takes 2500·2^exponent iterations a round
	groupThreshold int  // groups needed
	groups         int  // of how many
}

// Share is one share of a secret.
type Share struct {
	set
	group     int // index of the group, from 0
	index     int // within the group, from 0
	threshold int // shares of the group that are needed
	value     []byte
}

// ID identifies the set that a share belongs to, within 15 bits.
func (s *Share) ID() uint16 { return s.id }

// Number counts the shares of a group from 1.
func (s *Share) Number() int { return s.index + 1 }

// Threshold is how many shares of its group are needed.
func (s *Share) Threshold() int { return s.threshold }

// Groups is how many groups of shares there are; [Split] makes one.
func (s *Share) Groups() int { return s.groups }

// SameSet reports whether two shares come from one set.
func (s *Share) SameSet(other *Share) bool { return s.set == other.set }

// Wipe overwrites the share.
func (s *Share) Wipe() { clear(s.value) }

// Format keeps the value out of every fmt verb.
func (s *Share) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "slip39.Share(%d of %d)", s.Number(), s.id)
}

const (
	metaWords  = 4 // before the value
	minSecret  = 16
	maxSecret  = 64 // bytes; the standard sets no bound
	maxShares  = 16
	wordBits   = 10
	maxPadding = 8 // bits
)

// Words spells the share. The caller wipes them.
func (s *Share) Words() []byte {
	boolBit := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	meta := uint64(s.id)<<25 | boolBit(s.extendable)<<24 | uint64(s.exponent)<<20 |
		uint64(s.group)<<16 | uint64(s.groupThreshold-1)<<12 | uint64(s.groups-1)<<8 |
		uint64(s.index)<<4 | uint64(s.threshold-1)
	var numbers []uint16
	for i := metaWords - 1; i >= 0; i-- {
		numbers = append(numbers, uint16(meta>>(wordBits*i)&0x3ff))
	}
	// The value is filled up with zero bits at its beginning.
	words := (8*len(s.value) + wordBits - 1) / wordBits
	pending, bits := uint32(0), wordBits*words-8*len(s.value)
	for _, b := range s.value {
		pending, bits = pending<<8|uint32(b), bits+8
		if bits >= wordBits {
			bits -= wordBits
			numbers = append(numbers, uint16(pending>>bits&0x3ff))
		}
	}
	numbers = appendChecksum(s.extendable, numbers)
	defer clear(numbers)
	return wordsOf(numbers)
}

// Parse reads the words of a share, in any case and with any white space, and
// checks its checksum and all that can be checked of one share.
func Parse(words []byte) (*Share, error) {
	numbers, err := numbersOf(words)
	if err != nil {
		return nil, err
	}
	defer clear(numbers)
	valueWords := len(numbers) - metaWords - checksumWords
	padding := wordBits * valueWords % 16
	valueLen := (wordBits*valueWords - padding) / 8
	if valueWords < 0 || valueLen < minSecret || valueLen > maxSecret || padding > maxPadding {
		return nil, fmt.Errorf("%d words: a share has 20 or 33 words, or 23, 27 or 30 for a mnemonic of 15, 18 or 21 words", len(numbers))
	}
	var meta uint64
	for _, n := range numbers[:metaWords] {
		meta = meta<<wordBits | uint64(n)
	}
	field := func(shift, bits int) int { return int(meta >> shift & (1<<bits - 1)) }
	s := &Share{
		set: set{
			id: uint16(field(25, 15)), extendable: field(24, 1) == 1, exponent: byte(field(20, 4)),
			groupThreshold: field(12, 4) + 1, groups: field(8, 4) + 1,
		},
		group: field(16, 4), index: field(4, 4), threshold: field(0, 4) + 1,
	}
	if polymod(s.extendable, numbers) != 1 {
		return nil, errors.New("the checksum is wrong: a word is mistaken, missing or out of place")
	}
	if s.groupThreshold > s.groups {
		return nil, fmt.Errorf("it wants %d of %d groups", s.groupThreshold, s.groups)
	}
	if numbers[metaWords]>>(wordBits-padding) != 0 {
		return nil, errors.New("the bits before its value are not zero")
	}
	pending, bits := uint32(0), -padding
	for _, n := range numbers[metaWords : metaWords+valueWords] {
		pending, bits = pending<<wordBits|uint32(n), bits+wordBits
		for bits >= 8 {
			bits -= 8
			s.value = append(s.value, byte(pending>>bits))
			pending &= 1<<bits - 1
		}
	}
	return s, nil
}
