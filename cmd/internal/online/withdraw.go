package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newWithdraw(s *Station) *cobra.Command {
	return cli.Group("withdraw", "Ask for withdrawals, decide on them, see what became of them",
		newWithdrawRequest(s), newWithdrawImport(s), newWithdrawTypedData(s), newWithdrawEndorse(s), newWithdrawApprove(s), newWithdrawReject(s), newWithdrawCancel(s), newWithdrawBump(s), newWithdrawList(s), newWithdrawShow(s))
}

// payouts is the service behind withdrawals, batches and what is on its way.
func (s *Station) payouts(ctx context.Context) (*payout.Service, error) {
	c, err := s.Chain(ctx)
	if err != nil {
		return nil, err
	}
	return &payout.Service{DB: s.Store(), Chain: c.ID, Now: s.Now}, nil
}

type withdrawRequest struct {
	id, account, asset, amount, to, memo, order string
	signatures                                  []string
}

func newWithdrawRequest(s *Station) *cobra.Command {
	var o withdrawRequest
	c := &cobra.Command{
		Use:   "request --id ID --asset SYMBOL --amount DECIMAL --to ADDRESS",
		Short: "Ask for a withdrawal",
		Long: `Ask for a withdrawal. What it pays is set aside on the account at once; without
--account the house itself pays, and no balance is asked.

The id is yours and unique for ever: the same id with the same content is the
same withdrawal, so that a request may be repeated safely; with other content
it fails.

Where the signing station wants to know who asked, --signature brings the
requester's address and EIP-712 signature of the request (see withdraw
typed-data); it is refused unless it is over this id, asset, amount and
recipient.`,
		Example: `  airlock withdraw request --id w-1 --account alice --asset ETH --amount 0.25 --to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed
  airlock withdraw request --id rent-07 --asset USDC --amount 900 --to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --memo "rent of July"`,
		RunE: func(c *cobra.Command, _ []string) error { return runWithdrawRequest(c.Context(), s, o) },
	}
	f := c.Flags()
	f.StringVar(&o.id, "id", "", "your `id` of the withdrawal")
	f.StringVar(&o.account, "account", "", "`account` that pays (default the house)")
	f.StringVar(&o.asset, "asset", "", "`symbol` or contract of the asset")
	f.StringVar(&o.amount, "amount", "", "what the recipient gets, as a `decimal` such as 0.25")
	f.StringVar(&o.to, "to", "", "`address` that is paid")
	f.StringVar(&o.memo, "memo", "", "`text` to remember with it")
	f.StringVar(&o.order, "order", "", "`id` of your own to refer to, such as an order's")
	f.StringArrayVar(&o.signatures, "signature", nil, "a requester's signature, as `ADDRESS:HEX`")
	for _, name := range []string{"id", "asset", "amount", "to"} {
		_ = c.MarkFlagRequired(name) // the flag was defined above
	}
	return c
}

func runWithdrawRequest(ctx context.Context, s *Station, o withdrawRequest) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	asset, amount, err := s.amount(ctx, o.asset, o.amount)
	if errors.Is(err, wallet.ErrNotFound) {
		err = wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "%s", wallet.Hint(err))
	}
	if err != nil {
		return err
	}
	to, err := wallet.ParseAddress(o.to)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "--to: %w", err)
	}
	signed, err := payout.ParseRequesters(o.signatures)
	if err != nil {
		return fmt.Errorf("--signature: %w", err)
	}
	w, err := p.Request(ctx, wallet.WithdrawalRequest{
		ID: o.id, Account: o.account, Asset: asset.ID, Amount: amount, To: to, Memo: o.memo, Order: o.order, RequestedBy: signed,
	})
	if err != nil {
		return err
	}
	return s.Print(w, func(out io.Writer) {
		fmt.Fprintf(out, "withdrawal %s is %s: %s to %s\n", cli.Clean(w.ID), w.Status, asset.Format(w.Amount), w.To)
	})
}

func newWithdrawImport(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Ask for the withdrawals of a CSV file",
		Long: `Ask for the withdrawals of a CSV file: all of its rows, or none. Its first line
names the columns id, account, asset, amount, to and memo, in any order, and
perhaps signature. account and memo may be empty. An error names the line, the
column and the value. Importing the same file again changes nothing.

A signature is that of a requester, written as ADDRESS:HEX, several with a space
between them; see withdraw typed-data.`,
		Example: `  airlock withdraw import payments.csv`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runWithdrawImport(c.Context(), s, args[0]) },
	}
}

func runWithdrawImport(ctx context.Context, s *Station, path string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	defer f.Close()
	sum, err := p.Import(ctx, filepath.Base(path), f)
	if err != nil {
		return err
	}
	result := struct {
		ChainID uint64 `json:"chain_id"`
		payout.Imported
	}{p.Chain, sum}
	return s.Print(result, func(out io.Writer) {
		fmt.Fprintf(out, "%s: %d requested, %d known before\n", plural(sum.Rows, "row", "rows"), sum.New, sum.Known)
	})
}

