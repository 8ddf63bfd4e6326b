package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// which, in the environment, says what points are visited: "all", those of a command
// ("broadcast"), of a kind in it ("broadcast/rpc"), or one ("broadcast/rpc-2-after").
// Without it they are the first of each kind in each command. With "states" all are,
// and the day goes on from each state that a command can be left in once.
const which = "AIRLOCK_CRASH"

// The kinds of points.
const (
	writing = "write" // to a file: of a store, or one that crosses the gap
	calling = "rpc"
	telling = "hook"
)

// A point is where a command is killed: on its way into a change of a file, a call
// or a delivery, or when that is done. The operator comes back at once, or late, when
// a block was mined.
type point struct {
	stage  int
	kind   string
	number int // from 1 on
	after  bool
	late   bool
}

func (p point) String() string {
	when := "before"
	if p.after {
		when = "after"
	}
	if p.late {
		when += "-late"
	}
	return fmt.Sprintf("%s/%s-%d-%s", stages[p.stage].name, p.kind, p.number, when)
}

func parsePoint(text string) (p point, err error) {
	m := regexp.MustCompile(`^([a-z0-9-]+)/(write|rpc|hook)-(\d+)-(before|after)(-late)?$`).FindStringSubmatch(text)
	if m == nil {
		return p, fmt.Errorf("%q is no point: want one such as broadcast/write-7-after", text)
	}
	for p.stage = range stages {
		if stages[p.stage].name == m[1] {
			p.kind, p.after, p.late = m[2], m[4] == "after", m[5] != ""
			p.number, err = strconv.Atoi(m[3])
			return p, err
		}
	}
	return p, fmt.Errorf("%q: there is no stage %s", text, m[1])
}

// A lane is all the points of a kind in a command, until the command ends before
// one is reached.
type lane struct {
	stage int
	kind  string
	late  bool
	next  int
	taken bool // by a history
	ended bool
	done  int // points
}

// A matrix hands out points and counts what was done.
type matrix struct {
	mu     sync.Mutex
	lanes  []*lane
	limit  int            // numbers of each lane; 0 for all
	once   bool           // goes on from each state once
	killed map[string]int // by stage
	points int
	traces int // points that left something behind
	same   int // of them, those that left what another one of the command did
	failed int
}

// newMatrix makes a matrix of the points that which names.
func newMatrix(which string) (*matrix, error) {
	m := &matrix{killed: map[string]int{}}
	switch which {
	case "":
		m.limit, which = 1, "all"
	case "states":
		m.once, which = true, "all"
	}
	for i, s := range stages {
		for _, kind := range []string{writing, calling, telling} {
			if which != "all" && which != s.name && which != s.name+"/"+kind {
				continue
			}
			m.lanes = append(m.lanes, &lane{stage: i, kind: kind})
			if s.sends {
				m.lanes = append(m.lanes, &lane{stage: i, kind: kind, late: true})
			}
		}
	}
	if len(m.lanes) == 0 {
		return nil, fmt.Errorf("%s: there is no such command, kind of points or point", which)
	}
	return m, nil
}

// take hands out the next number of a lane, or of the first that nobody has taken if
// that one has no more.
func (m *matrix) take(l *lane) (*lane, int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	over := func(l *lane) bool { return l.ended || m.limit > 0 && l.next >= m.limit }
	if l == nil || over(l) {
		i := slices.IndexFunc(m.lanes, func(l *lane) bool { return !l.taken && !over(l) })
		if i < 0 {
			return nil, 0, false
		}
		l = m.lanes[i]
		l.taken = true
	}
	l.next++
	return l, l.next, true
}

// maxFailures is how many points may fail until the others are not tried.
const maxFailures = 10

// end says that a lane has no more points, which is told of a long matrix.
func (m *matrix) end(l *lane) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !l.ended && l.done > 0 && m.limit == 0 {
		fmt.Printf("%4d points so far, to the last of %s\n", m.points, l)
	}
	l.ended = true
}

func (l *lane) String() string {
	name := stages[l.stage].name + "/" + l.kind
	if l.late {
		name += ", late"
	}
	return name
}

