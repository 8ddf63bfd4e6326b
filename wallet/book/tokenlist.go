package book

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/wallet"
)

// MaxTokenList bounds a token list, in bytes.
const MaxTokenList = 32 << 20

// tokenList is the part of a token list that matters here. The format is that
// of Uniswap's token lists (https://uniswap.org/tokenlist.schema.json), whose
// other members (version, logos, tags, extensions) say nothing about amounts.
type tokenList struct {
	Name   string      `json:"name"`
	Tokens []listToken `json:"tokens"`
}

type listToken struct {
	ChainID  *uint64 `json:"chainId"`
	Address  *string `json:"address"`
	Name     string  `json:"name"`
	Symbol   *string `json:"symbol"`
	Decimals *uint8  `json:"decimals"`
}

// ParseTokenList reads the tokens of one chain from a token list; those of
// other chains are counted and left out. Any entry that is not valid, also of
// another chain, makes the whole list invalid: the error names it.
func ParseTokenList(file []byte, chain uint64) (tokens []wallet.Asset, others int, err error) {
	bad := func(format string, args ...any) ([]wallet.Asset, int, error) {
		return nil, 0, wallet.As(wallet.ErrUsage, "token list: "+format, args...)
	}
	if len(file) > MaxTokenList {
		return bad("%d bytes, want at most %d", len(file), MaxTokenList)
	}
	var list tokenList
	if err := json.Unmarshal(file, &list, jsontext.AllowInvalidUTF8(false)); err != nil {
		return bad("%w", err)
	}
	if len(list.Tokens) == 0 {
		return bad("has no tokens")
	}
	first := map[common.Address]int{}
	for i, t := range list.Tokens {
		at := fmt.Sprintf("tokens[%d]", i)
		switch {
		case t.ChainID == nil || t.Address == nil || t.Symbol == nil || t.Decimals == nil:
			return bad("%s: want chainId, address, symbol and decimals", at)
		case *t.ChainID == 0:
			return bad("%s: chainId 0", at)
		}
		contract, err := wallet.ParseAddress(*t.Address)
		if err != nil {
			return bad("%s: %w", at, err)
		}
		if *t.ChainID != chain {
			others++
			continue
		}
		a := wallet.Asset{ID: wallet.Token(chain, contract), Symbol: *t.Symbol, Name: t.Name, Decimals: *t.Decimals}
		if err := checkToken(chain, a); err != nil {
			return bad("%s: %w", at, err)
		}
		if j, ok := first[contract]; ok {
			return bad("%s: the same contract as tokens[%d]", at, j)
		}
		first[contract] = i
		tokens = append(tokens, a)
	}
	return tokens, others, nil
}
