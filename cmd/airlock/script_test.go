package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// bin holds the programs, built as they are shipped.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "airlock-bin-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, ".", "../airlock-signer")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return m.Run()
}

// TestScripts plays the stories under testdata/script: both programs as
// operators and cron jobs call them. Besides the commands of testscript they
// have those of the world around a station:
//
//	exits CODE PROGRAM ARG…   runs a program that must end with this exit code
//	chain …                   a chain; see chainCommand
//	hooks …                   a receiver of webhooks; see hooksCommand
//	json FILE PATH WANT       compares a value of a JSON document; see jsonCommand
//	edit FILE OLD NEW         replaces text that must be in a file, once
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("AIRLOCK_HOME", filepath.Join(env.WorkDir, "home"))
			// Secrets of stories are read as secrets.
			for _, name := range []string{"words", "other-words", "passphrase", "wrong-passphrase", "hook-secret"} {
				if err := os.Chmod(filepath.Join(env.WorkDir, name), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			w := &world{chains: map[string]*chaintest.Simulated{}, token: map[string]common.Address{}}
			env.Values[worldKey{}] = w
			env.Defer(w.close)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "net" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return online()
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exitsCommand,
			"chain": chainCommand,
			"hooks": hooksCommand,
			"json":  jsonCommand,
			"edit":  editCommand,
		},
	})
}

// online reports whether an interface other than loopback is up: the condition
// [net].
func online() (bool, error) {
	list, err := net.Interfaces()
	return slices.ContainsFunc(list, func(i net.Interface) bool {
		return i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0
	}), err
}

// world is what is around the stations of one story.
type world struct {
	chains map[string]*chaintest.Simulated // by name
	token  map[string]common.Address       // by symbol
	hooks  *hooks
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func (w *world) close() {
	for _, c := range w.chains {
		c.Close()
	}
	if w.hooks != nil {
		w.hooks.server.Close()
	}
}

// exitsCommand implements "exits CODE PROGRAM ARG…".
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ended with exit code %d, want %s", args[1], code, args[0])
	}
}

// chainCommand implements
//
//	chain start [-id N] [-finality N] [NAME]   starts a chain; $RPC is its URL,
//	                                           or $RPC_NAME if it has a name; with
//	                                           -factory it has the deployment proxy
//	chain stop                                 ends the unnamed chain; its URL stays dead
//	chain mine N
//	chain finalize                             until what is mined now is final
//	chain reorg N                              replaces N blocks by empty ones
//	chain fund ADDRESS ETHER                   in one block
//	chain token SYMBOL DECIMALS                deploys; $SYMBOL is its address
//	chain send SYMBOL ADDRESS UNITS            tokens, in base units, in one block
//	chain slip ADDRESS ETHER                   by a contract that ends itself
//	chain balance ADDRESS WEI                  checks
//	chain holds SYMBOL ADDRESS UNITS           checks
func chainCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: chain COMMAND ARG…")
	}
	w, ctx := worldOf(ts), context.Background()
	verb, args := args[0], args[1:]
	if verb == "start" {
		w.start(ts, args)
		return
	}
	c := w.chains[""]
	if c == nil {
		ts.Fatalf("no chain runs")
	}
	arg := func(i int) string {
		if i >= len(args) {
			ts.Fatalf("chain %s: too few arguments", verb)
		}
		return args[i]
	}
	address := func(i int) common.Address {
		a, err := wallet.ParseAddress(arg(i))
		ts.Check(err)
		return a
	}
	number := func(i int) int {
		n, err := strconv.Atoi(arg(i))
		ts.Check(err)
		return n
	}
	amount := func(i int, decimals uint8) *big.Int {
		a, err := wallet.ParseDecimal(arg(i), decimals)
		ts.Check(err)
		return a.Big()
	}
	settle := func(tx common.Hash, err error) {
		ts.Check(err)
		_, err = c.Settle(ctx, tx)
		ts.Check(err)
	}
	equal := func(have *big.Int, err error, want *big.Int) {
		ts.Check(err)
		if have.Cmp(want) != 0 {
			ts.Fatalf("the balance is %s, want %s", have, want)
		}
	}
	switch verb {
	case "stop":
		ts.Check(c.Close())
		delete(w.chains, "")
	case "mine":
		ts.Check(c.Mine(ctx, number(0)))
	case "finalize":
		ts.Check(c.Finalize(ctx))
	case "reorg":
		ts.Check(c.Reorg(ctx, number(0)))
	case "fund":
		settle(c.Fund(ctx, address(0), amount(1, 18)))
	case "token":
		supply := new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil)
		a, err := c.Deploy(ctx, chaintest.Token, arg(0)+" of the story", arg(0), uint8(number(1)), supply)
		ts.Check(err)
		w.token[arg(0)] = a
		ts.Setenv(arg(0), a.Hex())
	case "send":
		settle(c.TransferToken(ctx, w.token[arg(0)], address(1), amount(2, 0)))
	case "slip":
		code, err := chaintest.Parting.Create(address(0))
		ts.Check(err)
		settle(c.Send(ctx, chaintest.Call{Wei: amount(1, 18), Data: code}))
	case "balance":
		have, err := c.Client().BalanceAt(ctx, address(0), nil)
		equal(have, err, amount(1, 0))
	case "holds":
		have, err := c.TokenBalance(ctx, w.token[arg(0)], address(1))
		equal(have, err, amount(2, 0))
	default:
		ts.Fatalf("chain %s: unknown", verb)
	}
}

