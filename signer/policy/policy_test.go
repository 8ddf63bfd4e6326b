package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

const full = `
version = 1
max_age = "48h"
max_items = 3

[[chain]]
id = 1
max_fee_per_gas_gwei = "100.5"
max_fee_per_batch = "0.02"
treasury = "0x1111111111111111111111111111111111111111"
recipients = ["0x2222222222222222222222222222222222222222"]

[[chain]]
id = 10
max_fee_per_gas_gwei = "1"
max_fee_per_batch = "1"

[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "5"
max_per_batch = "7.5"

[[asset]]
asset = "eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
symbol = "USDC"
decimals = 6
max_per_transaction = "100"
max_per_batch = "150"
`

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	usdc     = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
	treasury = common.HexToAddress("0x1111111111111111111111111111111111111111")
	friend   = common.HexToAddress("0x2222222222222222222222222222222222222222")
	stranger = common.HexToAddress("0x3333333333333333333333333333333333333333")
	payout   = common.HexToAddress("0x4444444444444444444444444444444444444444")
)

func parse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func presetOf(t testing.TB, name string) *Policy {
	t.Helper()
	raw, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(raw))
}

func ether(t testing.TB, s string) wallet.Amount {
	t.Helper()
	a, err := wallet.ParseDecimal(s, 18)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// payment is a batch with one payment of ether to the friend.
func payment(t testing.TB, amount string) *batch.Batch {
	t.Helper()
	b := &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat("0", 32), Kind: batch.Withdrawals, ChainID: 1,
		Vault: strings.Repeat("0", 64), CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour),
		Assets: []batch.Asset{{Asset: wallet.Coin(1), Symbol: "ETH", Decimals: 18}},
	}
	pay(t, b, friend, amount)
	return b
}

func pay(t testing.TB, b *batch.Batch, to common.Address, amount string) {
	t.Helper()
	n := len(b.Items)
	b.Items = append(b.Items, batch.Item{
		From: payout, Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: uint64(n), To: to, Value: ether(t, amount), Gas: 21_000,
		Rungs:    []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(50e9), MaxPriorityFeePerGas: wallet.NewAmount(1e9)}},
		Requires: -1,
		Intent:   wallet.Intent{Kind: wallet.IntentWithdrawal, ID: strings.Repeat("w", n+1), Asset: wallet.Coin(1), Recipient: to, Amount: ether(t, amount)},
	})
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
}

