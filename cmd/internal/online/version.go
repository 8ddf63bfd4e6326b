package online

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet/store"
)

// versionRow says what a program was built from.
type versionRow struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the sources, with + if they were changed
	Go       string `json:"go"`
	Schema   uint64 `json:"schema"` // of the store
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

func readVersion() versionRow {
	v := versionRow{Version: "(unknown)", Go: runtime.Version(), Schema: store.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	changed := ""
	for _, set := range info.Settings {
		switch set.Key {
		case "vcs.revision":
			v.Revision = set.Value
		case "vcs.modified":
			if set.Value == "true" {
				changed = "+"
			}
		}
	}
	v.Revision += changed
	return v
}
