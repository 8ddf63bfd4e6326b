package vault

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"

	"github.com/airlock-wallet/airlock/wallet/hd"
)

const (
	format  = "airlock-vault"
	version = 1

	kdfName    = "scrypt"
	cipherName = "xchacha20-poly1305"

	saltLen = 32
	maxFile = 16 << 20 // bytes, room for some 100,000 imported keys
)

// ErrPassphrase says that the vault could not be decrypted. Which of the two
// it was, nobody can tell: an edited header looks like a wrong passphrase.
var ErrPassphrase = errors.New("wrong passphrase or damaged vault")

// FileError says that a file is not a vault of this version, and where.
type FileError struct {
	Path   string
	Field  string // JSON member, as in kdf.n; empty for the whole file
	Reason string
}

func (e *FileError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("vault %s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("vault %s: %s: %s", e.Path, e.Field, e.Reason)
}

// KDF is the cost of turning a passphrase into a key with scrypt (RFC 7914):
// 128·N·R bytes of memory and work in proportion to N·R·P.
type KDF struct {
	N int // a power of two
	R int
	P int
}

// DefaultKDF takes 256 MiB and half a second or more. LightKDF takes 4 MiB and
// some milliseconds; it is for tests and demonstrations.
var (
	DefaultKDF = KDF{N: 1 << 18, R: 8, P: 1}
	LightKDF   = KDF{N: 1 << 12, R: 8, P: 1}
)

// What a file may ask for at most: 1 GiB of memory and eight times the work
// of DefaultKDF.
const (
	maxKDFMemory = 1 << 30
	maxKDFWork   = 1 << 24
)

// check bounds the cost, so that a file from a stranger cannot take the
// machine down. The name of the parameter at fault comes first.
func (k KDF) check() (field, reason string) {
	switch {
	case k.N < 2 || k.N > maxKDFMemory || bits.OnesCount(uint(k.N)) != 1:
		return "n", fmt.Sprintf("%d is not a power of two from 2 to 2^30", k.N)
	case k.R < 1 || k.R > 1024:
		return "r", fmt.Sprintf("%d is not from 1 to 1024", k.R)
	case k.P < 1 || k.P > 1024:
		return "p", fmt.Sprintf("%d is not from 1 to 1024", k.P)
	case 128*int64(k.N)*int64(k.R) > maxKDFMemory:
		return "n", fmt.Sprintf("asks for %d MiB of memory, the limit is %d", 128*int64(k.N)*int64(k.R)>>20, maxKDFMemory>>20)
	case int64(k.N)*int64(k.R)*int64(k.P) > maxKDFWork:
		return "p", fmt.Sprintf("asks for n·r·p = %d, the limit is %d", int64(k.N)*int64(k.R)*int64(k.P), maxKDFWork)
	}
	return "", ""
}

// header is everything of the file that can be read without the passphrase.
// Its compact JSON, in this order, is the associated data of the encryption.
type header struct {
	Format      string         `json:"format"`
	Version     int            `json:"version"`
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	KDF         kdfHeader      `json:"kdf"`
	Cipher      cipherHeader   `json:"cipher"`
}

type kdfHeader struct {
	Name string   `json:"name"`
	N    int      `json:"n"`
	R    int      `json:"r"`
	P    int      `json:"p"`
	Salt hexBytes `json:"salt"`
}

func (k kdfHeader) cost() KDF { return KDF{N: k.N, R: k.R, P: k.P} }

type cipherHeader struct {
	Name  string   `json:"name"`
	Nonce hexBytes `json:"nonce"`
}

// file is the vault file as JSON.
type file struct {
	header
	Ciphertext []byte `json:"ciphertext"` // base64
}

// contents is what is encrypted, as compact JSON.
type contents struct {
	Entropy  hexBytes   `json:"entropy"`  // of the mnemonic, BIP-39
	Imported []hexBytes `json:"imported"` // private keys of 32 bytes
}

func (c *contents) wipe() {
	clear(c.Entropy)
	for _, key := range c.Imported {
		clear(key)
	}
}

// hexBytes are bytes as lower-case hexadecimal digits.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(text []byte) error {
	raw := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(raw, text); err != nil || bytes.ContainsAny(text, "ABCDEF") {
		clear(raw)
		return errors.New("want lower-case hexadecimal digits") // err would quote one of them
	}
	*h = raw
	return nil
}

// readFile reads and checks all that can be checked without the passphrase.
func readFile(path string) (*file, []byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, nil, err
	}
	f, err := decode(path, raw)
	return f, raw, err
}

