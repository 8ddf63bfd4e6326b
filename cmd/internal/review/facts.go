package review

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// Fact is one thing to know. A fact without label goes on with the one above.
type Fact struct {
	Label string
	Value string
	// Blocks is a value that people compare block by block, instead of Value.
	Blocks []string
}

// Facts is a list of them.
type Facts []Fact

func (f *Facts) add(label, value string) {
	*f = append(*f, Fact{Label: label, Value: cli.Narrow(value)})
}

func (f *Facts) addf(label, words string, args ...any) { f.add(label, fmt.Sprintf(words, args...)) }

func (f *Facts) blocks(label, digest string) {
	*f = append(*f, Fact{Label: label, Blocks: cli.DigestBlocks(digest)})
}

// The labels of what a reader must not miss.
const (
	Refused = "REFUSED"
	Warning = "WARNING"
)

// told bounds how many refusals are told of a batch as a whole; the others are
// told at their items.
const told = 100

// Verdict is what would become of the batch, in words.
func Verdict(r *signer.Report) string {
	switch r.Verdict() {
	case signer.VerdictSigned:
		return fmt.Sprintf("SIGNED: %s, all verified", Count(r.Signed.Signatures, "signature", "signatures"))
	case signer.VerdictRefused:
		return "REFUSED, for " + Count(len(r.Refusals), "reason", "reasons")
	case signer.VerdictAllowed:
		return "would be signed, unless an address is not where its path leads"
	}
	return "not known here: only the signing station can say"
}

// Head is what matters most of a batch, for a screen above its items.
func Head(r *signer.Report) (f Facts) {
	signed := "unsigned"
	if r.Signed != nil {
		signed = "signed"
	}
	f.addf("batch", "%s  %s, chain %d, %s", r.ID, r.Kind, r.ChainID, signed)
	f.blocks("digest", r.Digest)
	f.add("verdict", Verdict(r))
	if len(r.Refusals) > 0 {
		f.add("", r.Refusals[0].String())
	}
	f.add("items", Recipients(r))
	f.addf("fees", "at worst %s", r.Coin.Format(r.WorstFee))
	f.add("expires", at(r.ExpiresAt))
	if n := r.Approvals; n.Carried > 0 || n.Needed > 0 {
		f.add("approved", approvals(r))
	}
	return f
}

// Totals are the lines of Head that follow: what the batch moves in all.
func Totals(totals []batch.Total) (f Facts) {
	for _, t := range totals {
		f.addf("total", "%s in %s", t.Asset.Format(t.Amount), Count(t.Items, string(t.Kind), string(t.Kind)+"s"))
	}
	return f
}

// Recipients is how many items pay how many, and how many of them are new.
func Recipients(r *signer.Report) string {
	words := fmt.Sprintf("%d to %s", len(r.Rows), Count(r.Recipients, "recipient", "different recipients"))
	if r.Record != nil {
		words += fmt.Sprintf("; %d new, %d of them never seen", r.New, r.Unseen)
	}
	return words
}

// Batch is everything about the batch as a whole.
func Batch(r *signer.Report) (f Facts) {
	f.add("verdict", Verdict(r))
	for i, reason := range r.Refusals {
		if i == told {
			f.addf(Refused, "%d more reasons, each told at its item", len(r.Refusals)-i)
			break
		}
		f.add(Refused, reason.String())
		if reason.Hint != "" && (i == 0 || reason.Hint != r.Refusals[i-1].Hint) {
			f.add("", "way out: "+reason.Hint)
		}
	}
	for _, w := range r.Warnings {
		f.add(Warning, w.Text+which(w.Items))
	}
	for _, words := range r.Unknown {
		f.add("not known", words)
	}
	f.add("batch", r.ID)
	f.addf("kind", "%s on chain %d", r.Kind, r.ChainID)
	f.blocks("digest", r.Digest)
	f.add("built", at(r.CreatedAt))
	f.add("expires", at(r.ExpiresAt))
	f.addf("items", "%d", len(r.Rows))
	f.addf("recipients", "%d different", r.Recipients)
	if r.Record != nil {
		f.addf("new", "%d for which this station never signed", r.New)
		f.addf("never seen", "%d of them, which the policy does not name either", r.Unseen)
	}
	for _, t := range r.Totals {
		f.addf("total", "%s in %s, %s", t.Asset.Format(t.Amount), Count(t.Items, string(t.Kind), string(t.Kind)+"s"), t.Asset.ID)
	}
	f.addf("fees", "at worst %s", r.Coin.Format(r.WorstFee))
	if i := dearest(r); i >= 0 {
		f.addf("", "the dearest is item %d with at worst %s", i, r.Coin.Format(r.Rows[i].WorstFee))
	}
	for _, p := range r.Senders {
		f.addf("sender", "%s said to be at %s", p.Address, p.Path)
		f.addf("", "%s, nonces %d to %d, fees at worst %s", Count(p.Items, "item", "items"), p.First, p.Last, r.Coin.Format(p.WorstFee))
	}
	f = append(f, station(r)...)
	if r.Signed != nil {
		f.addf("signed", "%s, %s", at(r.Signed.SignedAt), Count(r.Signed.Signatures, "signature", "signatures"))
		if !r.Signed.Outside { // else a warning says that there is none
			f.blocks("its policy", r.Signed.PolicyHash)
			f.blocks("record after", r.Signed.RecordHead)
		}
	}
	return f
}

