// Package policy says what the signing station may sign. A policy is a TOML
// file that a person writes; evaluating it is pure.
//
// What the file does not allow is refused, unless it says open = true: then
// whatever it does not limit is not limited. docs/formats.md describes it,
// and the presets explain every key.
package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/pelletier/go-toml/v2"

	"github.com/airlock-wallet/airlock/wallet"
)

// File is the name of the policy in a station's home.
const File = "policy.toml"

const (
	version      = 1
	maxSize      = 16 << 20 // bytes; room for a long list of recipients
	coinDecimals = 18
	gweiDecimals = 9
)

// Policy is a policy that was read and found consistent.
type Policy struct {
	Hash string // SHA-256 of the file, in hex
	// Open says that what is not limited below is not limited at all.
	Open     bool
	MaxAge   time.Duration // since a batch was built; 0 is no limit
	MaxItems int           // of a batch; 0 is no limit
	Chains   map[uint64]Chain
	Assets   map[wallet.AssetID]Asset

	chains []uint64         // in the order of the file
	assets []wallet.AssetID // in the order of the file
}

// Chain is what is allowed on one chain.
type Chain struct {
	ID uint64
	// MaxFeePerGas is the highest max_fee_per_gas of any rung, in wei; nil is
	// no limit.
	MaxFeePerGas *wallet.Amount
	// MaxFeePerBatch is the most that all items may cost in gas at their top
	// rungs, in wei; nil is no limit.
	MaxFeePerBatch *wallet.Amount
	// Treasury is where sweeps may go beside the vault's own treasury
	// addresses; the zero address if there is none.
	Treasury common.Address
	// Recipients are the only ones that withdrawals may pay; nil is anyone.
	Recipients map[common.Address]bool
}

// Asset is how much withdrawals may pay of one asset. Sweeps and top-ups stay
// in the vault or go to the pinned treasury, so only their fees are limited.
type Asset struct {
	ID                wallet.AssetID
	Symbol            string
	Decimals          uint8
	MaxPerTransaction *wallet.Amount // base units; nil is no limit
	MaxPerBatch       *wallet.Amount // base units; nil is no limit
}

// The file, as TOML has it. Pointers tell what is not there.
type file struct {
	Version  int64        `toml:"version"`
	Open     bool         `toml:"open"`
	MaxAge   *string      `toml:"max_age"`
	MaxItems *int         `toml:"max_items"`
	Chains   []chainTable `toml:"chain"`
	Assets   []assetTable `toml:"asset"`
}

type chainTable struct {
	ID             uint64    `toml:"id"`
	MaxFeePerGas   *string   `toml:"max_fee_per_gas_gwei"`
	MaxFeePerBatch *string   `toml:"max_fee_per_batch"`
	Treasury       *string   `toml:"treasury"`
	Recipients     *[]string `toml:"recipients"`
}

type assetTable struct {
	Asset             string  `toml:"asset"`
	Symbol            string  `toml:"symbol"`
	Decimals          *int64  `toml:"decimals"`
	MaxPerTransaction *string `toml:"max_per_transaction"`
	MaxPerBatch       *string `toml:"max_per_batch"`
}

// Load reads the policy at path. A missing file and a file that is no policy
// are errors of [wallet.ErrRefused], since nothing is signed without one; the
// first wraps [os.ErrNotExist] too.
func Load(path string) (*Policy, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, wallet.WithHint(wallet.As(wallet.ErrRefused, "there is no policy, and without one nothing is signed: %w", err),
			"policy init writes one that allows nothing until it is filled in; policy check explains it")
	}
	if err != nil {
		return nil, wallet.As(wallet.ErrRefused, "policy: %w", err)
	}
	p, err := Parse(raw)
	if err != nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrRefused, "policy %s: %w", path, err), "correct the file, then look at it with policy check")
	}
	return p, nil
}

// Parse reads a policy. Unknown keys and keys of another type are refused
// with their line and column, and so is a limit that is missing from a policy
// which is not open.
func Parse(raw []byte) (*Policy, error) {
	if len(raw) > maxSize {
		return nil, fmt.Errorf("%d bytes: a policy has at most %d", len(raw), maxSize)
	}
	var f file
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&f); err != nil {
		return nil, readError(err)
	}
	if err := checkCase(raw); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	p := &Policy{
		Hash: hex.EncodeToString(sum[:]), Open: f.Open,
		Chains: map[uint64]Chain{}, Assets: map[wallet.AssetID]Asset{},
	}
	if f.Version != version {
		return nil, fmt.Errorf("version = %d: want version = %d", f.Version, version)
	}
	if err := p.readGeneral(f); err != nil {
		return nil, err
	}
	for i, t := range f.Chains {
		if err := p.readChain(t); err != nil {
			return nil, fmt.Errorf("[[chain]] number %d (id = %d): %w", i+1, t.ID, err)
		}
	}
	for i, t := range f.Assets {
		if err := p.readAsset(t); err != nil {
			return nil, fmt.Errorf("[[asset]] number %d (asset = %.100q): %w", i+1, t.Asset, err)
		}
	}
	return p, nil
}

