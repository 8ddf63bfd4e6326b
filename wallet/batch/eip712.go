package batch

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// What people sign beside transactions, as EIP-712 structures. The domain has
// no chain id, because wallets refuse to sign for a chain that they are not on.
const (
	DomainName    = "airlock"
	DomainVersion = "1"

	DomainType   = "EIP712Domain(string name,string version)"
	ApprovalType = "Approval(uint256 chainId,string batchId,bytes32 digest,string totals)"
	RequestType  = "Withdrawal(string id,uint256 chainId,string asset,uint256 amount,address to)"
)

// ApprovalHash is what an approver of the batch signs (EIP-712).
func (b *Batch) ApprovalHash() ([32]byte, error) {
	digest, err := b.Digest()
	if err != nil {
		return digest, err
	}
	return typedHash(ApprovalType, number(b.ChainID), text32(b.ID), digest[:], text32(b.ApprovalTotals())), nil
}

// ApprovalTotals is what a wallet shows of the batch to an approver: what it
// moves of each asset, by kind, and what gas may cost, each with the symbols
// that the batch gives.
func (b *Batch) ApprovalTotals() string {
	s := Summarize(b)
	var parts []string
	for _, t := range s.Totals {
		parts = append(parts, fmt.Sprintf("%s %s in %s", t.Kind, t.Asset.Format(t.Amount), count(t.Items, "item", "items")))
	}
	return strings.Join(append(parts, "gas at most "+s.Coin.Format(s.WorstFee)), "; ")
}

// RequestHash is what one who asks for a withdrawal signs (EIP-712). The asset
// is named by its CAIP-19 id, the amount is in base units.
func RequestHash(id string, asset wallet.AssetID, amount wallet.Amount, to common.Address) [32]byte {
	return typedHash(RequestType, text32(id), number(asset.ChainID), text32(asset.String()),
		common.LeftPadBytes(amount.Big().Bytes(), 32), common.LeftPadBytes(to[:], 32))
}

// SignerOf recovers who signed a hash: r ‖ s ‖ v with s in the lower half of
// the order (EIP-2) and v of 27 or 28, so that every signature has one
// spelling.
func SignerOf(hash [32]byte, signature []byte) (common.Address, error) {
	if len(signature) != 65 {
		return common.Address{}, fmt.Errorf("a signature of %d bytes: want 65", len(signature))
	}
	v := signature[64]
	if v != 27 && v != 28 {
		return common.Address{}, fmt.Errorf("a signature with v = %d: want 27 or 28", v)
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	if !crypto.ValidateSignatureValues(v-27, r, s, true) {
		return common.Address{}, errors.New("a signature whose r or s is out of bounds")
	}
	key, err := crypto.SigToPub(hash[:], append(append(make([]byte, 0, 65), signature[:64]...), v-27))
	if err != nil {
		return common.Address{}, fmt.Errorf("a signature that nobody made: %w", err)
	}
	return crypto.PubkeyToAddress(*key), nil
}

// typedHash is the hash of a structure of words under our domain (EIP-712).
func typedHash(kind string, words ...[]byte) [32]byte {
	domain := crypto.Keccak256(text32(DomainType), text32(DomainName), text32(DomainVersion))
	message := crypto.Keccak256(append([][]byte{text32(kind)}, words...)...)
	return crypto.Keccak256Hash([]byte("\x19\x01"), domain, message)
}

func number(n uint64) []byte { return common.LeftPadBytes(new(big.Int).SetUint64(n).Bytes(), 32) }

// text32 stands for a text in a structure.
func text32(s string) []byte { return crypto.Keccak256([]byte(s)) }
