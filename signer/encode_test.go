package signer

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// What is hashed and written here is what go-ethereum hashes and writes, also
// of signatures that begin with zeros.
func TestEncodeTx(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := func(name string, least, most int) []byte {
			return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, name)
		}
		amount := func(name string) wallet.Amount { return wallet.AmountOf(new(big.Int).SetBytes(raw(name, 0, 32))) }
		chain := rapid.Uint64Min(1).Draw(t, "chain")
		it := &batch.Item{
			Nonce: rapid.Uint64().Draw(t, "nonce"), To: common.BytesToAddress(raw("to", 20, 20)), Value: amount("value"), Data: raw("data", 0, 200),
			Gas: rapid.Uint64().Draw(t, "gas"), Rungs: []wallet.Fee{{MaxFeePerGas: amount("fee"), MaxPriorityFeePerGas: amount("tip")}},
		}
		tx := it.Transaction(chain, 0)
		signer := types.LatestSignerForChainID(new(big.Int).SetUint64(chain))
		if got, want := crypto.Keccak256Hash(encodeTx(nil, chain, it, it.Rungs[0], nil)), signer.Hash(tx); got != want {
			t.Fatalf("hash to be signed %s, go-ethereum's %s", got, want)
		}
		signature := [65]byte(append(raw("signature", 64, 64), byte(rapid.IntRange(0, 1).Draw(t, "v"))))
		clear(signature[:rapid.IntRange(0, 3).Draw(t, "zeros")])
		signed, err := tx.WithSignature(signer, signature[:])
		if err != nil {
			t.Fatal(err)
		}
		want, err := signed.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if got := encodeTx(nil, chain, it, it.Rungs[0], &signature); !bytes.Equal(got, want) {
			t.Fatalf("transaction %x, go-ethereum's %x", got, want)
		}
	})
}
