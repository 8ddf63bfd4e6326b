package multipay

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

var (
	token = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
	alice = common.HexToAddress("0xa11ce00000000000000000000000000000000001")
	bob   = common.HexToAddress("0xb0b0000000000000000000000000000000000002")
	most  = wallet.AmountOf(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)))
)

// payments are n of rising amounts to as many recipients.
func payments(n int) []Payment {
	list := make([]Payment, n)
	for i := range list {
		list[i] = Payment{common.BigToAddress(big.NewInt(0x1000_0000 + int64(i))), wallet.NewAmount(int64(i) + 1)}
	}
	return list
}

func encode(t *testing.T, c Call) []byte {
	t.Helper()
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEncodeRefuses(t *testing.T) {
	full := Call{Token: token, Gas: 60_000}
	for _, test := range []struct {
		name string
		call Call
		want string
	}{
		{"nobody", full, "pays nobody"},
		{"the zero address", Call{Gas: 1, Payments: []Payment{{Amount: wallet.NewAmount(1)}}}, "zero address"},
		{"the contract", Call{Gas: 1, Payments: []Payment{{Address(), wallet.NewAmount(1)}}}, "the contract that pays"},
		{"nothing", Call{Gas: 1, Payments: []Payment{{alice, wallet.Amount{}}}}, "above zero"},
		{"below nothing", Call{Gas: 1, Payments: []Payment{{alice, wallet.NewAmount(-1)}}}, "above zero"},
		{"more than there can be", Call{Gas: 1, Payments: []Payment{{alice, most.Add(wallet.NewAmount(1))}}}, "256 bits"},
		{"a sum of more", Call{Gas: 1, Payments: []Payment{{alice, most}, {bob, wallet.NewAmount(1)}}}, "come to"},
		{"the contract's tokens", Call{Token: Address(), Payments: payments(1)}, "is no token"},
		{"too many tokens", Call{Token: token, Gas: 60_000, Payments: payments(MaxPayments(token, 60_000) + 1)}, "holds at most"},
		{"too much coin", Call{Gas: 10_000, Payments: payments(MaxPayments(common.Address{}, 10_000) + 1)}, "holds at most"},
		{"too much gas", Call{Gas: MaxGasEach + 1, Payments: payments(1)}, "at most 5000000"},
	} {
		data, err := test.call.Encode()
		if err == nil || !strings.Contains(err.Error(), test.want) || data != nil {
			t.Errorf("%s: %x, %v; want an error with %q", test.name, data, err, test.want)
		}
		// Nor is it read where another program wrote it.
		if test.call.Sum().Cmp(most) <= 0 && test.call.Sum().Sign() >= 0 {
			if _, err := Decode(test.call.encode()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s is read: %v", test.name, err)
			}
		}
	}
}

// Hundreds of payments fit into one transaction, as many as its bound of gas allows
// and not one more.
func TestMaxPayments(t *testing.T) {
	for _, test := range []struct {
		token common.Address
		gas   uint64
		least int
	}{
		{token, 0, 1000},
		{token, 60_000, 240},
		{token, MaxGasEach, 3},
		{common.Address{}, 0, 350},
		{common.Address{}, 10_000, 290},
		{common.Address{}, MaxGasEach, 3},
	} {
		n := MaxPayments(test.token, test.gas)
		if n < test.least || GasLimit(test.token, test.gas, n) > MaxGas || GasLimit(test.token, test.gas, n+1) <= MaxGas {
			t.Errorf("%s with %d gas: at most %d payments", test.token, test.gas, n)
		}
	}
	for _, gas := range []uint64{MaxGasEach + 1, 1 << 63, 1<<64 - 1} {
		if n := MaxPayments(token, gas); n != 0 {
			t.Errorf("%d payments of %d gas", n, gas)
		}
	}
}

// Every byte of the call data counts: no other data reads as the same call.
func TestDecodeIsStrict(t *testing.T) {
	for _, c := range []Call{
		{Token: token, Gas: 60_000, Payments: payments(3)},
		{Gas: 10_000, Payments: payments(3)},
	} {
		data := encode(t, c)
		for i := range data {
			for _, bit := range []byte{1, 0x80} {
				changed := bytes.Clone(data)
				changed[i] ^= bit
				if got, err := Decode(changed); err == nil && bytes.Equal(got.encode(), data) {
					t.Errorf("with another byte %d it reads as the same call", i)
				}
			}
		}
		for n := range data {
			if _, err := Decode(data[:n]); err == nil {
				t.Errorf("it is read from its first %d bytes", n)
			}
		}
		for _, more := range [][]byte{{0}, make([]byte, word), make([]byte, 2*word)} {
			if _, err := Decode(append(bytes.Clone(data), more...)); err == nil {
				t.Errorf("it is read with %d bytes behind it", len(more))
			}
		}
	}
	// The coin has one function.
	zero := encode(t, Call{Token: token, Gas: 1, Payments: payments(1)})
	clear(zero[4 : 4+word])
	if _, err := Decode(zero); err == nil {
		t.Error("tokens of no contract are paid")
	}
}

// parsed is the contract's interface as the compiler wrote it.
func parsed(t testing.TB) abi.ABI {
	t.Helper()
	c, err := chaintest.ReadContract("Multipay", artifact)
	if err != nil {
		t.Fatal(err)
	}
	return c.ABI
}

// What Encode writes is what go-ethereum's ABI package writes for the compiler's
// description of the contract, and Decode reads it back.
func TestEncodesAsABI(t *testing.T) {
	contract := parsed(t)
	rapid.Check(t, func(t *rapid.T) {
		type pair struct {
			To     common.Address
			Amount *big.Int
		}
		var (
			c    Call
			list []pair
		)
		if rapid.Bool().Draw(t, "token") {
			c.Token = token
		}
		c.Gas = rapid.Uint64Range(0, 200_000).Draw(t, "gas")
		for range rapid.IntRange(1, MaxPayments(c.Token, c.Gas)).Draw(t, "n") {
			p := Payment{
				To:     common.Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "to")),
				Amount: wallet.AmountOf(new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 31).Draw(t, "amount"))),
			}
			if p.To == (common.Address{}) || p.Amount.IsZero() {
				p = Payment{alice, wallet.NewAmount(1)}
			}
			c.Payments = append(c.Payments, p)
			list = append(list, pair{p.To, p.Amount.Big()})
		}
		gas := new(big.Int).SetUint64(c.Gas)
		want, err := contract.Pack("payCoin", gas, list)
		if c.Token != (common.Address{}) {
			want, err = contract.Pack("payTokens", c.Token, gas, list)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Encode()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v\n got %x\nwant %x", err, got, want)
		}
		read, err := Decode(got)
		if err != nil || read.Token != c.Token || read.Gas != c.Gas || read.Sum().Cmp(c.Sum()) != 0 || !bytes.Equal(read.encode(), got) {
			t.Fatalf("it reads as %+v, %v", read, err)
		}
	})
}