// sweep is a batch with one sweep of ether to an address that is not in the
// vault.
func sweep(t testing.TB, to common.Address) *batch.Batch {
	t.Helper()
	b := payment(t, "900")
	it := &b.Items[0]
	b.Kind, it.Path.Role, it.Intent.Kind, it.To, it.Intent.Recipient = batch.Sweep, wallet.DepositRole, wallet.IntentSweep, to, to
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEvaluate(t *testing.T) {
	tests := map[string]struct {
		policy string
		change func(t *testing.T, b *batch.Batch)
		want   string // rules, with the items that break them
	}{
		"allowed":             {full, func(*testing.T, *batch.Batch) {}, ""},
		"at both limits":      {full, func(t *testing.T, b *batch.Batch) { *b = *payment(t, "5"); pay(t, b, friend, "2.5") }, ""},
		"one wei more":        {full, func(t *testing.T, b *batch.Batch) { *b = *payment(t, "5.000000000000000001") }, "max_per_transaction 0"},
		"one wei more in all": {full, func(t *testing.T, b *batch.Batch) { *b = *payment(t, "5"); pay(t, b, friend, "2.500000000000000001") }, "max_per_batch -1"},
		"another recipient":   {full, func(t *testing.T, b *batch.Batch) { pay(t, b, stranger, "1") }, "recipients 1"},
		"another chain":       {full, func(_ *testing.T, b *batch.Batch) { b.ChainID = 5 }, "chain -1"},
		"chain without assets": {full, func(_ *testing.T, b *batch.Batch) {
			b.ChainID = 10
			b.Items[0].Intent.Asset = wallet.Coin(10)
			b.Items[0].Rungs[0].MaxFeePerGas = wallet.NewAmount(1e9)
		}, "asset 0"},
		"another token":     {full, func(_ *testing.T, b *batch.Batch) { b.Items[0].Intent.Asset = wallet.Token(1, stranger) }, "asset 0"},
		"old":               {full, func(_ *testing.T, b *batch.Batch) { b.CreatedAt = now.Add(-48*time.Hour - time.Second) }, "max_age -1"},
		"just young enough": {full, func(_ *testing.T, b *batch.Batch) { b.CreatedAt = now.Add(-48 * time.Hour) }, ""},
		"from the future":   {full, func(_ *testing.T, b *batch.Batch) { b.CreatedAt = now.Add(2 * time.Hour) }, "max_age -1"},
		"clocks differ":     {full, func(_ *testing.T, b *batch.Batch) { b.CreatedAt = now.Add(time.Minute) }, ""},
		"too many items": {full, func(t *testing.T, b *batch.Batch) {
			pay(t, b, friend, "1")
			pay(t, b, friend, "1")
			pay(t, b, friend, "1")
		}, "max_items -1"},
		"gas at the limit": {full, func(_ *testing.T, b *batch.Batch) {
			b.Items[0].Rungs[0].MaxFeePerGas = wallet.NewAmount(100_500_000_000)
		}, ""},
		"gas too dear": {full, func(_ *testing.T, b *batch.Batch) {
			b.Items[0].Rungs[0].MaxFeePerGas = wallet.NewAmount(100_500_000_001)
		}, "max_fee_per_gas_gwei 0"},
		"top rung too dear": {full, func(_ *testing.T, b *batch.Batch) {
			r := &b.Items[0].Rungs
			*r = append(*r, wallet.Fee{MaxFeePerGas: wallet.NewAmount(101e9)})
		}, "max_fee_per_gas_gwei 0"},
		"gas of the batch": {full, func(_ *testing.T, b *batch.Batch) { b.Items[0].Gas = 400_001 }, "max_fee_per_batch -1"},
		"symbol":           {full, func(_ *testing.T, b *batch.Batch) { b.Assets[0].Symbol = "WETH" }, "symbol -1"},
		"decimals": {full, func(_ *testing.T, b *batch.Batch) {
			b.Assets = append(b.Assets, batch.Asset{Asset: wallet.Token(1, usdc), Symbol: "USDC", Decimals: 18})
		}, "decimals -1"},
		"sweep to the treasury": {full, func(t *testing.T, b *batch.Batch) { *b = *sweep(t, treasury) }, ""},
		"sweep to a stranger":   {full, func(t *testing.T, b *batch.Batch) { *b = *sweep(t, stranger) }, "treasury 0"},
		"several":               {full, func(t *testing.T, b *batch.Batch) { *b = *payment(t, "6"); pay(t, b, stranger, "8") }, "max_per_transaction 0, recipients 1, max_per_transaction 1, max_per_batch -1"},
		"nothing is listed":     {"version = 1\nmax_age = \"1h\"\nmax_items = 1", func(*testing.T, *batch.Batch) {}, "chain -1"},
		"nobody is listed":      {strings.ReplaceAll(full, `["0x2222222222222222222222222222222222222222"]`, "[]"), func(*testing.T, *batch.Batch) {}, "recipients 0"},
		"open":                  {"version = 1\nopen = true", func(t *testing.T, b *batch.Batch) { *b = *payment(t, "1000000") }, ""},
		"open, with a limit":    {strings.Replace(full, "version = 1", "version = 1\nopen = true", 1), func(t *testing.T, b *batch.Batch) { *b = *payment(t, "6") }, "max_per_transaction 0"},
		"open, sweep away":      {"version = 1\nopen = true", func(t *testing.T, b *batch.Batch) { *b = *sweep(t, stranger) }, "treasury 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := payment(t, "1")
			test.change(t, b)
			var got []string
			for _, v := range parse(t, test.policy).Evaluate(b, Context{Now: now}) {
				got = append(got, v.Rule+" "+wallet.NewAmount(int64(v.Item)).String())
				if v.Value == "" || v.Limit == "" {
					t.Errorf("violation %+v does not say what and why", v)
				}
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("Evaluate finds %q, want %q", got, test.want)
			}
		})
	}
}

