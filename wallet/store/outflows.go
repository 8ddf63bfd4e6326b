package store

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// Outflow is what left an address of ours in somebody else's transaction: an
// allowance that was used, or coin that code on the address sent away. It is
// kept until it is final and booked. Where no transaction is known, TxHash is
// the block's and Transfer.Path the address.
type Outflow struct {
	Transfer    wallet.Transfer `json:"transfer"`
	TxHash      common.Hash     `json:"tx_hash"`
	BlockNumber uint64          `json:"block_number"`
	BlockHash   common.Hash     `json:"block_hash"`
}

// PutOutflow records an outflow of a chain.
func PutOutflow(tx Tx, chain uint64, o Outflow) error {
	return put(tx, outflowKey(chain, o), o)
}

// HasOutflow reports whether an outflow is recorded and not booked.
func HasOutflow(tx Tx, chain uint64, o Outflow) (bool, error) {
	return has(tx, outflowKey(chain, o))
}

// Outflows returns up to limit outflows of blocks from ≤ n ≤ to that are not
// booked, oldest block first. No limit if it is 0.
func Outflows(tx Tx, chain, from, to uint64, limit int) (list []Outflow, err error) {
	r := Range{From: keyOf(tOutflow, chain, from), To: keyOf(tOutflow, chain, to+1)}
	err = tx.Scan(r, func(k, raw []byte) error {
		o, err := decode[Outflow](k, raw)
		if err != nil {
			return err
		}
		if list = append(list, o); len(list) == limit {
			return Stop
		}
		return nil
	})
	return list, err
}

// DeleteOutflow forgets an outflow that was booked or whose block left the
// chain.
func DeleteOutflow(tx Tx, chain uint64, o Outflow) error { return tx.Delete(outflowKey(chain, o)) }

func outflowKey(chain uint64, o Outflow) []byte {
	return keyOf(tOutflow, chain, o.BlockNumber, o.TxHash, o.Transfer.Position, o.Transfer.Path)
}
