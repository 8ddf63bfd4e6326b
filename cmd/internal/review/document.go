package review

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// Document is a report as programs read it. docs/formats.md describes it.
type Document struct {
	Batch      string         `json:"batch"`
	Digest     string         `json:"digest"`
	Kind       string         `json:"kind"`
	ChainID    uint64         `json:"chain_id"`
	Vault      string         `json:"vault"`
	CreatedAt  time.Time      `json:"created_at"`
	ExpiresAt  time.Time      `json:"expires_at"`
	RecordHead string         `json:"record_head"`
	Signed     bool           `json:"signed"`
	Verdict    signer.Verdict `json:"verdict"`

	Refusals         []refusal       `json:"refusals"`
	Warnings         []batch.Warning `json:"warnings"`
	Unknown          []string        `json:"unknown"`
	Totals           []total         `json:"totals"`
	WorstCaseFee     amount          `json:"worst_case_fee"`
	Recipients       int             `json:"recipients"`
	NewRecipients    *int            `json:"new_recipients"`    // null without a record
	UnseenRecipients *int            `json:"unseen_recipients"` // null without a record

	Policy    *policyDoc  `json:"policy"`    // null where there is none
	Record    *record     `json:"record"`    // null where there is none
	Signature *signatures `json:"signature"` // null for an unsigned batch
	Approvals approval    `json:"approvals"`
	Items     []item      `json:"items"`
}

type refusal struct {
	Rule  string `json:"rule"`
	Item  *int   `json:"item"` // null for the whole batch
	Field string `json:"field"`
	Value string `json:"value"`
	Why   string `json:"why"`
	Hint  string `json:"way_out"`
}

type amount struct {
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Amount   wallet.Amount  `json:"amount"`
	Decimals uint8          `json:"decimals"`
}

type total struct {
	Kind wallet.IntentKind `json:"kind"`
	amount
	Items int `json:"items"`
}

type policyDoc struct {
	Hash   string        `json:"hash"`
	Open   bool          `json:"open"`
	Words  []string      `json:"words"`
	Leaves []policy.Left `json:"leaves"`
}

type record struct {
	Head    string `json:"head"`
	Entries uint64 `json:"entries"`
	Signed  bool   `json:"signed_before"`
}

type signatures struct {
	PolicyHash string    `json:"policy_hash"`
	RecordHead string    `json:"record_head"`
	SignedAt   time.Time `json:"signed_at"`
	Count      int       `json:"signatures"`
}

type approval struct {
	Needed int             `json:"needed"` // 0 where it cannot be told
	Given  []approver      `json:"given"`
	Others []policy.Person `json:"others"`
}

type approver struct {
	Approver common.Address `json:"approver"`
	Name     string         `json:"name"`
	Counts   bool           `json:"counts"`
	Why      string         `json:"why"`
}

type replaced struct {
	Kind wallet.IntentKind `json:"kind"`
	ID   string            `json:"id"`
}

type payment struct {
	ID       string          `json:"id"`
	Amount   wallet.Amount   `json:"amount"`
	To       common.Address  `json:"to"`
	Standing signer.Standing `json:"standing"`
	New      bool            `json:"new_recipient"`
}

type item struct {
	Item    int               `json:"item"`
	Kind    wallet.IntentKind `json:"kind"`
	ID      string            `json:"id"`
	ChainID uint64            `json:"chain_id"`
	amount
	Payments      []payment       `json:"payments"` // null unless the item pays many
	To            common.Address  `json:"to"`
	Standing      signer.Standing `json:"standing"`
	New           bool            `json:"new_recipient"`
	RecipientPath string          `json:"recipient_path"`
	From          common.Address  `json:"from"`
	Path          wallet.Path     `json:"path"`
	Nonce         uint64          `json:"nonce"`
	Replaces      *replaced       `json:"replaces"` // null if it replaces nothing
	SentTo        common.Address  `json:"sent_to"`
	Call          string          `json:"call"`
	Gas           uint64          `json:"gas"`
	Cancel        *batch.Cancel   `json:"cancel"`         // signed together with it; null if none is
	WorstCaseFee  wallet.Amount   `json:"worst_case_fee"` // wei
	Requires      *int            `json:"requires"`       // null if it waits for none
	Warnings      []string        `json:"warnings"`
	Refusals      []int           `json:"refusals"` // positions in the document's
	TxHashes      []common.Hash   `json:"tx_hashes"`
}

// DocumentOf makes the document of a report.
func DocumentOf(r *signer.Report) Document {
	d := Document{
		Batch: r.ID, Digest: r.Digest, Kind: r.Kind, ChainID: r.ChainID, Vault: r.Vault, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt,
		RecordHead: r.RecordHead, Signed: r.Signed != nil, Verdict: r.Verdict(),
		Warnings: r.Warnings, Unknown: r.Unknown, Recipients: r.Recipients,
		WorstCaseFee: amountOf(r.Coin, r.WorstFee),
		Approvals:    approval{Needed: r.Approvals.Needed, Others: r.Approvals.Others},
	}
	for _, a := range r.Approvals.Given {
		d.Approvals.Given = append(d.Approvals.Given, approver{a.Signer, a.Name, a.Counts, a.Why})
	}
	for _, reason := range r.Refusals {
		row := refusal{Rule: reason.Rule, Field: reason.Field, Value: reason.Value, Why: reason.Why, Hint: reason.Hint}
		if reason.Item >= 0 {
			row.Item = &reason.Item
		}
		d.Refusals = append(d.Refusals, row)
	}
	for _, t := range r.Totals {
		d.Totals = append(d.Totals, total{t.Kind, amountOf(t.Asset, t.Amount), t.Items})
	}
	if p := r.Policy; p != nil {
		d.Policy = &policyDoc{p.Hash, p.Open, p.Words, p.Leaves}
	}
	if r.Record != nil {
		d.Record = &record{r.Record.Head, r.Record.Entries, r.Record.Signed}
		d.NewRecipients, d.UnseenRecipients = &r.New, &r.Unseen
	}
	if s := r.Signed; s != nil {
		d.Signature = &signatures{s.PolicyHash, s.RecordHead, s.SignedAt, s.Signatures}
	}
	d.Items = make([]item, len(r.Rows))
	for i := range r.Rows {
		d.Items[i] = itemOf(r, i)
	}
	return d
}

func itemOf(r *signer.Report, i int) item {
	row, more := &r.Rows[i], &r.Items[i]
	it := item{
		Item: i, Kind: row.Kind, ID: row.ID, ChainID: r.ChainID, amount: amountOf(row.Asset, row.Amount),
		To: row.Recipient, Standing: more.Standing, New: more.Standing.New(), RecipientPath: row.RecipientPath,
		From: row.From, Path: row.Path, Nonce: row.Nonce, SentTo: row.To, Call: call(row), Gas: row.Gas, Cancel: row.Cancel, WorstCaseFee: row.WorstFee,
		Warnings: more.Warnings, Refusals: more.Refusals, TxHashes: row.Hashes,
	}
	for n, p := range row.Payments {
		it.Payments = append(it.Payments, payment{p.ID, p.Amount, p.Recipient, more.Payments[n], more.Payments[n].New()})
	}
	if row.Requires >= 0 {
		it.Requires = &row.Requires
	}
	if row.Replaces != (wallet.IntentName{}) {
		it.Replaces = &replaced{row.Replaces.Kind, row.Replaces.ID}
	}
	return it
}

func amountOf(a wallet.Asset, n wallet.Amount) amount { return amount{a.ID, a.Symbol, n, a.Decimals} }
