package station

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/slip39"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// riskShares accepts shares in files: who reads the folder has the mnemonic.
const riskShares = "shares-on-disk"

const backupPassphraseFlag = "backup-passphrase-file"

type backupOptions struct {
	shares, out                   string
	fingerprint                   string // the digits that choose a mnemonic; all if empty
	passphraseFile, newPassphrase string
	own, light                    bool
	risks                         signer.Risks
}

// sharesRow tells of the shares of one mnemonic, and not what they are.
type sharesRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Threshold   int            `json:"threshold"`
	Count       int            `json:"count"`
	Paths       []string       `json:"paths"` // empty if they were shown
}

type backupRow struct {
	Fingerprint hd.Fingerprint `json:"fingerprint"`
	Path        string         `json:"path,omitzero"` // of an encrypted copy
	Shares      []sharesRow    `json:"shares,omitzero"`
}

func newVaultBackup(s *Station) *cobra.Command {
	var (
		o        backupOptions
		accepted []string
	)
	c := &cobra.Command{
		Use:   "backup (-o FILE | --shares M-of-N)",
		Short: "Copy the vault, or split its words into shares",
		Long: `Make a backup of the vault; vault restore takes it in.

-o FILE writes an encrypted copy of all that is in the vault, under the same
passphrase, or with --own-passphrase or --` + backupPassphraseFlag + ` under one of
its own. The copy is read back, decrypted and compared.

--shares M-of-N splits each mnemonic into N shares of 20 to 33 words (SLIP-39),
any M of which restore it, while fewer tell nothing. Each share is shown on the
terminal alone, one after the other: write it down with its fingerprint and its
number, and give each to somebody else. With --fingerprint, only that mnemonic is
split. The shares carry the BIP-39 entropy, and no passphrase; wallets that take
SLIP-39 shares for a seed derive other addresses from them. They do not restore
imported keys, the signing record or the policy: back up these as files.

With --shares, -o DIR writes the shares into files, which wants
--accept-risk=` + riskShares + `: who reads the folder has the funds. airlock-signer
gives out no share while a network interface other than loopback is up, unless
--accept-risk=` + riskOnline + `.`,
		Example: `  airlock-signer vault backup -o /media/usb/vault-copy.json
  airlock-signer vault backup -o copy.json --own-passphrase
  airlock-signer vault backup --shares 3-of-5
  airlock-signer vault backup --shares 2-of-3 -o /media/usb/shares --accept-risk=` + riskShares,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.risks, err = signer.ParseRisks(accepted, riskShares, riskOnline); err != nil {
				return err
			}
			if o.shares != "" {
				if err = s.refuseOnline(o.risks); err == nil {
					err = runVaultShares(s, o)
				}
				return s.refuse(c.Context(), nil, err)
			}
			return runVaultCopy(s, o)
		},
	}
	c.Flags().StringVarP(&o.out, "output", "o", "", "`file` to write the copy to, or with --shares the folder for their files")
	c.Flags().StringVar(&o.shares, "shares", "", "split into shares, as `M-of-N`")
	c.Flags().BoolVar(&o.own, "own-passphrase", false, "encrypt the copy with another passphrase, which is asked for")
	c.Flags().StringVar(&o.newPassphrase, backupPassphraseFlag, "", "encrypt the copy with the passphrase in this `file`")
	c.Flags().BoolVar(&o.light, "light-kdf", false, "derive the copy's own key cheaply; for tests only")
	fingerprintFlag(c, &o.fingerprint)
	cli.RiskFlag(c, &accepted, riskShares, riskOnline)
	passphraseFlag(c, &o.passphraseFile)
	c.MarkFlagsOneRequired("output", "shares")
	for _, flag := range []string{"own-passphrase", backupPassphraseFlag, "light-kdf"} {
		c.MarkFlagsMutuallyExclusive("shares", flag)
	}
	return c
}

func runVaultCopy(s *Station, o backupOptions) error {
	if o.fingerprint != "" {
		return wallet.As(wallet.ErrUsage, "--%s chooses what is split into shares; a copy holds all", fingerprintFlagName)
	}
	v, err := s.openVault(o.passphraseFile)
	if err != nil {
		return err
	}
	defer v.Close()
	var (
		passphrase []byte
		kdf        vault.KDF
	)
	if o.own || o.newPassphrase != "" {
		if passphrase, err = s.newPassphrase(o.newPassphrase, backupPassphraseFlag, "New passphrase of the copy"); err != nil {
			return err
		}
		defer clear(passphrase)
		if kdf, err = chooseKDF(o.light); err != nil {
			return err
		}
	}
	if err := s.noteVault(v.Fingerprint(), "makes an encrypted copy"); err != nil {
		return err
	}
	done := s.Busy("writing the copy, opening it and comparing")
	err = v.Copy(o.out, passphrase, kdf)
	done()
	if err != nil {
		return err
	}
	s.Note("the signing record %s and the policy are not in it: back them up beside it", signer.RecordFile)
	return s.Print(backupRow{Fingerprint: v.Fingerprint(), Path: o.out}, func(w io.Writer) {
		fmt.Fprintf(w, "copy         %s, verified\nfingerprint  %s\n", cli.Clean(o.out), twoLines(v.Fingerprint()))
	})
}

