package tui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/airlock-wallet/airlock/signer"
)

// page is what fills the screen.
type page int

const (
	listPage page = iota
	itemPage
	batchPage
	helpPage
)

// Model is the review of a batch: a list of its items with totals above it,
// and pages that tell everything about an item or the batch.
type Model struct {
	report *signer.Report
	keys   keyMap
	widths widths
	words  []string // per row, what the filter looks at

	width, height int
	page          page
	before        page // where Help leads back to

	sort    order
	reverse bool
	order   []int // all rows as they are sorted
	shown   []int // those of them that match the filter
	cursor  int   // within shown
	top     int   // first row on the screen, within shown

	filter string
	typing bool // the filter is being typed
	odd    bool // only rows with warnings or refusals

	above  []string // the lines over the list, for this width and height
	lines  []string // of the item, batch or help page
	scroll int      // first of them on the screen

	interrupted bool
}

// NewReview makes the page of a batch. Until the size of the terminal is
// known, it is 80 by 24.
func NewReview(r *signer.Report) Model {
	m := Model{
		report: r,
		keys:   newKeyMap(),
		widths: measure(r),
		words:  searchable(r),
		order:  sorted(r, byPosition, false),
		width:  80,
		height: 24,
	}
	m.above = m.head()
	return m.choose()
}

// Init implements tea.Model.
func (m Model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 1), max(msg.Height, 1)
		m.above = m.head()
		m.lines = m.pageLines(m.page)
		return m.settle(), nil
	case tea.PasteMsg:
		if m.typing {
			m.filter += oneLine(msg.Content)
			return m.choose(), nil
		}
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+c" {
			m.interrupted = true
			return m, tea.Quit
		}
		if m.typing {
			return m.typeFilter(msg), nil
		}
		if key.Matches(msg, m.keys.Quit) {
			return m, tea.Quit
		}
		return m.press(msg), nil
	}
	return m, nil
}

// press does what a key means outside of the filter.
func (m Model) press(msg tea.KeyPressMsg) Model {
	switch {
	case key.Matches(msg, m.keys.Help) && m.page != helpPage:
		m.before = m.page
		return m.open(helpPage)
	case key.Matches(msg, m.keys.Back) || (m.page == helpPage && key.Matches(msg, m.keys.Help)):
		return m.back()
	case key.Matches(msg, m.keys.Up):
		return m.move(-1)
	case key.Matches(msg, m.keys.Down):
		return m.move(+1)
	case key.Matches(msg, m.keys.PageUp):
		return m.turn(-1)
	case key.Matches(msg, m.keys.PageDown):
		return m.turn(+1)
	case key.Matches(msg, m.keys.Top):
		return m.move(-len(m.shown) - len(m.lines))
	case key.Matches(msg, m.keys.Bottom):
		return m.move(len(m.shown) + len(m.lines))
	case m.page == helpPage:
		return m
	case key.Matches(msg, m.keys.Batch):
		return m.open(batchPage)
	case key.Matches(msg, m.keys.Next):
		return m.jump(+1)
	case key.Matches(msg, m.keys.Previous):
		return m.jump(-1)
	case key.Matches(msg, m.keys.Open) && m.page == listPage && len(m.shown) > 0:
		return m.open(itemPage)
	}
	return m.arrange(msg)
}

// arrange does what changes which items are listed, and in which order. It
// leads to the list.
func (m Model) arrange(msg tea.KeyPressMsg) Model {
	switch {
	case key.Matches(msg, m.keys.Filter):
		m.page, m.typing = listPage, true
		return m
	case key.Matches(msg, m.keys.Odd):
		m.page, m.odd = listPage, !m.odd
	case key.Matches(msg, m.keys.Sort):
		m.page, m.sort = listPage, (m.sort+1)%orders
	case key.Matches(msg, m.keys.Reverse):
		m.page, m.reverse = listPage, !m.reverse
	default:
		return m
	}
	m.order = sorted(m.report, m.sort, m.reverse)
	return m.choose()
}

func (m Model) open(p page) Model {
	m.page, m.scroll = p, 0
	m.lines = m.pageLines(p)
	return m
}

func (m Model) back() Model {
	switch m.page {
	case helpPage:
		if m.before == listPage {
			m.page = listPage
			return m
		}
		return m.open(m.before)
	case listPage:
		m.filter, m.odd = "", false
		return m.choose()
	}
	m.page = listPage
	return m
}

// move goes n lines down, or items in the list; up if n is negative.
func (m Model) move(n int) Model {
	if m.page == listPage {
		m.cursor += n
	} else {
		m.scroll += n
	}
	return m.settle()
}

