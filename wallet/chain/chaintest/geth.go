package chaintest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	gethModule  = "github.com/ethereum/go-ethereum"
	gethPackage = gethModule + "/cmd/geth"
)

// GethOptions are the choices for a Geth.
type GethOptions struct {
	// Args are further arguments for geth.
	Args []string
}

// Geth is a geth in developer mode, its chain in memory. It mines a block as soon
// as a transaction arrives. Its safe block is the head, its finalized block the
// newest whose number is divisible by 32.
type Geth struct {
	endpoint

	process *process
	dir     string // of its temporary files

	sealing   sync.Mutex
	withdrawn uint64
}

var _ Network = (*Geth)(nil)

// StartGeth starts a geth of the version that the module around the working
// directory requires. The first start on a machine builds it, which takes minutes;
// the program is kept in the user's cache directory. The context bounds the start.
func StartGeth(ctx context.Context, o GethOptions) (*Geth, error) {
	program, err := buildGeth(ctx)
	if err != nil {
		return nil, fmt.Errorf("geth: %w", err)
	}
	dir, err := os.MkdirTemp("", "airlock-geth-")
	if err != nil {
		return nil, err
	}
	g := &Geth{dir: dir}
	if err := g.start(ctx, program, o); err != nil {
		return nil, errors.Join(fmt.Errorf("geth: %w", err), g.Close())
	}
	return g, nil
}

func (g *Geth) start(ctx context.Context, program string, o GethOptions) error {
	apis := "eth,net,web3,txpool,debug,dev"
	cmd := exec.Command(program, append([]string{
		"--dev", "--ipcdisable", "--nodiscover", "--maxpeers=0", "--txpool.nolocals",
		"--http", "--http.addr=127.0.0.1", "--http.port=0", "--http.api=" + apis,
		"--ws", "--ws.addr=127.0.0.1", "--ws.port=0", "--ws.api=" + apis, "--ws.origins=*",
	}, o.Args...)...)
	cmd.Dir = g.dir
	// The keystore of a chain in memory is a temporary folder.
	cmd.Env = append(os.Environ(), "HOME="+g.dir, "TMPDIR="+g.dir)
	process, address, err := startProcess(ctx, cmd, regexp.MustCompile(`HTTP server started +endpoint=(\S+)`))
	if err != nil {
		return err
	}
	g.process = process
	g.faucet = newAccount(developerKey)
	g.auto = true
	g.mine = g.mineBlocks
	return g.dial(ctx, address)
}

// mineBlocks adds blocks that hold nothing, or what is pending. Geth has no call
// for it, but mines when a validator's withdrawal is due; each block holds one, of
// nothing.
func (g *Geth) mineBlocks(ctx context.Context, n int) error {
	for range n {
		if err := g.Withdraw(ctx, common.Address{}, 0); err != nil {
			return err
		}
	}
	return nil
}

// Withdraw mines a block that pays gwei to an address as a withdrawal of a
// validator (EIP-4895), which no transaction shows.
func (g *Geth) Withdraw(ctx context.Context, to common.Address, gwei uint64) error {
	g.sealing.Lock()
	defer g.sealing.Unlock()
	before, err := g.eth.BlockNumber(ctx)
	if err != nil {
		return err
	}
	if err := g.addWithdrawal(ctx, to, gwei); err != nil {
		return err
	}
	for told := time.Now(); ; {
		number, err := g.eth.BlockNumber(ctx)
		if err != nil {
			return err
		}
		if number > before {
			return nil
		}
		// A geth that has just started can miss what it is told, and then holds
		// it until it is told of another one: of nothing, here.
		if time.Since(told) > time.Second {
			told = time.Now()
			if err := g.addWithdrawal(ctx, common.Address{}, 0); err != nil {
				return err
			}
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("geth mines nothing after block %d: %w", before, err)
		}
	}
}

