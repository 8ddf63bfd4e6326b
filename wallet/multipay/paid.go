package multipay

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// PaidTopic is the first topic of a Paid event.
var PaidTopic = crypto.Keccak256Hash([]byte("Paid(address,address,address,uint256,uint256,bool)"))

// Paid is the contract's word on one payment.
//
// What a payment calls may call the contract too, so that a transaction can hold
// events of other payers' calls between those of its sender's. The sender cannot
// be made to call twice: of its events there is one for each position.
type Paid struct {
	Payer    common.Address // who called the contract
	Token    common.Address // zero for the coin
	To       common.Address
	Position uint64 // in the list of payments, from 0
	Amount   wallet.Amount
	OK       bool // false: nothing has moved
}

// DecodePaid reads a log. It is an error if that is no Paid event of the contract.
func DecodePaid(log *types.Log) (Paid, error) {
	switch {
	case log.Address != Address():
		return Paid{}, fmt.Errorf("a log of %s, and not of %s", log.Address, Address())
	case len(log.Topics) != 4 || log.Topics[0] != PaidTopic || len(log.Data) != 3*word:
		return Paid{}, fmt.Errorf("a log of %s that is no Paid event", log.Address)
	}
	position := new(big.Int).SetBytes(log.Data[:word])
	ok := new(big.Int).SetBytes(log.Data[2*word:])
	if !position.IsUint64() || !ok.IsUint64() || ok.Uint64() > 1 {
		return Paid{}, fmt.Errorf("a Paid event of %s whose data the contract never writes", log.Address)
	}
	return Paid{
		Payer:    common.BytesToAddress(log.Topics[1][:]),
		Token:    common.BytesToAddress(log.Topics[2][:]),
		To:       common.BytesToAddress(log.Topics[3][:]),
		Position: position.Uint64(),
		Amount:   wallet.AmountOf(new(big.Int).SetBytes(log.Data[word : 2*word])),
		OK:       ok.Uint64() == 1,
	}, nil
}
