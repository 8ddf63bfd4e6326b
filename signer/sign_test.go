package signer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

const otherMnemonic = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"

func encoded(t testing.TB, v interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	file, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func digestOf(t testing.TB, b *batch.Batch) string {
	t.Helper()
	d, err := b.HexDigest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// go-ethereum itself recovers the sender from what was signed, for every rung
// of every kind of item.
func TestSign(t *testing.T) {
	s := newStation(t)
	token := s.withdrawals(t, 0, 3)
	token.Assets = append(token.Assets, batch.Asset{Asset: wallet.Token(1, usdc), Symbol: "USDC", Decimals: 6})
	it := &token.Items[1]
	it.Intent.Asset, it.To, it.Value, it.Data = wallet.Token(1, usdc), usdc, wallet.Amount{}, batch.TransferData(it.Intent.Recipient, it.Intent.Amount)
	it.Rungs = fees(4)
	top := batch.Bump(it.Rungs[3])
	it.Cancel = &batch.Cancel{Gas: 21_000, MaxFeePerGas: top.MaxFeePerGas, MaxPriorityFeePerGas: top.MaxPriorityFeePerGas}
	sweeps := s.sweeps(t, 0, 2)
	gas := s.address(t, wallet.GasRole, 0)
	deposit := sweeps.Items[1].From
	topUp := batch.Item{
		From: gas, Path: wallet.Path{Role: wallet.GasRole}, To: deposit, Value: wallet.NewAmount(7), Gas: 21_000, Rungs: fees(2), Requires: -1,
		RecipientPath: "m/44'/60'/0'/0/1",
		Intent:        wallet.Intent{Kind: wallet.IntentTopUp, ID: "1:gas:0", Asset: wallet.Coin(1), Recipient: deposit, Amount: wallet.NewAmount(7)},
	}
	sweeps.Items = []batch.Item{sweeps.Items[0], topUp, sweeps.Items[1]}
	sweeps.Items[2].Requires = 1

	for name, b := range map[string]*batch.Batch{"withdrawals": token, "sweeps": sweeps} {
		t.Run(name, func(t *testing.T) {
			signed := s.sign(t, b)
			if err := signed.Verify(); err != nil {
				t.Fatal(err)
			}
			back, err := batch.ParseSigned(encoded(t, signed))
			if err != nil {
				t.Fatal(err)
			}
			chain := types.LatestSignerForChainID(big.NewInt(1))
			for i, rungs := range back.Transactions {
				for r, rung := range rungs {
					tx := new(types.Transaction)
					if err := tx.UnmarshalBinary(rung.Raw); err != nil {
						t.Fatal(err)
					}
					from, err := types.Sender(chain, tx)
					if err != nil || from != b.Items[i].From || tx.Hash() != rung.Hash {
						t.Errorf("item %d rung %d: from %s (%v), hash %s; want %s, %s", i, r, from, err, tx.Hash(), b.Items[i].From, rung.Hash)
					}
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	other := newStationOf(t, otherMnemonic)
	strict := parsePolicy(t, `
version = 1
max_age = "1h"
max_items = 10
allow = ["withdrawal"]
roles = ["payout"]
approvals = 0
[[chain]]
id = 1
max_fee_per_gas_gwei = "1"
max_fee_per_transaction = "1"
max_fee_per_batch = "1"
any_recipient = true
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "1"
max_per_batch = "1"
max_per_recipient = "1"
max_per_day = "1"
max_per_week = "1"
`)
	tests := map[string]struct {
		change func(s *station, b *batch.Batch)
		rules  string
	}{
		"expired":          {func(s *station, b *batch.Batch) { s.Now = func() time.Time { return b.ExpiresAt } }, "expired"},
		"another vault":    {func(s *station, b *batch.Batch) { b.Vault = other.vault.Fingerprint().String() }, "vault"},
		"another sender":   {func(s *station, b *batch.Batch) { replaceSender(b, other.address(t, wallet.PayoutRole, 0)) }, "address"},
		"another index":    {func(s *station, b *batch.Batch) { setPath(b, wallet.Path{Role: wallet.PayoutRole, Index: 1}) }, "address"},
		"record head":      {func(s *station, b *batch.Batch) { b.RecordHead = strings.Repeat("1", 64) }, "record"},
		"policy":           {func(s *station, b *batch.Batch) { s.Policy = strict }, "policy max_age, policy max_fee_per_gas_gwei, policy max_fee_per_gas_gwei"},
		"several":          {func(s *station, b *batch.Batch) { s.Policy = strict; b.Vault = strings.Repeat("0", 64) }, "vault, policy max_age, policy max_fee_per_gas_gwei, policy max_fee_per_gas_gwei"},
		"a chain unlisted": {func(s *station, b *batch.Batch) { s.Policy = preset(t, "strict") }, "policy chain"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			b := s.withdrawals(t, 0, 2)
			test.change(s, b)
			signed, err := s.Sign(t.Context(), b, s.vault, nil)
			if signed != nil {
				t.Fatal("signed all the same")
			}
			checkRefused(t, err, test.rules)
			if entries, _ := s.entries(t); len(entries) != 0 {
				t.Errorf("the record has %d entries of what was refused", len(entries))
			}
		})
	}
}

func replaceSender(b *batch.Batch, from common.Address) {
	for i := range b.Items {
		b.Items[i].From = from
	}
}

func setPath(b *batch.Batch, p wallet.Path) {
	for i := range b.Items {
		b.Items[i].Path = p
	}
}

// checkRefused holds an error against the rules that it should tell of.
func checkRefused(t testing.TB, err error, rules string) {
	t.Helper()
	list, ok := signer.IsRefused(err)
	if !ok || !errors.Is(err, wallet.ErrRefused) {
		t.Fatalf("error %v, want a refusal", err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.Rule)
		if r.Value == "" || r.Why == "" || !strings.Contains(err.Error(), r.Value) {
			t.Errorf("refusal %+v does not say what and why", r)
		}
	}
	if strings.Join(got, ", ") != rules {
		t.Errorf("refused for %q, want %q", got, rules)
	}
	if wallet.Hint(err) == "" {
		t.Errorf("error %q names no way out", err)
	}
}

// Recipients that are said to be in the vault are derived again.
func TestRecipientPaths(t *testing.T) {
	other := newStationOf(t, otherMnemonic)
	s := newStation(t)
	b := s.sweeps(t, 0, 3)
	thief := other.address(t, wallet.TreasuryRole, 0)
	b.Items[1].To, b.Items[1].Intent.Recipient = thief, thief
	_, err := s.Sign(t.Context(), b, s.vault, nil)
	checkRefused(t, err, "address")
	list, _ := signer.IsRefused(err)
	if list[0].Item != 1 || list[0].Value != thief.Hex() {
		t.Errorf("refusal %+v, want item 1 and %s", list[0], thief)
	}
	// Without the path it must be pinned, even where nothing is limited.
	b.Items[1].RecipientPath = ""
	_, err = s.Sign(t.Context(), b, s.vault, nil)
	checkRefused(t, err, "policy treasury")
	s.Policy = parsePolicy(t, "version = 1\nopen = true\n[[chain]]\nid = 1\ntreasury = \""+thief.Hex()+"\"")
	s.sign(t, b)
}

// Promise 5: never a second payload for a nonce, never a second nonce for a
// withdrawal; the same payment with other fees is the same payment.
func TestRecord(t *testing.T) {
	tests := map[string]struct {
		change func(b *batch.Batch)
		rules  string
	}{
		"the same in another batch":        {func(*batch.Batch) {}, ""},
		"other fees":                       {func(b *batch.Batch) { b.Items[0].Rungs = fees(5)[3:] }, ""},
		"another gas limit":                {func(b *batch.Batch) { b.Items[1].Gas *= 2 }, ""},
		"another amount":                   {func(b *batch.Batch) { setAmount(&b.Items[0], 9) }, "slot"},
		"another recipient":                {func(b *batch.Batch) { it := &b.Items[1]; it.To, it.Intent.Recipient = recipient(77), recipient(77) }, "slot"},
		"another withdrawal, same payment": {func(b *batch.Batch) { b.Items[0].Intent.ID = "w-new" }, "slot"},
		"a second nonce":                   {func(b *batch.Batch) { b.Items[1].Nonce = 2 }, "withdrawal"},
		"nonces exchanged": {func(b *batch.Batch) {
			b.Items[0], b.Items[1] = b.Items[1], b.Items[0]
			b.Items[0].Nonce, b.Items[1].Nonce = 0, 1
		}, "slot, withdrawal, slot, withdrawal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			s.sign(t, s.withdrawals(t, 0, 2))
			b := s.withdrawals(t, 0, 2)
			test.change(b)
			if err := b.Check(); err != nil {
				t.Fatal(err)
			}
			checkErr := s.Check(t.Context(), b, s.vault.Fingerprint(), nil)
			_, err := s.Sign(t.Context(), b, s.vault, nil)
			if (checkErr == nil) != (err == nil) {
				t.Errorf("Check says %v, Sign %v", checkErr, err)
			}
			if test.rules == "" {
				if err != nil {
					t.Fatal(err)
				}
				if entries, _ := s.entries(t); len(entries) != 2 || entries[1].Rows != "" {
					t.Errorf("what was signed before was recorded again: %+v", entries)
				}
				return
			}
			checkRefused(t, err, test.rules)
			if entries, _ := s.entries(t); len(entries) != 1 {
				t.Errorf("the record has %d entries, want 1", len(entries))
			}
		})
	}
}

func setAmount(it *batch.Item, n int64) {
	it.Value, it.Intent.Amount = wallet.NewAmount(n), wallet.NewAmount(n)
}

// A nonce of one chain is not one of another. A withdrawal's id is unique for
// ever in a home, so what was paid on one chain is not paid on another.
func TestRecordAcrossChains(t *testing.T) {
	s := newStation(t)
	s.sign(t, s.withdrawals(t, 0, 2))
	b := onChain(s.withdrawals(t, 0, 2), 10)
	_, err := s.Sign(t.Context(), b, s.vault, nil)
	checkRefused(t, err, "withdrawal, withdrawal")
	if !strings.Contains(err.Error(), "on chain 1, and this is nonce 0") {
		t.Errorf("error %q does not name the chain that paid", err)
	}
	for i := range b.Items {
		b.Items[i].Intent.ID += "-of-10"
		setAmount(&b.Items[i], 99)
	}
	s.sign(t, b)
}

func onChain(b *batch.Batch, chain uint64) *batch.Batch {
	b.ChainID, b.Assets[0].Asset = chain, wallet.Coin(chain)
	for i := range b.Items {
		b.Items[i].Intent.Asset = wallet.Coin(chain)
	}
	return b
}

// The record of another vault knows nothing of this one's payments.
func TestRecordOfAnotherVault(t *testing.T) {
	other, s := newStationOf(t, otherMnemonic), newStation(t)
	other.sign(t, other.withdrawals(t, 0, 1))
	s.Record = other.db
	for _, risks := range []signer.Risks{nil, {signer.RiskRecordRestored: true}} {
		b := s.withdrawals(t, 0, 1)
		_, err := s.Sign(t.Context(), b, s.vault, risks)
		checkRefused(t, err, "record, withdrawal")
		b.Items[0].Intent.ID = "w-unseen"
		_, err = s.Sign(t.Context(), b, s.vault, risks)
		checkRefused(t, err, "record")
		checkRefused(t, s.Check(t.Context(), b, s.vault.Fingerprint(), risks), "record")
	}
	if entries, _ := other.entries(t); len(entries) != 1 {
		t.Errorf("the record has %d entries, want 1", len(entries))
	}
	// Two mnemonics of one vault file have one record.
	s.Fingerprints = []hd.Fingerprint{other.vault.Fingerprint(), s.vault.Fingerprint()}
	b := s.withdrawals(t, 0, 1)
	b.Items[0].Intent.ID = "w-unseen"
	if _, err := s.Sign(t.Context(), b, s.vault, nil); err != nil {
		t.Error(err)
	}
}

// Signing again gives the same file, to the byte, also later and under
// another policy.
func TestSignAgain(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 5)
	first := encoded(t, s.sign(t, b))
	s.sign(t, s.withdrawals(t, 5, 1))
	s.Now = func() time.Time { return now.Add(time.Hour) }
	s.Policy = parsePolicy(t, "version = 1\nopen = true # again")
	if again := encoded(t, s.sign(t, b)); !bytes.Equal(first, again) {
		t.Errorf("signed again:\n%s\nwant\n%s", again, first)
	}
	if entries, _ := s.entries(t); len(entries) != 2 {
		t.Errorf("the record has %d entries, want 2", len(entries))
	}
	// But never what the policy forbids now.
	s.Policy = preset(t, "strict")
	if _, err := s.Sign(t.Context(), b, s.vault, nil); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("under a policy that forbids it: %v, want a refusal", err)
	}
}

// The heads form a chain that ends with what the signed batch says.
func TestHeads(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 1)
	one := s.sign(t, b)
	b2 := s.withdrawals(t, 1, 1)
	b2.RecordHead = one.RecordHead
	two := s.sign(t, b2)
	b3 := s.withdrawals(t, 2, 1) // built before the second one was taken in
	b3.RecordHead = one.RecordHead
	three := s.sign(t, b3)
	entries, head := s.entries(t)
	if len(entries) != 3 || head != three.RecordHead || entries[2].Before != two.RecordHead || entries[1].Before != one.RecordHead {
		t.Errorf("entries %+v and head %s; want heads %s, %s, %s", entries, head, one.RecordHead, two.RecordHead, three.RecordHead)
	}
	if entries[1].Digest != digestOf(t, b2) || entries[1].Items != 1 || entries[1].PolicyHash != s.Policy.Hash {
		t.Errorf("entry %+v is not of its batch", entries[1])
	}
}

// A record restored from before the last signature is found out, and can be
// used when somebody says so by name.
func TestRecordRestored(t *testing.T) {
	s := newStation(t)
	s.sign(t, s.withdrawals(t, 0, 1))
	backup := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.db.Backup(t.Context(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
	last := s.sign(t, s.withdrawals(t, 1, 1))

	s.db = bolt.Open(backup)
	s.Record = s.db
	b := s.withdrawals(t, 2, 1)
	b.RecordHead = last.RecordHead
	_, err = s.Sign(t.Context(), b, s.vault, nil)
	checkRefused(t, err, "record")
	checkRefused(t, s.Check(t.Context(), b, s.vault.Fingerprint(), nil), "record")

	risks, err := signer.ParseRisks([]string{signer.RiskRecordRestored}, signer.RiskRecordRestored)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), b, s.vault, risks); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), b, s.vault, nil); err != nil {
		t.Errorf("the same again, with nothing accepted: %v", err)
	}
	entries, _ := s.entries(t)
	if got := entries[len(entries)-1].Risks; len(got) != 1 || got[0] != signer.RiskRecordRestored {
		t.Errorf("the entry tells of the risks %q", got)
	}
}

