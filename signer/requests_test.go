package signer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

const pins = `
version = 1
open = true
[[chain]]
id = 1
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
[[asset]]
asset = "eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
symbol = "USDC"
decimals = 6
`

// paid is a batch that pays 1 wei and 2.5 USDC.
func paid(t *testing.T, s *station) *batch.Batch {
	b := s.withdrawals(t, 0, 2)
	b.Assets = append(b.Assets, batch.Asset{Asset: wallet.Token(1, usdc), Symbol: "USDC", Decimals: 6})
	it := &b.Items[1]
	it.Intent.Asset, it.Intent.Amount = wallet.Token(1, usdc), wallet.NewAmount(2_500_000)
	it.To, it.Value, it.Data = usdc, wallet.Amount{}, batch.TransferData(it.Intent.Recipient, it.Intent.Amount)
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise 5: withdrawals can be compared with a list that came another way.
func TestRequests(t *testing.T) {
	s := newStation(t)
	one, two := recipient(0).Hex(), recipient(1).Hex()
	ether := "w-0,alice,ETH,0.000000000000000001," + one + ",rent\n"
	dollars := "w-1,,usdc,2.50," + strings.ToLower(two) + ",\n"
	head := "id,account,asset,amount,to,memo\n"
	twoTokens := pins + "[[asset]]\nasset = \"eip155:1/erc20:0x000000000000000000000000000000000000dEaD\"\nsymbol = \"usdc\"\ndecimals = 6\n"
	tests := map[string]struct {
		list   string
		policy string
		rules  string // of the refusal; empty if it is allowed
		say    string
		left   int
	}{
		"the same":            {head + ether + dollars, pins, "", "", 0},
		"byte order mark":     {"\ufeff" + head + ether + dollars, pins, "", "", 0},
		"more than the batch": {head + ether + "w-9,,ETH,1," + one + ",\n" + dollars, pins, "", "", 1},
		"other order":         {"to,amount,asset,id\n" + two + ",2.5," + usdc.Hex() + ",w-1\n" + one + ",0.000000000000000001,eip155:1/slip44:60,w-0\n", pins, "", "", 0},
		"one missing":         {head + ether, pins, "requests", `"w-1" is not in list.csv`, 0},
		"none of them":        {head + strings.Replace(ether, "w-0", "w-9", 1), pins, "requests, requests", `"w-0" is not in list.csv`, 0},
		"id in another case":  {head + ether + strings.Replace(dollars, "w-1", "W-1", 1), pins, "requests", `"w-1" is not`, 0},
		"another amount":      {head + ether + strings.Replace(dollars, "2.50", "2.51", 1), pins, "requests", `2.5 is "2.51" in line 3 of list.csv`, 0},
		"no amount":           {head + ether + strings.Replace(dollars, "2.50", "2.5e0", 1), pins, "requests", `2.5 is "2.5e0" in line 3`, 0},
		"another recipient":   {head + ether + strings.Replace(dollars, strings.ToLower(two), one, 1), pins, "requests", two + ` is "` + one, 0},
		"mistyped recipient":  {head + ether + strings.Replace(dollars, strings.ToLower(two), two[:41], 1), pins, "requests", two, 0},
		"another asset":       {head + ether + strings.Replace(dollars, "usdc", "ETH", 1), pins, "requests", `is "ETH" in line 3 of list.csv, which is another asset`, 0},
		"asset elsewhere":     {head + strings.Replace(ether, "ETH", "eip155:10/slip44:60", 1) + dollars, pins, "requests", "another asset", 0},
		"zero contract":       {head + strings.Replace(ether, "ETH", common.Address{}.Hex(), 1) + dollars, pins, "requests", "another asset", 0},
		"ambiguous symbol":    {head + ether + dollars, twoTokens, "requests", "may be another asset", 0},
		"all wrong":           {head + ether + "w-1,,ETH,7," + one + ",\n", pins, "requests, requests", "line 3", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			list, err := signer.ParseRequests("list.csv", []byte(test.list))
			if err != nil {
				t.Fatal(err)
			}
			left, err := list.Compare(paid(t, s), parsePolicy(t, test.policy))
			if test.rules == "" {
				if err != nil || left != test.left {
					t.Errorf("Compare = %d, %v; want %d", left, err, test.left)
				}
				return
			}
			checkRefused(t, err, test.rules)
			if !strings.Contains(err.Error(), test.say) {
				t.Errorf("error %q, want it to say %q", err, test.say)
			}
		})
	}
}

func TestParseRequestsRefuses(t *testing.T) {
	head := "id,account,asset,amount,to,memo\n"
	row := "w-0,,ETH,1,0x000000000000000000000000000000000000dEaD,\n"
	for name, test := range map[string]struct{ list, say string }{
		"empty":          {"", "line 1"},
		"no rows":        {head, "no rows"},
		"not UTF-8":      {head + "\xff", "UTF-8"},
		"unknown column": {"id,asset,amount,to,fee\n", `"fee"`},
		"column twice":   {"id,asset,amount,to,to\n", `to stands twice`},
		"no amount":      {"id,asset,to\n", "amount is missing"},
		"upper case":     {"ID,asset,amount,to\n", `"ID"`},
		"id twice":       {head + row + row, "line 3, column id (\"w-0\"): stands in line 2 too"},
		"no id":          {head + row[3:], "line 2"},
		"short row":      {head + row + "w-1,ETH\n", "line 3"},
		"open quote":     {head + row + "\"w-1,ETH\n", "line 3"},
		"bidirectional":  {head + strings.Replace(row, "w-0", "w-\u202e0", 1), "line 2, column id"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signer.ParseRequests("list.csv", []byte(test.list))
			if !errors.Is(err, wallet.ErrUsage) || !strings.Contains(err.Error(), test.say) {
				t.Errorf("error %v, want wrong usage that says %q", err, test.say)
			}
		})
	}
}
