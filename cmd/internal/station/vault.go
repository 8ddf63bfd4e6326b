package station

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

func newVault(s *Station) *cobra.Command {
	return cli.Group("vault", "Make the vault, and let public keys out of it",
		newVaultCreate(s), newVaultExportWatch(s), newVaultAccounts(s), newVaultImportKeystore(s), newVaultExportKeystore(s))
}

// fingerprintRow is what every command on the vault tells at least.
type fingerprintRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Path        string         `json:"path,omitzero"` // of a file that was written
}

func passphraseFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "passphrase-file", "", "read the vault's passphrase from this `file` instead of the terminal")
}

func riskFlag(c *cobra.Command, into *[]string, known ...string) {
	c.Flags().StringArrayVar(into, "accept-risk", nil, "accept a risk by its `name`: "+strings.Join(known, ", "))
}

func newVaultCreate(s *Station) *cobra.Command {
	var (
		mnemonicFile, passphraseFile string
		light                        bool
	)
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a vault, of new words or of those on paper",
		Long: `Make the vault of this home, encrypted with a passphrase, and an empty signing
record beside it.

Without --mnemonic-file, 24 new words are shown on the terminal, and nowhere
else. They are the only way to the funds when this machine is lost: write them
down before you go on. With --mnemonic-file, the vault is restored from words
that somebody wrote down; then restore ` + signer.RecordFile + ` from its newest backup, too.

--light-kdf makes the passphrase cheap to guess. It is for tests.`,
		Example: `  airlock-signer vault create
  airlock-signer vault create --mnemonic-file words --passphrase-file passphrase`,
		RunE: func(c *cobra.Command, _ []string) error {
			kdf := vault.DefaultKDF
			if light {
				kdf = vault.LightKDF
			}
			return runVaultCreate(c, s, mnemonicFile, passphraseFile, kdf)
		},
	}
	c.Flags().StringVar(&mnemonicFile, "mnemonic-file", "", "restore from the words in this `file`")
	c.Flags().BoolVar(&light, "light-kdf", false, "derive the key cheaply; for tests only")
	passphraseFlag(c, &passphraseFile)
	return c
}

func runVaultCreate(c *cobra.Command, s *Station, mnemonicFile, passphraseFile string, kdf vault.KDF) error {
	for _, path := range []string{s.Path(VaultFile), s.Path(signer.RecordFile)} {
		if _, err := os.Lstat(path); err == nil && (path == s.Path(VaultFile) || mnemonicFile == "") {
			return wallet.WithHint(fmt.Errorf("there is %s already", path), "a home has one vault for ever; --home names another home")
		}
	}
	// The words come last: nobody writes down those of a vault that is not made
	// because a passphrase was mistyped.
	passphrase, err := s.Passphrase(passphraseFile, "New passphrase of the vault", true)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	mnemonic, err := s.mnemonic(mnemonicFile)
	if err != nil {
		return err
	}
	defer clear(mnemonic)
	if err := os.MkdirAll(s.Home, 0o700); err != nil {
		return err
	}
	info, err := vault.Create(s.Path(VaultFile), mnemonic, passphrase, kdf)
	if err != nil {
		return err
	}
	// A record that was restored before the vault is kept, also an empty one,
	// with which sign refuses to begin.
	if !bolt.Exists(s.Path(signer.RecordFile)) {
		if _, err := bolt.Create(c.Context(), s.Path(signer.RecordFile)); err != nil {
			return err
		}
		if mnemonicFile != "" {
			s.Note("the signing record is a new one: if these words ever signed, put the newest backup of %s in its place before you sign", s.Path(signer.RecordFile))
		}
	}
	return s.Print(fingerprintRow{info.Fingerprint, info.Path}, func(w io.Writer) {
		fmt.Fprintf(w, "vault        %s\nfingerprint  %s\n", info.Path, twoLines(info.Fingerprint))
	})
}

// mnemonic reads the words from a file, or makes new ones and shows them on
// the terminal.
func (s *Station) mnemonic(file string) ([]byte, error) {
	if file != "" {
		return secretfile.ReadSecret(file)
	}
	words, err := hd.NewMnemonic()
	if err != nil {
		return nil, err
	}
	if err := s.Show(wordSheet(words)); err != nil {
		clear(words)
		return nil, wallet.WithHint(err, "new words are shown on a terminal and nowhere else; --mnemonic-file restores a vault without one")
	}
	if _, err := s.Ask("Write the words down, then press Enter"); err != nil {
		clear(words)
		return nil, err
	}
	// Clear the screen and what the terminal kept above it.
	return words, s.Show("\x1b[H\x1b[2J\x1b[3J")
}

// twoLines is a fingerprint behind a label of 13 columns, in lines that fit a
// terminal of 80.
func twoLines(f hd.Fingerprint) string {
	text := f.Grouped()
	half := len(text) / 2
	return text[:half] + "\n" + strings.Repeat(" ", 13) + text[half+1:]
}

// wordSheet lays the words out with their numbers, four in a line.
func wordSheet(mnemonic []byte) string {
	var sheet strings.Builder
	sheet.WriteString("\nThese words are the keys. Whoever reads them has the funds; who loses them, not.\n\n")
	for i, word := range strings.Fields(string(mnemonic)) {
		fmt.Fprintf(&sheet, "%4d %-10s", i+1, word)
		if i%4 == 3 {
			sheet.WriteByte('\n')
		}
	}
	sheet.WriteByte('\n')
	return sheet.String()
}