func TestParseRisks(t *testing.T) {
	if _, err := signer.ParseRisks([]string{"everything"}, signer.RiskRecordRestored); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("an unknown risk: %v, want wrong usage", err)
	}
}

func TestHalted(t *testing.T) {
	s := newStation(t)
	halt := wallet.As(wallet.ErrRefused, "this home is halted")
	s.Halted = func(context.Context) error { return halt }
	if _, err := s.Sign(t.Context(), s.withdrawals(t, 0, 1), s.vault, nil); !errors.Is(err, halt) {
		t.Errorf("Sign while halted: %v", err)
	}
}

func TestNoPolicy(t *testing.T) {
	s := newStation(t)
	s.Policy = nil
	if _, err := s.Sign(t.Context(), s.withdrawals(t, 0, 1), s.vault, nil); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("Sign without a policy: %v", err)
	}
}

func (s *station) review(t *testing.T, b *batch.Batch) *signer.Report {
	t.Helper()
	vault := s.vault.Fingerprint()
	report, err := s.Review(t.Context(), b, nil, &vault, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// warned is what a report warns of, one a line.
func warned(r *signer.Report) string {
	var list []string
	for _, w := range r.Warnings {
		list = append(list, w.Text)
	}
	return strings.Join(list, "\n")
}

func TestReview(t *testing.T) {
	s := newStation(t)
	s.sign(t, s.withdrawals(t, 0, 2))
	report := s.review(t, s.withdrawals(t, 2, 3))
	if report.Items[1].Standing != signer.StandingPaid || report.Items[2].Standing != signer.StandingUnseen || report.New != 1 || report.Unseen != 1 {
		t.Errorf("recipients %+v, %d new, %d never seen; want the last of them new", report.Items, report.New, report.Unseen)
	}
}

// A reviewer is told of nonces that this station knows nothing of, and of
// symbols that only the online station vouches for.
func TestReviewWarns(t *testing.T) {
	s := newStation(t)
	if _, err := s.Sign(t.Context(), s.withdrawals(t, 5, 2), s.vault, signer.Risks{signer.RiskRecordRestored: true}); err != nil {
		t.Fatal(err)
	}
	pins := parsePolicy(t, "version = 1\nopen = true\n[[chain]]\nid = 1\n[[asset]]\nasset = \"eip155:1/slip44:60\"\nsymbol = \"ETH\"\ndecimals = 18\n")
	tests := map[string]struct {
		policy *policy.Policy
		batch  *batch.Batch
		want   string // empty for no warning
	}{
		"follows":        {pins, s.withdrawals(t, 7, 2), ""},
		"signed before":  {pins, s.withdrawals(t, 6, 1), ""},
		"leaves a gap":   {pins, s.withdrawals(t, 9, 2), "begins with nonce 9, and the last that this station signed before is 6"},
		"unknown before": {pins, s.withdrawals(t, 3, 1), "begins with nonce 3, and this station signed none before"},
		"another chain":  {pins, onChain(s.withdrawals(t, 7, 1), 10), "begins with nonce 7, and this station signed none before"},
		"the first ever": {pins, s.sweeps(t, 0, 3), ""},
		"no policy":      {nil, s.withdrawals(t, 7, 2), "the policy does not name it: ETH with 18 decimals for eip155:1/slip44:60"},
		"not in it":      {preset(t, "open"), s.withdrawals(t, 7, 2), "the policy does not name it: ETH with 18 decimals"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s.Policy = test.policy
			all := warned(s.review(t, test.batch))
			if (all == "") != (test.want == "") || !strings.Contains(all, test.want) {
				t.Errorf("warnings %q, want %q", all, test.want)
			}
		})
	}
}

func TestCheckDigest(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 1)
	digest := digestOf(t, b)
	if err := signer.CheckDigest(b, strings.ToUpper(digest[:32])+" "+digest[32:]); err != nil {
		t.Error(err)
	}
	checkRefused(t, signer.CheckDigest(b, strings.Repeat("0", 64)), "digest")
	// Nobody is sent to look for a forger who gave only the beginning of it.
	for _, short := range []string{digest[:16], digest[:63] + "g", digest + "00", "w-1"} {
		if err := signer.CheckDigest(b, short); !errors.Is(err, wallet.ErrUsage) || errors.Is(err, wallet.ErrRefused) || wallet.Hint(err) == "" {
			t.Errorf("CheckDigest(%q) = %v, want wrong usage and a way out", short, err)
		}
	}
}

