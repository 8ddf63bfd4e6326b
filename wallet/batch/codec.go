package batch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/wallet"
)

// Parse reads a batch and checks it. Anything that a second reader could take
// for something else is refused: duplicate, unknown, missing and
// differently-cased members, values in another spelling than Encode's. The
// error is of class [wallet.ErrRefused] and, if the JSON could be read, a
// [*Error].
func Parse(file []byte) (*Batch, error) {
	b := new(Batch)
	if err := parse(file, MaxSize, Format, b); err != nil {
		return nil, err
	}
	if err := b.Check(); err != nil {
		return nil, withHint(err)
	}
	return b, nil
}

// ParseSigned reads a signed batch as strictly as Parse and checks the batch
// in it. It does not look at the signatures: [Signed.Verify] does.
func ParseSigned(file []byte) (*Signed, error) {
	s := new(Signed)
	if err := parse(file, MaxSignedSize, SignedFormat, s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, withHint(err)
	}
	return s, nil
}

// IsSigned reports whether a file says that it is a signed batch. It is for
// choosing between Parse and ParseSigned, which both refuse the other's files.
func IsSigned(file []byte) bool {
	head, err := outline(file)
	return err == nil && head.format == SignedFormat
}

// Encode writes the batch as people read it: indented JSON that ends in a
// newline. It does not check it.
func (b *Batch) Encode() ([]byte, error) { return encode(b) }

// Encode writes the signed batch as indented JSON that ends in a newline.
func (s *Signed) Encode() ([]byte, error) { return encode(s) }

// Digest is what an operator compares and an approver signs: SHA-256 over the
// RFC 8785 canonical form of the batch without its approvals.
func (b *Batch) Digest() ([32]byte, error) {
	canon, err := canonicalBatch(b, false)
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(canon), nil
}

// HexDigest is Digest as files and people write it: 64 lower-case digits.
func (b *Batch) HexDigest() (string, error) {
	d, err := b.Digest()
	return hex.EncodeToString(d[:]), err
}

// options are the spellings that differ from the types' own.
var options = json.JoinOptions(
	json.RejectUnknownMembers(true),
	json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(func(e *jsontext.Encoder, a common.Address) error {
			return e.WriteToken(jsontext.String(a.Hex()))
		}),
		json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
			if err := wholeSecond(t); err != nil {
				return err
			}
			return e.WriteToken(jsontext.String(t.Format(time.RFC3339)))
		}),
	)),
	json.WithUnmarshalers(json.JoinUnmarshalers(
		json.UnmarshalFunc(func(raw []byte, a *common.Address) error {
			s, err := text(raw)
			if err != nil {
				return err
			}
			if *a, err = wallet.ParseAddress(s); err == nil && a.Hex() != s {
				err = fmt.Errorf("address %s: want the EIP-55 form %s", s, a.Hex())
			}
			return err
		}),
		json.UnmarshalFunc(func(raw []byte, t *time.Time) error {
			s, err := text(raw)
			if err != nil {
				return err
			}
			parsed, err := time.Parse(time.RFC3339, s)
			if err != nil || parsed.UTC().Format(time.RFC3339) != s {
				return fmt.Errorf("time %.60q: want the form 2006-01-02T15:04:05Z", s)
			}
			*t = parsed.UTC()
			return nil
		}),
		atMost[Item](MaxItems),
		atMost[Asset](MaxItems+1),
		atMost[wallet.Fee](MaxRungs),
		atMost[Payment](MaxPayments),
		atMost[Approval](MaxApprovals),
		atMost[wallet.Requester](MaxRequesters),
		atMost[[]wallet.SignedRung](MaxItems),
		atMost[wallet.SignedRung](MaxRungs+1), // and the cancel
	)),
)

// atMost bounds a list while it is read: an element of three bytes in a file
// becomes hundreds in memory, so counting afterwards is too late.
func atMost[T any](most int) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(d *jsontext.Decoder, list *[]T) error {
		if d.PeekKind() != '[' {
			return errors.ErrUnsupported // null and wrong kinds are read as ever
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		*list = []T{}
		for d.PeekKind() != ']' {
			if len(*list) == most {
				return fmt.Errorf("more than %d elements", most)
			}
			var element T
			if err := json.UnmarshalDecode(d, &element); err != nil {
				return err
			}
			*list = append(*list, element)
		}
		_, err := d.ReadToken()
		return err
	})
}

