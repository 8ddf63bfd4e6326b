package station

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

func newVaultAddMnemonic(s *Station) *cobra.Command {
	var mnemonicFile, passphraseFile string
	c := &cobra.Command{
		Use:   "add-mnemonic",
		Short: "Take further words into the vault",
		Long: `Take one more mnemonic into the vault's file: new words, shown on the terminal
alone, or with --mnemonic-file those that somebody wrote down.

Each mnemonic has a fingerprint, roles, addresses and a watch file of its own,
and so an online home of its own. A batch names the fingerprint whose keys sign
it; policy and signing record of this home hold for all of them. The first
mnemonic's fingerprint stays that of the vault. A mnemonic that the vault has
already is refused.`,
		Example: `  airlock-signer vault add-mnemonic
  airlock-signer vault add-mnemonic --mnemonic-file words --passphrase-file passphrase`,
		RunE: func(*cobra.Command, []string) error {
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			mnemonic, err := s.mnemonic(mnemonicFile)
			if err != nil {
				return err
			}
			defer clear(mnemonic)
			if err := s.noteVault(v.Fingerprint(), "takes a mnemonic into the vault"); err != nil {
				return err
			}
			keys, err := v.AddMnemonic(mnemonic)
			if errors.Is(err, vault.ErrDuplicate) {
				err = wallet.WithHint(wallet.As(wallet.ErrRefused, "%w", err), "vault accounts lists what the vault has")
			}
			if err != nil {
				return err
			}
			if mnemonicFile != "" {
				s.Note("if these words ever signed elsewhere, the signing record of this home does not know of it")
			}
			return s.Print(fingerprintRow{keys.Fingerprint(), v.Path()}, func(w io.Writer) {
				fmt.Fprintf(w, "vault        %s\nfingerprint  %s\n", v.Path(), twoLines(keys.Fingerprint()))
			})
		},
	}
	c.Flags().StringVar(&mnemonicFile, "mnemonic-file", "", "take the words in this `file`")
	passphraseFlag(c, &passphraseFile)
	return c
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
	const warning = "\nThese words are the keys. Whoever reads them has the funds; who loses them, not.\n\n"
	if err := s.showWords(warning+wordSheet(words), "Write the words down, then type %s", "the words that were shown are of no vault: destroy what was written down"); err != nil {
		clear(words)
		return nil, wallet.WithHint(err, "new words are shown on a terminal and nowhere else; --mnemonic-file restores a vault without one")
	}
	return words, nil
}

// clearScreen clears the terminal and what it kept above the screen.
const clearScreen = "\x1b[H\x1b[2J\x1b[3J"

// wordsWritten is what somebody types who has written words down. Enter alone
// would not do: it is what people press who wait for the vault to open, and
// nothing shows these words a second time.
const wordsWritten = "written"

// showWords shows a sheet on the terminal until somebody has written it down,
// and clears the screen then, whatever happens. The question has a place for
// what to type; lost tells, where nobody answers, what the words are worth.
func (s *Station) showWords(sheet, question, lost string) error {
	if err := s.Show(sheet); err != nil {
		return err
	}
	for {
		typed, err := s.Ask(fmt.Sprintf(question, wordsWritten))
		if err != nil {
			err = errors.Join(err, s.Show(clearScreen))
			s.Note("%s", lost)
			return err
		}
		if strings.EqualFold(strings.TrimSpace(typed), wordsWritten) {
			return s.Show(clearScreen)
		}
	}
}

// wordSheet lays words out with their numbers, four in a line.
func wordSheet(words []byte) string {
	var sheet strings.Builder
	for i, word := range strings.Fields(string(words)) {
		fmt.Fprintf(&sheet, "%4d %-10s", i+1, word)
		if i%4 == 3 {
			sheet.WriteByte('\n')
		}
	}
	sheet.WriteByte('\n')
	return sheet.String()
}
