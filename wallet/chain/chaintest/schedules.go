package chaintest

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Schedules runs random schedules, each in a test named by its seed, as many at
// the same time as there are processors, and prints what they did. The
// environment says how many (AIRLOCK_SCHEDULES, else otherwise) and from which
// seed on (AIRLOCK_SEED, else 1).
func Schedules(t *testing.T, otherwise uint64, run func(t *testing.T, seed uint64, done *Tally)) *Tally {
	t.Helper()
	count, first := number(t, "AIRLOCK_SCHEDULES", otherwise), number(t, "AIRLOCK_SEED", 1)
	done := &Tally{count: map[string]int{}}
	var next atomic.Uint64
	var wg sync.WaitGroup
	// Twice the processors, since half of the time one waits for disk or node.
	// t.Parallel would hold all chains until the end.
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < count; i = next.Add(1) - 1 {
				seed := first + i
				done.Add("schedules")
				if !t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { run(t, seed, done) }) {
					done.Add("failed")
				}
			}
		})
	}
	wg.Wait()
	// To stdout: go test shows it where it is told no package, as in make test.
	fmt.Printf("seeds %d to %d: %s\n", first, first+count-1, done)
	return done
}

// number reads a setting of the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		t.Fatalf("%s=%s: want a positive number", name, s)
	}
	return n
}

// Tally counts what schedules did.
type Tally struct {
	mu    sync.Mutex
	count map[string]int
}

// Add counts one more of something.
func (t *Tally) Add(what string) { t.AddN(what, 1) }

// AddN counts n more of something.
func (t *Tally) AddN(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count[what] += n
}

// Count is how often something happened.
func (t *Tally) Count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count[what]
}

func (t *Tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, what := range slices.Sorted(maps.Keys(t.count)) {
		list = append(list, fmt.Sprintf("%d %s", t.count[what], what))
	}
	return strings.Join(list, ", ")
}
