package batch

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
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
	s, err := b.approval()
	return s.hash(), err
}

// ApprovalTypedData is what an approver's wallet is given to sign.
func (b *Batch) ApprovalTypedData() (TypedData, error) {
	s, err := b.approval()
	return s.typedData(), err
}

func (b *Batch) approval() (structure, error) {
	digest, err := b.Digest()
	return structure{ApprovalType, []field{
		number(new(big.Int).SetUint64(b.ChainID)), text32(b.ID), {hexutil.Encode(digest[:]), digest[:]}, text32(b.ApprovalTotals()),
	}}, err
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
	return request(id, asset, amount, to).hash()
}

// RequestTypedData is what the wallet of one who asks for a withdrawal is given
// to sign.
func RequestTypedData(id string, asset wallet.AssetID, amount wallet.Amount, to common.Address) TypedData {
	return request(id, asset, amount, to).typedData()
}

func request(id string, asset wallet.AssetID, amount wallet.Amount, to common.Address) structure {
	return structure{RequestType, []field{
		text32(id), number(new(big.Int).SetUint64(asset.ChainID)), text32(asset.String()), number(amount.Big()),
		{to.Hex(), common.LeftPadBytes(to[:], 32)},
	}}
}

// TypedData is a structure in the form that wallets sign: the second parameter
// of eth_signTypedData_v4. Numbers are decimal strings.
type TypedData struct {
	Types       map[string][]TypedMember `json:"types"`
	PrimaryType string                   `json:"primaryType"`
	Domain      map[string]string        `json:"domain"`
	Message     map[string]string        `json:"message"`
}

// TypedMember is a member of a type.
type TypedMember struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// structure is a type and the values of its members, in the type's order.
type structure struct {
	kind   string
	fields []field
}

// field is a value as wallets read it, and as the word that stands for it in a
// hash.
type field struct {
	text string
	word []byte
}

func number(n *big.Int) field { return field{n.String(), common.LeftPadBytes(n.Bytes(), 32)} }

func text32(s string) field { return field{s, crypto.Keccak256([]byte(s))} }

// domain is the one of all our structures.
var domain = structure{DomainType, []field{text32(DomainName), text32(DomainVersion)}}

func (s structure) hash() [32]byte {
	return crypto.Keccak256Hash([]byte("\x19\x01"), domain.hashStruct(), s.hashStruct())
}

func (s structure) hashStruct() []byte {
	words := [][]byte{crypto.Keccak256([]byte(s.kind))}
	for _, f := range s.fields {
		words = append(words, f.word)
	}
	return crypto.Keccak256(words...)
}

func (s structure) typedData() TypedData {
	name, members := s.members()
	domainName, domainMembers := domain.members()
	return TypedData{
		Types:       map[string][]TypedMember{domainName: domainMembers, name: members},
		PrimaryType: name, Domain: domain.values(), Message: s.values(),
	}
}

// members takes a type apart: its name, and its members in their order.
func (s structure) members() (name string, members []TypedMember) {
	name, list, _ := strings.Cut(strings.TrimSuffix(s.kind, ")"), "(")
	for m := range strings.SplitSeq(list, ",") {
		kind, name, _ := strings.Cut(m, " ")
		members = append(members, TypedMember{name, kind})
	}
	return name, members
}

func (s structure) values() map[string]string {
	_, members := s.members()
	values := map[string]string{}
	for i, f := range s.fields {
		values[members[i].Name] = f.text
	}
	return values
}