// turn goes a page down, or up if n is negative.
func (m Model) turn(n int) Model {
	if m.page != listPage {
		return m.move(n * m.room())
	}
	room, rows, at := m.room(), 0, m.cursor
	for ; at >= 0 && at < len(m.shown); at += n {
		if room -= len(m.rowLines(m.shown[at])); room < 0 {
			break
		}
		rows++
	}
	return m.move(n * max(rows, 1))
}

// jump goes to the next item with a warning or refusal, or to the one before,
// and from the last to the first.
func (m Model) jump(n int) Model {
	for i := 1; i <= len(m.shown); i++ {
		at := (m.cursor + n*i + 2*len(m.shown)) % len(m.shown)
		if !m.isOdd(m.shown[at]) {
			continue
		}
		m.cursor = at
		if m.page == batchPage {
			m.page = listPage
		}
		if m.page == itemPage {
			m = m.open(itemPage)
		}
		break
	}
	return m.settle()
}

func (m Model) isOdd(row int) bool {
	item := &m.report.Items[row]
	return len(item.Refusals) > 0 || len(item.Warnings) > 0
}

// settle brings cursor and scroll positions back into what there is, and the
// cursor onto the screen. It looks at no more rows than fit on a screen.
func (m Model) settle() Model {
	m.scroll = max(min(m.scroll, len(m.lines)-m.room()), 0)
	if len(m.shown) == 0 {
		m.cursor, m.top = 0, 0
		return m
	}
	m.cursor = max(min(m.cursor, len(m.shown)-1), 0)
	m.top = min(m.top, m.cursor, m.highest(len(m.shown)-1))
	m.top = max(m.top, m.highest(m.cursor), 0)
	return m
}

// highest is the first row on a screen whose last row is last: as many as fit
// above it, and at least itself.
func (m Model) highest(last int) int {
	room := m.room()
	if m.page != listPage {
		room = max(m.height-len(m.above)-1, 1)
	}
	first := last
	for at := last; at >= 0; at-- {
		if room -= len(m.rowLines(m.shown[at])); room < 0 {
			break
		}
		first = at
	}
	return first
}

// selected is the position of the row under the cursor; -1 if there is none.
func (m Model) selected() int {
	if len(m.shown) == 0 {
		return -1
	}
	return m.shown[m.cursor]
}

// typeFilter edits the filter.
func (m Model) typeFilter(msg tea.KeyPressMsg) Model {
	switch msg.String() {
	case "enter":
		m.typing = false
		return m
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		runes := []rune(m.filter)
		m.filter = string(runes[:max(len(runes)-1, 0)])
	case "ctrl+u":
		m.filter = ""
	default:
		m.filter += oneLine(msg.Key().Text)
	}
	return m.choose()
}

// maxFilter bounds what a reader may type or paste, in bytes.
const maxFilter = 200

// choose finds the rows that have every word of the filter, and keeps the
// cursor on the row where it was, if that is one of them.
func (m Model) choose() Model {
	was := m.selected()
	if len(m.filter) > maxFilter {
		m.filter = strings.ToValidUTF8(m.filter[:maxFilter], "")
	}
	wanted := strings.Fields(strings.ToLower(m.filter))
	m.shown, m.cursor = make([]int, 0, len(m.order)), 0
rows:
	for _, i := range m.order {
		if m.odd && !m.isOdd(i) {
			continue
		}
		for _, w := range wanted {
			if !strings.Contains(m.words[i], w) {
				continue rows
			}
		}
		if i == was {
			m.cursor = len(m.shown)
		}
		m.shown = append(m.shown, i)
	}
	return m.settle()
}

// searchable is, per row, the text that the filter looks at: id, recipient,
// amount, asset, sender, kind, nonce, and what is known of the recipient.
func searchable(r *signer.Report) []string {
	words := make([]string, len(r.Rows))
	for i := range r.Rows {
		row, item := &r.Rows[i], &r.Items[i]
		text := []string{
			row.ID, row.Recipient.Hex(), row.Asset.Format(row.Amount), row.Amount.String(), row.Asset.ID.String(), row.From.Hex(), string(row.Kind),
			string(item.Standing),
		}
		for _, p := range row.Payments {
			text = append(text, p.ID, p.Recipient.Hex(), row.Asset.Format(p.Amount))
		}
		if item.Standing.New() {
			text = append(text, "new")
		}
		if len(item.Refusals) > 0 {
			text = append(text, "refused")
		}
		if len(item.Warnings) > 0 {
			text = append(text, "warning")
		}
		words[i] = strings.ToLower(strings.Join(text, "\n"))
	}
	return words
}

func oneLine(s string) string { return strings.Join(strings.FieldsFunc(s, isBreak), " ") }

func isBreak(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }
