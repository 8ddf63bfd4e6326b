package batch

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// Summary is what a reviewer sees of a batch. All of it is computed from the
// transactions, the intents that Check held against them, and the display
// names of assets; nothing of it is read from a total in the file.
type Summary struct {
	ID         string
	Kind       string
	ChainID    uint64
	Vault      string // fingerprint, in hex
	Digest     string // in hex
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RecordHead string

	Coin       wallet.Asset   // what fees are paid in
	WorstFee   wallet.Amount  // of all items at their top rungs, in wei
	Totals     []Total        // by kind of intent and asset
	Senders    []Sender       // in the order of their first items
	Recipients int            // different ones
	Rows       []Row          // in the order of the items
	Warnings   []string       // what a reviewer should look at twice
	Signed     *SignedSummary // nil for an unsigned batch
}

// Total is what one kind of intent moves of one asset.
type Total struct {
	Kind   wallet.IntentKind
	Asset  wallet.Asset
	Amount wallet.Amount
	Items  int
}

// Sender is an address that pays.
type Sender struct {
	Address     common.Address
	Path        wallet.Path
	Items       int
	First, Last uint64 // nonces
	WorstFee    wallet.Amount
}

// Row is one item.
type Row struct {
	Position      int // from 0, as in error messages
	Kind          wallet.IntentKind
	ID            string
	From          common.Address
	Path          wallet.Path
	Nonce         uint64
	Recipient     common.Address
	RecipientPath string // empty unless the recipient is ours
	Asset         wallet.Asset
	Amount        wallet.Amount
	To            common.Address // of the transaction: the recipient, or the token contract
	Gas           uint64
	Rungs         []wallet.Fee
	WorstFee      wallet.Amount
	Requires      int           // position, or -1
	New           bool          // the recipient was never paid before, as far as MarkNew was told
	Hashes        []common.Hash // per rung, if signed
	Data          []byte        // call data
	Slot          wallet.Slot   // chain, sender and nonce
}

// SignedSummary is what signing added.
type SignedSummary struct {
	PolicyHash string
	RecordHead string
	SignedAt   time.Time
	Signatures int
}

// Summarize computes what a reviewer sees of a batch that Check accepted.
func Summarize(b *Batch) Summary {
	s := Summary{
		ID: b.ID, Kind: b.Kind, ChainID: b.ChainID, Vault: b.Vault,
		CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt, RecordHead: b.RecordHead,
		Coin:     wallet.Asset{ID: wallet.Coin(b.ChainID), Symbol: "coin", Decimals: coinDecimals},
		WorstFee: b.WorstFee(),
		Rows:     make([]Row, 0, len(b.Items)),
	}
	if digest, err := b.Digest(); err == nil {
		s.Digest = hex.EncodeToString(digest[:])
	}
	assets := make(map[wallet.AssetID]wallet.Asset, len(b.Assets))
	for _, a := range b.Assets {
		assets[a.Asset] = wallet.Asset{ID: a.Asset, Symbol: a.Symbol, Decimals: a.Decimals}
	}
	if coin, ok := assets[s.Coin.ID]; ok {
		s.Coin = coin
	}
	type totalKey struct {
		kind  wallet.IntentKind
		asset wallet.AssetID
	}
	totals := map[totalKey]int{}
	senders := map[common.Address]int{}
	recipients := map[common.Address]bool{}
	for i := range b.Items {
		it := &b.Items[i]
		in := it.Intent
		s.Rows = append(s.Rows, Row{
			Position: i, Kind: in.Kind, ID: in.ID, From: it.From, Path: it.Path, Nonce: it.Nonce,
			Recipient: in.Recipient, RecipientPath: it.RecipientPath, Asset: assets[in.Asset], Amount: in.Amount,
			To: it.To, Gas: it.Gas, Rungs: it.Rungs, WorstFee: it.WorstFee(), Requires: it.Requires, Data: it.Data,
			Slot: wallet.Slot{ChainID: b.ChainID, Sender: it.From, Nonce: it.Nonce},
		})
		key := totalKey{in.Kind, in.Asset}
		at, ok := totals[key]
		if !ok {
			at = len(s.Totals)
			totals[key] = at
			s.Totals = append(s.Totals, Total{Kind: in.Kind, Asset: assets[in.Asset]})
		}
		s.Totals[at].Amount = s.Totals[at].Amount.Add(in.Amount)
		s.Totals[at].Items++

		at, ok = senders[it.From]
		if !ok {
			at = len(s.Senders)
			senders[it.From] = at
			s.Senders = append(s.Senders, Sender{Address: it.From, Path: it.Path, First: it.Nonce})
		}
		sender := &s.Senders[at]
		sender.Items++
		sender.Last = it.Nonce
		sender.WorstFee = sender.WorstFee.Add(it.WorstFee())
		recipients[in.Recipient] = true
	}
	s.Recipients = len(recipients)
	slices.SortStableFunc(s.Totals, func(a, b Total) int {
		return bytes.Compare([]byte(string(a.Kind)+a.Asset.ID.String()), []byte(string(b.Kind)+b.Asset.ID.String()))
	})
	s.Warnings = warnings(b, &s)
	return s
}

