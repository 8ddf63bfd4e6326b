package online

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

// caseRow is a slot with all that is known of it, as programs read it.
type caseRow struct {
	ChainID    uint64             `json:"chain_id"`
	Kind       outgoing.DoubtKind `json:"kind"` // of the doubt, or empty
	Sender     common.Address     `json:"sender"`
	Nonce      uint64             `json:"nonce"`
	TxHash     *common.Hash       `json:"tx_hash"` // null if scanning has not found it
	Block      uint64             `json:"block_number"`
	Final      bool               `json:"final"`
	Success    bool               `json:"success"`
	To         *common.Address    `json:"to"`
	Value      wallet.Amount      `json:"value"`      // wei
	Withdrawal string             `json:"withdrawal"` // bound to the nonce
	Pays       []string           `json:"pays"`       // withdrawals that ask for what it pays
	Acceptable bool               `json:"acceptable"` // resolve --accept is among the choices
	Advice     string             `json:"advice"`

	Store          *boundRow   `json:"store"` // null if nothing is bound
	Scan           *minedRow   `json:"scan"`  // null if scanning has not found it
	Endpoints      []wordRow   `json:"endpoints"`
	Contradictions []string    `json:"contradictions"` // what cannot all be true
	Choices        []choiceRow `json:"choices"`        // that are safe
}

// boundRow is what the store knows of what is bound to a slot.
type boundRow struct {
	Intent    wallet.IntentKind    `json:"intent"`
	ID        string               `json:"id"`
	State     wallet.OutgoingState `json:"state"`
	Wish      wallet.Wish          `json:"wish"`
	BoundAt   time.Time            `json:"bound_at"`
	OfferedAt *time.Time           `json:"offered_at"` // null if no node was given it
	Answer    string               `json:"answer"`
	Wait      string               `json:"wait"`  // why no node may be given it
	Ahead     int                  `json:"ahead"` // transactions of the sender before it that are not mined
	Attempts  []attemptRow         `json:"attempts"`
}

type attemptRow struct {
	Batch     string         `json:"batch"`
	Cancel    bool           `json:"cancel"`
	Discarded bool           `json:"discarded"`
	Rungs     []signatureRow `json:"rungs"`
}

type signatureRow struct {
	TxHash         *common.Hash  `json:"tx_hash"` // null until it is signed
	MaxFee         wallet.Amount `json:"max_fee_per_gas"`
	MaxPriorityFee wallet.Amount `json:"max_priority_fee_per_gas"`
	Offered        bool          `json:"offered"`
}

// minedRow is what scanning found in a proven block.
type minedRow struct {
	TxHash    common.Hash       `json:"tx_hash"`
	Block     uint64            `json:"block_number"`
	BlockHash common.Hash       `json:"block_hash"`
	Success   bool              `json:"success"`
	Final     bool              `json:"final"`
	Booked    bool              `json:"booked"`
	To        *common.Address   `json:"to"` // null if it made a contract
	Value     wallet.Amount     `json:"value"`
	Transfers []wallet.Transfer `json:"transfers"` // from or to addresses of ours
}

// wordRow is what one endpoint says, unproven.
type wordRow struct {
	Host         string        `json:"host"`
	Error        string        `json:"error"` // why it says nothing, or empty
	Head         uint64        `json:"head"`
	Latest       uint64        `json:"nonce_latest"`
	Pending      *uint64       `json:"nonce_pending"`   // null where it does not tell
	Finalized    *uint64       `json:"nonce_finalized"` // null where it does not tell
	Transactions []sightingRow `json:"transactions"`
}

type sightingRow struct {
	TxHash    common.Hash  `json:"tx_hash"`
	Where     string       `json:"where"` // nowhere, pooled, mined or unknown
	Block     *uint64      `json:"block_number"`
	BlockHash *common.Hash `json:"block_hash"`
	Success   *bool        `json:"success"` // null where no receipt told
	Error     string       `json:"error"`
}

type choiceRow struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