// station is what the batch was held against.
func station(r *signer.Report) (f Facts) {
	f.blocks("vault", r.Vault)
	switch {
	case r.Here == r.Vault:
		f.add("", "as here")
	case r.Here != "":
		f.blocks("vault here", r.Here)
	}
	if r.RecordHead == "" {
		f.add("record head", "the online station has seen none")
	} else {
		f.blocks("record head", r.RecordHead)
		f.add("", "as the online station saw it last")
	}
	if r.Record != nil {
		f.blocks("record here", r.Record.Head)
		f.addf("", "after %s", Count(int(min(r.Record.Entries, 1<<31)), "entry", "entries"))
		if r.Record.Signed {
			f.add("", "this very batch was signed before")
		}
	}
	f.add("approvals", approvals(r))
	if n := r.Approvals; n.Needed > 0 {
		f.addf("", "so many are needed for %s", n.Why)
	}
	for _, a := range r.Approvals.Given {
		who := strings.TrimSpace(a.Name + " " + a.Signer.Hex())
		if a.Counts {
			f.add("", "approved by "+who)
		} else {
			f.addf("", "does not count: %s, %s", who, a.Why)
		}
	}
	for _, who := range r.Approvals.Others {
		f.addf("", "can still approve: %s %s", who.Name, who.Address)
	}
	if r.Policy != nil {
		f.blocks("policy hash", r.Policy.Hash)
		for _, left := range r.Policy.Leaves {
			f.add("limit", left.String())
		}
		for _, words := range r.Policy.Words {
			f.add("policy", words)
		}
	}
	return f
}

func approvals(r *signer.Report) string {
	switch n := r.Approvals; {
	case r.Policy == nil && n.Carried == 0:
		return "none"
	case r.Policy == nil:
		return fmt.Sprintf("%d in the file, not verified here", n.Carried)
	default:
		counting := 0
		for _, a := range n.Given {
			if a.Counts {
				counting++
			}
		}
		if r.Record == nil || r.Here == "" {
			return fmt.Sprintf("%d in the file, %d of them count; how many are needed, the signing station says", n.Carried, counting)
		}
		return fmt.Sprintf("%d of %d needed", counting, n.Needed)
	}
}

// dearest is the item with the highest fee; -1 if there is only one or none.
func dearest(r *signer.Report) int {
	if len(r.Rows) < 2 {
		return -1
	}
	most := 0
	for i := range r.Rows {
		if r.Rows[i].WorstFee.Cmp(r.Rows[most].WorstFee) > 0 {
			most = i
		}
	}
	return most
}

// which names the items of a warning.
func which(items []batch.Remark) string {
	const named = 8
	if len(items) == 0 {
		return ""
	}
	var list []string
	for i, remark := range items {
		if i == named {
			list = append(list, fmt.Sprintf("and %d more", len(items)-i))
			break
		}
		list = append(list, fmt.Sprint(remark.Item))
	}
	if len(items) == 1 {
		return " (item " + list[0] + ": " + items[0].Text + ")"
	}
	return " (items " + strings.Join(list, ", ") + ")"
}