func newVaultExportWatch(s *Station) *cobra.Command {
	var out, passphraseFile string
	c := &cobra.Command{
		Use:   "export-watch",
		Short: "Write the public keys that the online station derives addresses from",
		Long: `Write the watch file: the extended public keys of the four roles. With it the
online station derives every address, and can sign nothing.

The file is not secret, but whoever has it sees all addresses and balances. It
must arrive unchanged: the online station asks for the fingerprint that this
command shows.`,
		Example: "  airlock-signer vault export-watch -o watch.json",
		RunE: func(*cobra.Command, []string) error {
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			file, err := v.Watch().Encode()
			if err != nil {
				return err
			}
			if err := secretfile.Create(out, file); err != nil {
				return err
			}
			return s.Print(fingerprintRow{v.Fingerprint(), out}, func(w io.Writer) {
				fmt.Fprintf(w, "watch file   %s\nfingerprint  %s\n", cli.Clean(out), twoLines(v.Fingerprint()))
			})
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	_ = c.MarkFlagRequired("output") // it exists
	passphraseFlag(c, &passphraseFile)
	return c
}

// accountRow is an address of the vault.
type accountRow struct {
	Address common.Address `json:"address"`
	Path    wallet.Path    `json:"path"`
	Role    wallet.Role    `json:"role"`
}

type accountsRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Accounts    []accountRow   `json:"accounts"`
}

func newVaultAccounts(s *Station) *cobra.Command {
	var passphraseFile string
	c := &cobra.Command{
		Use:     "accounts",
		Short:   "List the first address of each role, and imported keys",
		Long:    "List the vault's fingerprint, the first address of each role, and the addresses of imported keys.",
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
			rows := accountsRow{Fingerprint: v.Fingerprint(), Accounts: []accountRow{}}
			for _, a := range accounts {
				rows.Accounts = append(rows.Accounts, accountRow{a.Address, a.Path, a.Path.Role})
			}
			s.Note("fingerprint  %s", twoLines(v.Fingerprint()))
			return s.Print(rows, func(w io.Writer) {
				t := s.Table(w, "ADDRESS", "ROLE", "PATH")
				for _, a := range rows.Accounts {
					t.Row(a.Address.Hex(), a.Role, a.Path)
				}
				t.Close()
			})
		},
	}
	passphraseFlag(c, &passphraseFile)
	return c
}

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

func newVaultExportKeystore(s *Station) *cobra.Command {
	var (
		out, passphraseFile, keystoreFile string
		light                             bool
		accepted                          []string
	)
	c := &cobra.Command{
		Use:   "export-keystore ADDRESS|PATH",
		Short: "Write one key as a Web3 Secret Storage file",
		Long: `Write one key as a Web3 Secret Storage file, version 3, under a passphrase of
its own. A derived key is named by its path, or by its address if it is the
first of its role; an imported key by its address.

A derived key and the extended public key of its role, which is in the watch
file, together give away every private key of that role (BIP-32). So a derived
key is exported only with --accept-risk=` + riskExposes + `.`,
		Example: `  airlock-signer vault export-keystore 0x9858EfFD232B4033E47d90003D41EC34EcaEda94 -o key.json
  airlock-signer vault export-keystore "m/44'/60'/0'/0/7" -o key.json --accept-risk=` + riskExposes,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			risks, err := signer.ParseRisks(accepted, riskExposes)
			if err != nil {
				return err
			}
			return runVaultExport(s, args[0], out, passphraseFile, keystoreFile, light, risks)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	_ = c.MarkFlagRequired("output") // it exists
	c.Flags().StringVar(&keystoreFile, keystoreFlag, "", "read the new file's passphrase from this `file`")
	c.Flags().BoolVar(&light, "light-kdf", false, "derive the new file's key cheaply; for tests only")
	riskFlag(c, &accepted, riskExposes)
	passphraseFlag(c, &passphraseFile)
	return c
}

func runVaultExport(s *Station, name, out, passphraseFile, keystoreFile string, light bool, risks signer.Risks) error {
	v, err := s.openVault(passphraseFile)
	if err != nil {
		return err
	}
	defer v.Close()
	account, err := findAccount(v, name)
	if err != nil {
		return err
	}
	if !account.Path.Imported && !risks[riskExposes] {
		return wallet.WithHint(
			wallet.As(wallet.ErrRefused, "%s is derived: its key and the watch file together give away every key of the role %s", account.Address, account.Path.Role),
			"where that is understood, --accept-risk=%s exports it all the same", riskExposes)
	}
	passphrase, err := s.Passphrase(keystoreFile, "New passphrase of the keystore file", true)
	if err != nil {
		return wallet.WithHint(err, "give --%s", keystoreFlag)
	}
	defer clear(passphrase)
	file, err := v.ExportKeystore(account.Path, account.Address, passphrase, light)
	if err != nil {
		return err
	}
	if err := secretfile.Create(out, file); err != nil {
		return err
	}
	return s.Print(keystoreRow{v.Fingerprint(), account.Address, out}, func(w io.Writer) {
		fmt.Fprintf(w, "exported  %s\nfile      %s\n", account.Address, cli.Clean(out))
	})
}

// findAccount finds what a person names: a path, an imported address, or the
// first address of a role.
func findAccount(v *vault.Vault, name string) (vault.Account, error) {
	if path, err := wallet.ParsePath(name); err == nil && !path.Imported {
		address, err := v.Address(path)
		return vault.Account{Path: path, Address: address}, err
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

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, wallet.As(wallet.ErrRefused, "%s: longer than %d bytes", path, limit)
	}
	return raw, nil
}
