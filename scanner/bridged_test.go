package scanner_test

import (
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

// TestExtractBridged goes through what a deposited transaction (OP stack) means
// for us: what it mints is its sender's, also if it failed, and what its call
// moves is a deposit unless it comes from us.
func TestExtractBridged(t *testing.T) {
	nonce := uint64(4)
	call := func(from common.Address, to *common.Address, nonce *uint64) *chain.Bridged {
		return &chain.Bridged{From: from, To: to, Mint: big.NewInt(70), Value: big.NewInt(50), Nonce: nonce}
	}
	for name, c := range map[string]struct {
		bridged *chain.Bridged
		failed  bool
		id      uint64 // position in the id
		amount  int64  // 0 for no deposit
		mined   int
		unread  int
	}{
		"to us":                        {bridged: call(stranger, &ourAddress, &nonce), amount: 50},
		"to us, failed":                {bridged: call(stranger, &ourAddress, &nonce), failed: true},
		"to others":                    {bridged: call(stranger, &stranger, &nonce)},
		"a contract":                   {bridged: call(stranger, nil, &nonce)},
		"from us":                      {bridged: call(ourAddress, &stranger, &nonce), id: 1, amount: 70, mined: 1},
		"from us, failed":              {bridged: call(ourAddress, &stranger, &nonce), failed: true, id: 1, amount: 70, mined: 1},
		"from us to us":                {bridged: call(ourAddress, &ourAddress, &nonce), id: 1, amount: 70, mined: 1},
		"from us, nonce not proven":    {bridged: call(ourAddress, &stranger, nil), id: 1, amount: 70, unread: 1},
		"to us, nonce does not matter": {bridged: call(stranger, &ourAddress, nil), amount: 50},
	} {
		t.Run(name, func(t *testing.T) {
			b := &chain.Block{Header: &types.Header{Number: big.NewInt(9)}, Txs: []chain.Tx{
				{Type: 0x7e, Bridged: c.bridged, GasPrice: new(big.Int), GasUsed: 5, Success: !c.failed},
			}}
			f := scanner.Extract(10, b, known{}, clock)
			var deposits []wallet.Deposit
			if c.amount > 0 {
				deposits = []wallet.Deposit{{
					ID: wallet.DepositID(10, common.Hash{}, wallet.KindNative, c.id), ChainID: 10, Account: "alice", Address: ourAddress,
					Asset: wallet.Coin(10), Amount: wallet.NewAmount(c.amount), Kind: wallet.KindNative, BlockNumber: 9,
					Status: wallet.DepositPending, SeenAt: clock,
				}}
				if c.id == 0 {
					deposits[0].From = stranger
				}
			}
			if !reflect.DeepEqual(f.Deposits, deposits) || len(f.Mined) != c.mined || f.Unread != c.unread {
				t.Fatalf("%+v", f)
			}
			for _, m := range f.Mined {
				if m.Slot.Nonce != nonce || m.Slot.Sender != ourAddress || m.Success == c.failed || m.Value.Cmp(wallet.NewAmount(50)) != 0 || !m.Cost().IsZero() {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}
