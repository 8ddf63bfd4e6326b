package online

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func newChain(s *Station) *cobra.Command {
	return cli.Group("chain", "Manage the chains of the home", newChainAdd(s), newChainList(s))
}

// chainRow is a chain as programs read it.
type chainRow struct {
	ChainID     uint64    `json:"chain_id"`
	Name        string    `json:"name"`
	Symbol      string    `json:"symbol"`
	Decimals    uint8     `json:"decimals"`
	GenesisHash string    `json:"genesis_hash"`
	StartBlock  uint64    `json:"start_block"`
	Finality    string    `json:"finality"`
	SettleDepth uint64    `json:"settle_depth"`
	Endpoints   []string  `json:"endpoints"` // hosts alone
	Unproven    bool      `json:"unproven"`  // blocks that cannot be proven are taken
	AddedAt     time.Time `json:"added_at"`
}

func newChainRow(c wallet.Chain, endpoints []string, unproven bool) chainRow {
	depth := c.SettleDepth
	if depth == 0 {
		depth = wallet.DefaultSettleDepth
	}
	return chainRow{c.ID, c.Name, c.Coin.Symbol, c.Coin.Decimals, c.GenesisHash.Hex(), c.StartBlock, c.Finality.String(), depth, endpoints, unproven, c.AddedAt}
}

// blockRule is which blocks of a chain are taken.
func blockRule(unproven bool) string {
	if unproven {
		return "unproven too"
	}
	return "proven"
}

func newChainAdd(s *Station) *cobra.Command {
	var f chainFlags
	c := &cobra.Command{
		Use:   "add --chain-id N --rpc URL",
		Short: "Add a chain to the home",
		Long: `Add a chain to the home. The same keys are ours on every chain, so all
addresses are watched there too. The endpoints are checked as init does.`,
		Example: `  airlock chain add --chain-id 8453 --rpc https://base.example --finality safe --name Base`,
		RunE:    func(c *cobra.Command, _ []string) error { return runChainAdd(c, s, &f) },
	}
	f.add(c.Flags())
	return c
}

func runChainAdd(c *cobra.Command, s *Station, f *chainFlags) error {
	ctx := c.Context()
	chain, cfg, err := s.meetChain(ctx, f)
	if err != nil {
		return err
	}
	// The settings first: endpoints of a chain that the store does not have do
	// no harm, and the next try replaces them. The store's lock keeps two who
	// write the settings apart.
	if err := s.Store().Update(ctx, func(tx store.Tx) error {
		if err := book.CheckNewChain(tx, chain.ID); err != nil {
			return err
		}
		return s.writeEndpoints(cfg)
	}); err != nil {
		return err
	}
	if err := s.Book().AddChain(ctx, chain); err != nil {
		return err
	}
	urls, err := cfg.urls()
	if err != nil {
		return err
	}
	return s.Print(newChainRow(chain, hosts(urls), cfg.Unproven), func(w io.Writer) {
		fmt.Fprintf(w, "chain %d, read from block %d on, credited at %s\n", chain.ID, chain.StartBlock, chain.Finality)
	})
}

// writeEndpoints puts the endpoints of a chain into config.toml.
func (s *Station) writeEndpoints(cfg ChainConfig) error {
	old, err := s.Config()
	if err != nil {
		return err
	}
	text, err := old.with(cfg).encode()
	if err != nil {
		return err
	}
	return secretfile.Replace(s.Path(configFile), text)
}

func newChainList(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the chains of the home",
		Long:    "List the chains of the home. Of endpoints only the hosts are shown: URLs may hold keys.",
		Example: "  airlock chain list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := s.Config()
			if err != nil {
				return err
			}
			var rows []chainRow
			if err := s.Store().View(c.Context(), func(tx store.Tx) error {
				chains, err := store.Chains(tx)
				for _, chain := range chains {
					urls, err := cfg.urls(chain.ID)
					if err != nil {
						s.Note("chain %d: %v", chain.ID, err)
					}
					rows = append(rows, newChainRow(chain, hosts(urls), cfg.unproven(chain.ID)))
				}
				return err
			}); err != nil {
				return err
			}
			return s.Print(rows, func(w io.Writer) {
				t := s.Table(w, "CHAIN", "NAME", "COIN", "START", "CREDITED AT", "BLOCKS", "ENDPOINTS")
				for _, r := range rows {
					t.Row(r.ChainID, r.Name, r.Symbol, r.StartBlock, r.Finality, blockRule(r.Unproven), strings.Join(r.Endpoints, ", "))
				}
				t.Close()
			})
		},
	}
}
