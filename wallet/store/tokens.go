package store

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// PutToken registers a token of a chain.
func PutToken(tx Tx, a wallet.Asset) error {
	if err := put(tx, keyOf(tToken, a.ID.ChainID, a.ID.Contract), a); err != nil {
		return err
	}
	return mark(tx, keyOf(tTokenSym, a.ID.ChainID, strings.ToLower(a.Symbol), a.ID.Contract))
}

// IsToken reports whether a contract is a registered token.
func IsToken(tx Tx, chain uint64, contract common.Address) (bool, error) {
	return has(tx, keyOf(tToken, chain, contract))
}

// Asset returns the coin or a registered token.
func Asset(tx Tx, id wallet.AssetID) (wallet.Asset, error) {
	if id.IsCoin() {
		c, err := Chain(tx, id.ChainID)
		return c.Coin, err
	}
	a, ok, err := get[wallet.Asset](tx, keyOf(tToken, id.ChainID, id.Contract))
	if err == nil && !ok {
		err = wallet.WithHint(wallet.As(wallet.ErrNotFound, "token %s is not registered on chain %d", id.Contract, id.ChainID),
			"airlock token add %s registers it", id.Contract)
	}
	return a, err
}

// Tokens lists the registered tokens of a chain, by contract.
func Tokens(tx Tx, chain uint64) ([]wallet.Asset, error) {
	return values[wallet.Asset](tx, under(keyOf(tToken, chain)))
}

// FindAsset finds what a person names: the coin's or a token's symbol (in any
// case), a contract address, or a CAIP-19 identifier. A symbol that several
// assets of the chain bear is refused.
func FindAsset(tx Tx, chain uint64, name string) (wallet.Asset, error) {
	if strings.Contains(name, ":") {
		id, err := wallet.ParseAssetID(name)
		if err != nil {
			return wallet.Asset{}, wallet.As(wallet.ErrUsage, "%w", err)
		}
		if id.ChainID != chain {
			return wallet.Asset{}, wallet.As(wallet.ErrUsage, "asset %s is of chain %d, not %d", name, id.ChainID, chain)
		}
		return Asset(tx, id)
	}
	if strings.HasPrefix(name, "0x") {
		contract, err := wallet.ParseAddress(name)
		if err != nil {
			return wallet.Asset{}, wallet.As(wallet.ErrUsage, "%w", err)
		}
		return Asset(tx, wallet.Token(chain, contract))
	}
	c, err := Chain(tx, chain)
	if err != nil {
		return wallet.Asset{}, err
	}
	var found []wallet.Asset
	if strings.EqualFold(c.Coin.Symbol, name) {
		found = append(found, c.Coin)
	}
	prefix := keyOf(tTokenSym, chain, strings.ToLower(name))
	var contracts []common.Address
	if err := tx.Scan(under(prefix), func(k, _ []byte) error {
		contracts = append(contracts, common.BytesToAddress(k[len(prefix):]))
		return nil
	}); err != nil {
		return wallet.Asset{}, err
	}
	for _, contract := range contracts {
		a, err := Asset(tx, wallet.Token(chain, contract))
		if err != nil {
			return wallet.Asset{}, err
		}
		found = append(found, a)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return wallet.Asset{}, wallet.WithHint(wallet.As(wallet.ErrUsage, "asset %q: no coin or registered token of chain %d has this symbol", name, chain),
			"airlock token list shows what is registered; airlock token add registers a token")
	default:
		var ids []string
		for _, a := range found {
			ids = append(ids, a.ID.String())
		}
		return wallet.Asset{}, wallet.WithHint(wallet.As(wallet.ErrUsage, "asset %q: %d assets of chain %d have this symbol: %s", name, len(found), chain, strings.Join(ids, ", ")),
			"name the contract instead")
	}
}
