package online

import (
	"context"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// The files of the online station's home.
const (
	configFile = "config.toml"
	storeFile  = "airlock.db"
)

// Station is the online station as a command finds it: where it runs, and on
// demand its store, its settings and its chains.
type Station struct{ *cli.Env }

// Store is the store of the home. It is opened for each transaction, so a
// command may keep it for as long as it likes.
func (s *Station) Store() store.DB {
	return &homeStore{s, bolt.Open(s.Path(storeFile)).WithWait(s.Wait)}
}

// homeStore is a store that says what to do where there is none.
type homeStore struct {
	s  *Station
	db *bolt.DB
}

func (h *homeStore) check() error {
	if err := h.s.CheckHome("airlock init"); err != nil {
		return err
	}
	if !bolt.Exists(h.s.Path(storeFile)) {
		return wallet.WithHint(wallet.As(wallet.ErrNotFound, "home %s has no %s", h.s.Home, storeFile), "airlock init makes it; after a loss, put a backup in its place")
	}
	return nil
}

func (h *homeStore) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := h.check(); err != nil {
		return err
	}
	return h.db.View(ctx, fn)
}

func (h *homeStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := h.check(); err != nil {
		return err
	}
	return h.db.Update(ctx, fn)
}

func (h *homeStore) Backup(ctx context.Context, w io.Writer) error {
	if err := h.check(); err != nil {
		return err
	}
	return h.db.Backup(ctx, w)
}

// Book writes into the store what an operator says.
func (s *Station) Book() *book.Book { return &book.Book{DB: s.Store(), Now: s.Now} }

// Chain is the chain that a command works on: the one of --chain, or the only
// one of the home.
func (s *Station) Chain(ctx context.Context) (c wallet.Chain, err error) {
	err = s.Store().View(ctx, func(tx store.Tx) error {
		chains, err := store.Chains(tx)
		if err != nil {
			return err
		}
		c, err = pickChain(chains, s.ChainID)
		return err
	})
	return c, err
}

// pickChain finds a chain by its id, or the only one if the id is 0.
func pickChain(chains []wallet.Chain, id uint64) (wallet.Chain, error) {
	var have []string
	for _, c := range chains {
		if c.ID == id || id == 0 && len(chains) == 1 {
			return c, nil
		}
		have = append(have, strconv.FormatUint(c.ID, 10))
	}
	switch {
	case len(chains) == 0:
		return wallet.Chain{}, wallet.WithHint(wallet.As(wallet.ErrNotFound, "this home has no chain"), "airlock chain add adds one")
	case id == 0:
		return wallet.Chain{}, wallet.As(wallet.ErrUsage, "this home has several chains: name one with --chain, of %s", strings.Join(have, ", "))
	default:
		return wallet.Chain{}, wallet.WithHint(wallet.As(wallet.ErrUsage, "chain %d is not in this home, which has %s", id, strings.Join(have, ", ")), "airlock chain add adds one")
	}
}

// Client connects to the endpoints of the command's chain. They must serve
// the chain that was met when it was added. The caller closes it.
func (s *Station) Client(ctx context.Context) (*chain.Client, error) {
	_, client, err := s.connect(ctx)
	return client, err
}

// connect is Client, with what the store knows of the chain.
func (s *Station) connect(ctx context.Context) (wallet.Chain, *chain.Client, error) {
	c, err := s.Chain(ctx)
	if err != nil {
		return c, nil, err
	}
	client, err := s.dial(ctx, c)
	return c, client, err
}

func (s *Station) dial(ctx context.Context, c wallet.Chain) (*chain.Client, error) {
	cfg, err := s.Config()
	if err != nil {
		return nil, err
	}
	urls, err := cfg.urls(c.ID)
	if err != nil {
		return nil, err
	}
	return chain.Dial(ctx, chain.Options{ChainID: c.ID, Genesis: c.GenesisHash, URLs: urls, Trace: cfg.traces(c.ID), Unproven: cfg.unproven(c.ID)})
}

// checkHalt refuses to sign while the home is halted. Where only a vault lies,
// nothing can be.
func (s *Station) checkHalt(ctx context.Context) error {
	if !bolt.Exists(s.Path(storeFile)) {
		return nil
	}
	return s.Store().View(ctx, store.CheckHalt)
}

// abs is path as it is after the working directory changed.
func abs(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}
