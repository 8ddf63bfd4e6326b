package harden

import "testing"

func TestSwapsIn(t *testing.T) {
	const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for text, want := range map[string]bool{
		"": false, heading: false,
		heading + "/dev/dm-1                               partition\t8388604\t\t0\t\t-2\n": true,
	} {
		if got := swapsIn([]byte(text)); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
