package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// writerDir makes this program change files there, and nothing else.
const writerDir = "AIRLOCK_CRASH_WRITER"

// write makes six changes.
func write(dir string) error {
	f, err := os.Create(filepath.Join(dir, "a"))
	if err != nil {
		return err
	}
	for _, text := range []string{"1", "2"} {
		if _, err := f.WriteString(text); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, "b")); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, "b"))
}

// contents are the names of the files in a directory, and what they hold.
func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s=%s", e.Name(), data))
	}
	return strings.Join(list, " ")
}

// mustTrace skips a test where the system lets nobody trace, unless the environment
// has CI=true.
func mustTrace(t *testing.T) {
	t.Helper()
	err := func() error {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		dir := t.TempDir()
		tr := tracer{root: dir}
		_, err = tr.run(program{args: []string{os.Args[0]}, env: append(os.Environ(), writerDir+"="+dir), dir: dir, out: null})
		return err
	}()
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What is killed before a change has not made it, and after it has.
func TestTracerKillsWhereItSays(t *testing.T) {
	mustTrace(t)
	states := []string{"", "a=", "a=1", "a=12", "a=12", "b=12", ""}
	names := []string{"create a", "write a", "write a", "sync a", "rename a", "remove b"}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for number := 1; number <= len(names)+1; number++ {
		for i, after := range []bool{false, true} {
			dir := t.TempDir()
			tr := tracer{root: dir, number: number, after: after}
			status, err := tr.run(program{args: []string{os.Args[0]}, env: append(os.Environ(), writerDir+"="+dir), dir: dir, out: null})
			if err != nil {
				t.Fatal(err)
			}
			got := contents(t, dir)
			if number > len(names) {
				if tr.what != "" || !status.Exited() || status.ExitStatus() != 0 || tr.seen != len(names) || got != "" {
					t.Errorf("%d: killed at %q, status %v, %d changes, %q left", number, tr.what, status, tr.seen, got)
				}
				continue
			}
			if !status.Signaled() || status.Signal() != syscall.SIGKILL || tr.what != names[number-1] {
				t.Errorf("%d, after %v: status %v, at %q, want it killed at %q", number, after, status, tr.what, names[number-1])
			}
			if want := states[number-1+i]; got != want {
				t.Errorf("%d, after %v: left %q, want %q", number, after, got, want)
			}
		}
	}
}

// A node gets of a batch what was asked before the program was killed.
func TestProxyKillsWhereItSays(t *testing.T) {
	var got []string
	node := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		calls, err := callsOf(body)
		if err != nil {
			t.Error(err)
		}
		for _, c := range calls {
			got = append(got, c.method)
		}
	}))
	defer node.Close()
	p := newProxy(t, node.URL)
	for _, test := range []struct {
		number int
		after  bool
		want   string // methods that the node saw
		what   string
	}{
		{1, false, "", "a"},
		{1, true, "a", "a"},
		{2, false, "a", "b"},
		{2, true, "a b", "b"},
		{4, false, "a b c", "b"},
		{5, true, "a b c b b", "b"},
		{6, false, "a b c b b", ""},
	} {
		got = nil
		killed := false
		p.arm(test.number, test.after, func() { killed = true })
		for _, methods := range [][]string{{"a", "b", "c"}, {"b", "b"}} {
			resp, err := http.Post(p.URL, "application/json", strings.NewReader(batchOf(t, methods)))
			if err == nil {
				resp.Body.Close()
			} else if !killed {
				t.Error(err)
			}
		}
		if what := p.disarm(); what != test.what || killed != (what != "") {
			t.Errorf("%+v: killed %v at %q", test, killed, what)
		}
		if want := strings.Fields(test.want); !slices.Equal(got, want) {
			t.Errorf("%+v: the node saw %q", test, got)
		}
	}
}

