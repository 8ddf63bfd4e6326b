package online

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/station"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// floatHome is a home with a float: 0.5 ether at once, 1 a day.
type floatHome struct {
	*treasuryHome
	passphrase string
	float      common.Address
	now        time.Time
}

const floatPolicy = `version = 1
max_age = "24h"
max_items = 10
allow = ["withdrawal", "rebalance", "cancel"]
roles = ["payout"]
approvals = 0
[[chain]]
id = %d
max_fee_per_gas_gwei = "500"
max_fee_per_transaction = "0.1"
max_fee_per_batch = "1"
treasury = "%s"
any_recipient = true
[[asset]]
asset = "eip155:%[1]d/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "0.5"
max_per_batch = "1"
max_per_recipient = "1"
max_per_day = "1"
max_per_week = "3"
`

func newFloatHome(t *testing.T) *floatHome {
	t.Helper()
	h := &floatHome{treasuryHome: newTreasuryHome(t, chaintest.NewSimulated(t, chaintest.SimulatedOptions{})), now: time.Now()}
	h.clock = func() time.Time { return h.now }
	out := t.TempDir()
	h.passphrase = filepath.Join(out, "passphrase")
	h.ok(os.WriteFile(h.passphrase, []byte("correct horse battery staple"), 0o600))
	words := filepath.Join(out, "words")
	h.ok(os.WriteFile(words, []byte("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"), 0o600))
	var made struct {
		Fingerprint string
		Addresses   []struct{ Address common.Address }
	}
	h.json(cli.ExitDone, &made, "vault", "create", "--light-kdf", "--mnemonic-file", words, "--passphrase-file", h.passphrase)
	watch := filepath.Join(out, "float.json")
	h.run(cli.ExitDone, "vault", "export-watch", "-o", watch, "--passphrase-file", h.passphrase)
	h.json(cli.ExitDone, &made, "watch", "import", "--float", watch, "--fingerprint", made.Fingerprint)
	h.float = made.Addresses[0].Address
	h.addresses["float"] = h.float
	h.policy(fmt.Sprintf(floatPolicy, h.net.ChainID(), h.addresses["treasury"]))
	h.fund("float", 5e18)
	h.scan()
	return h
}

func (h *floatHome) policy(text string) {
	h.t.Helper()
	h.ok(os.WriteFile(filepath.Join(h.dir, policy.File), []byte(text), 0o600))
}

func (h *floatHome) record() store.DB { return bolt.Open(filepath.Join(h.dir, signer.RecordFile)) }

// station is the home as a process finds it, with the clock of the test.
func (h *floatHome) station() *Station {
	env, _, _ := cli.Test(h.dir)
	env.Now = h.clock
	return &Station{env}
}

// ask has withdrawals of the house approved, by amounts in decimals.
func (h *floatHome) ask(amounts map[string]string) {
	h.t.Helper()
	for id, amount := range amounts {
		h.run(cli.ExitDone, "withdraw", "request", "--id", id, "--asset", "ETH", "--amount", amount, "--to", recipientOf(id).Hex())
	}
	for id := range amounts {
		h.run(cli.ExitDone, "withdraw", "approve", id)
	}
}

func recipientOf(id string) common.Address {
	return common.BytesToAddress(crypto.Keccak256([]byte(id)))
}

// process is a signer in a process of its own. wrap changes its store, and vault
// its vault.
func (h *floatHome) process(wrap func(store.DB) store.DB, vault func(floatVault) floatVault) (a *autoSigner, end func()) {
	h.t.Helper()
	s := h.station()
	v, err := s.openFloat(h.t.Context(), h.passphrase, "")
	h.ok(err)
	client, err := chain.Dial(h.t.Context(), chain.Options{URLs: []string{h.net.URL()}})
	h.ok(err)
	a = &autoSigner{
		s: s, vault: vault(v), p: &payout.Service{DB: wrap(h.db()), Chain: h.net.ChainID(), Now: s.Now},
		dial: func(context.Context) (floatNode, error) { return client, nil },
	}
	return a, func() { client.Close(); v.Close() }
}