func (w *world) start(ts *testscript.TestScript, args []string) {
	var (
		o    chaintest.SimulatedOptions
		name string
	)
	for len(args) > 0 {
		switch {
		case args[0] == "-factory":
			o.Alloc, args = chaintest.Factory(), args[1:]
		case args[0] == "-id" && len(args) > 1:
			n, err := strconv.ParseUint(args[1], 10, 64)
			ts.Check(err)
			o.ChainID, args = n, args[2:]
		case args[0] == "-finality" && len(args) > 1:
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			o.Finality, args = n, args[2:]
		default:
			name, args = args[0], args[1:]
		}
	}
	c, err := chaintest.StartSimulated(o)
	ts.Check(err)
	w.chains[name] = c
	if name != "" {
		name = "_" + name
	}
	ts.Setenv("RPC"+name, c.URL())
	ts.Setenv("CHAIN"+name, strconv.FormatUint(c.ChainID(), 10))
}

// hooks counts the webhooks that arrive. That they are signed as they should
// is proven where they are made.
type hooks struct {
	server *httptest.Server
	mu     sync.Mutex
	status int
	counts map[string]int // by type of the event
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var event struct{ Type string }
	err := json.NewDecoder(r.Body).Decode(&event)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if h.status < 300 {
		h.counts[event.Type]++
	}
	w.WriteHeader(h.status)
}

// hooksCommand implements
//
//	hooks start           $HOOKS is its URL
//	hooks answer STATUS   with this HTTP status from now on
//	hooks got TYPE N      N events of a type were taken
func hooksCommand(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	switch {
	case !neg && len(args) == 1 && args[0] == "start":
		w.hooks = &hooks{status: http.StatusNoContent, counts: map[string]int{}}
		w.hooks.server = httptest.NewServer(w.hooks)
		ts.Setenv("HOOKS", w.hooks.server.URL)
	case !neg && len(args) == 2 && args[0] == "answer":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		w.hooks.mu.Lock()
		w.hooks.status = n
		w.hooks.mu.Unlock()
	case !neg && len(args) == 3 && args[0] == "got":
		w.hooks.mu.Lock()
		have := w.hooks.counts[args[1]]
		w.hooks.mu.Unlock()
		if strconv.Itoa(have) != args[2] {
			ts.Fatalf("%d events %s arrived, want %s", have, args[1], args[2])
		}
	default:
		ts.Fatalf("usage: hooks start | hooks answer STATUS | hooks got TYPE N")
	}
}

// jsonCommand implements
//
//	json FILE PATH WANT    the value at PATH, as text, must be WANT
//	json FILE PATH /RE/    or match a regular expression
//	json FILE PATH -> VAR  or is put into a variable
//
// FILE is a file, stdout or stderr, and holds exactly one JSON document. PATH
// is names and indices with dots between them; len is the length of a list, and
// NAME=VALUE the first element of a list with that member. "." is all.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	dec.UseNumber()
	var doc any
	ts.Check(dec.Decode(&doc))
	if dec.More() {
		ts.Fatalf("%s holds more than one JSON document", args[0])
	}
	value, err := lookup(doc, args[1])
	ts.Check(err)
	have := jsonText(value)
	switch want := args[2]; {
	case len(args) == 4 && want == "->":
		ts.Setenv(args[3], have)
	case len(args) == 4:
		ts.Fatalf("usage: json FILE PATH -> VAR")
	case len(want) > 1 && want[0] == '/' && want[len(want)-1] == '/':
		re, err := regexp.Compile(want[1 : len(want)-1])
		ts.Check(err)
		if !re.MatchString(have) {
			ts.Fatalf("%s is %q, which does not match %s", args[1], have, want)
		}
	case have != want:
		ts.Fatalf("%s is %q, want %q", args[1], have, want)
	}
}

func lookup(doc any, path string) (any, error) {
	if path == "." {
		return doc, nil
	}
	for _, step := range strings.Split(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return nil, fmt.Errorf("%s: there is no %q in %s", path, step, jsonText(doc))
			}
			doc = next
		case []any:
			next, err := element(v, step)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			doc = next
		default:
			return nil, fmt.Errorf("%s: %s has no members", path, jsonText(doc))
		}
	}
	return doc, nil
}

func element(list []any, step string) (any, error) {
	if step == "len" {
		return len(list), nil
	}
	if name, want, ok := strings.Cut(step, "="); ok {
		for _, e := range list {
			if m, ok := e.(map[string]any); ok && m[name] != nil && jsonText(m[name]) == want {
				return e, nil
			}
		}
		return nil, fmt.Errorf("no element has %s in %s", step, jsonText(list))
	}
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("no element %s in %s", step, jsonText(list))
	}
	return list[i], nil
}

// jsonText writes strings without quotes and all else as JSON.
func jsonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// editCommand implements "edit FILE OLD NEW".
func editCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, args[1]); n == 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}
