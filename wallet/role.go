package wallet

import "fmt"

// Role says what an address of ours is for. The numbers are stored, so they
// never change; those of the four roles of keys in a vault are the account level
// of the BIP-44 path.
type Role uint8

// The four roles of keys in a vault, and two that no path has. FloatRole marks a
// payout address of the second vault, the one whose keys are online (see
// Address). ExternalRole marks an address that belongs to somebody else or to an
// outside wallet.
const (
	DepositRole  Role = 0 // receives from customers, one or more per account
	PayoutRole   Role = 1 // withdrawals are paid from here
	GasRole      Role = 2 // pays for sweeps
	TreasuryRole Role = 3 // sweeps go there
	FloatRole    Role = 4 // small withdrawals are paid from here, signed online
	ExternalRole Role = 255
)

// Roles lists the derivable roles in the order of their BIP-44 accounts.
func Roles() []Role { return []Role{DepositRole, PayoutRole, GasRole, TreasuryRole} }

// AddressRoles lists the roles that an address of a home may have.
func AddressRoles() []Role { return append(Roles(), FloatRole, ExternalRole) }

// SenderRoles lists the roles of addresses that send what was not deposited on
// them: everything but deposit and external ones.
func SenderRoles() []Role { return []Role{PayoutRole, GasRole, TreasuryRole, FloatRole} }

var roleNames = map[Role]string{
	DepositRole: "deposit", PayoutRole: "payout", GasRole: "gas", TreasuryRole: "treasury",
	FloatRole: "float", ExternalRole: "external",
}

func (r Role) String() string {
	if s, ok := roleNames[r]; ok {
		return s
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) {
	if _, ok := roleNames[r]; !ok {
		return nil, fmt.Errorf("unknown role number %d", uint8(r))
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads a role's name.
func (r *Role) UnmarshalText(b []byte) error {
	role, err := ParseRole(string(b))
	if err != nil {
		return err
	}
	*r = role
	return nil
}

// ParseRole reads a role's name, in lower case.
func ParseRole(s string) (Role, error) {
	for role, name := range roleNames {
		if name == s {
			return role, nil
		}
	}
	return 0, fmt.Errorf("unknown role %q: want deposit, payout, gas, treasury, float or external", s)
}
