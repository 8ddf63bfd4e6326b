package book_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func token(n byte, symbol string) wallet.Asset {
	return wallet.Asset{ID: wallet.Token(1, common.Address{n}), Symbol: symbol, Decimals: 6}
}

func TestAddTokens(t *testing.T) {
	gold, tin := token(1, "GOLD"), token(2, "TIN")
	changed := gold
	changed.Decimals = 18
	for _, c := range []struct {
		name  string
		add   []wallet.Asset
		same  bool
		added int
		err   error
	}{
		{name: "new ones", add: []wallet.Asset{tin, token(3, "ZINC")}, added: 2},
		{name: "a known one", add: []wallet.Asset{gold}},
		{name: "a known and a new one", add: []wallet.Asset{gold, tin}, added: 1},
		{name: "other decimals", add: []wallet.Asset{tin, changed}, err: wallet.ErrConflict},
		{name: "the same symbol", add: []wallet.Asset{tin, token(4, "gold")}, err: book.ErrImitation},
		{name: "a look-alike", add: []wallet.Asset{tin, token(4, "G0LD")}, err: book.ErrImitation},
		{name: "another alphabet", add: []wallet.Asset{token(4, "GОLD")}, err: book.ErrImitation},
		{name: "the coin's symbol", add: []wallet.Asset{token(4, "eth")}, err: book.ErrImitation},
		{name: "each other's symbol", add: []wallet.Asset{token(4, "NEW"), token(5, "NEW")}, err: book.ErrImitation},
		{name: "the same symbol, accepted", add: []wallet.Asset{token(4, "GOLD")}, same: true, added: 1},
		{name: "the coin", add: []wallet.Asset{tin, ether}, err: wallet.ErrUsage},
		{name: "of another chain", add: []wallet.Asset{{ID: wallet.Token(2, common.Address{1}), Symbol: "X"}}, err: wallet.ErrUsage},
		{name: "too many decimals", add: []wallet.Asset{{ID: wallet.Token(1, common.Address{9}), Symbol: "X", Decimals: 78}}, err: wallet.ErrUsage},
		{name: "no symbol", add: []wallet.Asset{token(9, "")}, err: wallet.ErrUsage},
		{name: "a symbol that is a contract", add: []wallet.Asset{token(9, "0xabc")}, err: wallet.ErrUsage},
		{name: "a symbol with a line end", add: []wallet.Asset{token(9, "A\nB")}, err: wallet.ErrUsage},
		{name: "ether's log", add: []wallet.Asset{tin, {ID: wallet.Token(1, params.SystemAddress), Symbol: "LOG", Decimals: 18}}, err: wallet.ErrUsage},
		{name: "a symbol with something unseen", add: []wallet.Asset{token(9, "A\u3164B")}, err: wallet.ErrUsage},
		{name: "a symbol that turns around", add: []wallet.Asset{token(9, "A\u202eB")}, err: wallet.ErrUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := watched(t)
			if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{gold}, false); err != nil {
				t.Fatal(err)
			}
			added, err := b.AddTokens(t.Context(), 1, c.add, c.same)
			if !errors.Is(err, c.err) {
				t.Errorf("AddTokens = %v, want %v", err, c.err)
			}
			if len(added) != c.added {
				t.Errorf("%d tokens were added, want %d", len(added), c.added)
			}
			if n := len(unopened(t, b, tin.ID)); n != 0 && c.err != nil {
				t.Errorf("after a refusal %d addresses are to be opened for a token of the list", n)
			}
		})
	}
}

