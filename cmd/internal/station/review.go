package station

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/tui"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

func newReview(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "review FILE",
		Short: "Show what a batch does, unsigned or signed",
		Long: `Show what a batch does, computed from the bytes to be signed: every payment,
the totals per asset, the worst-case fee, and the digest to compare with the
other station. Of a signed batch every signature is verified first.

On a terminal it is a page to walk through; in a pipe it is plain text.`,
		Example: `  airlock-signer review batch.json
  airlock-signer review signed.json | less`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, signed, err := readBatch(args[0])
			if err != nil {
				return err
			}
			report, err := s.report(c.Context(), b, signed)
			if err != nil {
				return err
			}
			if s.hasRecord() {
				if err := s.note(c.Context(), signer.Note{Kind: signer.KindReview, Batch: b}); err != nil {
					return err
				}
			}
			if s.OutTerminal && !s.JSON {
				return tui.Review(c.Context(), s.In, s.Out, report)
			}
			return s.Print(reviewOf(report), func(w io.Writer) { printReview(w, report) })
		},
	}
}

// readBatch reads a batch, unsigned or signed. Of a signed one it verifies
// the signatures; signed is nil for an unsigned one.
func readBatch(path string) (b *batch.Batch, signed *batch.Signed, err error) {
	raw, err := readFile(path, batch.MaxSignedSize)
	if err != nil {
		return nil, nil, err
	}
	if batch.IsSigned(raw) {
		if signed, err = batch.ParseSigned(raw); err == nil {
			err = signed.Verify()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", cli.Clean(path), err)
		}
		return &signed.Batch, signed, nil
	}
	if b, err = batch.Parse(raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", cli.Clean(path), err)
	}
	return b, nil, nil
}

// report is what a reviewer sees here, with what of vault, policy and record
// there is.
func (s *Station) report(ctx context.Context, b *batch.Batch, signed *batch.Signed) (*signer.Report, error) {
	var (
		missing []signer.Refusal
		vault   *hd.Fingerprint
		service = &signer.Service{Now: s.Now}
	)
	lacks := func(rule, what string, err error) {
		missing = append(missing, signer.Refusal{Rule: rule, Item: -1, Value: what, Why: "cannot be used: " + err.Error()})
	}
	info, err := s.statVault()
	switch {
	case err == nil:
		fingerprint := signerOf(b, info)
		vault, service.Fingerprints = &fingerprint, info.Fingerprints
	case !errors.Is(err, fs.ErrNotExist):
		lacks(signer.RuleVault, "the vault", err)
	}
	if service.Policy, err = s.policy(); err != nil && vault != nil {
		lacks(signer.RulePolicy, "the policy", err)
	}
	if s.hasRecord() {
		service.Record = s.record()
	} else if vault != nil {
		lacks(signer.RuleRecord, "the signing record", errors.New("it is missing or empty, so this station does not know what it signed"))
	}
	if s.Halted != nil && vault != nil {
		if err := s.Halted(ctx); err != nil {
			lacks(signer.RuleHalted, "this home", err)
		}
	}
	report, err := service.Review(ctx, b, signed, vault, nil)
	if err != nil {
		return nil, err
	}
	if signed == nil {
		report.Refuse(missing...)
	}
	return report, nil
}

