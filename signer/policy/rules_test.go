package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// move is a batch with one item of a kind, from a role to a path of the vault,
// to itself where there is none.
func move(t testing.TB, in string, kind wallet.IntentKind, role wallet.Role, path string) *batch.Batch {
	t.Helper()
	b := payment(t, "900")
	it := &b.Items[0]
	b.Kind, it.Path.Role, it.Intent.Kind, it.RecipientPath = in, role, kind, path
	if path == "" {
		it.Value, it.Intent.Amount, it.To, it.Intent.Recipient = wallet.Amount{}, wallet.Amount{}, it.From, it.From
	}
	if kind == wallet.IntentCancel {
		it.Replaces = wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w-old"}
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// token makes an item one of a token that is not in the batch so far.
func token(t testing.TB, b *batch.Batch, i int, contract common.Address, symbol string, amount int64) {
	t.Helper()
	it := &b.Items[i]
	it.Intent.Asset, it.Intent.Amount = wallet.Token(b.ChainID, contract), wallet.NewAmount(amount)
	it.To, it.Value, it.Data = contract, wallet.Amount{}, batch.TransferData(it.Intent.Recipient, it.Intent.Amount)
	b.Assets = append(b.Assets, batch.Asset{Asset: it.Intent.Asset, Symbol: symbol, Decimals: 6})
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
}

const (
	depositPath  = "m/44'/60'/0'/0/5"
	treasuryPath = "m/44'/60'/3'/0/0"
	payoutPath   = "m/44'/60'/1'/0/0"
)

// Each rule holds exactly where its key says, also against what the station
// knows beside the batch.
func TestRules(t *testing.T) {
	eth, usd := wallet.Coin(1), wallet.Token(1, usdc)
	signed := func(day, week string) func(*testing.T, *Context) {
		return func(t *testing.T, c *Context) {
			c.Spent = map[wallet.AssetID]Spent{eth: {ether(t, day), ether(t, week)}, usd: {ether(t, "1"), ether(t, "1")}}
		}
	}
	approvedBy := func(who ...common.Address) func(*testing.T, *Context) {
		return func(t *testing.T, c *Context) { signed("14", "14")(t, c); c.Approvers = who }
	}
	asked := strings.Replace(full, "requests_signed = false", "requests_signed = true", 1)
	open := strings.Replace(full, "version = 1", "version = 1\nopen = true", 1)
	none := func(*testing.T, *Context) {}
	tests := map[string]struct {
		policy string
		batch  *batch.Batch
		known  func(*testing.T, *Context)
		want   string // rules with the items that break them
	}{
		"a day, filled": {full, payment(t, "5"), func(t *testing.T, c *Context) { signed("15", "15")(t, c); c.Approvers = []common.Address{alice, bob} }, ""},
		"a day, one wei more": {full, payment(t, "5"), func(t *testing.T, c *Context) {
			signed("15.000000000000000001", "16")(t, c)
			c.Approvers = []common.Address{alice, bob}
		}, "max_per_day -1"},
		"a week, filled":              {full, payment(t, "5"), signed("0", "45"), ""},
		"a week, one wei more":        {full, payment(t, "5"), signed("0", "45.000000000000000001"), "max_per_week -1"},
		"a full day, signed again":    {full, payment(t, "5"), func(t *testing.T, c *Context) { signed("900", "900")(t, c); c.Repeated = []bool{true} }, ""},
		"a full day, another asset":   {full, tokens(t, payment(t, "1"), usdc, "USDC", 100_000_000), signed("900", "900"), "max_per_day -1, max_per_week -1"}, // of USDC
		"a recipient, filled":         {full, payment(t, "5"), paidBefore(eth, friend, "3"), ""},
		"a recipient, one wei more":   {full, payment(t, "5"), paidBefore(eth, friend, "3.000000000000000001"), "max_per_recipient 0"},
		"another recipient is full":   {full, payment(t, "5"), paidBefore(eth, newcomer, "900"), ""},
		"a recipient in another coin": {full, payment(t, "5"), paidBefore(wallet.Coin(10), friend, "900"), ""},
		"a recipient, split":          {full, payments(t, "3", "3", "1.5"), paidBefore(eth, friend, "0.500000000000000001"), "max_per_recipient 0"},
		"a recipient, signed again":   {full, payment(t, "5"), func(t *testing.T, c *Context) { paidBefore(eth, friend, "900")(t, c); c.Repeated = []bool{true} }, ""},

		"recipient never seen":       {full, to(t, newcomer), none, "recipients_delay 0"},
		"recipient too new":          {full, to(t, newcomer), since(now.Add(-24*time.Hour + time.Second)), "recipients_delay 0"},
		"recipient old enough":       {full, to(t, newcomer), since(now.Add(-24 * time.Hour)), ""},
		"recipient of the future":    {full, to(t, newcomer), since(now.Add(time.Hour)), "recipients_delay 0"},
		"seen, but not listed":       {full, to(t, stranger), func(_ *testing.T, c *Context) { c.Since[stranger] = time.Time{} }, "recipients 0"},
		"no delay":                   {strings.Replace(full, `"24h"`, `"0s"`, 1), to(t, newcomer), none, ""},
		"blocked, though listed":     {full, to(t, blocked), none, "blocked 0"},
		"blocked in an open policy":  {"version = 1\nopen = true\nblocked = [\"" + friend.Hex() + "\"]", payment(t, "1"), none, "blocked 0"},
		"blocked on another chain":   {"version = 1\nopen = true\nblocked = [\"" + friend.Hex() + "\"]\n[[chain]]\nid = 5", elsewhere(t, 10), none, "blocked 0"},
		"blocked treasury":           {strings.Replace(full, `blocked = ["`, `blocked = ["`+treasury.Hex()+`", "`, 1), sweep(t, treasury), none, "blocked 0"},
		"blocked token":              {strings.Replace(full, `blocked = ["`, `blocked = ["`+usdc.Hex()+`", "`, 1), tokens(t, payment(t, "1"), usdc, "USDC", 1), none, "blocked 0"},
		"blocked sender of a no-op":  {strings.Replace(full, `blocked = ["`, `blocked = ["`+payout.Hex()+`", "`, 1), move(t, batch.Withdrawals, wallet.IntentNoOp, wallet.PayoutRole, ""), none, "blocked 0"},
		"listed on another chain":    {full, elsewhere(t, 10), none, "asset 0"},
		"to a token's contract":      {strings.Replace(full, recipients, `["`+usdc.Hex()+`"]`, 1), to(t, usdc), func(_ *testing.T, c *Context) { c.Since[usdc] = time.Time{} }, "contract 0"},
		"to a contract":              {strings.Replace(full, recipients, `["`+tether.Hex()+`"]`, 1), to(t, tether), func(_ *testing.T, c *Context) { c.Since[tether] = time.Time{} }, "contract 0"},
		"to a token in an open one":  {strings.Replace(open, recipients, `["`+usdc.Hex()+`"]`, 1), to(t, usdc), func(_ *testing.T, c *Context) { c.Since[usdc] = time.Time{} }, "contract 0"},
		"token named as another":     {full, tokens(t, sweep(t, treasury), tether, "usdc", 5), none, "symbol -1"},
		"symbol in another case":     {full, func() *batch.Batch { b := payment(t, "1"); b.Assets[0].Symbol = "Eth"; return b }(), none, "symbol -1"},
		"another token":              {full, tokens(t, payment(t, "1"), tether, "USDT", 5), none, "asset 0"},
		"sweep of a listed contract": {full, tokens(t, sweep(t, treasury), tether, "USDT", 5), none, ""},
		"sweep":                      {full, sweep(t, treasury), none, ""},
		"withdrawal":                 {full, payment(t, "1"), none, ""},
		"sweep of a token":           {full, tokens(t, sweep(t, treasury), usdc, "USDC", 5), none, ""},
		"sweep of anything":          {full, tokens(t, sweep(t, treasury), stranger, "X", 5), none, "contract 0"},
		"sweep of anything, open":    {open, tokens(t, sweep(t, treasury), stranger, "X", 5), none, ""},
		"another method":             {open, call(t, "0xa9059cbb"), none, "contract 0"},

		"top-up":                  {full, move(t, batch.Sweep, wallet.IntentTopUp, wallet.GasRole, depositPath), none, ""},
		"treasury does not send":  {full, move(t, batch.Rebalance, wallet.IntentRebalance, wallet.TreasuryRole, payoutPath), none, "roles 0"},
		"rebalance":               {full, move(t, batch.Rebalance, wallet.IntentRebalance, wallet.PayoutRole, treasuryPath), none, ""},
		"rebalance to a stranger": {full, pinned(t, stranger), none, "treasury 0"},
		"rebalance to the pinned": {full, pinned(t, treasury), none, ""},
		"rebalance away, open":    {"version = 1\nopen = true", pinned(t, stranger), none, "treasury 0"},
		"cancel":                  {full, move(t, batch.Withdrawals, wallet.IntentCancel, wallet.PayoutRole, ""), none, ""},
		"cancel, no replacement":  {strings.Replace(full, `, "replacement"]`, "]", 1), move(t, batch.Withdrawals, wallet.IntentCancel, wallet.PayoutRole, ""), none, ""},
		"signed with a cancel":    {full, canceled(t, 21_000, "30"), none, ""},
		"cancel not allowed":      {strings.Replace(full, `"cancel", `, "", 1), canceled(t, 21_000, "30"), none, "allow 0"},
		"cancel, gwei":            {full, canceled(t, 21_000, "100.6"), none, "max_fee_per_gas_gwei 0"},
		"cancel, fee":             {full, canceled(t, 160_000, "100"), none, "max_fee_per_transaction 0"},
		"no-op":                   {full, move(t, batch.Withdrawals, wallet.IntentNoOp, wallet.PayoutRole, ""), none, ""},
		"replacement":             {full, replacing(t), none, ""},

		"payments":                     {full, many(t, usdc, "1", "2"), none, ""},
		"payments of coin":             {full, many(t, common.Address{}, "1", "2"), none, ""},
		"coin is not for the contract": {strings.Replace(full, "coin_payments = true\n", "", 1), many(t, common.Address{}, "1", "2"), none, "coin_payments 0"},
		"nor in an open policy":        {"version = 1\nopen = true", many(t, common.Address{}, "1", "2"), none, "coin_payments 0"},
		"allowance":                    {full, about(t, wallet.IntentAllowance, usdc), none, ""},
		"allowance of anything":        {full, about(t, wallet.IntentAllowance, stranger), none, "contract 0"},
		"deploy":                       {full, about(t, wallet.IntentDeploy, common.Address{}), none, ""},
		"payments of anything":         {full, many(t, stranger, "1"), none, "contract 0, asset 0"},
		"one payment too high":         {full, many(t, usdc, "1", "100.000001", "1"), none, "max_per_transaction 0"},
		"payments too high together":   {full, many(t, usdc, "100", "50.000001"), none, "max_per_batch -1, max_per_recipient 0"},
		"one payment to a stranger":    {full, second(many(t, usdc, "1", "1"), stranger), none, "recipients 0"},
		"one payment to the blocked":   {full, second(many(t, usdc, "1", "1"), blocked), none, "blocked 0"},
		"one payment to a token":       {full, second(many(t, usdc, "1", "1"), tether), none, "contract 0, recipients 0"},
		"a day with payments":          {full, many(t, common.Address{}, "5"), func(t *testing.T, c *Context) { signed("15", "15")(t, c); c.Approvers = []common.Address{alice, bob} }, ""},
		"a day and a bit": {full, many(t, common.Address{}, "5"), func(t *testing.T, c *Context) {
			signed("15.1", "15.1")(t, c)
			c.Approvers = []common.Address{alice, bob}
		}, "max_per_day -1"},
		"payments nobody asked":      {asked, many(t, usdc, "1", "1"), func(_ *testing.T, c *Context) { c.Requesters = [][]common.Address{{billing}, nil} }, "requests_signed 0"},
		"payments a requester asked": {asked, many(t, usdc, "1", "1"), func(_ *testing.T, c *Context) { c.Requesters = [][]common.Address{{billing}, {billing}} }, ""},

		"nobody asked":           {asked, payment(t, "1"), none, "requests_signed 0"},
		"a requester asked":      {asked, payment(t, "1"), func(_ *testing.T, c *Context) { c.Requesters = [][]common.Address{{stranger, billing}} }, ""},
		"a stranger asked":       {asked, payment(t, "1"), func(_ *testing.T, c *Context) { c.Requesters = [][]common.Address{{stranger, alice}} }, "requests_signed 0"},
		"asked for another item": {asked, payments(t, "1", "1"), func(_ *testing.T, c *Context) { c.Requesters = [][]common.Address{{billing}} }, "requests_signed 1"},
		"a sweep nobody asked":   {asked, sweep(t, treasury), none, ""},

		"signed for so far":        {full, payment(t, "1"), signed("9", "9"), ""},
		"one wei for an approval":  {full, payment(t, "1.000000000000000001"), signed("9", "9"), "approvals -1"},
		"one approver":             {full, payment(t, "1"), approvedBy(bob), ""},
		"nobody who counts":        {full, payment(t, "1"), approvedBy(stranger, billing), "approvals -1"},
		"one for two":              {full, payment(t, "1.5"), approvedBy(alice), "approvals -1"},
		"one twice for two":        {full, payment(t, "1.5"), approvedBy(alice, alice, stranger), "approvals -1"},
		"two for two":              {full, payment(t, "1.5"), approvedBy(bob, alice), ""},
		"signed long ago, again":   {strings.Replace(full, `above = "10"`, `above = "4"`, 1), payment(t, "5"), func(_ *testing.T, c *Context) { c.Repeated = []bool{true} }, "approvals -1"},
		"signed again":             {full, payment(t, "5"), func(t *testing.T, c *Context) { approvedBy()(t, c); c.Repeated = []bool{true} }, ""},
		"any batch, not by amount": {strings.NewReplacer("approvals = 0", "approvals = 1", `{ above = "10", need = 1 }, `, "").Replace(full), sweep(t, treasury), none, "approvals -1"},
	}
	for _, kind := range kinds { // the test that has its name, without it
		test := tests[string(kind)]
		test.policy = strings.NewReplacer(`"`+string(kind)+`", `, "", `, "`+string(kind)+`"]`, "]").Replace(full)
		test.want = "allow 0"
		tests["not allowed: "+string(kind)] = test
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := known()
			test.known(t, &c)
			if got := rulesOf(t, parse(t, test.policy).Evaluate(test.batch, c)); got != test.want {
				t.Errorf("Evaluate finds %q, want %q", got, test.want)
			}
		})
	}
}

