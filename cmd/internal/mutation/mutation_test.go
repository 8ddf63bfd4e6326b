package mutation

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet/batch"
)

// The number of random changes of each original, 14,000 in all, and their seed.
var (
	changes = number("AIRLOCK_MUTATIONS", 2_000)
	seed    = number("AIRLOCK_SEED", 1)
)

func number(name string, otherwise uint64) uint64 {
	if text := os.Getenv(name); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		return n
	}
	return otherwise
}

// judge hands files of one kind to what reads them.
type judge struct {
	subject
	means meaning
	said  string
}

func newJudge(t testing.TB, s subject) *judge {
	t.Helper()
	j := &judge{subject: s}
	var err error
	if j.means, err = s.read(s.original); err != nil {
		t.Fatalf("%s: the original is refused: %v\n%s", s.name, err, s.original)
	}
	if j.said, err = s.says(s.original); err != nil {
		t.Fatalf("%s: nobody knows what the original says: %v", s.name, err)
	}
	return j
}

// verdict is what became of a file: refused at a place, or taken.
type verdict struct {
	err   error
	place string // of a refusal
	same  bool   // it was taken and means what the original means
	wrong string // what must not be; empty if nothing
}

func (v verdict) String() string {
	switch {
	case v.err != nil:
		return "refused " + v.place
	case v.same:
		return "same"
	}
	return "another"
}

