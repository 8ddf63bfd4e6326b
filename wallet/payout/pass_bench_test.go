package payout

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// settledMany writes the records of n withdrawals that were confirmed long ago.
func (w *world) settledMany(n int) {
	w.Helper()
	const step = 5000
	sender := common.HexToAddress("0x5e771ed000000000000000000000000000000000")
	for from := 0; from < n; from += step {
		w.update(func(tx store.Tx) error {
			var signed []store.SignedTransaction
			for i := from; i < min(from+step, n); i++ {
				slot := wallet.Slot{ChainID: w.s.Chain, Sender: sender, Nonce: uint64(i)} //nolint:gosec // small
				hash := common.BigToHash(big.NewInt(int64(i)))
				id := fmt.Sprintf("old %d", i)
				if err := store.PutOutgoing(tx, wallet.Outgoing{
					Slot: slot, State: wallet.OutgoingFinal, TxHash: hash,
					Intent:   wallet.Intent{Kind: wallet.IntentWithdrawal, ID: id, Asset: coinID},
					Attempts: []wallet.Attempt{{Offered: 1, Signed: []common.Hash{hash}}},
				}); err != nil {
					return err
				}
				signed = append(signed, store.SignedTransaction{Slot: slot, Hash: hash, Raw: make([]byte, 120)})
				if err := store.PutMined(tx, wallet.Mined{Slot: slot, TxHash: hash, Success: true, Settled: true}); err != nil {
					return err
				}
				if err := store.PutWithdrawal(tx, wallet.Withdrawal{WithdrawalRequest: wallet.WithdrawalRequest{ID: id, Asset: coinID}, Slot: &slot, Status: wallet.WithdrawalConfirmed}); err != nil {
					return err
				}
			}
			return store.PutSigned(tx, signed)
		})
	}
}

// BenchmarkConfirmPass is a pass over 64 transactions that a node has, in a store
// with so many withdrawals that are settled.
func BenchmarkConfirmPass(b *testing.B) {
	for _, settled := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("settled=%d", settled), func(b *testing.B) {
			w := newNetwork(b).newWorld(b, b.TempDir())
			w.settledMany(settled)
			w.several(64)
			if sent := w.broadcast(w.build().Batch); sent.Accepted != 64 {
				b.Fatalf("%+v", sent)
			}
			for b.Loop() {
				if r, err := w.s.Confirm(w.ctx, w.dial); err != nil || r.Pending != 64 || r.Rebroadcast != 0 {
					b.Fatalf("%+v (%v)", r, err)
				}
			}
		})
	}
}