func newWithdrawTypedData(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "typed-data ID",
		Short: "Print what a requester of a withdrawal signs",
		Long: `Print the EIP-712 structure that a requester of a withdrawal signs with any
wallet (eth_signTypedData_v4): id, chain, asset, amount and recipient. withdraw
endorse takes in what the wallet signed.`,
		Example: `  airlock withdraw typed-data w-1 > request.json
  cast wallet sign --ledger --data --from-file request.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := s.payouts(c.Context())
			if err != nil {
				return err
			}
			data, err := p.TypedData(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.PrintDocument(data)
		},
	}
}

func newWithdrawEndorse(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "endorse ID ADDRESS:SIGNATURE...",
		Short: "Add requesters' signatures to a withdrawal",
		Long: `Add requesters' signatures to a withdrawal that no batch holds yet. The next
batch carries them to the signing station, whose policy says whether it wants one
and whose. What is not the requester's signature over just this withdrawal is
refused; adding one again changes nothing.`,
		Example: `  airlock withdraw endorse w-1 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed:0x…`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			signed, err := payout.ParseRequesters(args[1:])
			if err != nil {
				return err
			}
			return runDecision(c.Context(), s, func(ctx context.Context, p *payout.Service) ([]outgoing.Withdrawal, error) {
				w, err := p.Endorse(ctx, args[0], signed)
				return []outgoing.Withdrawal{w}, err
			})
		},
	}
}

func newWithdrawApprove(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "approve ID...",
		Short:   "Let withdrawals be paid",
		Long:    `Let withdrawals be paid: all of those named, or none. The next batch holds them.`,
		Example: `  airlock withdraw approve w-1 w-2`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runDecision(c.Context(), s, func(ctx context.Context, p *payout.Service) ([]outgoing.Withdrawal, error) {
				return p.Approve(ctx, args)
			})
		},
	}
}

func newWithdrawReject(s *Station) *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use:   "reject ID... --reason TEXT",
		Short: "Refuse withdrawals and give back what they set aside",
		Long: `Refuse withdrawals and give back what they set aside: all of those named, or
none. Once a batch holds a withdrawal it cannot be rejected any more, because a
signed copy may exist: withdraw cancel has its nonce taken by something else.`,
		Example: `  airlock withdraw reject w-3 --reason "the invoice is not due"`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runDecision(c.Context(), s, func(ctx context.Context, p *payout.Service) ([]outgoing.Withdrawal, error) {
				return p.Reject(ctx, args, reason)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`text` that tells why; the outside is told too")
	_ = c.MarkFlagRequired("reason") // the flag was defined above
	return c
}

func runDecision(ctx context.Context, s *Station, decide func(context.Context, *payout.Service) ([]outgoing.Withdrawal, error)) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, err := decide(ctx, p)
	if err != nil {
		return err
	}
	return s.Print(list, func(out io.Writer) { withdrawalTable(s, out, list) })
}

func newWithdrawList(s *Station) *cobra.Command {
	var status, after string
	limit := 0
	c := &cobra.Command{
		Use:   "list",
		Short: "List withdrawals by status",
		Long: `List withdrawals by status, each status in the order of the requests. With
--limit and --after, which takes the last id of the page before, long lists are
read in pages.`,
		Example: `  airlock withdraw list --status requested
  airlock withdraw list --status confirmed --limit 100 --after w-1`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runWithdrawList(c.Context(), s, payout.Filter{Status: wallet.WithdrawalStatus(status), After: after, Limit: limit})
		},
	}
	c.Flags().StringVar(&status, "status", "", "only those in this `status`")
	c.Flags().StringVar(&after, "after", "", "only those after the withdrawal with this `id`")
	c.Flags().IntVar(&limit, "limit", 0, "at most `N` withdrawals; 0 for all")
	return c
}

func runWithdrawList(ctx context.Context, s *Station, f payout.Filter) error {
	if f.Limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", f.Limit)
	}
	if f.Status != "" && !slices.Contains(payout.Statuses(), f.Status) {
		return wallet.As(wallet.ErrUsage, "--status %q: want one of %v", f.Status, payout.Statuses())
	}
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	list, err := p.List(ctx, f)
	if err != nil {
		return err
	}
	return s.Print(list, func(out io.Writer) { withdrawalTable(s, out, list) })
}

func withdrawalTable(s *Station, out io.Writer, list []outgoing.Withdrawal) {
	t := s.Table(out, "ID", "STATUS", "ACCOUNT", "AMOUNT", "ASSET", "TO", "NONCE", "TRANSACTION", "REASON")
	for _, w := range list {
		t.Row(w.ID, w.Status, ownerName(w.Account), w.Amount.Decimal(w.Decimals), w.Symbol, w.To, orEmpty(w.Nonce), orEmpty(w.TxHash), w.Reason)
	}
	t.Close()
}

// orEmpty is what a pointer points to, as text, or nothing.
func orEmpty[T any](p *T) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(*p)
}