// Item is everything about an item.
func Item(r *signer.Report, i int) (f Facts) {
	row, item := &r.Rows[i], &r.Items[i]
	for _, n := range item.Refusals {
		f.add(Refused, r.Refusals[n].String())
	}
	for _, words := range item.Warnings {
		f.add(Warning, words)
	}
	f.add("does", does(row))
	f.add("id", row.ID)
	f.add("amount", row.Asset.Format(row.Amount))
	f.addf("", "%s base units, %d decimals", row.Amount, row.Asset.Decimals)
	f.add("asset", row.Asset.ID.String())
	f.add("recipient", row.Recipient.Hex())
	if len(row.Payments) == 0 {
		f.add("", item.Standing.Words())
	}
	for n, p := range row.Payments {
		f.addf(fmt.Sprintf("pays %d", n), "%s to %s", row.Asset.Format(p.Amount), p.Recipient)
		f.addf("", "withdrawal %s, %s", p.ID, item.Payments[n].Words())
	}
	if row.RecipientPath != "" {
		f.add("", "its path is "+row.RecipientPath)
	}
	f.add("sender", row.From.Hex())
	f.addf("", "said to be at %s, which signing derives again", row.Path)
	f.addf("nonce", "%d", row.Nonce)
	if row.Replaces != (wallet.IntentName{}) {
		f.addf("replaces", "%s %s, which the batch says was signed at this nonce", row.Replaces.Kind, row.Replaces.ID)
	}
	f.add("sent to", row.To.Hex()+sentTo(row))
	f.add("call", call(row))
	if len(row.Data) > 0 {
		f.add("call data", "0x"+hex.EncodeToString(row.Data))
	}
	f.addf("gas limit", "%d", row.Gas)
	f.addf("fee", "at worst %s", r.Coin.Format(row.WorstFee))
	for n, rung := range row.Rungs {
		f.addf(fmt.Sprintf("rung %d", n+1), "at most %s gwei per gas, of it %s for priority", gwei(rung.MaxFeePerGas), gwei(rung.MaxPriorityFeePerGas))
		if n < len(row.Hashes) {
			f.add("", row.Hashes[n].Hex())
		}
	}
	if c := row.Cancel; c != nil {
		f.addf("cancel", "signed with it: sends 0 to itself at nonce %d, at most %s gwei per gas, of it %s for priority, %d gas", row.Nonce, gwei(c.MaxFeePerGas), gwei(c.MaxPriorityFeePerGas), c.Gas)
		if n := len(row.Rungs); n < len(row.Hashes) {
			f.add("", row.Hashes[n].Hex())
		}
	}
	if row.Requires >= 0 {
		f.addf("sent after", "item %d is mined", row.Requires)
	}
	return f
}

// does says what an item is for.
func does(row *batch.Row) string {
	switch row.Kind {
	case wallet.IntentWithdrawal:
		return "withdrawal: pays somebody"
	case wallet.IntentPayments:
		return fmt.Sprintf("payments: pays %s through the contract that pays many", Count(len(row.Payments), "withdrawal", "withdrawals"))
	case wallet.IntentAllowance:
		return "allowance: lets the contract that pays many move so much of a token when its sender calls it"
	case wallet.IntentDeploy:
		return "deploy: puts the contract that pays many on the chain"
	case wallet.IntentSweep:
		return "sweep: brings what lies on a deposit address to the treasury"
	case wallet.IntentTopUp:
		return "top-up: sends gas to a deposit address"
	case wallet.IntentRebalance:
		return "rebalance: moves value between addresses of the vault"
	case wallet.IntentCancel:
		return fmt.Sprintf("cancel: sends 0 to itself at nonce %d, so that %s %s can no longer be mined", row.Nonce, row.Replaces.Kind, row.Replaces.ID)
	case wallet.IntentNoOp:
		return fmt.Sprintf("no-op: sends 0 to itself, to use up nonce %d", row.Nonce)
	}
	return string(row.Kind)
}

func sentTo(row *batch.Row) string {
	if row.To == row.Asset.ID.Contract && row.To != (common.Address{}) {
		return " (the token's contract)"
	}
	if row.To == multipay.Address() {
		return " (the contract that pays many)"
	}
	if row.To == multipay.Factory {
		return " (the factory that deploys it)"
	}
	if row.To == row.Recipient {
		return " (the recipient)"
	}
	return ""
}

// call tells in words what call data does.
func call(row *batch.Row) string {
	if len(row.Data) == 0 {
		return "none"
	}
	switch row.Kind {
	case wallet.IntentDeploy:
		return fmt.Sprintf("the code that lies at %s from then on, and at no other place", multipay.Address())
	case wallet.IntentAllowance:
		amount, err := multipay.DecodeApprove(row.Data)
		if err != nil {
			return "NOT UNDERSTOOD: " + err.Error()
		}
		return fmt.Sprintf("approve(address spender, uint256 amount): the contract may move %s of the sender's, which is %s", amount, row.Asset.Format(amount))
	case wallet.IntentPayments:
		c, err := multipay.Decode(row.Data)
		if err != nil {
			return "NOT UNDERSTOOD: " + err.Error()
		}
		return fmt.Sprintf("pays %s %s in all, each above, with at most %d gas for each", Count(len(c.Payments), "recipient", "recipients"), row.Asset.Format(c.Sum()), c.Gas)
	}
	to, amount, err := batch.DecodeTransfer(row.Data)
	if err != nil {
		return "NOT UNDERSTOOD: " + err.Error()
	}
	return fmt.Sprintf("transfer(address to, uint256 amount): the token gives to %s the amount %s, which is %s", to.Hex(), amount, row.Asset.Format(amount))
}

// Count writes a number of things.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// gwei writes wei as 10⁹ wei.
func gwei(n wallet.Amount) string { return n.Decimal(9) }
