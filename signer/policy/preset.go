package policy

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
)

//go:embed strict.toml
var strict []byte

//go:embed float.toml
var float []byte

//go:embed open.toml
var open []byte

// Presets are the names that Preset knows.
func Presets() []string { return []string{"strict", "float", "open"} }

// Preset returns a policy to start from: strict and float allow nothing
// until they are filled in, open limits nothing.
func Preset(name string) ([]byte, error) {
	switch name {
	case "strict":
		return slices.Clone(strict), nil
	case "float":
		return slices.Clone(float), nil
	case "open":
		return slices.Clone(open), nil
	}
	return nil, wallet.As(wallet.ErrUsage, "preset %q: want %s", name, strings.Join(Presets(), ", "))
}
