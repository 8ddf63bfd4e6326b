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
	"reflect"
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

// Policy is a policy that was read and found consistent. A limit that is nil
// is none; only an open policy lacks limits.
type Policy struct {
	Hash string // SHA-256 of the file, in hex
	// Open says that what is not limited below is not limited at all.
	Open     bool
	MaxAge   time.Duration // since a batch was built; 0 is no limit
	MaxItems int           // of a batch; 0 is no limit
	// Allow are the kinds of intent that may be signed, and Replacement; nil is
	// all.
	Allow map[wallet.IntentKind]bool
	// Roles are those whose addresses may send; nil is all.
	Roles map[wallet.Role]bool
	// Blocked get nothing on any chain, whatever else says that they may.
	Blocked map[common.Address]bool
	// Approvals is how many approvers must sign any batch. Assets may ask for
	// more.
	Approvals int
	Approvers []Person
	// RequestsSigned says that every withdrawal needs the signature of one of
	// the requesters.
	RequestsSigned bool
	Requesters     []Person
	Chains         map[uint64]Chain
	Assets         map[wallet.AssetID]Asset

	chains []uint64         // in the order of the file
	assets []wallet.AssetID // in the order of the file
}

// Replacement is the permission to sign, at a nonce at which something was
// signed, something else that is no cancel.
const Replacement wallet.IntentKind = "replacement"

// Person is an approver or a requester: who has the key of an address.
type Person struct {
	Name    string         `json:"name"`
	Address common.Address `json:"address"`
}

// Chain is what is allowed on one chain.
type Chain struct {
	ID uint64
	// MaxFeePerGas is the highest max_fee_per_gas of any rung, in wei.
	MaxFeePerGas *wallet.Amount
	// MaxFeePerTransaction and MaxFeePerBatch are the most that an item and all
	// items may cost in gas at their top rungs, in wei.
	MaxFeePerTransaction, MaxFeePerBatch *wallet.Amount
	// Treasury is where sweeps and rebalances may go beside the vault's own
	// treasury addresses; the zero address if there is none.
	Treasury common.Address
	// Float is where rebalances from treasury addresses may go beside the vault's
	// own payout and gas addresses: a payout address of another vault. It is the
	// zero address if there is none.
	Float common.Address
	// Recipients are the only ones that withdrawals may pay; nil is anyone.
	Recipients map[common.Address]bool
	// RecipientsDelay is how long after the station first saw it a recipient
	// counts.
	RecipientsDelay time.Duration
	// CoinPayments lets the contract that pays many pay coin, also in an open
	// policy only where it is said: many receivers do not credit what a contract
	// sends, and where the contract is not on the chain, the coin is lost.
	CoinPayments bool
	// Contracts may be called with these methods beside the tokens of the
	// policy's assets.
	Contracts []Contract
}

// Contract is one that may be called.
type Contract struct {
	Address common.Address
	Methods []string // signatures such as TransferMethod
}

// TransferMethod is the only method that a batch can call (ERC-20).
const TransferMethod = "transfer(address,uint256)"

// Asset is how much withdrawals may pay of one asset. Sweeps, top-ups and
// rebalances stay in the vault or go to the pinned treasury, so only their
// fees are limited.
type Asset struct {
	ID       wallet.AssetID
	Symbol   string
	Decimals uint8
	// The limits are in base units. That of a recipient, of a day and of a week
	// hold within any 24 hours or seven days, the batch included.
	MaxPerTransaction, MaxPerBatch, MaxPerRecipient, MaxPerDay, MaxPerWeek *wallet.Amount
	// Tiers ask for more approvals the more is paid, rising in both.
	Tiers []Tier
}

// Tier is how many approvals a batch needs that pays more than an amount. What
// counts is what withdrawals of the asset are signed for within any 24 hours,
// the batch included, so that splitting a batch needs no fewer.
type Tier struct {
	Above     wallet.Amount // base units
	Approvals int
}

// AllowsNothing says that nothing can be signed under the policy, because it
// names no chain.
func (p *Policy) AllowsNothing() bool { return !p.Open && len(p.Chains) == 0 }

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
	if err := checkKeys(raw); err != nil {
		return nil, err
	}
	if f.Version != version {
		return nil, fmt.Errorf("version = %d: want version = %d", f.Version, version)
	}
	sum := sha256.Sum256(raw)
	p := &Policy{
		Hash: hex.EncodeToString(sum[:]), Open: f.Open,
		Chains: map[uint64]Chain{}, Assets: map[wallet.AssetID]Asset{},
	}
	if err := p.read(f); err != nil {
		return nil, err
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
		what := strings.TrimPrefix(decode.Error(), "toml: ")
		if want := wanted(decode.Key()); want != "" && strings.HasPrefix(what, "cannot decode") {
			what = fmt.Sprintf("%s: want %s", strings.Join(decode.Key(), "."), want)
		}
		return fmt.Errorf("line %d, column %d: %s", row, column, what)
	}
	return err
}

// wanted says in words what a key of the file takes, or nothing of a key that
// there is not. The library would name a type of Go.
func wanted(key []string) string {
	t := reflect.TypeFor[file]()
	for _, name := range key {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return ""
		}
		field, ok := reflect.StructField{}, false
		for f := range t.Fields() {
			if f.Tag.Get("toml") == name {
				field, ok = f, true
			}
		}
		if !ok {
			return ""
		}
		t = field.Type
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return `text in quotes, such as "1.5"`
	case reflect.Bool:
		return "true or false, without quotes"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number, without quotes"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return `a list of texts, such as ["…", "…"]`
		}
		return "a list of tables"
	}
	return ""
}

// checkKeys refuses what the library takes for something else: keys in upper
// case for ours, and the same key in two cases for one, of which the last counts;
// a table for a list of one.
func checkKeys(raw []byte) error {
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
				if _, table := e.(map[string]any); table {
					return fmt.Errorf("%s = a table: want a list of tables, as in [[%[1]s]]", k)
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
