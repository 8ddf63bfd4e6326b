package chaintest

import "testing"

func TestCongestion(t *testing.T) {
	s := NewSimulated(t, SimulatedOptions{Seed: 1})
	fee := func() uint64 {
		h, err := s.Client().HeaderByNumber(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return h.BaseFee.Uint64()
	}
	before := fee()
	if err := s.Congest(42); err != nil {
		t.Fatal(err)
	}
	if dear := fee(); dear < 100*before {
		t.Errorf("a base fee of %d after %d", dear, before)
	}
	if err := s.Mine(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	if again := fee(); again > before {
		t.Errorf("a base fee of %d after it was %d", again, before)
	}
}