func text(raw []byte) (string, error) {
	if jsontext.Value(raw).Kind() != '"' {
		return "", errors.New("want a string")
	}
	s, err := jsontext.AppendUnquote(nil, raw)
	return string(s), err
}

func wholeSecond(t time.Time) error {
	if t.Location() != time.UTC || t.Nanosecond() != 0 {
		return fmt.Errorf("time %s: want UTC and whole seconds", t.Format(time.RFC3339Nano))
	}
	return nil
}

func encode(v any) ([]byte, error) {
	out, err := json.Marshal(v, options, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	return append(out, '\n'), nil
}

func canonical(v any) ([]byte, error) {
	out, err := json.Marshal(v, options)
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	if err := (*jsontext.Value)(&out).Canonicalize(); err != nil {
		return nil, fmt.Errorf("batch: canonical form: %w", err)
	}
	return out, nil
}

func parse(file []byte, limit int, format string, v any) error {
	if len(file) > limit {
		return refuse("file of %d bytes: a batch has at most %d", len(file), limit)
	}
	// The format comes first, so that a file of another kind is called that
	// and not by its first unknown member.
	head, err := outline(file)
	if err != nil {
		return withHint(err)
	}
	if head.format != format {
		return refuse("file of format %.40q, want %s", head.format, format)
	}
	if head.version != fmt.Sprint(Version) {
		return refuse("format version %.20q: this release reads version %d", head.version, Version)
	}
	if err := json.Unmarshal(file, v, options); err != nil {
		return withHint(readError(err))
	}
	again, err := canonical(v)
	if err != nil {
		return err
	}
	canon := jsontext.Value(bytes.Clone(file))
	if err := canon.Canonicalize(); err != nil {
		return withHint(readError(err))
	}
	if !bytes.Equal(canon, again) {
		return withHint(difference(canon, again))
	}
	return nil
}

// readError gives an error of the JSON library its place in the file.
func readError(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		what := "not valid JSON"
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
			what = "the file ends too early"
		case errors.Is(err, jsontext.ErrDuplicateName):
			what = "a member that stands twice"
		}
		return &Error{
			Item: itemOf(syntactic.JSONPointer), Field: string(syntactic.JSONPointer),
			Problem: fmt.Sprintf("%s (byte %d)", what, syntactic.ByteOffset),
		}
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		e := &Error{Item: itemOf(semantic.JSONPointer), Field: string(semantic.JSONPointer), Problem: "cannot be read"}
		if len(semantic.JSONValue) > 0 {
			e.Value = semantic.JSONValue.String()
		}
		switch {
		case errors.Is(err, json.ErrUnknownName):
			e.Problem = "a member that the format does not have"
		case semantic.Err != nil:
			e.Problem = semantic.Err.Error()
		}
		return e
	}
	return &Error{Item: -1, Problem: err.Error()}
}

// difference finds where the canonical form of a file first departs from that
// of the value read from it.
func difference(file, value []byte) error {
	f, v := jsontext.NewDecoder(bytes.NewReader(file)), jsontext.NewDecoder(bytes.NewReader(value))
	for {
		have, errF := f.ReadToken()
		want, errV := v.ReadToken()
		if errF != nil || errV != nil || have.Kind() != want.Kind() || have.String() != want.String() {
			place := f.StackPointer()
			e := &Error{Item: itemOf(place), Field: string(place), Problem: "is not how the format writes it, or a member is missing"}
			if errF == nil {
				e.Value = fmt.Sprintf("%.100q", have.String())
			}
			return e
		}
	}
}

// itemOf is the position of the item that a JSON pointer leads into, or -1.
func itemOf(p jsontext.Pointer) int {
	var item int
	for _, format := range []string{"/items/%d", "/batch/items/%d", "/transactions/%d"} {
		if n, err := fmt.Sscanf(string(p), format, &item); err == nil && n == 1 {
			return item
		}
	}
	return -1
}
