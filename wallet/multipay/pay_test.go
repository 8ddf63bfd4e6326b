package multipay

import (
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

var ether = big.NewInt(1e18)

// Bounds of gas as they are used for real: twice what an ordinary token takes, and
// what a contract that only books needs.
const (
	tokenGas = 60_000
	coinGas  = 30_000
)

func all(made []bool) bool { return !slices.Contains(made, false) }

// As many as fit into one transaction are paid, out of the exact allowance.
func TestPayTokens(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		supply := wallet.AmountOf(new(big.Int).Mul(ether, big.NewInt(1000)))
		for name, token := range map[string]common.Address{
			"ordinary":        w.deploy(chaintest.Token, "Token", "TOK", uint8(18), supply.Big()),
			"returns nothing": w.deploy(chaintest.USDTLike, supply.Big()),
		} {
			c := Call{Token: token, Gas: w.tokenGas(), Payments: payments(w.most(token, w.tokenGas()))}
			w.succeeds(chaintest.Call{To: &token, Data: ApproveData(c.Sum())})
			before := w.tokens(token, w.Faucet().Address)
			made, receipt := w.pays(c)
			if !all(made) || len(made) < 200 && !w.dear {
				t.Errorf("%s: %v", name, made)
			}
			for _, p := range c.Payments {
				equal(t, name, w.tokens(token, p.To), p.Amount)
			}
			equal(t, name+": what is left", w.tokens(token, w.Faucet().Address), before.Sub(c.Sum()))
			equal(t, name+": the contract's", w.tokens(token, Address()), wallet.Amount{})
			t.Logf("%s: %d payments, %d gas each", name, len(made), receipt.GasUsed/uint64(len(made)))

			// The allowance is used up: the same again pays nobody, and says so.
			made, _ = w.pays(Call{Token: token, Gas: c.Gas, Payments: c.Payments[:3]})
			if slices.Contains(made, true) {
				t.Errorf("%s: paid without an allowance: %v", name, made)
			}
		}
	})
}

func TestPayCoin(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		c := Call{Gas: 10_000, Payments: payments(w.most(common.Address{}, 10_000))}
		made, receipt := w.pays(c)
		if !all(made) || len(made) < 200 && !w.dear {
			t.Errorf("%v", made)
		}
		for _, p := range c.Payments {
			equal(t, "coin", w.coin(p.To), p.Amount)
		}
		equal(t, "the contract's", w.coin(Address()), wallet.Amount{})
		t.Logf("%d payments, %d gas each", len(made), receipt.GasUsed/uint64(len(made)))
	})
}

// The moods of MoodyToken, in the order of its source.
const (
	tokenPlain uint8 = iota
	tokenReverts
	tokenFalse
	tokenBurns
	tokenSilent
	tokenShort
	tokenTwo
	tokenLong
	tokenReturnBomb
	tokenRevertBomb
	tokenFee
	tokenLiar
	tokenReenter
	tokenMoods
)

// One recipient's payment fails alone, whatever the token does for it, and what is
// told of each is what the token told. Before and behind each stands a plain one.
func TestTokenFailsForOne(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		token := w.deploy(chaintest.MoodyToken)
		inner := Call{Token: token, Gas: 1000, Payments: []Payment{{bob, wallet.NewAmount(1)}}}
		data, err := inner.Encode()
		w.must(err)
		w.call(token, chaintest.MoodyToken, "reenterWith", data)

		c := Call{Token: token, Gas: 500_000}
		want := []bool{}
		for mood := range tokenMoods {
			two := payments(int(2*mood) + 2)[2*mood:]
			w.call(token, chaintest.MoodyToken, "set", two[1].To, mood)
			c.Payments = append(c.Payments, two...)
			paid := slices.Contains([]uint8{tokenPlain, tokenSilent, tokenLong, tokenFee, tokenLiar, tokenReenter}, mood)
			want = append(want, true, paid)
		}
		c.Payments = append(c.Payments, Payment{alice, wallet.NewAmount(1)})
		want = append(want, true)

		made, receipt := w.pays(c)
		if !slices.Equal(made, want) {
			t.Errorf("\n got %v\nwant %v", made, want)
		}
		// What was told is what has moved, but for a token that lies or keeps a fee.
		for i, p := range c.Payments {
			got := w.received(token, p.To)
			want := wallet.Amount{}
			if made[i] {
				want = p.Amount
			}
			switch i {
			case 2*int(tokenFee) + 1:
				want = p.Amount.Sub(wallet.AmountOf(new(big.Int).Div(p.Amount.Big(), big.NewInt(50))))
			case 2*int(tokenLiar) + 1:
				want = wallet.Amount{}
			}
			equal(t, p.To.Hex(), got, want)
		}
		// The call from within is the token's own, and says so.
		inside := 0
		for _, log := range receipt.Logs {
			if paid, err := DecodePaid(log); err == nil && paid.Payer == token {
				inside++
			}
		}
		if inside != 1 {
			t.Errorf("%d events of the call from within", inside)
		}
	})
}

