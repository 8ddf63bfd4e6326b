package multipay

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// approveSelector begins a call of approve(address,uint256) (ERC-20).
var approveSelector = selector("approve(address,uint256)")

// ApproveData is the call data with which a payer allows the contract to move
// amount of a token. The amount must be between 0 and 2^256−1. Tokens like Tether's
// take another amount only where none, or 0, was allowed before.
func ApproveData(amount wallet.Amount) []byte {
	e := encoder{buf: make([]byte, 0, 4+2*word)}
	e.buf = append(e.buf, approveSelector[:]...)
	e.address(Address())
	e.amount(amount)
	return e.buf
}

// DecodeApprove reads call data that allows the contract to move an amount. It takes
// exactly what ApproveData writes: no other spender.
func DecodeApprove(data []byte) (wallet.Amount, error) {
	if len(data) == 4+2*word {
		amount := wallet.AmountOf(new(big.Int).SetBytes(data[4+word:]))
		if bytes.Equal(ApproveData(amount), data) {
			return amount, nil
		}
	}
	return wallet.Amount{}, fmt.Errorf("call data of %d bytes is not approve(address,uint256) of the contract %s", len(data), Address())
}

// The question for what an owner has allowed the contract, allowance(address,address)
// (ERC-20).
var allowanceSelector = selector("allowance(address,address)")

// AllowanceData is the call data that asks a token what owner has allowed the
// contract to move; the answer is one word.
func AllowanceData(owner common.Address) []byte {
	e := encoder{buf: make([]byte, 0, 4+2*word)}
	e.buf = append(e.buf, allowanceSelector[:]...)
	e.address(owner)
	e.address(Address())
	return e.buf
}
