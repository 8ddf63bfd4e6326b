package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

func newBackup(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store, while others use it",
		Long: `Copy the store to FILE, while others use it. The copy is consistent, is checked
page by page before it gets its name, and never takes the place of another file.

The copy holds the secrets of endpoints, so it has mode 0600. It does not hold
config.toml, nor any private key.`,
		Example: `  airlock backup /backup/airlock-$(date +%F).db`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runBackup(c.Context(), s, args[0])
		},
	}
}

func runBackup(ctx context.Context, s *Station, path string) (err error) {
	exists := wallet.WithHint(fmt.Errorf("%s: %w", path, fs.ErrExist), "name another file; a backup replaces nothing")
	if _, err := os.Lstat(path); err == nil {
		return exists
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	if err := s.Store().Backup(ctx, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := bolt.Verify(ctx, f.Name()); err != nil {
		return fmt.Errorf("the backup is damaged, so it was thrown away: %w", err)
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return exists
	} else if err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	result := struct {
		File string `json:"file"`
		Size int64  `json:"size"` // bytes
	}{path, size}
	return s.Print(result, func(w io.Writer) { fmt.Fprintf(w, "%s, %d bytes, checked\n", path, size) })
}