func (h *floatHome) round() {
	h.t.Helper()
	a, end := h.process(func(db store.DB) store.DB { return db }, func(v floatVault) floatVault { return v })
	defer end()
	h.ok(a.round(h.t.Context()))
}

type shown struct{ Status, Reason, From string }

func (h *floatHome) show(id string) (v shown) {
	h.t.Helper()
	h.json(cli.ExitDone, &v, "withdraw", "show", id)
	return v
}

// settle has all that was sent mined, final and booked.
func (h *floatHome) settle() {
	h.t.Helper()
	h.ok(h.net.Mine(h.t.Context(), 1))
	h.scan()
	h.run(cli.ExitDone, "confirm")
}

// Within a day the float pays up to its limit, in the order of the requests, what
// is small enough. The rest waits for the cold station, and says so; a day later
// the limit is free again.
func TestAutoSign(t *testing.T) {
	h := newFloatHome(t)
	h.round() // with nothing to do
	for _, w := range [][2]string{{"first", "0.4"}, {"large", "0.6"}, {"second", "0.5"}, {"over", "0.2"}, {"third", "0.1"}} {
		h.ask(map[string]string{w[0]: w[1]})
	}
	h.round()
	for _, id := range []string{"first", "second", "third"} {
		if v := h.show(id); v.Status != string(wallet.WithdrawalBroadcast) || v.From != h.float.Hex() {
			t.Errorf("%s is %+v", id, v)
		}
	}
	for id, want := range map[string]string{"large": "above the float's limit of one withdrawal", "over": "above the float's limit of the day"} {
		if v := h.show(id); v.Status != string(wallet.WithdrawalApproved) || v.Reason != want+": waits for the cold station" || v.From != "" {
			t.Errorf("%s is %+v", id, v)
		}
	}
	h.settle()
	h.round()
	if v := h.show("over"); v.Status != string(wallet.WithdrawalApproved) {
		t.Errorf("in another process of the same day: over is %+v", v)
	}
	// The cold station takes what waits, once it has the funds.
	h.fund("payout", 5e18)
	h.scan()
	var built struct{ Items int }
	h.json(cli.ExitDone, &built, "build-withdrawals", "--max", "1", "-o", filepath.Join(t.TempDir(), "cold.json"))
	if v := h.show("large"); built.Items != 1 || v.From != h.addresses["payout"].Hex() {
		t.Errorf("large is %+v", v)
	}
	h.now = h.now.Add(25 * time.Hour)
	h.round()
	if v := h.show("over"); v.Status != string(wallet.WithdrawalBroadcast) {
		t.Errorf("a day later over is %+v", v)
	}
}

