package mutation

import (
	"flag"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/corpus.txt anew")

// fuzz hands what the fuzzer makes of an original to its judge.
func fuzz(f *testing.F, name string) {
	f.Helper()
	for _, s := range subjects(f) {
		if s.name != name {
			continue
		}
		j := newJudge(f, s)
		f.Add(s.original)
		for e := range byteEdits(s.original) {
			if len(e.file) < 1<<16 {
				f.Add(e.file)
			}
		}
		f.Fuzz(func(t *testing.T, file []byte) {
			if v := j.judge(file); v.wrong != "" {
				t.Errorf("%s: %v", v.wrong, v.err)
			}
		})
		return
	}
	f.Fatalf("there is no %s", name)
}

func FuzzBatch(f *testing.F)  { fuzz(f, "batch") }
func FuzzSigned(f *testing.F) { fuzz(f, "signed-batch") }
func FuzzWatch(f *testing.F)  { fuzz(f, "watch") }
func FuzzVault(f *testing.F)  { fuzz(f, "vault") }
func FuzzPolicy(f *testing.F) { fuzz(f, "full-policy") }