// decode reads a vault file. Unknown, repeated and differently-cased members
// are refused.
func decode(path string, raw []byte) (*file, error) {
	bad := func(field, reason string) (*file, error) {
		return nil, &FileError{Path: path, Field: field, Reason: reason}
	}
	if len(raw) > maxFile {
		return bad("", fmt.Sprintf("longer than %d MiB: not a vault", maxFile>>20))
	}
	var f file
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		field, reason := place(err)
		return bad(field, reason)
	}
	if f.Format != format {
		return bad("format", fmt.Sprintf("want %q", format))
	}
	if f.Version != version {
		return bad("version", fmt.Sprintf("%d, this release reads %d", f.Version, version))
	}
	if f.KDF.Name != kdfName {
		return bad("kdf.name", fmt.Sprintf("want %q", kdfName))
	}
	if field, reason := f.KDF.cost().check(); field != "" {
		return bad("kdf."+field, reason)
	}
	if len(f.KDF.Salt) != saltLen {
		return bad("kdf.salt", fmt.Sprintf("%d bytes, want %d", len(f.KDF.Salt), saltLen))
	}
	if f.Cipher.Name != cipherName {
		return bad("cipher.name", fmt.Sprintf("want %q", cipherName))
	}
	if len(f.Cipher.Nonce) != chacha20poly1305.NonceSizeX {
		return bad("cipher.nonce", fmt.Sprintf("%d bytes, want %d", len(f.Cipher.Nonce), chacha20poly1305.NonceSizeX))
	}
	if len(f.Ciphertext) <= chacha20poly1305.Overhead {
		return bad("ciphertext", "too short")
	}
	return &f, nil
}

// place says where a JSON error is, without its text, which may quote the
// input.
func place(err error) (field, reason string) {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return "", fmt.Sprintf("not valid JSON at byte %d: truncated or not a vault", syntactic.ByteOffset)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		var names []byte
		for name := range semantic.JSONPointer.Tokens() {
			names = append(append(names, '.'), name...)
		}
		return string(bytes.TrimPrefix(names, []byte("."))), "unknown member or unexpected value"
	}
	return "", "not a vault"
}

// newKey derives the 32-byte encryption key. This is the slow step.
func (h *header) newKey(passphrase []byte) ([]byte, error) {
	return scrypt.Key(passphrase, h.KDF.Salt, h.KDF.N, h.KDF.R, h.KDF.P, chacha20poly1305.KeySize)
}

// aead is the cipher under a key, and the associated data of the header.
func (h *header) aead(key []byte) (cipher.AEAD, []byte, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, nil, err
	}
	data, err := json.Marshal(h)
	return aead, data, err
}

// open decrypts the contents. Its errors name the file.
func (f *file) open(path string, key []byte) (*contents, error) {
	aead, data, err := f.aead(key)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	plain, err := aead.Open(nil, f.Cipher.Nonce, f.Ciphertext, data)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, ErrPassphrase)
	}
	defer clear(plain)
	c := new(contents)
	if err := json.Unmarshal(plain, c, json.RejectUnknownMembers(true)); err != nil {
		c.wipe()
		field, reason := place(err)
		return nil, &FileError{Path: path, Field: field, Reason: "decrypted contents: " + reason}
	}
	return c, nil
}

// seal encrypts the contents under a fresh nonce and returns the whole file.
// What it returns has been decrypted again and compared.
func seal(path string, h header, key []byte, c *contents) ([]byte, error) {
	h.Cipher.Nonce = make(hexBytes, chacha20poly1305.NonceSizeX)
	if _, err := rand.Read(h.Cipher.Nonce); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	defer clear(plain)
	aead, data, err := h.aead(key)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	f := file{header: h, Ciphertext: aead.Seal(nil, h.Cipher.Nonce, plain, data)}
	raw, err := json.Marshal(&f, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	raw = append(raw, '\n')

	back, err := decode(path, raw)
	if err != nil {
		return nil, err
	}
	again, err := back.open(path, key)
	if err != nil {
		return nil, err
	}
	defer again.wipe()
	if !again.equal(c) {
		return nil, fmt.Errorf("vault %s: what was encrypted cannot be decrypted again: check the machine's memory", path)
	}
	return raw, nil
}

func (c *contents) equal(other *contents) bool {
	same := bytes.Equal(c.Entropy, other.Entropy) && len(c.Imported) == len(other.Imported)
	for i := 0; same && i < len(c.Imported); i++ {
		same = bytes.Equal(c.Imported[i], other.Imported[i])
	}
	return same
}
