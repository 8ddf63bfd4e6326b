package station

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// verifiedPerRole is how many addresses of each role vault verify has sign.
const verifiedPerRole = 20

// maxWatch bounds what is read as a watch file, in bytes.
const maxWatch = 1 << 20

type verifyRow struct {
	Fingerprint  hd.Fingerprint   `json:"fingerprint"`
	Fingerprints []hd.Fingerprint `json:"fingerprints"`
	Addresses    int              `json:"addresses"` // that signed
	Imported     int              `json:"imported"`  // of those, imported ones
	Watch        []string         `json:"watch"`     // files that are this vault's
	KDF          kdfRow           `json:"kdf"`
}

func newVaultVerify(s *Station) *cobra.Command {
	var (
		passphraseFile string
		watchFiles     []string
	)
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that the vault holds the keys that it should, and show none",
		Long: `Decrypt the vault, derive everything again and compare: the extended public keys
of every mnemonic with their fingerprint, the keys of imported addresses with
these, and the private with the public side, by a signature of the first ` + fmt.Sprint(verifiedPerRole) + `
addresses of each role and of every imported one. With --watch, the keys of a
watch file are compared with the vault's, too.

No secret is shown, and nothing is changed. It is for copies as well: --home
names the directory that holds one. The exit code is 3 if a watch file is not
this vault's.`,
		Example: `  airlock-signer vault verify
  airlock-signer vault verify --watch watch.json --passphrase-file passphrase`,
		RunE: func(*cobra.Command, []string) error {
			watches, err := readWatches(watchFiles)
			if err != nil {
				return err
			}
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			row, err := verifyVault(v, watchFiles, watches)
			if err != nil {
				return err
			}
			if row.KDF.N < vault.DefaultKDF.N {
				s.Note("guessing this vault's passphrase costs less than it should (%s): vault change-passphrase raises it", row.KDF)
			}
			return s.Print(row, func(w io.Writer) {
				fmt.Fprintf(w, "vault        %s\n", v.Path())
				for _, fp := range row.Fingerprints {
					fmt.Fprintf(w, "fingerprint  %s\n", twoLines(fp))
				}
				for _, file := range row.Watch {
					fmt.Fprintf(w, "watch file   %s is this vault's\n", cli.Clean(file))
				}
				fmt.Fprintf(w, "verified     %d addresses, %d of them imported\n", row.Addresses, row.Imported)
			})
		},
	}
	c.Flags().StringArrayVar(&watchFiles, "watch", nil, "compare with this watch `file`, too; may be repeated")
	passphraseFlag(c, &passphraseFile)
	return c
}

func readWatches(files []string) ([]*hd.Watch, error) {
	var watches []*hd.Watch
	for _, file := range files {
		raw, err := readFile(file, maxWatch)
		if err != nil {
			return nil, err
		}
		w, err := hd.DecodeWatch(raw)
		if err != nil {
			return nil, wallet.As(wallet.ErrRefused, "%s: %w", file, err)
		}
		watches = append(watches, w)
	}
	return watches, nil
}

func verifyVault(v *vault.Vault, files []string, watches []*hd.Watch) (verifyRow, error) {
	info := v.Info()
	row := verifyRow{Fingerprint: info.Fingerprint(), Fingerprints: info.Fingerprints, Watch: []string{}, KDF: kdfRow(info.KDF)}
	for i, w := range watches {
		if _, err := v.Keys(w.Fingerprint()); errors.Is(err, vault.ErrFingerprint) {
			return row, wallet.WithHint(wallet.As(wallet.ErrRefused, "%s: %w", files[i], err),
				"the watch file is of another vault, or was changed: export it again, and compare the fingerprint that the online station shows")
		} else if err != nil {
			return row, err
		}
		row.Watch = append(row.Watch, files[i])
	}
	var err error
	if row.Imported, err = importedKeys(v); err != nil {
		return row, err
	}
	row.Addresses, err = v.Verify(verifiedPerRole)
	return row, err
}

// importedKeys counts them.
func importedKeys(v *vault.Vault) (n int, err error) {
	accounts, err := v.Accounts()
	for _, a := range accounts {
		if a.Path.Imported {
			n++
		}
	}
	return n, err
}
