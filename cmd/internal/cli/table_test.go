package cli

import (
	"io"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"terminal", true, "NAME   N\nalice  1\n漢     2\n-      \\u202e22\n"},
		{"pipe", false, "alice\t1\t\n漢\t2\t\n\t\\u202e22\t\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, out, _ := Test("")
			env.OutTerminal = c.terminal
			if err := env.Print(nil, func(w io.Writer) {
				table := env.Table(w, "NAME", "N", "EMPTY")
				table.Row("alice", 1, "")
				table.Row("漢", 2, "")
				table.Row("", "\u202e22", "")
				table.Close()
			}); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("printed %q, want %q", out, c.want)
			}
		})
	}
}

// TestTableFolds: a table that is too wide for a terminal loses parts of hashes
// first, then its last columns go below the rows; addresses stay whole.
func TestTableFolds(t *testing.T) {
	hash := "0x" + strings.Repeat("ab", 32)
	to := "0x8C8d35429F74ec245F8Ef2f4Fd1e551cFF97d650"
	for _, c := range []struct {
		columns int
		want    string
	}{
		{0, "ID   TO                                          TRANSACTION                                                         REASON\n" +
			"w-1  " + to + "  " + hash + "  because\n" +
			"w-2  " + to + "  -                                                                   -\n"},
		{80, "ID   TO                                          TRANSACTION  REASON\n" +
			"w-1  " + to + "  0xabababab…  because\n" +
			"w-2  " + to + "  -            -\n"},
		{60, "ID   TO                                          TRANSACTION\n" +
			"w-1  " + to + "  0xabababab…\n    reason because\n" +
			"w-2  " + to + "  -\n"},
		{46, "ID\n" +
			"w-1\n    to " + to + "\n    transaction 0xabababab…, reason because\n" +
			"w-2\n    to " + to + "\n"},
	} {
		env, out, _ := Test("")
		env.OutTerminal, env.OutColumns = true, c.columns
		if err := env.Print(nil, func(w io.Writer) {
			table := env.Table(w, "ID", "TO", "TRANSACTION", "REASON")
			table.Row("w-1", to, hash, "because")
			table.Row("w-2", to, "", "")
			table.Close()
		}); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("with %d columns printed\n%s\nwant\n%s", c.columns, out, c.want)
		}
	}
}
