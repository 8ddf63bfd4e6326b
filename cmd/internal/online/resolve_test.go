package online

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/chain/faulty"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// doubtHome is a home on an anvil with two endpoints, each of which may be late,
// wrong or gone.
type doubtHome struct {
	payoutHome
	anvil    *chaintest.Anvil
	one, two *faulty.Proxy
	payer    common.Address
	later    time.Duration // that the station's clock is ahead
	batches  int
}

func newDoubtHome(t *testing.T) *doubtHome {
	t.Helper()
	master, err := hd.NewMaster(hd.Seed([]byte("test test test test test test test test test test test junk"), ""))
	if err != nil {
		t.Fatal(err)
	}
	anvil := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	h := &doubtHome{
		payoutHome: payoutHome{T: t, dir: filepath.Join(t.TempDir(), "home"), gap: t.TempDir(), master: master},
		anvil:      anvil, one: faulty.New(anvil.URL()), two: faulty.New(anvil.URL()),
	}
	t.Cleanup(h.one.Close)
	t.Cleanup(h.two.Close)
	h.payer, err = master.Account(wallet.PayoutRole).Address(0)
	h.must(err)
	h.token, err = anvil.Deploy(t.Context(), chaintest.Skimming, big.NewInt(1e12))
	h.must(err)
	_, err = anvil.Fund(t.Context(), h.payer, new(big.Int).Mul(big.NewInt(100), big.NewInt(1e18)))
	h.must(err)
	_, err = anvil.TransferToken(t.Context(), h.token, h.payer, big.NewInt(1e9))
	h.must(err)
	h.must(anvil.Mine(t.Context(), 4))
	watch, err := master.Watch().Encode()
	h.must(err)
	h.must(os.WriteFile(h.at("watch.json"), watch, 0o600))
	h.do("init", "--chain-id", strconv.FormatUint(anvil.ChainID(), 10), "--rpc", h.one.URL, "--rpc", h.two.URL, "--confirmations", "1")
	h.do("watch", "import", h.at("watch.json"), "--fingerprint", master.Watch().Fingerprint().String())
	h.do("token", "add", h.token.Hex())
	h.do("scan")
	return h
}

func (h *doubtHome) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// try runs a command by the station's clock.
func (h *doubtHome) try(args ...string) (exit int, out, notes string) {
	h.Helper()
	env, stdout, stderr := cli.Test(h.dir)
	env.Now = func() time.Time { return time.Now().Add(h.later) }
	exit = cli.MainContext(context.Background(), New(env), env, args)
	return exit, stdout.String(), stderr.String()
}

func (h *doubtHome) do(args ...string) string {
	h.Helper()
	exit, out, notes := h.try(args...)
	if exit != cli.ExitDone {
		h.Fatalf("airlock %q: exit code %d: %s", args, exit, notes)
	}
	return out
}

// cases are what resolve shows.
func (h *doubtHome) cases(exit int, args ...string) (rows []caseRow) {
	h.Helper()
	got, out, notes := h.try(append([]string{"resolve", "--json"}, args...)...)
	if got != exit {
		h.Fatalf("resolve %q: exit code %d, want %d: %s", args, got, exit, notes)
	}
	h.must(json.Unmarshal([]byte(out), &rows))
	return rows
}

// only is the one case that resolve shows, which must be of a kind and leave
// exactly these commands.
func (h *doubtHome) only(rows []caseRow, kind string, commands ...string) caseRow {
	h.Helper()
	if len(rows) != 1 || string(rows[0].Kind) != kind {
		h.Fatalf("%d cases, want one of kind %q: %+v", len(rows), kind, rows)
	}
	var got []string
	for _, c := range rows[0].Choices {
		got = append(got, strings.TrimPrefix(c.Command, "airlock "))
	}
	if !slices.Equal(got, commands) {
		h.Fatalf("offered %q, want %q: %+v", got, commands, rows[0])
	}
	return rows[0]
}

