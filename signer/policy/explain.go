package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// maxListed is how many addresses of a list are told one by one.
const maxListed = 10

// Explain says in words what the policy allows and what it does not limit, one
// sentence a line.
func (p *Policy) Explain() []string {
	out := sentences{}
	if p.Open {
		out.add("This policy is OPEN: what it does not limit below is not limited at all. It is meant for tests and demonstrations.")
	} else {
		out.add("What this policy does not allow is refused.")
	}
	if p.MaxAge > 0 {
		out.add("A batch may be at most %s old.", duration(p.MaxAge))
	} else {
		out.add("A batch may be of any age, until it expires.")
	}
	if p.MaxItems > 0 {
		out.add("A batch may have at most %s.", count(p.MaxItems, "transaction"))
	} else {
		out.add("A batch may have any number of transactions.")
	}
	p.explainKinds(&out)
	p.explainRoles(&out)
	if n := len(p.Blocked); n > 0 {
		out.add("On every chain nothing may go to %s%s, whatever is written elsewhere.", counted(n, "blocked address", "blocked addresses"), listed(p.Blocked))
	} else {
		out.add("Nobody is blocked.")
	}
	p.explainPeople(&out)
	if len(p.chains) == 0 {
		if p.Open {
			out.add("Every chain is allowed, with gas at any price.")
		} else {
			out.add("No chain is allowed, so nothing is signed.")
		}
	}
	for _, id := range p.chains {
		p.explainChain(&out, p.Chains[id])
	}
	return out.list
}

type sentences struct {
	begin string
	list  []string
}

func (s *sentences) add(format string, args ...any) {
	s.list = append(s.list, s.begin+fmt.Sprintf(format, args...))
}

// kindWords are what a treasurer calls the kinds of intent.
var kindWords = map[wallet.IntentKind]string{
	wallet.IntentWithdrawal: "withdrawals",
	wallet.IntentSweep:      "sweeps from deposit addresses to the treasury",
	wallet.IntentTopUp:      "gas top-ups of deposit addresses",
	wallet.IntentRebalance:  "rebalances between treasury, payout, gas and float addresses",
	wallet.IntentCancel:     "cancels of what was signed",
	wallet.IntentNoOp:       "no-ops, which only take a nonce",
	Replacement:             "replacements, which take the place of something else that was signed",
	wallet.IntentPayments:   "payments of many withdrawals in one transaction, through the contract that pays them",
	wallet.IntentAllowance:  "allowances for that contract, which moves nothing but for its caller",
	wallet.IntentDeploy:     "deploys of that contract",
}

func (p *Policy) explainKinds(out *sentences) {
	if p.Allow == nil {
		out.add("Transactions of every kind may be signed.")
		return
	}
	var yes, no []string
	for _, k := range kinds {
		if p.Allow[k] {
			yes = append(yes, kindWords[k])
		} else {
			no = append(no, kindWords[k])
		}
	}
	out.add("May be signed: %s.", orNothing(yes))
	out.add("May not be signed: %s.", orNothing(no))
}

