package station

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

func newVaultExportWatch(s *Station) *cobra.Command {
	var out, passphraseFile, digits string
	c := &cobra.Command{
		Use:   "export-watch -o FILE",
		Short: "Write the public keys that the online station derives addresses from",
		Long: `Write the watch file: the extended public keys of the four roles. With it the
online station derives every address, and can sign nothing.

The file is not secret, but whoever has it sees all addresses and balances. It
must arrive unchanged: the online station asks for the fingerprint that this
command shows. Where the vault has several mnemonics, each has a watch file of
its own, for an online home of its own: --fingerprint says which one.`,
		Example: `  airlock-signer vault export-watch -o watch.json
  airlock-signer vault export-watch -o second.json --fingerprint 91b223ed`,
		RunE: func(*cobra.Command, []string) error {
			v, err := s.openVault(passphraseFile)
			if err != nil {
				return err
			}
			defer v.Close()
			keys, err := chooseKeys(v, digits)
			if err != nil {
				return err
			}
			file, err := keys.Watch().Encode()
			if err != nil {
				return err
			}
			if err := s.noteVault(keys.Fingerprint(), "lets out the watch file"); err != nil {
				return err
			}
			if err := secretfile.Create(out, file); err != nil {
				return err
			}
			return s.Print(fingerprintRow{keys.Fingerprint(), out}, func(w io.Writer) {
				fmt.Fprintf(w, "watch file   %s\nfingerprint  %s\n", cli.Clean(out), twoLines(keys.Fingerprint()))
			})
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	_ = c.MarkFlagRequired("output") // it exists
	fingerprintFlag(c, &digits)
	passphraseFlag(c, &passphraseFile)
	return c
}
