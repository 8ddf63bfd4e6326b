package batch

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// paysMany deploys the contract, allows it some of a token, and pays three
// withdrawals of the token and two of ether with it.
func paysMany() *Batch {
	b := head(Withdrawals)
	from, path := addressOf(payoutKey), wallet.Path{Role: wallet.PayoutRole}
	item := func(kind wallet.IntentKind, asset wallet.AssetID, amount int64) Item {
		n := len(b.Items)
		return Item{
			From: from, Path: path, Nonce: uint64(n), To: multipay.Address(), Gas: 900_000, Rungs: ladder(2), Requires: -1,
			Intent: wallet.Intent{Kind: kind, ID: fmt.Sprintf("1:payout:%d", n), Asset: asset, Recipient: multipay.Address(), Amount: wallet.NewAmount(amount)},
		}
	}
	deploy := item(wallet.IntentDeploy, coin, 0)
	deploy.To, deploy.Data = multipay.Factory, multipay.DeployData()
	b.Items = append(b.Items, deploy)
	allowance := item(wallet.IntentAllowance, usd, 6)
	allowance.To, allowance.Data = usdc, multipay.ApproveData(wallet.NewAmount(6))
	b.Items = append(b.Items, allowance)
	tokens := item(wallet.IntentPayments, usd, 6)
	tokens.Requires = 1
	for n := range 3 {
		tokens.Payments = append(tokens.Payments, Payment{ID: fmt.Sprintf("w-%d", n), Recipient: addressOf(testKey(byte(20 + n))), Amount: wallet.NewAmount(int64(n + 1))})
	}
	tokens.Payments[1].RequestedBy = []wallet.Requester{{Requester: addressOf(gasKey), Signature: make([]byte, 65)}}
	write(&tokens)
	b.Items = append(b.Items, tokens)
	ether := item(wallet.IntentPayments, coin, 9)
	ether.Payments = []Payment{
		{ID: "e-0", Recipient: addressOf(testKey(20)), Amount: wallet.NewAmount(4)},
		{ID: "e-1", Recipient: addressOf(testKey(21)), Amount: wallet.NewAmount(5)},
	}
	write(&ether)
	b.Items = append(b.Items, ether)
	return &b
}

// write makes the payload of an item's payments.
func write(it *Item) {
	c := it.Call(20_000)
	data, err := c.Encode()
	if err != nil {
		panic(err)
	}
	it.Data, it.Gas = data, c.GasLimit()
	if it.Intent.Asset.IsCoin() {
		it.Value = c.Sum()
	}
}

func TestPaymentsCrossUnchanged(t *testing.T) {
	b := paysMany()
	file := encoded(t, b)
	again, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, again), file) {
		t.Error("it is written otherwise than it was read")
	}
	list := again.Withdrawals()
	if len(list) != 5 || list[1].Item != 2 || list[1].Payment != 1 || list[1].Intent.ID != "w-1" || list[1].Intent.Asset != usd || len(list[1].RequestedBy) != 1 || list[4].Intent.Amount.Cmp(wallet.NewAmount(5)) != 0 {
		t.Errorf("its withdrawals are %+v", list)
	}
	if got := list[1].Field("recipient"); got != "/items/2/payments/1/recipient" {
		t.Errorf("a recipient stands at %s", got)
	}
	s := Summarize(again)
	if s.Recipients != 3 {
		t.Errorf("%d recipients", s.Recipients)
	}
	totals := ""
	for _, total := range s.Totals {
		totals += fmt.Sprintf("%s %s in %d; ", total.Kind, total.Asset.Format(total.Amount), total.Items)
	}
	if want := "allowance 0.000006 USDC in 1; deploy 0 ETH in 1; withdrawal 0.000006 USDC in 3; withdrawal 0.000000000000000009 ETH in 2; "; totals != want {
		t.Errorf("totals: %s", totals)
	}
}

