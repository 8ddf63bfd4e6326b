package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// RiskFlag gives a command the flag that names risks, of which it knows these.
// A risk is named and not just confirmed, so that a script which accepts one
// accepts no other.
func RiskFlag(c *cobra.Command, into *[]string, known ...string) {
	c.Flags().StringSliceVar(into, "accept-risk", nil, "go on in spite of a `risk`, which is named: "+strings.Join(known, ", "))
}
