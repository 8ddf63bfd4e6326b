package outgoing

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// What the contract and the token say must agree for each payment, in order; a
// person looks where they do not, and nothing is released meanwhile.
func TestJudgeMany(t *testing.T) {
	sender, token := common.Address{1}, wallet.Token(1, common.Address{2})
	to := []common.Address{{3}, {4}, {3}}
	o := &wallet.Outgoing{Slot: wallet.Slot{ChainID: 1, Sender: sender}, Intent: wallet.Intent{Kind: wallet.IntentPayments, Asset: token}}
	fresh := func() *wallet.Mined {
		m := &wallet.Mined{Success: true}
		for i := range to {
			amount := wallet.NewAmount(int64(i) + 1)
			m.Transfers = append(m.Transfers, wallet.Transfer{Asset: token, From: sender, To: to[i], Amount: amount, Position: uint64(2 * i)})
			m.Paid = append(m.Paid, wallet.PaidPayment{Position: uint64(i), Asset: token, To: to[i], Amount: amount, OK: true, Log: uint64(2*i + 1)})
		}
		return m
	}
	for i := range to {
		o.Payments = append(o.Payments, wallet.SlotPayment{To: to[i], Amount: wallet.NewAmount(int64(i) + 1)})
	}
	for name, test := range map[string]struct {
		change func(m *wallet.Mined)
		made   []bool
		out    Outcome
	}{
		"all":                 {func(*wallet.Mined) {}, []bool{true, true, true}, Done},
		"one failed":          {func(m *wallet.Mined) { m.Paid[1].OK = false; m.Transfers = slices.Delete(m.Transfers, 1, 2) }, []bool{true, false, true}, Done},
		"one moved nothing":   {func(m *wallet.Mined) { m.Transfers = slices.Delete(m.Transfers, 0, 1) }, []bool{false, true, true}, Done},
		"failed, yet moved":   {func(m *wallet.Mined) { m.Paid[1].OK = false }, nil, Other},
		"a fee was kept":      {func(m *wallet.Mined) { m.Transfers[2].Amount = wallet.NewAmount(2) }, nil, Other},
		"to somebody else":    {func(m *wallet.Mined) { m.Transfers[1].To = common.Address{9} }, nil, Other},
		"an event less":       {func(m *wallet.Mined) { m.Paid = m.Paid[:2] }, nil, Other},
		"events in disorder":  {func(m *wallet.Mined) { m.Paid[0], m.Paid[1] = m.Paid[1], m.Paid[0] }, nil, Other},
		"of another token":    {func(m *wallet.Mined) { m.Paid[0].Asset = wallet.Coin(1) }, nil, Other},
		"of another amount":   {func(m *wallet.Mined) { m.Paid[0].Amount = wallet.NewAmount(9) }, nil, Other},
		"of another one":      {func(m *wallet.Mined) { m.Paid[0].To = common.Address{9} }, nil, Other},
		"moved without word":  {func(m *wallet.Mined) { m.Paid = nil }, nil, Other},
		"nothing at all":      {func(m *wallet.Mined) { m.Paid, m.Transfers = nil, nil }, []bool{false, false, false}, Silent},
		"coin without a word": {func(m *wallet.Mined) { m.Paid, m.Transfers, m.Value = nil, nil, wallet.NewAmount(6) }, nil, Other},
	} {
		m := fresh()
		test.change(m)
		made, out := judgeMany(m, o)
		if out != test.out || !slices.Equal(made, test.made) {
			t.Errorf("%s: %v, %d; want %v, %d", name, made, out, test.made, test.out)
		}
	}
}