func (s *Station) caseRow(c *payout.Case) caseRow {
	r := caseRow{
		ChainID: c.Slot.ChainID, Sender: c.Slot.Sender, Nonce: c.Slot.Nonce,
		Contradictions: c.Clashes, Store: newBoundRow(c), Scan: newMinedRow(c),
	}
	if m := r.Scan; m != nil {
		r.TxHash, r.Block, r.Success, r.Final, r.To, r.Value = &m.TxHash, m.Block, m.Success, m.Final, m.To, m.Value
	}
	if d := c.Doubt; d != nil {
		r.Kind, r.Pays, r.Advice = d.Kind, d.Pays, d.Advice
	}
	if c.Outgoing != nil && c.Outgoing.Intent.Kind == wallet.IntentWithdrawal {
		r.Withdrawal = c.Outgoing.Intent.ID
	}
	for i := range c.Words {
		r.Endpoints = append(r.Endpoints, newWordRow(c.Hashes, &c.Words[i]))
	}
	for _, ch := range c.Choices {
		r.Acceptable = r.Acceptable || len(ch.Args) > 1 && ch.Args[1] == "--accept"
		r.Choices = append(r.Choices, choiceRow{s.command(ch.Args), ch.Why})
	}
	return r
}

// command is how a command of this home is typed into a shell.
func (s *Station) command(args []string) string {
	words := []string{"airlock"}
	for _, a := range args {
		words = append(words, shellWord(a))
	}
	if s.ChainID != 0 {
		words = append(words, "--chain", strconv.FormatUint(s.ChainID, 10))
	}
	return strings.Join(words, " ")
}

// shellWord is text as one word of a POSIX shell.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("-_.,:/@%+=", r)
	}
	if text != "" && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func newBoundRow(c *payout.Case) *boundRow {
	o := c.Outgoing
	if o == nil {
		return nil
	}
	r := &boundRow{
		Intent: o.Intent.Kind, ID: o.Intent.ID, State: o.State, Wish: o.Wish, BoundAt: o.BoundAt,
		Answer: o.Answer, Ahead: c.Before.Ahead,
	}
	if c.Mined == nil {
		r.Wait = c.Wait
	}
	if !o.OfferedAt.IsZero() {
		r.OfferedAt = &o.OfferedAt
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		row := attemptRow{Batch: a.Batch, Cancel: a.Cancel, Discarded: a.Discarded}
		for n, fee := range a.Rungs {
			rung := signatureRow{MaxFee: fee.MaxFeePerGas, MaxPriorityFee: fee.MaxPriorityFeePerGas, Offered: n < a.Offered}
			if n < len(a.Signed) {
				rung.TxHash = &a.Signed[n]
			}
			row.Rungs = append(row.Rungs, rung)
		}
		r.Attempts = append(r.Attempts, row)
	}
	return r
}

func newMinedRow(c *payout.Case) *minedRow {
	m := c.Mined
	if c.Vanished != nil && c.Vanished.Found != nil {
		m = c.Vanished.Found
	}
	if m == nil {
		return nil
	}
	r := &minedRow{
		TxHash: m.TxHash, Block: m.BlockNumber, BlockHash: m.BlockHash, Success: m.Success,
		Final: c.Final, Booked: c.Mined.Settled, Value: m.Value, Transfers: m.Transfers,
	}
	if c.Vanished != nil {
		r.Final = c.Doubt != nil && c.Doubt.Final
	}
	if !m.Create {
		r.To = &m.To
	}
	return r
}

func newWordRow(hashes []common.Hash, t *chain.Testimony) wordRow {
	r := wordRow{Host: t.Host, Head: t.Head, Latest: t.Latest, Pending: t.Pending, Finalized: t.Finalized}
	if t.Err != nil {
		r.Error = t.Err.Error()
		return r
	}
	for i := range t.Transactions {
		x := &t.Transactions[i]
		row := sightingRow{TxHash: hashes[i], Where: x.Where.String(), Success: x.Success}
		if x.Where == chain.Mined {
			row.Block, row.BlockHash = &x.Number, &x.Block
		}
		if x.Err != nil {
			row.Error = x.Err.Error()
		}
		r.Transactions = append(r.Transactions, row)
	}
	return r
}

func (s *Station) printCases(list []payout.Case, heard bool) error {
	rows := make([]caseRow, len(list))
	for i := range list {
		rows[i] = s.caseRow(&list[i])
	}
	return s.Print(rows, func(out io.Writer) {
		for i := range rows {
			if i > 0 {
				fmt.Fprintln(out)
			}
			writeCase(out, &rows[i])
		}
		switch {
		case len(rows) == 0 && heard:
			fmt.Fprintln(out, "nothing is in doubt")
		case len(rows) == 0:
			fmt.Fprintln(out, "nothing is in doubt, as far as the home itself knows")
		}
	})
}