// where is what the endpoints say of the first transaction of a case.
func where(r caseRow) (list []string) {
	for _, e := range r.Endpoints {
		switch {
		case e.Error != "":
			list = append(list, "silent")
		case len(e.Transactions) > 0:
			list = append(list, e.Transactions[0].Where)
		}
	}
	return list
}

// ready has a withdrawal of the house asked for and approved.
func (h *doubtHome) ready(id, asset, amount, to string) {
	h.Helper()
	h.do("withdraw", "request", "--id", id, "--asset", asset, "--amount", amount, "--to", to)
	h.do("withdraw", "approve", id)
}

// signed builds and signs what is approved, and names the signed file.
func (h *doubtHome) signed() string {
	h.Helper()
	h.batches++
	batch, signed := "batch"+strconv.Itoa(h.batches), "signed"+strconv.Itoa(h.batches)
	h.do("build-withdrawals", "-o", h.at(batch))
	h.sign(batch, signed)
	return h.at(signed)
}

// settled mines until the head is final, scans and confirms.
func (h *doubtHome) settled() {
	h.Helper()
	h.must(h.anvil.Mine(h.Context(), 4))
	h.do("scan")
	h.do("confirm")
}

func (h *doubtHome) shown(id string) map[string]any {
	h.Helper()
	var v map[string]any
	h.must(json.Unmarshal([]byte(h.do("withdraw", "show", id, "--json")), &v))
	return v
}

func (h *doubtHome) is(id, status string) {
	h.Helper()
	if v := h.shown(id); v["status"] != status {
		h.Fatalf("%s is %v, want %s: %v", id, v["status"], status, v)
	}
}

// foreign has the payout key pay without airlock, in a block.
func (h *doubtHome) foreign(to string, wei *big.Int) {
	h.Helper()
	nonce, err := h.anvil.Client().PendingNonceAt(h.Context(), h.payer)
	h.must(err)
	key, err := h.master.Key(wallet.Path{Role: wallet.PayoutRole})
	h.must(err)
	id := new(big.Int).SetUint64(h.anvil.ChainID())
	recipient := common.HexToAddress(to)
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(200e9), Gas: 21_000, To: &recipient, Value: wei,
	})
	h.must(err)
	h.must(h.anvil.Client().SendTransaction(h.Context(), tx))
	_, err = h.anvil.Settle(h.Context(), tx.Hash())
	h.must(err)
}

// denies is a node that knows no transaction.
func denies(r faulty.Request, a *faulty.Answer) {
	if r.Method == "eth_getTransactionByHash" {
		a.Result = json.RawMessage("null")
	}
}

// loses is a node that takes transactions, and whose answers are lost.
func loses(r faulty.Request, a *faulty.Answer) {
	if r.Method == "eth_sendRawTransaction" || r.Method == "eth_getTransactionByHash" {
		a.Result, a.Error = nil, json.RawMessage(`{"code":-32603,"message":"\u001b[2Jlost"}`)
	}
}

const somebody = "0x00000000000000000000000000000000000A11CE"

// The ways out of what may go wrong, as an operator types them.
func TestResolve(t *testing.T) {
	h := newDoubtHome(t)
	if out := h.do("resolve"); out != "nothing is in doubt\n" {
		t.Fatalf("resolve: %q", out)
	}
	for _, step := range []struct {
		name string
		run  func(*doubtHome)
	}{
		{"a lost answer", lostAnswer},
		{"a dropped pool", droppedPool},
		{"a foreign transaction", foreignTransaction},
		{"a foreign payment", foreignPayment},
		{"a gap", nonceGap},
		{"another amount", anotherAmount},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			h.T = t
			step.run(h)
			h.one.Rule(nil)
			h.two.Rule(nil)
			if rows := h.cases(cli.ExitDone); len(rows) > 0 {
				t.Errorf("still in doubt: %+v", rows)
			}
		}) {
			break
		}
	}
}

