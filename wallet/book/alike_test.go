package book_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestAlikes tells imitations of USDT from other symbols.
func TestAlikes(t *testing.T) {
	b, _ := watched(t)
	if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{token(1, "USDT"), token(2, "柴犬"), token(3, "Ꮳ9Ꮳ")}, false); err != nil {
		t.Fatal(err)
	}
	var alikes *book.Alikes
	if err := b.DB.View(t.Context(), func(tx store.Tx) (err error) {
		alikes, err = book.ReadAlikes(tx, 1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ symbol, is string }{
		"itself":                {"USDT", "USDT"},
		"lower case":            {"usdt", "USDT"},
		"a digit":               {"U5DT", "USDT"},
		"a sign":                {"U$DT", "USDT"},
		"the dollar's sign":     {"USD₮", "USDT"},
		"Cyrillic":              {"UЅDТ", "USDT"},
		"lower-case Cyrillic":   {"uѕdт", "USDT"},
		"Greek":                 {"USDΤ", "USDT"},
		"Cherokee":              {"USDᎢ", "USDT"},
		"Lisu, all of it":       {"ꓴꓢꓓꓔ", "USDT"},
		"full width":            {"ＵＳＤＴ", "USDT"},
		"mathematical":          {"𝐔𝐒𝐃𝐓", "USDT"},
		"circled":               {"ⓊⓈⒹⓉ", "USDT"},
		"squared":               {"US🅳T", "USDT"},
		"accents":               {"ÙŚḌŤ", "USDT"},
		"combining marks":       {"U\u0301SDT\u0323", "USDT"},
		"zero-width space":      {"US\u200bDT", "USDT"},
		"zero-width joiner":     {"USDT\u200d", "USDT"},
		"byte order mark":       {"\ufeffUSDT", "USDT"},
		"turned around":         {"\u202eUSDT", "USDT"},
		"variation selector":    {"USDT\ufe0f", "USDT"},
		"Hangul filler":         {"USDT\u3164", "USDT"},
		"half-width filler":     {"USDT\uffa0", "USDT"},
		"Braille blank":         {"US\u2800DT", "USDT"},
		"soft hyphen":           {"US\u00adDT", "USDT"},
		"grapheme joiner":       {"US\u034fDT", "USDT"},
		"tag characters":        {"USDT\U000e0041", "USDT"},
		"a dot":                 {"USDT.", "USDT"},
		"a space":               {" USDT ", "USDT"},
		"ether in Cyrillic":     {"ЕТН", "ETH"},
		"of what is foreign":    {"A9Z", "Ꮳ9Ꮳ"},
		"one more letter":       {"USDTE", ""},
		"one less":              {"USD", ""},
		"another letter":        {"USDC", ""},
		"of another length":     {"ꓴꓢꓓ₿₿", ""},
		"Chinese":               {"柴犬", "柴犬"},
		"other Chinese":         {"柴狗狗", ""},
		"Chinese, four letters": {"泰达美元", ""},
	} {
		asset, found := alikes.Of(c.symbol)
		if found != (c.is != "") || asset.Symbol != c.is {
			t.Errorf("%s: %+q could be taken for %q, want %q", name, c.symbol, asset.Symbol, c.is)
		}
	}
}

// TestImportImitation: one imitation in a token list refuses all of it.
func TestImportImitation(t *testing.T) {
	for _, symbol := range []string{"UЅDТ", "usdt", "ＵＳＤＴ", "USDᎢ", "U\u0301SDT"} {
		b, _ := watched(t)
		if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{token(1, "USDT")}, false); err != nil {
			t.Fatal(err)
		}
		file, err := json.Marshal(map[string]any{"name": "list", "tokens": []map[string]any{
			{"chainId": 1, "address": common.Address{2}, "name": "Tin", "symbol": "TIN", "decimals": 6},
			{"chainId": 1, "address": common.Address{3}, "name": "Tether", "symbol": symbol, "decimals": 6},
		}})
		if err != nil {
			t.Fatal(err)
		}
		tokens, _, err := book.ParseTokenList(file, 1)
		if err != nil {
			t.Fatal(err)
		}
		if added, err := b.AddTokens(t.Context(), 1, tokens, false); !errors.Is(err, book.ErrImitation) || len(added) != 0 {
			t.Errorf("%+q: added %v, %v", symbol, added, err)
		}
		if added, err := b.AddTokens(t.Context(), 1, tokens, true); err != nil || len(added) != 2 {
			t.Errorf("%+q, accepted: added %v, %v", symbol, added, err)
		}
	}
}
