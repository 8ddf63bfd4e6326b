package chaintest

import (
	"context"
	"errors"
	"os"
	"time"
)

// startTimeout bounds the start of a node program for a test. It covers building
// geth on a small machine.
const startTimeout = 15 * time.Minute

// TB is what the helpers for tests need of testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// NewSimulated starts a Simulated that ends with the test.
func NewSimulated(t TB, o SimulatedOptions) *Simulated {
	t.Helper()
	s, err := StartSimulated(o)
	return begin(t, s, err)
}

// NewGeth starts a Geth that ends with the test.
func NewGeth(t TB, o GethOptions) *Geth {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	g, err := StartGeth(ctx, o)
	return begin(t, g, err)
}

// NewAnvil starts an Anvil that ends with the test.
func NewAnvil(t TB, o AnvilOptions) *Anvil {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	a, err := StartAnvil(ctx, o)
	return begin(t, a, err)
}

// required tells whether a test may not be skipped for want of a node program.
func required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("AIRLOCK_REQUIRE_CHAINS") == "1"
}

// begin hands a network that was started, or not, to a test. A test whose node
// program is missing is skipped, unless the environment has CI=true or
// AIRLOCK_REQUIRE_CHAINS=1.
func begin[N Network](t TB, n N, err error) N {
	t.Helper()
	if errors.Is(err, ErrUnavailable) && !required() {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return n
}
