package batch

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"sync"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
)

// check refuses a signed batch that breaks a rule of the format, or whose
// digest is not that of the batch in it.
func (s *Signed) check() error {
	switch {
	case s.Format != SignedFormat:
		return fault("format", s.Format, "want %s", SignedFormat)
	case s.Version != Version:
		return fault("version", s.Version, "want %d", Version)
	case s.Outside(): // no policy and no record are what it says
	case !isHex(s.PolicyHash, 32):
		return fault("policy_hash", s.PolicyHash, "want 64 lower-case hex digits")
	case !isHex(s.RecordHead, 32):
		return fault("record_head", s.RecordHead, "want 64 lower-case hex digits")
	}
	if err := checkTime("signed_at", s.SignedAt); err != nil {
		return err
	}
	if err := s.Batch.Check(); err != nil {
		return inSigned(err)
	}
	digest, err := s.Batch.Digest()
	if err != nil {
		return err
	}
	if want := hex.EncodeToString(digest[:]); s.Digest != want {
		return fault("digest", s.Digest, "the batch in the file has %s", want)
	}
	if have, want := len(s.Transactions), len(s.Batch.Items); have != want {
		return fault("transactions", nil, "signatures of %d items for a batch of %d", have, want)
	}
	for i, rungs := range s.Transactions {
		if have, want := len(rungs), s.Batch.Items[i].Signatures(); have != want {
			return signedFault(i, -1, "", "%d signatures, and the item needs %d", have, want)
		}
	}
	return nil
}

// Verify proves a signed batch: its structure and digest, and that each raw
// transaction is the item's at that rung and no other, that it has the hash
// beside it, and that its sender signed it. It uses all processors. The error
// is a [*Error] of class [wallet.ErrRefused].
func (s *Signed) Verify() error {
	if err := s.check(); err != nil {
		return withHint(err)
	}
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(s.Batch.ChainID))
	// Every worker takes a stretch of the items, so that the first fault in
	// the order of the batch is the one that is told.
	workers := min(runtime.GOMAXPROCS(0), len(s.Transactions))
	faults := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * len(s.Transactions) / workers; i < (w+1)*len(s.Transactions)/workers && faults[w] == nil; i++ {
				faults[w] = s.verifyItem(signer, i)
			}
		})
	}
	wg.Wait()
	for _, err := range faults {
		if err != nil {
			return withHint(err)
		}
	}
	return nil
}

func (s *Signed) verifyItem(signer types.Signer, i int) error {
	for rung, signed := range s.Transactions[i] {
		if err := s.verify(signer, i, rung, signed); err != nil {
			return err
		}
	}
	return nil
}

func (s *Signed) verify(signer types.Signer, i, rung int, signed wallet.SignedRung) error {
	it := &s.Batch.Items[i]
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(signed.Raw); err != nil {
		return signedFault(i, rung, "raw", "is no transaction: %v", err)
	}
	if again, err := tx.MarshalBinary(); err != nil || !bytes.Equal(again, signed.Raw) {
		return signedFault(i, rung, "raw", "is not the canonical form of its transaction")
	}
	want := it.Transaction(s.Batch.ChainID, rung)
	if tx.Type() != want.Type() || signer.Hash(tx) != signer.Hash(want) {
		return signedFault(i, rung, "raw", "is not the transaction of the item")
	}
	if tx.Hash() != signed.Hash {
		return signedFault(i, rung, "hash", "%s: the transaction has %s", signed.Hash, tx.Hash())
	}
	from, err := types.Sender(signer, tx)
	if err != nil {
		return signedFault(i, rung, "raw", "has no valid signature: %v", err)
	}
	if from != it.From {
		return signedFault(i, rung, "raw", "was signed by %s, not by %s", from, it.From)
	}
	return nil
}

// inSigned makes the place of an error that of the signed file.
func inSigned(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.Field = "/batch" + e.Field
	}
	return err
}

func signedFault(i, rung int, field, problem string, args ...any) error {
	place := fmt.Sprintf("/transactions/%d", i)
	if rung >= 0 {
		place = fmt.Sprintf("%s/%d/%s", place, rung, field)
	}
	return &Error{Item: i, Field: place, Problem: fmt.Sprintf(problem, args...)}
}
