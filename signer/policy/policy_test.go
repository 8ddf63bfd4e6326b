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
allow = ["withdrawal", "sweep", "top-up", "rebalance", "cancel", "no-op", "payments", "allowance", "deploy", "replacement"]
roles = ["payout", "deposit", "gas"]
blocked = ["0x6666666666666666666666666666666666666666"]
approvals = 0
requests_signed = false

` + approvers + requester + `[[chain]]
id = 1
max_fee_per_gas_gwei = "100.5"
max_fee_per_transaction = "0.015"
max_fee_per_batch = "0.02"
treasury = "0x1111111111111111111111111111111111111111"
float = "0x5555555555555555555555555555555555555555"
recipients = ["0x2222222222222222222222222222222222222222", "0x7777777777777777777777777777777777777777", "0x6666666666666666666666666666666666666666"]
recipients_delay = "24h"
coin_payments = true

[[chain]]
id = 10
max_fee_per_gas_gwei = "1"
max_fee_per_transaction = "1"
max_fee_per_batch = "1"
any_recipient = true

[[contract]]
chain = 1
address = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
methods = ["transfer(address,uint256)"]

[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "5"
max_per_batch = "7.5"
max_per_recipient = "8"
max_per_day = "20"
max_per_week = "50"
approvals = [{ above = "10", need = 1 }, { above = "15", need = 2 }]

[[asset]]
asset = "eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
symbol = "USDC"
decimals = 6
max_per_transaction = "100"
max_per_batch = "150"
max_per_recipient = "150"
max_per_day = "1000"
max_per_week = "1000"
`

const approvers = `[[approver]]
name = "Alice"
address = "0x00000000000000000000000000000000000a11ce"

[[approver]]
name = "Bob"
address = "0x0000000000000000000000000000000000000b0b"

`

const requester = `[[requester]]
name = "billing"
address = "0x000000000000000000000000000000000000b111"

`

// recipients is the list of them in the full policy.
const recipients = `["0x2222222222222222222222222222222222222222", "0x7777777777777777777777777777777777777777", "0x6666666666666666666666666666666666666666"]`

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	usdc     = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
	treasury = common.HexToAddress("0x1111111111111111111111111111111111111111")
	friend   = common.HexToAddress("0x2222222222222222222222222222222222222222")
	stranger = common.HexToAddress("0x3333333333333333333333333333333333333333")
	payout   = common.HexToAddress("0x4444444444444444444444444444444444444444")
	blocked  = common.HexToAddress("0x6666666666666666666666666666666666666666")
	newcomer = common.HexToAddress("0x7777777777777777777777777777777777777777")
	tether   = common.HexToAddress("0xdAC17F958D2ee523a2206206994597C13D831ec7")
	alice    = common.HexToAddress("0x00000000000000000000000000000000000a11ce")
	bob      = common.HexToAddress("0x0000000000000000000000000000000000000b0b")
	billing  = common.HexToAddress("0x000000000000000000000000000000000000b111")
)

// known is a station whose policy had its recipients from the first, and which
// signed nothing so far.
func known() Context {
	return Context{Now: now, Since: map[common.Address]time.Time{friend: {}, blocked: {}}}
}

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
		"gas of a transaction": {full, func(_ *testing.T, b *batch.Batch) { b.Items[0].Gas = 300_001 }, "max_fee_per_transaction 0"},
		"gas at both limits": {full, func(t *testing.T, b *batch.Batch) {
			b.Items[0].Gas = 300_000
			pay(t, b, friend, "1")
			b.Items[1].Gas = 100_000
		}, ""},
		"gas of the batch": {full, func(t *testing.T, b *batch.Batch) {
			b.Items[0].Gas = 300_000
			pay(t, b, friend, "1")
			b.Items[1].Gas = 100_001
		}, "max_fee_per_batch -1"},
		"symbol": {full, func(_ *testing.T, b *batch.Batch) { b.Assets[0].Symbol = "WETH" }, "symbol -1"},
		"decimals": {full, func(_ *testing.T, b *batch.Batch) {
			b.Assets = append(b.Assets, batch.Asset{Asset: wallet.Token(1, usdc), Symbol: "USDC", Decimals: 18})
		}, "decimals -1"},
		"sweep to the treasury": {full, func(t *testing.T, b *batch.Batch) { *b = *sweep(t, treasury) }, ""},
		"sweep to a stranger":   {full, func(t *testing.T, b *batch.Batch) { *b = *sweep(t, stranger) }, "treasury 0"},
		"several":               {full, func(t *testing.T, b *batch.Batch) { *b = *payment(t, "6"); pay(t, b, stranger, "8") }, "max_per_transaction 0, recipients 1, max_per_transaction 1, max_per_batch -1, approvals -1"},
		"nothing is listed":     {"version = 1\nmax_age = \"1h\"\nmax_items = 1\nallow = []\nroles = []\napprovals = 0", func(*testing.T, *batch.Batch) {}, "chain -1"},
		"nobody is listed":      {strings.Replace(full, recipients, "[]", 1), func(*testing.T, *batch.Batch) {}, "recipients 0"},
		"open":                  {"version = 1\nopen = true", func(t *testing.T, b *batch.Batch) { *b = *payment(t, "1000000") }, ""},
		"open, with a limit":    {strings.Replace(full, "version = 1", "version = 1\nopen = true", 1), func(t *testing.T, b *batch.Batch) { *b = *payment(t, "6") }, "max_per_transaction 0"},
		"open, sweep away":      {"version = 1\nopen = true", func(t *testing.T, b *batch.Batch) { *b = *sweep(t, stranger) }, "treasury 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := payment(t, "1")
			test.change(t, b)
			var got []string
			for _, v := range parse(t, test.policy).Evaluate(b, known()) {
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

// Nothing above a limit passes, and nothing at or below it is refused for it:
// each payment, the batch, what its recipient gets, and what needs approval.
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
		want := over + max(0, total.Cmp(ether(t, "7.5"))) + max(0, total.Cmp(ether(t, "8"))) + max(0, total.Cmp(ether(t, "10")))
		if got := p.Evaluate(b, known()); len(got) != want {
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
		"float":                  {`max_per_transaction = "5"`, `max_per_transaction = 5.0`, "line 50, column 23: asset.max_per_transaction: want text in quotes"},
		"number for text":        {`max_per_transaction = "5"`, `max_per_transaction = 5`, "line 50, column 23: asset.max_per_transaction: want text in quotes"},
		"text for a number":      {"max_items = 3", `max_items = "3"`, "max_items: want a whole number, without quotes"},
		"text for a list":        {`allow = [`, "roles = \"payout\"\n#", "roles: want a list of texts"},
		"no version":             {"version = 1", "", "version"},
		"later version":          {"version = 1", "version = 2", "version"},
		"no age":                 {`max_age = "48h"`, "", "max_age is missing"},
		"no age at all":          {`"48h"`, `"0s"`, "no batch is that young"},
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
		"bad recipient":          {recipients, `["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eb48"]`, "checksum"},
		"number is a float":      {"max_items = 3", "max_items = 3.0", "line 4"},
		"no kinds":               {`allow = ["withdrawal", "sweep", "top-up", "rebalance", "cancel", "no-op", "payments", "allowance", "deploy", "replacement"]`, "", "allow is missing"},
		"unknown kind":           {`"top-up"`, `"topup"`, "allow, number 3"},
		"kind in upper case":     {`"top-up"`, `"Top-Up"`, "allow, number 3"},
		"kind twice":             {`"top-up"`, `"sweep"`, "allow, number 3: sweep stands twice"},
		"no roles":               {`roles = ["payout", "deposit", "gas"]`, "", "roles is missing"},
		"role of strangers":      {`"gas"]`, `"external"]`, "roles, number 3"},
		"role twice":             {`"gas"]`, `"payout"]`, "roles, number 3: payout stands twice"},
		"blocked twice":          {`blocked = ["`, `blocked = ["0x6666666666666666666666666666666666666666", "`, "blocked, number 2"},
		"recipient twice":        {`"0x7777777777777777777777777777777777777777"`, `"0x2222222222222222222222222222222222222222"`, "recipients, number 2"},
		"no recipients":          {"recipients = " + recipients, "", "recipients is missing"},
		"no delay":               {`recipients_delay = "24h"`, "", "recipients_delay is missing"},
		"negative delay":         {`"24h"`, `"-24h"`, "recipients_delay"},
		"anybody and a list":     {"any_recipient = true", "any_recipient = true\nrecipients = []", "want one of them"},
		"anybody waits":          {"any_recipient = true", "any_recipient = true\nrecipients_delay = \"1h\"", "recipients_delay"},
		"no approvals":           {"approvals = 0", "", "approvals is missing"},
		"negative approvals":     {"approvals = 0", "approvals = -1", "from zero on"},
		"too few approvers":      {"approvals = 0", "approvals = 3", "number of [[approver]] is 2"},
		"approver without name":  {`name = "Alice"`, "", "[[approver]] number 1: name"},
		"approver twice":         {"0x0000000000000000000000000000000000000b0b", "0x00000000000000000000000000000000000A11cE", "is \"Alice\"'s too"},
		"names that are alike":   {`"Bob"`, `"ALICE"`, "stands twice"},
		"name of two lines":      {`"Bob"`, `"B\nob"`, "[[approver]] number 2: name"},
		"nobody to ask":          {"requests_signed = false\n\n" + approvers + requester, "requests_signed = true\n" + approvers, "no withdrawal could be signed"},
		"need is more than all":  {"need = 2", "need = 3", "number of [[approver]] is 2"},
		"need does not rise":     {"need = 2", "need = 1", "approvals, number 2: need = 1"},
		"need of nobody":         {"need = 1", "need = 0", "approvals, number 1: need = 0"},
		"amounts do not rise":    {`above = "15"`, `above = "10"`, "approvals, number 2: above"},
		"amount not reached":     {`above = "15"`, `above = "20"`, "never reached"},
		"amount in wei":          {`above = "15"`, `above = "15000000000000000000"`, "never reached"},
		"limit in wei":           {`max_per_transaction = "5"`, `max_per_transaction = "5000000000000000000"`, "mistyped"},
		"batch above the day":    {`max_per_batch = "7.5"`, `max_per_batch = "20.1"`, "max_per_batch = 20.1 is more than max_per_day = 20"},
		"recipient above a day":  {`max_per_recipient = "8"`, `max_per_recipient = "20.1"`, "max_per_recipient = 20.1 is more than max_per_day = 20"},
		"one above a recipient":  {`max_per_recipient = "8"`, `max_per_recipient = "4.9"`, "max_per_recipient = 4.9"},
		"day above the week":     {`max_per_day = "20"`, `max_per_day = "51"`, "max_per_week = 50"},
		"gas in wei":             {`"100.5"`, `"100500000000"`, "max_fee_per_transaction = 0.015"},
		"one above the batch":    {`max_fee_per_transaction = "0.015"`, `max_fee_per_transaction = "0.03"`, "max_fee_per_batch = 0.02"},
		"no limit of gas":        {`max_fee_per_transaction = "0.015"`, "", "max_fee_per_transaction is missing"},
		"no limit of a batch":    {`max_per_batch = "7.5"`, "", "max_per_batch is missing"},
		"no limit of one":        {`max_per_recipient = "8"`, "", "max_per_recipient is missing"},
		"no limit of a day":      {`max_per_day = "20"`, "", "max_per_day is missing"},
		"no limit of a week":     {`max_per_week = "50"`, "", "max_per_week is missing"},
		"symbol of another":      {`symbol = "USDC"`, `symbol = "eth"`, "eip155:1/slip44:60 has it"},
		"contract of no chain":   {"chain = 1", "chain = 3", "no [[chain]]"},
		"contract twice":         {"[[contract]]", "[[contract]]\nchain = 1\naddress = \"0xdac17f958d2ee523a2206206994597c13d831ec7\"\nmethods = [\"transfer(address,uint256)\"]\n[[contract]]", "stands twice"},
		"unknown method":         {`"transfer(address,uint256)"`, `"approve(address,uint256)"`, "nothing but transfer(address,uint256)"},
		"no methods":             {`methods = ["transfer(address,uint256)"]`, "", "methods is missing"},
		"beyond 256 bits":        {`max_per_week = "50"`, `max_per_week = "` + strings.Repeat("9", 78) + `"`, "256 bits"},
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

func TestParseAccepts(t *testing.T) {
	open := strings.Replace(full, "version = 1", "version = 1\nopen = true", 1)
	for name, text := range map[string]string{
		"a symbol on two chains":       full + strings.Replace(strings.Replace(full[strings.Index(full, "[[asset]]"):strings.LastIndex(full, "[[asset]]")], "eip155:1", "eip155:10", 1), "approvals = [", "# [", 1),
		"a symbol twice, open":         strings.Replace(open, `symbol = "USDC"`, `symbol = "ETH"`, 1),
		"an open policy without rules": "version = 1\nopen = true",
		"a limit that allows nothing":  strings.Replace(full, `max_per_transaction = "5"`, `max_per_transaction = "0"`, 1),
		"all limits alike":             strings.NewReplacer(`"5"`, `"20"`, `"7.5"`, `"20"`, `"8"`, `"20"`, `"50"`, `"20"`).Replace(full),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(text)); err != nil {
				t.Error(err)
			}
		})
	}
	// Limits that are not neighbours are compared, too, where one between is left out.
	apart := strings.Replace(strings.Replace(open, "max_per_batch = \"7.5\"\n", "", 1), `max_per_day = "20"`, `max_per_day = "4"`, 1)
	apart = strings.Replace(strings.Replace(apart, "max_per_recipient = \"8\"\n", "", 1), `approvals = [{ above = "10", need = 1 }, { above = "15", need = 2 }]`, "", 1)
	if _, err := Parse([]byte(apart)); err == nil || !strings.Contains(err.Error(), "max_per_transaction = 5 is more than max_per_day = 4") {
		t.Errorf("a payment above the day: %v", err)
	}
}

// The strict preset allows nothing, and its examples are valid once they are
// uncommented; the open preset says what it is.
func TestPresets(t *testing.T) {
	strict := presetOf(t, "strict")
	if got := strict.Evaluate(payment(t, "1"), known()); len(got) == 0 {
		t.Error("the strict preset allows a payment")
	}
	for _, name := range []string{"strict", "float"} {
		if all := strings.Join(presetOf(t, name).Explain(), "\n"); !strings.Contains(all, "nothing is signed") {
			t.Errorf("the preset %s explains itself as %q", name, all)
		}
	}
	filled := filledIn(t, "strict")
	if len(filled.Chains) != 1 || len(filled.Assets) != 2 || filled.Chains[1].Float == (common.Address{}) {
		t.Errorf("the examples of the strict preset give %d chains and %d assets, want 1 with a float and 2", len(filled.Chains), len(filled.Assets))
	}
	if all := strings.Join(presetOf(t, "open").Explain(), "\n"); !strings.Contains(all, "OPEN") {
		t.Errorf("the open preset explains itself as %q", all)
	}
	if _, err := Preset("lax"); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("preset lax: %v, want wrong usage", err)
	}
}

// filledIn is a preset with its examples uncommented: a line that is a comment
// and would be TOML is one. Where there is a list of recipients, it is taken.
func filledIn(t testing.TB, name string) *Policy {
	t.Helper()
	raw, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Contains(string(raw), "\n# recipients = ")
	var lines []string
	for line := range strings.Lines(string(raw)) {
		text := strings.TrimPrefix(line, "# ")
		if (strings.HasPrefix(text, "[[") || strings.Contains(text, " = ")) && (!listed || !strings.HasPrefix(text, "any_recipient")) {
			lines = append(lines, text)
		}
	}
	return parse(t, strings.Join(lines, ""))
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
		"at most 48 hours old", "at most 3 transactions", "100.5 gwei", "at most 0.02 ETH", treasury.Hex(), "3 listed recipients (" + friend.Hex(),
		"Chain 10: withdrawals may pay anyone", "Chain 10: the gas of a batch may cost at most 1 of the coin", "Chain 10: no asset is allowed", "at most 5 ETH each, at most 7.5 ETH a batch",
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
		p.Evaluate(payment(t, "1"), known())
	})
}
