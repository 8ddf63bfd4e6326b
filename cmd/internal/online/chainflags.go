package online

import (
	"cmp"
	"context"
	"errors"
	"math/big"
	"strings"

	"github.com/spf13/pflag"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

// chainFlags are what init and chain add ask about a chain.
type chainFlags struct {
	id            uint64
	name          string
	rpc           []string
	rpcFile       string
	confirmations uint64
	finality      string
	settleDepth   uint64
	startBlock    int64
	coin          string
}

func (f *chainFlags) add(flags *pflag.FlagSet) {
	flags.Uint64Var(&f.id, "chain-id", 0, "`id` of the chain (EIP-155)")
	flags.StringVar(&f.name, "name", "", "`name` of the chain, for people")
	flags.StringArrayVar(&f.rpc, "rpc", nil, "`URL` of an endpoint: http, https, ws or wss; may be given again")
	flags.StringVar(&f.rpcFile, "rpc-file", "", "`file` (mode 0600) with URLs of endpoints, one per line; read at each use")
	flags.Uint64Var(&f.confirmations, "confirmations", 0, "credit deposits after `N` blocks, their own included")
	flags.StringVar(&f.finality, "finality", "", "credit deposits at a `tag`: safe or finalized (default finalized)")
	flags.Uint64Var(&f.settleDepth, "settle-depth", wallet.DefaultSettleDepth, "where nodes have no finalized tag, release funds `N` blocks deep")
	flags.Int64Var(&f.startBlock, "start-block", -1, "first `block` to read (default the newest)")
	flags.StringVar(&f.coin, "coin", "ETH", "`symbol` of the chain's coin")
}

// parse checks all that needs no chain.
func (f *chainFlags) parse() (c wallet.Chain, cfg ChainConfig, err error) {
	usage := func(format string, args ...any) (wallet.Chain, ChainConfig, error) {
		return c, cfg, wallet.As(wallet.ErrUsage, format, args...)
	}
	if f.id == 0 {
		return usage("--chain-id is missing: 1 is Ethereum's")
	}
	c = wallet.Chain{ID: f.id, Name: f.name, Coin: wallet.Asset{ID: wallet.Coin(f.id), Symbol: f.coin, Decimals: 18}}
	if c.Finality, err = f.parseFinality(); err != nil {
		return c, cfg, err
	}
	if f.settleDepth == 0 {
		return usage("--settle-depth 0: want at least 1")
	}
	if f.settleDepth != wallet.DefaultSettleDepth {
		c.SettleDepth = f.settleDepth
	}
	if f.startBlock < -1 {
		return usage("--start-block %d: want a block number", f.startBlock)
	}
	if err := book.CheckSymbol(f.coin); err != nil {
		return usage("--coin: %w", err)
	}
	if f.name != "" {
		if err := wallet.CheckID("--name", f.name); err != nil {
			return usage("%w", err)
		}
	}
	cfg = ChainConfig{ID: f.id, RPC: f.rpc}
	if cfg.RPCFile, err = abs(f.rpcFile); err != nil {
		return c, cfg, err
	}
	return c, cfg, nil
}

func (f *chainFlags) parseFinality() (wallet.Finality, error) {
	switch {
	case f.confirmations > 0 && f.finality != "":
		return wallet.Finality{}, wallet.As(wallet.ErrUsage, "--confirmations and --finality exclude each other")
	case f.confirmations > 0:
		return wallet.Finality{Confirmations: f.confirmations}, nil
	case f.finality == "":
		return wallet.Finality{Tag: "finalized"}, nil
	case f.finality == "safe" || f.finality == "finalized":
		return wallet.Finality{Tag: f.finality}, nil
	}
	return wallet.Finality{}, wallet.As(wallet.ErrUsage, "--finality %q: want safe or finalized", f.finality)
}

// meetChain asks the endpoints of a new chain which one it is, and fills in
// what is to be remembered of it.
func (s *Station) meetChain(ctx context.Context, f *chainFlags) (wallet.Chain, ChainConfig, error) {
	f.id = cmp.Or(f.id, s.ChainID)
	if s.ChainID != 0 && s.ChainID != f.id {
		return wallet.Chain{}, ChainConfig{}, wallet.As(wallet.ErrUsage, "--chain %d and --chain-id %d name two chains", s.ChainID, f.id)
	}
	c, cfg, err := f.parse()
	if err != nil {
		return c, cfg, err
	}
	urls, err := cfg.urls()
	if err != nil {
		return c, cfg, err
	}
	client, err := chain.Dial(ctx, chain.Options{ChainID: c.ID, URLs: urls})
	if err != nil {
		return c, cfg, err
	}
	defer client.Close()
	head, err := client.BlockNumber(ctx)
	if err != nil {
		return c, cfg, err
	}
	c.GenesisHash, c.AddedAt = client.Genesis(), s.Now().UTC()
	c.StartBlock = head
	if f.startBlock >= 0 {
		if c.StartBlock = uint64(f.startBlock); c.StartBlock > head {
			return c, cfg, wallet.As(wallet.ErrUsage, "--start-block %d is above the newest block, %d", f.startBlock, head)
		}
		if _, err := client.HeaderByNumber(ctx, new(big.Int).SetUint64(c.StartBlock)); err != nil {
			return c, cfg, err
		}
	}
	if err := s.checkTag(ctx, client, c.Finality); err != nil {
		return c, cfg, err
	}
	s.Note("chain %d at %s: newest block %d, genesis %s", c.ID, strings.Join(client.Hosts(), ", "), head, c.GenesisHash)
	return c, cfg, nil
}

// checkTag refuses a finality that the chain's nodes know nothing of: nothing
// would ever be credited.
func (s *Station) checkTag(ctx context.Context, client *chain.Client, f wallet.Finality) (err error) {
	switch f.Tag {
	case "safe":
		_, err = client.SafeHeader(ctx)
	case "finalized":
		_, err = client.FinalizedHeader(ctx)
	}
	if errors.Is(err, chain.ErrNotYet) {
		s.Note("this chain has no %s block yet: until it has, nothing is credited. If it never will, use --confirmations N instead", f.Tag)
		return nil
	}
	if errors.Is(err, chain.ErrTagUnsupported) {
		return wallet.WithHint(wallet.As(wallet.ErrUsage, "%w", err), "give --confirmations N instead")
	}
	return err
}