func (m *matrix) count(l *lane, left trace, err error) (goOn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.points++
	l.done++
	if left != nothing {
		m.traces++
	}
	if left == known {
		m.same++
	}
	m.killed[stages[l.stage].name]++
	if err != nil {
		m.failed++
	}
	return m.failed < maxFailures
}

var bin string

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if err := write(dir); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "airlock-bin-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", dir, "../../airlock", "../../airlock-signer")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		bin = dir
		return m.Run()
	}())
}

// TestCrashMatrix kills every command at every point and holds what comes of it
// against the run that nobody disturbed.
func TestCrashMatrix(t *testing.T) {
	mustTrace(t)
	text := os.Getenv(which)
	if p, err := parsePoint(text); err == nil {
		visitOne(t, p)
		return
	}
	m, err := newMatrix(text)
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		h := newHistory(t)
		wg.Go(func() { h.work(t, m) })
	}
	wg.Wait()
	fmt.Printf("crash matrix: %s in %s\n", m, time.Since(started).Round(time.Second))
}

// visitOne visits a point, which must be reached.
func visitOne(t *testing.T, p point) {
	h := newHistory(t)
	what, _, err := h.visit(t.Context(), p, false)
	switch {
	case err != nil:
		t.Fatalf("%s (%s): %v", p, what, err)
	case what == "":
		t.Fatalf("%s: the command ends before", p)
	}
	fmt.Printf("crash matrix: killed at %s (%s), paid once and the books balanced\n", p, what)
}

// String says what was done.
func (m *matrix) String() string {
	var parts []string
	for _, s := range stages {
		if n := m.killed[s.name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s.name, n))
		}
	}
	text := fmt.Sprintf("%d points in %d commands (%s)", m.points, len(parts), strings.Join(parts, ", "))
	text += fmt.Sprintf(", %d of them with traces", m.traces)
	if m.once {
		text += fmt.Sprintf(", of which %d left what another had left", m.same)
	}
	if m.limit > 0 {
		text += ", the first of each kind"
	}
	if m.failed == 0 {
		return text + ", each paid once and the books balanced"
	}
	return fmt.Sprintf("%s, %d FAILED", text, m.failed)
}

// work visits points until there are none left.
func (h *history) work(t *testing.T, m *matrix) {
	var l *lane
	for {
		next, number, ok := m.take(l)
		if !ok {
			return
		}
		l = next
		for _, after := range []bool{false, true} {
			p := point{l.stage, l.kind, number, after, l.late}
			what, left, err := h.visit(t.Context(), p, m.once)
			if err == nil && what == "" {
				if number == 1 && !after && l.kind == writing {
					t.Errorf("%s writes nothing", stages[l.stage].name)
				}
				m.end(l)
				break
			}
			if err != nil {
				t.Errorf("%s (%s): %v", p, what, err)
			}
			if !m.count(l, left, err) {
				return
			}
		}
	}
}

// A history is a world with a snapshot of it before each stage, and how it ended.
type history struct {
	*world
	before []snapshot
	end    outcome
	seen   map[point]map[state]bool // states that the day went on from, of a command alone
}

func (h *history) saw(at point, s state) {
	if h.seen[at] == nil {
		h.seen[at] = map[state]bool{}
	}
	h.seen[at][s] = true
}

// A trace is what a killed command left behind.
type trace int

const (
	nothing trace = iota // what follows is the undisturbed day, which the world has lived through
	known                // a state that the day went on from before
	traces               // anything else
)

