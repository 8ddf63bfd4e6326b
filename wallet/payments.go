package wallet

import "github.com/ethereum/go-ethereum/common"

// SlotPayment is a withdrawal that a slot's transaction pays beside others, in the
// order of its call.
type SlotPayment struct {
	ID     string         `json:"id"`
	To     common.Address `json:"to"`
	Amount Amount         `json:"amount"`
}

// PaidPayment is the word of the contract that pays many on one payment of a
// mined transaction of ours, from a proven log.
type PaidPayment struct {
	Position uint64         `json:"position"` // in the list of payments
	Asset    AssetID        `json:"asset"`
	To       common.Address `json:"to"`
	Amount   Amount         `json:"amount"`
	OK       bool           `json:"ok"`  // without it nothing has moved
	Log      uint64         `json:"log"` // position within the transaction
}

// ValueOut is what a mined transaction of ours sent of the coin and did not get back:
// its value without what the contract that pays many could not pay, and returned to
// its sender within the transaction.
func (m *Mined) ValueOut() Amount {
	var back Amount
	for i := range m.Paid {
		if p := &m.Paid[i]; p.Asset.IsCoin() && !p.OK {
			back = back.Add(p.Amount)
		}
	}
	if back.Cmp(m.Value) > 0 { // no word of the contract's on this value
		return m.Value
	}
	return m.Value.Sub(back)
}
