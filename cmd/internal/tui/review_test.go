package tui

import (
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

var update = flag.Bool("update", false, "write the screens in testdata anew")

var (
	ether = wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	usdt  = wallet.Asset{ID: wallet.Token(1, common.HexToAddress("0xdAC17F958D2ee523a2206206994597C13D831ec7")), Symbol: "USDT", Decimals: 6}
)

func address(n int) common.Address {
	return common.BigToAddress(new(big.Int).Mul(big.NewInt(int64(n)+1), big.NewInt(0x1234567890abcdef)))
}

func amount(s string) wallet.Amount {
	a, err := wallet.ParseAmount(s)
	if err != nil {
		panic(err)
	}
	return a
}

// withdrawals is a report of n items, every third in tokens; of every five, one
// recipient was never seen and one is in the policy alone.
func withdrawals(n int) *signer.Report {
	s := batch.Summary{
		ID: "3f1c9a7be2d84c05b6a1f00d5e7c9b21", Kind: batch.Withdrawals, ChainID: 1,
		Vault:     strings.Repeat("c0ffee00", 8),
		Digest:    "0123456789abcdeffedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e1f0",
		CreatedAt: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC),
		Coin: ether, WorstFee: amount("1234500000000000000"), Recipients: n,
		Totals: []batch.Total{
			{Kind: wallet.IntentWithdrawal, Asset: usdt, Amount: amount("33000000"), Items: (n + 2) / 3},
			{Kind: wallet.IntentWithdrawal, Asset: ether, Amount: amount("15000000000000000000"), Items: n - (n+2)/3},
		},
		Senders: []batch.Sender{{Address: address(98), Path: wallet.Path{Role: wallet.PayoutRole}, Items: n, First: 7, Last: uint64(6 + n), WorstFee: amount("1234500000000000000")}},
	}
	r := &signer.Report{
		Here:   s.Vault,
		Policy: &signer.PolicyReport{Hash: strings.Repeat("1a2b3c4d", 8), Words: []string{"What this policy does not allow is refused.", "A batch may have at most 20000 transactions."}},
		Record: &signer.RecordReport{Head: strings.Repeat("5e6f7a8b", 8), Entries: 12},
		New:    2 * n / 5, Unseen: n / 5,
	}
	for i := range n {
		to := address(i)
		row := batch.Row{
			Position: i, Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("order-%d", 1000+i), From: address(98), Path: wallet.Path{Role: wallet.PayoutRole},
			Nonce: uint64(7 + i), Recipient: to, Asset: ether, Amount: amount("1500000000000000001"), To: to, Gas: 31500,
			Rungs: []wallet.Fee{
				{MaxFeePerGas: wallet.NewAmount(30_000_000_000), MaxPriorityFeePerGas: wallet.NewAmount(1_500_000_000)},
				{MaxFeePerGas: wallet.NewAmount(33_000_000_000), MaxPriorityFeePerGas: wallet.NewAmount(1_650_000_000)},
			},
			WorstFee: amount("1039500000000000"), Requires: -1,
		}
		if i%3 == 0 {
			row.Asset, row.Amount, row.To = usdt, wallet.NewAmount(1_250_000), usdt.ID.Contract
			row.Data = batch.TransferData(to, row.Amount)
		}
		s.Rows = append(s.Rows, row)
		standing := signer.StandingPaid
		switch i % 5 {
		case 1:
			standing = signer.StandingUnseen
		case 2:
			standing = signer.StandingListed
		}
		r.Items = append(r.Items, signer.ItemReport{Standing: standing})
	}
	r.Summary = s
	return r
}

// odd adds warnings of items 3 and 8, and a refusal of item 5.
func odd(r *signer.Report) *signer.Report {
	r.Warn(batch.Warning{Rule: batch.WarnDoubled, Text: "2 withdrawals pay the same amount to the same recipient as another", Items: []batch.Remark{
		{Item: 3, Text: "pays the same amount to the same recipient as item 1"}, {Item: 8, Text: "pays the same amount to the same recipient as item 2"},
	}})
	r.Refuse(signer.Refusal{
		Rule: "policy max_per_transaction", Item: 5, Field: "/items/5/intent/amount", Value: "1.500000000000000001 ETH", Why: "is above 1 ETH",
		Hint: "policy check explains the policy; what it forbids is signed nowhere",
	})
	return r
}

