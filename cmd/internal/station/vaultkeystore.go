package station

import (
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

type keystoreRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Address     common.Address `json:"address"`
	Path        string         `json:"path,omitzero"` // of the file that was written
}

const keystoreFlag = "keystore-passphrase-file"

func newVaultImportKeystore(s *Station) *cobra.Command {
	var passphraseFile, keystoreFile string
	c := &cobra.Command{
		Use:   "import-keystore FILE",
		Short: "Take in the key of a Web3 Secret Storage file",
		Long: `Take in the key of a Web3 Secret Storage file, version 3, as geth, cast and
others write them. The key is kept in the vault's file. The words on paper do
not restore it: keep the keystore file or a copy of the vault.`,
		Example: "  airlock-signer vault import-keystore UTC--2026-01-01T00-00-00Z--0123",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			raw, err := readFile(args[0], maxKeystore)
			if err != nil {
				return err
			}
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			passphrase, err := s.Passphrase(keystoreFile, "Passphrase of the keystore file", false)
			if err != nil {
				return wallet.WithHint(err, "give --%s", keystoreFlag)
			}
			defer clear(passphrase)
			if err := s.noteVault(v.Fingerprint(), "takes a keystore's key into the vault"); err != nil {
				return err
			}
			address, err := v.ImportKeystore(raw, passphrase)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return s.Print(keystoreRow{Fingerprint: v.Fingerprint(), Address: address}, func(w io.Writer) {
				fmt.Fprintf(w, "imported  %s\n", address)
			})
		},
	}
	c.Flags().StringVar(&keystoreFile, keystoreFlag, "", "read the keystore's passphrase from this `file`")
	passphraseFlag(c, &passphraseFile)
	return c
}

const maxKeystore = 1 << 20

type exportOptions struct {
	name                              string // a path or an address
	fingerprint                       string // the digits that choose a mnemonic
	out, passphraseFile, keystoreFile string
	light                             bool
	risks                             signer.Risks
}

func newVaultExportKeystore(s *Station) *cobra.Command {
	var (
		o        exportOptions
		accepted []string
	)
	c := &cobra.Command{
		Use:   "export-keystore ADDRESS|PATH -o FILE",
		Short: "Write one key as a Web3 Secret Storage file",
		Long: `Write one key as a Web3 Secret Storage file, version 3, under a passphrase of
its own. A derived key is named by its path, or by its address if it is the
first of its role; an imported key by its address. Where the vault has several
mnemonics, a path wants --fingerprint.

A derived key and the extended public key of its role, which is in the watch
file, together give away every private key of that role (BIP-32). So a derived
key is exported only with --accept-risk=` + riskExposes + `.

airlock-signer exports nothing while a network interface other than loopback is
up, unless --accept-risk=` + riskOnline + `.`,
		Example: `  airlock-signer vault export-keystore 0x9858EfFD232B4033E47d90003D41EC34EcaEda94 -o key.json
  airlock-signer vault export-keystore "m/44'/60'/0'/0/7" -o key.json --accept-risk=` + riskExposes,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			o.name = args[0]
			if o.risks, err = signer.ParseRisks(accepted, riskExposes, riskOnline); err != nil {
				return err
			}
			if err = s.refuseOnline(o.risks); err == nil {
				err = runVaultExport(s, o)
			}
			return s.refuse(c.Context(), nil, err)
		},
	}
	c.Flags().StringVarP(&o.out, "output", "o", "", "`file` to write")
	_ = c.MarkFlagRequired("output") // it exists
	c.Flags().StringVar(&o.keystoreFile, keystoreFlag, "", "read the new file's passphrase from this `file`")
	c.Flags().BoolVar(&o.light, "light-kdf", false, "derive the new file's key cheaply; for tests only")
	cli.RiskFlag(c, &accepted, riskExposes, riskOnline)
	fingerprintFlag(c, &o.fingerprint)
	passphraseFlag(c, &o.passphraseFile)
	return c
}

func runVaultExport(s *Station, o exportOptions) error {
	v, err := s.openVault(o.passphraseFile)
	if err != nil {
		return err
	}
	defer v.Close()
	account, err := findAccount(v, o.name, o.fingerprint)
	if err != nil {
		return err
	}
	if !account.Path.Imported && !o.risks[riskExposes] {
		return wallet.WithHint(
			wallet.As(wallet.ErrRefused, "%s is derived: its key and the watch file together give away every key of the role %s", account.Address, account.Path.Role),
			"where that is understood, --accept-risk=%s exports it all the same", riskExposes)
	}
	passphrase, err := s.newPassphrase(o.keystoreFile, keystoreFlag, "New passphrase of the keystore file")
	if err != nil {
		return err
	}
	defer clear(passphrase)
	var risks []string
	if !account.Path.Imported {
		risks = append(risks, riskExposes)
	}
	if err := s.noteVault(account.Keys.Fingerprint(), fmt.Sprintf("lets out the key of %s (%s)", account.Address, account.Path), risks...); err != nil {
		return err
	}
	file, err := account.Keys.ExportKeystore(account.Path, account.Address, passphrase, o.light)
	if err != nil {
		return err
	}
	if err := secretfile.Create(o.out, file); err != nil {
		return err
	}
	return s.Print(keystoreRow{account.Keys.Fingerprint(), account.Address, o.out}, func(w io.Writer) {
		fmt.Fprintf(w, "exported  %s\nfile      %s\n", account.Address, cli.Clean(o.out))
	})
}

// findAccount finds what a person names: a path of a mnemonic, an imported
// address, or the first address of a role.
func findAccount(v *vault.Vault, name, fingerprint string) (vault.Account, error) {
	if path, err := wallet.ParsePath(name); err == nil && !path.Imported {
		keys, err := chooseKeys(v, fingerprint)
		if err != nil {
			return vault.Account{}, err
		}
		address, err := keys.Address(path)
		return vault.Account{Keys: keys, Path: path, Address: address}, err
	}
	address, err := wallet.ParseAddress(name)
	if err != nil {
		return vault.Account{}, wallet.As(wallet.ErrUsage, "%q is neither a path such as m/44'/60'/0'/0/7 nor an address: %w", name, err)
	}
	accounts, err := v.Accounts()
	if err != nil {
		return vault.Account{}, err
	}
	for _, a := range accounts {
		if a.Address == address {
			return a, nil
		}
	}
	return vault.Account{}, wallet.WithHint(
		wallet.As(wallet.ErrNotFound, "%s is neither an imported key nor the first address of a role", address),
		"name a derived key by its path, as airlock address list shows it")
}
