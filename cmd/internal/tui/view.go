package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Emphasis that does without color, for terminals and eyes that have none.
var (
	strong = lipgloss.NewStyle().Bold(true)
	chosen = lipgloss.NewStyle().Reverse(true)
)

// View implements tea.Model.
func (m Model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "airlock review"
	return v
}

// screen is the lines of the terminal: as many as it is high, none wider than
// it.
func (m Model) screen() []string {
	head := m.head()
	body := m.body(m.room())
	foot := m.foot()
	lines := append(head, body...)
	for len(lines)+len(foot) < m.height {
		lines = append(lines, "")
	}
	lines = append(lines, foot...)
	lines = lines[:min(len(lines), m.height)]
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	return lines
}

// room is how many lines are left for the body.
func (m Model) room() int { return max(m.height-len(m.head())-len(m.foot()), 1) }

// minBody is how many lines the head leaves for the list, if it can.
const minBody = 8

func (m Model) head() []string {
	switch m.page {
	case itemPage:
		r := m.report.Rows[m.selected()]
		return []string{strong.Render(fmt.Sprintf("item %d of batch %s", r.Position, cli.Clean(m.report.ID))), ""}
	case batchPage:
		return []string{strong.Render("batch " + cli.Clean(m.report.ID)), ""}
	case helpPage:
		return []string{strong.Render("keys"), ""}
	}
	s := m.report
	digest := groups(s.Digest)
	lines := []string{
		strong.Render("batch   "+cli.Clean(s.ID)) + fmt.Sprintf("  %s, chain %d, %s", cli.Clean(s.Kind), s.ChainID, signedWords(s)),
		"digest  " + strong.Render(strings.Join(digest[:min(8, len(digest))], " ")),
		"        " + strong.Render(strings.Join(digest[min(8, len(digest)):], " ")),
		"expires " + s.ExpiresAt.UTC().Format("2006-01-02 15:04:05 UTC"),
		fmt.Sprintf("items   %d to %s", len(s.Rows), count(s.Recipients, "recipient", "different recipients")),
		"fees    at worst " + format(s.Coin, s.WorstFee),
	}
	// Only what fits is made: a batch can name thousands of assets, and this
	// runs with every key.
	all := len(s.Totals) + len(s.Warnings)
	room := max(m.height-len(lines)-len(m.foot())-1-minBody, 1)
	fit := all
	if all > room {
		fit = room - 1
	}
	more := totalLines(s.Totals[:min(fit, len(s.Totals))])
	for _, w := range s.Warnings[:max(fit-len(s.Totals), 0)] {
		more = append(more, strong.Render("! "+cli.Clean(w.Text)))
	}
	if all > fit {
		more = append(more, strong.Render(fmt.Sprintf("! %d more lines of totals and warnings: b shows them", all-fit)))
	}
	return append(append(lines, more...), m.columns.heading(m.width))
}

func (m Model) body(room int) []string {
	if m.page != listPage {
		return m.lines[m.scroll:min(m.scroll+room, len(m.lines))]
	}
	if len(m.shown) == 0 {
		return []string{"  no item has these words"}
	}
	var lines []string
	for i := m.top; i < min(m.top+room, len(m.shown)); i++ {
		line := m.columns.row(m.report.Rows[m.shown[i]], m.report.Items[m.shown[i]].Standing.New(), m.width)
		if i == m.cursor {
			lines = append(lines, chosen.Render(ansi.Truncate("> "+line, m.width, "…")))
			continue
		}
		lines = append(lines, "  "+line)
	}
	return lines
}

func (m Model) foot() []string {
	if m.page != listPage {
		where := ""
		if room := max(m.height-3, 1); len(m.lines) > room {
			where = fmt.Sprintf("lines %d to %d of %d   ", m.scroll+1, min(m.scroll+room, len(m.lines)), len(m.lines))
		}
		return []string{where + "esc back   ? help   q leave"}
	}
	where := fmt.Sprintf("%d of %d", min(m.cursor+1, len(m.shown)), len(m.shown))
	switch {
	case m.typing:
		return []string{fmt.Sprintf("/%s_   %d of %d items; enter keeps, esc drops the filter", cli.Clean(m.filter), len(m.shown), len(m.words))}
	case m.filter != "":
		return []string{fmt.Sprintf("%s with /%s, of %d   esc all   enter item   ? help   q leave", where, cli.Clean(m.filter), len(m.words))}
	}
	return []string{where + "   enter item   b batch   / filter   ? help   q leave"}
}

