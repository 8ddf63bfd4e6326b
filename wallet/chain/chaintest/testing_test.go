package chaintest

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// verdict records what a helper makes of a test.
type verdict struct{ skipped, failed bool }

func (v *verdict) Helper()                  {}
func (v *verdict) Cleanup(func())           {}
func (v *verdict) Context() context.Context { return context.Background() }
func (v *verdict) Errorf(string, ...any)    { v.failed = true }
func (v *verdict) Fatalf(string, ...any)    { v.failed = true }
func (v *verdict) Skipf(string, ...any)     { v.skipped = true; panic(v) }

// A missing program skips a test, unless the environment forbids it; any other
// trouble fails it.
func TestBegin(t *testing.T) {
	missing := fmt.Errorf("anvil: %w", ErrUnavailable)
	broken := errors.New("anvil: no such flag")
	for _, test := range []struct {
		ci, require string
		err         error
		want        verdict
	}{
		{"", "", missing, verdict{skipped: true}},
		{"false", "0", missing, verdict{skipped: true}},
		{"true", "", missing, verdict{failed: true}},
		{"", "1", missing, verdict{failed: true}},
		{"", "", broken, verdict{failed: true}},
		{"", "", nil, verdict{}},
	} {
		t.Setenv("CI", test.ci)
		t.Setenv("AIRLOCK_REQUIRE_CHAINS", test.require)
		var got verdict
		func() {
			defer func() { _ = recover() }() // a skip ends the test where it stands
			begin(&got, Network(nil), test.err)
		}()
		if got != test.want {
			t.Errorf("CI=%s AIRLOCK_REQUIRE_CHAINS=%s, %v: got %+v, want %+v",
				test.ci, test.require, test.err, got, test.want)
		}
	}
}
