package hd

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil/base58"
	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

// junk is the mnemonic that development chains ship with; its first two
// addresses are known to everybody.
const junk = "test test test test test test test test test test test junk"

func testMaster(t testing.TB) *Master {
	t.Helper()
	m, err := NewMaster(Seed([]byte(junk), ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestKnownAddresses(t *testing.T) {
	known := []common.Address{
		common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
		common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
		common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
	}
	got, err := testMaster(t).Account(wallet.DepositRole).Addresses(0, len(known))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range known {
		if got[i] != want {
			t.Errorf("m/44'/60'/0'/0/%d: %s, want %s", i, got[i], want)
		}
	}
}

// encode adds the checksum and writes base58.
func encode(payload []byte) string {
	first := sha256.Sum256(payload)
	sum := sha256.Sum256(first[:])
	return base58.Encode(append(slices.Clone(payload), sum[:4]...))
}

func TestParseAccountKey(t *testing.T) {
	for _, role := range wallet.Roles() {
		want := testMaster(t).Account(role)
		got, err := ParseAccountKey(role, want.String())
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || got.Role() != role || *got != *want {
			t.Errorf("%s: read %s, want %s", role, got, want)
		}
	}
}

func TestParseAccountKeyRefuses(t *testing.T) {
	account := testMaster(t).Account(wallet.PayoutRole)
	edit := func(change func(b []byte)) string {
		b := slices.Clone(account.payload[:])
		change(b)
		return encode(b)
	}
	xpub := account.String()
	tests := []struct{ name, key, want string }{
		{"empty", "", "length"},
		{"not base58", strings.Replace(xpub, xpub[9:10], "0", 1), "length"},
		{"white space", xpub + "\n", "length"},
		{"truncated", xpub[:len(xpub)-1], ""},
		{"checksum", xpub[:len(xpub)-1] + "1", "checksum"},
		{"private version", edit(func(b []byte) { copy(b, "\x04\x88\xad\xe4") }), "must never leave"},
		{"private key", edit(func(b []byte) { b[45] = 0 }), "must never leave"},
		{"private key, private version", edit(func(b []byte) { copy(b, "\x04\x88\xad\xe4"); b[45] = 0 }), "must never leave"},
		{"testnet version", edit(func(b []byte) { copy(b, "\x04\x35\x87\xcf") }), "version bytes"},
		{"unknown version", edit(func(b []byte) { clear(b[:4]) }), "version bytes"},
		{"depth of the master key", edit(func(b []byte) { b[4] = 0 }), "depth 0"},
		{"depth of a chain", edit(func(b []byte) { b[4] = 4 }), "depth 4"},
		{"account of another role", edit(func(b []byte) { b[12] = 0 }), "child number"},
		{"not hardened", edit(func(b []byte) { b[9] = 0 }), "child number"},
		{"prefix 01", edit(func(b []byte) { b[45] = 1 }), ""},
		{"prefix 04", edit(func(b []byte) { b[45] = 4 }), ""},
		{"point off the curve", edit(func(b []byte) { clear(b[46:]); b[77] = 7 }), ""},
		{"one byte longer", encode(append(slices.Clone(account.payload[:]), 0)), "length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseAccountKey(wallet.PayoutRole, tt.key)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestParseAccountKeyOfNoRole(t *testing.T) {
	xpub := testMaster(t).Account(wallet.DepositRole).String()
	if _, err := ParseAccountKey(wallet.ExternalRole, xpub); err == nil {
		t.Error("an account key of role external was accepted")
	}
}

// The public side, the private side and the library's own derivation agree.
func TestAddressAgrees(t *testing.T) {
	master := testMaster(t)
	rapid.Check(t, func(t *rapid.T) {
		role := rapid.SampledFrom(wallet.Roles()).Draw(t, "role")
		index := rapid.Uint32Range(0, wallet.MaxIndex).Draw(t, "index")
		addr, err := master.Account(role).Address(index)
		if err != nil {
			t.Fatal(err)
		}
		path := wallet.Path{Role: role, Index: index}
		key, err := master.Key(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := crypto.PubkeyToAddress(key.PublicKey); addr != want {
			t.Errorf("%s: public side %s, private side %s", path, addr, want)
		}
		if want := libraryAddress(t, master.Account(role).String(), index); addr != want {
			t.Errorf("%s: %s, the library derives %s", path, addr, want)
		}
	})
}

func libraryAddress(t *rapid.T, xpub string, index uint32) common.Address {
	key, err := hdkeychain.NewKeyFromString(xpub)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range []uint32{0, index} {
		if key, err = key.Derive(child); err != nil {
			t.Fatal(err)
		}
	}
	pub, err := key.ECPubKey()
	if err != nil {
		t.Fatal(err)
	}
	return crypto.PubkeyToAddress(*pub.ToECDSA())
}

func TestFirstAddressesAgree(t *testing.T) {
	master := testMaster(t)
	for _, role := range wallet.Roles() {
		addrs, err := master.Account(role).Addresses(0, 300)
		if err != nil {
			t.Fatal(err)
		}
		for i, addr := range addrs {
			key, err := master.Key(wallet.Path{Role: role, Index: uint32(i)})
			if err != nil {
				t.Fatal(err)
			}
			if want := crypto.PubkeyToAddress(key.PublicKey); addr != want {
				t.Fatalf("%s %d: public side %s, private side %s", role, i, addr, want)
			}
		}
	}
}

func TestAddressBounds(t *testing.T) {
	account := testMaster(t).Account(wallet.GasRole)
	if _, err := account.Address(wallet.MaxIndex); err != nil {
		t.Errorf("highest index: %v", err)
	}
	if _, err := account.Address(wallet.MaxIndex + 1); err == nil {
		t.Error("a hardened index was accepted")
	}
	if got, err := account.Addresses(wallet.MaxIndex, 1); err != nil || len(got) != 1 {
		t.Errorf("highest range: %d addresses, %v", len(got), err)
	}
	for _, r := range []struct {
		from uint32
		n    int
	}{{wallet.MaxIndex, 2}, {0, -1}, {1 << 31, 1}, {0, 1<<31 + 1}} {
		if _, err := account.Addresses(r.from, r.n); err == nil {
			t.Errorf("%d addresses from %d were accepted", r.n, r.from)
		}
	}
}

// A tweak that cancels the parent's point leaves no key. Such an index cannot
// be found, so the point is set up from the tweak.
func TestAddressAtInfinity(t *testing.T) {
	account := *testMaster(t).Account(wallet.GasRole)
	var scalar btcec.ModNScalar
	scalar.SetByteSlice(account.tweak(7))
	scalar.Negate()
	btcec.ScalarBaseMultNonConst(&scalar, &account.point)
	account.point.ToAffine()
	if addr, err := account.Address(7); err == nil {
		t.Errorf("the point at infinity has address %s", addr)
	}
}

func TestMasterConcurrently(t *testing.T) {
	master := testMaster(t)
	want, err := master.Account(wallet.DepositRole).Addresses(0, 64)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			key, err := master.Key(wallet.Path{Index: uint32(i)})
			if err != nil {
				t.Error(err)
				return
			}
			if got := crypto.PubkeyToAddress(key.PublicKey); got != want[i] {
				t.Errorf("index %d: %s, want %s", i, got, want[i])
			}
		})
	}
	wg.Wait()
}

func TestMasterRefuses(t *testing.T) {
	master := testMaster(t)
	for _, path := range []wallet.Path{
		{Role: wallet.ExternalRole},
		{Role: 4},
		{Index: wallet.MaxIndex + 1},
		{Imported: true},
		{Role: wallet.ExternalRole, Imported: true},
	} {
		if _, err := master.Key(path); err == nil {
			t.Errorf("%s (role %s) has a key", path, path.Role)
		}
		if _, err := master.Watch().Address(path); err == nil {
			t.Errorf("%s (role %s) has an address", path, path.Role)
		}
	}
}

func TestMasterClose(t *testing.T) {
	master := testMaster(t)
	chain := master.chains[wallet.GasRole]
	master.Close()
	if _, err := master.Key(wallet.Path{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
	if got := chain.String(); got != "zeroed extended key" {
		t.Errorf("chain after Close: %s", got)
	}
	if _, err := master.Watch().Address(wallet.Path{}); err != nil {
		t.Errorf("the watch does not outlive Close: %v", err)
	}
	master.Close() // again at any time
}

func BenchmarkAddress(b *testing.B) {
	account := testMaster(b).Account(wallet.DepositRole)
	for i := 0; b.Loop(); i++ {
		if _, err := account.Address(uint32(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "addresses/s")
}

func BenchmarkAddresses100000(b *testing.B) {
	account := testMaster(b).Account(wallet.DepositRole)
	for b.Loop() {
		if _, err := account.Addresses(0, 100_000); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "addresses/s")
}
