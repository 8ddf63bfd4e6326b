package signer

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// encodeTx writes an EIP-1559 transaction with an empty access list in its
// EIP-2718 envelope: the bytes whose Keccak-256 is signed if signature is nil,
// else the signed transaction. core/types copies a transaction several times
// on the way to the same bytes, which for 10,000 of them costs as much as a
// quarter of the signatures; a test holds the two against each other.
func encodeTx(dst []byte, chain uint64, it *batch.Item, fee wallet.Fee, signature *[65]byte) []byte {
	w := rlp.NewEncoderBuffer(nil)
	list := w.List()
	w.WriteUint64(chain)
	w.WriteUint64(it.Nonce)
	w.WriteBigInt(fee.MaxPriorityFeePerGas.Big())
	w.WriteBigInt(fee.MaxFeePerGas.Big())
	w.WriteUint64(it.Gas)
	w.WriteBytes(it.To[:])
	w.WriteBigInt(it.Value.Big())
	w.WriteBytes(it.Data)
	w.ListEnd(w.List()) // access list
	if signature != nil {
		w.WriteUint64(uint64(signature[64]))
		w.WriteBytes(withoutZeros(signature[:32]))
		w.WriteBytes(withoutZeros(signature[32:64]))
	}
	w.ListEnd(list)
	dst = w.AppendToBytes(append(dst, types.DynamicFeeTxType))
	_ = w.Flush() // gives the buffer back; there is nothing to write to
	return dst
}

// withoutZeros is how RLP writes an integer.
func withoutZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// signRung signs one rung of an item. scratch is reused between calls.
func signRung(keys Keys, chain uint64, it *batch.Item, rung int, scratch *[]byte) (wallet.SignedRung, error) {
	fee := it.Rungs[rung]
	*scratch = encodeTx((*scratch)[:0], chain, it, fee, nil)
	var hash common.Hash
	copy(hash[:], crypto.Keccak256(*scratch))
	signature, err := keys.SignHash(it.Path, it.From, hash)
	if err != nil {
		return wallet.SignedRung{}, err
	}
	raw := encodeTx(make([]byte, 0, len(*scratch)+1+33+33+2), chain, it, fee, &signature)
	return wallet.SignedRung{Hash: crypto.Keccak256Hash(raw), Raw: raw}, nil
}
