package scanner

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// paid is what the contract that pays many says of the call of a transaction's
// sender. What somebody else had it pay from within the transaction is not the
// sender's.
func (x *extraction) paid(t *chain.Tx, sender common.Address) (list []wallet.PaidPayment) {
	for i := range t.Logs {
		l := &t.Logs[i]
		if l.Address != multipay.Address() {
			continue
		}
		p, err := multipay.DecodePaid(&types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
		if err != nil || p.Payer != sender {
			continue
		}
		list = append(list, wallet.PaidPayment{
			Position: p.Position, Asset: wallet.AssetID{ChainID: x.chain, Contract: p.Token}, To: p.To, Amount: p.Amount, OK: p.OK, Log: uint64(i),
		})
	}
	return list
}