// stroke is the message of one key.
func stroke(name string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"pgdown": {Code: tea.KeyPgDown}, "pgup": {Code: tea.KeyPgUp}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
		"backspace": {Code: tea.KeyBackspace}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
		"space": {Code: tea.KeySpace, Text: " "},
	}
	if msg, ok := named[name]; ok {
		return msg
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

func press(m Model, keys ...string) Model {
	for _, k := range keys {
		next, _ := m.Update(stroke(k))
		m = next.(Model)
	}
	return m
}

func typed(m Model, s string) Model {
	for _, r := range s {
		m = press(m, string(r))
	}
	return m
}

func size(m Model, width, height int) Model {
	next, _ := m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return next.(Model)
}

func plain(m Model) string { return ansi.Strip(m.View().Content) }

func TestScreens(t *testing.T) {
	many := odd(withdrawals(12))
	many.Rows[2].ID = "evil\u202e\x1b[2Jid"
	long := withdrawals(4)
	long.Rows[1].Amount = amount("115792089237316195423570985008687907853269984665640564039457584007913129639935")
	long.Rows[2].Asset.Symbol = "A-VERY-LONG-SYMBOL-OF-32-LETTERS"
	long.Rows[3].Kind, long.Rows[3].Replaces = wallet.IntentCancel, wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "order-900"}
	online := withdrawals(3)
	online.Here, online.Policy, online.Record, online.New, online.Unseen = "", nil, nil, 0, 0
	online.Unknown = []string{"there is no vault here: whether it would be signed, only the signing station can say"}
	for i := range online.Items {
		online.Items[i].Standing = signer.StandingUnknown
	}
	signed := withdrawals(3)
	signed.Signed = &batch.SignedSummary{PolicyHash: strings.Repeat("ab", 32), RecordHead: strings.Repeat("cd", 32), SignedAt: signed.CreatedAt, Signatures: 6}
	signed.Rows[0].Hashes = []common.Hash{{1}, {2}}
	tests := map[string]Model{
		"list":        NewReview(many),
		"scrolled":    press(NewReview(many), "end"),
		"item":        press(NewReview(many), "down", "enter"),
		"token":       press(NewReview(many), "enter"),
		"refused":     press(NewReview(many), "n", "n", "enter"),
		"escaped":     press(NewReview(many), "down", "down", "enter"),
		"batch":       press(NewReview(many), "b"),
		"help":        press(NewReview(many), "?"),
		"typing":      typed(press(NewReview(many), "/"), "usdt 1006"),
		"filtered":    press(typed(press(NewReview(many), "/"), "USDT"), "enter"),
		"nothing":     press(typed(press(NewReview(many), "/"), "nobody"), "enter"),
		"warnings":    press(NewReview(many), "w"),
		"sorted":      press(NewReview(many), "s", "r"),
		"long":        NewReview(long),
		"long item":   press(NewReview(long), "down", "enter"),
		"cancel":      press(NewReview(long), "end", "enter"),
		"online":      NewReview(online),
		"signed":      NewReview(signed),
		"signed item": press(NewReview(signed), "enter"),
		"empty":       NewReview(&signer.Report{}),
	}
	for name, m := range tests {
		for _, at := range []struct{ width, height int }{{80, 24}, {132, 43}, {40, 24}} {
			t.Run(fmt.Sprintf("%s at %dx%d", name, at.width, at.height), func(t *testing.T) {
				got := plain(size(m, at.width, at.height)) + "\n"
				path := filepath.Join("testdata", fmt.Sprintf("%s.%dx%d.txt", strings.ReplaceAll(name, " ", "-"), at.width, at.height))
				golden(t, path, got)
			})
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("screen\n%s\nwant, as in %s,\n%s", got, path, want)
	}
}

func TestFilterLooksAtEveryField(t *testing.T) {
	m := NewReview(withdrawals(30))
	tests := map[string]int{
		"":                                     30,
		"order-1003":                           1,
		"ORDER-1003":                           1,
		address(4).Hex():                       1,
		strings.ToLower(address(4).Hex()[26:]): 1,
		"usdt":                                 10,
		"1.500000000000000001":                 20,
		"1250000":                              10,
		usdt.ID.Contract.Hex():                 10,
		"usdt order-1003":                      1,
		"usdt order-1004":                      0,
		"   ":                                  30,
		"zebra":                                0,
		"never-seen":                           6,
		"new":                                  12,
		"new usdt":                             4,
	}
	for filter, want := range tests {
		if got := len(typed(press(m, "/"), filter).shown); got != want {
			t.Errorf("filter %q: %d items, want %d", filter, got, want)
		}
	}
}

func TestFilterKeepsThePlace(t *testing.T) {
	m := press(NewReview(withdrawals(30)), "down", "down", "down") // item 3, in tokens
	m = typed(press(m, "/"), "usdt")
	if got := m.selected(); got != 3 {
		t.Errorf("item %d is selected, want 3", got)
	}
	m = press(m, "enter", "down")
	if got := m.selected(); got != 6 {
		t.Errorf("the next with the word is %d, want 6", got)
	}
	m = press(m, "esc")
	if got := m.selected(); got != 6 || len(m.shown) != 30 {
		t.Errorf("without the filter item %d of %d is selected, want 6 of 30", got, len(m.shown))
	}
	// While typing, letters are letters.
	m = typed(press(m, "/"), "q?b")
	if m.filter != "q?b" || !m.typing {
		t.Errorf("filter %q", m.filter)
	}
	if m = press(m, "backspace"); m.filter != "q?" {
		t.Errorf("filter %q", m.filter)
	}
	if m = press(m, "esc"); m.typing || m.filter != "" {
		t.Errorf("filter %q", m.filter)
	}
}

func TestPaste(t *testing.T) {
	next, _ := press(NewReview(withdrawals(30)), "/").Update(tea.PasteMsg{Content: address(4).Hex() + "\n"})
	if m := next.(Model); len(m.shown) != 1 || m.selected() != 4 {
		t.Errorf("%d items with %q", len(m.shown), m.filter)
	}
	next, _ = press(NewReview(withdrawals(3)), "/").Update(tea.PasteMsg{Content: strings.Repeat("é", 1000)})
	if m := next.(Model); len(m.filter) > maxFilter {
		t.Errorf("%d bytes were pasted", len(m.filter))
	}
}

func TestLeaving(t *testing.T) {
	tests := map[string]struct {
		keys        []string
		quits       bool
		interrupted bool
	}{
		"q":                 {[]string{"q"}, true, false},
		"q in an item":      {[]string{"enter", "q"}, true, false},
		"q in the help":     {[]string{"?", "q"}, true, false},
		"q in the filter":   {[]string{"/", "q"}, false, false},
		"ctrl+c":            {[]string{"ctrl+c"}, true, true},
		"ctrl+c in filter":  {[]string{"/", "ctrl+c"}, true, true},
		"esc does not quit": {[]string{"esc"}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			last := len(test.keys) - 1
			m, cmd := press(NewReview(withdrawals(3)), test.keys[:last]...).Update(stroke(test.keys[last]))
			if quits := cmd != nil; quits != test.quits || m.(Model).interrupted != test.interrupted {
				t.Errorf("quits %t, interrupted %t", quits, m.(Model).interrupted)
			}
		})
	}
}

