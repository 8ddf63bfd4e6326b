package online

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func newLedger(s *Station) *cobra.Command {
	return cli.Group("ledger", "Look into the books and move funds within them",
		newLedgerBalances(s), newLedgerEntries(s), newLedgerCredit(s), newLedgerTransfer(s))
}

// house is how people read the owner of what belongs to no account.
const house = "(house)"

func ownerName(owner string) string {
	if owner == wallet.House {
		return house
	}
	return owner
}

// balanceRow is a balance as programs read it.
type balanceRow struct {
	ChainID   uint64         `json:"chain_id"`
	Account   string         `json:"account"` // empty for the house
	Asset     wallet.AssetID `json:"asset"`
	Symbol    string         `json:"symbol"`
	Decimals  uint8          `json:"decimals"`
	Available wallet.Amount  `json:"available"`
	Pending   wallet.Amount  `json:"pending"`
	Paid      wallet.Amount  `json:"paid"`
	Frozen    string         `json:"frozen,omitzero"`
}

func newLedgerBalances(s *Station) *cobra.Command {
	var account string
	c := &cobra.Command{
		Use:   "balances",
		Short: "Show what each account has",
		Long: `Show what each account has of each asset of the chain: available, pending
(frozen for withdrawals) and paid. What belongs to no account is the house's.`,
		Example: `  airlock ledger balances
  airlock ledger balances --account alice --json`,
		RunE: func(c *cobra.Command, _ []string) error { return runLedgerBalances(c.Context(), s, account) },
	}
	c.Flags().StringVar(&account, "account", "", "only this `account`")
	return c
}

func runLedgerBalances(ctx context.Context, s *Station, account string) error {
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	list, err := s.Book().Standings(ctx, chain.ID, account)
	if err != nil {
		return err
	}
	rows := make([]balanceRow, len(list))
	for i, b := range list {
		rows[i] = balanceRow{
			chain.ID, b.Owner, b.Asset.ID, b.Asset.Symbol, b.Asset.Decimals,
			b.Balance[wallet.Available], b.Balance[wallet.Pending], b.Balance[wallet.Paid], b.Frozen,
		}
	}
	return s.Print(rows, func(w io.Writer) {
		t := s.Table(w, "ACCOUNT", "ASSET", "AVAILABLE", "PENDING", "PAID", "FROZEN")
		for _, r := range rows {
			t.Row(ownerName(r.Account), r.Symbol, r.Available.Decimal(r.Decimals), r.Pending.Decimal(r.Decimals), r.Paid.Decimal(r.Decimals), r.Frozen)
		}
		t.Close()
	})
}

// entryRow is an entry as programs read it.
type entryRow struct {
	ChainID  uint64           `json:"chain_id"`
	ID       string           `json:"id"`
	Kind     wallet.EntryKind `json:"kind"`
	Ref      string           `json:"ref"`
	Time     time.Time        `json:"time"`
	Block    uint64           `json:"block"` // 0 where nothing moved on chain
	Postings []postingRow     `json:"postings"`
}

type postingRow struct {
	Account  string         `json:"account"`
	Book     wallet.Book    `json:"book"`
	Location common.Address `json:"location"` // zero for the outside
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Amount   wallet.Amount  `json:"amount"` // signed
}