func batchOf(t *testing.T, methods []string) string {
	t.Helper()
	var calls []map[string]any
	for i, m := range methods {
		calls = append(calls, map[string]any{"jsonrpc": "2.0", "id": i, "method": m})
	}
	text, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPoints(t *testing.T) {
	for stage := range stages {
		for _, kind := range []string{writing, calling, telling} {
			for i := range 4 {
				p := point{stage, kind, 17, i&1 > 0, i&2 > 0}
				if got, err := parsePoint(p.String()); err != nil || got != p {
					t.Errorf("%s is read as %s, %v", p, got, err)
				}
			}
		}
	}
	all := 3 * (len(stages) + 4) // four of them send
	for text, want := range map[string]int{"": all, "all": all, "states": all, "sign": 3, "scan-2/rpc": 1, "confirm/write": 2} {
		if m, err := newMatrix(text); err != nil || len(m.lanes) != want || (m.limit > 0) != (text == "") || m.once != (text == "states") {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
	m, err := newMatrix("sign")
	if err != nil {
		t.Fatal(err)
	}
	var mine, other *lane
	for _, want := range []string{"sign/write 1", "sign/rpc 1", "sign/write 2", "sign/hook 1"} {
		l := &mine
		if want == "sign/rpc 1" {
			l = &other
		}
		if want == "sign/hook 1" {
			m.end(mine)
		}
		next, number, ok := m.take(*l)
		if *l = next; !ok || fmt.Sprint(next, " ", number) != want {
			t.Errorf("took %v %d, want %s", next, number, want)
		}
	}
	if _, err := newMatrix("pay"); err == nil {
		t.Error("a command that there is not")
	}
	for _, text := range []string{"", "all", "broadcast", "broadcast/write-7", "broadcast/write-7-during", "scan-3/rpc-1-after"} {
		if _, err := parsePoint(text); err == nil {
			t.Errorf("%q is taken for a point", text)
		}
	}
}

// TestState: what changes nothing that a command can tell leaves the state, and
// whatever else changes makes another one. Else points would be taken for others.
func TestState(t *testing.T) {
	w := &world{
		t: t, root: filepath.Join(t.TempDir(), "root"), hooks: newReceiver(t),
		chain: chaintest.NewSimulated(t, chaintest.SimulatedOptions{}),
	}
	for _, home := range homes {
		if err := os.MkdirAll(w.path(home), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := w.path("online/airlock.db")
	db, err := bolt.Create(t.Context(), path)
	must(err)
	put := func(key, value string) error {
		return db.Update(t.Context(), func(tx store.Tx) error { return tx.Put([]byte(key), []byte(value)) })
	}
	must(put("a", `{"at":"2026-11-21T19:42:22.123Z","n":1}`))
	must(os.WriteFile(w.path("gap/a"), []byte("1"), 0o600))

	read := func() state {
		t.Helper()
		s, err := w.state(t.Context())
		must(err)
		return s
	}
	last := read()
	for _, step := range []struct {
		name string
		do   func() error
		same bool
	}{
		{"nothing", func() error { return nil }, true},
		{"the same once more, on other pages", func() error { return put("a", `{"at":"2026-11-21T19:42:22.123Z","n":1}`) }, true},
		{"another time", func() error { return put("a", `{"at":"2027-01-01T00:00:00+01:00","n":1}`) }, true},
		{"a value", func() error { return put("a", `{"at":"2027-01-01T00:00:00+01:00","n":2}`) }, false},
		{"a key", func() error { return put("b", "") }, false},
		{"a file", func() error { return os.WriteFile(w.path("signing/b"), nil, 0o600) }, false},
		{"what is in a file", func() error { return os.WriteFile(w.path("gap/a"), []byte("2"), 0o600) }, false},
		{"the pool", func() error {
			_, err := w.chain.Fund(t.Context(), w.chain.Faucet().Address, big.NewInt(1))
			return err
		}, false},
		{"the head", func() error { return w.chain.Mine(t.Context(), 1) }, false},
		{"what was told", func() error { w.hooks.told = append(w.hooks.told, event{id: "1"}); return nil }, false},
	} {
		must(step.do())
		next := read()
		if (next == last) != step.same {
			t.Errorf("%s: the state is the same: %t, want %t", step.name, next == last, step.same)
		}
		last = next
	}
	must(os.Truncate(path, 8192))
	if _, err := w.state(t.Context()); err == nil {
		t.Error("a store of which pages are missing has a state")
	}
}
