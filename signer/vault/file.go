package vault

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/airlock-wallet/airlock/wallet/hd"
)

const (
	format  = "airlock-vault"
	version = 1

	kdfName    = "scrypt"
	cipherName = "xchacha20-poly1305"

	saltLen = 32
	maxFile = 16 << 20 // bytes, room for some 100,000 imported keys

	// MaxMnemonics bounds how many mnemonics one file has: each takes some
	// milliseconds to open.
	MaxMnemonics = 64
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

// header is everything of the file that can be read without the passphrase.
// Its compact JSON, in this order, is the associated data of the encryption.
type header struct {
	Format       string           `json:"format"`
	Version      int              `json:"version"`
	Fingerprints []hd.Fingerprint `json:"fingerprints"` // one per mnemonic
	KDF          kdfHeader        `json:"kdf"`
	Cipher       cipherHeader     `json:"cipher"`
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
	Entropies []hexBytes    `json:"entropies"` // of the mnemonics, BIP-39
	Imported  []importedKey `json:"imported"`
}

// importedKey is a private key of 32 bytes and the address that it had when it
// was imported.
type importedKey struct {
	Address common.Address `json:"address"`
	Key     hexBytes       `json:"key"`
}

func (c *contents) wipe() {
	for _, entropy := range c.Entropies {
		clear(entropy)
	}
	for _, imported := range c.Imported {
		clear(imported.Key)
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
	if n := len(f.Fingerprints); n < 1 || n > MaxMnemonics {
		return bad("fingerprints", fmt.Sprintf("%d, want 1 to %d", n, MaxMnemonics))
	}
	for i, fp := range f.Fingerprints {
		if slices.Contains(f.Fingerprints[:i], fp) {
			return bad(fmt.Sprintf("fingerprints.%d", i), fmt.Sprintf("%s stands there twice", fp))
		}
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
			if name == "" {
				name = `""`
			}
			names = append(append(names, '.'), name...)
		}
		if len(names) == 0 {
			return "", "not a JSON object (byte 0)"
		}
		return fmt.Sprintf("%.120s", names[1:]), "unknown member or unexpected value"
	}
	return "", "not a vault"
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
	same := func(a, b hexBytes) bool { return bytes.Equal(a, b) }
	return slices.EqualFunc(c.Entropies, other.Entropies, same) &&
		slices.EqualFunc(c.Imported, other.Imported, func(a, b importedKey) bool { return a.Address == b.Address && same(a.Key, b.Key) })
}
