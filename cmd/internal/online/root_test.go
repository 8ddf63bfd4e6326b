package online

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/station"
	"github.com/airlock-wallet/airlock/wallet"
)

// TestHelp: every command of both programs says what it does, shows how in
// examples that it takes as they are printed, names what its flags take in words
// and not in types of Go, and shows in its usage which flags it cannot do without.
func TestHelp(t *testing.T) {
	env, _, _ := cli.Test(t.TempDir())
	roots := map[string]*cobra.Command{"airlock": New(env), "airlock-signer": station.New(env)}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		t.Run(strings.ReplaceAll(c.CommandPath(), " ", "_"), func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("short help %q: want some, without a full stop", c.Short)
			}
			if !c.HasSubCommands() && !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("the example does not run %s", c.CommandPath())
			}
			for line := range strings.Lines(c.Example) {
				checkExample(t, roots, line)
			}
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				takes, usage := pflag.UnquoteUsage(f)
				if slices.Contains([]string{"string", "strings", "stringArray", "int", "uint", "uint32"}, takes) {
					t.Errorf("--%s takes a %s: say what in words (%s)", f.Name, takes, usage)
				}
				if f.Name == "accept-risk" && (f.Value.Type() != "stringSlice" || takes != "risk") {
					t.Errorf("--accept-risk takes a %s of type %s, unlike elsewhere", takes, f.Value.Type())
				}
				short := "--" + f.Name
				if f.Shorthand != "" {
					short = "-" + f.Shorthand
				}
				if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !strings.Contains(c.Use, short+" ") {
					t.Errorf("the usage %q does not show %s, which must be given", c.Use, short)
				}
			})
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	for _, root := range roots {
		walk(root)
	}
}

// checkExample has every command of a line parsed by its program.
func checkExample(t *testing.T, roots map[string]*cobra.Command, line string) {
	line, _, _ = strings.Cut(line, " > ")
	for _, call := range regexp.MustCompile(`\|\||&&|\|`).Split(line, -1) {
		words := regexp.MustCompile(`(?:"[^"]*"|\$\([^)]*\)|\S)+`).FindAllString(call, -1)
		if len(words) == 0 || roots[words[0]] == nil {
			continue // of another program
		}
		c, args, err := roots[words[0]].Find(words[1:])
		if err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		if err := c.ParseFlags(args); err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		check := c.Args
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(c, c.Flags().Args()); err != nil {
			t.Errorf("%s: %v", call, err)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !strings.Contains(call, "--"+f.Name) && (f.Shorthand == "" || !strings.Contains(call, "-"+f.Shorthand+" ")) {
				t.Errorf("%s: --%s must be given", call, f.Name)
			}
		})
	}
}

