package online

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func newQuarantine(s *Station) *cobra.Command {
	return cli.Group("quarantine", "Look at what arrived and is in no book", newQuarantineList(s))
}

// quarantineList is what quarantine list was asked.
type quarantineList struct {
	contract string
	limit    int
	symbols  bool
}

func newQuarantineList(s *Station) *cobra.Command {
	o := quarantineList{limit: 100}
	c := &cobra.Command{
		Use:   "list",
		Short: "List tokens that nobody registered, and coin that is not proven",
		Long: `List what scanning saw and did not credit.

Of kind token are contracts that nobody registered and whose Transfer logs name
addresses of the home. Most are spam: anybody can write such logs at no cost but
gas, and the contract may say of itself what it likes. airlock token add
registers one; the next scan then credits what it moved in the blocks that are
counted here.

Of kind coin is coin that a node says moved inside of a block and that no balance
proof confirmed. Reading the block again (airlock scan --from) proves and credits
it once an endpoint can prove it.

With --symbols each contract is asked what it calls itself, and a name that
could be taken for that of another asset is flagged.`,
		Example: `  airlock quarantine list
  airlock quarantine list --symbols
  airlock quarantine list --contract 0xdAC17F958D2ee523a2206206994597C13D831ec7 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.limit < 0 {
				return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", o.limit)
			}
			return runQuarantineList(c.Context(), s, o)
		},
	}
	c.Flags().StringVar(&o.contract, "contract", "", "each marked block of this `contract`, and nothing else")
	c.Flags().BoolVar(&o.symbols, "symbols", false, "ask the contracts for their symbols")
	c.Flags().IntVar(&o.limit, "limit", o.limit, "at most `N` rows of each kind; 0 for all")
	return c
}

// The kinds of what is in quarantine.
const (
	unknownToken = "token"
	unprovenCoin = "coin"
)

// unknownRow is a token that nobody registered, as programs read it.
type unknownRow struct {
	ChainID    uint64         `json:"chain_id"`
	Kind       string         `json:"kind"` // unknownToken
	Contract   common.Address `json:"contract"`
	Blocks     uint64         `json:"blocks"`
	Logs       uint64         `json:"logs"`
	FirstBlock uint64         `json:"first_block"`
	LastBlock  uint64         `json:"last_block"`
	Due        bool           `json:"due"`      // registered since: the next scan credits them
	Symbol     string         `json:"symbol"`   // as the contract says, or empty
	Imitates   *wallet.Asset  `json:"imitates"` // that the symbol could be taken for, or null
}

// coinRow is coin that could not be proven, as programs read it.
type coinRow struct {
	ChainID     uint64         `json:"chain_id"`
	Kind        string         `json:"kind"` // unprovenCoin
	Address     common.Address `json:"address"`
	BlockNumber uint64         `json:"block_number"`
	BlockHash   common.Hash    `json:"block_hash"`
	In          wallet.Amount  `json:"in"`  // wei, by the node's word
	Out         wallet.Amount  `json:"out"` // likewise
	Reason      string         `json:"reason"`
}

func runQuarantineList(ctx context.Context, s *Station, o quarantineList) error {
	q := scanner.Quarantine{Limit: o.limit}
	if o.contract != "" {
		var err error
		if q.Contract, err = wallet.ParseAddress(o.contract); err != nil {
			return wallet.As(wallet.ErrUsage, "--contract: %w", err)
		}
	}
	c, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	unknown, more, err := q.Unknown(ctx, s.Store(), c.ID)
	if err != nil {
		return err
	}
	tokens := make([]unknownRow, len(unknown))
	for i, u := range unknown {
		tokens[i] = unknownRow{
			ChainID: c.ID, Kind: unknownToken, Contract: u.Contract,
			Blocks: u.Blocks, Logs: u.Logs, FirstBlock: u.First, LastBlock: u.Last, Due: u.Due,
		}
	}
	if o.symbols {
		if err := askSymbols(ctx, s, c, tokens); err != nil {
			return err
		}
	}
	var coins []coinRow
	if o.contract == "" {
		var moreCoins bool
		if coins, moreCoins, err = quarantinedCoins(ctx, s, c, q); err != nil {
			return err
		}
		more = more || moreCoins
	}
	if err := printQuarantine(s, c, tokens, coins, o.symbols); err != nil {
		return err
	}
	if more {
		s.Note("there are more: --limit shows them")
	}
	return nil
}

func quarantinedCoins(ctx context.Context, s *Station, c wallet.Chain, q scanner.Quarantine) (rows []coinRow, more bool, err error) {
	list, more, err := q.Coins(ctx, s.Store(), c.ID)
	for _, u := range list {
		rows = append(rows, coinRow{c.ID, unprovenCoin, u.Address, u.BlockNumber, u.BlockHash, u.In, u.Out, u.Reason})
	}
	return rows, more, err
}

// askSymbols asks each contract what it calls itself. One that says nothing, or
// is gone, has no symbol.
func askSymbols(ctx context.Context, s *Station, c wallet.Chain, rows []unknownRow) error {
	client, err := s.dial(ctx, c)
	if err != nil {
		return err
	}
	defer client.Close()
	var alikes *book.Alikes
	if err := s.Store().View(ctx, func(tx store.Tx) (err error) {
		alikes, err = book.ReadAlikes(tx, c.ID)
		return err
	}); err != nil {
		return err
	}
	asked := map[common.Address]string{}
	for i := range rows {
		r := &rows[i]
		said, ok := asked[r.Contract]
		if !ok {
			m, err := book.ReadMetadata(ctx, client, r.Contract)
			if err != nil && !errors.Is(err, wallet.ErrUsage) {
				return fmt.Errorf("symbol of %s: %w", r.Contract, err)
			}
			said, asked[r.Contract] = m.Said, m.Said
		}
		if r.Symbol = said; said == "" {
			continue
		}
		if asset, imitates := alikes.Of(said); imitates && asset.ID.Contract != r.Contract {
			r.Imitates = &asset
		}
	}
	return nil
}

func printQuarantine(s *Station, c wallet.Chain, tokens []unknownRow, coins []coinRow, symbols bool) error {
	all := make([]any, 0, len(tokens)+len(coins))
	for _, r := range tokens {
		all = append(all, r)
	}
	for _, r := range coins {
		all = append(all, r)
	}
	return s.Print(all, func(w io.Writer) {
		if len(tokens) > 0 || len(coins) == 0 {
			columns := []string{"KIND", "CONTRACT", "BLOCKS", "LOGS", "FIRST", "LAST", "STATE"}
			if symbols {
				columns = append(columns, "SYMBOL", "COULD BE TAKEN FOR")
			}
			t := s.Table(w, columns...)
			for _, r := range tokens {
				cells := []any{r.Kind, r.Contract, r.Blocks, r.Logs, r.FirstBlock, r.LastBlock, map[bool]string{true: "due", false: "unknown"}[r.Due]}
				if symbols {
					cells = append(cells, r.Symbol, imitated(r.Imitates))
				}
				t.Row(cells...)
			}
			t.Close()
		}
		if len(coins) == 0 {
			return
		}
		t := s.Table(w, "KIND", "ADDRESS", "BLOCK", "IN", "OUT", "ASSET", "REASON")
		for _, r := range coins {
			t.Row(r.Kind, r.Address, r.BlockNumber, r.In.Decimal(c.Coin.Decimals), r.Out.Decimal(c.Coin.Decimals), c.Coin.Symbol, r.Reason)
		}
		t.Close()
	})
}

func imitated(a *wallet.Asset) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s)", a.Symbol, a.ID)
}
