package vault

import (
	"testing"
	"time"
)

func TestChooseKDF(t *testing.T) {
	probe := KDF{N: 1 << 16, R: 8, P: 1}
	tests := []struct {
		took time.Duration // of the probe; four times as long at 2^18
		n    int
	}{
		{0, 1 << 20}, // no machine is that fast; the memory is the limit
		{time.Millisecond, 1 << 20},
		{43 * time.Millisecond, 1 << 20}, // 0.69 s at 2^20
		{80 * time.Millisecond, 1 << 20}, // 0.64 s at 2^19
		{90 * time.Millisecond, 1 << 19}, // 0.72 s at 2^19
		{174 * time.Millisecond, 1 << 19},
		{175 * time.Millisecond, 1 << 18}, // 0.7 s at 2^18
		{time.Minute, 1 << 18},
	}
	for _, tt := range tests {
		if got, want := chooseKDF(probe, tt.took), (KDF{N: tt.n, R: 8, P: 1}); got != want {
			t.Errorf("a probe of %s: %+v, want %+v", tt.took, got, want)
		}
	}
}

func TestMeasureKDF(t *testing.T) {
	k, err := MeasureKDF()
	if err != nil {
		t.Fatal(err)
	}
	if field, reason := k.check(); field != "" || k.N < DefaultKDF.N || k.R != 8 || k.P != 1 {
		t.Errorf("measured %+v (%s %s), want at least %+v", k, field, reason, DefaultKDF)
	}
}

func TestKDFAtLeast(t *testing.T) {
	tests := []struct{ have, want, least KDF }{
		{LightKDF, DefaultKDF, DefaultKDF},
		{DefaultKDF, LightKDF, DefaultKDF},
		{KDF{1 << 19, 8, 1}, KDF{1 << 18, 8, 2}, KDF{1 << 19, 8, 2}},
		{KDF{1 << 14, 128, 1}, KDF{1 << 20, 8, 1}, KDF{1 << 20, 8, 1}}, // both together would be too much
	}
	for _, tt := range tests {
		if got := tt.have.atLeast(tt.want); got != tt.least {
			t.Errorf("%+v raised to %+v: %+v, want %+v", tt.have, tt.want, got, tt.least)
		}
	}
}
