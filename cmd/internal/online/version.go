package online

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// versionRow says what a program was built from.
type versionRow struct {
	cli.Build
	Schema uint64 `json:"schema"` // of the store
}

func newVersion(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Long:    "Say which version this is, what it was built from, and the version of the store's schema.",
		Example: "  airlock version --json",
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			return s.Print(v, func(w io.Writer) {
				fmt.Fprintf(w, "airlock %s %s\n%s, store schema %d\n", v.Version, v.Revision, v.Go, v.Schema)
			})
		},
	}
}

func readVersion() versionRow { return versionRow{cli.ReadBuild(), store.Version()} }