// No bytes crash the decoder, and what it takes the ABI package takes for the same.
func FuzzDecode(f *testing.F) {
	for _, c := range []Call{{Token: token, Gas: 1, Payments: payments(2)}, {Gas: 1, Payments: payments(2)}} {
		data, err := c.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-word])
	}
	contract := parsed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err != nil {
			return
		}
		method, err := contract.MethodById(data)
		if err != nil {
			t.Fatal(err)
		}
		args, err := method.Inputs.Unpack(data[4:])
		if err != nil {
			t.Fatal(err)
		}
		packed, err := contract.Pack(method.Name, args...)
		if err != nil || !bytes.Equal(packed, data) || c.Check() != nil {
			t.Fatalf("%+v of %x, which the ABI package writes as %x", c, data, packed)
		}
	})
}

func TestApprove(t *testing.T) {
	token := chaintest.Token
	for _, amount := range []wallet.Amount{{}, wallet.NewAmount(1), most} {
		want, err := token.Call("approve", Address(), amount.Big())
		if err != nil {
			t.Fatal(err)
		}
		got := ApproveData(amount)
		if read, err := DecodeApprove(got); !bytes.Equal(got, want) || err != nil || read.Cmp(amount) != 0 {
			t.Errorf("%x reads as %s, %v; want %x", got, read, err, want)
		}
		for i := range got {
			changed := bytes.Clone(got)
			changed[i] ^= 1
			if read, err := DecodeApprove(changed); err == nil && read.Cmp(amount) == 0 {
				t.Errorf("with another byte %d it reads the same", i)
			}
		}
		other, err := token.Call("approve", alice, amount.Big())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeApprove(other); err == nil {
			t.Error("an allowance of another spender is read")
		}
		if _, err := DecodeApprove(append(got, 0)); err == nil {
			t.Error("bytes behind it are not seen")
		}
	}
	want, err := token.Call("allowance", alice, Address())
	if err != nil || !bytes.Equal(AllowanceData(alice), want) {
		t.Errorf("%x, want %x, %v", AllowanceData(alice), want, err)
	}
}
