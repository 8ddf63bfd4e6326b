package wallet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// AssetID names an asset: the coin of a chain (zero Contract) or a token
// contract on it. Its text form is a CAIP-19 identifier, eip155:1/slip44:60
// for the coin and eip155:1/erc20:0x… for a token; the SLIP-44 number is 60
// on every chain here, since the keys are derived with it.
type AssetID struct {
	ChainID  uint64
	Contract common.Address
}

// Coin is the asset that pays for gas on a chain.
func Coin(chainID uint64) AssetID { return AssetID{ChainID: chainID} }

// Token is the asset of a token contract.
func Token(chainID uint64, contract common.Address) AssetID {
	return AssetID{ChainID: chainID, Contract: contract}
}

// IsCoin reports whether the asset is the chain's own coin.
func (a AssetID) IsCoin() bool { return a.Contract == common.Address{} }

func (a AssetID) String() string {
	if a.IsCoin() {
		return fmt.Sprintf("eip155:%d/slip44:60", a.ChainID)
	}
	return fmt.Sprintf("eip155:%d/erc20:%s", a.ChainID, a.Contract.Hex())
}

// MarshalText writes the CAIP-19 identifier.
func (a AssetID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the form that MarshalText writes.
func (a *AssetID) UnmarshalText(b []byte) error {
	id, err := ParseAssetID(string(b))
	if err != nil {
		return err
	}
	*a = id
	return nil
}

// ParseAssetID reads a CAIP-19 identifier in exactly the form of String.
func ParseAssetID(s string) (AssetID, error) {
	bad := fmt.Errorf("asset %.100q: want eip155:CHAIN/slip44:60 or eip155:CHAIN/erc20:ADDRESS", s)
	chain, asset, ok := strings.Cut(s, "/")
	if !ok {
		return AssetID{}, bad
	}
	id, err := strconv.ParseUint(strings.TrimPrefix(chain, "eip155:"), 10, 64)
	if err != nil {
		return AssetID{}, bad
	}
	a := AssetID{ChainID: id}
	if contract, ok := strings.CutPrefix(asset, "erc20:"); ok {
		if a.Contract, err = ParseAddress(contract); err != nil {
			return AssetID{}, err
		}
	}
	if a.String() != s {
		return AssetID{}, bad
	}
	return a, nil
}

// Asset is what we know of an asset. Symbol and Name of a token come from the
// operator or a token list, never unchecked from the chain.
type Asset struct {
	ID       AssetID `json:"id"`
	Symbol   string  `json:"symbol"`
	Name     string  `json:"name,omitzero"`
	Decimals uint8   `json:"decimals"` // at most MaxDecimals
}

// Format writes an amount as people read it: "1.5 ETH".
func (a Asset) Format(n Amount) string { return n.Decimal(a.Decimals) + " " + a.Symbol }

// ParseAddress reads a 20-byte address: 0x and 40 hex digits. All lower or all
// upper case is taken as it is; mixed case must be the EIP-55 checksum.
func ParseAddress(s string) (common.Address, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) != 40 || !common.IsHexAddress(s) {
		return common.Address{}, fmt.Errorf("address %.60q: want 0x and 40 hex digits", s)
	}
	a := common.HexToAddress(s)
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && a.Hex() != s {
		return common.Address{}, fmt.Errorf("address %q: the EIP-55 checksum is wrong, so a character is mistyped or lost; copy it again", s)
	}
	return a, nil
}