func lostAnswer(h *doubtHome) {
	h.ready("w-1", "ETH", "0.5", somebody)
	file := h.signed()
	h.one.Rule(loses)
	h.two.Rule(loses)
	h.try("broadcast", file) // whatever it makes of that
	if v := h.shown("w-1"); v["state"] != "offered" || v["eta_seconds"] != nil || v["rung"] != 1.0 {
		h.Fatalf("shown: %v", v)
	}
	if _, out, _ := h.try("resolve", "w-1"); strings.Contains(out, "\x1b") || !strings.Contains(out, "2Jlost") {
		h.Errorf("a node's words are not cleaned: %q", out)
	}
	h.later = 11 * time.Minute
	if out := h.do("status"); !strings.Contains(out, "1 transaction was offered long ago, and no node shows it") {
		h.Errorf("status says %s", out)
	}
	h.later = 0
	// One endpoint is back, the other gone for good.
	h.one.Rule(nil)
	h.two.Down(http.StatusServiceUnavailable)
	r := h.only(h.cases(cli.ExitDone, "w-1"), "", "confirm", "withdraw bump w-1", "withdraw cancel w-1")
	if got := where(r); !slices.Equal(got, []string{"pooled", "silent"}) {
		h.Errorf("the endpoints say %q", got)
	}
	h.two.Down(0)
	h.two.Rule(nil)
	h.do("confirm")
	if v := h.shown("w-1"); v["state"] != "accepted" || v["ahead"] != 0.0 || v["rungs"] == 0.0 || v["max_fee_per_gas"] == nil {
		h.Fatalf("shown: %v", v)
	}
	h.must(h.anvil.Mine(h.Context(), 1))
	r = h.only(h.cases(cli.ExitDone, "w-1"), "", "scan") // mined, and not read yet
	if r.Scan != nil || r.Store.State != wallet.OutgoingAccepted {
		h.Errorf("before scan: %+v", r)
	}
	h.do("scan")
	h.do("confirm")
	if v := h.shown("w-1"); v["state"] != "mined" || !strings.Contains(v["next"].(string), "is final") {
		h.Errorf("shown: %v", v)
	}
	h.settled()
	h.is("w-1", "confirmed")
	if v := h.shown("w-1"); v["next"] != "" || v["eta_seconds"] != nil {
		h.Errorf("shown: %v", v)
	}
}

func droppedPool(h *doubtHome) {
	h.ready("w-2", "ETH", "0.5", somebody)
	h.do("broadcast", h.signed())
	hash := common.HexToHash(h.shown("w-2")["tx_hash"].(string))
	h.must(h.anvil.DropTransaction(h.Context(), hash))
	h.later = 11 * time.Minute
	commands := []string{"confirm", "withdraw bump w-2", "withdraw cancel w-2"}
	r := h.only(h.cases(cli.ExitDone), "missing", commands...)
	if got := where(r); !slices.Equal(got, []string{"nowhere", "nowhere"}) {
		h.Errorf("the endpoints say %q", got)
	}
	if v := h.shown("w-2"); !strings.Contains(v["reason"].(string), "none of 2 endpoints has it") || v["next"] != "airlock confirm offers it again" {
		h.Errorf("shown: %v", v)
	}
	// One that lies that it is mined takes all choices away.
	h.two.Rule(func(r faulty.Request, a *faulty.Answer) {
		if r.Method == "eth_getTransactionCount" {
			a.Result = json.RawMessage(`"0xff"`)
		}
	})
	r = h.only(h.cases(cli.ExitDone, "w-2"), "", "doctor", "scan")
	if len(r.Contradictions) == 0 {
		h.Errorf("nothing contradicts: %+v", r)
	}
	h.two.Rule(nil)
	// With nobody to ask, the store's word remains.
	h.one.Down(http.StatusBadGateway)
	h.two.Down(http.StatusBadGateway)
	r = h.only(h.cases(cli.ExitUnreachable, "w-2"), "", "doctor")
	if r.Store == nil || r.Store.Attempts[0].Rungs[0].TxHash == nil || *r.Store.Attempts[0].Rungs[0].TxHash != hash {
		h.Errorf("the store says %+v", r.Store)
	}
	if v := h.shown("w-2"); v["state"] != "accepted" || v["eta_seconds"] != nil {
		h.Errorf("shown offline: %v", v)
	}
	h.one.Down(0)
	h.two.Down(0)
	h.do("confirm")
	h.later = 0
	h.settled()
	h.is("w-2", "confirmed")
}

