package chaintest

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// anvilKey is the key of the first account of anvil's mnemonic, "test test test
// test test test test test test test test junk".
const anvilKey = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

// AnvilChainID is the chain id of an Anvil that was given none.
const AnvilChainID = 31337

// AnvilOptions are the choices for an Anvil. The zero value is a good one.
type AnvilOptions struct {
	// ChainID is AnvilChainID if zero.
	ChainID uint64
	// Automine mines a block for every transaction that arrives.
	Automine bool
	// Epoch is the number of slots in an epoch, 1 if zero.
	Epoch int
	// Args are further arguments for anvil.
	Args []string
}

// Anvil is Foundry's anvil. The safe block is one epoch before the head and the
// finalized block two: with epochs of one slot, the two blocks before the head.
// On a young chain both are the genesis block.
type Anvil struct {
	endpoint

	process *process
	dir     string // of its temporary files
}

var _ Network = (*Anvil)(nil)

// StartAnvil starts the anvil that "make tools" installs, or else one on the PATH.
// The context bounds the start.
func StartAnvil(ctx context.Context, o AnvilOptions) (*Anvil, error) {
	program, err := findAnvil()
	if err != nil {
		return nil, fmt.Errorf("anvil: %w", err)
	}
	dir, err := os.MkdirTemp("", "airlock-anvil-")
	if err != nil {
		return nil, err
	}
	a := &Anvil{dir: dir}
	if err := a.start(ctx, program, o); err != nil {
		return nil, errors.Join(fmt.Errorf("anvil: %w", err), a.Close())
	}
	return a, nil
}

func (a *Anvil) start(ctx context.Context, program string, o AnvilOptions) error {
	if o.ChainID == 0 {
		o.ChainID = AnvilChainID
	}
	args := []string{
		"--host=127.0.0.1", "--port=0", "--chain-id=" + strconv.FormatUint(o.ChainID, 10),
		"--slots-in-an-epoch=" + strconv.Itoa(max(o.Epoch, 1)), "--color=never",
	}
	if !o.Automine {
		args = append(args, "--no-mining")
	}
	cmd := exec.Command(program, append(args, o.Args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "HOME="+a.dir, "TMPDIR="+a.dir)
	process, address, err := startProcess(ctx, cmd, regexp.MustCompile(`^Listening on (\S+)`))
	if err != nil {
		return err
	}
	a.process = process
	a.faucet = newAccount(anvilKey)
	a.auto = o.Automine
	a.mine = a.mineBlocks
	return a.dial(ctx, address)
}

func (a *Anvil) mineBlocks(ctx context.Context, n int) error {
	return a.rpc.CallContext(ctx, nil, "anvil_mine", hexutil.Uint64(n))
}

// Reorg replaces the newest depth blocks by as many empty ones. What was in them
// is gone.
func (a *Anvil) Reorg(ctx context.Context, depth int) error {
	if err := a.rpc.CallContext(ctx, nil, "anvil_reorg", depth, []any{}); err != nil {
		return err
	}
	a.forget()
	return nil
}

// DropTransaction takes a pending transaction out of the pool.
func (a *Anvil) DropTransaction(ctx context.Context, tx common.Hash) error {
	var dropped *common.Hash
	if err := a.rpc.CallContext(ctx, &dropped, "anvil_dropTransaction", tx); err != nil {
		return err
	}
	if dropped == nil {
		return fmt.Errorf("transaction %s is not pending", tx)
	}
	a.forget()
	return nil
}

// SetBalance gives an address exactly so much coin, without a transaction.
func (a *Anvil) SetBalance(ctx context.Context, address common.Address, wei *big.Int) error {
	return a.rpc.CallContext(ctx, nil, "anvil_setBalance", address, (*hexutil.Big)(wei))
}

// Close stops anvil.
func (a *Anvil) Close() error {
	a.hangUp()
	if a.process != nil {
		a.process.kill()
	}
	return os.RemoveAll(a.dir)
}

// findAnvil looks for the anvil program. npm installs it beside the sources of
// this package, for the systems that its packages name.
func findAnvil() (string, error) {
	if _, source, _, ok := runtime.Caller(0); ok {
		program := filepath.Join(filepath.Dir(source), "npm", "node_modules", "@foundry-rs",
			"anvil-"+runtime.GOOS+"-"+runtime.GOARCH, "bin", "anvil")
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
	}
	program, err := exec.LookPath("anvil")
	if err != nil {
		return "", fmt.Errorf("%w: run \"make tools\", which needs npm, or install Foundry", ErrUnavailable)
	}
	return program, nil
}
