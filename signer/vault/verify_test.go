package vault

import (
	"errors"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
)

func TestVerify(t *testing.T) {
	path := newVault(t)
	v := openVault(t, path)
	if _, err := v.addKey(newKey(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.AddMnemonic([]byte(abandon)); err != nil {
		t.Fatal(err)
	}
	if n, err := v.Verify(5); n != 2*4*5+1 || err != nil {
		t.Errorf("verified %d addresses (%v), want 41", n, err)
	}
	// A key that is not that of its address is found: derived, and imported.
	kept := v.keys[1].kept[wallet.Path{Role: wallet.GasRole, Index: 3}]
	right := *kept
	kept.key = newKey(t)
	if _, err := v.Verify(5); err == nil {
		t.Error("a wrong derived key was passed over")
	}
	*kept = right
	for _, k := range v.s.imported {
		k.key = newKey(t)
	}
	if _, err := v.Verify(5); err == nil {
		t.Error("a wrong imported key was passed over")
	}
	if _, err := openVault(t, path).addKey(newKey(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(5); !errors.Is(err, ErrChanged) {
		t.Errorf("after another one's change: %v, want ErrChanged", err)
	}
}