// printReview writes the review as plain text: the batch in a few lines, then
// one line per item with a tab between columns.
func printReview(w io.Writer, s *signer.Report) {
	clean := cli.Clean
	fmt.Fprintf(w, "batch         %s (%s, chain %d)\n", s.ID, s.Kind, s.ChainID)
	fmt.Fprintf(w, "digest        %s\n", s.Digest)
	fmt.Fprintf(w, "vault         %s\n", s.Vault)
	fmt.Fprintf(w, "built         %s\n", s.CreatedAt.Format(time.RFC3339))
	fmt.Fprintf(w, "expires       %s\n", s.ExpiresAt.Format(time.RFC3339))
	if s.Signed != nil {
		fmt.Fprintf(w, "signed        %s, %d signatures, all verified\n", s.Signed.SignedAt.Format(time.RFC3339), s.Signed.Signatures)
		if !s.Signed.Outside { // else a warning says that there is none
			fmt.Fprintf(w, "policy        %s\n", s.Signed.PolicyHash)
		}
	}
	fmt.Fprintf(w, "items         %d, to %d recipients\n", len(s.Rows), s.Recipients)
	if s.Record != nil {
		fmt.Fprintf(w, "recipients    %d this station never signed for before, %d of them unknown to the policy too\n", s.New, s.Unseen)
	}
	for _, r := range s.Refusals {
		fmt.Fprintf(w, "REFUSED       %s\n", clean(r.String()))
	}
	for _, words := range s.Unknown {
		fmt.Fprintf(w, "not known     %s\n", words)
	}
	for _, t := range s.Totals {
		fmt.Fprintf(w, "total         %s of %s in %d (%s)\n", clean(t.Asset.Format(t.Amount)), t.Kind, t.Items, t.Asset.ID)
	}
	fmt.Fprintf(w, "worst fee     %s\n", clean(s.Coin.Format(s.WorstFee)))
	for _, from := range s.Senders {
		fmt.Fprintf(w, "sender        %s %s, nonces %d to %d, %d items\n", from.Address, from.Path, from.First, from.Last, from.Items)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "WARNING       %s\n", clean(warning.Text))
	}
	fmt.Fprintln(w, "\nitem\tkind\tid\tamount\trecipient\tsender\tnonce\tworst fee\tremarks")
	for _, r := range s.Rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.Position, r.Kind, clean(r.ID), clean(r.Asset.Format(r.Amount)),
			r.Recipient, r.From, r.Nonce, clean(s.Coin.Format(r.WorstFee)), remarks(r, s.Items[r.Position].Standing.New()))
	}
}

// remarks says what is special about an item.
func remarks(r batch.Row, fresh bool) string {
	var list []string
	if fresh {
		list = append(list, "new recipient")
	}
	if r.RecipientPath != "" {
		list = append(list, "to "+r.RecipientPath)
	}
	if r.Requires >= 0 {
		list = append(list, fmt.Sprintf("after item %d", r.Requires))
	}
	return strings.Join(list, ", ")
}

// reviewRow is the review as a document.
type reviewRow struct {
	Batch        string          `json:"batch"`
	Digest       string          `json:"digest"`
	Kind         string          `json:"kind"`
	ChainID      uint64          `json:"chain_id"`
	Vault        string          `json:"vault"`
	CreatedAt    time.Time       `json:"created_at"`
	ExpiresAt    time.Time       `json:"expires_at"`
	Signed       bool            `json:"signed"`
	Items        []itemRow       `json:"items"`
	Totals       []amountRow     `json:"totals"`
	WorstCaseFee amountRow       `json:"worst_case_fee"`
	Recipients   int             `json:"recipients"`
	Warnings     []batch.Warning `json:"warnings"`
}

type amountRow struct {
	Kind     string         `json:"kind,omitzero"`
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Amount   wallet.Amount  `json:"amount"`
	Decimals uint8          `json:"decimals"`
}

type itemRow struct {
	amountRow
	ChainID  uint64   `json:"chain_id"`
	Item     int      `json:"item"`
	ID       string   `json:"id"`
	From     string   `json:"from"`
	Path     string   `json:"path"`
	Nonce    uint64   `json:"nonce"`
	To       string   `json:"to"`
	New      bool     `json:"new_recipient"`
	Requires *int     `json:"requires"` // null if it waits for none
	TxHashes []string `json:"tx_hashes"`
}

func amountOf(kind wallet.IntentKind, a wallet.Asset, n wallet.Amount) amountRow {
	return amountRow{string(kind), a.ID, a.Symbol, n, a.Decimals}
}

func reviewOf(s *signer.Report) reviewRow {
	row := reviewRow{
		Batch: s.ID, Digest: s.Digest, Kind: s.Kind, ChainID: s.ChainID, Vault: s.Vault, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
		Signed: s.Signed != nil, WorstCaseFee: amountOf("", s.Coin, s.WorstFee), Recipients: s.Recipients, Warnings: s.Warnings,
	}
	for _, t := range s.Totals {
		row.Totals = append(row.Totals, amountOf(t.Kind, t.Asset, t.Amount))
	}
	for _, r := range s.Rows {
		item := itemRow{
			amountRow: amountOf(r.Kind, r.Asset, r.Amount), ChainID: s.ChainID, Item: r.Position, ID: r.ID, From: r.From.Hex(), Path: r.Path.String(),
			Nonce: r.Nonce, To: r.Recipient.Hex(), New: s.Items[r.Position].Standing.New(),
		}
		if r.Requires >= 0 {
			item.Requires = &r.Requires
		}
		for _, h := range r.Hashes {
			item.TxHashes = append(item.TxHashes, h.Hex())
		}
		row.Items = append(row.Items, item)
	}
	return row
}
