package payout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func TestRequestRefuses(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.update(func(tx store.Tx) error { return store.Freeze(tx, "mallory", "owes 5 ETH") })
	good := wallet.WithdrawalRequest{ID: "w", Account: "alice", Asset: coinID, Amount: ether, To: someone("w")}
	with := func(change func(*wallet.WithdrawalRequest)) wallet.WithdrawalRequest {
		r := good
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		r     wallet.WithdrawalRequest
		class error
	}{
		"no id":             {with(func(r *wallet.WithdrawalRequest) { r.ID = "" }), wallet.ErrUsage},
		"bidirectional id":  {with(func(r *wallet.WithdrawalRequest) { r.ID = "w\u202e1" }), wallet.ErrUsage},
		"zero":              {with(func(r *wallet.WithdrawalRequest) { r.Amount = wallet.Amount{} }), wallet.ErrUsage},
		"negative":          {with(func(r *wallet.WithdrawalRequest) { r.Amount = wallet.NewAmount(-1) }), wallet.ErrUsage},
		"zero address":      {with(func(r *wallet.WithdrawalRequest) { r.To = common.Address{} }), wallet.ErrUsage},
		"token contract":    {with(func(r *wallet.WithdrawalRequest) { r.To = w.token }), wallet.ErrUsage},
		"payout address":    {with(func(r *wallet.WithdrawalRequest) { r.To = payoutAddress }), wallet.ErrUsage},
		"gas address":       {with(func(r *wallet.WithdrawalRequest) { r.To = addressOf(wallet.GasRole, 0) }), wallet.ErrUsage},
		"treasury address":  {with(func(r *wallet.WithdrawalRequest) { r.To = addressOf(wallet.TreasuryRole, 0) }), wallet.ErrUsage},
		"unknown token":     {with(func(r *wallet.WithdrawalRequest) { r.Asset.Contract = someone("token") }), wallet.ErrUsage},
		"other chain":       {with(func(r *wallet.WithdrawalRequest) { r.Asset.ChainID = 1 }), wallet.ErrUsage},
		"long memo":         {with(func(r *wallet.WithdrawalRequest) { r.Memo = strings.Repeat("m", maxMemo+1) }), wallet.ErrUsage},
		"more than there":   {with(func(r *wallet.WithdrawalRequest) { r.Amount = ether.Mul(51) }), store.ErrInsufficient},
		"account unknown":   {with(func(r *wallet.WithdrawalRequest) { r.Account = "nobody" }), store.ErrInsufficient},
		"account frozen":    {with(func(r *wallet.WithdrawalRequest) { r.Account = "mallory" }), wallet.ErrConflict},
		"control character": {with(func(r *wallet.WithdrawalRequest) { r.Order = "a\x1b[2J" }), wallet.ErrUsage},
	} {
		if _, err := w.s.Request(w.ctx, c.r); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", name, err, c.class)
		}
	}
	if list, err := w.s.List(w.ctx, Filter{}); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if pending := w.balance("alice", coinID, wallet.Pending); !pending.IsZero() {
		t.Errorf("left frozen: %s", pending)
	}
}

