package batch

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

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
	Warnings   []Warning      // what a reviewer should look at twice
	Signed     *SignedSummary // nil for an unsigned batch
}

// Total is what one kind of intent moves of one asset.
type Total struct {
	Kind   wallet.IntentKind
	Asset  wallet.Asset
	Amount wallet.Amount
	Items  int // or of withdrawals, how many: an item can pay many
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
	Cancel        *Cancel // signed together with it; nil for none
	WorstFee      wallet.Amount
	Requires      int               // position, or -1
	Replaces      wallet.IntentName // what was signed at the nonce before; zero for nothing
	Hashes        []common.Hash     // per rung, then of the cancel, if signed
	Data          []byte            // call data
	Payments      []Payment         // the withdrawals of an item that pays many
	Slot          wallet.Slot       // chain, sender and nonce
}

// Warning is something that the rules allow and that a reviewer should look at
// twice.
type Warning struct {
	Rule string `json:"rule"` // one of the names below
	Text string `json:"text"` // a sentence without its full stop
	// Items are those that it is about, in the order of the batch; none where
	// it is about the batch as a whole.
	Items []Remark `json:"items"`
}

// Remark is what a warning has to say of one item.
type Remark struct {
	Item int    `json:"item"` // position from 0
	Text string `json:"text"`
}

// The names of the warnings of Summarize.
const (
	WarnSymbol   = "symbol"   // a symbol that can be taken for something else
	WarnID       = "id"       // an id that can be taken for another
	WarnDoubled  = "doubled"  // the same amount to the same recipient again
	WarnTreasury = "treasury" // to another than the vault's first treasury address
	WarnReplaces = "replaces" // something else than a cancel in place of what was signed
	WarnGap      = "gap"      // nonces between those of the batch
	WarnOutside  = "outside"  // signed by other means than airlock
)

// SignedSummary is what signing added.
type SignedSummary struct {
	Outside    bool   // of airlock; then there is no policy and no record
	PolicyHash string // empty if Outside
	RecordHead string // empty if Outside
	SignedAt   time.Time
	Signatures int
}

// OutsideWarning tells of a batch that was signed by other means than airlock.
const OutsideWarning = "signed outside airlock: no policy, no signing record"

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
	add := func(in wallet.Intent) {
		key := totalKey{in.Kind, in.Asset}
		at, ok := totals[key]
		if !ok {
			at = len(s.Totals)
			totals[key] = at
			s.Totals = append(s.Totals, Total{Kind: in.Kind, Asset: assets[in.Asset]})
		}
		s.Totals[at].Amount = s.Totals[at].Amount.Add(in.Amount)
		s.Totals[at].Items++
	}
	for i := range b.Items {
		it := &b.Items[i]
		in := it.Intent
		s.Rows = append(s.Rows, Row{
			Position: i, Kind: in.Kind, ID: in.ID, From: it.From, Path: it.Path, Nonce: it.Nonce,
			Recipient: in.Recipient, RecipientPath: it.RecipientPath, Asset: assets[in.Asset], Amount: in.Amount,
			To: it.To, Gas: it.Gas, Rungs: it.Rungs, Cancel: it.Cancel, WorstFee: it.WorstFee(), Requires: it.Requires, Replaces: it.Replaces, Data: it.Data, Payments: it.Payments,
			Slot: wallet.Slot{ChainID: b.ChainID, Sender: it.From, Nonce: it.Nonce},
		})
		if in.Kind != wallet.IntentPayments { // its withdrawals count
			add(in)
		}
		for _, w := range it.Withdrawals(i) {
			recipients[w.Intent.Recipient] = true
			if w.Payment >= 0 {
				add(w.Intent)
			}
		}
		at, ok := senders[it.From]
		if !ok {
			at = len(s.Senders)
			senders[it.From] = at
			s.Senders = append(s.Senders, Sender{Address: it.From, Path: it.Path, First: it.Nonce})
		}
		sender := &s.Senders[at]
		sender.Items++
		sender.Last = it.Nonce
		sender.WorstFee = sender.WorstFee.Add(it.WorstFee())
		if !usesContract(in.Kind) {
			recipients[in.Recipient] = true
		}
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
	s.Signed = &SignedSummary{Outside: signed.Outside(), PolicyHash: signed.PolicyHash, RecordHead: signed.RecordHead, SignedAt: signed.SignedAt}
	if s.Signed.Outside {
		s.Warnings = append(s.Warnings, Warning{WarnOutside, OutsideWarning, nil})
	}
	for i, rungs := range signed.Transactions {
		for _, r := range rungs {
			s.Rows[i].Hashes = append(s.Rows[i].Hashes, r.Hash)
			s.Signed.Signatures++
		}
	}
	return s
}