// TestCommands pins the names that scripts depend on.
func TestCommands(t *testing.T) {
	env, _, _ := cli.Test(t.TempDir())
	root := New(env)
	for _, want := range []string{
		"init", "chain add", "chain list", "vault create", "vault export-watch", "vault import-keystore", "vault accounts",
		"policy init", "policy check", "watch import", "address new", "address list", "token add", "token list", "token import",
		"scan", "deposits list", "quarantine list", "withdraw request", "withdraw import", "withdraw approve", "withdraw reject", "withdraw list",
		"withdraw show", "build-withdrawals", "review", "sign", "qr show", "qr read", "batch list", "batch show", "batch discard", "broadcast",
		"confirm", "endpoint add", "endpoint list", "endpoint remove", "notify", "notify list", "notify retry", "sweep",
		"ledger balances", "ledger entries", "ledger credit", "ledger transfer", "reconcile", "halt", "resume", "status", "doctor", "run",
		"backup", "version",
	} {
		c, rest, err := root.Find(strings.Fields(want))
		if err != nil || len(rest) > 0 || c.CommandPath() != "airlock "+want {
			t.Errorf("there is no command %q", want)
		}
	}
	for _, flag := range []string{"home", "json", "chain"} {
		if root.PersistentFlags().Lookup(flag) == nil {
			t.Errorf("there is no flag --%s", flag)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "urls")
	if err := os.WriteFile(list, []byte("# mine\n\n  https://b.example/KEY \nwss://c.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		urls       []string
		say        string // of the error
	}{
		{name: "URLs", text: "[[chain]]\nid = 1\nrpc = [\"https://a.example\"]\n", urls: []string{"https://a.example"}},
		{name: "URLs and a file", text: "[[chain]]\nid = 1\nrpc = [\"https://a.example\"]\nrpc_file = '" + list + "'\n", urls: []string{"https://a.example", "https://b.example/KEY", "wss://c.example"}},
		{name: "another chain", text: "[[chain]]\nid = 2\nrpc = [\"https://a.example\"]\n", say: "has no endpoints of chain 1"},
		{name: "no URL", text: "[[chain]]\nid = 1\n", say: "chain 1 has no endpoint"},
		{name: "no file", text: "[[chain]]\nid = 1\nrpc_file = '" + dir + "/no'\n", say: "no such file"},
		{name: "an unknown setting", text: "[[chain]]\nid = 1\nurl = \"https://SECRET\"\n", say: "line 3: unknown setting chain.url"},
		{name: "no TOML", text: "[[chain]]\nrpc = https://SECRET\n", say: "line 2, column "},
		{name: "another type", text: "[[chain]]\nid = \"SECRET\"\n", say: "line 2, column 6: chain.id: want a whole number, without quotes"},
		{name: "below zero", text: "[[chain]]\nid = 1\nbackup_blocks = -1\n", say: "line 3, column 17: chain.backup_blocks: want a whole number from 0 to 4294967295"},
		{name: "quotes", text: "[[chain]]\nid = 1\ntracing = \"SECRET\"\n", say: "chain.tracing: want true or false"},
		{name: "no quotes", text: "[[chain]]\nid = 1\nfinality_alarm = 5\n", say: "chain.finality_alarm: want text in quotes"},
		{name: "no list", text: "[[chain]]\nid = 1\nrpc = \"https://SECRET\"\n", say: "chain.rpc: want a list of texts"},
		{name: "a key for a setting", text: "[[chain]]\nid = 1\n\"https://SECRET\" = 1\n", say: "line 3: unknown setting in quotes"},
		{name: "a chain twice", text: "[[chain]]\nid = 1\nrpc = [\"https://a.example\"]\n[[chain]]\nid = 1\nunproven = true\n", say: "chain 1 stands there twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), configFile)
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			urls, err := urlsIn(path)
			if c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "SECRET")) {
				t.Errorf("error %v, want %q without what the file says", err, c.say)
			}
			if strings.Contains(c.say, "line") && wallet.Hint(err) == "" {
				t.Errorf("%v: without a way out", err)
			}
			if !slices.Equal(urls, c.urls) {
				t.Errorf("URLs %q, want %q", urls, c.urls)
			}
		})
	}
}

func urlsIn(path string) ([]string, error) {
	cfg, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	return cfg.urls(1)
}

// TestConfigIsRead: what is written is read, and stays when a chain is added.
func TestConfigIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), configFile)
	cfg := (&Config{}).with(ChainConfig{ID: 1, RPC: []string{"https://a.example/\"quoted\""}}).with(ChainConfig{ID: 2, RPCFile: "/urls"}).with(ChainConfig{ID: 2, RPC: []string{"b"}})
	text, err := cfg.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Chains) != 2 || got.Chains[0].RPC[0] != cfg.Chains[0].RPC[0] || got.Chains[1].RPCFile != "" {
		t.Errorf("read %+v, wrote %+v", got, cfg)
	}
}

func TestHosts(t *testing.T) {
	have := hosts([]string{"https://user:KEY@node.example:8545/v3/KEY?k=KEY", "wss://b.example/KEY", "KEY", "::KEY"})
	want := []string{"node.example:8545", "b.example", "(not a URL)", "(not a URL)"}
	if !slices.Equal(have, want) {
		t.Errorf("hosts %q, want %q", have, want)
	}
}

func TestPickChain(t *testing.T) {
	one, two := wallet.Chain{ID: 1}, wallet.Chain{ID: 10}
	for _, c := range []struct {
		name   string
		chains []wallet.Chain
		id     uint64
		want   uint64
		say    string
	}{
		{"the only one", []wallet.Chain{two}, 0, 10, ""},
		{"a named one", []wallet.Chain{one, two}, 10, 10, ""},
		{"several", []wallet.Chain{one, two}, 0, 0, "name one with --chain, of 1, 10"},
		{"another", []wallet.Chain{one, two}, 5, 0, "chain 5 is not in this home, which has 1, 10"},
		{"none", nil, 0, 0, "this home has no chain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pickChain(c.chains, c.id)
			if got.ID != c.want || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
				t.Errorf("chain %d, %v; want %d, %q", got.ID, err, c.want, c.say)
			}
		})
	}
}
