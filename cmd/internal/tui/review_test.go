package tui

import (
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

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

// withdrawals is a batch of n items, every third in tokens.
func withdrawals(n int) *signer.Report {
	s := &signer.Report{Summary: batch.Summary{
		ID: "3f1c9a7be2d84c05b6a1f00d5e7c9b21", Kind: batch.Withdrawals, ChainID: 1,
		Vault:     strings.Repeat("c0ffee00", 8),
		Digest:    strings.Repeat("0123456789abcdef", 4),
		CreatedAt: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC),
		Coin: ether, WorstFee: amount("1234500000000000000"), Recipients: n,
		Totals: []batch.Total{
			{Kind: wallet.IntentWithdrawal, Asset: usdt, Amount: amount("33000000"), Items: (n + 2) / 3},
			{Kind: wallet.IntentWithdrawal, Asset: ether, Amount: amount("15000000000000000000"), Items: n - (n+2)/3},
		},
		Senders:  []batch.Sender{{Address: address(98), Path: wallet.Path{Role: wallet.PayoutRole}, Items: n, First: 7, Last: uint64(6 + n), WorstFee: amount("1234500000000000000")}},
		Warnings: []batch.Warning{{Rule: batch.WarnDoubled, Text: "2 withdrawals pay the same amount to the same recipient as another"}},
	}}
	for i := range n {
		to := address(i)
		r := batch.Row{
			Position: i, Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("order-%d", 1000+i), From: address(98), Path: wallet.Path{Role: wallet.PayoutRole},
			Nonce: uint64(7 + i), Recipient: to, Asset: ether, Amount: amount("1500000000000000001"), To: to, Gas: 31500,
			Rungs: []wallet.Fee{
				{MaxFeePerGas: wallet.NewAmount(30_000_000_000), MaxPriorityFeePerGas: wallet.NewAmount(1_500_000_000)},
				{MaxFeePerGas: wallet.NewAmount(33_000_000_000), MaxPriorityFeePerGas: wallet.NewAmount(1_650_000_000)},
			},
			WorstFee: amount("1039500000000000"), Requires: -1,
		}
		if i%3 == 0 {
			r.Asset, r.Amount, r.To = usdt, wallet.NewAmount(1_250_000), usdt.ID.Contract
			r.Data = batch.TransferData(to, r.Amount)
		}
		s.Rows = append(s.Rows, r)
		item := signer.ItemReport{Standing: signer.StandingPaid}
		if i%5 == 1 {
			item.Standing = signer.StandingUnseen
		}
		s.Items = append(s.Items, item)
	}
	return s
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
	many := withdrawals(12)
	many.Rows[2].ID = "evil\u202e\x1b[2Jid"
	signed := withdrawals(3)
	signed.Signed = &batch.SignedSummary{PolicyHash: strings.Repeat("ab", 32), RecordHead: strings.Repeat("cd", 32), SignedAt: signed.CreatedAt, Signatures: 6}
	signed.Rows[0].Hashes = []common.Hash{{1}, {2}}
	tests := map[string]Model{
		"list":        NewReview(many),
		"scrolled":    press(NewReview(many), "end"),
		"item":        press(NewReview(many), "down", "enter"),
		"token":       press(NewReview(many), "enter"),
		"escaped":     press(NewReview(many), "down", "down", "enter"),
		"batch":       press(NewReview(many), "b"),
		"help":        press(NewReview(many), "?"),
		"typing":      typed(press(NewReview(many), "/"), "usdt 1006"),
		"filtered":    press(typed(press(NewReview(many), "/"), "USDT"), "enter"),
		"nothing":     press(typed(press(NewReview(many), "/"), "nobody"), "enter"),
		"signed":      NewReview(signed),
		"signed item": press(NewReview(signed), "enter"),
		"empty":       NewReview(&signer.Report{}),
	}
	for name, m := range tests {
		for _, at := range []struct{ width, height int }{{80, 24}, {120, 40}} {
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

func TestShorten(t *testing.T) {
	long := wallet.Asset{Symbol: "ETH", Decimals: 18}
	tests := []struct {
		amount string
		width  int
		want   string
	}{
		{"1500000000000000000", 10, "1.5 ETH"},
		{"1234567890123456789", 17, "1.2345678901… ETH"},
		{"123456789000000000000000000000", 10, "123456789000 ETH"}, // nothing to cut off
		{"123456789000000000000000000001", 14, "123456789000.000000000000000001 ETH"},
	}
	for _, test := range tests {
		if got := shorten(long, amount(test.amount), test.width); got != test.want {
			t.Errorf("%s in %d: %q, want %q", test.amount, test.width, got, test.want)
		}
	}
}

// TestAnyKeysAtAnySize presses anything in terminals of any size: the screen
// always fits, and nothing in it steers a terminal.
func TestAnyKeysAtAnySize(t *testing.T) {
	keys := []string{"enter", "esc", "up", "down", "pgdown", "pgup", "home", "end", "backspace", "ctrl+u", "space", "/", "?", "b", "g", "G", "u", "0", "é", "\u202e", "界"}
	hostile := withdrawals(40)
	for i := range hostile.Rows {
		hostile.Rows[i].ID = "\x1b]0;x\a\u202e\u2066界\r\n\t" + strings.Repeat("w", i)
		hostile.Rows[i].Asset.Symbol = "E\u200bTH\x9b31m"
	}
	hostile.Warnings = []batch.Warning{{Text: "\x1b[2J"}, {Text: strings.Repeat("long ", 100)}}
	rapid.Check(t, func(t *rapid.T) {
		m := NewReview(hostile)
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
					if !unicode.IsPrint(r) {
						t.Fatalf("%q in %q", r, line)
					}
				}
			}
		}
	})
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
		if want := fmt.Sprintf("order-%d", 1000+m.selected()); !strings.Contains(plain(size(m, 120, 24)), want) || !strings.Contains(plain(m), fmt.Sprintf("> %*d ", m.columns.position, m.selected())) {
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
