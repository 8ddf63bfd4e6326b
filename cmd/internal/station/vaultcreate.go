package station

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

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

Deriving the key from the passphrase is made to take this machine about a second,
and at least 256 MiB of memory, each time that the vault is opened: that is what
a thief of the file pays for each guess. --light-kdf makes guessing cheap. It is
for tests.`,
		Example: `  airlock-signer vault create
  airlock-signer vault create --mnemonic-file words --passphrase-file passphrase`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runVaultCreate(c, s, mnemonicFile, passphraseFile, light)
		},
	}
	c.Flags().StringVar(&mnemonicFile, "mnemonic-file", "", "restore from the words in this `file`")
	c.Flags().BoolVar(&light, "light-kdf", false, "derive the key cheaply; for tests only")
	passphraseFlag(c, &passphraseFile)
	return c
}

func runVaultCreate(c *cobra.Command, s *Station, mnemonicFile, passphraseFile string, light bool) error {
	if err := s.NeedHome(); err != nil {
		return err
	}
	for _, path := range []string{s.Path(VaultFile), s.Path(signer.RecordFile)} {
		if _, err := os.Lstat(path); err == nil && (path == s.Path(VaultFile) || mnemonicFile == "") {
			return wallet.WithHint(fmt.Errorf("there is %s already", path), "a home has one vault for ever; --home names another home")
		}
	}
	s.warnOnline()
	// The words come last: nobody writes down those of a vault that is not made
	// because a passphrase was mistyped.
	passphrase, err := s.newPassphrase(passphraseFile, passphraseFlagName, "New passphrase of the vault")
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
	info, err := s.createVault(mnemonic, passphrase, light)
	if err != nil {
		return err
	}
	if err := s.ensureRecord(c.Context(), mnemonicFile != ""); err != nil {
		return err
	}
	if err := s.noteVault(info.Fingerprint(), "made the vault"); err != nil {
		return err
	}
	return s.Print(fingerprintRow{info.Fingerprint(), info.Path}, func(w io.Writer) {
		fmt.Fprintf(w, "vault        %s\nfingerprint  %s\n", info.Path, twoLines(info.Fingerprint()))
	})
}

func (s *Station) createVault(mnemonic, passphrase []byte, light bool) (*vault.Info, error) {
	defer s.Busy(busyVault)()
	kdf, err := chooseKDF(light)
	if err != nil {
		return nil, err
	}
	return vault.Create(s.Path(VaultFile), mnemonic, passphrase, kdf)
}

// ensureRecord makes an empty signing record beside a new vault. One that was
// put there before the vault was restored is kept, also an empty one, with
// which sign refuses to begin.
func (s *Station) ensureRecord(ctx context.Context, restored bool) error {
	if bolt.Exists(s.Path(signer.RecordFile)) {
		return nil
	}
	if _, err := bolt.Create(ctx, s.Path(signer.RecordFile)); err != nil {
		return err
	}
	if restored {
		s.Note("the signing record is a new one: if these keys ever signed, put the newest backup of %s in its place before you sign", s.Path(signer.RecordFile))
	}
	return nil
}
