package online

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

// TestKeysAreDocumented: docs/formats.md names each member of what the commands for
// outgoing transactions print, and no others.
func TestKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([a-z_]+)`")
	for heading, rows := range map[string][]any{
		"### `build-withdrawals --json`": {builtRow{}, feeRow{}, payout.LeftOut{}, totalRow{}, estimateRow{}, rungRow{}, payerRow{}, fundRow{}},
		"### `confirm --json`":           {confirmResult{}, wayRow{}},
		"### `withdraw show --json`":     {payout.Tracked{}, outgoing.Withdrawal{}},
	} {
		_, section, ok := strings.Cut(string(page), heading+"\n")
		if !ok {
			t.Fatalf("there is no section %s", heading)
		}
		section, _, _ = strings.Cut(section, "\n#")
		told := map[string]bool{}  // anywhere in a table
		named := map[string]bool{} // in its first column
		for line := range strings.Lines(section) {
			cells := strings.SplitN(line, "|", 3)
			if len(cells) < 3 {
				continue
			}
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				told[m[1]] = true
			}
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				named[m[1]] = true
			}
		}
		has := map[string]bool{}
		for _, row := range rows {
			raw, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			var members map[string]any
			if err := json.Unmarshal(raw, &members); err != nil {
				t.Fatal(err)
			}
			for name := range members {
				if has[name] = true; !told[name] {
					t.Errorf("%s does not tell of %s", heading, name)
				}
			}
		}
		for name := range named {
			if !has[name] {
				t.Errorf("%s tells of %s, which is not printed", heading, name)
			}
		}
	}
}