// rulesOf lists what was violated, after a look at how it is told.
func rulesOf(t testing.TB, list []Violation) string {
	t.Helper()
	var rules []string
	for _, v := range list {
		rules = append(rules, fmt.Sprintf("%s %d", v.Rule, v.Item))
		if v.Field == "" || v.Value == "" || v.Limit == "" || v.Item >= 0 && !strings.HasPrefix(v.Field, fmt.Sprintf("/items/%d/", v.Item)) {
			t.Errorf("violation %+v does not say where, what and why", v)
		}
	}
	return strings.Join(rules, ", ")
}

func tokens(t testing.TB, b *batch.Batch, contract common.Address, symbol string, amount int64) *batch.Batch {
	token(t, b, len(b.Items)-1, contract, symbol, amount)
	b.Assets = slices.DeleteFunc(b.Assets, func(a batch.Asset) bool { return a.Asset.IsCoin() })
	return b
}

func payments(t testing.TB, amounts ...string) *batch.Batch {
	b := payment(t, amounts[0])
	for _, amount := range amounts[1:] {
		pay(t, b, friend, amount)
	}
	return b
}

func to(t testing.TB, who common.Address) *batch.Batch {
	b := payment(t, "1")
	b.Items = nil
	pay(t, b, who, "1")
	return b
}