// writeCase writes a case for people, one fact per line.
func writeCase(out io.Writer, r *caseRow) {
	line := func(what, format string, args ...any) {
		text := strings.TrimRight(fmt.Sprintf("  %-10s %s", cli.Clean(what), cli.Clean(fmt.Sprintf(format, args...))), " ")
		fmt.Fprintln(out, text)
	}
	kind := string(r.Kind)
	if kind == "" {
		kind = "not in doubt"
	}
	fmt.Fprintf(out, "%s:%d  %s\n", r.Sender.Hex(), r.Nonce, kind)
	if r.Advice != "" {
		line("about", "%s", r.Advice)
	}
	if len(r.Pays) > 0 {
		line("pays", "what is asked for by %s", strings.Join(r.Pays, ", "))
	}
	writeBound(line, r.Store)
	writeMined(line, r.Scan)
	for i := range r.Endpoints {
		writeEndpoint(line, &r.Endpoints[i])
	}
	if len(r.Endpoints) == 0 {
		line("endpoints", "none answers")
	}
	for _, text := range r.Contradictions {
		line("CONTRADICT", "%s", text)
	}
	for i, c := range r.Choices {
		what := "safe"
		if i > 0 {
			what = ""
		}
		line(what, "%s", c.Command)
		line("", "  %s", c.Why)
	}
	if len(r.Choices) == 0 {
		line("safe", "nothing is to be done")
	}
}

func writeBound(line func(string, string, ...any), b *boundRow) {
	if b == nil {
		line("store", "nothing is bound to the nonce")
		return
	}
	line("store", "%s %s, %s, bound %s", b.Intent, b.ID, b.State, b.BoundAt.Format(time.RFC3339))
	if b.Wish != "" {
		line("", "wanted: %s", b.Wish)
	}
	if b.Ahead > 0 {
		line("", "%s of the sender before it", plural(b.Ahead, "transaction", "transactions"))
	}
	if b.Wait != "" {
		line("", "waits: %s", b.Wait)
	}
	if b.Answer != "" {
		line("", "last: %s", b.Answer)
	}
	for _, a := range b.Attempts {
		what := "payment"
		if a.Cancel {
			what = "cancel"
		}
		if a.Discarded {
			what = "discarded " + what
		}
		for n, rung := range a.Rungs {
			hash, state := "not signed", "not sent"
			if rung.TxHash != nil {
				hash = rung.TxHash.Hex()
			}
			if rung.Offered {
				state = "sent"
			}
			line("", "%s, batch %s, rung %d of %d: %s, %s gwei, %s", what, a.Batch, n+1, len(a.Rungs), hash, rung.MaxFee.Decimal(9), state)
		}
	}
}

func writeMined(line func(string, string, ...any), m *minedRow) {
	if m == nil {
		line("scan", "found nothing at the nonce")
		return
	}
	final := "not final yet"
	if m.Final {
		final = "final"
	}
	line("scan", "%s in block %d (%s), %s, %s", m.TxHash, m.Block, m.BlockHash, succeeded(&m.Success), final)
	to := "making a contract"
	if m.To != nil {
		to = "to " + m.To.Hex()
	}
	line("", "%s of the coin %s", m.Value.Decimal(18), to)
	for _, t := range m.Transfers {
		line("", "moved %s of %s from %s to %s", t.Amount, t.Asset, t.From, t.To)
	}
}

func writeEndpoint(line func(string, string, ...any), e *wordRow) {
	if e.Error != "" {
		line("endpoint", "%s: no answer: %s", e.Host, e.Error)
		return
	}
	line("endpoint", "%s: block %d; nonce %d latest, %s pending, %s finalized", e.Host, e.Head, e.Latest, orUntold(e.Pending), orUntold(e.Finalized))
	for _, x := range e.Transactions {
		where := x.Where
		switch {
		case x.Block != nil:
			where = fmt.Sprintf("mined in block %d (%s), %s", *x.Block, x.BlockHash, succeeded(x.Success))
		case x.Where == chain.Pooled.String():
			where = "in its pool"
		case x.Where == chain.Nowhere.String():
			where = "not known"
		}
		if x.Error != "" {
			where += ": " + x.Error
		}
		line("", "%s %s", x.TxHash, where)
	}
}

func orUntold(n *uint64) string {
	if n == nil {
		return "not told"
	}
	return strconv.FormatUint(*n, 10)
}

func succeeded(success *bool) string {
	switch {
	case success == nil:
		return "outcome not told"
	case *success:
		return "succeeded"
	}
	return "reverted"
}
