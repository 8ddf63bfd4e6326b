package batch

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// signatureSize is the length of a signature: r ‖ s ‖ v.
const signatureSize = 65

// ParseSignature reads a signature in any form that wallets write: in hex, with
// or without 0x, r ‖ s ‖ v with v of 27 or 28, or of 0 or 1, or 64 bytes with v
// in the highest bit of s (EIP-2098). An s in the upper half of the order, which
// is another spelling of the same signature, is turned around. What it returns
// is the one spelling that files have and SignerOf takes.
//
// Signatures of contracts (EIP-1271) have no such form: only the chain can tell
// whether they hold.
func ParseSignature(text string) ([]byte, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "0x")
	raw, err := hex.DecodeString(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("a signature that is not hex: %.20q", text)
	case len(raw) == signatureSize-1:
		raw = append(raw, 27+raw[32]>>7)
		raw[32] &= 0x7f
	case len(raw) != signatureSize:
		return nil, fmt.Errorf("a signature of %d bytes: want 65, or 64 in the compact form", len(raw))
	case raw[64] < 2:
		raw[64] += 27
	}
	if s := new(big.Int).SetBytes(raw[32:64]); s.Cmp(halfOrder) > 0 && s.Cmp(order) < 0 {
		s.Sub(order, s).FillBytes(raw[32:64])
		raw[64] ^= 27 ^ 28
	}
	return raw, checkForm(raw)
}

var (
	order     = crypto.S256().Params().N
	halfOrder = new(big.Int).Rsh(order, 1)
)

// checkForm refuses every spelling of a signature but one.
func checkForm(signature []byte) error {
	if len(signature) != signatureSize {
		return fmt.Errorf("a signature of %d bytes: want 65", len(signature))
	}
	v := signature[64]
	if v != 27 && v != 28 {
		return fmt.Errorf("a signature with v = %d: want 27 or 28", v)
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	if !crypto.ValidateSignatureValues(v-27, r, s, true) {
		return errors.New("a signature whose r or s is out of bounds")
	}
	return nil
}

// SignerOf recovers who signed a hash: r ‖ s ‖ v with s in the lower half of
// the order (EIP-2) and v of 27 or 28, so that every signature has one
// spelling.
func SignerOf(hash [32]byte, signature []byte) (common.Address, error) {
	if err := checkForm(signature); err != nil {
		return common.Address{}, err
	}
	key, err := crypto.SigToPub(hash[:], append(append(make([]byte, 0, signatureSize), signature[:64]...), signature[64]-27))
	if err != nil {
		return common.Address{}, fmt.Errorf("a signature that nobody made: %w", err)
	}
	return crypto.PubkeyToAddress(*key), nil
}

// checkSigner refuses a signature of a hash that is not by who.
func checkSigner(hash [32]byte, who common.Address, signature []byte, over string) error {
	signer, err := SignerOf(hash, signature)
	if err != nil {
		return err
	}
	if signer != who {
		return fmt.Errorf("not a signature of %s over %s: it was made over something else, or by another key", who, over)
	}
	return nil
}

// ParseRequester reads a requester's signature as people give it: ADDRESS:SIGNATURE,
// the signature as ParseSignature takes it.
func ParseRequester(text string) (r wallet.Requester, err error) {
	who, signature, ok := strings.Cut(text, ":")
	if !ok {
		return r, fmt.Errorf("%.60q: want ADDRESS:SIGNATURE", text)
	}
	if r.Requester, err = wallet.ParseAddress(who); err != nil {
		return r, err
	}
	r.Signature, err = ParseSignature(signature)
	return r, err
}

// CheckRequester refuses a signature that is not the requester's over a
// withdrawal.
func CheckRequester(r wallet.Requester, id string, asset wallet.AssetID, amount wallet.Amount, to common.Address) error {
	return checkSigner(RequestHash(id, asset, amount, to), r.Requester, r.Signature, "this id, asset, amount and recipient")
}
