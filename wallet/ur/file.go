package ur

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/airlock-wallet/airlock/wallet"
)

// FileType is the UR type of a message that holds a file: a CBOR byte string.
const FileType = "bytes"

// MaxFile bounds a file that crosses, in bytes, whatever it was compressed to.
const MaxFile = 16 << 20

// packedVersion is the first byte of a packed file. SHA-256 of the file
// follows, then the file in DEFLATE (RFC 1951) to the end.
const packedVersion = 1

// PackFile writes a file as the message of type FileType. The error is of
// class [wallet.ErrRefused] for a file that is too big.
func PackFile(file []byte) ([]byte, error) {
	if len(file) > MaxFile {
		return nil, tooBig(len(file))
	}
	sum := sha256.Sum256(file)
	packed := bytes.NewBuffer(append([]byte{packedVersion}, sum[:]...))
	w, err := flate.NewWriter(packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(file); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	message, err := MarshalCBOR(packed.Bytes())
	if err == nil && len(message) > MaxMessage {
		err = tooBig(len(file))
	}
	return message, err
}

func tooBig(size int) error {
	return wallet.WithHint(wallet.As(wallet.ErrRefused, "a file of %d bytes is too big to cross as QR codes (%d, and %d compressed)", size, MaxFile, MaxMessage),
		"carry it on a medium, or build smaller batches")
}

// UnpackFile reads what PackFile wrote. Other DEFLATE of the same file means
// the same file; anything else is an error of class [wallet.ErrRefused].
func UnpackFile(message []byte) ([]byte, error) {
	file, err := unpack(message)
	if err != nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrRefused, "the message holds no file of airlock: %w", err),
			"qr show of the other station makes one")
	}
	return file, nil
}

func unpack(message []byte) ([]byte, error) {
	var packed []byte
	if err := UnmarshalCBOR(message, &packed); err != nil {
		return nil, err
	}
	const head = 1 + sha256.Size
	if len(packed) < head {
		return nil, fmt.Errorf("%d bytes are too few", len(packed))
	}
	if packed[0] != packedVersion {
		return nil, fmt.Errorf("version %d, and this release reads %d", packed[0], packedVersion)
	}
	rest := bytes.NewReader(packed[head:])
	file, err := io.ReadAll(io.LimitReader(flate.NewReader(rest), MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be decompressed: %w", err)
	case len(file) > MaxFile:
		return nil, fmt.Errorf("more than %d bytes once decompressed", MaxFile)
	case rest.Len() > 0:
		return nil, errors.New("there is more after the compressed file")
	case sha256.Sum256(file) != [sha256.Size]byte(packed[1:head]):
		return nil, errors.New("the file has another SHA-256 than the message says")
	}
	return file, nil
}
