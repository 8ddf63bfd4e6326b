package hd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/wallet"
)

// The first two members of a watch file.
const (
	WatchFormat  = "airlock-watch"
	WatchVersion = 1
)

// Fingerprint names a vault without giving anything of it away. It is SHA-256
// over the four account keys in the order of [wallet.Roles], each as its
// BIP-32 serialization without the checksum: 78 bytes (version 0488b21e,
// depth, parent fingerprint, child number, chain code, compressed public
// key), 312 bytes in all.
type Fingerprint [sha256.Size]byte

// String is 64 lower-case hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Grouped is the hexadecimal form in groups of four digits, for reading
// aloud from one station to the other.
func (f Fingerprint) Grouped() string {
	s := f.String()
	groups := make([]string, 0, len(s)/4)
	for ; s != ""; s = s[4:] {
		groups = append(groups, s[:4])
	}
	return strings.Join(groups, " ")
}

// ParseFingerprint reads all 64 digits as people type them: in either case,
// with or without spaces between groups.
func ParseFingerprint(s string) (Fingerprint, error) {
	digits := strings.ToLower(strings.Join(strings.Fields(s), ""))
	var f Fingerprint
	if err := f.UnmarshalText([]byte(digits)); err != nil {
		return Fingerprint{}, err
	}
	return f, nil
}

// MarshalText writes the form of String.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads exactly the form of String.
func (f *Fingerprint) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(f) || hex.EncodeToString(raw) != string(b) {
		return errors.New("fingerprint: want 64 hexadecimal digits")
	}
	copy(f[:], raw)
	return nil
}

// Watch is what the online station knows of a vault: the account keys of the
// four roles. It is immutable and safe for concurrent use.
type Watch struct {
	accounts [4]*AccountKey // by role
}

// NewWatch assembles a watch from the account keys of all four roles, in any
// order.
func NewWatch(accounts ...*AccountKey) (*Watch, error) {
	w := new(Watch)
	for _, a := range accounts {
		if w.accounts[a.role] != nil {
			return nil, fmt.Errorf("watch: two account keys of %s", a.role)
		}
		w.accounts[a.role] = a
	}
	for _, role := range wallet.Roles() {
		if w.accounts[role] == nil {
			return nil, fmt.Errorf("watch: no account key of %s", role)
		}
	}
	return w, nil
}

// Account is the account key of a derivable role, nil for any other.
func (w *Watch) Account(role wallet.Role) *AccountKey {
	if int(role) >= len(w.accounts) {
		return nil
	}
	return w.accounts[role]
}

// Address derives the address at a path. An imported key has none that could
// be derived.
func (w *Watch) Address(path wallet.Path) (common.Address, error) {
	a := w.Account(path.Role)
	if a == nil || path.Imported {
		return common.Address{}, fmt.Errorf("path %s: not derived from the vault's mnemonic", path)
	}
	return a.Address(path.Index)
}

// Fingerprint is computed from the account keys.
func (w *Watch) Fingerprint() Fingerprint {
	h := sha256.New()
	for _, a := range w.accounts {
		h.Write(a.payload[:])
	}
	return Fingerprint(h.Sum(nil))
}

// watchFile is the watch file as JSON, members in this order.
type watchFile struct {
	Format      string         `json:"format"`
	Version     int            `json:"version"`
	Fingerprint Fingerprint    `json:"fingerprint"`
	Accounts    []watchAccount `json:"accounts"` // in the order of wallet.Roles
}

type watchAccount struct {
	Role string `json:"role"` // as text, since a role that is missing is not the first one
	Path string `json:"path"`
	Xpub string `json:"xpub"`
}

// Encode writes the watch file: indented JSON that ends in a newline.
func (w *Watch) Encode() ([]byte, error) {
	f := watchFile{Format: WatchFormat, Version: WatchVersion, Fingerprint: w.Fingerprint()}
	for _, a := range w.accounts {
		f.Accounts = append(f.Accounts, watchAccount{Role: a.role.String(), Path: wallet.AccountPath(a.role), Xpub: a.String()})
	}
	b, err := json.Marshal(f, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("watch file: %w", err)
	}
	return append(b, '\n'), nil
}

// MaxWatchSize bounds a watch file, in bytes; it has about 1,100.
const MaxWatchSize = 64 << 10

// DecodeWatch reads a watch file. Unknown, repeated and differently-cased
// members are refused, as are account keys that are missing, out of order or
// not of their role, and a fingerprint that is not that of the keys. What it
// cannot tell is whose keys they are: the caller compares Fingerprint with
// the one read from the signing station's screen.
func DecodeWatch(b []byte) (*Watch, error) {
	if len(b) > MaxWatchSize {
		return nil, fmt.Errorf("watch file: %d bytes: a watch file has at most %d", len(b), MaxWatchSize)
	}
	var f watchFile
	if err := json.Unmarshal(b, &f, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("watch file: %w", redact(err))
	}
	if f.Format != WatchFormat {
		return nil, fmt.Errorf("watch file: format %.40q, want %q", f.Format, WatchFormat)
	}
	if f.Version != WatchVersion {
		return nil, fmt.Errorf("watch file: version %d, this release reads version %d", f.Version, WatchVersion)
	}
	roles := wallet.Roles()
	if len(f.Accounts) != len(roles) {
		return nil, fmt.Errorf("watch file: %d accounts, want %d", len(f.Accounts), len(roles))
	}
	w := new(Watch)
	for i, role := range roles {
		a := f.Accounts[i]
		if a.Role != role.String() {
			return nil, fmt.Errorf("watch file: accounts[%d] is of role %.40q, want %s", i, a.Role, role)
		}
		if want := wallet.AccountPath(role); a.Path != want {
			return nil, fmt.Errorf("watch file: path of %s is %.80q, want %s", role, a.Path, want)
		}
		key, err := ParseAccountKey(role, a.Xpub)
		if err != nil {
			return nil, fmt.Errorf("watch file: %w", err)
		}
		w.accounts[role] = key
	}
	if got := w.Fingerprint(); got != f.Fingerprint {
		return nil, fmt.Errorf("watch file: fingerprint %s, but its keys have %s: the file was changed, export it again", f.Fingerprint, got)
	}
	return w, nil
}

// redact keeps the place of a JSON error and drops its text, which may quote
// the input: what was taken for a watch file could be a secret.
func redact(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return fmt.Errorf("not valid JSON at byte %d", syntactic.ByteOffset)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("unexpected value at %.120q (byte %d)", semantic.JSONPointer, semantic.ByteOffset)
	}
	return errors.New("not a watch file")
}
