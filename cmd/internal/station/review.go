package station

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/tui"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
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
			summary, err := s.summarize(c.Context(), b, signed)
			if err != nil {
				return err
			}
			if s.OutTerminal && !s.JSON {
				return tui.Review(c.Context(), s.In, s.Out, summary)
			}
			return s.Print(reviewOf(summary), func(w io.Writer) { printReview(w, summary) })
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

// summarize is what a reviewer sees; with a signing record, it knows which
// recipients are new.
func (s *Station) summarize(ctx context.Context, b *batch.Batch, signed *batch.Signed) (batch.Summary, error) {
	switch {
	case signed != nil:
		return batch.SummarizeSigned(signed), nil
	case s.hasRecord():
		p, err := s.policy()
		if err != nil {
			p = nil // a review needs none; sign tells of it
		}
		return signer.Review(ctx, s.record(), p, b)
	}
	return batch.Summarize(b), nil
}

// printReview writes the review as plain text: the batch in a few lines, then
// one line per item with a tab between columns.
func printReview(w io.Writer, s batch.Summary) {
	clean := cli.Clean
	fmt.Fprintf(w, "batch         %s (%s, chain %d)\n", s.ID, s.Kind, s.ChainID)
	fmt.Fprintf(w, "digest        %s\n", s.Digest)
	fmt.Fprintf(w, "vault         %s\n", s.Vault)
	fmt.Fprintf(w, "built         %s\n", s.CreatedAt.Format(time.RFC3339))
	fmt.Fprintf(w, "expires       %s\n", s.ExpiresAt.Format(time.RFC3339))
	if s.Signed != nil {
		fmt.Fprintf(w, "signed        %s, %d signatures, all verified\n", s.Signed.SignedAt.Format(time.RFC3339), s.Signed.Signatures)
		fmt.Fprintf(w, "policy        %s\n", s.Signed.PolicyHash)
	}
	fmt.Fprintf(w, "items         %d, to %d recipients\n", len(s.Rows), s.Recipients)
	for _, t := range s.Totals {
		fmt.Fprintf(w, "total         %s of %s in %d (%s)\n", clean(t.Asset.Format(t.Amount)), t.Kind, t.Items, t.Asset.ID)
	}
	fmt.Fprintf(w, "worst fee     %s\n", clean(s.Coin.Format(s.WorstFee)))
	for _, from := range s.Senders {
		fmt.Fprintf(w, "sender        %s %s, nonces %d to %d, %d items\n", from.Address, from.Path, from.First, from.Last, from.Items)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "WARNING       %s\n", clean(warning))
	}
	fmt.Fprintln(w, "\nitem\tkind\tid\tamount\trecipient\tsender\tnonce\tworst fee\tremarks")
	for _, r := range s.Rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.Position, r.Kind, clean(r.ID), clean(r.Asset.Format(r.Amount)),
			r.Recipient, r.From, r.Nonce, clean(s.Coin.Format(r.WorstFee)), remarks(r))
	}
}

// remarks says what is special about an item.
func remarks(r batch.Row) string {
	var list []string
	if r.New {
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
	Batch        string      `json:"batch"`
	Digest       string      `json:"digest"`
	Kind         string      `json:"kind"`
	ChainID      uint64      `json:"chain_id"`
	Vault        string      `json:"vault"`
	CreatedAt    time.Time   `json:"created_at"`
	ExpiresAt    time.Time   `json:"expires_at"`
	Signed       bool        `json:"signed"`
	Items        []itemRow   `json:"items"`
	Totals       []amountRow `json:"totals"`
	WorstCaseFee amountRow   `json:"worst_case_fee"`
	Recipients   int         `json:"recipients"`
	Warnings     []string    `json:"warnings"`
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

func reviewOf(s batch.Summary) reviewRow {
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
			Nonce: r.Nonce, To: r.Recipient.Hex(), New: r.New,
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
