package cli

import (
	"runtime"
	"runtime/debug"
)

// Set by the linker in a release, whose bytes must not depend on whether git
// was there when it was built.
var version, revision string

// Build says what a program was built from.
type Build struct {
	Version  string `json:"version"`  // of the module; (devel) where it has no tag
	Revision string `json:"revision"` // of the sources, with + if they were changed; empty if nobody knows
	Go       string `json:"go"`       // the toolchain, as in go1.26.0
}

// ReadBuild says what this program was built from.
func ReadBuild() Build {
	b := Build{Version: "(unknown)", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = info.Main.Version
		changed := ""
		for _, set := range info.Settings {
			switch set.Key {
			case "vcs.revision":
				b.Revision = set.Value
			case "vcs.modified":
				if set.Value == "true" {
					changed = "+"
				}
			}
		}
		b.Revision += changed
	}
	if version != "" {
		b.Version = version
	}
	if revision != "" {
		b.Revision = revision
	}
	return b
}
