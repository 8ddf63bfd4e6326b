package wallet

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxIndex is the highest index of a non-hardened BIP-32 child.
const MaxIndex = 1<<31 - 1

// Path is the place of one key in the vault: m/44'/60'/role'/0/index
// (BIP-44 with coin type 60, one account per role). A key that was imported
// has no path; its text form is "imported".
type Path struct {
	Role     Role
	Index    uint32 // 0 … MaxIndex
	Imported bool
}

// AccountPath is the BIP-32 path of a role's account level, whose extended
// public key the watch file carries.
func AccountPath(r Role) string { return fmt.Sprintf("m/44'/60'/%d'", uint8(r)) }

func (p Path) String() string {
	if p.Imported {
		return "imported"
	}
	return fmt.Sprintf("%s/0/%d", AccountPath(p.Role), p.Index)
}

// MarshalText writes the path in BIP-32 notation.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote; nothing else is a path of ours.
func (p *Path) UnmarshalText(b []byte) error {
	path, err := ParsePath(string(b))
	if err != nil {
		return err
	}
	*p = path
	return nil
}

// ParsePath reads exactly the form that String writes: apostrophes for
// hardened levels, no leading zeros, a derivable role.
func ParsePath(s string) (Path, error) {
	if s == "imported" {
		return Path{Role: ExternalRole, Imported: true}, nil
	}
	bad := fmt.Errorf("derivation path %.60q: want m/44'/60'/ROLE'/0/INDEX with ROLE 0 to 3", s)
	parts := strings.Split(s, "/")
	if len(parts) != 6 {
		return Path{}, bad
	}
	role, err := strconv.ParseUint(strings.TrimSuffix(parts[3], "'"), 10, 8)
	if err != nil || role > uint64(TreasuryRole) {
		return Path{}, bad
	}
	index, err := strconv.ParseUint(parts[5], 10, 31)
	if err != nil {
		return Path{}, bad
	}
	p := Path{Role: Role(role), Index: uint32(index)}
	if p.String() != s {
		return Path{}, bad
	}
	return p, nil
}
