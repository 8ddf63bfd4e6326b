package chaintest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// congestionKey is of the account whose transactions fill blocks.
const congestionKey = "c0ffee0000000000000000000000000000000000000000000000000000000001"

// Congest mines n full blocks of what is not in the pool: each raises the base
// fee by an eighth (EIP-1559), 42 of them a hundredfold. Empty blocks bring it
// down again as fast.
func (s *Simulated) Congest(n int) error {
	s.build.Lock()
	defer s.build.Unlock()
	account := newAccount(congestionKey)
	signer := types.LatestSignerForChainID(s.id)
	for range n {
		head := s.backend.BlockChain().CurrentBlock()
		state, err := s.backend.BlockChain().State()
		if err != nil {
			return err
		}
		nonce := state.GetNonce(account.Address)
		var txs []*types.Transaction
		for room := head.GasLimit; room > 0; {
			gas := min(room, params.MaxTxGas)
			room -= gas
			if gas < params.TxGas*3 {
				break // of no use for the little that it is
			}
			tx, err := types.SignNewTx(account.Key, signer, &types.DynamicFeeTx{
				ChainID: s.id, Nonce: nonce + uint64(len(txs)), Gas: gas,
				GasFeeCap: new(big.Int).Mul(big.NewInt(params.Ether), big.NewInt(1000)), GasTipCap: new(big.Int),
				Data: []byte{0xfe}, // creates a contract by an invalid instruction, which takes all gas
			})
			if err != nil {
				return err
			}
			txs = append(txs, tx)
		}
		if _, err := s.extend(txs, true); err != nil {
			return err
		}
	}
	return nil
}
