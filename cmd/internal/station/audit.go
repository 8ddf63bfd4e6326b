package station

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

func newAudit(s *Station) *cobra.Command {
	return cli.Group("audit", "Look at everything that happened on the station", newAuditVerify(s), newAuditExport(s))
}

// auditRecord is the record of the home. Looking at it never begins one.
func (s *Station) auditRecord() (*bolt.DB, error) {
	if !s.hasRecord() {
		return nil, wallet.WithHint(wallet.As(wallet.ErrNotFound, "there is no signing record %s", s.Path(signer.RecordFile)),
			"restore it from its newest backup; --home or $%s names another home", cli.HomeVariable)
	}
	return s.record(), nil
}

type auditVerifyRow struct {
	Entries uint64                 `json:"entries"`
	Rows    uint64                 `json:"rows"`
	Kinds   map[signer.Kind]uint64 `json:"kinds"`
	Head    string                 `json:"head"`
	First   *time.Time             `json:"first"` // null for an empty record
	Last    *time.Time             `json:"last"`
	At      *signer.Entry          `json:"at"` // whose head was asked for
}

func newAuditVerify(s *Station) *cobra.Command {
	var head string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove that nothing in the signing record was changed",
		Long: `Read the whole signing record: that its entries form one chain, that it holds
just what they commit to, and that nothing was taken out or put in. What does not
fit is named by its first entry, with the exit code 3.

Whoever can write the file could write all of it anew, and it would be whole in
itself. A head that was kept elsewhere finds that: on paper, in the record_head of a
signed batch, or in an export. With --head, the record must have had that head.`,
		Example: `  airlock-signer audit verify
  airlock-signer audit verify --head 84513db946bf…`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			record, err := s.auditRecord()
			if err != nil {
				return err
			}
			v, err := signer.Verify(c.Context(), record, head)
			if err != nil {
				return err
			}
			row := auditVerifyRow{Entries: v.Entries, Rows: v.Rows, Kinds: v.Kinds, Head: v.Head, At: v.At}
			if v.Entries > 0 {
				row.First, row.Last = &v.From, &v.To
			}
			return s.Print(row, func(w io.Writer) { printAuditVerify(w, row) })
		},
	}
	c.Flags().StringVar(&head, "head", "", "a `head` that the record must have had")
	return c
}

func printAuditVerify(w io.Writer, row auditVerifyRow) {
	fmt.Fprintf(w, "entries  %d, which commit to %d rows\n", row.Entries, row.Rows)
	if row.Entries == 0 {
		return
	}
	fmt.Fprintf(w, "time     %s to %s\n", row.First.Format(time.RFC3339), row.Last.Format(time.RFC3339))
	for _, kind := range signer.Kinds() {
		if n := row.Kinds[kind]; n > 0 {
			fmt.Fprintf(w, "         %d × %s\n", n, kind)
		}
	}
	fmt.Fprintf(w, "head     %s\n", row.Head)
	if row.At != nil {
		fmt.Fprintf(w, "found    the head asked for is that after entry %d (%s, %s)\n", row.At.Sequence, row.At.Kind, row.At.At.Format(time.RFC3339))
	}
}

// auditRow is an entry as it is exported: what is hashed, and the head after it.
type auditRow struct {
	Entry signer.Entry `json:"entry"`
	Head  string       `json:"head"`
}

type auditExportRow struct {
	Entries int    `json:"entries"`
	Path    string `json:"path"`
}

func newAuditExport(s *Station) *cobra.Command {
	var out, from, to string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write what happened as JSON lines",
		Long: `Write the entries of the signing record, oldest first, one JSON object a line:
the entry, and the head of the chain after it. With --json it is one document, a
list of them. There are no secrets in it, but who was paid when.

--from and --to take a day, which belongs to the export, or a time (RFC 3339).
Both are in UTC and mean the station's time.`,
		Example: `  airlock-signer audit export -o audit.jsonl
  airlock-signer audit export --from 2026-03-01 --to 2026-03-31 | grep refusal`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			since, until, err := auditTimes(from, to)
			if err != nil {
				return err
			}
			rows, err := s.auditRows(c.Context(), since, until)
			if err != nil {
				return err
			}
			if out == "" {
				return s.printAudit(rows)
			}
			var file bytes.Buffer
			inFile := *s.Env
			inFile.Out, inFile.OutTerminal, inFile.JSON = &file, false, false
			if err := (&Station{Env: &inFile}).printAudit(rows); err != nil {
				return err
			}
			if err := secretfile.Create(out, file.Bytes()); err != nil {
				return err
			}
			return s.Print(auditExportRow{len(rows), out}, func(w io.Writer) {
				fmt.Fprintf(w, "entries  %d\nfile     %s\n", len(rows), cli.Clean(out))
			})
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write to this `file`")
	c.Flags().StringVar(&from, "from", "", "begin with this `time`")
	c.Flags().StringVar(&to, "to", "", "end before this `time`, or with this day")
	return c
}

// auditTimes reads the bounds of an export; until is zero for no bound.
func auditTimes(from, to string) (since, until time.Time, err error) {
	read := func(flag, text string, days int) (time.Time, error) {
		if text == "" {
			return time.Time{}, nil
		}
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t.AddDate(0, 0, days), nil
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			err = wallet.As(wallet.ErrUsage, "%s=%.40q: want a day such as 2026-03-01 or a time such as 2026-03-01T12:00:00Z", flag, text)
		}
		return t, err
	}
	if since, err = read("--from", from, 0); err != nil {
		return since, until, err
	}
	until, err = read("--to", to, 1)
	return since, until, err
}

func (s *Station) auditRows(ctx context.Context, since, until time.Time) ([]auditRow, error) {
	record, err := s.auditRecord()
	if err != nil {
		return nil, err
	}
	var rows []auditRow
	err = record.View(ctx, func(tx store.Tx) error {
		rows = []auditRow{}
		return signer.Entries(tx, func(e signer.Entry, head string) error {
			if !e.At.Before(since) && (until.IsZero() || e.At.Before(until)) {
				rows = append(rows, auditRow{e, head})
			}
			return nil
		})
	})
	return rows, err
}

// printAudit prints one document with --json, else one a line.
func (s *Station) printAudit(rows []auditRow) error {
	if s.JSON {
		return s.Print(rows, nil)
	}
	line := *s.Env
	line.JSON, line.OutTerminal = true, false
	for _, r := range rows {
		if err := line.Print(r, nil); err != nil {
			return err
		}
	}
	return nil
}
