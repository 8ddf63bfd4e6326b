package book

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// MaxSymbol and MaxName bound a token's symbol and name, in characters.
const (
	MaxSymbol = 20
	MaxName   = 60
)

// plainSymbol is a symbol that reads the same to everybody. Others are taken
// only where the operator writes them.
var plainSymbol = regexp.MustCompile(`^[A-Za-z0-9$][A-Za-z0-9$._+-]*$`)

// ErrImitation says that a token's symbol could be taken for that of another
// asset of the chain.
var ErrImitation = errors.New("could be taken for another asset")

// AddTokens registers tokens of one chain, all of them or none. A token that is
// registered already must have the same decimals and symbol. Unless sameSymbols
// is set, a symbol that reads like that of another asset is refused with
// ErrImitation. The balances of tokens that lie on addresses of the house are
// to be read as opening balances. It returns the tokens that were new.
func (b *Book) AddTokens(ctx context.Context, chain uint64, tokens []wallet.Asset, sameSymbols bool) (added []wallet.Asset, err error) {
	for _, t := range tokens {
		if err := checkToken(chain, t); err != nil {
			return nil, wallet.As(wallet.ErrUsage, "%w", err)
		}
	}
	err = b.DB.Update(ctx, func(tx store.Tx) error {
		added = nil
		alikes, err := ReadAlikes(tx, chain)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			known, err := registered(tx, t)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			if other, ok := alikes.Of(t.Symbol); ok && !sameSymbols {
				return wallet.WithHint(wallet.As(wallet.ErrRefused, "token %s: its symbol %q %w: %s is %s", t.ID.Contract, t.Symbol, ErrImitation, other.Symbol, other.ID),
					"check the contract's address; --symbol gives it another symbol, --accept-risk=same-symbol registers it all the same")
			}
			alikes.add(t)
			if err := addToken(tx, t); err != nil {
				return err
			}
			added = append(added, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// checkToken reports why a token cannot be registered as it is described.
func checkToken(chain uint64, t wallet.Asset) error {
	if t.ID.ChainID != chain || t.ID.IsCoin() {
		return fmt.Errorf("asset %s is not a token of chain %d", t.ID, chain)
	}
	if t.ID.Contract == params.SystemAddress {
		return fmt.Errorf("token %s: is no contract; ether leaves its logs there (EIP-7708) and is counted without them", t.ID.Contract)
	}
	if t.Decimals > wallet.MaxDecimals {
		return fmt.Errorf("token %s: %d decimals, want at most %d", t.ID.Contract, t.Decimals, wallet.MaxDecimals)
	}
	if err := CheckSymbol(t.Symbol); err != nil {
		return fmt.Errorf("token %s: %w", t.ID.Contract, err)
	}
	if utf8.RuneCountInString(t.Name) > MaxName || !printable(t.Name) {
		return fmt.Errorf("token %s: name %q: want at most %d printable characters", t.ID.Contract, t.Name, MaxName)
	}
	return nil
}

// CheckSymbol refuses a symbol that could not be typed or shown safely: it
// must have 1 to MaxSymbol printable characters, no spaces, and must not be
// read as a contract or an asset identifier.
func CheckSymbol(s string) error {
	if n := utf8.RuneCountInString(s); n == 0 || n > MaxSymbol || !printable(s) || strings.ContainsFunc(s, unicode.IsSpace) {
		return fmt.Errorf("symbol %q: want 1 to %d printable characters without spaces", s, MaxSymbol)
	}
	if strings.ContainsFunc(s, invisible) {
		return fmt.Errorf("symbol %+q: has characters that cannot be seen", s)
	}
	if strings.Contains(s, ":") || strings.HasPrefix(strings.ToLower(s), "0x") {
		return fmt.Errorf("symbol %q: would be read as an address or an asset identifier", s)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func registered(tx store.Tx, t wallet.Asset) (bool, error) {
	known, err := store.IsToken(tx, t.ID.ChainID, t.ID.Contract)
	if err != nil || !known {
		return false, err
	}
	have, err := store.Asset(tx, t.ID)
	if err != nil {
		return false, err
	}
	if have.Decimals != t.Decimals || have.Symbol != t.Symbol {
		return false, wallet.As(wallet.ErrConflict, "token %s is registered as %s with %d decimals, not as %s with %d: neither can change once amounts are booked",
			t.ID.Contract, have.Symbol, have.Decimals, t.Symbol, t.Decimals)
	}
	return true, nil
}

func addToken(tx store.Tx, t wallet.Asset) error {
	if ours, err := store.IsOurs(tx, t.ID.Contract); err != nil {
		return err
	} else if ours {
		return wallet.As(wallet.ErrUsage, "token %s: is an address of this home, not a contract", t.ID.Contract)
	}
	if err := store.PutToken(tx, t); err != nil {
		return err
	}
	// What moved of it while nobody knew it is credited by reading those blocks
	// again.
	if n, err := store.CountUnknownBlocks(tx, t.ID.ChainID, t.ID.Contract, 1); err != nil {
		return err
	} else if n > 0 {
		if err := store.MarkTokenDue(tx, t.ID.ChainID, t.ID.Contract); err != nil {
			return err
		}
	}
	// Sweeps empty deposit addresses and scanning saw what came to them; what
	// the house held of the token before has no other entry, nor has what came
	// to addresses that were in use before.
	old, err := store.OldAddresses(tx)
	if err != nil {
		return err
	}
	for _, a := range old {
		if err := store.MarkUnopened(tx, a, t.ID); err != nil {
			return err
		}
	}
	for _, role := range wallet.SenderRoles() {
		if _, _, err := openFrom(tx, t.ID, role, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// Caller calls a contract, as go-ethereum's ethclient does.
type Caller interface {
	CodeAt(ctx context.Context, account common.Address, block *big.Int) ([]byte, error)
	CallContract(ctx context.Context, msg ethereum.CallMsg, block *big.Int) ([]byte, error)
}

// maxSaid bounds what is kept of what a contract calls itself.
const maxSaid = 100

// Metadata is what a token's contract says of itself. A contract may say
// anything, so it is only a proposal.
type Metadata struct {
	Said     string // the symbol in the contract's own words, whatever is in them; at most maxSaid bytes
	Symbol   string // "" if the contract does not say, or not in plain ASCII
	Name     string // likewise
	Decimals uint8
	// NoDecimals is set if the contract does not say how many decimals it has.
	NoDecimals bool
}

// Selectors of the optional functions of ERC-20.
var (
	selSymbol   = []byte{0x95, 0xd8, 0x9b, 0x41}
	selName     = []byte{0x06, 0xfd, 0xde, 0x03}
	selDecimals = []byte{0x31, 0x3c, 0xe5, 0x67}
)

// ReadMetadata asks a contract for its symbol, name and decimals. It refuses
// an address without code.
func ReadMetadata(ctx context.Context, c Caller, contract common.Address) (m Metadata, err error) {
	code, err := c.CodeAt(ctx, contract, nil)
	if err != nil {
		return m, err
	}
	if len(code) == 0 {
		return m, wallet.WithHint(wallet.As(wallet.ErrUsage, "token %s: there is no contract at this address", contract), "check the address, and that it is one of this chain")
	}
	answer := func(selector []byte) ([]byte, error) {
		out, err := c.CallContract(ctx, ethereum.CallMsg{To: &contract, Data: selector}, nil)
		if errors.Is(err, wallet.ErrUnreachable) || ctx.Err() != nil {
			return nil, err
		}
		return out, nil // a function that reverts or is missing says nothing
	}
	symbol, err := answer(selSymbol)
	if err != nil {
		return m, err
	}
	name, err := answer(selName)
	if err != nil {
		return m, err
	}
	decimals, err := answer(selDecimals)
	if err != nil {
		return m, err
	}
	m.Said = decodeText(symbol)
	if plainSymbol.MatchString(m.Said) && CheckSymbol(m.Said) == nil {
		m.Symbol = m.Said
	}
	m.Said = m.Said[:min(len(m.Said), maxSaid)]
	if s := decodeText(name); utf8.RuneCountInString(s) <= MaxName && printable(s) {
		m.Name = s
	}
	if n := new(big.Int).SetBytes(decimals); len(decimals) == 32 && n.IsUint64() && n.Uint64() <= wallet.MaxDecimals {
		m.Decimals = uint8(n.Uint64())
	} else {
		m.NoDecimals = true
	}
	return m, nil
}

// decodeText reads what a function that returns a string returned: an ABI
// string, or the bytes32 of older tokens (such as MKR) without the zeros at
// its end. It returns "" for anything else.
func decodeText(out []byte) string {
	if len(out) == 32 {
		return strings.TrimRight(string(out), "\x00")
	}
	if len(out) < 64 {
		return ""
	}
	offset, length := new(big.Int).SetBytes(out[:32]), new(big.Int).SetBytes(out[32:64])
	if offset.Cmp(big.NewInt(32)) != 0 || length.Cmp(big.NewInt(int64(len(out)-64))) > 0 {
		return ""
	}
	return string(out[64 : 64+length.Int64()])
}

// DueBlocks counts the blocks that hold transfers of a token from before it was
// registered and were not read again yet, up to limit.
func DueBlocks(tx store.Tx, token wallet.AssetID, limit int) (int, error) {
	due, err := store.IsTokenDue(tx, token.ChainID, token.Contract)
	if err != nil || !due {
		return 0, err
	}
	return store.CountUnknownBlocks(tx, token.ChainID, token.Contract, limit)
}
