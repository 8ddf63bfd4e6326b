package batch

import (
	"bytes"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// MaxPayments is the most payments that the items of a batch may hold together,
// each transaction as many as its gas allows.
const MaxPayments = MaxItems

// Payment is one withdrawal of an item that pays many.
type Payment struct {
	ID          string             `json:"id"` // the withdrawal's
	Recipient   common.Address     `json:"recipient"`
	Amount      wallet.Amount      `json:"amount"`                 // of the asset of the item's intent
	RequestedBy []wallet.Requester `json:"requested_by,omitempty"` // as of an item
}

func (p *Payment) name() wallet.IntentName {
	return wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: p.ID}
}

// Withdrawal is a withdrawal in a batch, with a transaction of its own or as one
// of an item's payments.
type Withdrawal struct {
	Item        int           // position in the batch
	Payment     int           // position among the item's payments; -1 with a transaction of its own
	Intent      wallet.Intent // always of kind withdrawal
	RequestedBy []wallet.Requester
}

// Withdrawals lists what a batch pays to others, in the order of its items and of
// their payments. Whatever counts, limits or remembers payments goes by it.
func (b *Batch) Withdrawals() []Withdrawal {
	list := make([]Withdrawal, 0, len(b.Items))
	for i := range b.Items {
		list = b.Items[i].withdrawals(list, i)
	}
	return list
}

// Withdrawals are those of the item, which is at a position of its batch.
func (it *Item) Withdrawals(position int) []Withdrawal { return it.withdrawals(nil, position) }

func (it *Item) withdrawals(list []Withdrawal, position int) []Withdrawal {
	switch it.Intent.Kind {
	case wallet.IntentWithdrawal:
		return append(list, Withdrawal{position, -1, it.Intent, it.RequestedBy})
	case wallet.IntentPayments:
		for n, p := range it.Payments {
			in := wallet.Intent{Kind: wallet.IntentWithdrawal, ID: p.ID, Asset: it.Intent.Asset, Recipient: p.Recipient, Amount: p.Amount}
			list = append(list, Withdrawal{position, n, in, p.RequestedBy})
		}
	}
	return list
}

// which says in a sentence which of an item's payments it is.
func (w *Withdrawal) which() string {
	if w.Payment < 0 {
		return ""
	}
	return fmt.Sprintf(", with payment %d,", w.Payment)
}

// Field is the JSON pointer into the batch of a member: id, recipient, amount,
// asset or what is below requested_by.
func (w *Withdrawal) Field(member string) string {
	if w.Payment >= 0 && member != "asset" {
		return fmt.Sprintf("/items/%d/%s", w.Item, paymentField(w.Payment, member))
	}
	if len(member) >= len("requested_by") && member[:len("requested_by")] == "requested_by" {
		return fmt.Sprintf("/items/%d/%s", w.Item, member)
	}
	return fmt.Sprintf("/items/%d/intent/%s", w.Item, member)
}

func paymentField(n int, member string) string { return fmt.Sprintf("payments/%d/%s", n, member) }

// usesContract reports whether an intent is about the contract that pays many.
func usesContract(kind wallet.IntentKind) bool {
	return kind == wallet.IntentPayments || kind == wallet.IntentAllowance || kind == wallet.IntentDeploy
}

// mayWait reports whether an item may be sent only after another one is mined.
func mayWait(it, first *Item) bool {
	switch it.Intent.Kind {
	case wallet.IntentSweep:
		return first.Intent.Kind == wallet.IntentTopUp && first.Intent.Recipient == it.From
	case wallet.IntentPayments:
		return first.Intent.Kind == wallet.IntentAllowance && first.From == it.From && first.Intent.Asset == it.Intent.Asset
	}
	return false
}

// checkContractIntent looks at an intent that is about the contract, which lies at
// one address on every chain.
func checkContractIntent(i int, in *wallet.Intent) error {
	switch {
	case in.Recipient != multipay.Address():
		return itemFault(i, "intent/recipient", in.Recipient, "a %s is about the contract %s", in.Kind, multipay.Address())
	case in.Amount.Sign() < 0 || in.Amount.Big().BitLen() > 256:
		return itemFault(i, "intent/amount", in.Amount, "want an amount of at most 256 bits")
	case in.Kind == wallet.IntentAllowance && in.Asset.IsCoin():
		return itemFault(i, "intent/asset", in.Asset, "an allowance is of a token")
	case in.Kind == wallet.IntentDeploy && (!in.Asset.IsCoin() || !in.Amount.IsZero()):
		return itemFault(i, "intent/amount", in.Amount, "a deploy sends 0 of the chain's coin")
	}
	return nil
}

