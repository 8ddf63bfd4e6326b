package tui

import (
	"fmt"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/review"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
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
	lines := append([]string{}, m.above...)
	if m.page != listPage {
		lines = m.title()
	}
	lines = append(lines, m.body(m.room())...)
	foot := m.foot()
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:min(len(lines), m.height-1)], foot)
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	return lines
}

// room is how many lines are left for the body.
func (m Model) room() int {
	if m.page != listPage {
		return max(m.height-len(m.title())-1, 1)
	}
	return max(m.height-len(m.above)-1, 1)
}

// title is above the pages that are not the list.
func (m Model) title() []string {
	words := "keys"
	switch m.page {
	case itemPage:
		words = fmt.Sprintf("item %d, %s %s", m.selected(), m.report.Rows[m.selected()].Kind, cli.Narrow(m.report.Rows[m.selected()].ID))
	case batchPage:
		words = "batch " + cli.Narrow(m.report.ID)
	}
	return []string{strong.Render(middle(words, m.width)), ""}
}

// minBody is how many lines the head leaves for the list, if it can.
const minBody = 8

// head is the lines above the list: what matters most, then totals and
// warnings, as far as there is room. It is made once for a size of the
// terminal, and only what fits is made: a batch can name thousands of assets.
func (m Model) head() []string {
	r := m.report
	room := max(m.height-1-minBody-1, 1)
	facts := review.Head(r)
	fit := min(room, len(r.Totals))
	facts = append(facts, review.Totals(r.Totals[:fit])...)
	for _, w := range r.Warnings[:min(room, len(r.Warnings))] {
		facts = append(facts, review.Fact{Label: "!", Value: cli.Narrow(w.Text)})
	}
	all := wrap(facts, m.width)
	left := len(r.Totals) - fit + max(len(r.Warnings)-room, 0)
	if len(all)+left > room {
		cut := max(min(len(all), room-1), 0)
		left += len(all) - cut
		all = append(all[:cut:cut], fmt.Sprintf("! %d more lines: b shows them", left))
	}
	for i, line := range all {
		if i == 0 || strings.HasPrefix(line, "!") || strings.HasPrefix(line, "digest") || strings.HasPrefix(line, "verdict") {
			all[i] = strong.Render(line)
		}
	}
	return append(all, m.widths.heading(m.width))
}

// pageLines is the text of a page that scrolls, wrapped to the terminal.
func (m Model) pageLines(p page) []string {
	switch p {
	case itemPage:
		return wrap(review.Item(m.report, m.selected()), m.width)
	case batchPage:
		return wrap(review.Batch(m.report), m.width)
	case helpPage:
		var f review.Facts
		for _, b := range m.keys.all() {
			f = append(f, review.Fact{Label: b.Help().Key, Value: b.Help().Desc})
		}
		f = append(f,
			review.Fact{Label: "ctrl+c", Value: "leave, and break off what would follow"},
			review.Fact{},
			review.Fact{Label: "X", Value: "the item is refused"},
			review.Fact{Label: "!", Value: "look at it twice"},
			review.Fact{Label: "+", Value: "a new recipient: this station never signed for it, and the policy names it"},
			review.Fact{Label: "*", Value: "a recipient never seen: the policy does not name it either"},
		)
		return wrap(f, m.width)
	}
	return nil
}

func (m Model) body(room int) []string {
	if m.page != listPage {
		return m.lines[m.scroll:min(m.scroll+room, len(m.lines))]
	}
	if len(m.shown) == 0 {
		return []string{"  no such item: esc shows all"}
	}
	var lines []string
	for i := m.top; i < len(m.shown) && len(lines) < room; i++ {
		mark, style := "  ", lipgloss.NewStyle()
		if i == m.cursor {
			mark, style = "> ", chosen
		}
		item := m.rowLines(m.shown[i])
		switch {
		case len(lines)+len(item) <= room:
		case i > m.top:
			return lines // an item in part could be taken for another
		default:
			item = append(item[:room-1:room-1], "… enter shows all of it")
		}
		for _, line := range item {
			lines = append(lines, style.Render(mark+line))
			mark = "  "
		}
	}
	return lines
}

func (m Model) foot() string {
	if m.page != listPage {
		where := ""
		if room := m.room(); len(m.lines) > room {
			where = fmt.Sprintf("lines %d to %d of %d   ", m.scroll+1, min(m.scroll+room, len(m.lines)), len(m.lines))
		}
		return where + "esc back   ? help   q leave"
	}
	if m.typing {
		return fmt.Sprintf("/%s_   %d of %d items; enter keeps, esc drops the filter", cli.Narrow(m.filter), len(m.shown), len(m.words))
	}
	where := fmt.Sprintf("%d of %d", min(m.cursor+1, len(m.shown)), len(m.shown))
	if len(m.shown) < len(m.words) {
		where += fmt.Sprintf(" shown, of %d", len(m.words))
	}
	if m.odd {
		where += ", warnings only"
	}
	if m.filter != "" {
		where += ", with /" + cli.Narrow(m.filter)
	}
	if m.sort != byPosition {
		where += ", by " + m.sort.String()
	}
	if m.reverse {
		where += ", reversed"
	}
	return where + "   ? help   enter item   b batch   / find   n next !   q leave"
}