// Every recipient, amount and id is held against the bytes and against all others.
func TestPaymentsAreChecked(t *testing.T) {
	for name, test := range map[string]struct {
		change func(b *Batch)
		want   string
	}{
		"another recipient": {func(b *Batch) { b.Items[2].Payments[0].Recipient = addressOf(gasKey) }, "/items/2/payments/0/recipient"},
		"another amount":    {func(b *Batch) { b.Items[2].Payments[2].Amount = wallet.NewAmount(4) }, "/items/2/payments/2/recipient"},
		"two changed places": {func(b *Batch) {
			p := b.Items[2].Payments
			p[0].Recipient, p[1].Recipient = p[1].Recipient, p[0].Recipient
		}, "/items/2/payments/0/recipient"},
		"one less": {func(b *Batch) { b.Items[2].Payments = b.Items[2].Payments[:2] }, "lists 2"},
		"one more": {func(b *Batch) {
			b.Items[2].Payments = append(b.Items[2].Payments, Payment{ID: "w-9", Recipient: addressOf(gasKey), Amount: wallet.NewAmount(1)})
		}, "lists 4"},
		"none":                 {func(b *Batch) { b.Items[2].Payments = nil }, "/items/2/payments"},
		"another sum":          {func(b *Batch) { b.Items[2].Intent.Amount = wallet.NewAmount(7) }, "come to 6"},
		"another token":        {func(b *Batch) { c := b.Items[2].Call(1); c.Token = addressOf(gasKey); b.Items[2].Data, _ = c.Encode() }, "pays the token"},
		"less ether":           {func(b *Batch) { b.Items[3].Value = wallet.NewAmount(8) }, "/items/3/value"},
		"ether with tokens":    {func(b *Batch) { b.Items[2].Value = wallet.NewAmount(1) }, "/items/2/value"},
		"too little gas":       {func(b *Batch) { b.Items[2].Gas-- }, "/items/2/gas"},
		"another contract":     {func(b *Batch) { b.Items[2].To = usdc }, "/items/2/to"},
		"for another contract": {func(b *Batch) { b.Items[2].Intent.Recipient = usdc }, "/items/2/intent/recipient"},
		"another call":         {func(b *Batch) { b.Items[2].Data = TransferData(multipay.Address(), wallet.NewAmount(6)) }, "/items/2/data"},
		"a byte more":          {func(b *Batch) { b.Items[2].Data = append(b.Items[2].Data, 0) }, "/items/2/data"},
		"an id twice":          {func(b *Batch) { b.Items[3].Payments[0].ID = "w-2" }, "id of a withdrawal in item 2"},
		"an id twice in one":   {func(b *Batch) { b.Items[2].Payments[1].ID = "w-0" }, "/items/2/payments/1/id"},
		"an id of a single one": {func(b *Batch) {
			w := withdrawals()
			w.Items[0].Nonce = 9
			w.Items[0].Intent.ID = "w-0"
			b.Items = append(b.Items, w.Items[0])
		}, "id of item 2 too"},
		"no id":         {func(b *Batch) { b.Items[2].Payments[0].ID = "" }, "/items/2/payments/0/id"},
		"to the sender": {func(b *Batch) { b.Items[2].Payments[0].Recipient = b.Items[2].From; write(&b.Items[2]) }, "is the sender"},
		"to a token":    {func(b *Batch) { b.Items[2].Payments[0].Recipient = usdc; write(&b.Items[2]) }, "token contract"},
		"to the zero address": {func(b *Batch) {
			b.Items[2].Payments[0].Recipient = common.Address{}
			c := b.Items[2].Call(20_000)
			b.Items[2].Data = unchecked(c)
		}, "zero address"},
		"a requester twice":  {func(b *Batch) { p := &b.Items[2].Payments[1]; p.RequestedBy = append(p.RequestedBy, p.RequestedBy[0]) }, "/items/2/payments/1/requested_by/1/requester"},
		"a short signature":  {func(b *Batch) { b.Items[2].Payments[1].RequestedBy[0].Signature = []byte{1} }, "/items/2/payments/1/requested_by/0/signature"},
		"a requester of all": {func(b *Batch) { b.Items[2].RequestedBy = b.Items[2].Payments[1].RequestedBy }, "nobody asks"},
		"payments of a withdrawal": {func(b *Batch) {
			w := withdrawals()
			w.Items[0].Nonce = 9
			w.Items[0].Payments = b.Items[2].Payments
			b.Items = append(b.Items, w.Items[0])
		}, "a withdrawal has none"},
		"from a deposit address": {func(b *Batch) {
			b.Items = b.Items[2:3]
			b.Assets = b.Assets[1:]
			b.Items[0].Requires = -1
			b.Items[0].Path.Role = wallet.DepositRole
		}, "/items/0/path"},
		"in a sweep": {func(b *Batch) { b.Kind = Sweep }, "/items/0/intent/kind"},
		"waits for another token": {func(b *Batch) {
			b.Items[1].Intent.Asset = wallet.Token(1, addressOf(gasKey))
			b.Items[1].To = addressOf(gasKey)
			b.Assets = append(b.Assets, Asset{b.Items[1].Intent.Asset, "X", 6})
		}, "/items/2/requires"},
		"waits for the deploy":    {func(b *Batch) { b.Items[2].Requires = 0 }, "/items/2/requires"},
		"an allowance of more":    {func(b *Batch) { b.Items[1].Intent.Amount = wallet.NewAmount(7) }, "/items/1/data"},
		"an allowance for others": {func(b *Batch) { b.Items[1].Data[35] ^= 1 }, "/items/1/data"},
		"an allowance of ether":   {func(b *Batch) { b.Items[1].Intent.Asset = coin }, "/items/1/intent/asset"},
		"an allowance elsewhere":  {func(b *Batch) { b.Items[1].To = addressOf(gasKey) }, "/items/1/to"},
		"a deploy of other code":  {func(b *Batch) { b.Items[0].Data[50] ^= 1 }, "/items/0/data"},
		"a deploy that pays":      {func(b *Batch) { b.Items[0].Value = wallet.NewAmount(1) }, "/items/0/value"},
		"a deploy by another":     {func(b *Batch) { b.Items[0].To = usdc }, "/items/0/to"},
		"a deploy of an amount":   {func(b *Batch) { b.Items[0].Intent.Amount = wallet.NewAmount(1) }, "/items/0/intent/amount"},
	} {
		t.Run(name, func(t *testing.T) {
			b := paysMany()
			if err := b.Check(); err != nil {
				t.Fatal(err)
			}
			test.change(b)
			err := b.Check()
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Field+" "+e.Problem, test.want) {
				t.Errorf("%v, want an error with %q", err, test.want)
			}
		})
	}
}