func (p *Policy) explainRoles(out *sentences) {
	if p.Roles == nil {
		out.add("Addresses of every role may send.")
		return
	}
	var yes, no []string
	for _, r := range wallet.Roles() {
		if p.Roles[r] {
			yes = append(yes, r.String())
		} else {
			no = append(no, r.String())
		}
	}
	out.add("May send: addresses of the roles %s. May not: %s.", orNothing(yes), orNothing(no))
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (p *Policy) explainPeople(out *sentences) {
	switch {
	case len(p.Approvers) == 0:
		out.add("No batch needs an approval, and nobody is named who could give one.")
	case p.Approvals == 0:
		out.add("No batch needs an approval, unless an asset asks for some below; approvers are %s.", identified(p.Approvers))
	default:
		out.add("Every batch needs %s, or more where an asset asks for more below; approvers are %s.", count(p.Approvals, "approval"), identified(p.Approvers))
	}
	switch {
	case p.RequestsSigned:
		out.add("Every withdrawal needs the signature of one requester, of %s.", identified(p.Requesters))
	case len(p.Requesters) > 0:
		out.add("No withdrawal needs the signature of a requester; named are %s.", identified(p.Requesters))
	default:
		out.add("No withdrawal needs the signature of a requester: only its reviewer knows whether anybody asked for it.")
	}
}

func identified(people []Person) string {
	var list []string
	for _, who := range people {
		list = append(list, fmt.Sprintf("%s (%s)", who.Name, who.Address))
	}
	return strings.Join(list, ", ")
}

func (p *Policy) explainChain(out *sentences, c Chain) {
	out.begin = fmt.Sprintf("Chain %d: ", c.ID)
	coin := "of the coin"
	if a, ok := p.Assets[wallet.Coin(c.ID)]; ok {
		coin = a.Symbol
	}
	explainFees(out, c, coin)
	if c.Treasury != (common.Address{}) {
		out.add("sweeps and rebalances may go to the vault's treasury addresses and to %s.", c.Treasury)
	} else {
		out.add("sweeps and rebalances may go to the vault's treasury addresses only.")
	}
	if c.Float != (common.Address{}) {
		out.add("rebalances from the treasury may go to the float %s, beside the vault's payout and gas addresses.", c.Float)
	}
	explainRecipients(out, c)
	if c.CoinPayments {
		out.add("many withdrawals of the coin may be paid by one transaction through the contract, which many receivers do not credit.")
	}
	for _, k := range c.Contracts {
		out.add("beside the tokens below, the contract %s may be called with %s.", k.Address, strings.Join(k.Methods, ", "))
	}
	none := true
	for _, id := range p.assets {
		if id.ChainID == c.ID {
			none = false
			p.Assets[id].explain(out)
		}
	}
	switch {
	case p.Open:
		out.add("assets that are not named may be paid in any amount, and every token may be called with %s.", TransferMethod)
	case none:
		out.add("no asset is allowed, so there are no withdrawals.")
	}
}

func explainFees(out *sentences, c Chain, coin string) {
	if c.MaxFeePerGas != nil {
		out.add("no transaction may offer more than %s gwei for gas.", c.MaxFeePerGas.Decimal(gweiDecimals))
	} else {
		out.add("a transaction may offer any price for gas.")
	}
	limit := func(n *wallet.Amount, what string) {
		if n != nil {
			out.add("the gas of a %s may cost at most %s %s, all at the highest fee.", what, n.Decimal(coinDecimals), coin)
		} else {
			out.add("the gas of a %s may cost any amount.", what)
		}
	}
	limit(c.MaxFeePerTransaction, "transaction")
	limit(c.MaxFeePerBatch, "batch")
}

func explainRecipients(out *sentences, c Chain) {
	switch {
	case c.Recipients == nil:
		out.add("withdrawals may pay anyone.")
		return
	case len(c.Recipients) == 0:
		out.add("withdrawals may pay nobody: the list of recipients is empty.")
		return
	}
	out.add("withdrawals may pay %s%s, and nobody else.", counted(len(c.Recipients), "listed recipient", "listed recipients"), listed(c.Recipients))
	if c.RecipientsDelay > 0 {
		out.add("a recipient counts %s after this station first saw it in its policy; those of its first policy count at once.", duration(c.RecipientsDelay))
	} else {
		out.add("a new recipient counts at once.")
	}
}

func (a Asset) explain(out *sentences) {
	limit := func(n *wallet.Amount) string {
		if n == nil {
			return "any amount"
		}
		return "at most " + a.format(*n)
	}
	out.add("withdrawals of %s (%s, %s) may pay %s each, %s a batch, %s to one recipient within any 24 hours, %s within any 24 hours and %s within any seven days.",
		a.Symbol, a.ID, count(int(a.Decimals), "decimal"), limit(a.MaxPerTransaction), limit(a.MaxPerBatch), limit(a.MaxPerRecipient), limit(a.MaxPerDay), limit(a.MaxPerWeek))
	for _, t := range a.Tiers {
		out.add("a batch that pays %s needs %s when more than %s is signed for within 24 hours, the batch included.",
			a.Symbol, count(t.Approvals, "approval"), a.format(t.Above))
	}
}

// listed writes a list of addresses that is short.
func listed(set map[common.Address]bool) string {
	if len(set) > maxListed {
		return ""
	}
	var list []string
	for _, a := range slices.SortedFunc(maps.Keys(set), common.Address.Cmp) {
		list = append(list, a.Hex())
	}
	return " (" + strings.Join(list, ", ") + ")"
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func count(n int, what string) string { return counted(n, what, what+"s") }

// duration writes whole hours as people do.
func duration(d time.Duration) string {
	if d%time.Hour == 0 {
		return count(int(d/time.Hour), "hour")
	}
	return d.String()
}