// hostile is a report whose texts try what they can with a terminal.
func hostile(n int) *signer.Report {
	r := odd(withdrawals(n))
	for i := range r.Rows {
		r.Rows[i].ID = "\x1b]0;x\a\u202e\u2066界e\u0301\u200d\u1160\r\n\t" + strings.Repeat("w", i)
		r.Rows[i].Asset.Symbol = "E\u200bTH\x9b31m＄"
		r.Rows[i].Amount = amount(strings.Repeat("9", 1+i*2))
	}
	r.Warn(batch.Warning{Text: "\x1b[2J"})
	r.Warn(batch.Warning{Text: strings.Repeat("long ", 100)})
	return r
}

// TestAnyKeysAtAnySize presses anything in terminals of any size: the screen
// always fits, and nothing in it steers a terminal.
func TestAnyKeysAtAnySize(t *testing.T) {
	keys := []string{"enter", "esc", "up", "down", "pgdown", "pgup", "home", "end", "backspace", "ctrl+u", "space", "/", "?", "b", "g", "G", "u", "0", "n", "N", "w", "s", "r", "é", "\u202e", "界"}
	rapid.Check(t, func(t *rapid.T) {
		m := NewReview(hostile(40))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 5).Draw(t, "resize") == 0 {
				m = size(m, rapid.IntRange(0, 130).Draw(t, "width"), rapid.IntRange(0, 50).Draw(t, "height"))
			}
			m = press(m, rapid.SampledFrom(keys).Draw(t, "key"))
			lines := strings.Split(plain(m), "\n")
			if len(lines) > m.height {
				t.Fatalf("%d lines on a terminal of %d", len(lines), m.height)
			}
			for _, line := range lines {
				if w := ansi.StringWidth(line); w > m.width {
					t.Fatalf("%d columns on a terminal of %d: %q", w, m.width, line)
				}
				for _, r := range line {
					if !unicode.IsPrint(r) || unicode.IsMark(r) || ansi.StringWidth(string(r)) != 1 {
						t.Fatalf("%q in %q", r, line)
					}
				}
			}
		}
	})
}