// elsewhere pays the friend on another chain.
func elsewhere(t testing.TB, chain uint64) *batch.Batch {
	b := payment(t, "1")
	b.ChainID, b.Assets[0].Asset, b.Items[0].Intent.Asset = chain, wallet.Coin(chain), wallet.Coin(chain)
	b.Items[0].Rungs[0] = wallet.Fee{MaxFeePerGas: wallet.NewAmount(1)}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

func pinned(t testing.TB, to common.Address) *batch.Batch {
	b := sweep(t, to)
	b.Kind, b.Items[0].Intent.Kind, b.Items[0].Path.Role = batch.Rebalance, wallet.IntentRebalance, wallet.GasRole
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

func replacing(t testing.TB) *batch.Batch {
	b := payment(t, "1")
	b.Items[0].Replaces = wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w-old"}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// call is what Check never lets pass: call data that nobody decodes.
// canceled is a payment with a cancel that is signed with it.
func canceled(t testing.TB, gas uint64, gwei string) *batch.Batch {
	t.Helper()
	b := payment(t, "1")
	fee, err := wallet.ParseDecimal(gwei, 9)
	if err != nil {
		t.Fatal(err)
	}
	b.Items[0].Rungs = []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(20e9), MaxPriorityFeePerGas: wallet.NewAmount(1e9)}}
	b.Items[0].Cancel = &batch.Cancel{Gas: gas, MaxFeePerGas: fee, MaxPriorityFeePerGas: wallet.NewAmount(2e9)}
	return b
}

func call(t testing.TB, data string) *batch.Batch {
	b := tokens(t, payment(t, "1"), usdc, "USDC", 1)
	b.Items[0].Data = common.FromHex(data)
	return b
}

func paidBefore(asset wallet.AssetID, who common.Address, amount string) func(*testing.T, *Context) {
	return func(t *testing.T, c *Context) { c.Paid = map[Payee]wallet.Amount{{asset, who}: ether(t, amount)} }
}

func since(when time.Time) func(*testing.T, *Context) {
	return func(_ *testing.T, c *Context) { c.Since[newcomer] = when }
}

// about is a batch with one item about the contract that pays many, of a token or,
// without one, of the coin.
func about(t testing.TB, kind wallet.IntentKind, token common.Address) *batch.Batch {
	t.Helper()
	b := payment(t, "1")
	it := &b.Items[0]
	it.Intent = wallet.Intent{Kind: kind, ID: "1:payout:0", Asset: wallet.AssetID{ChainID: 1, Contract: token}, Recipient: multipay.Address()}
	it.Value, it.To, it.Data, it.Gas = wallet.Amount{}, multipay.Factory, multipay.DeployData(), 250_000
	switch token {
	case usdc:
		b.Assets = append(b.Assets, batch.Asset{Asset: it.Intent.Asset, Symbol: "USDC", Decimals: 6})
	case common.Address{}:
	default:
		b.Assets = append(b.Assets, batch.Asset{Asset: it.Intent.Asset, Symbol: "X", Decimals: 6})
	}
	if kind == wallet.IntentAllowance {
		it.To, it.Data = token, multipay.ApproveData(wallet.Amount{})
	}
	if kind == wallet.IntentPayments {
		it.Payments = []batch.Payment{{ID: "p-0", Recipient: friend, Amount: wallet.NewAmount(1)}}
		written(it)
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// many pays the friend several amounts in one transaction.
func many(t testing.TB, token common.Address, amounts ...string) *batch.Batch {
	t.Helper()
	b := about(t, wallet.IntentPayments, token)
	it := &b.Items[0]
	it.Payments = nil
	for i, s := range amounts {
		amount := ether(t, s)
		if token != (common.Address{}) {
			var err error
			if amount, err = wallet.ParseDecimal(s, 6); err != nil {
				t.Fatal(err)
			}
		}
		it.Payments = append(it.Payments, batch.Payment{ID: fmt.Sprintf("p-%d", i), Recipient: friend, Amount: amount})
	}
	written(it)
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// second pays another one with the second payment.
func second(b *batch.Batch, to common.Address) *batch.Batch {
	b.Items[0].Payments[1].Recipient = to
	written(&b.Items[0])
	return b
}

// written makes the payload that an item's payments need, for 5,000 gas each.
func written(it *batch.Item) {
	c := it.Call(5_000)
	data, err := c.Encode()
	if err != nil {
		panic(err)
	}
	it.To, it.Data, it.Gas, it.Intent.Amount, it.Value = multipay.Address(), data, c.GasLimit(), c.Sum(), wallet.Amount{}
	if it.Intent.Asset.IsCoin() {
		it.Value = c.Sum()
	}
}