func TestRequestAgain(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	r := wallet.WithdrawalRequest{ID: "w", Account: "alice", Asset: coinID, Amount: ether.Mul(30), To: someone("w"), Memo: "m", Order: "o"}
	for range 3 { // the third would not be covered
		if _, err := w.s.Request(w.ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if pending := w.balance("alice", coinID, wallet.Pending); pending.Cmp(r.Amount) != 0 {
		t.Fatalf("pending %s", pending)
	}
	for name, change := range map[string]func(*wallet.WithdrawalRequest){
		"account": func(r *wallet.WithdrawalRequest) { r.Account = wallet.House },
		"asset":   func(r *wallet.WithdrawalRequest) { r.Asset = w.tokenID() },
		"amount":  func(r *wallet.WithdrawalRequest) { r.Amount = ether },
		"to":      func(r *wallet.WithdrawalRequest) { r.To = someone("else") },
		"memo":    func(r *wallet.WithdrawalRequest) { r.Memo = "" },
		"order":   func(r *wallet.WithdrawalRequest) { r.Order = "" },
	} {
		other := r
		change(&other)
		if _, err := w.s.Request(w.ctx, other); !errors.Is(err, wallet.ErrConflict) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestRejectReleasesAndTells(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("a", "alice", coinID, ether, someone("a"))
	w.request("b", "alice", coinID, ether, someone("b"))
	w.approve("b")
	if _, err := w.s.Reject(w.ctx, []string{"a", "missing"}, "no"); !errors.Is(err, wallet.ErrNotFound) {
		t.Fatalf("one of them is missing: %v", err)
	}
	w.status("a", wallet.WithdrawalRequested)
	for range 2 {
		if _, err := w.s.Reject(w.ctx, []string{"a", "b"}, "no"); err != nil {
			t.Fatal(err)
		}
	}
	if available := w.balance("alice", coinID, wallet.Available); available.Cmp(ether.Mul(50)) != 0 {
		t.Errorf("available %s", available)
	}
	if n := w.events()[wallet.WithdrawalRejectedEvent]; n != 2 {
		t.Errorf("%d events", n)
	}
	if _, err := w.s.Approve(w.ctx, []string{"a"}); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("approved what was rejected: %v", err)
	}
}

func TestListInPages(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	var want []string
	for i := range 7 {
		id := fmt.Sprintf("w%d", i)
		w.request(id, wallet.House, coinID, ether, someone(id))
	}
	w.approve("w1", "w4", "w5")
	want = append(want, "w0", "w2", "w3", "w6", "w1", "w4", "w5")
	var have []string
	for after := ""; ; {
		page, err := w.s.List(w.ctx, Filter{After: after, Limit: 2})
		w.must(err)
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			have = append(have, v.ID)
		}
		after = page[len(page)-1].ID
	}
	if !slices.Equal(have, want) {
		t.Errorf("pages hold %v, want %v", have, want)
	}
	page, err := w.s.List(w.ctx, Filter{Status: wallet.WithdrawalApproved, After: "w1"})
	w.must(err)
	if len(page) != 2 || page[0].ID != "w4" || page[1].ID != "w5" {
		t.Errorf("approved after w1: %v", page)
	}
}

const csvHead = "id,account,asset,amount,to,memo\n"

func TestImport(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	to := someone("to").Hex()
	file := "\ufeffmemo,to,amount,asset,account,id\r\n" +
		"\"a, \"\"b\"\"\nc\"," + to + ",1.5,eth,alice,w1\r\n" +
		"," + strings.ToLower(to) + ",2,TUSD,,w2\r\n"
	for _, want := range []Imported{{Rows: 2, New: 2}, {Rows: 2, Known: 2}} {
		have, err := w.s.Import(w.ctx, "pay.csv", strings.NewReader(file))
		if err != nil || have != want {
			t.Fatalf("%+v, %v; want %+v", have, err, want)
		}
	}
	if v := w.show("w1"); v.Memo != "a, \"b\"\nc" || v.Amount.String() != "1500000000000000000" {
		t.Errorf("w1: %+v", v)
	}
	if v := w.show("w2"); v.Account != wallet.House || v.Amount.String() != "2000000" {
		t.Errorf("w2: %+v", v)
	}
}

func TestImportRefusesTheWholeFile(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	to := someone("to").Hex()
	w.request("taken", "alice", coinID, ether, someone("to"))
	good := "w1,alice,ETH,1," + to + ",\n"
	wrongSum := strings.Replace(to, to[10:14], strings.ToUpper(to[10:14]), 1)
	if wrongSum == to {
		wrongSum = strings.Replace(to, to[10:14], strings.ToLower(to[10:14]), 1)
	}
	for name, c := range map[string]struct {
		file  string
		place string // of the error
		class error
	}{
		"empty":              {"", "line 1", wallet.ErrUsage},
		"no rows":            {csvHead, "line 1", wallet.ErrUsage},
		"column missing":     {"id,account,asset,amount,to\n", "line 1", wallet.ErrUsage},
		"column unknown":     {"id,account,asset,amount,to,memo,fee\n", "line 1", wallet.ErrUsage},
		"column in capitals": {"ID,account,asset,amount,to,memo\n", "line 1", wallet.ErrUsage},
		"column twice":       {"id,id,account,asset,amount,to,memo\n", "line 1", wallet.ErrUsage},
		"field missing":      {csvHead + good + "w2,alice,ETH,1\n", "line 3", wallet.ErrUsage},
		"field too many":     {csvHead + good + "w2,alice,ETH,1," + to + ",,\n", "line 3", wallet.ErrUsage},
		"open quote":         {csvHead + good + "w2,alice,ETH,1," + to + ",\"memo\n", "line 3", wallet.ErrUsage},
		"not UTF-8":          {csvHead + good + "w2,alice,ETH,1," + to + ",\xff\n", "line 3", wallet.ErrUsage},
		"no id":              {csvHead + good + ",alice,ETH,1," + to + ",\n", "line 3, column id", wallet.ErrUsage},
		"id twice":           {csvHead + good + good, "line 3, column id (\"w1\")", wallet.ErrUsage},
		"bad account":        {csvHead + good + "w2, alice,ETH,1," + to + ",\n", "line 3, column account (\" alice\")", wallet.ErrUsage},
		"unknown asset":      {csvHead + good + "w2,alice,DOGE,1," + to + ",\n", "line 3, column asset (\"DOGE\")", wallet.ErrUsage},
		"no asset":           {csvHead + good + "w2,alice,,1," + to + ",\n", "line 3, column asset", wallet.ErrUsage},
		"zero amount":        {csvHead + good + "w2,alice,ETH,0," + to + ",\n", "line 3, column amount (\"0\")", wallet.ErrUsage},
		"negative amount":    {csvHead + good + "w2,alice,ETH,-1," + to + ",\n", "line 3, column amount (\"-1\")", wallet.ErrUsage},
		"too many decimals":  {csvHead + good + "w2,alice,TUSD,1.0000001," + to + ",\n", "line 3, column amount (\"1.0000001\")", wallet.ErrUsage},
		"exponent":           {csvHead + good + "w2,alice,ETH,1e3," + to + ",\n", "line 3, column amount (\"1e3\")", wallet.ErrUsage},
		"thousands":          {csvHead + good + "w2,alice,ETH,\"1,000\"," + to + ",\n", "line 3, column amount (\"1,000\")", wallet.ErrUsage},
		"no amount":          {csvHead + good + "w2,alice,ETH,," + to + ",\n", "line 3, column amount", wallet.ErrUsage},
		"bad checksum":       {csvHead + good + "w2,alice,ETH,1," + wrongSum + ",\n", "line 3, column to (\"" + wrongSum + "\")", wallet.ErrUsage},
		"short address":      {csvHead + good + "w2,alice,ETH,1,0x12,\n", "line 3, column to (\"0x12\")", wallet.ErrUsage},
		"zero address":       {csvHead + good + "w2,alice,ETH,1," + common.Address{}.Hex() + ",\n", "line 3, column to", wallet.ErrUsage},
		"token contract":     {csvHead + good + "w2,alice,ETH,1," + w.token.Hex() + ",\n", "line 3, column to", wallet.ErrUsage},
		"payout address":     {csvHead + good + "w2,alice,ETH,1," + payoutAddress.Hex() + ",\n", "line 3, column to", wallet.ErrUsage},
		"long memo":          {csvHead + good + "w2,alice,ETH,1," + to + "," + strings.Repeat("m", maxMemo+1) + "\n", "line 3, column memo", wallet.ErrUsage},
		"id of another":      {csvHead + good + "taken,alice,ETH,2," + to + ",\n", "line 3, column id (\"taken\")", wallet.ErrConflict},
		"too much together":  {csvHead + good + "w2,alice,ETH,30," + to + ",\nw3,alice,ETH,30," + to + ",\n", "line 4, column amount (\"30\")", store.ErrInsufficient},
		"after a long field": {csvHead + "w1,alice,ETH,1," + to + ",\"two\nlines\"\nw2,alice,ETH,x," + to + ",\n", "line 4, column amount (\"x\")", wallet.ErrUsage},
	} {
		_, err := w.s.Import(w.ctx, "pay.csv", strings.NewReader(c.file))
		if err == nil || !errors.Is(err, c.class) || !strings.Contains(err.Error(), "pay.csv, "+c.place) {
			t.Errorf("%s: %v; want %q and %v", name, err, c.place, c.class)
		}
		if list, err := w.s.List(w.ctx, Filter{}); err != nil || len(list) != 1 {
			t.Fatalf("%s: something was imported: %v, %v", name, list, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(csvHead + "w1,alice,ETH,1,0x0000000000000000000000000000000000000001,\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		rows, err := readRows("fuzz.csv", strings.NewReader(string(file)))
		if err != nil && !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%v", err)
		}
		for _, r := range rows {
			if len(r.Value) < len(columns.Needed) {
				t.Errorf("row of %d columns", len(r.Value))
			}
		}
	})
}
