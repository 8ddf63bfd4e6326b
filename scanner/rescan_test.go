package scanner_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// spender is an address that received and sent before it was made ours.
type spender struct {
	*home

	who   ourKey
	nonce uint64
}

func (s *spender) spend(to common.Address, wei *big.Int, data []byte, gasLimit uint64) {
	s.Helper()
	tx, err := types.SignNewTx(s.who.key, types.LatestSignerForChainID(new(big.Int).SetUint64(s.net.ChainID())), &types.LegacyTx{
		Nonce: s.nonce, GasPrice: big.NewInt(20e9), Gas: gasLimit, To: &to, Value: wei, Data: data,
	})
	s.ok(err)
	s.ok(s.net.Client().SendTransaction(s.Context(), tx))
	s.nonce++
	s.mine(2)
}

// TestRescanBeforeOpening reads blocks again in which an address moved value
// before its opening balance was read. That holds all of it, so the opening
// balance has to give way, also where it was nothing.
func TestRescanBeforeOpening(t *testing.T) {
	for name, c := range map[string]struct {
		emptied, spendsOnly bool
	}{
		"all, something left":         {false, false},
		"all, nothing left":           {true, false},
		"spends only, something left": {false, true},
		"spends only, nothing left":   {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, wallet.Finality{Confirmations: 1}, chaintest.SimulatedOptions{Finality: 2})
			key, err := crypto.ToECDSA(crypto.Keccak256([]byte("late")))
			h.ok(err)
			s := spender{home: h, who: ourKey{wallet.Address{
				Address: crypto.PubkeyToAddress(key.PublicKey), Role: wallet.PayoutRole, Path: wallet.Path{Role: wallet.PayoutRole, Index: 7},
			}, key}}
			at := s.who.Address.Address
			h.fund(at, 1e18)
			h.pay(at, 500)
			h.mine(2)
			from := uint64(1)
			if c.spendsOnly {
				head, err := h.net.Client().BlockNumber(t.Context())
				h.ok(err)
				from = head + 1
			}
			s.spend(h.token, new(big.Int), h.call("transfer", h.net.Faucet().Address, big.NewInt(500)), 90_000)
			if c.emptied {
				left, err := h.net.Client().BalanceAt(t.Context(), at, nil)
				h.ok(err)
				s.spend(h.net.Faucet().Address, left.Sub(left, big.NewInt(21_000*20e9)), nil, 21_000)
			}
			h.mine(3)
			h.pass()
			h.update(func(tx store.Tx) error {
				if err := store.AddAddress(tx, s.who.Address); err != nil {
					return err
				}
				return store.MarkUnopened(tx, at, h.asset())
			})
			h.keys = append(h.keys, s.who)
			h.pass()
			head, err := h.net.Client().HeaderByNumber(t.Context(), nil)
			h.ok(err)
			h.checkBalances(head.Hash(), head.Number.Uint64())
			_, err = h.scanner(h.db).Rescan(t.Context(), from, 0)
			h.ok(err)
			h.pass()
			h.checkBalances(head.Hash(), head.Number.Uint64())
			h.pass()
			h.checkBalances(head.Hash(), head.Number.Uint64())
		})
	}
}
