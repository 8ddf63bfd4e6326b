package review

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

var (
	ether = wallet.Asset{ID: wallet.Coin(1), Symbol: "ETH", Decimals: 18}
	usdc  = wallet.Asset{ID: wallet.Token(1, common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")), Symbol: "USDC", Decimals: 6}
)

// withdrawals is a batch that pays n, ether and tokens in turn.
func withdrawals(n int) *batch.Batch {
	b := &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat("a", 32), Kind: batch.Withdrawals, ChainID: 1, Vault: strings.Repeat("0f", 32),
		CreatedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Assets: []batch.Asset{{Asset: ether.ID, Symbol: "ETH", Decimals: 18}, {Asset: usdc.ID, Symbol: "USDC", Decimals: 6}},
	}
	for i := range n {
		to, amount := common.BigToAddress(big.NewInt(int64(i+1)<<40)), wallet.NewAmount(int64(1_000_001+i))
		it := batch.Item{
			From: common.BigToAddress(big.NewInt(99)), Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: uint64(i), Gas: 60_000, Requires: -1,
			Rungs:  []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(40e9), MaxPriorityFeePerGas: wallet.NewAmount(1e9)}},
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("w-%d", i), Asset: ether.ID, Recipient: to, Amount: amount},
			To:     to, Value: amount,
		}
		if i%2 == 1 {
			it.Intent.Asset, it.To, it.Value, it.Data = usdc.ID, usdc.ID.Contract, wallet.Amount{}, batch.TransferData(to, amount)
		}
		b.Items = append(b.Items, it)
	}
	return b
}

// online is what a station without vault, policy and record says of a batch.
func online(t interface {
	Helper()
	Fatal(args ...any)
}, b *batch.Batch,
) *signer.Report {
	t.Helper()
	r, err := (&signer.Service{Now: time.Now}).Review(context.Background(), b, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(r *signer.Report) string {
	var s strings.Builder
	Text(&s, r)
	return s.String()
}

// The online station says what it cannot know, and claims nothing.
func TestOnline(t *testing.T) {
	r := online(t, withdrawals(2))
	got := text(r)
	for _, want := range []string{
		"verdict       not known here", "not known     there is no vault here", "not known     there is no signing record here", "not known     there is no policy here",
		"\n                not known: there is no signing record here to ask\n",
		"  call          transfer(address to, uint256 amount): the token gives to 0x0000000000000000000000000000020000000000 the amount 1000002, which is 1.000002 USDC\n",
		"said to be at m/44'/60'/1'/0/0, which signing derives again",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the text lacks %q:\n%s", want, got)
		}
	}
	for _, never := range []string{"new  ", "verdict       would be signed", "this station signed for it before"} {
		if strings.Contains(got, never) {
			t.Errorf("the text says %q:\n%s", never, got)
		}
	}
	d := DocumentOf(r)
	if d.Verdict != signer.VerdictUnknown || len(d.Unknown) != 3 || d.NewRecipients != nil || d.Record != nil || d.Policy != nil || d.Items[0].Standing != signer.StandingUnknown {
		t.Errorf("document %+v", d)
	}
}

// What replaces something names it, and claims no more than the batch does.
func TestReplacements(t *testing.T) {
	b := withdrawals(3)
	cancel, noop := &b.Items[0], &b.Items[1]
	cancel.Intent = wallet.Intent{Kind: wallet.IntentCancel, ID: "c", Asset: ether.ID, Recipient: cancel.From}
	cancel.To, cancel.Value, cancel.Replaces = cancel.From, wallet.Amount{}, wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w-old"}
	noop.Intent = wallet.Intent{Kind: wallet.IntentNoOp, ID: "n", Asset: ether.ID, Recipient: noop.From}
	noop.To, noop.Value, noop.Data = noop.From, wallet.Amount{}, nil
	b.Assets = b.Assets[:1]
	b.Items[2].Replaces = wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w-other"}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	got := text(online(t, b))
	for _, want := range []string{
		"cancel: sends 0 to itself at nonce 0, so that withdrawal w-old can no longer be mined",
		"no-op: sends 0 to itself, to use up nonce 1",
		"replaces      withdrawal w-other, which the batch says was signed at this nonce",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the text lacks %q:\n%s", want, got)
		}
	}
}

