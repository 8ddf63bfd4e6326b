package online

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

func newResolve(s *Station) *cobra.Command {
	var accept, withdrawal, cancel string
	c := &cobra.Command{
		Use:   "resolve",
		Short: "Show what airlock cannot explain alone, and attribute it",
		Long: `Show what airlock cannot explain alone, with the evidence and the safe way on:
transactions of our addresses that it did not make, others that took the nonce
of a payment, tokens that moved something else than they were told, and nonces
that hold up those behind them (gaps): what is not signed, was discarded, is
refused by nodes or bound to nothing.

--accept attributes one of them by its content: to the withdrawal that it pays,
or to nobody if it pays none. Only what is final can be accepted, and nothing
that could lead to a second payment is offered.

--cancel gives up a sweep, top-up or rebalance that holds up its sender: the next
build-withdrawals has its nonce taken by a cancel. Withdrawals are given up with
withdraw cancel.`,
		Example: `  airlock resolve
  airlock resolve --accept 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed:17
  airlock resolve --cancel 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed:18`,
		RunE: func(c *cobra.Command, _ []string) error {
			if accept == "" && withdrawal != "" {
				return wallet.As(wallet.ErrUsage, "--withdrawal goes with --accept")
			}
			if cancel != "" {
				return runCancelSlot(c.Context(), s, cancel)
			}
			if accept != "" {
				return runAccept(c.Context(), s, accept, withdrawal)
			}
			return runResolve(c.Context(), s)
		},
	}
	c.Flags().StringVar(&accept, "accept", "", "attribute the transaction at `ADDRESS:NONCE`")
	c.Flags().StringVar(&withdrawal, "withdrawal", "", "the `id` of the withdrawal that it paid, where several ask for the same")
	c.Flags().StringVar(&cancel, "cancel", "", "give up the movement of ours at `ADDRESS:NONCE`")
	c.MarkFlagsMutuallyExclusive("accept", "cancel")
	return c
}

// doubtRow is a doubt as programs read it.
type doubtRow struct {
	ChainID    uint64             `json:"chain_id"`
	Kind       outgoing.DoubtKind `json:"kind"`
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
	Acceptable bool               `json:"acceptable"`
	Advice     string             `json:"advice"`
}

func newDoubtRow(d outgoing.Doubt) doubtRow {
	r := doubtRow{
		ChainID: d.Slot.ChainID, Kind: d.Kind, Sender: d.Slot.Sender, Nonce: d.Slot.Nonce,
		Final: d.Final, Pays: d.Pays, Acceptable: d.Acceptable, Advice: d.Advice,
	}
	if d.Mined != nil {
		r.TxHash, r.Block, r.Success = &d.Mined.TxHash, d.Mined.BlockNumber, d.Mined.Success
		r.To, r.Value = &d.Mined.To, d.Mined.Value
	}
	if d.Intent != nil && d.Intent.Kind == wallet.IntentWithdrawal {
		r.Withdrawal = d.Intent.ID
	}
	return r
}

// kindGap is the kind of row that tells of a nonce which holds up others.
const kindGap outgoing.DoubtKind = "gap"

func newGapRow(g outgoing.Gap) doubtRow {
	r := doubtRow{
		ChainID: g.Slot.ChainID, Kind: kindGap, Sender: g.Slot.Sender, Nonce: g.Slot.Nonce, Pays: []string{},
		Advice: fmt.Sprintf("%s, and %s behind it: %s", g.Why, plural(g.Behind, "transaction waits", "transactions wait"), g.Advice),
	}
	if g.Intent != nil && g.Intent.Kind == wallet.IntentWithdrawal {
		r.Withdrawal = g.Intent.ID
	}
	return r
}

func runResolve(ctx context.Context, s *Station) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	node, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	doubts, err := p.Doubts(ctx, node)
	if err != nil {
		return err
	}
	gaps, err := p.Gaps(ctx, node)
	if err != nil {
		return err
	}
	rows := make([]doubtRow, len(doubts), len(doubts)+len(gaps))
	for i, d := range doubts {
		rows[i] = newDoubtRow(d)
	}
	for _, g := range gaps {
		rows = append(rows, newGapRow(g))
	}
	return s.Print(rows, func(out io.Writer) {
		if len(rows) == 0 {
			fmt.Fprintln(out, "nothing is in doubt")
			return
		}
		t := s.Table(out, "SENDER", "NONCE", "DOUBT", "TRANSACTION", "BLOCK", "FINAL", "TO", "VALUE", "WITHDRAWAL", "ADVICE")
		for _, r := range rows {
			to := ""
			if r.To != nil {
				to = r.To.Hex()
			}
			t.Row(r.Sender.Hex(), r.Nonce, r.Kind, orEmpty(r.TxHash), r.Block, r.Final, to, r.Value.Decimal(18), r.Withdrawal, r.Advice)
		}
		t.Close()
	})
}

func runAccept(ctx context.Context, s *Station, text, withdrawal string) error {
	sender, nonce, err := parseSlot("--accept", text)
	if err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	a, err := p.Accept(ctx, sender, nonce, withdrawal)
	if err != nil {
		return err
	}
	row := struct {
		ChainID    uint64         `json:"chain_id"`
		Sender     common.Address `json:"sender"`
		Nonce      uint64         `json:"nonce"`
		TxHash     common.Hash    `json:"tx_hash"`
		Withdrawal string         `json:"withdrawal"` // empty if it paid none
	}{a.Slot.ChainID, a.Slot.Sender, a.Slot.Nonce, a.TxHash, a.Withdrawal}
	return s.Print(row, func(out io.Writer) {
		what := "is booked as unknown; it paid no withdrawal"
		if a.Withdrawal != "" {
			what = "paid withdrawal " + cli.Clean(a.Withdrawal)
		}
		fmt.Fprintf(out, "%s (nonce %d of %s) %s\n", a.TxHash, nonce, sender, what)
	})
}

func parseSlot(flag, text string) (common.Address, uint64, error) {
	address, number, _ := strings.Cut(text, ":")
	sender, err := wallet.ParseAddress(address)
	if err != nil {
		return sender, 0, wallet.As(wallet.ErrUsage, "%s: %w", flag, err)
	}
	nonce, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return sender, 0, wallet.As(wallet.ErrUsage, "%s %.100q: want ADDRESS:NONCE", flag, text)
	}
	return sender, nonce, nil
}