// newHistory lives through all stages undisturbed.
func newHistory(t testing.TB) *history {
	h := &history{world: newWorld(t, bin), seen: map[point]map[state]bool{}}
	ctx := t.Context()
	for i, s := range stages {
		if err := s.prepare(h.world, ctx); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		saved, err := h.save(ctx, fmt.Sprintf("before-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		h.before = append(h.before, saved)
		state, err := h.state(ctx)
		if err != nil {
			t.Fatal(err)
		}
		h.saw(point{stage: i}, state)
		if err := s.run(h.world); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	var err error
	if h.end, err = h.look(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.end.check(h.world); err != nil {
		t.Fatalf("nobody disturbed it: %v", err)
	}
	for _, rung := range []string{"payout, nonce 1: rung 2", "payout-2, nonce 0: rung 2", "cancel, rung 1"} {
		if !strings.Contains(strings.Join(h.end.rungs, "\n"), rung) {
			t.Fatalf("nobody disturbed it, and nothing was mined at %s: %s", rung, h.end.rungs)
		}
	}
	return h
}

func (s *stage) prepare(w *world, ctx context.Context) error {
	if s.world == nil {
		return nil
	}
	return s.world(w, ctx)
}

func (s *stage) run(w *world) error {
	p, err := s.command(w)
	if err != nil {
		return err
	}
	return w.all(p)
}

// visit kills a command at a point, runs it again and all that follows, and checks
// what came of it. what says what was killed at: nothing, if the command ended
// before. With once the day does not go on from a state that it went on from before.
func (h *history) visit(ctx context.Context, p point, once bool) (what string, left trace, err error) {
	before := h.before[p.stage]
	if err := h.restore(ctx, before); err != nil {
		return "", nothing, err
	}
	s := &stages[p.stage]
	prog, err := s.command(h.world)
	if err != nil {
		return "", nothing, err
	}
	r, what, err := h.kill(prog, p)
	switch {
	case err != nil:
		return what, nothing, err
	case what == "" && r.status != 0:
		return "", nothing, fmt.Errorf("not killed, it ended with %d: %s", r.status.ExitStatus(), r.errors)
	case what == "":
		return "", nothing, nil
	case !r.killed():
		return what, nothing, fmt.Errorf("it was to be killed, and ended with %d: %s", r.status.ExitStatus(), r.errors)
	}
	if err := h.checkRecorded(ctx); err != nil {
		return what, traces, err
	}
	same, err := h.untouched(ctx, before)
	if err != nil || same && !p.late {
		return what, nothing, err
	}
	if once {
		state, err := h.state(ctx)
		at := point{stage: p.stage, late: p.late}
		if err != nil || h.seen[at][state] {
			return what, known, err
		}
		h.saw(at, state)
	}
	if p.late {
		if err := h.chain.Mine(ctx, 1); err != nil {
			return what, traces, err
		}
	}
	return what, traces, h.goOn(ctx, p, prog)
}

// goOn runs the command again that was killed, and what follows it, and checks what
// came of it.
func (h *history) goOn(ctx context.Context, p point, prog program) error {
	var err error
	if again := stages[p.stage].again; again != nil {
		err = again(h.world, prog)
	} else {
		err = h.all(prog)
	}
	if err != nil {
		return fmt.Errorf("again: %w", err)
	}
	for _, s := range stages[p.stage+1:] {
		if err := s.prepare(h.world, ctx); err != nil {
			return err
		}
		if err := s.run(h.world); err != nil {
			return fmt.Errorf("then %s: %w", s.name, err)
		}
	}
	end, err := h.look(ctx)
	if err != nil {
		return err
	}
	if err := end.check(h.world); err != nil {
		return err
	}
	want := h.end
	if p.late {
		end, want = end.loosely(), want.loosely()
	}
	return end.same(want)
}

// kill runs a program and kills it at a point.
func (h *history) kill(prog program, p point) (r run, what string, err error) {
	if p.kind == writing {
		return h.trace(prog, p)
	}
	g := &h.node.gate
	if p.kind == telling {
		g = &h.hooks.gate
	}
	begun, process := make(chan struct{}), (*os.Process)(nil)
	g.arm(p.number, p.after, func() {
		<-begun
		_ = process.Kill() // or it was killed before
	})
	r, err = h.start(prog, func(started *os.Process) {
		process = started
		close(begun)
	})
	return r, g.disarm(), err
}

// trace runs a program and kills it at a change of a file.
func (h *history) trace(prog program, p point) (r run, what string, err error) {
	out, err := os.Create(filepath.Join(h.aside, "out"))
	if err != nil {
		return r, "", err
	}
	defer out.Close()
	prog.out = out
	t := tracer{root: h.root, number: p.number, after: p.after}
	if r.status, err = t.run(prog); err != nil {
		return r, t.what, err
	}
	text, err := os.ReadFile(out.Name())
	r.errors = string(text)
	return r, t.what, err
}
