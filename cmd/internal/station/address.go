package station

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
)

const maxAddressList = 256 << 20

func newAddress(s *Station) *cobra.Command {
	return cli.Group("address", "Check addresses against the vault", newAddressCheck(s))
}

// claim is an address that a list says is at a path.
type claim struct {
	Position int            `json:"position"` // in the list, from 1
	Address  common.Address `json:"address"`
	Path     wallet.Path    `json:"path"`
}

// wrongRow is an address that is not where the list says.
type wrongRow struct {
	claim
	Derived common.Address `json:"derived"` // what is there; zero if the key was never imported
}

type addressCheckRow struct {
	Fingerprint string     `json:"fingerprint"`
	Checked     int        `json:"checked"`
	Wrong       []wrongRow `json:"wrong"`
}

func newAddressCheck(s *Station) *cobra.Command {
	var passphraseFile, digits string
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Derive a list of addresses again and compare",
		Long: `Derive every address of a list again from the vault and compare: an online
station that was tampered with could hand out addresses of somebody else. Where
the path is "imported", the vault must have the key. The list is of one watch
file: where the vault has several mnemonics, --fingerprint says which one's.

The list is what "airlock address list --json" prints, or text in which every
line has one address and one path between commas, tabs or spaces; a heading,
empty lines and lines that begin with # are passed over, any other line is
refused. The exit code is 3 if any address is wrong.`,
		Example: "  airlock-signer address check addresses.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			raw, err := readFile(args[0], maxAddressList)
			if err != nil {
				return err
			}
			claims, err := readClaims(raw)
			if err != nil {
				return wallet.As(wallet.ErrUsage, "%s: %w", args[0], err)
			}
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			keys, err := chooseKeys(v, digits)
			if err != nil {
				return err
			}
			row := addressCheckRow{Fingerprint: keys.Fingerprint().String(), Checked: len(claims)}
			if row.Wrong, err = s.wrongClaims(keys, claims); err != nil {
				return err
			}
			if err := s.Print(row, func(w io.Writer) { printAddressCheck(s, w, row) }); err != nil {
				return err
			}
			if n := len(row.Wrong); n > 0 {
				return wallet.WithHint(wallet.As(wallet.ErrRefused, "%d of %d addresses are not this vault's", n, row.Checked),
					"give none of them to anybody, and find out how they came to the online station")
			}
			return nil
		},
	}
	fingerprintFlag(c, &digits)
	passphraseFlag(c, &passphraseFile)
	return c
}

// wrongClaims derives every address again.
func (s *Station) wrongClaims(keys *vault.Keys, claims []claim) ([]wrongRow, error) {
	var wrong []wrongRow
	progress := s.Progress("addresses", uint64(len(claims)))
	defer progress.End()
	for _, c := range claims {
		derived, err := keys.AddressOf(c.Path, c.Address)
		if err != nil {
			return nil, err
		}
		if derived != c.Address {
			wrong = append(wrong, wrongRow{c, derived})
		}
		progress.Add(1)
	}
	return wrong, nil
}

// readClaims reads a list of addresses with their paths.
func readClaims(raw []byte) ([]claim, error) {
	var (
		claims []claim
		err    error
	)
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		claims, err = readJSONClaims(raw)
	} else {
		claims, err = readTextClaims(raw)
	}
	if err == nil && len(claims) == 0 {
		err = errors.New("there is no address in it")
	}
	return claims, err
}

// readJSONClaims reads one element after the other, so that a long list of
// nothing costs nothing. A member that stands twice, in whatever case, is
// refused: the next reader could take the other one.
func readJSONClaims(raw []byte) ([]claim, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	var claims []claim
	for n := 1; dec.PeekKind() != ']'; n++ {
		var r struct {
			Address *string `json:"address"`
			Path    *string `json:"path"`
		}
		if err := json.UnmarshalDecode(dec, &r, json.MatchCaseInsensitiveNames(true)); err != nil {
			return nil, fmt.Errorf("element %d: %w", n, err)
		}
		if r.Address == nil || r.Path == nil {
			return nil, fmt.Errorf("element %d has no address or no path", n)
		}
		c, err := newClaim(n, *r.Address, *r.Path)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", n, err)
		}
		claims = append(claims, c)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the list")
	}
	return claims, nil
}

// readTextClaims refuses every line that it does not understand: an address
// that is passed over would count as checked. Only a heading, comments that
// begin with # and empty lines go without.
func readTextClaims(raw []byte) ([]claim, error) {
	var claims []claim
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		var address, path string
		imported := false // or it is an account's name
		for _, field := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r\"", r) }) {
			switch {
			case strings.HasPrefix(field, "0x"):
				if address != "" {
					return nil, fmt.Errorf("line %d has two addresses", n)
				}
				address = field
			case strings.HasPrefix(field, "m/"):
				if path != "" {
					return nil, fmt.Errorf("line %d has two paths", n)
				}
				path = field
			case field == "imported":
				imported = true
			}
		}
		heading := n == 1 && address == "" && path == "" && !strings.Contains(strings.ToLower(line), "0x")
		if heading || strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if path == "" && imported {
			path = "imported"
		}
		c, err := newClaim(n, address, path)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		claims = append(claims, c)
	}
	return claims, lines.Err()
}

func newClaim(position int, address, path string) (c claim, err error) {
	c.Position = position
	if c.Address, err = wallet.ParseAddress(address); err != nil {
		return c, err
	}
	c.Path, err = wallet.ParsePath(path)
	return c, err
}

func printAddressCheck(s *Station, w io.Writer, row addressCheckRow) {
	if len(row.Wrong) > 0 {
		t := s.Table(w, "POSITION", "PATH", "IN THE LIST", "IN THE VAULT")
		for _, r := range row.Wrong {
			there := r.Derived.Hex()
			if r.Path.Imported {
				there = "was never imported"
			}
			t.Row(r.Position, r.Path, r.Address.Hex(), there)
		}
		t.Close()
		return
	}
	fmt.Fprintf(w, "%d addresses, all of this vault\n", row.Checked)
}
