package ur

import (
	"fmt"
	"hash/crc32"

	"github.com/airlock-wallet/airlock/wallet"
)

// MaxNumber is the highest number that an Encoder gives a part; after it, the
// numbers begin again. It keeps the parts of a message equally short.
const MaxNumber = 1<<16 - 1

// Encoder makes the parts of one message, without end.
type Encoder struct {
	part      Part // the last one, without data
	fragments [][]byte
	mixer     *mixer
}

// NewEncoder cuts a message, the CBOR of its type, into fragments of at most
// so many bytes, as equal as they can be. The error is of class
// [wallet.ErrRefused] if the message is empty or beyond the bounds.
func NewEncoder(kind string, message []byte, fragment int) (*Encoder, error) {
	switch {
	case !isType(kind):
		return nil, fmt.Errorf("%.40q cannot be the type of a UR", kind)
	case fragment < 1:
		return nil, fmt.Errorf("fragments of %d bytes", fragment)
	case len(message) == 0 || len(message) > MaxMessage:
		return nil, wallet.As(wallet.ErrRefused, "message of %d bytes: 1 to %d cross as QR codes", len(message), MaxMessage)
	}
	// With fragments of this length there can be fewer than were planned.
	length := ceilDiv(len(message), ceilDiv(len(message), fragment))
	count := ceilDiv(len(message), length)
	if count > MaxParts {
		return nil, wallet.As(wallet.ErrRefused, "%d bytes in fragments of %d are %d parts, and a message has at most %d", len(message), fragment, count, MaxParts)
	}
	e := &Encoder{part: Part{Type: kind, Count: count, MessageLen: len(message), Checksum: crc32.ChecksumIEEE(message)}}
	e.mixer = newMixer(count, e.part.Checksum)
	for rest := message; len(rest) > 0; {
		f := make([]byte, length)
		rest = rest[copy(f, rest):]
		e.fragments = append(e.fragments, f)
	}
	return e, nil
}

// Count is how many parts a reader needs at least.
func (e *Encoder) Count() int { return e.part.Count }

// Next makes the next part: first each fragment, then mixtures.
func (e *Encoder) Next() *Part {
	if e.part.Number++; e.part.Number > MaxNumber {
		e.part.Number = 1
	}
	p := e.part
	p.Data = make([]byte, len(e.fragments[0]))
	for _, i := range e.mixer.choose(p.Number) {
		xor(p.Data, e.fragments[i])
	}
	if p.Count == 1 {
		p.Number = 1 // there is nothing to mix
	}
	return &p
}

// FragmentFor is the longest fragment with which every part of a message, in
// upper or lower case, has at most so many characters; 0 if there is none.
func FragmentFor(kind string, messageLen, characters int) int {
	plain := len("ur:") + len(kind) + len("/") + 2*(messageLen+checksumLength)
	if plain <= characters {
		return messageLen
	}
	for f := min(characters/2, messageLen-1); f > 0; f-- {
		p := Part{Type: kind, Number: MaxNumber, Count: ceilDiv(messageLen, f), MessageLen: messageLen, Checksum: 1<<32 - 1, Data: make([]byte, f)}
		if p.Count <= MaxParts && len(p.String()) <= characters {
			return f
		}
	}
	return 0
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func xor(into, from []byte) {
	for i := range into {
		into[i] ^= from[i]
	}
}

// Characters is the length of the longest part's text.
func (e *Encoder) Characters() int {
	longest := e.part
	longest.Number, longest.Data = MaxNumber, e.fragments[0]
	return len(longest.String())
}
