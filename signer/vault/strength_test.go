package vault

import "testing"

func TestStrengthOf(t *testing.T) {
	tests := []struct {
		passphrase     string
		text, random   int
		weakAsSomebody bool
	}{
		{"", 0, 0, true},
		{"a", 2, 4, true},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 4, 188, true},
		{"abcdefghijklmnopqrstuvwxyz", 4, 122, true},
		{"9876543210", 4, 33, true},
		{"password", 16, 37, true},
		{"Password1!", 20, 65, true},
		{"correct horse battery staple", 56, 164, true},
		{"remedy wharf unlit zesty crouch gravy", 74, 217, false},
		{"7f3a9c01be55d2aa7f3a9c01be55d2aa", 64, 165, false},
		{"grüße", 10, 23, true},
		{"\xff\xfe\xff", 4, 15, true}, // no UTF-8
	}
	for _, tt := range tests {
		got := StrengthOf([]byte(tt.passphrase))
		if got.AsText != tt.text || got.AsRandom != tt.random || (got.AsText < WeakBits) != tt.weakAsSomebody {
			t.Errorf("%q: %+v, want %d as text and %d as random", tt.passphrase, got, tt.text, tt.random)
		}
	}
}