// unbroken is text without the spaces and line ends that laying it out adds.
func unbroken(text string) string { return strings.Join(strings.Fields(text), "") }

// TestNothingIsCutOff goes through list and items on terminals of any width: the
// whole of every amount, asset and address is there, whatever the texts.
func TestNothingIsCutOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := withdrawals(rapid.IntRange(1, 12).Draw(t, "items"))
		for i := range r.Rows {
			r.Rows[i].ID = rapid.String().Draw(t, "id")
			r.Rows[i].Asset.Symbol = rapid.StringN(1, 32, -1).Draw(t, "symbol")
			r.Rows[i].Amount = amount(rapid.StringMatching(`[1-9][0-9]{0,77}`).Draw(t, "amount"))
		}
		m := size(NewReview(r), rapid.IntRange(24, 140).Draw(t, "width"), rapid.IntRange(6, 50).Draw(t, "height"))
		for i, row := range r.Rows {
			line := unbroken(strings.Join(m.rowLines(i), "\n"))
			shown := unbroken(format(row.Asset, row.Amount))
			if !strings.Contains(line, row.Recipient.Hex()) || !strings.Contains(line, shown) {
				t.Fatalf("the list has %q, want %s and %q", line, row.Recipient, shown)
			}
			page := unbroken(strings.Join(m.at(i).open(itemPage).lines, "\n"))
			for _, want := range []string{row.Recipient.Hex(), row.From.Hex(), row.Asset.ID.String(), shown, row.Amount.String(), unbroken(cli.Narrow(row.ID))} {
				if !strings.Contains(page, want) {
					t.Fatalf("the page of item %d lacks %q: %q", i, want, page)
				}
			}
		}
	})
}

// at puts the cursor on a row.
func (m Model) at(row int) Model {
	m.cursor = slices.Index(m.shown, row)
	return m.settle()
}

// What is on a page can be scrolled to, to its last line.
func TestPagesScrollToTheirEnd(t *testing.T) {
	for _, keys := range [][]string{{"b"}, {"enter"}, {"?"}} {
		m := press(size(NewReview(hostile(40)), 40, 10), keys...)
		seen := map[string]bool{}
		for range len(m.lines) + 1 {
			for _, line := range strings.Split(plain(m), "\n") {
				seen[line] = true
			}
			m = press(m, "down")
		}
		for _, line := range m.lines {
			if !seen[line] {
				t.Errorf("after %q line %q is never on the screen", keys, line)
			}
		}
	}
}

func TestJumps(t *testing.T) {
	m := NewReview(odd(withdrawals(12)))
	for i, step := range []struct {
		key  string
		want int
	}{{"n", 3}, {"n", 5}, {"n", 8}, {"n", 3}, {"N", 8}, {"N", 5}, {"N", 3}, {"N", 8}} {
		if m = press(m, step.key); m.selected() != step.want {
			t.Errorf("step %d, %s: item %d, want %d", i, step.key, m.selected(), step.want)
		}
	}
	// On the page of an item, the next one's page is shown.
	m = press(m, "enter", "n")
	if m.page != itemPage || m.selected() != 3 || !strings.Contains(plain(m), "item 3, withdrawal order-1003") {
		t.Errorf("page %d of item %d:\n%s", m.page, m.selected(), plain(m))
	}
	// Where nothing is odd, nothing moves.
	if m := press(NewReview(withdrawals(12)), "down", "n", "N"); m.selected() != 1 {
		t.Errorf("item %d, want 1", m.selected())
	}
	// The jump stays within what is shown.
	m = press(typed(press(NewReview(odd(withdrawals(12))), "/"), "order-1008"), "enter", "n")
	if m.selected() != 8 {
		t.Errorf("item %d, want 8", m.selected())
	}
}

