package policy

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

var floatAddress = common.HexToAddress("0x5555555555555555555555555555555555555555")

// rebalance moves ether between an address of the vault and one that no path
// leads to.
func rebalance(t testing.TB, from wallet.Role, to common.Address) *batch.Batch {
	t.Helper()
	b := payment(t, "3")
	it := &b.Items[0]
	b.Kind, it.Path.Role, it.Intent.Kind, it.To, it.Intent.Recipient = batch.Rebalance, from, wallet.IntentRebalance, to, to
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// What leaves the treasury goes to the float that is pinned, what else leaves a
// role goes to the treasury, and the one address is never taken for the other.
// None of it rests on what the batch says of its recipients.
func TestFloatIsPinned(t *testing.T) {
	pinned := strings.Replace(full, `roles = ["payout", "deposit", "gas"]`, `roles = ["payout", "treasury"]`, 1)
	unpinned := strings.Replace(pinned, `float = "`+floatAddress.Hex()+`"`, "", 1)
	for name, test := range map[string]struct {
		policy string
		from   wallet.Role
		to     common.Address
		want   string
	}{
		"treasury to the float":          {pinned, wallet.TreasuryRole, floatAddress, ""},
		"treasury to a stranger":         {pinned, wallet.TreasuryRole, stranger, "float"},
		"treasury to the other treasury": {pinned, wallet.TreasuryRole, treasury, "float"},
		"payout to the treasury":         {pinned, wallet.PayoutRole, treasury, ""},
		"payout to the float":            {pinned, wallet.PayoutRole, floatAddress, "treasury"},
		"no float is pinned":             {unpinned, wallet.TreasuryRole, floatAddress, "float"},
		"open, and no float is pinned":   {"version = 1\nopen = true", wallet.TreasuryRole, floatAddress, "float"},
	} {
		var rules []string
		for _, v := range parse(t, test.policy).Evaluate(rebalance(t, test.from, test.to), known()) {
			rules = append(rules, v.Rule)
		}
		if got := strings.Join(rules, ", "); got != test.want {
			t.Errorf("%s: refused by %q, want %q", name, got, test.want)
		}
	}
	said := strings.Join(parse(t, pinned).Explain(), "\n")
	if !strings.Contains(said, "to the float "+floatAddress.Hex()) {
		t.Errorf("the policy explains itself as %q", said)
	}
	for _, wrong := range []string{"0x1111111111111111111111111111111111111111", "0x11"} {
		if _, err := Parse([]byte(strings.Replace(pinned, floatAddress.Hex(), wrong, 1))); err == nil || !strings.Contains(err.Error(), "float") {
			t.Errorf("float = %s: %v", wrong, err)
		}
	}
}

// Of the preset's examples only small payments and what goes back to the
// treasury pass; a batch that names the treasury's keys is refused.
func TestFloatPreset(t *testing.T) {
	p := filledIn(t, "float")
	home := p.Chains[1].Treasury
	for name, test := range map[string]struct {
		b    *batch.Batch
		want string
	}{
		"small":                      {payment(t, "0.5"), ""},
		"above":                      {payment(t, "0.500000000000000001"), "max_per_transaction"},
		"back to the treasury":       {rebalance(t, wallet.PayoutRole, home), ""},
		"to somebody as rebalance":   {rebalance(t, wallet.PayoutRole, stranger), "treasury"},
		"from the treasury":          {rebalance(t, wallet.TreasuryRole, home), "roles, float"},
		"from a deposit, as a sweep": {sweep(t, home), "allow, roles"},
	} {
		var rules []string
		for _, v := range p.Evaluate(test.b, known()) {
			rules = append(rules, v.Rule)
		}
		if got := strings.Join(rules, ", "); got != test.want {
			t.Errorf("%s: refused by %q, want %q", name, got, test.want)
		}
	}
}
