package station

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/slip39"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// minExpected is how many digits of a fingerprint prove what was restored:
// 64 bits, which nobody meets by making up a mnemonic.
const minExpected = 16

type restoreOptions struct {
	copy           string
	shareFiles     []string
	expected       []string // beginnings of fingerprints
	passphraseFile string
	light          bool
}

type restoreRow struct {
	Fingerprint  hd.Fingerprint   `json:"fingerprint"`
	Fingerprints []hd.Fingerprint `json:"fingerprints"`
	Imported     int              `json:"imported"`
	Path         string           `json:"path"`
}

func newVaultRestore(s *Station) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore [FILE]",
		Short: "Make the vault from a copy or from shares",
		Long: `Make the vault of this home from a backup that vault backup made.

With FILE, from an encrypted copy: it is decrypted, verified, and keeps its
passphrase. Without, from shares (SLIP-39): they are typed at the terminal one
after the other, until there are enough, or read from the files that --share-file
names; a new passphrase encrypts the vault. Shares of several mnemonics may be
mixed; the mnemonic whose share comes first is the vault's own.

--fingerprint says what has to come out, by its first ` + fmt.Sprint(minExpected) + ` digits or more; where
something else does, nothing is written and the exit code is 3. Without it, compare
the fingerprint that is shown with the one that you noted, or that the online
station has.

Shares restore no imported keys. Neither kind restores the signing record: put
` + signer.RecordFile + ` and the policy from their newest backups beside the vault.`,
		Example: `  airlock-signer vault restore /media/usb/vault-copy.json
  airlock-signer vault restore --fingerprint "91b2 23ed bbe9 f702"
  airlock-signer vault restore --share-file share-1.txt --share-file share-4.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.copy = args[0]
			}
			return runVaultRestore(c.Context(), s, o)
		},
	}
	c.Flags().StringArrayVar(&o.shareFiles, "share-file", nil, "read a share from this `file`; may be repeated")
	c.Flags().StringArrayVar(&o.expected, fingerprintFlagName, nil, "a fingerprint must begin with these `digits`; repeated for several mnemonics")
	c.Flags().BoolVar(&o.light, "light-kdf", false, "with shares, derive the key cheaply; for tests only")
	passphraseFlag(c, &o.passphraseFile)
	return c
}

func runVaultRestore(ctx context.Context, s *Station, o restoreOptions) error {
	s.warnOnline()
	if _, err := os.Lstat(s.Path(VaultFile)); err == nil {
		return wallet.WithHint(fmt.Errorf("there is %s already", s.Path(VaultFile)), "a home has one vault for ever; --home names another home")
	}
	expected, err := parseExpected(o.expected)
	if err != nil {
		return err
	}
	var row restoreRow
	if o.copy != "" {
		if len(o.shareFiles) > 0 {
			return wallet.As(wallet.ErrUsage, "restore from a copy or from shares, not from both")
		}
		row, err = s.restoreCopy(o, expected)
	} else {
		row, err = s.restoreShares(o, expected)
	}
	if err != nil {
		return err
	}
	if err := s.ensureRecord(ctx, true); err != nil {
		return err
	}
	if err := s.noteVault(row.Fingerprint, "restored the vault"); err != nil {
		return err
	}
	return s.Print(row, func(w io.Writer) {
		fmt.Fprintf(w, "vault        %s\n", row.Path)
		for _, fp := range row.Fingerprints {
			fmt.Fprintf(w, "fingerprint  %s\n", twoLines(fp))
		}
		fmt.Fprintf(w, "imported     %d keys\n", row.Imported)
	})
}

func (s *Station) restoreCopy(o restoreOptions, expected []string) (row restoreRow, err error) {
	if _, err := vault.Stat(o.copy); err != nil {
		return row, err
	}
	passphrase, err := s.Passphrase(o.passphraseFile, "Passphrase of the copy", false)
	if err != nil {
		return row, err
	}
	defer clear(passphrase)
	done := s.Busy(busyVault)
	v, err := vault.Open(o.copy, passphrase)
	done()
	if err != nil {
		return row, err
	}
	defer v.Close()
	row = restoreRow{Fingerprint: v.Fingerprint(), Fingerprints: v.Info().Fingerprints, Path: s.Path(VaultFile)}
	if err := checkExpected(expected, row.Fingerprints); err != nil {
		return row, err
	}
	if _, err := v.Verify(verifiedPerRole); err != nil {
		return row, err
	}
	if row.Imported, err = importedKeys(v); err != nil {
		return row, err
	}
	if err := os.MkdirAll(s.Home, 0o700); err != nil {
		return row, err
	}
	return row, v.Copy(row.Path, nil, vault.KDF{})
}

func (s *Station) restoreShares(o restoreOptions, expected []string) (row restoreRow, err error) {
	gathered, err := s.gatherShares(o.shareFiles)
	if err != nil {
		return row, err
	}
	defer gathered.wipe()
	row.Path = s.Path(VaultFile)
	var entropies [][]byte
	defer func() {
		for _, entropy := range entropies {
			clear(entropy)
		}
	}()
	for _, set := range gathered.sets {
		entropy, err := slip39.Combine(set.shares, nil)
		if err != nil {
			return row, err
		}
		entropies = append(entropies, entropy)
		fp, err := vault.FingerprintOf(entropy)
		if err != nil {
			return row, fmt.Errorf("what the shares hold is no mnemonic: %w", err)
		}
		if set.fingerprint != "" && set.fingerprint != fp.String() {
			return row, wallet.As(wallet.ErrRefused, "the files of the shares name the fingerprint %s, but the shares restore %s", set.fingerprint, fp)
		}
		row.Fingerprints = append(row.Fingerprints, fp)
	}
	row.Fingerprint = row.Fingerprints[0]
	if err := checkExpected(expected, row.Fingerprints); err != nil {
		return row, err
	}
	passphrase, err := s.newPassphrase(o.passphraseFile, passphraseFlagName, "New passphrase of the vault")
	if err != nil {
		return row, err
	}
	defer clear(passphrase)
	if err := os.MkdirAll(s.Home, 0o700); err != nil {
		return row, err
	}
	defer s.Busy(busyVault)()
	kdf, err := chooseKDF(o.light)
	if err != nil {
		return row, err
	}
	_, err = vault.CreateFrom(row.Path, entropies, passphrase, kdf)
	return row, err
}

// parseExpected reads beginnings of fingerprints as people type them.
func parseExpected(typed []string) ([]string, error) {
	var expected []string
	for _, text := range typed {
		digits := strings.ToLower(strings.Join(strings.Fields(text), ""))
		if len(digits) < minExpected {
			return nil, wallet.As(wallet.ErrUsage, "--%s %q: give at least %d digits", fingerprintFlagName, text, minExpected)
		}
		expected = append(expected, digits)
	}
	return expected, nil
}

// checkExpected holds what a backup restores against what was to come out:
// all of that, and nothing else.
func checkExpected(expected []string, got []hd.Fingerprint) error {
	if len(expected) == 0 {
		return nil
	}
	begins := func(fp hd.Fingerprint) func(string) bool {
		return func(digits string) bool { return strings.HasPrefix(fp.String(), digits) }
	}
	for _, fp := range got {
		if !slices.ContainsFunc(expected, begins(fp)) {
			return wallet.WithHint(wallet.As(wallet.ErrRefused, "the backup restores the fingerprint %s, which is not the one that was to come out", fp),
				"nothing was written; is this the backup of another vault?")
		}
	}
	for _, digits := range expected {
		if !slices.ContainsFunc(got, func(fp hd.Fingerprint) bool { return begins(fp)(digits) }) {
			return wallet.As(wallet.ErrRefused, "the backup does not restore the fingerprint %s…, so nothing was written", digits)
		}
	}
	return nil
}

// gatherShares reads shares from files, or has them typed, until each set
// that was begun has enough.
func (s *Station) gatherShares(files []string) (g gathered, err error) {
	s.Protect()
	defer func() {
		if err != nil {
			g.wipe()
		}
	}()
	for _, file := range files {
		share, fingerprint, err := readShare(file)
		if err != nil {
			return g, fmt.Errorf("%s: %w", file, err)
		}
		if err := g.add(share, fingerprint); err != nil {
			return g, fmt.Errorf("%s: %w", file, err)
		}
	}
	if len(files) == 0 {
		err = s.typeShares(&g)
	}
	if err == nil {
		err = g.lack()
	}
	return g, err
}

// typeShares has shares typed until an empty line.
func (s *Station) typeShares(g *gathered) error {
	question := "Type the words of a share, with spaces between them"
	for {
		line, err := s.Ask(question)
		if err != nil {
			return wallet.WithHint(err, "shares are typed at a terminal, or read with --share-file")
		}
		if strings.TrimSpace(line) == "" {
			return s.Show(clearScreen)
		}
		share, err := slip39.Parse([]byte(line))
		if err == nil {
			err = g.add(share, "")
		}
		switch lack := g.lack(); {
		case err != nil:
			question = fmt.Sprintf("This share cannot be taken: %v.\nType it again", err)
		case lack != nil:
			question = fmt.Sprintf("There are not enough yet: %v.\nType the next share", lack)
		default:
			question = "That is enough. Press Enter to go on, or type a share of another mnemonic"
		}
		if err := s.Show(clearScreen); err != nil {
			return err
		}
	}
}

// readShare reads the file of a share: its words, and lines that begin with #,
// one of which may name the fingerprint.
func readShare(path string) (share *slip39.Share, fingerprint string, err error) {
	raw, err := secretfile.ReadSecret(path)
	if err != nil {
		return nil, "", err
	}
	defer clear(raw)
	var words []byte
	for line := range strings.Lines(string(raw)) {
		if fp, ok := strings.CutPrefix(line, shareFingerprint); ok {
			fingerprint = strings.TrimSpace(fp)
		}
		if !strings.HasPrefix(line, "#") {
			words = append(words, line...)
		}
	}
	defer clear(words)
	share, err = slip39.Parse(words)
	return share, fingerprint, err
}

// gathered are the shares that were read, by the set that they are of, in the
// order in which the sets began.
type gathered struct{ sets []*shareSet }

type shareSet struct {
	shares      []*slip39.Share
	fingerprint string // as the files tell, empty if they do not
}

func (g *gathered) add(share *slip39.Share, fingerprint string) error {
	if share.Groups() != 1 {
		return fmt.Errorf("it is of a set of %d groups, and airlock makes sets of one", share.Groups())
	}
	for _, set := range g.sets {
		if !set.shares[0].SameSet(share) {
			continue
		}
		for _, have := range set.shares {
			if have.Number() == share.Number() {
				return fmt.Errorf("share %d was there already", share.Number())
			}
		}
		if set.fingerprint != fingerprint {
			return errors.New("its file names another fingerprint than that of the share before")
		}
		set.shares = append(set.shares, share)
		return nil
	}
	g.sets = append(g.sets, &shareSet{[]*slip39.Share{share}, fingerprint})
	return nil
}

// lack tells what is missing.
func (g *gathered) lack() error {
	if len(g.sets) == 0 {
		return wallet.As(wallet.ErrUsage, "no share was given")
	}
	for _, set := range g.sets {
		if have, want := len(set.shares), set.shares[0].Threshold(); have < want {
			return wallet.As(wallet.ErrUsage, "%d shares, and %d of a set are needed", have, want)
		}
	}
	return nil
}

func (g *gathered) wipe() {
	for _, set := range g.sets {
		for _, share := range set.shares {
			share.Wipe()
		}
	}
}