// columns is how wide the columns of the list are; it is measured once.
type columns struct {
	position, kind, amount int
}

// maxAmount bounds the amount column; longer amounts lose digits after the
// point, and show that they do.
const maxAmount = 26

func measure(s *signer.Report) columns {
	c := columns{position: len("item"), amount: len("amount")}
	kinds := map[wallet.IntentKind]bool{}
	for _, r := range s.Rows {
		c.position = max(c.position, len(fmt.Sprint(r.Position)))
		c.amount = min(max(c.amount, ansi.StringWidth(format(r.Asset, r.Amount))), maxAmount)
		kinds[r.Kind] = true
	}
	if len(kinds) > 1 {
		for k := range kinds {
			c.kind = max(c.kind, len(k))
		}
	}
	return c
}

func (c columns) heading(width int) string {
	line := fmt.Sprintf("  %*s ", c.position, "item")
	if c.kind > 0 {
		line += fmt.Sprintf("%-*s ", c.kind, "kind")
	}
	line += fmt.Sprintf("  %-42s  %*s", "recipient", c.amount, "amount")
	if c.id(width) {
		line += "  id"
	}
	return ansi.Truncate(line, width, "…")
}

// minID is the width below which the list goes without ids.
const minID = 8

// id reports whether a terminal of that width has room for ids.
func (c columns) id(width int) bool {
	taken := len("> ") + c.position + 1 + len("* ") + 2*common.AddressLength + 2 + 2 + c.amount + 2
	if c.kind > 0 {
		taken += c.kind + 1
	}
	return width-taken >= minID
}

// row is a line of the list. A recipient that the station never signed for
// before has an asterisk.
func (c columns) row(r batch.Row, fresh bool, width int) string {
	line := fmt.Sprintf("%*d ", c.position, r.Position)
	if c.kind > 0 {
		line += fmt.Sprintf("%-*s ", c.kind, cli.Clean(string(r.Kind)))
	}
	mark := " "
	if fresh {
		mark = "*"
	}
	amount := shorten(r.Asset, r.Amount, c.amount)
	pad := strings.Repeat(" ", max(c.amount-ansi.StringWidth(amount), 0))
	line += mark + " " + r.Recipient.Hex() + "  " + pad + amount
	if c.id(width) {
		line += "  " + cli.Clean(r.ID)
	}
	return ansi.Truncate(line, max(width-len("> "), 0), "…")
}

// format writes an amount with its symbol.
func format(a wallet.Asset, n wallet.Amount) string { return cli.Clean(a.Format(n)) }

// shorten writes an amount within a width. What does not fit is cut off the
// digits after the point, never off those before it.
func shorten(a wallet.Asset, n wallet.Amount, width int) string {
	whole := format(a, n)
	over := ansi.StringWidth(whole) - width
	if over <= 0 {
		return whole
	}
	number, symbol, _ := strings.Cut(whole, " ")
	point := strings.IndexByte(number, '.')
	if keep := len(number) - over - 1; point >= 0 && keep > point {
		return number[:keep] + "… " + symbol
	}
	return whole
}

// groups splits hex digits into groups of four.
func groups(digits string) []string {
	var list []string
	for ; len(digits) > 4; digits = digits[4:] {
		list = append(list, digits[:4])
	}
	return append(list, digits)
}

func signedWords(s *signer.Report) string {
	if s.Signed == nil {
		return "unsigned"
	}
	return "signed"
}

func totalLines(totals []batch.Total) []string {
	var lines []string
	for _, t := range totals {
		lines = append(lines, fmt.Sprintf("total   %s in %s (%s)", strong.Render(format(t.Asset, t.Amount)), count(t.Items, "item", "items"), cli.Clean(string(t.Kind))))
	}
	return lines
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
