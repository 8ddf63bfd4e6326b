package cli

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Table is rows of columns. In a pipe, for cut and awk, they have one tab between
// them and no heading. On a terminal they are aligned under a heading, columns in
// which nothing stands are left out, and a table that is too wide is folded.
type Table struct {
	w        io.Writer
	terminal bool
	width    int // of the terminal; 0 if it is not known
	heading  []string
	rows     [][]string // that wait for Close
}

// tableGap is between two columns on a terminal.
const tableGap = 2

// Table begins a table on w, which is the writer that Print hands out. Close
// ends it.
func (e *Env) Table(w io.Writer, columns ...string) *Table {
	return &Table{w: w, terminal: e.OutTerminal, width: e.OutColumns, heading: columns}
}

// Row adds a row, of as many cells as there are columns. Cells are written as fmt
// does, and cleaned.
func (t *Table) Row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = Clean(fmt.Sprint(c))
	}
	if t.terminal {
		t.rows = append(t.rows, text)
		return
	}
	fmt.Fprintln(t.w, strings.Join(text, "\t"))
}

// Close writes what is held back for alignment.
func (t *Table) Close() {
	if !t.terminal {
		return
	}
	t.dropEmpty()
	widths := t.widths()
	if t.width > 0 && lineWidth(widths) > t.width {
		t.shortenHashes()
		widths = t.widths()
	}
	kept := len(widths)
	for t.width > 0 && kept > 1 && lineWidth(widths[:kept]) > t.width {
		kept--
	}
	t.line(widths, t.heading[:kept])
	for _, row := range t.rows {
		t.line(widths, row[:kept])
		t.below(t.heading[kept:], row[kept:])
	}
}

// tableBelow is before what stands below a row.
const tableBelow = "    "

// below writes the cells of a row that have no room in its line, as many to a line
// as fit.
func (t *Table) below(heading, cells []string) {
	line := ""
	for i, cell := range cells {
		if cell == "" {
			continue
		}
		part := strings.ToLower(heading[i]) + " " + cell
		if line != "" && ansi.StringWidth(tableBelow+line+", "+part) > t.width {
			fmt.Fprintf(t.w, "%s%s\n", tableBelow, line)
			line = ""
		}
		if line != "" {
			line += ", "
		}
		line += part
	}
	if line != "" {
		fmt.Fprintf(t.w, "%s%s\n", tableBelow, line)
	}
}

// dropEmpty leaves out columns that are empty in every row.
func (t *Table) dropEmpty() {
	for i := len(t.heading) - 1; i > 0 && len(t.rows) > 0; i-- {
		if slices.ContainsFunc(t.rows, func(row []string) bool { return row[i] != "" }) {
			continue
		}
		t.heading = slices.Delete(slices.Clone(t.heading), i, i+1)
		for n, row := range t.rows {
			t.rows[n] = slices.Delete(row, i, i+1)
		}
	}
}

var hashCell = regexp.MustCompile(`^0x[0-9a-f]{64}$`)

// shortenHashes cuts cells that are hashes of transactions. Addresses stay whole:
// people compare them.
func (t *Table) shortenHashes() {
	for _, row := range t.rows {
		for i, cell := range row {
			if hashCell.MatchString(cell) {
				row[i] = cell[:10] + "…"
			}
		}
	}
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.heading))
	for i := range widths {
		widths[i] = ansi.StringWidth(t.heading[i])
		for _, row := range t.rows {
			widths[i] = max(widths[i], ansi.StringWidth(row[i]))
		}
	}
	return widths
}

// lineWidth is that of a line with columns of these widths.
func lineWidth(widths []int) int {
	n := -tableGap
	for _, w := range widths {
		n += w + tableGap
	}
	return n
}

// line writes cells in columns of their widths.
func (t *Table) line(widths []int, cells []string) {
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		if i < len(cells)-1 {
			cell += strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+tableGap)
		}
		fmt.Fprint(t.w, cell)
	}
	fmt.Fprintln(t.w)
}
