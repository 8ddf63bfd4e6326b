package erc4527

import (
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// Signature is a wallet's answer.
type Signature struct {
	ID        uuid.UUID // of the request
	Signature [65]byte  // r ‖ s ‖ v
	Origin    string    // what the wallet calls itself; it proves nothing
}

type signatureWire struct {
	ID        cbor.RawTag `cbor:"1,keyasint"`
	Signature []byte      `cbor:"2,keyasint"`
	Origin    string      `cbor:"3,keyasint,omitempty"`
}

// ParseSignature reads the CBOR of a UR of type SignatureType. The error is of
// class [wallet.ErrRefused].
func ParseSignature(message []byte) (*Signature, error) {
	var w signatureWire
	if err := ur.UnmarshalCBOR(message, &w); err != nil {
		return nil, bad("%w", err)
	}
	var id []byte
	if w.ID.Number != tagUUID {
		return nil, bad("it names no request")
	}
	if err := ur.UnmarshalCBOR(w.ID.Content, &id); err != nil || len(id) != len(uuid.UUID{}) {
		return nil, bad("its request has no UUID of 16 bytes")
	}
	if len(w.Signature) != len(Signature{}.Signature) {
		return nil, bad("a signature of %d bytes, want 65", len(w.Signature))
	}
	return &Signature{ID: uuid.UUID(id), Signature: [65]byte(w.Signature), Origin: w.Origin}, nil
}

func bad(format string, args ...any) error {
	return wallet.As(wallet.ErrRefused, "the answer is no %s: %w", SignatureType, fmt.Errorf(format, args...))
}

// Answers gathers the signatures of the rungs of a batch, each of which is a
// request of its own.
type Answers struct {
	batch *batch.Batch
	rungs []wallet.SignedRung // without a hash where none has come
	ids   map[uuid.UUID]int
}

// NewAnswers waits for the signatures of a batch that NewRequest takes.
func NewAnswers(b *batch.Batch) (*Answers, error) {
	it, err := single(b)
	if err != nil {
		return nil, err
	}
	digest, err := b.Digest()
	if err != nil {
		return nil, err
	}
	a := &Answers{batch: b, rungs: make([]wallet.SignedRung, it.Signatures()), ids: map[uuid.UUID]int{}}
	for rung := range it.Signatures() {
		a.ids[RequestID(digest, rung)] = rung
	}
	return a, nil
}

// Add takes in a signature and returns its rung, from 0. It may be any of a
// valid signature's forms: v as 0 and 1 or 27 and 28, and s or its negative,
// which are stored as nodes want them (EIP-2). The error is of class
// [wallet.ErrRefused] for the answer to another request, and for one that the
// item's sender did not sign.
func (a *Answers) Add(s *Signature) (rung int, err error) {
	rung, ok := a.ids[s.ID]
	if !ok {
		return 0, wallet.WithHint(wallet.As(wallet.ErrRefused, "the signature answers the request %s, which is none of this batch", s.ID),
			"give the batch whose request was shown to the wallet")
	}
	signature, err := canonical(s.Signature)
	if err != nil {
		return rung, err
	}
	it := &a.batch.Items[0]
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(a.batch.ChainID))
	tx, err := it.Transaction(a.batch.ChainID, rung).WithSignature(signer, signature[:])
	if err != nil {
		return rung, bad("rung %d: %w", rung+1, err)
	}
	from, err := types.Sender(signer, tx)
	if err != nil {
		return rung, bad("rung %d: %w", rung+1, err)
	}
	if from != it.From {
		return rung, wallet.WithHint(
			wallet.As(wallet.ErrRefused, "rung %d was signed by %s, and %s at %s sends this withdrawal", rung+1, from, it.From, it.Path),
			"the wallet holds other keys, or it signed something else than it was asked to: sign nothing more with it until that is known")
	}
	raw, err := tx.MarshalBinary()
	a.rungs[rung] = wallet.SignedRung{Hash: tx.Hash(), Raw: raw}
	return rung, err
}

// canonical brings v to 0 or 1 and s to the lower half of its range.
func canonical(signature [65]byte) ([65]byte, error) {
	v := signature[64]
	if v == 27 || v == 28 {
		v -= 27
	}
	if v > 1 {
		return signature, bad("v is %d, want 0 or 1", signature[64])
	}
	order := crypto.S256().Params().N
	s := new(big.Int).SetBytes(signature[32:64])
	if half := new(big.Int).Rsh(order, 1); s.Cmp(half) > 0 && s.Cmp(order) < 0 {
		s.Sub(order, s)
		v ^= 1
	}
	s.FillBytes(signature[32:64])
	signature[64] = v
	return signature, nil
}

// Missing lists the rungs, from 0, that no signature came for.
func (a *Answers) Missing() (rungs []int) {
	for i, r := range a.rungs {
		if r.Hash == (common.Hash{}) {
			rungs = append(rungs, i)
		}
	}
	return rungs
}

// Signed is the signed batch once nothing is missing, verified as whoever
// takes it in will.
func (a *Answers) Signed(now time.Time) (*batch.Signed, error) {
	if missing := a.Missing(); len(missing) > 0 {
		return nil, fmt.Errorf("no signature came for %d of %d rungs", len(missing), len(a.rungs))
	}
	digest, err := a.batch.HexDigest()
	if err != nil {
		return nil, err
	}
	signed := &batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *a.batch, Digest: digest,
		SignedAt: now.UTC().Truncate(time.Second), Transactions: [][]wallet.SignedRung{a.rungs},
	}
	return signed, signed.Verify()
}
