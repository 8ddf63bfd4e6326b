package online

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// riskSameSymbol is the name of the risk that two assets bear symbols which
// people take for each other.
const riskSameSymbol = "same-symbol"

func newToken(s *Station) *cobra.Command {
	return cli.Group("token", "Manage the tokens that are watched", newTokenAdd(s), newTokenList(s), newTokenImport(s))
}

// tokenRow is a token as programs read it.
type tokenRow struct {
	ChainID  uint64         `json:"chain_id"`
	Asset    wallet.AssetID `json:"asset"`
	Address  common.Address `json:"address"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Name     string         `json:"name"`
	// DueBlocks are the blocks with transfers from before it was registered that
	// the next scan reads again and credits; maxDueBlocks means as many or more.
	DueBlocks int `json:"due_blocks"`
}

// maxDueBlocks bounds how many are counted.
const maxDueBlocks = 10_000

func tokenRows(ctx context.Context, s *Station, list []wallet.Asset) ([]tokenRow, error) {
	rows := make([]tokenRow, len(list))
	err := s.Store().View(ctx, func(tx store.Tx) error {
		for i, a := range list {
			due, err := book.DueBlocks(tx, a.ID, maxDueBlocks)
			if err != nil {
				return err
			}
			rows[i] = tokenRow{a.ID.ChainID, a.ID, a.ID.Contract, a.Symbol, a.Decimals, a.Name, due}
		}
		return nil
	})
	return rows, err
}

// noteDue says what the next scan will credit.
func noteDue(s *Station, rows []tokenRow) {
	blocks, more := 0, ""
	for _, r := range rows {
		if blocks += r.DueBlocks; r.DueBlocks == maxDueBlocks {
			more = " or more"
		}
	}
	if blocks > 0 {
		s.Note("%s that were read before; the next airlock scan credits them", plural(blocks, "block"+more+" has transfers", "blocks"+more+" have transfers"))
	}
}

func printTokens(s *Station, w io.Writer, rows []tokenRow) {
	t := s.Table(w, "SYMBOL", "DECIMALS", "ADDRESS", "NAME")
	for _, r := range rows {
		t.Row(r.Symbol, r.Decimals, r.Address, r.Name)
	}
	t.Close()
}

// tokenAdd is what token add was asked.
type tokenAdd struct {
	symbol   string
	decimals int
	risks    []string
}

func newTokenAdd(s *Station) *cobra.Command {
	o := tokenAdd{decimals: -1}
	c := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Register a token contract",
		Long: `Register a token contract: from then on its transfers are deposits, and it can
be named by its symbol. Symbol and decimals are asked of the contract, which may
lie about both: compare what is printed with the token's own documentation.

A symbol that could be taken for that of another asset is refused. Decimals and
symbol never change once a token is registered.

Blocks that were read before and hold transfers of the token are marked (see
airlock quarantine list): the next scan reads these again and credits them.`,
		Example: `  airlock token add 0xdAC17F958D2ee523a2206206994597C13D831ec7
  airlock token add 0x9f8F72aA9304c8B593d555F12eF6589cC3A579A2 --symbol MKR`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runTokenAdd(c.Context(), s, args[0], o)
		},
	}
	c.Flags().StringVar(&o.symbol, "symbol", "", "`symbol` to use instead of the contract's")
	c.Flags().IntVar(&o.decimals, "decimals", o.decimals, "`decimals` of a contract that does not say")
	cli.RiskFlag(c, &o.risks, riskSameSymbol)
	return c
}

func runTokenAdd(ctx context.Context, s *Station, address string, o tokenAdd) error {
	contract, err := wallet.ParseAddress(address)
	if err != nil {
		return wallet.As(wallet.ErrUsage, "%w", err)
	}
	same, err := acceptRisk(o.risks, riskSameSymbol)
	if err != nil {
		return err
	}
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	client, err := s.dial(ctx, chain)
	if err != nil {
		return err
	}
	defer client.Close()
	said, err := book.ReadMetadata(ctx, client, contract)
	if err != nil {
		return err
	}
	token, err := o.describe(wallet.Token(chain.ID, contract), said)
	if err != nil {
		return err
	}
	added, err := s.Book().AddTokens(ctx, chain.ID, []wallet.Asset{token}, same)
	if err != nil {
		return err
	}
	if len(added) == 0 {
		s.Note("token %s was registered before; nothing changed", contract)
	}
	rows, err := tokenRows(ctx, s, []wallet.Asset{token})
	if err != nil {
		return err
	}
	noteDue(s, rows)
	return s.Print(rows[0], func(w io.Writer) { printTokens(s, w, rows) })
}

// describe joins what the contract says with what the operator says.
func (o *tokenAdd) describe(id wallet.AssetID, said book.Metadata) (wallet.Asset, error) {
	a := wallet.Asset{ID: id, Symbol: said.Symbol, Name: said.Name, Decimals: said.Decimals}
	if o.symbol != "" {
		a.Symbol = o.symbol
	}
	switch {
	case a.Symbol == "":
		return a, wallet.WithHint(wallet.As(wallet.ErrUsage, "token %s: the contract tells no symbol in plain letters", id.Contract), "give --symbol")
	case o.decimals > wallet.MaxDecimals || o.decimals < -1:
		return a, wallet.As(wallet.ErrUsage, "--decimals %d: want 0 to %d", o.decimals, wallet.MaxDecimals)
	case said.NoDecimals && o.decimals < 0:
		return a, wallet.WithHint(wallet.As(wallet.ErrUsage, "token %s: the contract does not tell its decimals; is it a token?", id.Contract), "if it is, give --decimals")
	case said.NoDecimals:
		a.Decimals = uint8(o.decimals)
	case o.decimals >= 0 && uint8(o.decimals) != said.Decimals:
		return a, wallet.As(wallet.ErrUsage, "--decimals %d: the contract says %d", o.decimals, said.Decimals)
	}
	return a, nil
}

func newTokenList(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the registered tokens of a chain",
		Long:    "List the registered tokens of a chain, by contract. Transfers of other tokens are no deposits.",
		Example: "  airlock token list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			chain, err := s.Chain(c.Context())
			if err != nil {
				return err
			}
			var tokens []wallet.Asset
			if err := s.Store().View(c.Context(), func(tx store.Tx) (err error) {
				tokens, err = store.Tokens(tx, chain.ID)
				return err
			}); err != nil {
				return err
			}
			rows, err := tokenRows(c.Context(), s, tokens)
			if err != nil {
				return err
			}
			return s.Print(rows, func(w io.Writer) { printTokens(s, w, rows) })
		},
	}
}

func newTokenImport(s *Station) *cobra.Command {
	var risks []string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Register the tokens of a token list",
		Long: `Register the tokens of a token list (tokenlists.org) that are of the chain; those
of other chains are left out. All are registered or none. The list is believed:
contracts are not asked, so take it from where its signer publishes it.`,
		Example: `  airlock token import uniswap-default.tokenlist.json --chain 1`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runTokenImport(c.Context(), s, args[0], risks)
		},
	}
	cli.RiskFlag(c, &risks, riskSameSymbol)
	return c
}

func runTokenImport(ctx context.Context, s *Station, path string, risks []string) error {
	same, err := acceptRisk(risks, riskSameSymbol)
	if err != nil {
		return err
	}
	chain, err := s.Chain(ctx)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	tokens, others, err := book.ParseTokenList(file, chain.ID)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(tokens) == 0 {
		return wallet.As(wallet.ErrUsage, "%s: has no token of chain %d, only %d of other chains", path, chain.ID, others)
	}
	added, err := s.Book().AddTokens(ctx, chain.ID, tokens, same)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.Note("%s new, %d known already, %d of other chains left out", plural(len(added), "token", "tokens"), len(tokens)-len(added), others)
	rows, err := tokenRows(ctx, s, tokens)
	if err != nil {
		return err
	}
	noteDue(s, rows)
	return s.Print(rows, func(w io.Writer) { printTokens(s, w, rows) })
}

func acceptRisk(risks []string, name string) (bool, error) {
	for _, r := range risks {
		if r != name {
			return false, wallet.As(wallet.ErrUsage, "--accept-risk %q: this command knows only %s", r, name)
		}
	}
	return slices.Contains(risks, name), nil
}
