package station

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// kdfRow is the cost of opening a vault, in the terms of scrypt.
type kdfRow struct {
	N int `json:"n"`
	R int `json:"r"`
	P int `json:"p"`
}

func (k kdfRow) String() string {
	return fmt.Sprintf("scrypt n=%d r=%d p=%d, %d MiB", k.N, k.R, k.P, 128*k.N*k.R>>20)
}

type passphraseRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Path        string         `json:"path"`
	KDF         kdfRow         `json:"kdf"`
}

// chooseKDF is the cost of a new key: measured here, unless it is for a test.
func chooseKDF(light bool) (vault.KDF, error) {
	if light {
		return vault.LightKDF, nil
	}
	return vault.MeasureKDF()
}

const newPassphraseFlag = "new-passphrase-file"

func newVaultChangePassphrase(s *Station) *cobra.Command {
	var (
		passphraseFile, newFile string
		light                   bool
	)
	c := &cobra.Command{
		Use:   "change-passphrase",
		Short: "Encrypt the vault under another passphrase",
		Long: `Encrypt the vault under another passphrase. The keys stay what they are. What a
guess costs is measured again, and raised to about a second of this machine if it
was less; it is never lowered.

The file is changed in one step: whatever happens, it opens with the old
passphrase or with the new one. Copies that were made before keep the old one:
destroy them if it is known to somebody.`,
		Example: `  airlock-signer vault change-passphrase
  airlock-signer vault change-passphrase --passphrase-file old --` + newPassphraseFlag + ` new`,
		RunE: func(*cobra.Command, []string) error {
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			passphrase, err := s.newPassphrase(newFile, newPassphraseFlag, "New passphrase of the vault")
			if err != nil {
				return err
			}
			defer clear(passphrase)
			if err := s.noteVault(v.Fingerprint(), "changes the passphrase"); err != nil {
				return err
			}
			if err := s.changePassphrase(v, passphrase, light); err != nil {
				return err
			}
			row := passphraseRow{v.Fingerprint(), v.Path(), kdfRow(v.Info().KDF)}
			s.Note("copies of the vault that were made before still open with the old passphrase")
			return s.Print(row, func(w io.Writer) {
				fmt.Fprintf(w, "vault        %s\nfingerprint  %s\nkey          %s\n", row.Path, twoLines(row.Fingerprint), row.KDF)
			})
		},
	}
	c.Flags().StringVar(&newFile, newPassphraseFlag, "", "read the new passphrase from this `file` instead of the terminal")
	c.Flags().BoolVar(&light, "light-kdf", false, "do not raise the cost of a guess; for tests only")
	passphraseFlag(c, &passphraseFile)
	return c
}

// newPassphrase reads a passphrase that is going to protect something, typed
// twice, and tells what it is worth. What it is worth in figures tells of it,
// so that only the terminal where it was typed shows them.
func (s *Station) newPassphrase(file, flag, prompt string) ([]byte, error) {
	passphrase, err := s.Passphrase(file, prompt, true)
	if errors.Is(err, wallet.ErrUsage) && flag != passphraseFlagName {
		err = wallet.WithHint(err, "give --%s", flag)
	}
	if err != nil {
		return nil, err
	}
	strength := vault.StrengthOf(passphrase)
	const advice = "six words or more that dice drew from a list are hard to guess and can be typed"
	weak := strength.AsText < vault.WeakBits
	switch {
	case file != "" && weak:
		s.Note("this passphrase is easy to guess if somebody thought it up: %s", advice)
	case file == "":
		text := fmt.Sprintf("This passphrase has about %d bits if you thought it up, at most %d if dice drew it.\n", strength.AsText, strength.AsRandom)
		if weak {
			text += fmt.Sprintf("Below %d bits a thief of the file can guess it: %s.\n", vault.WeakBits, advice)
		}
		err = s.Show(text)
	}
	if err != nil {
		clear(passphrase)
		return nil, err
	}
	return passphrase, nil
}

func (s *Station) changePassphrase(v *vault.Vault, passphrase []byte, light bool) error {
	defer s.Busy(busyVault)()
	kdf, err := chooseKDF(light)
	if err != nil {
		return err
	}
	return v.ChangePassphrase(passphrase, kdf)
}