func (g *Geth) addWithdrawal(ctx context.Context, to common.Address, gwei uint64) error {
	w := &types.Withdrawal{Index: g.withdrawn, Address: to, Amount: gwei}
	if err := g.rpc.CallContext(ctx, nil, "dev_addWithdrawal", w); err != nil {
		return err
	}
	g.withdrawn++
	return nil
}

// Settle is that of Network. Its pool hears of a block late: until then it would
// refuse who was paid in it.
func (g *Geth) Settle(ctx context.Context, tx common.Hash) (*types.Receipt, error) {
	receipt, err := g.endpoint.Settle(ctx, tx)
	if err != nil {
		return nil, err
	}
	return receipt, g.inStep(ctx)
}

// Reorg replaces the newest depth blocks by as many empty ones. The chain is
// shorter for a moment. What was in them is gone.
func (g *Geth) Reorg(ctx context.Context, depth int) error {
	head, err := g.eth.BlockNumber(ctx)
	if err != nil {
		return err
	}
	if depth <= 0 || uint64(depth) > head {
		return fmt.Errorf("reorg of %d blocks on a chain of %d", depth, head)
	}
	// The pool hears of blocks late. What it still holds although it is in a
	// block that goes would be mined again.
	if err := g.inStep(ctx); err != nil {
		return err
	}
	if err := g.rpc.CallContext(ctx, nil, "debug_setHead", hexutil.Uint64(head-uint64(depth))); err != nil {
		return err
	}
	g.forget()
	for {
		number, err := g.eth.BlockNumber(ctx)
		if err != nil {
			return err
		}
		if number >= head {
			return g.inStep(ctx)
		}
		if err := g.mineBlocks(ctx, 1); err != nil {
			return err
		}
	}
}

// inStep waits until the pool knows the newest block: of the faucet and all whose
// transactions it holds, it counts those that were mined and those that it holds.
func (g *Geth) inStep(ctx context.Context) error {
	for range poolTries {
		var pool struct {
			Pending map[common.Address]map[string]struct{}
		}
		if err := g.rpc.CallContext(ctx, &pool, "txpool_content"); err != nil {
			return err
		}
		inStep := true
		for _, sender := range append(slices.Collect(maps.Keys(pool.Pending)), g.faucet.Address) {
			mined, err := g.eth.NonceAt(ctx, sender, nil)
			if err != nil {
				return err
			}
			counted, err := g.eth.PendingNonceAt(ctx, sender)
			if err != nil {
				return err
			}
			inStep = inStep && counted == mined+uint64(len(pool.Pending[sender]))
		}
		if inStep {
			return nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the pool never knows the newest block")
}

// Close stops geth.
func (g *Geth) Close() error {
	g.hangUp()
	if g.process != nil {
		g.process.kill()
	}
	return os.RemoveAll(g.dir)
}

// buildGeth returns the geth program of the version that the module requires,
// building it if this is the first that asks.
func buildGeth(ctx context.Context) (string, error) {
	version, err := goTool(ctx, "list", "-m", "-f", "{{.Version}}", gethModule)
	if err != nil {
		return "", fmt.Errorf("%w: it is built from the module of the working directory: %w", ErrUnavailable, err)
	}
	toolchain, err := goTool(ctx, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "airlock-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("geth-%s-%s-%s-%s", version, toolchain, runtime.GOOS, runtime.GOARCH)
	program := filepath.Join(dir, name)

	// Of the tests that run at the same time, one builds.
	guard, err := os.Create(program + ".lock")
	if err != nil {
		return "", err
	}
	defer guard.Close()
	if err := lock(guard); err != nil {
		return "", err
	}
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	unfinished := fmt.Sprintf("%s.%d", program, os.Getpid())
	defer os.Remove(unfinished)
	if _, err := goTool(ctx, "build", "-o", unfinished, gethPackage); err != nil {
		return "", err
	}
	return program, os.Rename(unfinished, program)
}

// goTool runs the go command and returns what it prints.
func goTool(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
