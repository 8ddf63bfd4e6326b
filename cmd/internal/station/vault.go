package station

import (
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

func newVault(s *Station) *cobra.Command {
	return cli.Group("vault", "Make the vault, and let public keys out of it",
		newVaultCreate(s), newVaultAddMnemonic(s), newVaultExportWatch(s), newVaultAccounts(s), newVaultImportKeystore(s), newVaultExportKeystore(s),
		newVaultChangePassphrase(s), newVaultVerify(s), newVaultBackup(s), newVaultRestore(s))
}

// fingerprintRow is what every command on the vault tells at least.
type fingerprintRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Path        string         `json:"path,omitzero"` // of a file that was written
}

const passphraseFlagName = "passphrase-file"

func passphraseFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, passphraseFlagName, "", "read the vault's passphrase from this `file` instead of the terminal")
}

const fingerprintFlagName = "fingerprint"

// fingerprintFlag chooses one of the vault's mnemonics; see chooseKeys.
func fingerprintFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, fingerprintFlagName, "", "of several mnemonics, the one whose fingerprint begins with these `digits`")
}

// minFingerprint is how many digits of a fingerprint choose a mnemonic. They
// only choose among those of one vault, so that a few are enough.
const minFingerprint = 8

// chooseKeys finds the mnemonic that a person means: the only one, or the one
// whose fingerprint begins with the given digits.
func chooseKeys(v *vault.Vault, digits string) (*vault.Keys, error) {
	have := v.Info().Fingerprints
	lines := make([]string, len(have))
	for i, fp := range have {
		lines[i] = fp.String()
	}
	hint := func(err error) error {
		return wallet.WithHint(err, "--%s takes the beginning of one of: %s", fingerprintFlagName, strings.Join(lines, ", "))
	}
	want := strings.ToLower(strings.Join(strings.Fields(digits), ""))
	switch {
	case want == "" && len(have) == 1:
		return v.Own(), nil
	case want == "":
		return nil, hint(wallet.As(wallet.ErrUsage, "this vault has %d mnemonics: say which one is meant", len(have)))
	case len(want) < minFingerprint:
		return nil, hint(wallet.As(wallet.ErrUsage, "--%s %s: give at least %d digits", fingerprintFlagName, want, minFingerprint))
	}
	var found []hd.Fingerprint
	for _, fp := range have {
		if strings.HasPrefix(fp.String(), want) {
			found = append(found, fp)
		}
	}
	if len(found) != 1 {
		return nil, hint(wallet.As(wallet.ErrNotFound, "%d mnemonics of this vault have a fingerprint that begins with %s", len(found), want))
	}
	return v.Keys(found[0])
}

// accountRow is an address of the vault.
type accountRow struct {
	Address     common.Address `json:"address"`
	Path        wallet.Path    `json:"path"`
	Role        wallet.Role    `json:"role"`
	Fingerprint hd.Fingerprint `json:"fingerprint,omitzero"` // of its mnemonic; none of an imported key
}

type accountsRow struct {
	Fingerprint  hd.Fingerprint   `json:"fingerprint"`
	Fingerprints []hd.Fingerprint `json:"fingerprints"`
	Accounts     []accountRow     `json:"accounts"`
}

func newVaultAccounts(s *Station) *cobra.Command {
	var passphraseFile string
	c := &cobra.Command{
		Use:   "accounts",
		Short: "List the first address of each role, and imported keys",
		Long: `List the vault's fingerprints, one per mnemonic, the first address of each role of
each of them, and the addresses of imported keys.`,
		Example: "  airlock-signer vault accounts",
		RunE: func(*cobra.Command, []string) error {
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			accounts, err := v.Accounts()
			if err != nil {
				return err
			}
			rows := accountsRow{Fingerprint: v.Fingerprint(), Fingerprints: v.Info().Fingerprints, Accounts: []accountRow{}}
			for _, a := range accounts {
				row := accountRow{Address: a.Address, Path: a.Path, Role: a.Path.Role}
				if !a.Path.Imported {
					row.Fingerprint = a.Keys.Fingerprint()
				}
				rows.Accounts = append(rows.Accounts, row)
			}
			for _, fp := range rows.Fingerprints {
				s.Note("fingerprint  %s", twoLines(fp))
			}
			return s.Print(rows, func(w io.Writer) { printAccounts(s, w, rows) })
		},
	}
	passphraseFlag(c, &passphraseFile)
	return c
}

// printAccounts tells whose an address is only where there is a choice.
func printAccounts(s *Station, w io.Writer, rows accountsRow) {
	if len(rows.Fingerprints) == 1 {
		t := s.Table(w, "ADDRESS", "ROLE", "PATH")
		for _, a := range rows.Accounts {
			t.Row(a.Address.Hex(), a.Role, a.Path)
		}
		t.Close()
		return
	}
	t := s.Table(w, "ADDRESS", "ROLE", "PATH", "FINGERPRINT")
	for _, a := range rows.Accounts {
		whose := "-"
		if !a.Path.Imported {
			whose = a.Fingerprint.String()[:minFingerprint] + "…"
		}
		t.Row(a.Address.Hex(), a.Role, a.Path, whose)
	}
	t.Close()
}

// twoLines is a fingerprint behind a label of 13 columns, in lines that fit a
// terminal of 80.
func twoLines(f hd.Fingerprint) string {
	text := f.Grouped()
	half := len(text) / 2
	return text[:half] + "\n" + strings.Repeat(" ", 13) + text[half+1:]
}
