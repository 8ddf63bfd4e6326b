package online

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

func newInit(s *Station) *cobra.Command {
	var f chainFlags
	c := &cobra.Command{
		Use:   "init --chain-id N --rpc URL",
		Short: "Make the home of an online station",
		Long: `Make the home of an online station for one chain; chain add adds more.

The endpoints are asked first. They must answer, serve the chain of the given
id, and agree on its genesis block, which is remembered: an endpoint of another
chain is refused from then on. When anything fails, no home is left behind.

Reading begins at the newest block unless --start-block names an earlier one.
What lies on addresses before that is read once, as opening balances.`,
		Example: `  airlock init --chain-id 1 --rpc https://node.example/v1/KEY --rpc wss://other.example
  airlock init --chain-id 61 --rpc-file /etc/airlock/rpc --confirmations 500 --coin ETC`,
		RunE: func(c *cobra.Command, _ []string) error { return runInit(c.Context(), s, &f) },
	}
	f.add(c.Flags())
	return c
}

func runInit(ctx context.Context, s *Station, f *chainFlags) error {
	if err := noHomeYet(s); err != nil {
		return err
	}
	chain, cfg, err := s.meetChain(ctx, f)
	if err != nil {
		return err
	}
	if err := s.makeHome(ctx, chain, cfg); err != nil {
		return err
	}
	result := struct {
		Home       string `json:"home"`
		ChainID    uint64 `json:"chain_id"`
		StartBlock uint64 `json:"start_block"`
		Finality   string `json:"finality"`
	}{s.Home, chain.ID, chain.StartBlock, chain.Finality.String()}
	return s.Print(result, func(w io.Writer) {
		fmt.Fprintf(w, "home %s\nchain %d, read from block %d on, credited at %s\n", s.Home, chain.ID, chain.StartBlock, chain.Finality)
	})
}

// noHomeYet refuses a home that init was done for. A signing station's files
// may lie there: those of a float, which is signed for online.
func noHomeYet(s *Station) error {
	if err := s.CheckHome("airlock init"); s.Home == "" {
		return err
	}
	if bolt.Exists(s.Path(storeFile)) {
		return wallet.WithHint(wallet.As(wallet.ErrConflict, "there is a home at %s already", s.Home), "airlock chain add adds a chain to it; --home names another place")
	}
	return nil
}

// makeHome writes the home: the settings first and, last of all, the store
// under its name. Until then there is no home, and init may be run again.
func (s *Station) makeHome(ctx context.Context, c wallet.Chain, cfg ChainConfig) (err error) {
	undo, err := makeDir(s.Home)
	if err != nil {
		return err
	}
	draft := s.Path("." + storeFile + ".init")
	defer func() {
		os.Remove(draft)
		if err != nil {
			undo()
		}
	}()
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bolt.Create(ctx, draft)
	if err != nil {
		return err
	}
	if err := (&book.Book{DB: db, Now: s.Now}).AddChain(ctx, c); err != nil {
		return err
	}
	text, err := (&Config{Chains: []ChainConfig{cfg}}).encode()
	if err != nil {
		return err
	}
	wrote, err := writeOnce(s.Path(configFile), text)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && wrote {
			os.Remove(s.Path(configFile))
		}
	}()
	// Linking fails if somebody else was faster, where renaming would not.
	if err := os.Link(draft, s.Path(storeFile)); err != nil {
		return err
	}
	return syncDir(s.Home)
}

// writeOnce writes a file, unless it is there already with the same contents.
func writeOnce(path string, text []byte) (wrote bool, err error) {
	have, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, secretfile.Create(path, text)
	case err != nil:
		return false, err
	case !bytes.Equal(have, text):
		return false, wallet.WithHint(wallet.As(wallet.ErrConflict, "%s is there already, and it says something else", path),
			"if the store was lost, put a backup in its place; else move the file away")
	}
	return false, nil
}

// makeDir makes a directory of mode 0700 with its parents, and returns how to
// take away what it made, if that is still empty.
func makeDir(dir string) (undo func(), err error) {
	var made []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return func() {
		for _, d := range made {
			os.Remove(d)
		}
	}, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
