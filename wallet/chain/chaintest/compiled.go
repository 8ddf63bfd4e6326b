package chaintest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// CheckContracts fails a test unless each contract of a folder was compiled from
// its source as it is, with the pinned compiler. Where the compiler is not
// installed the test is skipped, unless the environment has CI=true.
func CheckContracts(t TB, dir string) {
	t.Helper()
	_, source, _, _ := runtime.Caller(0)
	npm := filepath.Join(filepath.Dir(source), "npm")
	if _, err := os.Stat(filepath.Join(npm, "node_modules", "solc")); err != nil {
		missing := t.Skipf
		if os.Getenv("CI") == "true" {
			missing = t.Fatalf
		}
		missing("the compiler is not installed: run \"make tools\", which needs npm")
	}
	out, err := os.MkdirTemp("", "airlock-contracts-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(out) })
	said, err := exec.CommandContext(t.Context(), "node", filepath.Join(npm, "compile.js"), dir, out).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	built, committed := artifactsIn(t, out), artifactsIn(t, dir)
	if len(built) == 0 || len(built) != len(committed) {
		t.Errorf("%d contracts are compiled, %d committed", len(built), len(committed))
	}
	for name, want := range built {
		if !bytes.Equal(committed[name], want) {
			t.Errorf("%s is not what its source compiles to: run \"make contracts\"", name)
		}
	}
}

// artifactsIn reads the artifacts of a folder, by name.
func artifactsIn(t TB, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return files
}