func newLedgerEntries(s *Station) *cobra.Command {
	account, limit := "", 100
	c := &cobra.Command{
		Use:   "entries",
		Short: "Show what was booked",
		Long: `Show what was booked on the chain, newest first, posting by posting. The
postings of an entry sum to zero.`,
		Example: `  airlock ledger entries --account alice --limit 20`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runLedgerEntries(c.Context(), s, account, limit)
		},
	}
	c.Flags().StringVar(&account, "account", "", "only what touches this `account`")
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` entries; 0 for all")
	return c
}

func runLedgerEntries(ctx context.Context, s *Station, account string, limit int) error {
	if limit < 0 {
		return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", limit)
	}
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	list, more, err := s.Book().Entries(ctx, chain.ID, account, limit)
	if err != nil {
		return err
	}
	rows, err := s.entryRows(ctx, list)
	if err != nil {
		return err
	}
	if err := s.Print(rows, func(w io.Writer) {
		t := s.Table(w, "TIME", "BLOCK", "ENTRY", "ACCOUNT", "BOOK", "AMOUNT", "ASSET", "LOCATION", "REF")
		for _, e := range rows {
			for _, p := range e.Postings {
				t.Row(e.Time.UTC().Format(time.RFC3339), e.Block, e.ID, ownerName(p.Account), p.Book, p.Amount.Decimal(p.Decimals), p.Symbol, placeName(p.Location), e.Ref)
			}
		}
		t.Close()
	}); err != nil {
		return err
	}
	if more {
		s.Note("there are more; --limit %d shows as many again, --limit 0 all", 2*limit)
	}
	return nil
}

func placeName(a common.Address) string {
	if a == wallet.Outside {
		return "outside"
	}
	return a.Hex()
}

// entryRows adds the symbols and decimals of assets to entries.
func (s *Station) entryRows(ctx context.Context, list []wallet.Entry) (rows []entryRow, err error) {
	err = s.Store().View(ctx, func(tx store.Tx) error {
		rows = make([]entryRow, len(list))
		assets := map[wallet.AssetID]wallet.Asset{}
		for i, e := range list {
			rows[i] = entryRow{e.ChainID, e.ID, e.Kind, e.Ref, e.Time, e.Block, nil}
			for _, p := range e.Postings {
				a, ok := assets[p.Asset]
				if !ok {
					if a, err = store.Asset(tx, p.Asset); err != nil {
						return err
					}
					assets[p.Asset] = a
				}
				rows[i].Postings = append(rows[i].Postings, postingRow{p.Owner, p.Book, p.Location, p.Asset, a.Symbol, a.Decimals, p.Amount})
			}
		}
		return nil
	})
	return rows, err
}

// ledgerMove is what credit and transfer were asked.
type ledgerMove struct{ asset, amount, id, memo string }

func (o *ledgerMove) add(c *cobra.Command) {
	c.Flags().StringVar(&o.asset, "asset", "", "`symbol` or contract of the asset")
	c.Flags().StringVar(&o.amount, "amount", "", "how much, as a `decimal` such as 0.25")
	c.Flags().StringVar(&o.id, "id", "", "your `id` of this; the same again books nothing")
	c.Flags().StringVar(&o.memo, "memo", "", "`text` to remember with it")
}

// moveFlags must be given with a move.
var moveFlags = []string{"asset", "amount", "id"}

func newLedgerCredit(s *Station) *cobra.Command {
	var o ledgerMove
	c := &cobra.Command{
		Use:   "credit ACCOUNT --asset SYMBOL --amount DECIMAL --id ID",
		Short: "Give an account funds of the house",
		Long: `Give an account funds of the house. Nothing moves on chain. With the same id and
content again nothing is booked; with the same id and other content it fails.`,
		Example: `  airlock ledger credit miner-17 --asset ETH --amount 0.25 --id round-881-miner-17`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runLedgerMove(c.Context(), s, "", args[0], o, (*book.Book).Credit)
		},
	}
	o.add(c)
	for _, name := range moveFlags {
		_ = c.MarkFlagRequired(name) // the flag was defined above
	}
	return c
}

func newLedgerTransfer(s *Station) *cobra.Command {
	var o ledgerMove
	file := ""
	c := &cobra.Command{
		Use:   "transfer {FROM TO --asset SYMBOL --amount DECIMAL --id ID | --file FILE.csv}",
		Short: "Move funds from one account to another, or among many",
		Long: `Move what is available to one account to another. Nothing moves on chain. With
the same id and content again nothing is booked; with the same id and other
content it fails. A frozen account gives nothing.

