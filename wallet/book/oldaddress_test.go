package book_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func at(t testing.TB, m *hd.Master, role wallet.Role, index uint32) book.OldAddress {
	t.Helper()
	path := wallet.Path{Role: role, Index: index}
	a, err := m.Watch().Address(path)
	if err != nil {
		t.Fatal(err)
	}
	return book.OldAddress{Address: a, Path: path}
}

var importedKey = wallet.Path{Role: wallet.ExternalRole, Imported: true}

func keyAddress(n byte) book.OldAddress {
	return book.OldAddress{Address: common.Address{1, n}, Path: importedKey, Account: "carol"}
}

// TestImportOld registers derived addresses and imported keys, which have no
// indices of their own and must not take those of each other or of anything
// derived; and again, which changes nothing.
func TestImportOld(t *testing.T) {
	b, m := watched(t)
	gold := wallet.Asset{ID: wallet.Token(1, common.Address{0x60}), Symbol: "GLD", Decimals: 6}
	if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{gold}, false); err != nil {
		t.Fatal(err)
	}
	made, err := b.NewAddresses(t.Context(), "alice", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	seventh := at(t, m, wallet.DepositRole, 7)
	seventh.Account = "bob"
	list := []book.OldAddress{seventh, keyAddress(1), keyAddress(2), at(t, m, wallet.PayoutRole, 3), at(t, m, wallet.DepositRole, 5), keyAddress(3)}
	for _, want := range []int{6, 0} {
		all, added, err := b.ImportOld(t.Context(), list)
		if err != nil || added != want || len(all) != len(list) {
			t.Fatalf("%d of %d were new, want %d: %v", added, len(all), want, err)
		}
	}
	listed, _, err := b.Addresses(t.Context(), book.AddressFilter{Account: "carol"})
	if err != nil || len(listed) != 3 {
		t.Fatalf("carol has %v, %v; want three", listed, err)
	}
	role := wallet.ExternalRole
	for i := range uint32(3) { // page by page
		page, more, err := b.Addresses(t.Context(), book.AddressFilter{Role: &role, From: i, Limit: 1})
		if err != nil || len(page) != 1 || page[0].Address != keyAddress(byte(i+1)).Address || page[0].Path.Index != i || more != (i < 2) {
			t.Errorf("page %d is %v, %v, %v", i, page, more, err)
		}
	}
	// What was there before is there still, and what comes is above.
	for i, want := range made {
		if err := b.DB.View(t.Context(), func(tx store.Tx) error {
			have, ok, err := store.AddressAt(tx, wallet.DepositRole, uint32(i)) //nolint:gosec // small
			if have != want || !ok {
				t.Errorf("deposit address %d is %v", i, have)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	next, err := b.NewAddresses(t.Context(), "dave", 1, nil)
	if err != nil || next[0].Path.Index != 8 {
		t.Errorf("the next deposit address is %v, %v; want index 8", next, err)
	}
	sixth := at(t, m, wallet.DepositRole, 6)
	if _, added, err := b.ImportOld(t.Context(), []book.OldAddress{sixth}); err != nil || added != 1 {
		t.Errorf("an index that was skipped: %d, %v", added, err)
	}
	if next, err = b.NewAddresses(t.Context(), "dave", 1, nil); err != nil || next[0].Path.Index != 9 {
		t.Errorf("then the next one is %v, %v; want index 9", next, err)
	}
	// Tokens are opened on old addresses and not on new ones: the registered
	// ones, and those that come later.
	silver := wallet.Asset{ID: wallet.Token(1, common.Address{0x61}), Symbol: "SLV", Decimals: 6}
	if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{silver}, false); err != nil {
		t.Fatal(err)
	}
	for _, asset := range []wallet.AssetID{gold.ID, silver.ID} {
		open := unopened(t, b, asset)
		for _, o := range list {
			if !open[o.Address] {
				t.Errorf("%s of %s is no opening balance to be read", asset, o.Address)
			}
		}
		if open[made[0].Address] || open[next[0].Address] {
			t.Errorf("%s is to be read on a new address", asset)
		}
	}
	// A new chain knows them all.
	if err := b.AddChain(t.Context(), mainnet(10)); err != nil {
		t.Fatal(err)
	}
	open := unopened(t, b, wallet.Coin(10))
	for _, o := range list {
		if !open[o.Address] {
			t.Errorf("chain 10 does not read what lies on %s", o.Address)
		}
	}
}

// TestImportOldRefused imports all or none, and says what is wrong.
func TestImportOldRefused(t *testing.T) {
	b, m := watched(t)
	gold := wallet.Asset{ID: wallet.Token(1, common.Address{0x60}), Symbol: "GLD", Decimals: 6}
	if _, err := b.AddTokens(t.Context(), 1, []wallet.Asset{gold}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.NewAddresses(t.Context(), "alice", 1, nil); err != nil {
		t.Fatal(err)
	}
	good := at(t, m, wallet.DepositRole, 3)
	elsewhere := at(t, m, wallet.DepositRole, 4)
	elsewhere.Path.Index = 5
	ofAlice := at(t, m, wallet.DepositRole, 0)
	ofAlice.Account = "bob"
	houses := at(t, m, wallet.PayoutRole, 4)
	houses.Account = "bob"
	nameless := at(t, m, wallet.DepositRole, 4)
	nameless.Account = " "
	for name, c := range map[string]struct {
		o    book.OldAddress
		want string
	}{
		"another path":      {elsewhere, "the watch file has"},
		"another account":   {ofAlice, "already ours"},
		"account of payout": {houses, "belongs to the house"},
		"account":           {nameless, "begins or ends with a space"},
		"token":             {book.OldAddress{Address: gold.ID.Contract, Path: importedKey}, "registered token"},
		"nobody":            {book.OldAddress{Path: importedKey}, "nobody's"},
		"far away":          {at(t, m, wallet.DepositRole, wallet.MaxIndex), "above the last"},
	} {
		_, _, err := b.ImportOld(t.Context(), []book.OldAddress{good, c.o})
		if !errors.Is(err, wallet.ErrUsage) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.o.Address.Hex()) || wallet.Hint(err) == "" {
			t.Errorf("%s: %v (%s), want %q and the address", name, err, wallet.Hint(err), c.want)
		}
		if list, _, err := b.Addresses(t.Context(), book.AddressFilter{}); err != nil || len(list) != 4 {
			t.Fatalf("%s: something was imported: %v, %v", name, list, err)
		}
	}
	if _, _, err := b.ImportOld(t.Context(), make([]book.OldAddress, book.MaxOld+1)); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("too many: %v", err)
	}
}

// TestReadOldAddresses names file, line, column and value.
func TestReadOldAddresses(t *testing.T) {
	const a = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
	list, err := book.ReadOldAddresses("old.csv", strings.NewReader("\ufeffpath,address,account\nimported,"+a+",\"carol, the first\"\n\"m/44'/60'/0'/0/7\","+strings.ToLower(strings.Replace(a, "fB", "00", 1))+",\n"))
	if err != nil || len(list) != 2 || list[0].Address.Hex() != a || list[0].Path != importedKey || list[0].Account != "carol, the first" || list[1].Path.Index != 7 {
		t.Fatalf("read %+v, %v", list, err)
	}
	for file, want := range map[string]string{
		"address,path\n" + a + ",imported\n":                               "old.csv, line 1: column account is missing",
		"address,path,account\n" + a[:41] + ",imported,\n":                 `old.csv, line 2, column address ("` + a[:41] + `")`,
		"address,path,account\n" + a + ",imported,\n0x1,m,\n":              `old.csv, line 3, column address ("0x1")`,
		"address,path,account\n" + a + ",m/44/60/0/0/1,\n":                 `old.csv, line 2, column path ("m/44/60/0/0/1")`,
		"address,path,account\n" + a + ",imported,\n" + a + ",imported\n":  "old.csv, line 3",
		"address,path,account\n" + a + ",imported,\n" + a + ",imported,\n": "stands in line 2 too",
	} {
		if _, err := book.ReadOldAddresses("old.csv", strings.NewReader(file)); !errors.Is(err, wallet.ErrUsage) || !strings.Contains(err.Error(), want) || wallet.Hint(err) == "" {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	// What only the home knows names the line too.
	b, _ := watched(t)
	wrong, err := book.ReadOldAddresses("old.csv", strings.NewReader(fmt.Sprintf("address,path,account\n%s,\"m/44'/60'/0'/0/1\",x\n", a)))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = b.ImportOld(t.Context(), wrong)
	if want := `old.csv, line 2, column path ("m/44'/60'/0'/0/1"): the watch file has`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
