package station

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// versionRow says what the program was built from.
type versionRow struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Schema   uint64 `json:"schema"` // of the store
	Batch    int    `json:"batch"`  // version of the batch files it reads
}

func newVersion(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Long:    "Say which version this is, what it was built from, and which files it reads.",
		Example: "  airlock-signer version --json",
		RunE: func(*cobra.Command, []string) error {
			v := versionRow{Version: "(unknown)", Go: runtime.Version(), Schema: store.Version(), Batch: batch.Version}
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Version = info.Main.Version
				for _, set := range info.Settings {
					if set.Key == "vcs.revision" {
						v.Revision = set.Value
					}
				}
			}
			return s.Print(v, func(w io.Writer) {
				fmt.Fprintf(w, "airlock-signer %s %s\n%s, store schema %d, batch version %d\n", v.Version, v.Revision, v.Go, v.Schema, v.Batch)
			})
		},
	}
}
