package batch

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// TestSignerOf takes one spelling of a signature and no other.
func TestSignerOf(t *testing.T) {
	hash := RequestHash("w-1", coin, wallet.NewAmount(1500), common.HexToAddress("0x01"))
	good, err := crypto.Sign(hash[:], payoutKey)
	if err != nil {
		t.Fatal(err)
	}
	good[64] += 27
	if who, err := SignerOf(hash, good); err != nil || who != addressOf(payoutKey) {
		t.Fatalf("%s, %v", who, err)
	}
	high := append([]byte{}, good...)
	new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(good[32:64])).FillBytes(high[32:64])
	high[64] = 27 + 28 - high[64]
	raw := append([]byte{}, good...)
	raw[64] -= 27
	for name, signature := range map[string][]byte{"high s": high, "v from 0": raw, "short": good[:64], "zero": make([]byte, 65)} {
		if who, err := SignerOf(hash, signature); err == nil {
			t.Errorf("%s: taken, of %s", name, who)
		}
	}
}