// checkPayments looks at the withdrawals that an item pays through the contract.
func (b *Batch) checkPayments(i int, assets map[wallet.AssetID]Asset) error {
	it := &b.Items[i]
	if it.Intent.Kind != wallet.IntentPayments {
		if len(it.Payments) > 0 {
			return itemFault(i, "payments", len(it.Payments), "a %s has none", it.Intent.Kind)
		}
		return nil
	}
	if len(it.Payments) == 0 {
		return itemFault(i, "payments", nil, "there are none")
	}
	for n := range it.Payments {
		p := &it.Payments[n]
		if err := wallet.CheckID("id", p.ID); err != nil {
			return itemFault(i, paymentField(n, "id"), p.ID, "%v", err)
		}
		if p.Recipient == (common.Address{}) {
			return itemFault(i, paymentField(n, "recipient"), p.Recipient, "what the zero address gets is lost")
		}
		if p.Recipient == it.From {
			return itemFault(i, paymentField(n, "recipient"), p.Recipient, "is the sender")
		}
		if _, token := assets[wallet.Token(b.ChainID, p.Recipient)]; token {
			return itemFault(i, paymentField(n, "recipient"), p.Recipient, "is a token contract, and what it gets is lost")
		}
		if err := checkRequestersOf(i, paymentField(n, ""), p.RequestedBy); err != nil {
			return err
		}
	}
	return nil
}

// Call is the call of the contract that an item of kind payments makes, with so
// much gas for each payment.
func (it *Item) Call(gas uint64) multipay.Call {
	c := multipay.Call{Token: it.Intent.Asset.Contract, Gas: gas, Payments: make([]multipay.Payment, len(it.Payments))}
	for n, p := range it.Payments {
		c.Payments[n] = multipay.Payment{To: p.Recipient, Amount: p.Amount}
	}
	return c
}

// checkContractPayload holds the bytes to be signed against an intent that is about
// the contract.
func checkContractPayload(i int, it *Item) error {
	in := &it.Intent
	to, value, data := multipay.Address(), wallet.Amount{}, []byte(nil)
	switch in.Kind {
	case wallet.IntentDeploy:
		to, data = multipay.Factory, multipay.DeployData()
	case wallet.IntentAllowance:
		to, data = in.Asset.Contract, multipay.ApproveData(in.Amount)
	case wallet.IntentPayments:
		if in.Asset.IsCoin() {
			value = in.Amount
		}
	}
	switch {
	case it.To != to:
		return itemFault(i, "to", it.To, "a %s calls %s", in.Kind, to)
	case it.Value.Cmp(value) != 0:
		return itemFault(i, "value", it.Value, "a %s of %s sends %s", in.Kind, in.Asset, value)
	case in.Kind == wallet.IntentPayments:
		return checkCall(i, it)
	case !bytes.Equal(it.Data, data):
		return itemFault(i, "data", nil, "%#.80x: is not the call of a %s", []byte(it.Data), in.Kind)
	}
	return nil
}

// checkCall holds the call data against the list of payments, one by one.
func checkCall(i int, it *Item) error {
	c, err := multipay.Decode(it.Data)
	if err != nil {
		return itemFault(i, "data", nil, "%v", err)
	}
	in := &it.Intent
	switch {
	case c.Token != in.Asset.Contract:
		return itemFault(i, "data", nil, "pays the token %s, and the intent %s", c.Token, in.Asset)
	case len(c.Payments) != len(it.Payments):
		return itemFault(i, "data", nil, "pays %d recipients, and the item lists %d", len(c.Payments), len(it.Payments))
	case c.Sum().Cmp(in.Amount) != 0:
		return itemFault(i, "intent/amount", in.Amount, "the payments come to %s", c.Sum())
	case it.Gas < c.GasLimit():
		return itemFault(i, "gas", it.Gas, "want at least %d, with which no payment fails for want of gas", c.GasLimit())
	}
	for n, p := range it.Payments {
		if paid := c.Payments[n]; paid.To != p.Recipient || paid.Amount.Cmp(p.Amount) != 0 {
			return itemFault(i, paymentField(n, "recipient"), p.Recipient, "gets %s: the call data pays %s to %s there", p.Amount, paid.Amount, paid.To)
		}
	}
	return nil
}
