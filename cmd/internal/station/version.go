package station

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// versionRow says what the program was built from.
type versionRow struct {
	cli.Build
	Schema uint64 `json:"schema"` // of the store
	Batch  int    `json:"batch"`  // version of the batch files it reads
}

func newVersion(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Long: `Say which version this is, what it was built from, and which files it reads.

A release is reproducible: make release in the sources of that revision, with
that version of Go, makes the same bytes.`,
		Example: "  airlock-signer version --json",
		RunE: func(*cobra.Command, []string) error {
			v := versionRow{cli.ReadBuild(), store.Version(), batch.Version}
			return s.Print(v, func(w io.Writer) {
				fmt.Fprintf(w, "airlock-signer %s %s\n%s, store schema %d, batch version %d\n", v.Version, v.Revision, v.Go, v.Schema, v.Batch)
			})
		},
	}
}
