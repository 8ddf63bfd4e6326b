package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// words is a mnemonic that the whole world knows, from the vectors of BIP-39.
const words = "legal winner thank year wave sausage worth useful legal winner thank yellow"

// A world is two stations with their homes, a chain and a receiver of webhooks, all
// of which can be set back.
type world struct {
	t     testing.TB
	bin   string // directory of the programs
	root  string // of what the programs write
	aside string // of secrets and snapshots
	chain *chaintest.Simulated
	node  *proxy
	hooks *receiver
	token common.Address
	ours  map[common.Address]string // by account or role
	base  uint64                    // the last block before the stages
}

// A run is how a command ended.
type run struct {
	status syscall.WaitStatus
	out    string // standard output
	errors string
}

func (r run) killed() bool { return r.status.Signaled() && r.status.Signal() == syscall.SIGKILL }

// homes are the directories below root that are set back.
var homes = []string{"online", "signing", "gap"}

func newWorld(t testing.TB, bin string) *world {
	w := &world{
		t: t, bin: bin, root: filepath.Join(t.TempDir(), "root"), aside: t.TempDir(),
		chain: chaintest.NewSimulated(t, chaintest.SimulatedOptions{Alloc: chaintest.Factory()}), hooks: newReceiver(t),
		ours: map[common.Address]string{},
	}
	w.node = newProxy(t, w.chain.URL())
	if err := os.MkdirAll(w.path("gap"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"words": words, "passphrase": "correct horse battery staple", "hook": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	} {
		if err := os.WriteFile(w.secret(name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) path(name string) string   { return filepath.Join(w.root, name) }
func (w *world) secret(name string) string { return filepath.Join(w.aside, name) }

// online and signing are commands of the stations.
func (w *world) online(args ...string) program {
	return w.program("airlock", append(args, "--home", w.path("online"))...)
}

func (w *world) signing(args ...string) program {
	return w.program("airlock-signer", append(args, "--home", w.path("signing"))...)
}

func (w *world) program(name string, args ...string) program {
	return program{args: append([]string{filepath.Join(w.bin, name)}, args...), env: os.Environ(), dir: w.aside}
}

// start runs a program undisturbed by the tracer; begun is told its process.
func (w *world) start(p program, begun func(*os.Process)) (run, error) {
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // nobody types
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return run{}, err
	}
	begun(cmd.Process)
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return run{}, err
	}
	return run{cmd.ProcessState.Sys().(syscall.WaitStatus), stdout.String(), stderr.String()}, nil
}

// must runs a program that must succeed, and returns what it printed.
func (w *world) must(p program) (string, error) {
	r, err := w.start(p, func(*os.Process) {})
	if err == nil && r.status != 0 {
		err = fmt.Errorf("%s ended with %d: %s", commandLine(p), r.status.ExitStatus(), r.errors)
	}
	return r.out, err
}

func commandLine(p program) string {
	return strings.Join(append([]string{filepath.Base(p.args[0])}, p.args[1:]...), " ")
}

// ask runs a program and reads its JSON.
func (w *world) ask(into any, p program) error {
	p.args = append(p.args, "--json")
	out, err := w.must(p)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("%s: %w in %q", commandLine(p), err, out)
	}
	return nil
}

func (w *world) all(programs ...program) error {
	for _, p := range programs {
		if _, err := w.must(p); err != nil {
			return err
		}
	}
	return nil
}

// open makes the vault, the home and what lies on the chain, up to withdrawals that
// are approved.
func (w *world) open(ctx context.Context) error {
	var err error
	if w.token, err = w.chain.Deploy(ctx, chaintest.Token, "Crash Dollar", "CUSD", uint8(6), big.NewInt(1e12)); err != nil {
		return err
	}
	if err := w.all(
		w.signing("vault", "create", "--light-kdf", "--mnemonic-file", w.secret("words"), "--passphrase-file", w.secret("passphrase")),
		w.signing("policy", "init", "--preset", "open"),
		w.signing("vault", "export-watch", "-o", w.secret("watch.json"), "--passphrase-file", w.secret("passphrase")),
	); err != nil {
		return err
	}
	var vault struct{ Fingerprint string }
	if err := w.ask(&vault, w.signing("vault", "accounts", "--passphrase-file", w.secret("passphrase"))); err != nil {
		return err
	}
	if err := w.all(
		w.online("init", "--chain-id", strconv.FormatUint(w.chain.ChainID(), 10), "--rpc", w.node.URL),
		w.online("watch", "import", w.secret("watch.json"), "--fingerprint", vault.Fingerprint),
		w.online("token", "add", w.token.Hex()),
		w.online("address", "new", "--role", "payout"),
		w.online("address", "new", "alice"),
		w.online("address", "new", "carol"),
		w.online("endpoint", "add", w.hooks.URL, "--secret-file", w.secret("hook")),
		w.online("scan"),
	); err != nil {
		return err
	}
	var rows []struct {
		Account, Role string
		Address       common.Address
	}
	if err := w.ask(&rows, w.online("address", "list")); err != nil {
		return err
	}
	at := map[string]common.Address{}
	for _, r := range rows {
		name := r.Account
		if name == "" {
			if name = r.Role; at[name] != (common.Address{}) {
				name += "-2"
			}
		}
		w.ours[r.Address], at[name] = name, r.Address
	}
	if err := w.fund(ctx, at); err != nil {
		return err
	}
	if err := w.deploy(ctx); err != nil {
		return err
	}
	last := len(payments) - 1
	if err := w.all(w.online("payouts", "address", "set", payments[last].account, payments[last].to().Hex())); err != nil {
		return err
	}
	for _, p := range payments[:last] {
		args := []string{"withdraw", "request", "--id", p.id, "--asset", p.asset, "--amount", p.decimal, "--to", p.to().Hex()}
		if p.account != "" {
			args = append(args, "--account", p.account)
		}
		if err := w.all(w.online(args...), w.online("withdraw", "approve", p.id)); err != nil {
			return err
		}
	}
	w.base, err = w.chain.Client().BlockNumber(ctx)
	return err
}

// fund pays what there is: alice in ether, carol in tokens, whose sweep needs a
// top-up.
func (w *world) fund(ctx context.Context, at map[string]common.Address) error {
	for _, to := range []struct {
		name  string
		ether int64
	}{{"payout", 2}, {"payout-2", 2}, {"gas", 1}, {"alice", 1}} {
		if _, err := w.chain.Fund(ctx, at[to.name], ether(to.ether)); err != nil {
			return err
		}
	}
	for _, name := range []string{"payout", "payout-2", "carol"} {
		if _, err := w.chain.TransferToken(ctx, w.token, at[name], big.NewInt(100e6)); err != nil {
			return err
		}
	}
	if err := w.finalize(ctx); err != nil {
		return err
	}
	return w.all(w.online("scan"), w.online("notify"))
}

// deploy puts the contract that pays many on the chain.
func (w *world) deploy(ctx context.Context) error {
	file := w.gap("deploy.json")
	if err := w.all(w.online("contract", "deploy", "-o", file)); err != nil {
		return err
	}
	sign, err := signs("deploy.json")(w)
	if err != nil {
		return err
	}
	if err := w.all(sign, w.online("broadcast", file+".signed")); err != nil {
		return err
	}
	if err := w.finalize(ctx); err != nil {
		return err
	}
	return w.all(w.online("scan"), w.online("confirm"), w.online("notify"))
}

// crowd raises the base fee above twice what it was, which is more than the first
// rungs allow for, by blocks that others fill.
func (w *world) crowd(ctx context.Context) error {
	faucet := w.chain.Faucet()
	head, err := w.chain.Client().HeaderByNumber(ctx, nil)
	if err != nil {
		return err
	}
	nonce, err := w.chain.Client().NonceAt(ctx, faucet.Address, nil)
	if err != nil {
		return err
	}
	for double := new(big.Int).Lsh(head.BaseFee, 1); head.BaseFee.Cmp(double) < 0; {
		var txs []*types.Transaction
		for gas := head.GasLimit; gas >= params.MaxTxGas; gas -= params.MaxTxGas {
			tx, err := types.SignNewTx(faucet.Key, types.LatestSignerForChainID(new(big.Int).SetUint64(w.chain.ChainID())), &types.DynamicFeeTx{
				Nonce: nonce, GasFeeCap: big.NewInt(100e9), GasTipCap: big.NewInt(1e9),
				Gas: params.MaxTxGas, Data: []byte{byte(vm.INVALID)}, // takes all gas, and no time
			})
			if err != nil {
				return err
			}
			txs, nonce = append(txs, tx), nonce+1
		}
		if _, err := w.chain.CommitOnly(txs...); err != nil {
			return err
		}
		if head, err = w.chain.Client().HeaderByNumber(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// finalize mines what is pending, and buries it beyond reorg.
func (w *world) finalize(ctx context.Context) error {
	if err := w.chain.Mine(ctx, 1); err != nil {
		return err
	}
	return w.chain.Finalize(ctx)
}

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

// A snapshot is a state of a world.
type snapshot struct {
	dir     string // with copies of the homes
	head    common.Hash
	pending []hexutil.Bytes
	told    []event
}

func (w *world) save(ctx context.Context, name string) (s snapshot, err error) {
	s.dir, s.told = filepath.Join(w.aside, name), w.hooks.soFar()
	for _, home := range homes {
		if err := copyTree(w.path(home), filepath.Join(s.dir, home)); err != nil {
			return s, err
		}
	}
	head, err := w.chain.Client().HeaderByNumber(ctx, nil)
	if err != nil {
		return s, err
	}
	s.head = head.Hash()
	s.pending, err = w.pending(ctx)
	return s, err
}

// pending are the transactions in the pool, as they were sent.
func (w *world) pending(ctx context.Context) (list []hexutil.Bytes, err error) {
	var pool map[string]map[common.Address]map[string]struct{ Hash common.Hash }
	rpc := w.chain.Client().Client()
	if err := rpc.CallContext(ctx, &pool, "txpool_content"); err != nil {
		return nil, err
	}
	for _, senders := range pool {
		for _, txs := range senders {
			for _, tx := range txs {
				var raw hexutil.Bytes
				if err := rpc.CallContext(ctx, &raw, "eth_getRawTransactionByHash", tx.Hash); err != nil {
					return nil, err
				}
				list = append(list, raw)
			}
		}
	}
	return list, nil
}

// restore sets the world back.
func (w *world) restore(ctx context.Context, s snapshot) error {
	for _, home := range homes {
		if err := os.RemoveAll(w.path(home)); err != nil {
			return err
		}
		if err := copyTree(filepath.Join(s.dir, home), w.path(home)); err != nil {
			return err
		}
	}
	if err := w.chain.Fork(s.head); err != nil {
		return err
	}
	w.chain.Rollback()
	for _, raw := range s.pending {
		if err := w.chain.Client().Client().CallContext(ctx, nil, "eth_sendRawTransaction", raw); err != nil {
			return err
		}
	}
	w.hooks.forget(s.told)
	return nil
}

// untouched tells whether nothing at all has changed since a snapshot: no byte of a
// home, no block, no transaction in the pool, nothing told.
func (w *world) untouched(ctx context.Context, s snapshot) (bool, error) {
	head, err := w.chain.Client().HeaderByNumber(ctx, nil)
	if err != nil || head.Hash() != s.head {
		return false, err
	}
	pending, err := w.pending(ctx)
	if err != nil || len(pending) != len(s.pending) || len(w.hooks.soFar()) != len(s.told) {
		return false, err // the pool only gets more, and so does what was told
	}
	for _, home := range homes {
		if same, err := sameTree(filepath.Join(s.dir, home), w.path(home)); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// sameTree tells whether two directories hold the same files.
func sameTree(a, b string) (bool, error) {
	inA, err := readTree(a)
	if err != nil {
		return false, err
	}
	inB, err := readTree(b)
	return maps.Equal(inA, inB), err
}

// readTree reads all files of a directory, by their names in it.
func readTree(dir string) (map[string]string, error) {
	files := map[string]string{}
	return files, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(data)
		return err
	})
}

// copyTree copies a directory of files that only their owner may read.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
}
