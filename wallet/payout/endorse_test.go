package payout

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// requester signs requests with a key of its own.
type requester struct{ key *ecdsa.PrivateKey }

func newRequester(t testing.TB, n byte) requester {
	t.Helper()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return requester{key}
}

func (r requester) address() string { return crypto.PubkeyToAddress(r.key.PublicKey).Hex() }

// sign writes the signature of a request as people give it.
func (r requester) sign(t testing.TB, id string, asset wallet.AssetID, amount wallet.Amount, to common.Address) string {
	t.Helper()
	hash := batch.RequestHash(id, asset, amount, to)
	raw, err := crypto.Sign(hash[:], r.key)
	if err != nil {
		t.Fatal(err)
	}
	return r.address() + ":" + common.Bytes2Hex(raw)
}

func parse(t testing.TB, texts ...string) []wallet.Requester {
	t.Helper()
	list, err := ParseRequesters(texts)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRequestSigned takes signatures of just this request, each requester's once,
// and brings them to the signing station.
func TestRequestSigned(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	one, two, to := newRequester(t, 11), newRequester(t, 12), someone("w")
	r := wallet.WithdrawalRequest{ID: "w", Account: "alice", Asset: coinID, Amount: ether, To: to}
	for name, text := range map[string]string{
		"id":        one.sign(t, "v", coinID, ether, to),
		"chain":     one.sign(t, "w", wallet.Coin(1), ether, to),
		"asset":     one.sign(t, "w", w.tokenID(), ether, to),
		"amount":    one.sign(t, "w", coinID, ether.Mul(10), to),
		"recipient": one.sign(t, "w", coinID, ether, someone("else")),
		"requester": strings.Replace(one.sign(t, "w", coinID, ether, to), one.address(), two.address(), 1),
	} {
		bad := r
		bad.RequestedBy = parse(t, two.sign(t, "w", coinID, ether, to), text)
		if _, err := w.s.Request(w.ctx, bad); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("signed for another %s: %v", name, err)
		}
		if _, err := w.s.Show(w.ctx, "w"); !errors.Is(err, wallet.ErrNotFound) {
			t.Fatalf("signed for another %s, and requested: %v", name, err)
		}
	}
	signed := r
	signed.RequestedBy = parse(t, one.sign(t, "w", coinID, ether, to), one.sign(t, "w", coinID, ether, to))
	for _, same := range []wallet.WithdrawalRequest{signed, r, signed} {
		v, err := w.s.Request(w.ctx, same)
		if err != nil || len(v.RequestedBy) != 1 || v.RequestedBy[0] != one.address() {
			t.Fatalf("%v, %v", v.RequestedBy, err)
		}
	}
	if _, err := w.s.Endorse(w.ctx, "w", parse(t, two.sign(t, "w", coinID, ether.Mul(10), to))); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("endorsed with another amount: %v", err)
	}
	w.approve("w")
	for range 2 {
		if v, err := w.s.Endorse(w.ctx, "w", parse(t, two.sign(t, "w", coinID, ether, to))); err != nil || len(v.RequestedBy) != 2 || v.Status != wallet.WithdrawalApproved {
			t.Fatalf("%v, %v", v.RequestedBy, err)
		}
	}

	it := w.build().Batch.Items[0]
	if len(it.RequestedBy) != 2 {
		t.Fatalf("the batch carries %v", it.RequestedBy)
	}
	for _, by := range it.RequestedBy {
		if err := batch.CheckRequester(by, it.Intent.ID, it.Intent.Asset, it.Intent.Amount, it.Intent.Recipient); err != nil {
			t.Error(err)
		}
	}
	// A batch holds it now: what it carries stays, and the same again is no news.
	if _, err := w.s.Request(w.ctx, signed); err != nil {
		t.Error(err)
	}
	three := parse(t, newRequester(t, 13).sign(t, "w", coinID, ether, to))
	if _, err := w.s.Endorse(w.ctx, "w", three); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("endorsed in a batch: %v", err)
	}
	signed.RequestedBy = three
	if _, err := w.s.Request(w.ctx, signed); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("requested with a new signature in a batch: %v", err)
	}
	if v := w.show("w"); len(v.RequestedBy) != 2 {
		t.Errorf("signed by %v", v.RequestedBy)
	}
}