// received is what a MoodyToken has moved to an address.
func (w *world) received(token, a common.Address) wallet.Amount {
	w.t.Helper()
	data, err := chaintest.MoodyToken.Call("received", a)
	w.must(err)
	out, err := w.Client().CallContract(w.ctx, callMsg(token, data), nil)
	w.must(err)
	return wallet.AmountOf(new(big.Int).SetBytes(out))
}

// A token that burns all it is given for everybody takes no more than the limit.
func TestAllBurn(t *testing.T) {
	w := simulated(t, chaintest.SimulatedOptions{})
	t.Run("token", func(t *testing.T) {
		token := w.deploy(chaintest.MoodyToken)
		to := common.HexToAddress("0xffffffffffffffffffffffffffffffffffffffff")
		w.call(token, chaintest.MoodyToken, "set", to, tokenBurns)
		c := Call{Token: token, Gas: tokenGas}
		for range MaxPayments(token, tokenGas) {
			c.Payments = append(c.Payments, Payment{to, most})
			c.Payments[len(c.Payments)-1].Amount = wallet.AmountOf(new(big.Int).Rsh(most.Big(), 10))
		}
		made, receipt := w.pays(c)
		if slices.Contains(made, true) {
			t.Errorf("%v", made)
		}
		t.Logf("%d payments, %d gas of %d", len(made), receipt.GasUsed, c.GasLimit())
	})
	t.Run("coin", func(t *testing.T) {
		burns := w.deploy(chaintest.MoodyRecipient, recipientBurns, []byte{})
		c := Call{Gas: coinGas}
		for range MaxPayments(common.Address{}, coinGas) {
			c.Payments = append(c.Payments, Payment{burns, wallet.AmountOf(ether)})
		}
		made, receipt := w.pays(c)
		if slices.Contains(made, true) {
			t.Errorf("%v", made)
		}
		equal(t, "the recipient's", w.coin(burns), wallet.Amount{})
		equal(t, "the contract's", w.coin(Address()), wallet.Amount{})
		t.Logf("%d payments, %d gas of %d", len(made), receipt.GasUsed, c.GasLimit())
	})
}

// The moods of MoodyRecipient, in the order of its source.
const (
	recipientPlain uint8 = iota
	recipientReverts
	recipientBurns
	recipientStores
	recipientReturnBomb
	recipientRevertBomb
	recipientReenters
	recipientMoods
)

// What one recipient does not take comes back to the payer, and the others are paid.
func TestCoinFailsForOne(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		inner := Call{Gas: 1000, Payments: []Payment{{bob, wallet.NewAmount(1_000_000_007)}}}
		data, err := inner.Encode()
		w.must(err)
		c := Call{Gas: 500_000}
		want := []bool{}
		for mood := range recipientMoods {
			c.Payments = append(c.Payments,
				Payment{w.deploy(chaintest.MoodyRecipient, mood, data), wallet.NewAmount(1_000_000_007)},
				payments(int(mood) + 1)[mood])
			want = append(want, mood != recipientReverts && mood != recipientBurns && mood != recipientRevertBomb, true)
		}
		made, receipt := w.pays(c)
		if !slices.Equal(made, want) {
			t.Errorf("\n got %v\nwant %v", made, want)
		}
		sum := wallet.Amount{}
		for i, p := range c.Payments {
			got := wallet.Amount{}
			if made[i] {
				got = p.Amount
				sum = sum.Add(got)
			}
			if i == 2*int(recipientReenters) { // it has passed it on to bob
				equal(t, "bob's", w.coin(bob), p.Amount)
				got = wallet.Amount{}
			}
			equal(t, p.To.Hex(), w.coin(p.To), got)
		}
		equal(t, "the contract's", w.coin(Address()), wallet.Amount{})
		equal(t, "what the payer spent", w.spent(receipt), sum)
	})
}

// spent is what a transaction took from the faucet besides its fee, where it is
// alone in its block.
func (w *world) spent(receipt *types.Receipt) wallet.Amount {
	w.t.Helper()
	at := func(number *big.Int) wallet.Amount {
		n, err := w.Client().BalanceAt(w.ctx, w.Faucet().Address, number)
		w.must(err)
		return wallet.AmountOf(n)
	}
	block, err := w.Client().HeaderByNumber(w.ctx, receipt.BlockNumber)
	w.must(err)
	price := receipt.EffectiveGasPrice
	if block.Coinbase == w.Faucet().Address { // the tip comes back
		price = block.BaseFee
	}
	fee := wallet.AmountOf(price).Mul(receipt.GasUsed)
	before := new(big.Int).Sub(receipt.BlockNumber, big.NewInt(1))
	return at(before).Sub(at(receipt.BlockNumber)).Sub(fee)
}

