package hd

import (
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
)

// TestWatchStrict guards what was taken once: a role that is missing, which is
// read as the first one, and a key of any length, which takes minutes to decode.
func TestWatchStrict(t *testing.T) {
	m, err := NewMaster(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	file, err := m.Watch().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ old, new, says string }{
		"no role":   {`"role": "deposit",`, ``, "accounts[0] is of role"},
		"null role": {`"role": "deposit"`, `"role": null`, "accounts[0] is of role"},
		"long file": {`"deposit"`, `"` + strings.Repeat("x", MaxWatchSize) + `"`, "a watch file has at most"},
	} {
		changed := strings.Replace(string(file), test.old, test.new, 1)
		if changed == string(file) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := DecodeWatch([]byte(changed)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
	xpub := m.Watch().Account(wallet.DepositRole).String()
	if _, err := ParseAccountKey(wallet.DepositRole, strings.Repeat(xpub, 100_000)); err == nil || !strings.Contains(err.Error(), "characters") {
		t.Errorf("a key of 11 million characters: %v", err)
	}
}
