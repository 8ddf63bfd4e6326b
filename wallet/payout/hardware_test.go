package payout

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/erc4527"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// hardware signs a batch as a QR hardware wallet does that holds the payout key.
func (w *world) hardware(b *batch.Batch) *batch.Signed {
	w.Helper()
	answers, err := erc4527.NewAnswers(b)
	w.must(err)
	for rung := range b.Items[0].Rungs {
		request, err := erc4527.NewRequest(b, rung, 0)
		w.must(err)
		signature, err := crypto.Sign(crypto.Keccak256(request.SignData), keyOf(b.Items[0].Path))
		w.must(err)
		_, err = answers.Add(&erc4527.Signature{ID: request.ID, Signature: [65]byte(signature)})
		w.must(err)
	}
	signed, err := answers.Signed(w.time)
	w.must(err)
	return signed
}

func (w *world) head(vault string) (head store.RecordHead) {
	w.Helper()
	w.view(func(tx store.Tx) (err error) {
		head, err = store.LastRecordHead(tx, vault)
		return err
	})
	return head
}

// A withdrawal that a hardware wallet signed is broadcast, mined and settled as
// any other. The head of the signing record stays what the station said last.
func TestSignedOutside(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	to := common.HexToAddress("0x00000000000000000000000000000000000A11CE")
	w.request("w-1", "alice", coinID, ether, to)
	w.approve("w-1")
	first := w.build()
	w.broadcast(first.Batch)
	w.finish()
	head := w.head(first.Batch.Vault)
	if head.Head != testRecordHead {
		t.Fatalf("the head is %q", head.Head)
	}

	w.request("w-2", "alice", w.tokenID(), wallet.NewAmount(25_000_000), to)
	w.approve("w-2")
	b := w.build().Batch
	w.time = w.time.Add(time.Minute) // later than the head that is known
	signed := w.hardware(b)
	if !signed.Outside() {
		t.Error("the batch does not say that it was signed outside")
	}
	rec, err := w.s.TakeIn(w.ctx, w.file(signed))
	w.must(err)
	_, err = w.s.TakeIn(w.ctx, w.file(signed))
	w.must(err)
	sent, err := w.s.Offer(w.ctx, w.client, rec.ID)
	w.must(err)
	if sent.Accepted != 1 {
		t.Errorf("the node took %d of 1: %+v", sent.Accepted, sent)
	}
	w.finish()
	w.status("w-2", wallet.WithdrawalConfirmed)
	if got := w.got(w.tokenID(), to); got.Big().Cmp(big.NewInt(25_000_000)) != 0 {
		t.Errorf("the recipient has %s", got)
	}
	w.balanced()
	if now := w.head(b.Vault); now != head {
		t.Errorf("the head became %+v, want %+v", now, head)
	}
}
