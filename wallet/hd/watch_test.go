package hd

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/base58"

	"github.com/airlock-wallet/airlock/wallet"
)

// junkFingerprint pins the definition of the fingerprint.
const junkFingerprint = "0af61e854806a5e93a9c63472ffb444d61b40b9e64833f8040630e6c191b0ade"

func encoded(t testing.TB) []byte {
	t.Helper()
	b, err := testMaster(t).Watch().Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFingerprint(t *testing.T) {
	w := testMaster(t).Watch()
	h := sha256.New()
	for _, role := range wallet.Roles() {
		h.Write(base58.Decode(w.Account(role).String())[:78])
	}
	if got, want := w.Fingerprint().String(), fmt.Sprintf("%x", h.Sum(nil)); got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
	if got := w.Fingerprint().String(); got != junkFingerprint {
		t.Errorf("fingerprint %s, pinned %s", got, junkFingerprint)
	}
}

func TestParseFingerprint(t *testing.T) {
	want := testMaster(t).Watch().Fingerprint()
	for _, s := range []string{want.String(), want.Grouped(), strings.ToUpper(want.String()), "\t" + want.Grouped() + "\n"} {
		if got, err := ParseFingerprint(s); err != nil || got != want {
			t.Errorf("%q: read %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", want.String()[:63], want.String() + "0", want.Grouped()[:4], "0x" + want.String()[2:]} {
		if _, err := ParseFingerprint(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
	if got := want.Grouped(); len(strings.Fields(got)) != 16 || len(got) != 79 {
		t.Errorf("grouped form %q, want 16 groups of 4", got)
	}
}

func TestWatchRoundTrip(t *testing.T) {
	want := testMaster(t).Watch()
	first := encoded(t)
	got, err := DecodeWatch(first)
	if err != nil {
		t.Fatal(err)
	}
	if got.Fingerprint() != want.Fingerprint() {
		t.Errorf("fingerprint %s, want %s", got.Fingerprint(), want.Fingerprint())
	}
	again, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, first) {
		t.Errorf("written again:\n%s\nwant:\n%s", again, first)
	}
	if got.Account(wallet.ExternalRole) != nil {
		t.Error("role external has an account key")
	}
}

func TestNewWatchWantsAllRoles(t *testing.T) {
	m := testMaster(t)
	d, p, g, tr := m.Account(0), m.Account(1), m.Account(2), m.Account(3)
	if _, err := NewWatch(tr, g, p, d); err != nil {
		t.Errorf("any order: %v", err)
	}
	for _, accounts := range [][]*AccountKey{{}, {d, p, g}, {d, p, g, tr, d}, {d, d, g, tr}} {
		if _, err := NewWatch(accounts...); err == nil {
			t.Errorf("%d accounts accepted", len(accounts))
		}
	}
}

func TestDecodeWatchRefuses(t *testing.T) {
	good := string(encoded(t))
	xpub := testMaster(t).Account(wallet.GasRole).String()
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct{ name, file, want string }{
		{"empty", "", "JSON"},
		{"null", "null", "format"},
		{"not an object", "[]", "unexpected"},
		{"two documents", good + good, "JSON"},
		{"other format", edit("airlock-watch", "airlock-vault"), "format"},
		{"later version", edit(`"version": 1`, `"version": 2`), "version 2"},
		{"version as text", edit(`"version": 1`, `"version": "1"`), "unexpected"},
		{"unknown member", edit(`{`, `{"note": "",`), "note"},
		{"member in other case", edit(`"format"`, `"Format"`), "Format"},
		{"member twice", edit(`{`, `{"version": 1,`), "JSON"},
		{"unknown member of an account", edit(`"role"`, `"label": "", "role"`), "label"},
		{"no fingerprint", edit(fmt.Sprintf(`"fingerprint": %q,`, junkFingerprint), ""), "fingerprint"},
		{"other fingerprint", edit(junkFingerprint[:2], "ff"), "the file was changed"},
		{"fingerprint in capitals", edit(junkFingerprint, strings.ToUpper(junkFingerprint)), "unexpected"},
		{"roles exchanged", strings.NewReplacer(`"deposit"`, `"payout"`, `"payout"`, `"deposit"`).Replace(good), "accounts[0]"},
		{"unknown role", edit(`"gas"`, `"external"`), "accounts[2]"},
		{"other path", edit("m/44'/60'/2'", "m/44'/60'/2"), "path of gas"},
		{"key of another role", edit(xpub, testMaster(t).Account(wallet.DepositRole).String()), "child number"},
		{"no keys", `{"format": "airlock-watch", "version": 1, "fingerprint": "` + junkFingerprint + `", "accounts": []}`, "0 accounts"},
		{"private key", edit(xpub, "xprv"+xpub[4:]), "must never leave"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeWatch([]byte(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Errors about what is not a watch file do not repeat it: somebody may have
// given the mnemonic's file.
func TestDecodeWatchTellsNothing(t *testing.T) {
	for _, b := range []string{junk, `"` + junk + `"`, `{"version": "` + junk + `"}`} {
		_, err := DecodeWatch([]byte(b))
		if err == nil {
			t.Errorf("%q was accepted", b)
		} else if strings.Contains(err.Error(), "test test") {
			t.Errorf("error repeats the file: %v", err)
		}
	}
}

// Whatever single bit of the file is changed, and wherever it is cut, it is
// refused or means the same.
func TestDecodeWatchMutations(t *testing.T) {
	good := encoded(t)
	want := testMaster(t).Watch().Fingerprint()
	check := func(b []byte, what string, at int) {
		if w, err := DecodeWatch(b); err == nil && w.Fingerprint() != want {
			t.Errorf("%s at byte %d: accepted with fingerprint %s", what, at, w.Fingerprint())
		}
	}
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			check(b, "flip", i)
		}
		if _, err := DecodeWatch(good[:i]); err == nil && i < len(good)-1 {
			t.Errorf("accepted when cut to %d bytes", i)
		}
	}
}

func FuzzDecodeWatch(f *testing.F) {
	f.Add(encoded(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := DecodeWatch(b)
		if err != nil {
			return
		}
		out, err := w.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeWatch(out)
		if err != nil || again.Fingerprint() != w.Fingerprint() {
			t.Fatalf("written again: %v", err)
		}
	})
}