// readError gives an error of the TOML library its line and column.
func readError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := &strict.Errors[0]
		row, column := e.Position()
		return fmt.Errorf("line %d, column %d: there is no key %q", row, column, strings.Join(e.Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, column := decode.Position()
		return fmt.Errorf("line %d, column %d: %s", row, column, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return err
}

// checkCase refuses keys in upper case. The library takes them for ours, and
// the same key in two cases for one, of which the last counts.
func checkCase(raw []byte) error {
	var tree map[string]any
	if err := toml.Unmarshal(raw, &tree); err != nil {
		return readError(err)
	}
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if err := walk(e); err != nil {
					return err
				}
			}
		case map[string]any:
			for k, e := range v {
				if k != strings.ToLower(k) {
					return fmt.Errorf("there is no key %q: keys are written in lower case", k)
				}
				if err := walk(e); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(tree)
}

func (p *Policy) missing(key, what string) error {
	if p.Open {
		return nil
	}
	return fmt.Errorf("%s is missing: %s, or say open = true to limit nothing that is not written", key, what)
}

func (p *Policy) readGeneral(f file) error {
	if f.MaxAge == nil {
		if err := p.missing("max_age", "say how old a batch may be"); err != nil {
			return err
		}
	} else {
		d, err := time.ParseDuration(*f.MaxAge)
		if err != nil || d <= 0 {
			return fmt.Errorf("max_age = %q: want a time such as \"48h\"", *f.MaxAge)
		}
		p.MaxAge = d
	}
	if f.MaxItems == nil {
		return p.missing("max_items", "say how many transactions a batch may have")
	}
	if *f.MaxItems <= 0 {
		return fmt.Errorf("max_items = %d: want a number above zero", *f.MaxItems)
	}
	p.MaxItems = *f.MaxItems
	return nil
}

func (p *Policy) readChain(t chainTable) error {
	if _, twice := p.Chains[t.ID]; twice {
		return errors.New("the chain stands twice")
	}
	if t.ID == 0 {
		return errors.New("id is missing: want the chain's EIP-155 id")
	}
	c := Chain{ID: t.ID}
	var err error
	if c.MaxFeePerGas, err = p.amount("max_fee_per_gas_gwei", t.MaxFeePerGas, gweiDecimals, "say what gas may cost"); err != nil {
		return err
	}
	if c.MaxFeePerBatch, err = p.amount("max_fee_per_batch", t.MaxFeePerBatch, coinDecimals, "say what the gas of a batch may cost"); err != nil {
		return err
	}
	if t.Treasury != nil {
		if c.Treasury, err = address(*t.Treasury); err != nil {
			return fmt.Errorf("treasury: %w", err)
		}
	}
	if t.Recipients != nil {
		c.Recipients = make(map[common.Address]bool, len(*t.Recipients))
		for i, s := range *t.Recipients {
			a, err := address(s)
			if err != nil {
				return fmt.Errorf("recipients, number %d: %w", i+1, err)
			}
			c.Recipients[a] = true
		}
	}
	p.Chains[c.ID] = c
	p.chains = append(p.chains, c.ID)
	return nil
}

func (p *Policy) readAsset(t assetTable) error {
	id, err := wallet.ParseAssetID(t.Asset)
	if err != nil {
		return err
	}
	if _, twice := p.Assets[id]; twice {
		return errors.New("the asset stands twice")
	}
	if _, ok := p.Chains[id.ChainID]; !ok {
		return fmt.Errorf("there is no [[chain]] with id = %d", id.ChainID)
	}
	if t.Symbol == "" || t.Decimals == nil {
		return errors.New("symbol and decimals are needed, to compare with what a batch says of the asset")
	}
	if *t.Decimals < 0 || *t.Decimals > wallet.MaxDecimals {
		return fmt.Errorf("decimals = %d: want 0 to %d", *t.Decimals, wallet.MaxDecimals)
	}
	if id.IsCoin() && *t.Decimals != coinDecimals {
		return fmt.Errorf("decimals = %d: a chain's coin has %d", *t.Decimals, coinDecimals)
	}
	a := Asset{ID: id, Symbol: t.Symbol, Decimals: uint8(*t.Decimals)}
	if a.MaxPerTransaction, err = p.amount("max_per_transaction", t.MaxPerTransaction, a.Decimals, "say how much one withdrawal may pay"); err != nil {
		return err
	}
	if a.MaxPerBatch, err = p.amount("max_per_batch", t.MaxPerBatch, a.Decimals, "say how much the withdrawals of a batch may pay"); err != nil {
		return err
	}
	p.Assets[id] = a
	p.assets = append(p.assets, id)
	return nil
}

// amount reads a limit in whole units. It never rounds.
func (p *Policy) amount(key string, text *string, decimals uint8, what string) (*wallet.Amount, error) {
	if text == nil {
		return nil, p.missing(key, what)
	}
	a, err := wallet.ParseDecimal(*text, decimals)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &a, nil
}

func address(s string) (common.Address, error) {
	a, err := wallet.ParseAddress(s)
	if err == nil && a == (common.Address{}) {
		err = errors.New("the zero address")
	}
	return a, err
}
