package review

import (
	"fmt"
	"io"
	"strings"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
)

// Text writes a report as plain text, for pipes and for readers of screens: one
// fact a line, the batch first, then its items. Nothing is cut off.
func Text(w io.Writer, r *signer.Report) {
	Batch(r).write(w, "")
	for i := range r.Rows {
		fmt.Fprintf(w, "\nitem %d, %s %s\n", i, r.Rows[i].Kind, cli.Narrow(r.Rows[i].ID))
		Item(r, i).write(w, "  ")
	}
}

const labelWidth = 14

func (f Facts) write(w io.Writer, indent string) {
	for _, fact := range f {
		label := fact.Label
		line := func(value string) {
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s%-*s%s", indent, labelWidth, label, value), " "))
			label = ""
		}
		if fact.Blocks == nil {
			line(fact.Value)
		}
		for b := fact.Blocks; len(b) > 0; b = b[min(2, len(b)):] {
			line(strings.Join(b[:min(2, len(b))], "  "))
		}
	}
}