// Nothing above a limit passes, and nothing at or below it is refused for it.
func TestLimitsAreExact(t *testing.T) {
	p := parse(t, full)
	rapid.Check(t, func(rt *rapid.T) {
		amounts := rapid.SliceOfN(rapid.Int64Range(1, 6e18), 1, 3).Draw(rt, "wei")
		b := payment(t, "1")
		b.Items = b.Items[:0]
		total, over := wallet.Amount{}, 0
		for _, wei := range amounts {
			n := wallet.NewAmount(wei)
			pay(t, b, friend, n.Decimal(18))
			total = total.Add(n)
			over += max(0, n.Cmp(ether(t, "5")))
		}
		want := over + max(0, total.Cmp(ether(t, "7.5")))
		if got := p.Evaluate(b, Context{Now: now}); len(got) != want {
			rt.Fatalf("amounts %v: %d violations, want %d: %v", amounts, len(got), want, got)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"unknown key":            {"max_items = 3", "max_items = 3\nmax_itmes = 4", "line 5, column 1"},
		"unknown key in a table": {`symbol = "ETH"`, `symbol = "ETH"` + "\nlimit = \"5\"", "limit"},
		"upper-case key":         {"max_items", "Max_Items", "Max_Items"},
		"key in two cases":       {"max_items = 3", "max_items = 3\nMAX_ITEMS = 4", "MAX_ITEMS"},
		"key twice":              {"max_items = 3", "max_items = 3\nmax_items = 4", "line 5"},
		"float":                  {`max_per_transaction = "5"`, `max_per_transaction = 5.0`, "line 22"},
		"number for text":        {`max_per_transaction = "5"`, `max_per_transaction = 5`, "line 22"},
		"no version":             {"version = 1", "", "version"},
		"later version":          {"version = 1", "version = 2", "version"},
		"no age":                 {`max_age = "48h"`, "", "max_age is missing"},
		"age without unit":       {`"48h"`, `"48"`, "max_age"},
		"negative age":           {`"48h"`, `"-48h"`, "max_age"},
		"no items":               {"max_items = 3", "max_items = 0", "max_items"},
		"no gas limit":           {`max_fee_per_gas_gwei = "100.5"`, "", "max_fee_per_gas_gwei is missing"},
		"too many decimals":      {`"100.5"`, `"100.0000000001"`, "digits after the point"},
		"negative limit":         {`max_per_batch = "150"`, `max_per_batch = "-150"`, "max_per_batch"},
		"chain twice":            {"id = 10", "id = 1", "stands twice"},
		"no chain id":            {"id = 10\n", "", "id is missing"},
		"asset twice":            {"erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "slip44:60", "stands twice"},
		"asset of no chain":      {"eip155:1/erc20", "eip155:3/erc20", "no [[chain]]"},
		"asset in lower case":    {"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "asset"},
		"no symbol":              {`symbol = "USDC"`, "", "symbol"},
		"no decimals":            {"decimals = 6", "", "decimals"},
		"decimals of the coin":   {"decimals = 18", "decimals = 6", "decimals"},
		"decimals too many":      {"decimals = 6", "decimals = 78", "decimals"},
		"bad treasury":           {`treasury = "0x1111111111111111111111111111111111111111"`, `treasury = "0x11"`, "treasury"},
		"zero treasury":          {`treasury = "0x1111111111111111111111111111111111111111"`, `treasury = "0x0000000000000000000000000000000000000000"`, "zero"},
		"bad recipient":          {`["0x2222222222222222222222222222222222222222"]`, `["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eb48"]`, "checksum"},
		"not TOML":               {"version = 1", "version: 1", "line 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(full, test.old, test.new, 1)
			if changed == full {
				t.Fatalf("the policy has no %s", test.old)
			}
			if _, err := Parse([]byte(changed)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// The strict preset allows nothing, and its examples are valid once they are
// uncommented; the open preset says what it is.
func TestPresets(t *testing.T) {
	strict := presetOf(t, "strict")
	if got := strict.Evaluate(payment(t, "1"), Context{Now: now}); len(got) == 0 {
		t.Error("the strict preset allows a payment")
	}
	if all := strings.Join(strict.Explain(), "\n"); !strings.Contains(all, "nothing is signed") {
		t.Errorf("the strict preset explains itself as %q", all)
	}
	raw, err := Preset("strict")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(string(raw), "\n") {
		text := strings.TrimPrefix(line, "# ")
		if strings.Contains(text, "[[") && !strings.HasPrefix(text, "[[") || strings.Contains(text, "0x0000") || text == "recipients = [" || text == "]" {
			continue
		}
		if strings.HasPrefix(text, "[[") || strings.Contains(text, " = ") {
			lines = append(lines, text)
		}
	}
	filled := parse(t, strings.Join(lines, "\n"))
	if len(filled.Chains) != 1 || len(filled.Assets) != 2 {
		t.Errorf("the examples of the strict preset give %d chains and %d assets, want 1 and 2", len(filled.Chains), len(filled.Assets))
	}
	if all := strings.Join(presetOf(t, "open").Explain(), "\n"); !strings.Contains(all, "OPEN") {
		t.Errorf("the open preset explains itself as %q", all)
	}
	if _, err := Preset("lax"); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("preset lax: %v, want wrong usage", err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	if _, err := Load(path); !errors.Is(err, wallet.ErrRefused) || !errors.Is(err, os.ErrNotExist) || wallet.Hint(err) == "" {
		t.Errorf("no file: %v, want a refusal with a way out", err)
	}
	if err := os.WriteFile(path, []byte("version = 1\nopne = true"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), "line 2, column 1") {
		t.Errorf("mistyped key: %v, want a refusal with its place", err)
	}
}

func TestExplain(t *testing.T) {
	all := strings.Join(parse(t, full).Explain(), "\n")
	for _, want := range []string{
		"at most 48 hours old", "at most 3 transactions", "100.5 gwei", "at most 0.02 of the coin", treasury.Hex(), "1 listed recipients",
		"Chain 10: withdrawals may pay anyone", "Chain 10: no asset is allowed", "at most 5 ETH each and at most 7.5 ETH a batch",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("explanation lacks %q:\n%s", want, all)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add(open)
	f.Add(strict)
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(raw)
		if err != nil {
			return
		}
		p.Explain()
		p.Evaluate(payment(t, "1"), Context{Now: now})
	})
}