// A batch that is refused for several reasons names the way out of each once.
func TestWaysOut(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 2)
	b.RecordHead = strings.Repeat("1", 64)
	wanting := *s.Policy
	wanting.Approvals = 1
	s.Policy = &wanting
	_, err := s.Sign(t.Context(), b, s.vault, nil)
	checkRefused(t, err, "policy approvals, record")
	ways := strings.Split(wallet.Hint(err), "\n")
	if len(ways) != 2 || !strings.Contains(ways[0], "approvers") || !strings.Contains(ways[1], signer.RecordFile) {
		t.Errorf("ways out %q, want one for the approvals and one for the record", ways)
	}
}

// Whatever byte of a reviewed batch is changed, it is not signed, or it is the
// very same batch.
func TestMutatedBatchIsNotSigned(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 2)
	b.Items[0].Rungs = fees(2)
	digest, file := digestOf(t, b), encoded(t, b)
	want := encoded(t, s.sign(t, b))
	try := func(what string, mutated []byte) {
		got, err := batch.Parse(mutated)
		if err == nil {
			err = signer.CheckDigest(got, digest)
		}
		if err != nil {
			if !errors.Is(err, wallet.ErrRefused) {
				t.Errorf("%s: error %v is no refusal", what, err)
			}
			return
		}
		signed, err := s.Sign(t.Context(), got, s.vault, nil)
		if err != nil {
			t.Errorf("%s: the same batch was refused: %v", what, err)
			return
		}
		if !bytes.Equal(encoded(t, signed), want) {
			t.Errorf("%s: signed, and is another batch", what)
		}
	}
	for i, c := range file {
		changed := bytes.Clone(file)
		for _, r := range []byte{c ^ 1, c ^ 0x20, '9'} {
			changed[i] = r
			try(fmt.Sprintf("byte %d, %q for %q", i, r, c), changed)
		}
		try(fmt.Sprintf("byte %d removed", i), append(bytes.Clone(file[:i]), file[i+1:]...))
	}
	// What another reader would not notice.
	for _, e := range [][2]string{
		{`"value": "1"`, `"value": "1", "VALUE": "2"`},
		{`"value": "1"`, `"value": "1", "value": "2"`},
		{`"value": "1"`, `"value": 1`},
		{`"value": "1"`, `"value": "1.0"`},
		{`"value": "1"`, `"Value": "1"`},
	} {
		if !bytes.Contains(file, []byte(e[0])) {
			t.Fatalf("the batch has no %s", e[0])
		}
		try(e[1], bytes.Replace(file, []byte(e[0]), []byte(e[1]), 1))
	}
}

