package online

import (
	"context"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// estimateRow is what a batch would hold and cost, as programs read it. Batch and
// digest are empty: there is no such batch.
type estimateRow struct {
	batchRow
	ExpectedFee wallet.Amount    `json:"expected_fee"` // wei, if all were mined now
	Gas         uint64           `json:"gas"`          // limit of all together
	Rungs       []rungRow        `json:"rungs"`        // of new payments
	Senders     []payerRow       `json:"senders"`
	LeftOut     []payout.LeftOut `json:"left_out"`
}

// rungRow is a rung and what all items can cost in gas up to it.
type rungRow struct {
	feeRow
	WorstCaseFee wallet.Amount `json:"worst_case_fee"` // wei
}

// payerRow is a payout address of an estimate.
type payerRow struct {
	Address common.Address `json:"address"`
	Path    wallet.Path    `json:"path"`
	Nonce   uint64         `json:"nonce"`   // of its next new transaction, before the batch
	Waiting int            `json:"waiting"` // transactions that are not mined, before the batch
	Items   int            `json:"items"`
	Reason  string         `json:"reason"` // why it pays nothing
	Funds   []fundRow      `json:"funds"`
}

// fundRow is what a sender has of an asset and what the batch may take of it.
type fundRow struct {
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Free     wallet.Amount  `json:"free"`
	Needs    wallet.Amount  `json:"needs"`
	Decimals uint8          `json:"decimals"`
}

func printEstimate(ctx context.Context, s *Station, plan payout.Plan) error {
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	r := estimateRow{
		batchRow:    batchRow{ChainID: chain.ID, Totals: []totalRow{}, Symbol: chain.Coin.Symbol, Decimals: chain.Coin.Decimals},
		ExpectedFee: plan.Expected, Gas: plan.Gas, Rungs: []rungRow{}, Senders: []payerRow{}, LeftOut: append([]payout.LeftOut{}, plan.LeftOut...),
	}
	if plan.Batch != nil {
		r.batchRow = newBatchRow(plan.Batch)
		r.Batch, r.Digest = "", ""
	}
	for i, f := range plan.Ladder {
		r.Rungs = append(r.Rungs, rungRow{feeRow(f), plan.WorstFees[i]})
	}
	if err := s.Store().View(ctx, func(tx store.Tx) error {
		r.Senders = r.Senders[:0]
		for _, p := range plan.Payers {
			row := payerRow{Address: p.Address.Address, Path: p.Address.Path, Nonce: p.Next, Waiting: p.Waiting, Items: p.Items, Reason: p.Reason, Funds: []fundRow{}}
			for _, f := range p.Funds {
				a, err := store.Asset(tx, f.Asset)
				if err != nil {
					return err
				}
				row.Funds = append(row.Funds, fundRow{a.ID, a.Symbol, f.Free, f.Needs, a.Decimals})
			}
			r.Senders = append(r.Senders, row)
		}
		return nil
	}); err != nil {
		return err
	}
	noteFewerRungs(s, plan)
	return s.Print(r, func(w io.Writer) { r.write(s, w) })
}

func (r estimateRow) write(s *Station, w io.Writer) {
	if r.Items == 0 {
		fmt.Fprintln(w, "no withdrawal could be built")
	} else {
		fmt.Fprintf(w, "items   %s\n", itemsLine(r.Items, r.recipients))
		r.writeTotals(w)
		fmt.Fprintf(w, "now     %s %s, if all were mined at once\n", r.ExpectedFee.Decimal(r.Decimals), cli.Clean(r.Symbol))
		fmt.Fprintf(w, "gas     at most %d\n", r.Gas)
	}
	if r.Items > 0 && len(r.Rungs) > 0 {
		fmt.Fprintln(w)
		t := s.Table(w, "RUNG", "MAX FEE", "TIP", "ALL AT MOST")
		for i, f := range r.Rungs {
			t.Row(i+1, f.MaxFeePerGas.Decimal(9)+" gwei", f.MaxPriorityFeePerGas.Decimal(9)+" gwei", f.WorstCaseFee.Decimal(r.Decimals)+" "+r.Symbol)
		}
		t.Close()
	}
	fmt.Fprintln(w)
	t := s.Table(w, "SENDER", "ITEMS", "WAITING", "NEEDS", "OF", "ASSET", "REASON")
	for _, p := range r.Senders {
		if len(p.Funds) == 0 {
			t.Row(p.Address, p.Items, p.Waiting, "", "", "", p.Reason)
		}
		for _, f := range p.Funds {
			t.Row(p.Address, p.Items, p.Waiting, f.Needs.Decimal(f.Decimals), f.Free.Decimal(f.Decimals), f.Symbol, p.Reason)
		}
	}
	t.Close()
	if len(r.LeftOut) > 0 {
		fmt.Fprintln(w, "\nwould be left out:")
		t := s.Table(w, "WITHDRAWAL", "REASON")
		for _, l := range r.LeftOut {
			t.Row(l.ID, l.Reason)
		}
		t.Close()
	}
}