// judge reads a file and judges what comes of it.
func (j *judge) judge(file []byte) (v verdict) {
	defer func() {
		if r := recover(); r != nil {
			v.wrong = fmt.Sprintf("it panics: %v", r)
		}
	}()
	before := allocated()
	m, err := j.read(file)
	// Sixty times what a file holds and 32 MB are less than a gigabyte for the
	// largest batch that may be.
	if used := allocated() - before; used > 60*uint64(len(file))+32<<20 {
		v.wrong = fmt.Sprintf("reading %d bytes takes %d", len(file), used)
		return v
	}
	if v.err = err; err != nil {
		if v.place = j.place(err); v.place == "" {
			v.wrong = "the refusal does not say where"
		} else if len(err.Error()) > 4000 {
			v.wrong = fmt.Sprintf("the refusal is %d bytes long", len(err.Error()))
		}
		return v
	}
	v.same = m.all == j.means.all
	said, err := j.says(file)
	switch {
	case err != nil:
		v.wrong = fmt.Sprintf("it is taken, and could mean something else to another reader: %v", err)
	case m.sealed != j.means.sealed:
		v.wrong = "it is taken, though what vouched for the original does not vouch for it"
	case said == j.said && !v.same:
		v.wrong = "it says what the original says, and means something else"
	case said != j.said && v.same:
		v.wrong = "it says something else, and means the same"
	}
	return v
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// tally counts what became of the changes.
type tally struct {
	made, refused, same, another int
}

func (n *tally) count(v verdict) {
	n.made++
	switch {
	case v.err != nil:
		n.refused++
	case v.same:
		n.same++
	default:
		n.another++
	}
}

func (n *tally) String() string {
	return fmt.Sprintf("%d made, %d refused, %d mean the same, %d another legal file", n.made, n.refused, n.same, n.another)
}

// TestMutations makes every change that it knows of at every place, and random
// ones. What they are is decided by the seed and the examples of the page alone.
func TestMutations(t *testing.T) {
	total := 0
	var corpus []string
	for _, s := range subjects(t) {
		t.Run(s.name, func(t *testing.T) {
			j := newJudge(t, s)
			report := func(e edit, v verdict) {
				t.Helper()
				t.Errorf("%s at %q: %s\n%v\n%s", e.how, e.where, v.wrong, v.err, excerpt(e.file))
			}
			var every, whole, random tally
			seen := map[string]bool{}
			for e := range s.edits(s.original) {
				v := j.judge(e.file)
				if v.wrong == "" && v.err != nil && !near(e.where, v.place) {
					v.wrong = fmt.Sprintf("the refusal names %q", v.place)
				}
				if every.count(v); v.wrong != "" {
					report(e, v)
				}
				kind, _, _ := strings.Cut(v.String(), " ")
				if key := e.how + kind; !seen[key] {
					seen[key] = true
					corpus = append(corpus, fmt.Sprintf("%s\t%s\t%s\t%.120q\n", s.name, e.how, e.where, v))
				}
			}
			for e := range byteEdits(s.original) {
				v := j.judge(e.file)
				if whole.count(v); v.wrong != "" {
					report(e, v)
				}
			}
			rng := rand.New(rand.NewPCG(seed, uint64(len(s.name))))
			for range changes {
				var e edit
				if rng.IntN(2) == 0 {
					e = s.random(rng, s.original)
				} else {
					e = randomBytes(rng, s.original)
				}
				v := j.judge(e.file)
				if random.count(v); v.wrong != "" {
					report(e, v)
				}
			}
			fmt.Printf("%-18s every field: %s; as a whole: %s; at random, seed %d: %s\n", s.name, &every, &whole, seed, &random)
			// A test that refuses everything, or nothing, tests nothing.
			if every.refused == 0 || every.same == 0 || random.refused == 0 || whole.refused == 0 || whole.same == 0 {
				t.Error("some kind of change never came out one way")
			}
			total += every.made + whole.made + random.made
		})
	}
	fmt.Printf("%d changes in all\n", total)
	compare(t, corpus)
}

func excerpt(file []byte) string {
	if len(file) > 6000 {
		return fmt.Sprintf("%.3000q…", file)
	}
	return string(file)
}

// near reports whether a refusal names the place of a change, or one that the
// format holds against it: a field of the same item, the same field of another
// item, or for a whole item any.
func near(where, place string) bool {
	if !strings.HasPrefix(where, "/") || !strings.HasPrefix(place, "/") ||
		strings.HasPrefix(place+"/", where+"/") || strings.HasPrefix(where+"/", place+"/") {
		return true
	}
	a, b := item.FindStringSubmatch(where), item.FindStringSubmatch(place)
	return a == nil || b == nil || a[1] == b[1] || a[2] == b[2] || a[2] == ""
}

// item finds the position and the field in a pointer to a field of an item.
var item = regexp.MustCompile(`/(?:items|transactions)/(\d+)(.*)$`)

// TestFields guards against a field of the formats that no original has, which
// no change would be made of.
func TestFields(t *testing.T) {
	have := map[string]bool{}
	for _, s := range subjects(t) {
		if !strings.Contains(s.name, "batch") {
			continue
		}
		root, err := read(s.original)
		if err != nil {
			t.Fatal(err)
		}
		for name := range fieldsOf(root, "") {
			have[strings.TrimPrefix(name, "/batch")] = true
		}
	}
	for name := range jsonFields(reflect.TypeFor[batch.Signed](), "") {
		if !have[strings.TrimPrefix(name, "/batch")] {
			t.Errorf("no original has %s; -update makes them anew", name)
		}
	}
	kept, now := tomlPairs.FindAllString(string(original(t, "full-policy.toml", func() []byte { return fullPolicy(t) })), -1), tomlPairs.FindAllString(string(fullPolicy(t)), -1)
	for _, key := range now {
		if !slices.Contains(kept, key) {
			t.Errorf("no original has the key %s; -update makes them anew", key)
		}
	}
	if len(now) < 30 {
		t.Errorf("the strict preset explains %d keys", len(now))
	}
}

var tomlPairs = regexp.MustCompile(`(?m)^[a-z_]+ =`)

// fieldsOf are the names of all members, with * for a position in a list.
func fieldsOf(n *node, where string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, kid := range n.kids {
			below := where + "/*"
			if n.kind == '{' {
				below = where + "/" + unquote(n.keys[i])
				if !yield(below) {
					return
				}
			}
			for name := range fieldsOf(kid, below) {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// jsonFields are those that a type is written with.
func jsonFields(typ reflect.Type, where string) map[string]bool {
	all := map[string]bool{}
	switch typ.Kind() {
	case reflect.Slice:
		maps.Copy(all, jsonFields(typ.Elem(), where+"/*"))
	case reflect.Struct:
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" {
				continue
			}
			all[where+"/"+name] = true
			maps.Copy(all, jsonFields(typ.Field(i).Type, where+"/"+name))
		}
	}
	return all
}

// compare holds what became of the changes of every field against what became of
// them once: testdata/corpus.txt has, for each kind of file, each change and each
// verdict, the first place where it came out so. -update writes it anew.
func compare(t *testing.T, lines []string) {
	t.Helper()
	const path = "testdata/corpus.txt"
	slices.Sort(lines)
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Collect(strings.Lines(string(raw)))
	shown := 0
	for _, line := range missing(lines, want) {
		if shown++; shown <= 20 {
			t.Errorf("comes out now, and did not: %s", line)
		}
	}
	for _, line := range missing(want, lines) {
		if shown++; shown <= 20 {
			t.Errorf("came out, and does not now: %s", line)
		}
	}
	if shown > 0 {
		t.Errorf("%d of %d lines of %s differ; look at each before -update writes them anew", shown, len(want), path)
	}
}

// missing are the lines that are not among the others; both are sorted.
func missing(lines, others []string) (list []string) {
	for _, line := range lines {
		if _, found := slices.BinarySearch(others, line); !found {
			list = append(list, line)
		}
	}
	return list
}
