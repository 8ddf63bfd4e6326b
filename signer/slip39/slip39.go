package slip39

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Where on the polynomials the secret lies, and the digest that proves it.
const (
	secretX = 255
	digestX = 254
)

// exponent of the sets that Split makes: 5,000 iterations a round, which cost
// nobody anything and, without a passphrase, protect nothing.
const newExponent = 1

// Split makes count shares of a secret of 16 to 64 bytes, an even number, any
// threshold of which are enough. The shares are proven to give the secret
// before it returns. The standard allows 16 shares, and more than one share
// only if at least two are needed.
func Split(secret []byte, threshold, count int) ([]*Share, error) {
	switch {
	case len(secret) < minSecret || len(secret) > maxSecret || len(secret)%2 != 0:
		return nil, fmt.Errorf("a secret of %d bytes: want an even number from %d to %d", len(secret), minSecret, maxSecret)
	case count < 1 || count > maxShares:
		return nil, fmt.Errorf("%d shares: want 1 to %d", count, maxShares)
	case threshold < 1 || threshold > count:
		return nil, fmt.Errorf("%d of %d shares: want 1 to %d of them", threshold, count, count)
	case threshold == 1 && count > 1:
		return nil, fmt.Errorf("1 of %d shares: each would be the whole secret; want 1 of 1, or at least 2", count)
	}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	common := set{id: binary.BigEndian.Uint16(id[:]) >> 1, extendable: true, exponent: newExponent, groupThreshold: 1, groups: 1}
	encrypted, err := encrypt(secret, common, nil)
	if err != nil {
		return nil, err
	}
	defer clear(encrypted)
	values, err := split(encrypted, threshold, count)
	if err != nil {
		return nil, err
	}
	shares := make([]*Share, count)
	for i, value := range values {
		shares[i] = &Share{set: common, index: i, threshold: threshold, value: value}
	}
	// All of them together: those beyond the threshold must fit the others.
	again, err := Combine(shares, nil)
	defer clear(again)
	if err == nil && subtle.ConstantTimeCompare(again, secret) != 1 {
		err = errors.New("the shares do not give the secret again: check the machine's memory")
	}
	if err != nil {
		for _, s := range shares {
			s.Wipe()
		}
		return nil, err
	}
	return shares, nil
}

// split shares one value within a group.
func split(secret []byte, threshold, count int) ([][]byte, error) {
	if threshold == 1 {
		return [][]byte{slices.Clone(secret)}, nil
	}
	random := func(n int) ([]byte, error) {
		b := make([]byte, n)
		_, err := rand.Read(b)
		return b, err
	}
	var points []point
	for x := range threshold - 2 {
		y, err := random(len(secret))
		if err != nil {
			return nil, err
		}
		points = append(points, point{byte(x), y})
	}
	blind, err := random(len(secret) - digestLen)
	if err != nil {
		return nil, err
	}
	proof := append(digest(blind, secret), blind...)
	defer clear(proof)
	base := append(slices.Clone(points), point{digestX, proof}, point{secretX, secret})
	values := make([][]byte, count)
	for x := range values {
		if x < len(points) {
			values[x] = points[x].y
		} else {
			values[x] = interpolate(base, byte(x))
		}
	}
	return values, nil
}

// Combine gives the secret of a set from its shares, in any order. More shares
// than needed must fit the others. The passphrase is nil for the sets that
// Split makes. The caller wipes the secret.
func Combine(shares []*Share, passphrase []byte) ([]byte, error) {
	if len(shares) == 0 {
		return nil, errors.New("there is no share")
	}
	common := shares[0].set
	groups := map[int][]*Share{}
	for i, s := range shares {
		if s.set != common {
			return nil, fmt.Errorf("share %d is of another set than share 1: shares of a set begin with the same two words", i+1)
		}
		for _, other := range groups[s.group] {
			switch {
			case other.index == s.index:
				return nil, fmt.Errorf("share %d is there twice", i+1)
			case other.threshold != s.threshold || len(other.value) != len(s.value):
				return nil, fmt.Errorf("share %d does not fit the others of its group", i+1)
			}
		}
		groups[s.group] = append(groups[s.group], s)
	}
	if n := len(groups); n != common.groupThreshold {
		return nil, fmt.Errorf("shares of %d groups: want %d", n, common.groupThreshold)
	}
	var points []point
	for group, members := range groups {
		var own []point
		for _, s := range members {
			own = append(own, point{byte(s.index), s.value})
		}
		value, err := recoverValue(own, members[0].threshold)
		if err != nil {
			return nil, err
		}
		defer clear(value)
		points = append(points, point{byte(group), value})
	}
	for _, p := range points {
		if len(p.y) != len(points[0].y) {
			return nil, errors.New("the groups' shares have different lengths")
		}
	}
	encrypted, err := recoverValue(points, common.groupThreshold)
	if err != nil {
		return nil, err
	}
	defer clear(encrypted)
	return decrypt(encrypted, common, passphrase)
}

// recoverValue finds what was shared, and proves it by the digest. The caller
// wipes it.
func recoverValue(points []point, threshold int) ([]byte, error) {
	if len(points) < threshold {
		return nil, fmt.Errorf("%d shares: want %d", len(points), threshold)
	}
	enough := points[:threshold]
	for _, p := range points[threshold:] {
		if y := interpolate(enough, p.x); subtle.ConstantTimeCompare(y, p.y) != 1 {
			return nil, errors.New("the shares contradict each other")
		}
	}
	if threshold == 1 {
		return slices.Clone(points[0].y), nil
	}
	secret, proof := interpolate(enough, secretX), interpolate(enough, digestX)
	defer clear(proof)
	if subtle.ConstantTimeCompare(proof[:digestLen], digest(proof[digestLen:], secret)) != 1 {
		clear(secret)
		return nil, errors.New("the shares do not belong together: one of them is wrong")
	}
	return secret, nil
}