// firstTreasury is where sweeps and rebalances go unless somebody means otherwise: value at
// another of two billion indices is the vault's, and hard to find again.
var (
	firstTreasury = wallet.Path{Role: wallet.TreasuryRole}.String()
	anyTreasury   = strings.TrimSuffix(firstTreasury, "0")
)

// warnings names what the rules allow and a reviewer should look at twice.
func warnings(b *Batch, s *Summary) []Warning {
	list := symbolWarnings(b)
	// add appends a warning about items, if there are any; its text is about
	// one or about many.
	add := func(rule, one, many string, items []Remark) {
		if len(items) > 0 {
			list = append(list, Warning{rule, count(len(items), one, many), items})
		}
	}
	var foreign, doubled, elsewhere, replaces []Remark
	// One recipient's many payments are usual; the same amount to it twice
	// is what a doubled request looks like.
	type payment struct {
		to     common.Address
		asset  wallet.AssetID
		amount string
	}
	first := map[payment]int{}
	for _, r := range s.Rows {
		if r.Replaces != (wallet.IntentName{}) && r.Kind != wallet.IntentCancel {
			replaces = append(replaces, Remark{r.Position, fmt.Sprintf("takes the place of %s %q: whom that was to pay is not paid by it", r.Replaces.Kind, r.Replaces.ID)})
		}
		for _, w := range b.Items[r.Position].Withdrawals(r.Position) {
			if !isASCII(w.Intent.ID) {
				foreign = append(foreign, Remark{r.Position, "its id" + w.which() + " has characters beyond ASCII, which can look like others"})
			}
			p := payment{w.Intent.Recipient, w.Intent.Asset, w.Intent.Amount.String()}
			if at, ok := first[p]; ok {
				doubled = append(doubled, Remark{r.Position, fmt.Sprintf("pays%s the same amount to the same recipient as item %d", w.which(), at)})
			} else {
				first[p] = r.Position
			}
		}
		switch r.Kind {
		case wallet.IntentSweep, wallet.IntentRebalance:
			if strings.HasPrefix(r.RecipientPath, anyTreasury) && r.RecipientPath != firstTreasury {
				elsewhere = append(elsewhere, Remark{r.Position, fmt.Sprintf("goes to the treasury address %s, which is not the vault's first", r.RecipientPath)})
			}
		}
	}
	add(WarnID, "id has characters beyond ASCII, which can look like others", "ids have characters beyond ASCII, which can look like others", foreign)
	add(WarnDoubled, "withdrawal pays the same amount to the same recipient as another", "withdrawals pay the same amount to the same recipient as another", doubled)
	add(WarnTreasury, "item goes to a treasury address that is not the vault's first", "items go to a treasury address that is not the vault's first", elsewhere)
	add(WarnReplaces, "item takes the place of another payment that was signed", "items take the place of other payments that were signed", replaces)
	gaps := 0
	for _, sender := range s.Senders {
		if sender.Last-sender.First >= uint64(sender.Items) {
			gaps++
		}
	}
	if gaps > 0 {
		list = append(list, Warning{WarnGap, count(gaps, "sender skips nonces that are not in this batch", "senders skip nonces that are not in this batch"), nil})
	}
	return list
}

// symbolWarnings tells of symbols that can be taken for others, or for part of
// an amount, once for all assets.
func symbolWarnings(b *Batch) (list []Warning) {
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
		if !isASCII(a.Symbol) || strings.ContainsAny(a.Symbol, " ,") || a.Symbol[0] == '.' || !strings.ContainsFunc(a.Symbol, unicode.IsLetter) {
			if odd++; odd == 1 {
				oddOne = fmt.Sprintf("the symbol %s of %s has characters", a.Symbol, a.Asset)
			}
		}
	}
	if twice > 0 {
		list = append(list, Warning{WarnSymbol, fmt.Sprintf("two assets bear the symbol %s%s", sameAs, more(twice)), nil})
	}
	if odd > 0 {
		list = append(list, Warning{WarnSymbol, oddOne + " that can look like others or like part of an amount" + more(odd), nil})
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
