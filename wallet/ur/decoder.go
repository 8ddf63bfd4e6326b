package ur

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/airlock-wallet/airlock/wallet"
)

// Decoder puts a message together from parts in any order. It needs no more
// parts than any decoder could: it solves the parts as linear equations over
// fragments, by Gauss-Jordan elimination. Its memory is bounded by the message
// and Count² bits, whatever the parts are.
type Decoder struct {
	first *Part // what all parts have in common; nil before the first
	mixer *mixer
	rows  []*row // by pivot, the fragment that only this row has
	rank  int
}

// row says that data is the exclusive or of fragments: the pivot and those of
// others, none of which is another row's pivot.
type row struct {
	others set // nil if there are none
	data   []byte
}

// set is a set of fragments, a bit for each.
type set []uint64

func (s set) has(i int) bool { return s != nil && s[i/64]>>(i%64)&1 == 1 }
func (s set) flip(i int)     { s[i/64] ^= 1 << (i % 64) }

// lowest is the first of the set, or -1 if it is empty.
func (s set) lowest() int {
	for i, w := range s {
		if w != 0 {
			return 64*i + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// ErrContradiction says that parts cannot be of one message although they say
// so: its checksum is wrong, or two parts exclude each other. Which of them is
// at fault cannot be known, so the reading begins again.
var ErrContradiction = errors.New("the parts contradict each other")

// Add takes in a part. It reports whether the part told anything new. The
// error is of class [wallet.ErrRefused]: for a part of another message, which
// changes nothing, or ErrContradiction.
func (d *Decoder) Add(p *Part) (bool, error) {
	if err := d.match(p); err != nil {
		return false, err
	}
	unknown, data := make(set, (d.first.Count+63)/64), append([]byte(nil), p.Data...)
	for _, i := range d.mixer.choose(p.Number) {
		if r := d.rows[i]; r != nil {
			xor(data, r.data)
			for n, w := range r.others {
				unknown[n] ^= w
			}
			continue
		}
		unknown.flip(i)
	}
	pivot := unknown.lowest()
	if pivot < 0 {
		return false, d.agree(data)
	}
	unknown.flip(pivot)
	if unknown.lowest() < 0 {
		unknown = nil
	}
	d.rows[pivot] = &row{unknown, data}
	d.rank++
	for i, r := range d.rows {
		if r != nil && i != pivot && r.others.has(pivot) {
			d.substitute(r, pivot)
		}
	}
	return true, nil
}

// match holds a part against the first one.
func (d *Decoder) match(p *Part) error {
	if d.first == nil {
		d.first = p
		d.mixer = newMixer(p.Count, p.Checksum)
		d.rows = make([]*row, p.Count)
		return nil
	}
	f := d.first
	if p.Type == f.Type && p.Count == f.Count && p.MessageLen == f.MessageLen && p.Checksum == f.Checksum && len(p.Data) == len(f.Data) {
		return nil
	}
	return wallet.WithHint(
		wallet.As(wallet.ErrRefused, "part %d of %d is of another message (%s, %d bytes, checksum %08x) than those before it (%s, %d parts, %d bytes, checksum %08x)",
			p.Number, p.Count, p.Type, p.MessageLen, p.Checksum, f.Type, f.Count, f.MessageLen, f.Checksum),
		"two messages were scanned, or the sender showed the file again with another size: begin again with one of them")
}

// agree checks that what must be nothing is.
func (d *Decoder) agree(data []byte) error {
	for _, b := range data {
		if b != 0 {
			return contradiction("a part says otherwise than those before it")
		}
	}
	return nil
}

func contradiction(why string) error {
	return wallet.WithHint(wallet.As(wallet.ErrRefused, "%w: %s", ErrContradiction, why), "scan the message again from the beginning")
}

// substitute replaces a fragment in a row by what the fragment's own row says.
func (d *Decoder) substitute(r *row, pivot int) {
	by := d.rows[pivot]
	r.others.flip(pivot)
	for n, w := range by.others {
		r.others[n] ^= w
	}
	if r.others.lowest() < 0 {
		r.others = nil
	}
	xor(r.data, by.data)
}

// Progress is how many parts that told something new were taken in, of how
// many that are needed; 0 of 0 before the first.
func (d *Decoder) Progress() (have, want int) {
	if d.first == nil {
		return 0, 0
	}
	return d.rank, d.first.Count
}

// Done reports whether the message is complete.
func (d *Decoder) Done() bool { return d.first != nil && d.rank == d.first.Count }

// Message is the type and the CBOR of the message once Done. The error is of
// class [wallet.ErrRefused] if the checksum is wrong.
func (d *Decoder) Message() (kind string, message []byte, err error) {
	if !d.Done() {
		have, want := d.Progress()
		return "", nil, fmt.Errorf("%d of %d parts: the message is not complete", have, want)
	}
	for _, r := range d.rows {
		message = append(message, r.data...)
	}
	if err := d.agree(message[d.first.MessageLen:]); err != nil {
		return "", nil, contradiction("what fills up the last fragment is not zero")
	}
	message = message[:d.first.MessageLen]
	if sum := crc32.ChecksumIEEE(message); sum != d.first.Checksum {
		return "", nil, contradiction(fmt.Sprintf("the message has the checksum %08x, its parts say %08x", sum, d.first.Checksum))
	}
	return d.first.Type, message, nil
}