// widths is how wide the columns of the list are; it is measured once.
type widths struct {
	position, kind, amount int
}

func measure(r *signer.Report) widths {
	w := widths{position: len("item"), amount: len("amount")}
	kinds := map[wallet.IntentKind]bool{}
	for i := range r.Rows {
		row := &r.Rows[i]
		w.position = max(w.position, len(fmt.Sprint(row.Position)))
		w.amount = max(w.amount, columns(format(row.Asset, row.Amount)))
		kinds[row.Kind] = true
	}
	if len(kinds) > 1 {
		for k := range kinds {
			w.kind = max(w.kind, len(k))
		}
	}
	return w
}

// marks are the columns between position and kind.
const marks = len("X* ")

const addressWidth = len("0x") + 2*common.AddressLength

// amounts is how wide the amounts may be beside a recipient, and 0 if there is
// no room beside it at all.
func (w widths) amounts(width int) int {
	left := width - len("> ") - w.before() - addressWidth - len("  ")
	return max(min(left, w.amount), 0)
}

// before is what stands before the recipient.
func (w widths) before() int {
	n := w.position + 1 + marks
	if w.kind > 0 {
		n += w.kind + 1
	}
	return n
}

func (w widths) heading(width int) string {
	line := fmt.Sprintf("  %*s %*s", w.position, "item", marks, "")
	if w.kind > 0 {
		line += fmt.Sprintf("%-*s ", w.kind, "kind")
	}
	if n := w.amounts(width); n > len("amount") {
		line += fmt.Sprintf("%-*s  %*s", addressWidth, "recipient", n, "amount")
		if len(line)+len("  id") <= width {
			line += "  id"
		}
	} else {
		line += "recipient, amount, id"
	}
	return ansi.Truncate(line, width, "…")
}

// minID is the room below which an id goes below the recipient.
const minID = 10

// rowLines is an item of the list: one line if it fits, and more if it does not.
// Recipient and amount are never cut off; an id is, in its middle.
func (m Model) rowLines(i int) []string {
	row, item, w := &m.report.Rows[i], &m.report.Items[i], m.widths
	width := m.width - len("> ")
	refused, fresh := " ", " "
	switch {
	case len(item.Refusals) > 0:
		refused = "X"
	case len(item.Warnings) > 0:
		refused = "!"
	}
	switch item.Standing {
	case signer.StandingUnseen:
		fresh = "*"
	case signer.StandingListed:
		fresh = "+"
	}
	line := fmt.Sprintf("%*d %s%s ", w.position, row.Position, refused, fresh)
	if w.kind > 0 {
		line += fmt.Sprintf("%-*s ", w.kind, row.Kind)
	}
	to, amount, id := row.Recipient.Hex(), format(row.Asset, row.Amount), cli.Narrow(row.ID)
	if room := w.amounts(m.width); columns(amount) <= room {
		line += fmt.Sprintf("%s  %*s", to, room, amount)
		if left := width - columns(line) - len("  "); left >= min(columns(id), minID) {
			line += "  " + middle(id, left)
		}
		return []string{line}
	}
	indent := w.before()
	if width-indent < minValue {
		indent = min(2, max(width-1, 0))
	}
	room := max(width-indent, 1)
	pad := strings.Repeat(" ", indent)
	var lines []string
	if indent < w.before() {
		lines = broken(strings.TrimRight(line, " "), max(width, 1))
		line = pad
	}
	for _, part := range broken(to, room) {
		lines = append(lines, line+part)
		line = pad
	}
	parts := broken(amount, room)
	last := &parts[len(parts)-1]
	if left := room - columns(*last) - len("  "); left >= min(columns(id), minID) {
		*last += "  " + middle(id, left)
	}
	for _, part := range parts {
		lines = append(lines, pad+part)
	}
	return lines
}

// middle cuts text in its middle to a width.
func middle(text string, width int) string {
	if columns(text) <= width {
		return text
	}
	runes, width := []rune(text), max(width, 1)
	front := (width - 1) / 2
	return string(runes[:front]) + "…" + string(runes[len(runes)-(width-1-front):])
}

// columns is how many columns text takes, of which every character takes one.
func columns(text string) int { return utf8.RuneCountInString(text) }

// format writes an amount with its symbol.
func format(a wallet.Asset, n wallet.Amount) string { return cli.Narrow(a.Format(n)) }