// TestAddTokenOpens: what the house held of a token before is to be read.
func TestAddTokenOpens(t *testing.T) {
	b, m := watched(t)
	if _, err := b.NewAddresses(t.Context(), "alice", 3, nil); err != nil {
		t.Fatal(err)
	}
	gold := token(1, "GOLD")
	if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{gold}, false); err != nil {
		t.Fatal(err)
	}
	want := map[common.Address]bool{}
	for _, role := range []wallet.Role{wallet.PayoutRole, wallet.GasRole, wallet.TreasuryRole} {
		a, err := m.Account(role).Address(0)
		if err != nil {
			t.Fatal(err)
		}
		want[a] = true
	}
	if have := unopened(t, b, gold.ID); fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("to be opened: %v, want %v", have, want)
	}
	payout, err := m.Account(wallet.PayoutRole).Address(0)
	if err != nil {
		t.Fatal(err)
	}
	ours := wallet.Asset{ID: wallet.Token(1, payout), Symbol: "OURS"}
	if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{ours}, false); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("an address of ours as a token: %v, want ErrUsage", err)
	}
}

func TestReadMetadata(t *testing.T) {
	chain := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	supply := big.NewInt(1)
	for _, c := range []struct {
		name     string
		contract chaintest.Contract
		args     []any
		want     book.Metadata
	}{
		{"a token", chaintest.Token, []any{"Gold Coin", "GOLD", uint8(3), supply}, book.Metadata{Said: "GOLD", Symbol: "GOLD", Name: "Gold Coin", Decimals: 3}},
		{"a liar", chaintest.Token, []any{"Gold\nCoin", "G\u202eOLD", uint8(255), supply}, book.Metadata{Said: "G\u202eOLD", NoDecimals: true}},
		{"other letters", chaintest.Token, []any{"Gold", "ЕТН", uint8(18), supply}, book.Metadata{Said: "ЕТН", Name: "Gold", Decimals: 18}},
		{"a long one", chaintest.Token, []any{strings.Repeat("n", 61), strings.Repeat("S", 21), uint8(0), supply}, book.Metadata{Said: strings.Repeat("S", 21)}},
		{"no token", chaintest.Forwarder, nil, book.Metadata{NoDecimals: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := chain.Deploy(t.Context(), c.contract, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			got, err := book.ReadMetadata(t.Context(), chain.Client(), a)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("metadata %+v, want %+v", got, c.want)
			}
		})
	}
	if _, err := book.ReadMetadata(t.Context(), chain.Client(), common.Address{0xaa}); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("an address without code: %v, want ErrUsage", err)
	}
}

// answering is a contract that answers every call with the same bytes.
type answering []byte

func (a answering) CodeAt(context.Context, common.Address, *big.Int) ([]byte, error) {
	return []byte{1}, nil
}

func (a answering) CallContract(context.Context, ethereum.CallMsg, *big.Int) ([]byte, error) {
	return a, nil
}

