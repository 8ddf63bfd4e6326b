package ur

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
)

// Bounds of a message, so that a hostile part costs next to nothing: what
// crosses as QR codes is small, and bigger files cross on a medium.
const (
	MaxMessage = 1 << 20 // bytes of CBOR
	MaxParts   = 8192    // fragments of a message
)

// MaxText is the longest text of a part, in characters: what a QR code holds
// at most (version 40, alphanumeric).
const MaxText = 4296

// Part is one text of a message.
type Part struct {
	Type       string // such as bytes
	Number     uint32 // from 1; those above Count mix fragments
	Count      int    // fragments of the message, 1 to MaxParts
	MessageLen int    // bytes, 1 to MaxMessage
	Checksum   uint32 // CRC-32 of the message
	Data       []byte // a fragment, or the exclusive or of several
}

// wire is the CBOR of a part.
type wire struct {
	_          struct{} `cbor:",toarray"`
	Number     uint32
	Count      uint32
	MessageLen uint32
	Checksum   uint32
	Data       []byte
}

// String is the text of the part in lower case. A message of one fragment has
// the plain form, without numbers.
func (p *Part) String() string {
	if p.Count == 1 {
		return "ur:" + p.Type + "/" + encodeBytewords(p.Data)
	}
	data, err := MarshalCBOR(wire{
		Number: p.Number, Count: uint32(p.Count), MessageLen: uint32(p.MessageLen), Checksum: p.Checksum, Data: p.Data,
	})
	if err != nil {
		panic(err) // integers and bytes can always be written
	}
	return fmt.Sprintf("ur:%s/%d-%d/%s", p.Type, p.Number, p.Count, encodeBytewords(data))
}

// ErrForeign says that a text is no part at all: another QR code, or noise.
var ErrForeign = errors.New("not a part of a UR")

// ParsePart reads the text of a part, in any letter case, which QR codes
// change. The error wraps ErrForeign if it is something else or was misread,
// and is of class [wallet.ErrRefused] if it is a part beyond the bounds.
func ParsePart(text string) (*Part, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d characters", ErrForeign, len(text))
	}
	p, err := parsePart(lower(text))
	if err != nil && !errors.Is(err, wallet.ErrRefused) {
		err = fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return p, err
}

func parsePart(text string) (*Part, error) {
	rest, ok := strings.CutPrefix(text, "ur:")
	if !ok {
		return nil, errors.New(`"ur:" is not at the beginning`)
	}
	fields := strings.Split(rest, "/")
	if len(fields) < 2 || len(fields) > 3 || !isType(fields[0]) {
		return nil, errors.New("want ur:TYPE/DATA or ur:TYPE/NUMBER-COUNT/DATA")
	}
	data, err := decodeBytewords(fields[len(fields)-1])
	if err != nil {
		return nil, err
	}
	if len(fields) == 2 {
		return &Part{
			Type: fields[0], Number: 1, Count: 1, MessageLen: len(data), Checksum: crc32.ChecksumIEEE(data), Data: data,
		}, nil
	}
	var w wire
	if err := UnmarshalCBOR(data, &w); err != nil {
		return nil, err
	}
	// The numbers stand twice.
	if want := fmt.Sprintf("%d-%d", w.Number, w.Count); fields[1] != want {
		return nil, fmt.Errorf("is called %.30q and holds %s", fields[1], want)
	}
	switch {
	case w.MessageLen > MaxMessage:
		return nil, wallet.As(wallet.ErrRefused, "part of a message of %d bytes: at most %d cross as QR codes", w.MessageLen, MaxMessage)
	case w.Count > MaxParts:
		return nil, wallet.As(wallet.ErrRefused, "part of a message in %d parts: at most %d are read", w.Count, MaxParts)
	case w.Number == 0:
		return nil, errors.New("parts count from 1")
	case w.Count == 0 || w.MessageLen == 0 || len(w.Data) == 0:
		return nil, errors.New("part of nothing")
	}
	p := &Part{
		Type: fields[0], Number: w.Number, Count: int(w.Count), MessageLen: int(w.MessageLen), Checksum: w.Checksum, Data: w.Data,
	}
	// Encoders differ in how long they make fragments; the last one is filled up.
	if whole := len(p.Data) * p.Count; whole < p.MessageLen || whole-len(p.Data) >= p.MessageLen {
		return nil, fmt.Errorf("%d bytes in one of %d parts of a message of %d bytes", len(p.Data), p.Count, p.MessageLen)
	}
	return p, nil
}

// lower is strings.ToLower for ASCII alone: Unicode has other letters whose
// lower case is ASCII.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// isType reports whether s can be the type of a UR.
func isType(s string) bool {
	const most = 64
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}