func runVaultShares(s *Station, o backupOptions) error {
	threshold, count, err := parseShares(o.shares)
	if err != nil {
		return err
	}
	if o.out != "" && !o.risks[riskShares] {
		return wallet.WithHint(wallet.As(wallet.ErrRefused, "shares in one folder are the mnemonic itself, for anybody who reads it"),
			"without -o they are shown on the terminal; where the risk is understood, --accept-risk=%s writes them", riskShares)
	}
	v, err := s.openVault(o.passphraseFile)
	if err != nil {
		return err
	}
	defer v.Close()
	var split []*vault.Keys
	if o.fingerprint != "" {
		keys, err := chooseKeys(v, o.fingerprint)
		if err != nil {
			return err
		}
		split = append(split, keys)
	} else {
		for _, fp := range v.Info().Fingerprints {
			keys, err := v.Keys(fp)
			if err != nil {
				return err
			}
			split = append(split, keys)
		}
	}
	row := backupRow{Fingerprint: v.Fingerprint()}
	for _, keys := range split {
		var risks []string
		if o.out != "" {
			risks = append(risks, riskShares)
		}
		if err := s.noteVault(keys.Fingerprint(), fmt.Sprintf("gives out shares, %d of %d", threshold, count), risks...); err != nil {
			return err
		}
		one, err := s.giveShares(keys, threshold, count, o.out)
		if err != nil {
			return err
		}
		row.Shares = append(row.Shares, one)
	}
	s.Note("the shares restore no imported key, no signing record and no policy: back these up as files")
	return s.Print(row, func(w io.Writer) {
		for _, r := range row.Shares {
			fmt.Fprintf(w, "fingerprint  %s\nshares       any %d of %d restore it\n", twoLines(r.Fingerprint), r.Threshold, r.Count)
			for _, path := range r.Paths {
				fmt.Fprintf(w, "file         %s\n", cli.Clean(path))
			}
		}
	})
}

// giveShares splits one mnemonic, and shows the shares one by one, or writes
// them into a folder.
func (s *Station) giveShares(keys *vault.Keys, threshold, count int, dir string) (row sharesRow, err error) {
	row = sharesRow{Fingerprint: keys.Fingerprint(), Threshold: threshold, Count: count, Paths: []string{}}
	shares, err := keys.Shares(threshold, count)
	if err != nil {
		return row, err
	}
	defer func() {
		for _, share := range shares {
			share.Wipe()
		}
	}()
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return row, err
		}
	}
	for _, share := range shares {
		if dir == "" {
			if err := s.showShare(row, share); err != nil {
				return row, err
			}
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("share-%s-%d-of-%d.txt", row.Fingerprint.String()[:minFingerprint], share.Number(), count))
		if err := writeShare(path, row, share); err != nil {
			return row, err
		}
		row.Paths = append(row.Paths, path)
	}
	return row, nil
}

func (s *Station) showShare(row sharesRow, share *slip39.Share) error {
	words := share.Words()
	defer clear(words)
	sheet := fmt.Sprintf("\nShare %d of %d. Any %d of them restore the mnemonic with the fingerprint\n%s\n\n",
		share.Number(), row.Count, row.Threshold, row.Fingerprint.Grouped()) + wordSheet(words)
	return s.showWords(sheet, fmt.Sprintf("Write share %d of %d down, with its number and fingerprint, then type %%s", share.Number(), row.Count),
		"shares of two runs do not combine: destroy those of this one that were written down, and begin again")
}

// shareFingerprint precedes the fingerprint in a share's file.
const shareFingerprint = "# fingerprint "

func writeShare(path string, row sharesRow, share *slip39.Share) error {
	words := share.Words()
	defer clear(words)
	text := fmt.Appendf(nil, "# airlock share %d of %d; any %d restore the mnemonic with this fingerprint\n%s%s\n", share.Number(), row.Count, row.Threshold, shareFingerprint, row.Fingerprint)
	text = append(append(text, words...), '\n')
	defer clear(text)
	return secretfile.Create(path, text)
}

// parseShares reads M-of-N.
func parseShares(text string) (threshold, count int, err error) {
	m, n, ok := strings.Cut(strings.ToLower(text), "-of-")
	if ok {
		if threshold, err = strconv.Atoi(m); err == nil {
			count, err = strconv.Atoi(n)
		}
	}
	switch {
	case !ok || err != nil:
		return 0, 0, wallet.As(wallet.ErrUsage, "--shares %q: want M-of-N, such as 3-of-5", text)
	case count < 2 || count > 16 || threshold < 2 || threshold > count:
		return 0, 0, wallet.As(wallet.ErrUsage, "--shares %s: want 2 to 16 shares, at least 2 of which are needed", text)
	}
	return threshold, count, nil
}