A file has the columns id, from, to, asset, amount and perhaps memo, in any order:
one to one, or one to many. All of its rows are booked, or none and an error that
names line, column and value. They count one after the other: an account may give
on what an earlier row gave it, and none may owe in between. The same file again
books nothing.`,
		Example: `  airlock ledger transfer alice bob --asset USDC --amount 12.50 --id order-4711
  airlock ledger transfer --file shares.csv`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			single := o.asset != "" || o.amount != "" || c.Flags().Changed("id") || o.memo != ""
			switch {
			case file != "" && (single || len(args) > 0):
				return wallet.As(wallet.ErrUsage, "the file says who gives what to whom: accounts, --asset, --amount, --id and --memo cannot be given too")
			case file != "":
				return runLedgerTransferFile(c.Context(), s, file)
			case len(args) != 2:
				return wallet.WithHint(wallet.As(wallet.ErrUsage, "want the two accounts FROM and TO, or --file"), "%s --help shows how", c.CommandPath())
			}
			for _, name := range moveFlags {
				if !c.Flags().Changed(name) {
					return wallet.As(wallet.ErrUsage, "required flag(s) %q not set", name)
				}
			}
			return runLedgerMove(c.Context(), s, args[0], args[1], o, (*book.Book).Transfer)
		},
	}
	o.add(c)
	c.Flags().StringVar(&file, "file", "", "CSV `file` of transfers instead")
	return c
}

func runLedgerTransferFile(ctx context.Context, s *Station, path string) error {
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	defer f.Close()
	progress := s.Progress("transfers", 0)
	sum, err := s.Book().TransferAll(ctx, chain.ID, filepath.Base(path), f, func() { progress.Add(1) })
	progress.End()
	if err != nil {
		return err
	}
	row := struct {
		ChainID uint64 `json:"chain_id"`
		book.TransferFile
	}{chain.ID, sum}
	return s.Print(row, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d booked, %d known before\n", plural(sum.Rows, "row", "rows"), sum.New, sum.Known)
		for _, t := range sum.Totals {
			fmt.Fprintf(w, "total %s %s\n", t.Amount.Decimal(t.Decimals), cli.Clean(t.Symbol))
		}
	})
}

// movedRow is a credit or transfer as programs read it.
type movedRow struct {
	ChainID  uint64         `json:"chain_id"`
	ID       string         `json:"id"` // of the entry
	From     string         `json:"from"`
	To       string         `json:"to"`
	Asset    wallet.AssetID `json:"asset"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Amount   wallet.Amount  `json:"amount"`
	Already  bool           `json:"already"` // it was booked before
}

func runLedgerMove(ctx context.Context, s *Station, from, to string, o ledgerMove,
	move func(*book.Book, context.Context, book.Transfer) (book.Booked, error),
) error {
	asset, amount, err := s.amount(ctx, o.asset, o.amount)
	if err != nil {
		return err
	}
	done, err := move(s.Book(), ctx, book.Transfer{ID: o.id, From: from, To: to, Asset: asset.ID, Amount: amount, Memo: o.memo})
	if err != nil {
		return err
	}
	if from == wallet.House && done.Left.Sign() < 0 {
		s.Note("the house now owes %s more than it has", asset.Format(done.Left.Neg()))
	}
	row := movedRow{asset.ID.ChainID, done.Entry.ID, from, to, asset.ID, asset.Symbol, asset.Decimals, amount, done.Already}
	return s.Print(row, func(w io.Writer) {
		again := ""
		if done.Already {
			again = " (was booked before)"
		}
		fmt.Fprintf(w, "%s: %s from %s to %s%s\n", row.ID, asset.Format(amount), ownerName(from), to, again)
	})
}

// amount reads an asset and an amount of it as people name them.
func (s *Station) amount(ctx context.Context, name, decimal string) (a wallet.Asset, n wallet.Amount, err error) {
	chain, err := s.Chain(ctx)
	if err != nil {
		return a, n, err
	}
	if err := s.Store().View(ctx, func(tx store.Tx) error {
		a, err = store.FindAsset(tx, chain.ID, name)
		return err
	}); err != nil {
		return a, n, err
	}
	if n, err = wallet.ParseDecimal(decimal, a.Decimals); err != nil {
		return a, n, wallet.As(wallet.ErrUsage, "%w", err)
	}
	if n.Sign() == 0 {
		return a, n, wallet.As(wallet.ErrUsage, "amount %q: want more than zero", decimal)
	}
	return a, n, nil
}