// Somebody with the key takes a payment's nonce for something else.
func foreignTransaction(h *doubtHome) {
	h.ready("w-3", "ETH", "0.5", somebody)
	h.signed()
	h.foreign("0x0000000000000000000000000000000000000b0b", big.NewInt(1))
	r := h.only(h.cases(cli.ExitDone, "w-3"), "", "scan")
	if r.Endpoints[0].Latest <= r.Nonce {
		h.Errorf("the nonce is not counted: %+v", r)
	}
	h.do("scan")
	h.only(h.cases(cli.ExitDone), "foreign", "scan", "confirm")
	h.must(h.anvil.Mine(h.Context(), 4))
	h.do("scan")
	r = h.only(h.cases(cli.ExitDone), "foreign", "confirm")
	if r.Acceptable || r.Withdrawal != "w-3" || !r.Final {
		h.Errorf("foreign: %+v", r)
	}
	h.do("confirm")
	h.is("w-3", "approved")
	h.do("broadcast", h.signed())
	h.settled()
	h.is("w-3", "confirmed")
}

// The same, for what another withdrawal asks for.
func foreignPayment(h *doubtHome) {
	h.ready("w-4", "ETH", "0.5", somebody)
	file := h.signed()
	h.ready("w-5", "ETH", "0.75", "0x0000000000000000000000000000000000000b0b")
	h.foreign("0x0000000000000000000000000000000000000b0b", big.NewInt(75e16))
	h.settled()
	rows := h.cases(cli.ExitDone)
	if len(rows) != 1 {
		h.Fatalf("%+v", rows)
	}
	at := rows[0].Sender.Hex() + ":" + strconv.FormatUint(rows[0].Nonce, 10)
	accept := "resolve --accept " + at
	h.only(rows, "foreign", accept)

	// An endpoint that does not have it, and no endpoint at all.
	h.two.Rule(denies)
	r := h.only(h.cases(cli.ExitDone), "foreign", "doctor", "scan")
	if r.Acceptable || len(r.Contradictions) == 0 {
		h.Errorf("denied: %+v", r)
	}
	if exit, _, notes := h.try("resolve", "--accept", at); exit != cli.ExitRefused || !strings.Contains(notes, "does not have it there") {
		h.Errorf("accepted: exit code %d: %s", exit, notes)
	}
	h.two.Rule(nil)
	h.one.Down(http.StatusBadGateway)
	h.two.Down(http.StatusBadGateway)
	h.only(h.cases(cli.ExitUnreachable), "foreign", "doctor")
	if exit, _, notes := h.try("resolve", "--accept", at); exit != cli.ExitUnreachable {
		h.Errorf("accepted: exit code %d: %s", exit, notes)
	}
	h.is("w-5", "approved")
	h.one.Down(0)

	// One that is gone proves nothing.
	h.only(h.cases(cli.ExitDone), "foreign", accept)
	h.do("resolve", "--accept", at)
	if exit, _, notes := h.try("resolve", "--accept", at); exit != cli.ExitRefused || !strings.Contains(notes, "nothing is in doubt there") {
		h.Errorf("accepted twice: exit %d, %s", exit, notes)
	}
	h.two.Down(0)
	h.is("w-5", "confirmed")
	h.is("w-4", "approved")
	h.try("broadcast", file) // its nonce is gone: nothing can come of it
	h.do("broadcast", h.signed())
	h.settled()
	h.is("w-4", "confirmed")
}

