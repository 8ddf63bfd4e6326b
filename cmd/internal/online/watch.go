package online

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

func newWatch(s *Station) *cobra.Command {
	return cli.Group("watch", "Manage what the home knows of the vault", newWatchImport(s))
}

func newWatchImport(s *Station) *cobra.Command {
	var (
		fingerprint string
		float       bool
	)
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a vault's extended public keys",
		Long: `Import the watch file of a vault: the extended public keys from which this
home derives all of its addresses.

The file may have been exchanged on its way, and every deposit would then go to
somebody else. So the fingerprint is wanted as the signing station shows it: it
is typed here, or given with --fingerprint. A home has one watch file for ever.

The first payout, gas and treasury addresses are made at once.

With --float the file is of a second vault, whose keys are on this station: small
withdrawals are paid from its first payout address and signed here. It is another
vault than the one of the home, and a home has one float for ever. What lies on
it belongs to whoever controls this station: docs/operations.md tells how much to
put there.`,
		Example: `  airlock watch import watch.json
  airlock watch import --float float-watch.json
  airlock watch import watch.json --fingerprint "$(cat fingerprint-as-read-aloud)"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runWatchImport(c.Context(), s, args[0], fingerprint, float)
		},
	}
	c.Flags().StringVar(&fingerprint, "fingerprint", "", "the vault's fingerprint, 64 `hex` digits, from the signing station's screen")
	c.Flags().BoolVar(&float, "float", false, "it is the vault of the float, whose keys are on this station")
	return c
}

func runWatchImport(ctx context.Context, s *Station, path, typed string, float bool) error {
	// Looked at first, so that nobody types 64 digits for nothing.
	if _, err := s.Book().Watch(ctx); err != nil && (float || !isNoWatch(err)) {
		return err
	}
	question, hint := "Type the vault's fingerprint as the signing station shows it", "give --fingerprint, as read from the signing station's screen"
	if float {
		question, hint = "Type the fingerprint that vault create showed on this station", "give --fingerprint, as airlock vault accounts shows it"
	}
	w, err := readWatchFile(path)
	if err != nil {
		return err
	}
	if typed == "" {
		if typed, err = s.Ask(question); err != nil {
			return wallet.WithHint(err, "%s", hint)
		}
	}
	want, err := hd.ParseFingerprint(typed)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	if have := w.Fingerprint(); have != want {
		return wallet.WithHint(
			wallet.As(wallet.ErrRefused, "%s is of another vault: its fingerprint is %s, and %s was given", path, have, want),
			"read the fingerprint on the signing station again (airlock-signer vault accounts); if it is the same, the file was exchanged on its way")
	}
	made, roles, err := []wallet.Address(nil), wallet.Roles(), error(nil)
	if float {
		made, roles = make([]wallet.Address, 1), []wallet.Role{wallet.FloatRole}
		made[0], err = s.Book().ImportFloat(ctx, w)
	} else {
		made, err = s.Book().ImportWatch(ctx, w)
	}
	if err != nil {
		return err
	}
	result := struct {
		Fingerprint hd.Fingerprint `json:"fingerprint"`
		Roles       []wallet.Role  `json:"roles"`
		Addresses   []addressRow   `json:"addresses"`
	}{w.Fingerprint(), roles, addressRows(made)}
	return s.Print(result, func(w io.Writer) {
		fmt.Fprintf(w, "vault %s\n", result.Fingerprint.Grouped())
		printAddresses(s, w, result.Addresses)
	})
}

func readWatchFile(path string) (*hd.Watch, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const limit = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > limit {
		return nil, wallet.As(wallet.ErrRefused, "%s: longer than %d bytes: not a watch file", path, limit)
	}
	w, err := hd.DecodeWatch(raw)
	if err != nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrRefused, "%s: %w", path, err), "export it again on the signing station: airlock-signer vault export-watch")
	}
	return w, nil
}
