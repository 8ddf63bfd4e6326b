package multipay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// Payment is one recipient and what it gets, in base units.
type Payment struct {
	To     common.Address
	Amount wallet.Amount
}

// Call is a call of the contract.
type Call struct {
	// Token is the contract whose tokens are paid, or zero for the chain's coin,
	// of which the sum must be sent along.
	Token common.Address
	// Gas is what each payment may use inside the token or the recipient.
	Gas      uint64
	Payments []Payment
}

// Bounds of the gas of one payment. A plain recipient of coin needs none, and what
// is above MaxGasEach leaves no room for two in one transaction.
const MaxGasEach = 5_000_000

// MaxGas is the most that a transaction may ask for (EIP-7825).
const MaxGas = 1 << 24

// What a call of the contract costs besides the gas that its payments are given:
// once, and for each payment. The tests measure that no call takes more.
const (
	// The transaction itself, the call of the contract and the first one of the
	// token, the sum's way back, and what the contract wants to be left (its
	// RESERVE).
	gasOnce = 21_000 + 30_000 + 100_000
	// 64 bytes of call data at their dearest, loop and event.
	gasEachToken = 8_000
	// That, and a call with value to a new account (EIP-2929, EIP-161).
	gasEachCoin = gasEachToken + 2_600 + 9_000 + 25_000
)

// GasLimit is a limit with which a call of n payments never runs out of gas,
// whatever tokens and recipients do.
func GasLimit(token common.Address, gas uint64, n int) uint64 {
	return gasOnce + gas/63 + uint64(n)*(gas+overhead(token))
}

// MaxPayments is how many payments fit into one transaction.
func MaxPayments(token common.Address, gas uint64) int {
	if gas > MaxGasEach {
		return 0
	}
	return int((MaxGas - gasOnce - gas/63) / (gas + overhead(token)))
}

func overhead(token common.Address) uint64 {
	if token == (common.Address{}) {
		return gasEachCoin
	}
	return gasEachToken
}

// GasLimit is that of the call.
func (c *Call) GasLimit() uint64 { return GasLimit(c.Token, c.Gas, len(c.Payments)) }

// Sum is what all payments come to.
func (c *Call) Sum() wallet.Amount {
	var sum wallet.Amount
	for _, p := range c.Payments {
		sum = sum.Add(p.Amount)
	}
	return sum
}

// Check refuses a call that the contract would not make as it is meant.
func (c *Call) Check() error {
	switch n, most := len(c.Payments), MaxPayments(c.Token, c.Gas); {
	case c.Gas > MaxGasEach:
		return fmt.Errorf("%d gas for each payment, and at most %d can be", c.Gas, MaxGasEach)
	case n == 0:
		return errors.New("it pays nobody")
	case n > most:
		return fmt.Errorf("%d payments of %d gas, and a transaction holds at most %d", n, c.Gas, most)
	case c.Token == Address():
		return fmt.Errorf("%s is no token: it is the contract that pays", c.Token)
	}
	for i, p := range c.Payments {
		switch {
		case p.To == common.Address{}:
			return fmt.Errorf("payment %d goes to the zero address", i)
		case p.To == Address():
			return fmt.Errorf("payment %d goes to the contract that pays, %s", i, p.To)
		case p.Amount.Sign() <= 0:
			return fmt.Errorf("payment %d is of %s, and must be above zero", i, p.Amount)
		case !fits(p.Amount):
			return fmt.Errorf("payment %d is of %s, which does not fit into 256 bits", i, p.Amount)
		}
	}
	if !fits(c.Sum()) {
		return fmt.Errorf("the payments come to %s, which does not fit into 256 bits", c.Sum())
	}
	return nil
}

func fits(a wallet.Amount) bool { return a.Big().BitLen() <= 256 }

// The two functions of the contract.
var (
	tokensSelector = selector("payTokens(address,uint256,(address,uint256)[])")
	coinSelector   = selector("payCoin(uint256,(address,uint256)[])")
)

func selector(signature string) [4]byte { return [4]byte(crypto.Keccak256([]byte(signature))) }

// word is what everything in call data is a multiple of.
const word = 32

// Encode is the call data. It refuses what Check refuses.
func (c *Call) Encode() ([]byte, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("call of %s: %w", Address(), err)
	}
	return c.encode(), nil
}

// encode writes the standard encoding of Solidity's ABI: the arguments, of which
// the list is the place where it begins, then its length and its members.
func (c *Call) encode() []byte {
	e := encoder{buf: make([]byte, 0, 4+(4+2*len(c.Payments))*word)}
	if c.Token == (common.Address{}) {
		e.buf = append(e.buf, coinSelector[:]...)
		e.number(c.Gas)
		e.number(2 * word)
	} else {
		e.buf = append(e.buf, tokensSelector[:]...)
		e.address(c.Token)
		e.number(c.Gas)
		e.number(3 * word)
	}
	e.number(uint64(len(c.Payments)))
	for _, p := range c.Payments {
		e.address(p.To)
		e.amount(p.Amount)
	}
	return e.buf
}

// Decode reads call data of the contract. It takes exactly what Encode writes, so
// that no bytes mean one thing here and another to the contract.
func Decode(data []byte) (Call, error) {
	c, ok := decode(data)
	if !ok || !bytes.Equal(c.encode(), data) {
		return Call{}, fmt.Errorf("call data of %d bytes is not payTokens or payCoin in their one encoding", len(data))
	}
	if err := c.Check(); err != nil {
		return Call{}, fmt.Errorf("call data of %d bytes: %w", len(data), err)
	}
	return c, nil
}

// decode reads what may be call data. What it does not look at, the comparison with
// the encoding of what it read does.
func decode(data []byte) (c Call, ok bool) {
	if len(data) < 4 || (len(data)-4)%word != 0 {
		return c, false
	}
	words := data[4:]
	at := func(i int) []byte { return words[i*word : (i+1)*word] }
	head := 3 // gas, place, length
	switch [4]byte(data) {
	case coinSelector:
	case tokensSelector:
		head = 4
	default:
		return c, false
	}
	n := len(words)/word - head
	if n < 0 || n%2 != 0 {
		return c, false
	}
	if head == 4 {
		c.Token = common.BytesToAddress(at(0))
		if c.Token == (common.Address{}) {
			return c, false
		}
	}
	c.Gas = binary.BigEndian.Uint64(at(head - 3)[word-8:])
	c.Payments = make([]Payment, n/2)
	for i := range c.Payments {
		c.Payments[i] = Payment{
			To:     common.BytesToAddress(at(head + 2*i)),
			Amount: wallet.AmountOf(new(big.Int).SetBytes(at(head + 2*i + 1))),
		}
	}
	return c, true
}

type encoder struct{ buf []byte }

func (e *encoder) address(a common.Address) {
	e.buf = append(append(e.buf, make([]byte, word-len(a))...), a[:]...)
}

func (e *encoder) number(n uint64) {
	e.buf = binary.BigEndian.AppendUint64(append(e.buf, make([]byte, word-8)...), n)
}

func (e *encoder) amount(a wallet.Amount) {
	e.buf = append(e.buf, a.Big().FillBytes(make([]byte, word))...)
}