// Whoever calls payToken, which payTokens calls for itself, pays of their own.
func TestPayTokenIsTheCallersOwn(t *testing.T) {
	w := simulated(t, chaintest.SimulatedOptions{})
	token := w.deploy(chaintest.Token, "Token", "TOK", uint8(18), ether)
	w.succeeds(chaintest.Call{To: &token, Data: ApproveData(wallet.NewAmount(100))})
	data, err := parsed(t).Pack("payToken", token, bob, big.NewInt(7))
	w.must(err)
	msg := callMsg(Address(), data)
	msg.From = alice
	if _, err := w.Client().CallContract(w.ctx, msg, nil); reason(t, parsed(t), err) != "NotPaid" {
		t.Errorf("somebody else pays with it: %v", err)
	}
	to := Address()
	w.succeeds(chaintest.Call{To: &to, Data: data})
	equal(t, "bob's", w.tokens(token, bob), wallet.NewAmount(7))
	equal(t, "the payer's", w.tokens(token, w.Faucet().Address), wallet.AmountOf(ether).Sub(wallet.NewAmount(7)))
}

// Calls that fail as a whole move nothing.
func TestWholeFails(t *testing.T) {
	w := simulated(t, chaintest.SimulatedOptions{})
	contract := parsed(t)
	failure := func(c chaintest.Call) string {
		t.Helper()
		c.Gas = 1_000_000
		if receipt := w.mined(c); receipt.Status == types.ReceiptStatusSuccessful || len(receipt.Logs) > 0 {
			t.Errorf("transaction %s succeeds", receipt.TxHash)
		}
		msg := callMsg(*c.To, c.Data)
		msg.From, msg.Value, msg.Gas = w.Faucet().Address, c.Wei, c.Gas
		_, err := w.Client().CallContract(w.ctx, msg, nil)
		return reason(t, contract, err)
	}
	coin := w.transaction(Call{Gas: 1000, Payments: payments(3)})
	for _, wei := range []int64{0, 5, 7, 1e18} {
		coin.Wei = big.NewInt(wei)
		if got := failure(coin); got != "WrongSum" {
			t.Errorf("%d wei for 6 fail with %s", wei, got)
		}
	}
	// Sums beyond 256 bits do not come round.
	over := Call{Gas: 1000, Payments: []Payment{{alice, most}, {bob, wallet.NewAmount(8)}}}
	to := Address()
	failure(chaintest.Call{To: &to, Data: over.encode(), Wei: big.NewInt(7)})
	equal(t, "bob's", w.coin(bob), wallet.Amount{})

	nobody := w.transaction(Call{Token: alice, Gas: 1000, Payments: payments(1)})
	if got := failure(nobody); got != "NoToken" {
		t.Errorf("a token without code fails with %s", got)
	}
	token := w.deploy(chaintest.MoodyToken)
	withCoin := w.transaction(Call{Token: token, Gas: 1000, Payments: payments(1)})
	withCoin.Wei = ether
	failure(withCoin)

	// A payer that does not take back what could not be paid.
	payer := w.deploy(chaintest.MoodyRecipient, recipientReverts, []byte{})
	refuses := Call{Gas: 30_000, Payments: []Payment{{payer, wallet.NewAmount(1)}}}
	data, err := chaintest.MoodyRecipient.Call("relay", Address(), refuses.encode())
	w.must(err)
	if got := failure(chaintest.Call{To: &payer, Data: data, Wei: big.NewInt(1)}); got != "NotTakenBack" {
		t.Errorf("a payer that takes nothing back fails with %s", got)
	}
}

// Ether that somebody forces upon the contract pays for nobody.
func TestForcedCoinStays(t *testing.T) {
	w := simulated(t, chaintest.SimulatedOptions{})
	code, err := chaintest.Parting.Create(Address())
	w.must(err)
	w.succeeds(chaintest.Call{Wei: ether, Data: code})
	equal(t, "the contract's", w.coin(Address()), wallet.AmountOf(ether))
	made, receipt := w.pays(Call{Gas: 1000, Payments: payments(3)})
	if !all(made) {
		t.Errorf("%v", made)
	}
	equal(t, "what the payer spent", w.spent(receipt), wallet.NewAmount(6))
	equal(t, "the contract's afterwards", w.coin(Address()), wallet.AmountOf(ether))
}