func TestWarningsOnly(t *testing.T) {
	m := press(NewReview(odd(withdrawals(12))), "w")
	if !slices.Equal(m.shown, []int{3, 5, 8}) {
		t.Errorf("items %v", m.shown)
	}
	if m = press(m, "esc"); len(m.shown) != 12 {
		t.Errorf("%d items after esc", len(m.shown))
	}
	if m = press(m, "w", "w"); len(m.shown) != 12 {
		t.Errorf("%d items after the second w", len(m.shown))
	}
}

func TestSort(t *testing.T) {
	r := withdrawals(6) // 0 and 3 in tokens
	for i, n := range []int64{10, 5, 7, 30, 9, 7} {
		r.Rows[i].Amount = wallet.NewAmount(n)
	}
	for i, id := range []string{"f", "a", "e", "b", "d", "c"} {
		r.Rows[i].ID = id
	}
	r.Rows[0].From, r.Rows[0].Nonce = address(97), 99
	m := NewReview(r)
	for i, want := range [][]int{{4, 2, 5, 1, 3, 0}, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}, {1, 3, 5, 4, 2, 0}, {0, 1, 2, 3, 4, 5}} {
		if m = press(m, "s"); !slices.Equal(m.order, want) {
			t.Errorf("s pressed %d times: %v, want %v", i+1, m.order, want)
		}
	}
	r.Rows[5].Recipient = common.Address{}
	if m = press(m, "s", "s"); !slices.Equal(m.order, []int{5, 0, 1, 2, 3, 4}) {
		t.Errorf("by recipient: %v", m.order)
	}
	if m = press(m, "r"); !slices.Equal(m.order, []int{4, 3, 2, 1, 0, 5}) {
		t.Errorf("reversed: %v", m.order)
	}
	// The cursor stays on its item.
	m = press(NewReview(r), "down", "down", "s", "s", "s", "s")
	if m.selected() != 2 {
		t.Errorf("item %d is selected, want 2", m.selected())
	}
}

// A frame costs the same however long the batch is.
func TestFramesCostTheSame(t *testing.T) {
	cost := func(n int) float64 { //nolint:forbidigo // a number of allocations
		m := press(NewReview(withdrawals(n)), "end")
		return testing.AllocsPerRun(5, func() { press(m, "up").View() })
	}
	if few, many := cost(100), cost(20_000); many > few*11/10+10 {
		t.Errorf("a frame makes %v allocations with 20,000 items, %v with 100", many, few)
	}
}

// Twenty thousand assets do not make every key slow.
func TestManyAssetsStayQuick(t *testing.T) {
	s := withdrawals(3)
	few := testing.AllocsPerRun(5, func() { press(NewReview(s), "j").View() })
	for range 20_000 {
		s.Totals = append(s.Totals, s.Totals[0])
	}
	m := NewReview(s)
	if many := testing.AllocsPerRun(5, func() { press(m, "j").View() }); many > 3*few+100 {
		t.Errorf("a key makes %v allocations with 20,000 assets, %v with two", many, few)
	}
}

// TestCursorStaysVisible goes through long lists.
func TestCursorStaysVisible(t *testing.T) {
	m := NewReview(withdrawals(1000))
	for _, k := range []string{"down", "end", "up", "pgup", "pgup", "home", "pgdown", "pgdown", "down", "pgup", "end", "pgdown"} {
		m = press(m, k)
		if want := fmt.Sprintf("order-%d", 1000+m.selected()); !strings.Contains(plain(size(m, 120, 24)), want) || !strings.Contains(plain(m), fmt.Sprintf("> %*d ", m.widths.position, m.selected())) {
			t.Errorf("after %s item %d is not on the screen:\n%s", k, m.selected(), plain(m))
		}
	}
}

func BenchmarkScroll(b *testing.B) {
	m := NewReview(withdrawals(10_000))
	for b.Loop() {
		m = press(m, "down")
		_ = m.View()
	}
}

func BenchmarkFilter(b *testing.B) {
	m := press(NewReview(withdrawals(10_000)), "/")
	for b.Loop() {
		m = press(m, "9", "backspace")
		_ = m.View()
	}
}
