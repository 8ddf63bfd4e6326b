//nolint:forbidigo // the fountain code of the reference computes in floating point; no money is near
package ur

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// random is Xoshiro256** 1.0 (Blackman and Vigna). Both sides of a gap draw
// the same numbers from the same seed, on every platform: no expression here
// both multiplies and adds floating-point numbers, which some processors would
// round once and others twice.
type random [4]uint64

// newRandom seeds with the SHA-256 of the seed, read big endian.
func newRandom(seed []byte) *random {
	sum := sha256.Sum256(seed)
	var r random
	for i := range r {
		r[i] = binary.BigEndian.Uint64(sum[8*i:])
	}
	return &r
}

func (r *random) next() uint64 {
	result := bits.RotateLeft64(r[1]*5, 7) * 9
	t := r[1] << 17
	r[2] ^= r[0]
	r[3] ^= r[1]
	r[1] ^= r[2]
	r[0] ^= r[3]
	r[2] ^= t
	r[3] = bits.RotateLeft64(r[3], 45)
	return result
}

// fraction is a number from 0 up to and, by rounding, including 1.
func (r *random) fraction() float64 { return float64(r.next()) / (1 << 64) }

// below is a number from 0 to n−1.
func (r *random) below(n int) int { return min(int(r.fraction()*float64(n)), n-1) }

// sampler draws positions with given weights by Walker's alias method, in
// Vose's and Schwarz's form, with the indices in the order of the reference.
type sampler struct {
	share []float64 // of each position, before its alias is drawn instead
	alias []int
}

func newSampler(weights []float64) *sampler {
	n := len(weights)
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	scaled := make([]float64, n)
	for i, w := range weights {
		scaled[i] = w * float64(n) / sum
	}
	var small, large []int
	for i := n - 1; i >= 0; i-- {
		if scaled[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	s := &sampler{share: make([]float64, n), alias: make([]int, n)}
	for len(small) > 0 && len(large) > 0 {
		a, g := small[len(small)-1], large[len(large)-1]
		small, large = small[:len(small)-1], large[:len(large)-1]
		s.share[a], s.alias[a] = scaled[a], g
		scaled[g] += scaled[a] - 1
		if scaled[g] < 1 {
			small = append(small, g)
		} else {
			large = append(large, g)
		}
	}
	for _, i := range append(small, large...) {
		s.share[i] = 1
	}
	return s
}

func (s *sampler) draw(r *random) int {
	first, second := r.fraction(), r.fraction()
	i := min(int(float64(len(s.share))*first), len(s.share)-1)
	if second < s.share[i] {
		return i
	}
	return s.alias[i]
}

// mixer chooses which fragments a part shows.
type mixer struct {
	fragments int
	checksum  uint32
	degrees   *sampler
}

func newMixer(fragments int, checksum uint32) *mixer {
	weights := make([]float64, fragments)
	for i := range weights {
		weights[i] = 1 / float64(i+1)
	}
	return &mixer{fragments: fragments, checksum: checksum, degrees: newSampler(weights)}
}

// choose is the set of fragments, counted from 0, whose exclusive or is part
// number n: one of them for the first parts, afterwards a random set whose
// size has the harmonic distribution.
func (m *mixer) choose(n uint32) []int {
	if n <= uint32(m.fragments) {
		return []int{int(n - 1)}
	}
	r := newRandom(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, n), m.checksum))
	return r.shuffle(m.fragments, m.degrees.draw(r)+1)
}

// shuffle is the first k of the numbers below n in random order.
func (r *random) shuffle(n, k int) []int {
	rest := make([]int, n)
	for i := range rest {
		rest[i] = i
	}
	drawn := make([]int, 0, k)
	for range k {
		at := r.below(len(rest))
		drawn = append(drawn, rest[at])
		rest = append(rest[:at], rest[at+1:]...)
	}
	return drawn
}
