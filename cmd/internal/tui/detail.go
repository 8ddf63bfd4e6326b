package tui

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// pageLines is the text of a page that scrolls, wrapped to the terminal.
func (m Model) pageLines(p page) []string {
	var f fields
	switch p {
	case itemPage:
		f = itemFields(m.report, m.report.Rows[m.selected()])
	case batchPage:
		f = batchFields(m.report)
	case helpPage:
		for _, b := range m.keys.all() {
			f.add(b.Help().Key, b.Help().Desc)
		}
		f.add("ctrl+c", "leave, and break off what would follow")
		f.add("", "")
		f.add("*", "in the list: this station never signed for this recipient before")
		f.add("!", "above the list: look at this twice")
	}
	return f.wrap(m.width)
}

// fields are pairs of a label and a value, one below the other.
type fields []struct{ label, value string }

// add appends a value; an empty label goes on with the one above.
func (f *fields) add(label, value string) {
	*f = append(*f, struct{ label, value string }{label, cli.Clean(value)})
}

func (f *fields) addf(label, words string, args ...any) { f.add(label, fmt.Sprintf(words, args...)) }

// wrap breaks the values so that no line is wider than the terminal, and
// nothing is lost.
func (f fields) wrap(width int) []string {
	label := 0
	for _, field := range f {
		label = max(label, len(field.label)+2)
	}
	var lines []string
	for _, field := range f {
		left := field.label
		for _, part := range strings.Split(ansi.Wrap(field.value, max(width-label, 1), ""), "\n") {
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%-*s%s", label, left, part), " "))
			left = ""
		}
	}
	return lines
}

func itemFields(s *signer.Report, r batch.Row) (f fields) {
	f.add("kind", string(r.Kind))
	f.add("id", r.ID)
	f.add("amount", r.Asset.Format(r.Amount))
	f.addf("", "%s base units, %d decimals", r.Amount, r.Asset.Decimals)
	f.add("asset", r.Asset.ID.String())
	f.add("recipient", r.Recipient.Hex())
	if r.RecipientPath != "" {
		f.add("", "in this vault at "+r.RecipientPath)
	}
	if s.Items[r.Position].Standing.New() {
		f.add("", "this station never signed for it before")
	}
	f.add("from", r.From.Hex())
	f.add("", r.Path.String())
	f.addf("nonce", "%d", r.Nonce)
	f.add("sent to", r.To.Hex()+sentTo(r))
	f.add("call data", callData(r.Data))
	f.addf("gas limit", "%d", r.Gas)
	f.addf("fees at worst", "%s", s.Coin.Format(r.WorstFee))
	for i, rung := range r.Rungs {
		f.addf(fmt.Sprintf("rung %d", i), "at most %s gwei per gas, of it %s for priority", gwei(rung.MaxFeePerGas), gwei(rung.MaxPriorityFeePerGas))
		if i < len(r.Hashes) {
			f.add("", r.Hashes[i].Hex())
		}
	}
	if r.Requires >= 0 {
		f.addf("sent after", "item %d is mined", r.Requires)
	}
	return f
}

func sentTo(r batch.Row) string {
	if r.To == r.Asset.ID.Contract && r.To != (common.Address{}) {
		return " (the token's contract)"
	}
	if r.To == r.Recipient {
		return " (the recipient)"
	}
	return ""
}

// callData tells what a call does, then its bytes.
func callData(data []byte) string {
	if len(data) == 0 {
		return "none"
	}
	raw := "0x" + hex.EncodeToString(data)
	to, amount, err := batch.DecodeTransfer(data)
	if err != nil {
		return "not understood: " + raw
	}
	return fmt.Sprintf("transfer(%s, %s) %s", to.Hex(), amount, raw)
}

func batchFields(s *signer.Report) (f fields) {
	f.addf("kind", "%s, chain %d, %s", s.Kind, s.ChainID, signedWords(s))
	f.add("digest", strings.Join(groups(s.Digest), " "))
	f.add("vault", strings.Join(groups(s.Vault), " "))
	f.add("created", at(s.CreatedAt))
	f.add("expires", at(s.ExpiresAt))
	f.add("record head", orNone(s.RecordHead))
	f.addf("items", "%d to %s", len(s.Rows), count(s.Recipients, "recipient", "different recipients"))
	f.addf("fees at worst", "%s", s.Coin.Format(s.WorstFee))
	for _, t := range s.Totals {
		f.addf("total", "%s in %s (%s)", t.Asset.Format(t.Amount), count(t.Items, "item", "items"), t.Kind)
		f.add("", t.Asset.ID.String())
	}
	for _, p := range s.Senders {
		f.add("sender", p.Address.Hex())
		f.addf("", "%s, %s, nonces %d to %d, fees at worst %s", p.Path, count(p.Items, "item", "items"), p.First, p.Last, s.Coin.Format(p.WorstFee))
	}
	if s.Signed != nil {
		f.addf("signed", "%s, %s", at(s.Signed.SignedAt), count(s.Signed.Signatures, "signature", "signatures"))
		if !s.Signed.Outside { // else a warning says that there is none
			f.add("policy", s.Signed.PolicyHash)
			f.add("record head", s.Signed.RecordHead+" after signing")
		}
	}
	for _, w := range s.Warnings {
		f.add("!", w.Text)
	}
	return f
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// gwei writes wei as 10⁹ wei.
func gwei(n wallet.Amount) string { return n.Decimal(9) }