// unchecked is call data that the contract's package refuses to write.
func unchecked(c multipay.Call) []byte {
	zero := c.Payments[0].To
	c.Payments[0].To = common.Address{19: 1}
	data, err := c.Encode()
	if err != nil {
		panic(err)
	}
	copy(data[4+4*32+12:], zero[:])
	return data
}

// Many payments have a bound over all items.
func TestPaymentsAreBounded(t *testing.T) {
	b := paysMany()
	it := b.Items[2]
	it.Requires = -1
	list := make([]Payment, 500)
	b.Items = nil
	for n := 0; n <= MaxPayments/len(list); n++ {
		it.Nonce, it.Intent.ID = uint64(n), fmt.Sprintf("1:payout:%d", n)
		it.Payments = make([]Payment, len(list))
		for i := range it.Payments {
			it.Payments[i] = Payment{ID: fmt.Sprintf("w-%d-%d", n, i), Recipient: addressOf(gasKey), Amount: wallet.NewAmount(1)}
		}
		it.Intent.Amount = wallet.NewAmount(int64(len(list)))
		c := it.Call(0)
		data, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		it.Data, it.Gas = data, c.GasLimit()
		b.Items = append(b.Items, it)
	}
	b.Assets = b.Assets[1:]
	if err := b.Check(); err == nil || !strings.Contains(err.Error(), "20000 payments") {
		t.Errorf("%d payments: %v", len(b.Items)*len(list), err)
	}
	b.Items = b.Items[1:]
	if err := b.Check(); err != nil {
		t.Errorf("just as many as there may be: %v", err)
	}
}