func TestWrongPassphrase(t *testing.T) {
	s := newStation(t)
	_, err := vault.Open(s.path, []byte("incorrect horse"))
	if err == nil || errors.Is(err, wallet.ErrRefused) {
		t.Errorf("Open = %v, want a plain failure", err)
	}
}

// Many at once on one record: of two batches that want one slot, one is
// signed, whoever is first, and the chain of heads stays whole.
func TestConcurrently(t *testing.T) {
	s := newStation(t)
	s.sign(t, s.withdrawals(t, 0, 1))
	var batches []*batch.Batch
	for i := range 8 {
		b := s.withdrawals(t, uint64(1+i/2), 1)
		setAmount(&b.Items[0], int64(i+1))
		batches = append(batches, b)
	}
	results := make([]error, len(batches))
	var g errgroup.Group
	for i, b := range batches {
		g.Go(func() error {
			_, results[i] = s.Sign(context.Background(), b, s.vault, nil)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(results); i += 2 {
		if (results[i] == nil) == (results[i+1] == nil) {
			t.Errorf("two payments at nonce %d: %v, %v; want exactly one signed", 1+i/2, results[i], results[i+1])
		}
	}
	if entries, _ := s.entries(t); len(entries) != 5 {
		t.Errorf("the record has %d entries, want 5", len(entries))
	}
}