// A cancel that is signed together with an item is told wherever the item is.
func TestCancelWithAnItem(t *testing.T) {
	b := withdrawals(2)
	b.Items[1].Cancel = &batch.Cancel{Gas: 21_000, MaxFeePerGas: wallet.NewAmount(44_500_000_000), MaxPriorityFeePerGas: wallet.NewAmount(1_200_000_000)}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	r := online(t, b)
	r.Rows[1].Hashes = []common.Hash{{1}, {2}}
	want := "signed with it: sends 0 to itself at nonce 1, at most 44.5 gwei per gas, of it 1.2 for priority, 21000 gas"
	if got := text(r); strings.Count(got, want) != 1 || !strings.Contains(got, r.Rows[1].Hashes[1].Hex()) {
		t.Errorf("the text lacks %q or its hash:\n%s", want, got)
	}
	found := false
	for _, f := range Item(r, 1) {
		found = found || f.Label == "cancel" && f.Value == want
	}
	if !found {
		t.Errorf("the page of the item lacks it: %+v", Item(r, 1))
	}
	if d := DocumentOf(r); d.Items[0].Cancel != nil || d.Items[1].Cancel == nil || d.Items[1].Cancel.Gas != 21_000 {
		t.Errorf("the document has %+v and %+v", d.Items[0].Cancel, d.Items[1].Cancel)
	}
}

// A batch of nothing but refusals is told in a bounded space as a whole, and each
// refusal at its item.
func TestManyRefusals(t *testing.T) {
	r := online(t, withdrawals(500))
	for i := range r.Rows {
		r.Refuse(signer.Refusal{Rule: "policy recipients", Item: i, Value: r.Rows[i].Recipient.Hex(), Why: "is not among the policy's recipients"})
	}
	if n := len(Batch(r)); n > 2*told {
		t.Errorf("%d facts about the batch", n)
	}
	for i := range r.Rows {
		if f := Item(r, i); f[0].Label != Refused || !strings.Contains(f[0].Value, r.Rows[i].Recipient.Hex()) {
			t.Fatalf("item %d begins with %+v", i, f[0])
		}
	}
}

// TestAnyText holds both renderings against any text in what a batch is free to
// say: no character that a terminal obeys or that takes another room than one
// column leaves the program, and every amount, asset and address is there.
func TestAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := online(t, withdrawals(3))
		for i := range r.Rows {
			r.Rows[i].ID = rapid.String().Draw(t, "id")
			r.Rows[i].Asset.Symbol = rapid.String().Draw(t, "symbol")
			r.Rows[i].Replaces = wallet.IntentName{Kind: wallet.IntentSweep, ID: rapid.String().Draw(t, "replaced")}
		}
		r.Totals[0].Asset.Symbol = rapid.String().Draw(t, "total")
		r.Warn(batch.Warning{Text: rapid.String().Draw(t, "warning"), Items: []batch.Remark{{Item: 1, Text: rapid.String().Draw(t, "remark")}}})
		r.Refuse(signer.Refusal{Rule: "x", Item: 2, Value: rapid.String().Draw(t, "value"), Why: rapid.String().Draw(t, "why")})
		got := text(r)
		for _, c := range got {
			if c != '\n' && (!unicode.IsPrint(c) || unicode.IsMark(c) || ansi.StringWidth(string(c)) != 1) {
				t.Fatalf("%q in %q", c, got)
			}
		}
		for i, row := range r.Rows {
			for _, want := range []string{cli.Narrow(row.Asset.Format(row.Amount)), row.Amount.String(), row.Asset.ID.String(), row.Recipient.Hex(), row.From.Hex(), cli.Narrow(row.ID)} {
				if !strings.Contains(got, strings.TrimRight(want, " ")) {
					t.Fatalf("the text of item %d lacks %q:\n%s", i, want, got)
				}
			}
		}
		env, out, _ := cli.Test("")
		env.JSON = true
		if err := env.Print(DocumentOf(r), nil); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Items []struct{ ID, Symbol, Amount, To string }
		}
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		for _, c := range out.String() {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%q in %q", c, out)
			}
		}
		for i, row := range r.Rows {
			it := doc.Items[i]
			if it.ID != row.ID || it.Symbol != row.Asset.Symbol || it.Amount != row.Amount.String() || it.To != row.Recipient.Hex() {
				t.Fatalf("item %+v, want %+v", it, row)
			}
		}
	})
}
