package online

import (
	"context"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newWithdrawCancel(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID...",
		Short: "Give withdrawals up",
		Long: `Give withdrawals up: all of those named, or none. One that no batch held yet is
canceled at once, and what it set aside is given back.

Of any other a signed copy may exist, so its nonce must be taken by something
else: a cancel, which sends 0 from the sender to itself and outbids what was
signed. Where one was signed together with the payment, the next broadcast or
confirm sends it; else the next build-withdrawals puts one into its batch. The
payment is not sent any more, but may be mined all the same if a node has it. The
funds come back when a transaction at its nonce that is not the payment is final.

What was asked for cannot be taken back. What is mined cannot be canceled.`,
		Example: `  airlock withdraw cancel w-1
  airlock withdraw cancel w-1 w-2 --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runWish(c.Context(), s, func(ctx context.Context, p *payout.Service) ([]payout.Wished, error) {
				return p.Cancel(ctx, args)
			})
		},
	}
}

func newWithdrawBump(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "bump ID...",
		Short: "Send withdrawals again with higher fees",
		Long: `Have withdrawals that are on their way sent with higher fees: all of those named,
or none. Where a higher rung is signed, the next confirm sends it, whatever the
market is. Else the next build-withdrawals holds the same payment again, at the
same nonce and with fees at least a tenth above all that was signed; what is on
its way goes on until that is signed.`,
		Example: `  airlock withdraw bump w-1`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runWish(c.Context(), s, func(ctx context.Context, p *payout.Service) ([]payout.Wished, error) {
				return p.Bump(ctx, args)
			})
		},
	}
}

func runWish(ctx context.Context, s *Station, ask func(context.Context, *payout.Service) ([]payout.Wished, error)) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, err := ask(ctx, p)
	if err != nil {
		return err
	}
	return s.Print(list, func(out io.Writer) {
		t := s.Table(out, "ID", "STATUS", "ACTION", "AMOUNT", "ASSET", "NONCE", "REASON")
		for _, w := range list {
			t.Row(w.ID, w.Status, w.Action, w.Amount.Decimal(w.Decimals), w.Symbol, orEmpty(w.Nonce), w.Reason)
		}
		t.Close()
	})
}

// runCancelSlot gives up a movement of our own that holds up its sender.
func runCancelSlot(ctx context.Context, s *Station, text string) error {
	sender, nonce, err := parseSlot("--cancel", text)
	if err != nil {
		return err
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	f, err := p.CancelSlot(ctx, sender, nonce)
	if err != nil {
		return err
	}
	row := struct {
		ChainID uint64            `json:"chain_id"`
		Sender  common.Address    `json:"sender"`
		Nonce   uint64            `json:"nonce"`
		Kind    wallet.IntentKind `json:"kind"`
		ID      string            `json:"id"`
		Action  outgoing.Action   `json:"action"`
	}{f.Slot.ChainID, sender, nonce, f.Intent.Kind, f.Intent.ID, f.Action}
	return s.Print(row, func(out io.Writer) {
		fmt.Fprintf(out, "%s at nonce %d of %s is to be canceled: its cancel %s\n", f.Intent.Kind, nonce, sender, cli.Clean(string(f.Action)))
	})
}
