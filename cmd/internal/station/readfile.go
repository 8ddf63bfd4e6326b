package station

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
)

// readFile reads a file of at most limit bytes, or what stands in a pipe. What
// has a name on a foreign medium may be a link to anything: a device may never
// end, or do something when it is opened, so none is; and a pipe that nobody
// writes into is empty, instead of being waited for.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() && mode.Type() != fs.ModeNamedPipe {
		return nil, wallet.As(wallet.ErrUsage, "%s: neither a file nor a pipe", cli.Clean(path))
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, wallet.As(wallet.ErrRefused, "%s: longer than %d bytes", cli.Clean(path), limit)
	}
	return raw, nil
}