// What is written in one process and signed, taken in and sent in others is paid
// once, wherever they are killed; and never more than the limit of a day.
func TestAutoSignKilledAnywhere(t *testing.T) {
	h := newFloatHome(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	paid := map[string]int64{}
	for round := range 14 {
		h.now = h.now.Add(13 * time.Hour)
		asked := map[string]string{}
		for i := range 1 + random.IntN(3) {
			id, tenths := fmt.Sprintf("w-%d-%d", round, i), 1+random.Int64N(5)
			asked[id], paid[id] = fmt.Sprintf("0.%d", tenths), tenths
		}
		h.ask(asked)
		for after := 0; ; after++ {
			kill := &killer{after: after, commit: (round+after)%2 == 0}
			a, end := h.process(kill.store, kill.vault)
			err := a.round(t.Context())
			end()
			if !kill.dead {
				h.ok(err)
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("killed at %d, it says %v", after, err)
			}
		}
		h.settle()
	}
	h.settle() // what confirm sent last
	var rows []struct{ ID, Status, From string }
	h.json(cli.ExitDone, &rows, "withdraw", "list")
	sent := 0
	for _, r := range rows {
		have, err := h.net.Client().BalanceAt(t.Context(), recipientOf(r.ID), nil)
		h.ok(err)
		want := new(big.Int)
		if r.Status == string(wallet.WithdrawalConfirmed) {
			want.Mul(big.NewInt(paid[r.ID]), big.NewInt(1e17))
			sent++
		} else if r.Status != string(wallet.WithdrawalApproved) {
			t.Errorf("%s is %+v", r.ID, h.show(r.ID))
		}
		if have.Cmp(want) != 0 {
			t.Errorf("%s is %s, and its recipient has %s, want %s", r.ID, r.Status, have, want)
		}
	}
	nonce, err := h.net.Client().NonceAt(t.Context(), h.float, nil)
	h.ok(err)
	if int(nonce) != sent || sent < 5 {
		t.Errorf("%d payments with %d nonces", sent, nonce)
	}
	h.run(cli.ExitDone, "reconcile")
	h.withinTheDay()
}

// withinTheDay holds every 24 hours of the signing record against the limit.
func (h *floatHome) withinTheDay() {
	h.t.Helper()
	type spend struct {
		at    time.Time
		batch string
	}
	var signed []spend
	var tenths []int64
	h.ok(h.record().View(h.t.Context(), func(tx store.Tx) error {
		return signer.Entries(tx, func(e signer.Entry, _ string) error {
			if e.Kind == signer.KindSignature {
				signed = append(signed, spend{e.At, e.Batch})
			}
			return nil
		})
	}))
	h.ok(h.db().View(h.t.Context(), func(tx store.Tx) error {
		for _, s := range signed {
			rec, _, err := store.Batch(tx, s.batch)
			if err != nil {
				return err
			}
			b, err := batch.Parse(rec.File)
			if err != nil {
				return err
			}
			sum := new(big.Int)
			for i := range b.Items {
				sum.Add(sum, b.Items[i].Intent.Amount.Big())
			}
			tenths = append(tenths, sum.Div(sum, big.NewInt(1e17)).Int64())
		}
		return nil
	}))
	for i, from := range signed {
		var sum int64
		for j, s := range signed {
			if d := s.at.Sub(from.at); j >= i && d <= 24*time.Hour {
				sum += tenths[j]
			}
		}
		if sum > 10 {
			h.t.Errorf("from %s on, 0.1 ether × %d were signed within 24 hours", from.at, sum)
		}
	}
}

// killer kills a process before or after the nth thing that it changes: a
// transaction of its store, or a signature.
type killer struct {
	after  int
	commit bool
	dead   bool
}

var errKilled = errors.New("killed")

// change does something that changes the world, unless the process is killed.
func (k *killer) change(do func() error) error {
	if k.dead {
		return errKilled
	}
	if k.after--; k.after >= 0 {
		return do()
	}
	k.dead = true
	if k.commit {
		return errors.Join(do(), errKilled)
	}
	return errKilled
}

func (k *killer) store(db store.DB) store.DB { return &killedStore{db, k} }

func (k *killer) vault(v floatVault) floatVault { return &killedVault{v, k} }

type killedStore struct {
	store.DB
	k *killer
}

func (d *killedStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return d.k.change(func() error { return d.DB.Update(ctx, fn) })
}

type killedVault struct {
	floatVault
	k *killer
}

func (v *killedVault) Sign(ctx context.Context, b *batch.Batch) (signed *batch.Signed, err error) {
	err = v.k.change(func() (err error) {
		signed, err = v.floatVault.Sign(ctx, b)
		return err
	})
	if err != nil {
		signed = nil
	}
	return signed, err
}

// A batch that the signer refuses is told, noted once, and nothing is built
// behind its nonces; once it is over it is given up, and its payments keep them.
func TestAutoSignBehindARefusal(t *testing.T) {
	h := newFloatHome(t)
	h.ask(map[string]string{"w": "0.5"})
	file := filepath.Join(t.TempDir(), "batch.json")
	h.run(cli.ExitDone, "build-withdrawals", "--float", "-o", file, "--expires", "2h")
	strict := fmt.Sprintf(floatPolicy, h.net.ChainID(), h.addresses["treasury"])
	h.policy(strings.Replace(strict, `max_per_transaction = "0.5"`, `max_per_transaction = "0.1"`, 1))
	h.ask(map[string]string{"later": "0.1"})
	a, end := h.process(func(db store.DB) store.DB { return db }, func(v floatVault) floatVault { return v })
	defer end()
	for range 2 {
		if err := a.round(t.Context()); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), "max_per_transaction") {
			t.Fatalf("refused: %v", err)
		}
	}
	if v := h.show("later"); v.From != "" {
		t.Errorf("later was built behind it: %+v", v)
	}
	refusals := 0
	h.ok(h.record().View(t.Context(), func(tx store.Tx) error {
		return signer.Entries(tx, func(e signer.Entry, _ string) error {
			if e.Kind == signer.KindRefusal {
				refusals++
			}
			return nil
		})
	}))
	if refusals != 1 {
		t.Errorf("the refusal is noted %d times", refusals)
	}
	h.policy(strict)
	h.now = h.now.Add(3 * time.Hour)
	h.ok(a.round(t.Context()))
	for _, id := range []string{"w", "later"} {
		if v := h.show(id); v.Status != string(wallet.WithdrawalBroadcast) {
			t.Errorf("%s is %+v", id, v)
		}
	}
	// Halted, nothing is signed.
	h.ask(map[string]string{"halted": "0.1"})
	h.run(cli.ExitDone, "halt", "--reason", "a drill")
	if err := a.round(t.Context()); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), "a drill") {
		t.Errorf("halted: %v", err)
	}
	h.run(cli.ExitDone, "resume")
	// A week of nothing is no clock that was set ahead, while somebody is awake.
	for range 14 {
		h.now = h.now.Add(36 * time.Hour)
		h.ok(a.vault.KeepAwake(t.Context()))
	}
	h.ok(a.round(t.Context()))
	if v := h.show("halted"); v.Status != string(wallet.WithdrawalBroadcast) {
		t.Errorf("after three weeks: %+v", v)
	}
	// But the first after a long time says what day it is.
	h.now = h.now.Add(100 * time.Hour)
	if _, err := h.station().openFloat(t.Context(), h.passphrase, ""); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(wallet.Hint(err), "--date") {
		t.Errorf("after four days: %v", err)
	}
	v, err := h.station().openFloat(t.Context(), h.passphrase, h.now.UTC().Format(time.DateOnly))
	h.ok(err)
	v.Close()
}

