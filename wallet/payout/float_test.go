package payout

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

var floatMaster = func() *hd.Master {
	m, err := hd.NewMaster(hd.Seed([]byte("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"), ""))
	if err != nil {
		panic(err)
	}
	return m
}()

// withFloat gives a home a float with so much ether on it.
func (w *world) withFloat(ethers int64) common.Address {
	w.Helper()
	path := wallet.Path{Role: wallet.PayoutRole}
	a, err := floatMaster.Watch().Address(path)
	w.must(err)
	w.update(func(tx store.Tx) error {
		file, err := floatMaster.Watch().Encode()
		if err != nil {
			return err
		}
		if err := store.PutFloatWatchFile(tx, file); err != nil {
			return err
		}
		return store.AddAddress(tx, wallet.Address{Address: a, Path: path, Role: wallet.FloatRole})
	})
	_, err = w.sim.Fund(w.ctx, a, new(big.Int).Mul(big.NewInt(ethers), ether.Big()))
	w.must(err)
	w.mine(1)
	w.must(w.sim.Finalize(w.ctx))
	w.scan()
	return a
}

// ids are those of the withdrawals in a batch.
func ids(b *batch.Batch) string {
	var list []string
	for i := range b.Items {
		list = append(list, b.Items[i].Intent.ID)
	}
	return strings.Join(list, " ")
}

// A batch is paid from one vault: the float pays what is small enough, the cold
// vault the rest, and neither touches what is bound to the other.
func TestBuildFromTheFloat(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{Float: Float{Use: true}}); !errors.Is(err, wallet.ErrNotFound) || !strings.Contains(wallet.Hint(err), "--float") {
		t.Fatalf("without a float: %v", err)
	}
	float := w.withFloat(3)
	for _, id := range []string{"small", "large", "other"} {
		amount := ether
		if id == "large" {
			amount = ether.Mul(2)
		}
		w.request(id, "alice", coinID, amount, someone(id))
	}
	w.approve("small", "large", "other")
	options := BuildOptions{Expiry: testExpiry, Float: Float{Use: true, Most: map[wallet.AssetID]wallet.Amount{coinID: ether}}}
	first, err := w.s.Build(w.ctx, w.client, options)
	w.must(err)
	if got := ids(first.Batch); got != "small other" || first.Batch.Items[0].From != float || first.Batch.Vault != floatMaster.Watch().Fingerprint().String() {
		t.Fatalf("the float's batch holds %q of %s for the vault %s", got, first.Batch.Items[0].From, first.Batch.Vault)
	}
	if v := w.show("large"); v.Status != wallet.WithdrawalApproved || !strings.HasSuffix(v.Reason, WaitsForCold) {
		t.Errorf("large is %s: %q", v.Status, v.Reason)
	}
	_, err = w.s.Discard(w.ctx, first.Batch.ID)
	w.must(err)
	cold := w.build()
	if got := ids(cold.Batch); got != "large" || cold.Batch.Items[0].From != payoutAddress || cold.Batch.Vault != master.Watch().Fingerprint().String() {
		t.Fatalf("the cold batch holds %q for the vault %s", got, cold.Batch.Vault)
	}
	if len(cold.LeftOut) != 2 || !strings.Contains(cold.LeftOut[0].Reason, "of the float") {
		t.Errorf("left out of the cold batch: %v", cold.LeftOut)
	}
	// What the float has bound stays at its nonce, whatever the limit is now.
	options.Float.Most[coinID] = wallet.NewAmount(1)
	again, err := w.s.Build(w.ctx, w.client, options)
	w.must(err)
	if got := ids(again.Batch); got != "small other" || again.Batch.Items[1].Nonce != first.Batch.Items[1].Nonce {
		t.Errorf("built again: %q", got)
	}
	if _, err := w.s.Build(w.ctx, w.client, options); !errors.Is(err, ErrNothing) {
		t.Errorf("with all of it in batches: %v", err)
	}
}

// Write takes no item whose sender's keys are in another vault than the batch
// says, and Draft makes no batch of two.
func TestOneVaultPerBatch(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.withFloat(3)
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	o := BuildOptions{Max: 1, Float: Float{Use: true}}
	w.must(o.complete())
	_, p, err := w.s.decide(w.ctx, w.client, o)
	w.must(err)
	w.view(func(tx store.Tx) error {
		list := p.items
		b, err := outgoing.Draft(tx, batch.Withdrawals, w.s.Chain, list, w.time, time.Hour)
		if err != nil {
			return err
		}
		b.Vault = master.Watch().Fingerprint().String()
		if _, err := outgoing.Write(tx, b); !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "is signed for by the vault") {
			t.Errorf("for the cold vault: %v", err)
		}
		mixed := append(list, list[0])
		mixed[1].From = payoutAddress
		if _, err := outgoing.Draft(tx, batch.Withdrawals, w.s.Chain, mixed, w.time, time.Hour); !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "another vault") {
			t.Errorf("of two vaults: %v", err)
		}
		return nil
	})
}

// Fit decides before anything is bound: what it refuses gets no nonce, what comes
// after takes its place, and what was bound before and does not fit lets nothing
// pass it.
func TestFitDecidesBeforeBinding(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.withFloat(30)
	for _, id := range []string{"a", "b", "c"} {
		w.request(id, "alice", coinID, ether, someone(id))
	}
	w.approve("a", "b", "c")
	refuse, asked := map[string]string{"b": "not b"}, 0
	o := BuildOptions{Expiry: testExpiry, Float: Float{Use: true, Fit: func(_ context.Context, b *batch.Batch) ([]string, error) {
		asked++
		why := make([]string, len(b.Items))
		for i := range b.Items {
			why[i] = refuse[b.Items[i].Intent.ID]
			// As a limit of fees would: only the real ones are above it.
			if b.Items[i].Intent.ID == "c" && b.Items[i].Gas > batch.MinGas {
				why[i] = "too dear"
			}
		}
		return why, nil
	}}}
	built, err := w.s.Build(w.ctx, w.client, o)
	w.must(err)
	if got := ids(built.Batch); got != "a" {
		t.Fatalf("built %q", got)
	}
	for id, want := range map[string]string{"b": "not b", "c": "too dear"} {
		if v := w.show(id); v.Status != wallet.WithdrawalApproved || v.Nonce != nil || v.Reason != want {
			t.Errorf("%s is %s at %v: %q, want %q", id, v.Status, v.Nonce, v.Reason, want)
		}
	}
	if asked < 3 {
		t.Errorf("asked %d times: with gas and fees the draft is another", asked)
	}
	_, err = w.s.Discard(w.ctx, built.Batch.ID)
	w.must(err)
	refuse = map[string]string{"a": "not a"}
	if _, err := w.s.Build(w.ctx, w.client, o); !errors.Is(err, ErrNothing) {
		t.Errorf("with nonce 0 bound and refused: %v", err)
	}
	if v := w.show("b"); v.Nonce != nil {
		t.Errorf("b got the nonce %d behind one that is not filled", *v.Nonce)
	}
	refuse = nil
	built, err = w.s.Build(w.ctx, w.client, o)
	w.must(err)
	if got := ids(built.Batch); got != "a b" || built.Batch.Items[0].Nonce != 0 || built.Batch.Items[1].Nonce != 1 {
		t.Errorf("then built %q", got)
	}
}
