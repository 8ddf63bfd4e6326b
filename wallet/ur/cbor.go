package ur

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// MarshalCBOR writes a value in the core deterministic encoding of RFC 8949,
// section 4.2.1, as messages are written.
func MarshalCBOR(v any) ([]byte, error) { return encoding.Marshal(v) }

// UnmarshalCBOR reads a value into what v points to and refuses every other
// spelling than MarshalCBOR's: long forms, indefinite lengths, keys out of
// order, twice or unknown, and bytes after the value.
func UnmarshalCBOR(data []byte, v any) error {
	if err := decoding.Unmarshal(data, v); err != nil {
		return fmt.Errorf("not the CBOR that is wanted: %w", err)
	}
	again, err := encoding.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return errors.New("CBOR in another than the deterministic encoding (RFC 8949, 4.2.1)")
	}
	return nil
}

var encoding = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // of the options above, which no input changes
	}
	return mode
}()

var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   8,
		MaxArrayElements:  64,
		MaxMapPairs:       16,
	}.DecMode()
	if err != nil {
		panic(err) // of the options above, which no input changes
	}
	return mode
}()