// A store that lost what it knew of a nonce, and has something signed behind it.
func nonceGap(h *doubtHome) {
	id := new(big.Int).SetUint64(h.anvil.ChainID())
	slot := wallet.Slot{ChainID: h.anvil.ChainID(), Sender: h.payer}
	h.must(bolt.Open(filepath.Join(h.dir, storeFile)).Update(h.Context(), func(tx store.Tx) (err error) {
		if slot.Nonce, _, err = store.NextNonce(tx, slot.ChainID, h.payer); err != nil {
			return err
		}
		slot.Nonce++
		key, err := h.master.Key(wallet.Path{Role: wallet.PayoutRole})
		if err != nil {
			return err
		}
		noop, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
			ChainID: id, Nonce: slot.Nonce, GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(200e9), Gas: 21_000, To: &h.payer,
		})
		if err != nil {
			return err
		}
		raw, err := noop.MarshalBinary()
		if err != nil {
			return err
		}
		fee := wallet.Fee{MaxFeePerGas: wallet.NewAmount(200e9), MaxPriorityFeePerGas: wallet.NewAmount(2e9)}
		if err := store.PutOutgoing(tx, wallet.Outgoing{
			Slot: slot, Path: wallet.Path{Role: wallet.PayoutRole}, State: wallet.OutgoingSigned, BoundAt: time.Now(),
			Intent:   wallet.Intent{Kind: wallet.IntentNoOp, ID: slot.IntentID(), Asset: wallet.Coin(slot.ChainID), Recipient: h.payer},
			Payload:  wallet.Payload{To: h.payer, Data: []byte{}, Gas: 21_000},
			Attempts: []wallet.Attempt{{Batch: "lost", Rungs: []wallet.Fee{fee}, Signed: []common.Hash{noop.Hash()}}},
		}); err != nil {
			return err
		}
		if err := store.PutSigned(tx, []store.SignedTransaction{{Slot: slot, Hash: noop.Hash(), Raw: raw}}); err != nil {
			return err
		}
		return store.PutNextNonce(tx, slot.ChainID, h.payer, slot.Nonce+1)
	}))
	r := h.only(h.cases(cli.ExitDone), "gap", "build-withdrawals -o batch.json")
	if r.Nonce != slot.Nonce-1 || r.Store != nil {
		h.Errorf("gap: %+v", r)
	}
	h.do("broadcast", h.signed()) // nothing is asked for but the nonce
	h.ready("w-6", "ETH", "0.5", somebody)
	h.do("broadcast", h.signed())
	h.settled()
	h.is("w-6", "confirmed")
	if rows := h.cases(cli.ExitDone, h.payer.Hex()+":"+strconv.FormatUint(slot.Nonce, 10)); rows[0].Store.State != wallet.OutgoingFinal {
		h.Errorf("behind the gap: %+v", rows[0])
	}
}

// A token that takes a fee on the way.
func anotherAmount(h *doubtHome) {
	h.ready("w-7", "SKIM", "100", somebody)
	h.do("broadcast", h.signed())
	h.settled()
	rows := h.cases(cli.ExitDone)
	if len(rows) != 1 || len(rows[0].Scan.Transfers) != 2 {
		h.Fatalf("%+v", rows)
	}
	accept := "resolve --accept " + rows[0].Sender.Hex() + ":" + strconv.FormatUint(rows[0].Nonce, 10)
	h.only(rows, "amount", accept)
	h.two.Rule(denies)
	h.only(h.cases(cli.ExitDone), "amount", "doctor", "scan")
	h.two.Rule(nil)
	if out := h.do("resolve"); !regexp.MustCompile(`(?m)^  safe +airlock ` + accept + `$`).MatchString(out) {
		h.Errorf("resolve says %s", out)
	}
	h.do(strings.Fields(accept)...)
	h.is("w-7", "confirmed")
}