// SummarizeSigned is Summarize with what signing added.
func SummarizeSigned(signed *Signed) Summary {
	s := Summarize(&signed.Batch)
	s.Signed = &SignedSummary{PolicyHash: signed.PolicyHash, RecordHead: signed.RecordHead, SignedAt: signed.SignedAt}
	for i, rungs := range signed.Transactions {
		for _, r := range rungs {
			s.Rows[i].Hashes = append(s.Rows[i].Hashes, r.Hash)
			s.Signed.Signatures++
		}
	}
	return s
}

// MarkNew marks the recipients of withdrawals that were never paid before,
// and warns of them.
func (s *Summary) MarkNew(known func(common.Address) bool) {
	fresh := map[common.Address]bool{}
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Kind == wallet.IntentWithdrawal && !known(r.Recipient) {
			r.New = true
			fresh[r.Recipient] = true
		}
	}
	if n := len(fresh); n > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s this station never signed for before", count(n, "recipient", "recipients")))
	}
}

// firstTreasury is where sweeps go unless somebody means otherwise: value at
// another of two billion indices is the vault's, and hard to find again.
var firstTreasury = wallet.Path{Role: wallet.TreasuryRole}.String()

// warnings names what the rules allow and a reviewer should look at twice.
func warnings(b *Batch, s *Summary) []string {
	var list []string
	list = append(list, symbolWarnings(b)...)
	foreign := ""
	others := 0
	for _, r := range s.Rows {
		if r.Kind == wallet.IntentWithdrawal && !isASCII(r.ID) {
			if others++; others == 1 {
				foreign = fmt.Sprintf("item %d", r.Position)
			}
		}
	}
	if others > 0 {
		list = append(list, fmt.Sprintf("%s characters beyond ASCII that can look like others, such as %s", count(others, "id has", "ids have"), foreign))
	}
	// One recipient's many payments are usual; the same amount to it twice
	// is what a doubled request looks like.
	type payment struct {
		to     common.Address
		asset  wallet.AssetID
		amount string
	}
	first := map[payment]int{}
	doubled, pair := 0, ""
	for _, r := range s.Rows {
		if r.Kind != wallet.IntentWithdrawal {
			continue
		}
		p := payment{r.Recipient, r.Asset.ID, r.Amount.String()}
		if at, ok := first[p]; ok {
			if doubled++; doubled == 1 {
				pair = fmt.Sprintf("items %d and %d", at, r.Position)
			}
			continue
		}
		first[p] = r.Position
	}
	if doubled > 0 {
		list = append(list, fmt.Sprintf("%s the same amount to the same recipient as another, such as %s", count(doubled, "withdrawal pays", "withdrawals pay"), pair))
	}
	elsewhere, example := 0, ""
	for _, r := range s.Rows {
		if r.Kind == wallet.IntentSweep && r.RecipientPath != "" && r.RecipientPath != firstTreasury {
			if elsewhere++; elsewhere == 1 {
				example = r.RecipientPath
			}
		}
	}
	if elsewhere > 0 {
		list = append(list, fmt.Sprintf("%s to a treasury address that is not the vault's first, such as %s", count(elsewhere, "sweep goes", "sweeps go"), example))
	}
	gaps := 0
	for _, sender := range s.Senders {
		if sender.Last-sender.First >= uint64(sender.Items) {
			gaps++
		}
	}
	if gaps > 0 {
		list = append(list, fmt.Sprintf("%s nonces that are not in this batch", count(gaps, "sender skips", "senders skip")))
	}
	return list
}

// symbolWarnings tells of symbols that can be taken for others, or for part of
// an amount, once for all assets.
func symbolWarnings(b *Batch) (list []string) {
	first := map[string]wallet.AssetID{}
	var twice, odd int
	var sameAs, oddOne string
	for _, a := range b.Assets {
		if other, ok := first[a.Symbol]; ok {
			if twice++; twice == 1 {
				sameAs = fmt.Sprintf("%s: %s and %s", a.Symbol, other, a.Asset)
			}
		} else {
			first[a.Symbol] = a.Asset
		}
		if !isASCII(a.Symbol) || strings.ContainsAny(a.Symbol, " ,") || a.Symbol[0] == '.' {
			if odd++; odd == 1 {
				oddOne = fmt.Sprintf("the symbol %s of %s has characters", a.Symbol, a.Asset)
			}
		}
	}
	if twice > 0 {
		list = append(list, fmt.Sprintf("two assets bear the symbol %s%s", sameAs, more(twice)))
	}
	if odd > 0 {
		list = append(list, oddOne+" that can look like others or like part of an amount"+more(odd))
	}
	return list
}

// more says how many of a kind are not told.
func more(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", and %d more like it", n-1)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