// FuzzReadMetadata: whatever a contract answers, what comes out can be printed
// and registered.
func FuzzReadMetadata(f *testing.F) {
	word := func(s string) []byte { return append([]byte(s), make([]byte, 32-len(s))...) }
	f.Add(word("MKR"))
	f.Add(append(append(common.LeftPadBytes([]byte{32}, 32), common.LeftPadBytes([]byte{3}, 32)...), word("MKR")...))
	f.Add(append(common.LeftPadBytes([]byte{32}, 32), common.LeftPadBytes([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 32)...))
	f.Fuzz(func(t *testing.T, out []byte) {
		m, err := book.ReadMetadata(t.Context(), answering(out), common.Address{1})
		if err != nil {
			t.Fatal(err)
		}
		if m.Symbol != "" && book.CheckSymbol(m.Symbol) != nil || m.Decimals > wallet.MaxDecimals {
			t.Fatalf("%x reads as %+v", out, m)
		}
	})
}

// TestReadMetadataOfBytes32 covers the older tokens, such as MKR.
func TestReadMetadataOfBytes32(t *testing.T) {
	out := answering(append([]byte("MKR"), make([]byte, 29)...))
	m, err := book.ReadMetadata(t.Context(), out, common.Address{1})
	if err != nil || m.Symbol != "MKR" || !m.NoDecimals {
		t.Errorf("metadata %+v, %v", m, err)
	}
}

func TestParseTokenList(t *testing.T) {
	entry := func(edits ...string) string {
		e := `{"chainId":1,"address":"0xdAC17F958D2ee523a2206206994597C13D831ec7","name":"Tether USD","symbol":"USDT","decimals":6}`
		return strings.NewReplacer(edits...).Replace(e)
	}
	list := func(entries ...string) string {
		return `{"name":"x","timestamp":"t","tokens":[` + strings.Join(entries, ",") + `]}`
	}
	other := entry("0xdAC17F958D2ee523a2206206994597C13D831ec7", "0x1111111111111111111111111111111111111111")
	for _, c := range []struct {
		name, file     string
		tokens, others int
		say            string // of the error
	}{
		{name: "one", file: list(entry()), tokens: 1},
		{name: "with tags and logos", file: list(entry(`"decimals"`, `"tags":["x"],"logoURI":"y","decimals"`)), tokens: 1},
		{name: "two chains", file: list(entry(), entry(`:1,`, `:10,`)), tokens: 1, others: 1},
		{name: "no tokens", file: list(), say: "has no tokens"},
		{name: "no list", file: `[]`, say: "token list"},
		{name: "cut off", file: list(entry())[:60], say: "token list"},
		{name: "more behind it", file: list(entry()) + "{}", say: "token list"},
		{name: "twice the same key", file: list(entry(`"decimals"`, `"decimals":8,"decimals"`)), say: "duplicate"},
		{name: "other case", file: list(entry(`"decimals"`, `"Decimals"`)), say: "want chainId, address, symbol and decimals"},
		{name: "twice the same contract", file: list(entry(), other, entry("USDT", "OTHER")), say: "tokens[2]: the same contract as tokens[0]"},
		{name: "wrong checksum", file: list(other, entry("0xdA", "0xDa")), say: "tokens[1]: address"},
		{name: "wrong checksum on another chain", file: list(other, entry("0xdA", "0xDa", `:1,`, `:10,`)), say: "tokens[1]: address"},
		{name: "decimals as text", file: list(entry(`:6`, `:"6"`)), say: "token list"},
		{name: "a fraction of decimals", file: list(entry(`:6`, `:6.5`)), say: "token list"},
		{name: "negative decimals", file: list(entry(`:6`, `:-6`)), say: "token list"},
		{name: "too many decimals", file: list(entry(`:6`, `:78`)), say: "tokens[0]: token"},
		{name: "chain 0", file: list(entry(`:1,`, `:0,`)), say: "chainId 0"},
		{name: "the coin", file: list(entry("0xdAC17F958D2ee523a2206206994597C13D831ec7", "0x0000000000000000000000000000000000000000")), say: "is not a token"},
		{name: "a name with a line end", file: list(entry("Tether USD", `Tether\nUSD`)), say: "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tokens, others, err := book.ParseTokenList([]byte(c.file), 1)
			if c.say != "" {
				if !errors.Is(err, wallet.ErrUsage) || !strings.Contains(err.Error(), c.say) {
					t.Errorf("ParseTokenList = %v, want ErrUsage with %q", err, c.say)
				}
				return
			}
			if err != nil || len(tokens) != c.tokens || others != c.others {
				t.Errorf("ParseTokenList = %d, %d, %v; want %d and %d", len(tokens), others, err, c.tokens, c.others)
			}
		})
	}
}

// FuzzParseTokenList: what is taken can be registered.
func FuzzParseTokenList(f *testing.F) {
	f.Add([]byte(`{"tokens":[{"chainId":1,"address":"0x1111111111111111111111111111111111111111","symbol":"A","decimals":1}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		tokens, _, err := book.ParseTokenList(file, 1)
		if err != nil {
			return
		}
		if !json.Valid(file) {
			t.Fatalf("%q was taken", file)
		}
		if _, err := newBook(t).AddTokens(t.Context(), 1, tokens, true); err != nil {
			t.Fatal(err)
		}
	})
}
