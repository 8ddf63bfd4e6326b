package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

func newResolve(s *Station) *cobra.Command {
	var accept, withdrawal, cancel string
	page := doubtPage{limit: doubtsShown}
	c := &cobra.Command{
		Use:   "resolve [ID | ADDRESS:NONCE]",
		Short: "Show what is in doubt, with the evidence and the safe ways on",
		Long: `Show what is in doubt: transactions of our addresses that airlock did not make,
others that took the nonce of a payment, tokens that moved something else than
they were told, what was final and left the chain, and what holds up a sender:
nonces that are not signed, discarded, refused or bound to nothing (gaps), and
transactions that no node has. With a withdrawal or a nonce, that is shown, in doubt or not.

For each there is what the store knows, what scan found in proven blocks, and
what every endpoint says: its head, the nonces at the latest, pending and
finalized block, and each transaction that was ever signed. Where that cannot
all be true, it says so. Then come the commands that are safe: none of them can
pay twice, or give back what was paid. What endpoints say only takes choices
away. While none answers, what the store knows is shown, and the exit code is 5.

--accept attributes a transaction by its content: to the withdrawal that it
pays, or to nobody if it pays none. Only what is final can be accepted, and only
where an endpoint has it and none contradicts.

--cancel gives up a sweep, top-up or rebalance that holds up its sender, or payments
of many in one transaction: its nonce is taken by a cancel, that was signed with it or
that the next build-withdrawals makes. Withdrawals that were paid together can be built
again, or canceled, once it is final. Others are given up with withdraw cancel.`,
		Example: `  airlock resolve
  airlock resolve w-1
  airlock resolve --accept 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed:17
  airlock resolve --cancel 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed:18`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case accept == "" && withdrawal != "":
				return wallet.As(wallet.ErrUsage, "--withdrawal goes with --accept")
			case len(args) > 0 && accept+cancel+page.after != "":
				return wallet.As(wallet.ErrUsage, "%q: name one withdrawal or nonce to look at, or give a flag", args[0])
			case len(args) > 0:
				return runResolveOne(c.Context(), s, args[0])
			case cancel != "":
				return runCancelSlot(c.Context(), s, cancel)
			case accept != "":
				return runAccept(c.Context(), s, accept, withdrawal)
			}
			return runResolve(c.Context(), s, page)
		},
	}
	f := c.Flags()
	f.StringVar(&accept, "accept", "", "attribute the transaction at `ADDRESS:NONCE`")
	f.StringVar(&withdrawal, "withdrawal", "", "the `id` of the withdrawal that it paid, where several ask for the same")
	f.StringVar(&cancel, "cancel", "", "give up the movement of ours, or the payments, at `ADDRESS:NONCE`")
	f.IntVar(&page.limit, "limit", page.limit, "show at most `N`; 0 for all")
	f.StringVar(&page.after, "after", "", "show those after `ADDRESS:NONCE`")
	c.MarkFlagsMutuallyExclusive("accept", "cancel")
	return c
}

// doubtsShown is how many doubts are shown unless --limit says otherwise.
const doubtsShown = 20

type doubtPage struct {
	limit int
	after string
}

func runResolve(ctx context.Context, s *Station, o doubtPage) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	page := payout.Page{Limit: o.limit}
	if o.limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", o.limit)
	}
	if o.after != "" {
		page.After = &wallet.Slot{ChainID: p.Chain}
		if page.After.Sender, page.After.Nonce, err = parseSlot("--after", o.after); err != nil {
			return err
		}
	}
	node, closeNode, err := s.witness(ctx)
	if err != nil {
		return err
	}
	defer closeNode()
	f, err := p.Cases(ctx, node, page)
	if err != nil {
		return err
	}
	if err := s.printCases(f.Cases, f.Heard); err != nil {
		return err
	}
	if f.Left > 0 {
		s.Note("and %d more: airlock resolve --limit 0 lists all", f.Left)
	}
	return unheard(f.Heard)
}

func runResolveOne(ctx context.Context, s *Station, what string) error {
	p, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	node, closeNode, err := s.witness(ctx)
	if err != nil {
		return err
	}
	defer closeNode()
	c, err := caseOf(ctx, p, node, what)
	if err != nil {
		return err
	}
	if err := s.printCases([]payout.Case{c}, c.Heard()); err != nil {
		return err
	}
	return unheard(c.Heard())
}

// caseOf is the slot that a withdrawal, or ADDRESS:NONCE, names.
func caseOf(ctx context.Context, p *payout.Service, node payout.Witness, what string) (payout.Case, error) {
	if !strings.HasPrefix(what, "0x") || !strings.Contains(what, ":") {
		return p.CaseOf(ctx, node, what)
	}
	sender, nonce, err := parseSlot("nonce", what)
	if err != nil {
		return payout.Case{}, err
	}
	return p.CaseAt(ctx, node, sender, nonce)
}

// witness asks the endpoints of the chain, or nobody if none can be reached.
func (s *Station) witness(ctx context.Context) (payout.Witness, func(), error) {
	client, err := s.Client(ctx)
	switch {
	case err == nil:
		return client, client.Close, nil
	case errors.Is(err, wallet.ErrUnreachable) && ctx.Err() == nil:
		return payout.Nobody{}, func() {}, nil
	}
	return nil, nil, err
}

// unheard is the error of a command that showed what the home itself knows.
func unheard(heard bool) error {
	if heard {
		return nil
	}
	return wallet.WithHint(wallet.As(wallet.ErrUnreachable, "no endpoint answers"), "what is shown is what the home itself knows; airlock doctor asks each endpoint alone")
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
	node, closeNode, err := s.witness(ctx)
	if err != nil {
		return err
	}
	defer closeNode()
	a, err := p.Accept(ctx, node, sender, nonce, withdrawal)
	if err != nil {
		return err
	}
	row := struct {
		ChainID    uint64         `json:"chain_id"`
		Sender     common.Address `json:"sender"`
		Nonce      uint64         `json:"nonce"`
		TxHash     common.Hash    `json:"tx_hash"`
		Withdrawal string         `json:"withdrawal"` // empty if it paid none, or many
		Paid       []string       `json:"paid,omitempty"`
	}{a.Slot.ChainID, a.Slot.Sender, a.Slot.Nonce, a.TxHash, a.Withdrawal, a.Paid}
	return s.Print(row, func(out io.Writer) {
		what := "is booked as unknown; it paid no withdrawal"
		switch {
		case len(a.Paid) > 0:
			what = fmt.Sprintf("paid %d withdrawals", len(a.Paid))
		case a.Withdrawal != "":
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
