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
	report  *signer.Report
	keys    keyMap
	columns columns
	words   []string // per row, what the filter looks at

	width, height int
	page          page
	before        page // where Help leads back to

	shown  []int // rows that match the filter
	cursor int   // within shown
	top    int   // first row on the screen, within shown

	filter string
	typing bool // the filter is being typed

	lines  []string // of the item, batch or help page
	scroll int      // first of them on the screen

	interrupted bool
}

// NewReview makes the page of a batch. Until the size of the terminal is
// known, it is 80 by 24.
func NewReview(s *signer.Report) Model {
	m := Model{
		report:  s,
		keys:    newKeyMap(),
		columns: measure(s),
		words:   searchable(s),
		width:   80,
		height:  24,
	}
	return m.applyFilter()
}

// Init implements tea.Model.
func (m Model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 1), max(msg.Height, 1)
		m.lines = m.pageLines(m.page)
		return m.settle(), nil
	case tea.PasteMsg:
		if m.typing {
			m.filter += oneLine(msg.Content)
			return m.applyFilter(), nil
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
	case key.Matches(msg, m.keys.Filter) && m.page != helpPage:
		m.page, m.typing = listPage, true
	case key.Matches(msg, m.keys.Batch) && m.page != helpPage:
		return m.open(batchPage)
	case key.Matches(msg, m.keys.Open) && m.page == listPage && len(m.shown) > 0:
		return m.open(itemPage)
	case key.Matches(msg, m.keys.Up):
		return m.move(-1)
	case key.Matches(msg, m.keys.Down):
		return m.move(+1)
	case key.Matches(msg, m.keys.PageUp):
		return m.move(-m.room())
	case key.Matches(msg, m.keys.PageDown):
		return m.move(+m.room())
	case key.Matches(msg, m.keys.Top):
		return m.move(-len(m.shown) - len(m.lines))
	case key.Matches(msg, m.keys.Bottom):
		return m.move(len(m.shown) + len(m.lines))
	}
	return m
}

func (m Model) open(p page) Model {
	m.page, m.scroll = p, 0
	m.lines = m.pageLines(p)
	return m
}

func (m Model) back() Model {
	switch m.page {
	case helpPage:
		return m.open(m.before)
	case listPage:
		m.filter = ""
		return m.applyFilter()
	}
	m.page = listPage
	return m
}

// move goes n lines down, or up if n is negative.
func (m Model) move(n int) Model {
	if m.page == listPage {
		m.cursor += n
	} else {
		m.scroll += n
	}
	return m.settle()
}

// settle brings cursor and scroll positions back into what there is.
func (m Model) settle() Model {
	room := m.room()
	m.cursor = max(min(m.cursor, len(m.shown)-1), 0)
	m.top = max(min(m.top, m.cursor, len(m.shown)-room), 0)
	m.top = max(m.top, m.cursor-room+1)
	m.scroll = max(min(m.scroll, len(m.lines)-room), 0)
	return m
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
	return m.applyFilter()
}

// maxFilter bounds what a reader may type or paste, in bytes.
const maxFilter = 200

// applyFilter finds the rows that have every word of the filter, and keeps
// the cursor on the row where it was, if that is one of them.
func (m Model) applyFilter() Model {
	was := m.selected()
	if len(m.filter) > maxFilter {
		m.filter = strings.ToValidUTF8(m.filter[:maxFilter], "")
	}
	wanted := strings.Fields(strings.ToLower(m.filter))
	m.shown, m.cursor = make([]int, 0, len(m.words)), 0
rows:
	for i, text := range m.words {
		for _, w := range wanted {
			if !strings.Contains(text, w) {
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
// amount, asset, sender and kind.
func searchable(s *signer.Report) []string {
	words := make([]string, len(s.Rows))
	for i, r := range s.Rows {
		words[i] = strings.ToLower(strings.Join([]string{
			r.ID, r.Recipient.Hex(), r.Asset.Format(r.Amount), r.Amount.String(), r.Asset.ID.String(), r.From.Hex(), string(r.Kind),
		}, "\n"))
	}
	return words
}

func oneLine(s string) string { return strings.Join(strings.FieldsFunc(s, isBreak), " ") }

func isBreak(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }
