package online

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

// Config is config.toml: how the chains of the home are reached. What must
// never change (genesis, finality, start block) is in the store.
type Config struct {
	Chains []ChainConfig `toml:"chain"`
}

// ChainConfig says where a chain is reached. URLs may hold keys, so the file
// has mode 0600 and nothing but their hosts is ever printed.
type ChainConfig struct {
	ID uint64 `toml:"id"`
	// RPC are the URLs of endpoints: http, https, ws or wss, in the order of
	// preference.
	RPC []string `toml:"rpc,omitempty"`
	// RPCFile holds more of them, one per line. It is read whenever a command
	// connects, so that keys can be changed in one place.
	RPCFile string `toml:"rpc_file,omitempty"`
	// Unproven takes blocks whose content cannot be proven as the endpoints say.
	Unproven bool `toml:"unproven,omitempty"`
	// CompareBlocks is within how many blocks the coin on all addresses is
	// compared with the books; 0 is never. Without it scanning chooses.
	CompareBlocks *uint32 `toml:"compare_blocks,omitempty"`
	// FinalityAlarm is how far the final block may lie below the head, as Go
	// writes durations; "0" any. BackupBlocks is how many final blocks a scan
	// reads a second time at most; 0 none.
	FinalityAlarm string  `toml:"finality_alarm,omitempty"`
	BackupBlocks  *uint32 `toml:"backup_blocks,omitempty"`
	// Tracing is whether endpoints are asked what calls inside transactions
	// moved; nil is yes. It finds coin that contracts pay.
	Tracing *bool `toml:"tracing,omitempty"`
	// Window is how many transactions of a sender that are not mined nodes are
	// given at most. A rung that pays too little gets ClimbAfter, as Go writes
	// durations, and ClimbBlocks before the next one is offered.
	Window      *uint32 `toml:"window,omitempty"`
	ClimbAfter  string  `toml:"climb_after,omitempty"`
	ClimbBlocks *uint32 `toml:"climb_blocks,omitempty"`
	// Rebalance says how much is to lie on the addresses that pay.
	Rebalance []RebalanceConfig `toml:"rebalance,omitempty"`
}

// RebalanceConfig are the marks of an asset on each address of a role, in whole
// units.
type RebalanceConfig struct {
	Role  string `toml:"role"`  // payout, gas or float
	Asset string `toml:"asset"` // symbol or contract
	Low   string `toml:"low"`
	High  string `toml:"high"`
}

const configHead = `# How this home reaches its chains. URLs may hold keys: keep this file to
# yourself (mode 0600). Everything else is in airlock.db.

`

// Config reads config.toml.
func (s *Station) Config() (*Config, error) {
	if err := s.CheckHome("airlock init"); err != nil {
		return nil, err
	}
	return readConfig(s.Path(configFile))
}

func readConfig(path string) (*Config, error) {
	raw, err := secretfile.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wallet.WithHint(fmt.Errorf("there is no %s", path), "airlock init makes it; after a loss, write it again: docs/operations.md has an example")
	}
	if err != nil {
		return nil, err
	}
	var c Config
	dec := toml.NewDecoder(strings.NewReader(string(raw))).DisallowUnknownFields()
	err = dec.Decode(&c)
	if err != nil {
		err = tomlError(err)
	} else {
		err = c.check()
	}
	if err != nil {
		return nil, wallet.WithHint(fmt.Errorf("%s: %w", path, err), "docs/operations.md shows what it may hold")
	}
	return &c, nil
}

// check refuses what no single setting shows: of two tables of one chain, some
// settings would come from the one and some from the other.
func (c *Config) check() error {
	seen := map[uint64]bool{}
	for _, chain := range c.Chains {
		if seen[chain.ID] {
			return fmt.Errorf("chain %d stands there twice: write all its settings under one [[chain]]", chain.ID)
		}
		seen[chain.ID] = true
	}
	return nil
}

// tomlError says where a file is wrong without quoting it: it may hold keys.
func tomlError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := strict.Errors[0]
		row, _ := e.Position()
		return fmt.Errorf("line %d: unknown setting %s", row, settingName(e.Key()))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, column := decode.Position()
		what := decode.Error()
		if want := wanted(decode.Key()); want != "" {
			what = settingName(decode.Key()) + ": want " + want
		}
		return fmt.Errorf("line %d, column %d: %s", row, column, what)
	}
	return err
}

// settingName is the name of a setting, unless it is in quotes and may be
// anything.
func settingName(key toml.Key) string {
	name := strings.Join(key, ".")
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_.") != "" {
		return "in quotes or with strange characters"
	}
	return name
}

// wanted says in people's words what a setting of a chain takes, or nothing if
// there is none of that name.
func wanted(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	for _, f := range append(reflect.VisibleFields(reflect.TypeFor[ChainConfig]()), reflect.VisibleFields(reflect.TypeFor[RebalanceConfig]())...) {
		if name, _, _ := strings.Cut(f.Tag.Get("toml"), ","); name != key[len(key)-1] {
			continue
		}
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.String:
			return "text in quotes"
		case reflect.Bool:
			return "true or false, without quotes"
		case reflect.Slice:
			if t.Elem().Kind() == reflect.Struct {
				return "a list of tables: [[chain." + key[len(key)-1] + "]]"
			}
			return `a list of texts: ["…", "…"]`
		case reflect.Uint32:
			return "a whole number from 0 to 4294967295, without quotes"
		default:
			return "a whole number, without quotes"
		}
	}
	return ""
}

func (c *Config) encode() ([]byte, error) {
	body, err := toml.Marshal(c)
	return append([]byte(configHead), body...), err
}

// with is the same settings with those of one more chain, in place of any that
// it had.
func (c *Config) with(one ChainConfig) *Config {
	chains := slices.DeleteFunc(slices.Clone(c.Chains), func(have ChainConfig) bool { return have.ID == one.ID })
	return &Config{Chains: append(chains, one)}
}

// unproven reports whether blocks of a chain are taken that cannot be proven.
func (c *Config) unproven(id uint64) bool {
	return slices.ContainsFunc(c.Chains, func(chain ChainConfig) bool { return chain.ID == id && chain.Unproven })
}

// compareBlocks is a chain's setting as scanner.Options has it.
func (c *Config) compareBlocks(id uint64) int {
	for _, chain := range c.Chains {
		switch n := chain.CompareBlocks; {
		case chain.ID != id || n == nil:
		case *n == 0:
			return -1
		default:
			return int(*n)
		}
	}
	return 0
}

// traces reports whether calls of a chain's transactions are traced.
func (c *Config) traces(id uint64) bool {
	return !slices.ContainsFunc(c.Chains, func(c ChainConfig) bool { return c.ID == id && c.Tracing != nil && !*c.Tracing })
}

// urls are the endpoints of a chain.
func (c *Config) urls(id uint64) ([]string, error) {
	for _, chain := range c.Chains {
		if chain.ID == id {
			return chain.urls()
		}
	}
	return nil, wallet.WithHint(fmt.Errorf("%s has no endpoints of chain %d", configFile, id), "add a [[chain]] with this id and its rpc")
}

func (c ChainConfig) urls() ([]string, error) {
	urls := slices.Clone(c.RPC)
	if c.RPCFile != "" {
		raw, err := secretfile.ReadSecret(c.RPCFile)
		if err != nil {
			return nil, fmt.Errorf("rpc_file of chain %d: %w", c.ID, err)
		}
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				urls = append(urls, line)
			}
		}
	}
	if len(urls) == 0 {
		return nil, wallet.As(wallet.ErrUsage, "chain %d has no endpoint: give --rpc or --rpc-file", c.ID)
	}
	return urls, nil
}

// hosts are what may be printed of URLs.
func hosts(urls []string) []string {
	list := make([]string, 0, len(urls))
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			list = append(list, u.Host)
		} else {
			list = append(list, "(not a URL)")
		}
	}
	return list
}