// Signing unattended wants limits, a file with the passphrase, and the float's
// own vault.
func TestAutoSignRefusesToBegin(t *testing.T) {
	h := newFloatHome(t)
	h.run(cli.ExitUsage, "run", "--auto-sign")
	h.run(cli.ExitUsage, "run", "--passphrase-file", h.passphrase)
	h.policy("version = 1\nopen = true\n")
	if _, notes := h.run(cli.ExitRefused, "run", "--auto-sign", "--passphrase-file", h.passphrase); !strings.Contains(notes, "the policy is open") {
		t.Errorf("an open policy: %q", notes)
	}
	h.ok(os.Remove(filepath.Join(h.dir, policy.File)))
	h.run(cli.ExitRefused, "run", "--auto-sign", "--passphrase-file", h.passphrase)
	h.policy(fmt.Sprintf(floatPolicy, h.net.ChainID(), h.addresses["treasury"]))
	h.ok(os.Remove(filepath.Join(h.dir, station.VaultFile)))
	h.ok(os.Remove(filepath.Join(h.dir, signer.RecordFile)))
	words := filepath.Join(t.TempDir(), "words")
	h.ok(os.WriteFile(words, []byte("test test test test test test test test test test test junk"), 0o600))
	h.run(cli.ExitDone, "vault", "create", "--light-kdf", "--mnemonic-file", words, "--passphrase-file", h.passphrase)
	if _, notes := h.run(cli.ExitFailed, "run", "--auto-sign", "--passphrase-file", h.passphrase); !strings.Contains(notes, "another vault") {
		t.Errorf("another vault: %q", notes)
	}
}