// TestSignedWhileBuilding writes no batch that lacks a signature which came in
// since it was planned.
func TestSignedWhileBuilding(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	o := BuildOptions{Max: 1}
	w.must(o.complete())
	_, p, err := w.s.decide(w.ctx, w.client, o)
	w.must(err)
	_, err = w.s.Endorse(w.ctx, "w", parse(t, newRequester(t, 11).sign(t, "w", coinID, ether, someone("w"))))
	w.must(err)
	err = w.s.DB.Update(w.ctx, func(tx store.Tx) error {
		b, err := outgoing.Draft(tx, batch.Withdrawals, w.s.Chain, p.items, w.s.now(), testExpiry)
		if err != nil {
			return err
		}
		_, err = outgoing.Write(tx, b)
		return err
	})
	if !errors.Is(err, outgoing.ErrChanged) {
		t.Errorf("written: %v", err)
	}
	if it := w.build().Batch.Items[0]; len(it.RequestedBy) != 1 {
		t.Errorf("built again, it carries %v", it.RequestedBy)
	}
}

func TestRequestersAreBounded(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	for n := range byte(batch.MaxRequesters) {
		_, err := w.s.Endorse(w.ctx, "w", parse(t, newRequester(t, 20+n).sign(t, "w", coinID, ether, someone("w"))))
		w.must(err)
	}
	if _, err := w.s.Endorse(w.ctx, "w", parse(t, newRequester(t, 11).sign(t, "w", coinID, ether, someone("w")))); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("one more: %v", err)
	}
	w.approve("w")
	if n := len(w.build().Batch.Items[0].RequestedBy); n != batch.MaxRequesters {
		t.Errorf("the batch carries %d", n)
	}
}

// TestRequestTypedData has go-ethereum read what wallets are given.
func TestRequestTypedData(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", w.tokenID(), wallet.NewAmount(7), someone("w"))
	data, err := w.s.TypedData(w.ctx, "w")
	w.must(err)
	raw, err := json.Marshal(data)
	w.must(err)
	var theirs apitypes.TypedData
	w.must(json.Unmarshal(raw, &theirs))
	hash, _, err := apitypes.TypedDataAndHash(theirs)
	if want := batch.RequestHash("w", w.tokenID(), wallet.NewAmount(7), someone("w")); err != nil || common.Hash(hash) != common.Hash(want) {
		t.Errorf("%x, %v; want %x", hash, err, want)
	}
	if _, err := w.s.TypedData(w.ctx, "nobody"); !errors.Is(err, wallet.ErrNotFound) {
		t.Errorf("of no withdrawal: %v", err)
	}
}

func TestImportSigned(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	one, two, to := newRequester(t, 11), newRequester(t, 12), someone("to")
	row := "w1,alice,ETH,1," + to.Hex() + ",rent,"
	file := "id,account,asset,amount,to,memo,signature\n" + row + "%\nw2,,ETH,1," + to.Hex() + ",,\n"
	first, second := one.sign(t, "w1", coinID, ether, to), two.sign(t, "w1", coinID, ether, to)
	for name, c := range map[string]struct{ signatures, say string }{
		"of another amount": {one.sign(t, "w1", coinID, ether.Mul(2), to), "column signature"},
		"one of two":        {first + " " + two.sign(t, "w2", coinID, ether, to), "column signature"},
		"without address":   {strings.Split(first, ":")[1], "ADDRESS:SIGNATURE"},
		"cut short":         {first[:100], "column signature"},
	} {
		_, err := w.s.Import(w.ctx, "pay.csv", strings.NewReader(strings.Replace(file, "%", c.signatures, 1)))
		if !errors.Is(err, wallet.ErrUsage) || !strings.Contains(err.Error(), "pay.csv, line 2") || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
		if list, err := w.s.List(w.ctx, Filter{}); err != nil || len(list) != 0 {
			t.Fatalf("%s: something was imported: %v, %v", name, list, err)
		}
	}
	for i, signatures := range []string{first, first + " " + second, ""} {
		if _, err := w.s.Import(w.ctx, "pay.csv", strings.NewReader(strings.Replace(file, "%", signatures, 1))); err != nil {
			t.Fatal(err)
		}
		if v := w.show("w1"); len(v.RequestedBy) != min(i+1, 2) {
			t.Errorf("signed by %v", v.RequestedBy)
		}
		if v := w.show("w2"); len(v.RequestedBy) != 0 {
			t.Errorf("signed by %v", v.RequestedBy)
		}
	}
}
