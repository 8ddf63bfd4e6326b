//go:build linux

package main_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// sources is the module's folder; release is that of the programs which these
// tests run, as make release ships them.
const sources = "../.."

var release string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dist, err := os.MkdirTemp("", "airlock-release-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dist)
	out, err := makeRelease(sources, dist).CombinedOutput()
	if err != nil {
		panic(string(out))
	}
	release = dist
	return m.Run()
}

// platform is the one that the tests run on.
const platform = runtime.GOOS + "-" + runtime.GOARCH

func makeRelease(dir, dist string) *exec.Cmd {
	return exec.Command("make", "-C", dir, "release", "DIST="+dist, "PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH)
}

// program is the path of a released program.
func program(name string) string { return filepath.Join(release, platform, name) }

func readRelease(t *testing.T, dist, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dist, platform, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestStatic: the programs need nothing of the machine but its kernel, and the
// signer holds no code that dials.
func TestStatic(t *testing.T) {
	for _, name := range []string{"airlock", "airlock-signer"} {
		f, err := elf.Open(program(name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s has a segment %s: it is not static", name, p.Type)
			}
		}
		if libs, err := f.ImportedLibraries(); len(libs) > 0 {
			t.Errorf("%s needs %q, %v", name, libs, err)
		}
	}
	// Names of functions are in the program, stripped or not.
	for text, who := range map[string][]string{
		"net/http.(*Client)":                       {"airlock"},
		"go-ethereum/rpc.(*Client)":                {"airlock"},
		"signer.(*Service).Sign":                   {"airlock", "airlock-signer"},
		"golang.org/x/crypto/scrypt.Key":           {"airlock", "airlock-signer"},
		"wallet/chain/chaintest.":                  nil,
		"github.com/airlock-wallet/airlock/wallet": {"airlock", "airlock-signer"},
	} {
		for _, name := range []string{"airlock", "airlock-signer"} {
			if has := bytes.Contains(readRelease(t, release, name), []byte(text)); has != slices.Contains(who, name) {
				t.Errorf("%s holds %s: %t", name, text, has)
			}
		}
	}
}

// TestNothingOfTheMachine: a program tells neither where its sources lay nor
// where their modules did.
func TestNothingOfTheMachine(t *testing.T) {
	dir, err := filepath.Abs(sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{dir, goEnv(t, "GOMODCACHE"), goEnv(t, "GOROOT")} {
		for _, name := range []string{"airlock", "airlock-signer"} {
			raw := readRelease(t, release, name)
			if i := bytes.Index(raw, []byte(place+"/")); i >= 0 {
				t.Errorf("%s tells of %.200q", name, raw[i:])
			}
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestReproducible builds the same sources again where everything else is
// different: the folder and its depth, the home, the caches, the path of the
// modules, the file modes, the settings of Go and the language. The checksums
// must be those of the first build.
func TestReproducible(t *testing.T) {
	var build struct{ Version, Revision string }
	out, err := exec.Command(program("airlock-signer"), "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &build); err != nil {
		t.Fatal(err)
	}
	if build.Version == "(devel)" { // what Go says where the linker was told nothing
		build.Version = ""
	}
	root := t.TempDir()
	dir := filepath.Join(root, "another place", "of", "the-sources")
	copySources(t, dir)
	modules := filepath.Join(root, "modules")
	if err := os.Symlink(goEnv(t, "GOMODCACHE"), modules); err != nil {
		t.Fatal(err)
	}
	dist := filepath.Join(root, "dist")
	cmd := makeRelease(dir, dist)
	cmd.Args = append([]string{"sh", "-c", `umask 077; exec "$@"`, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.Env = []string{
		"VERSION=" + build.Version, "REVISION=" + build.Revision, "PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(root, "home"), "GOPATH=" + filepath.Join(root, "gopath"),
		"GOMODCACHE=" + modules, "GOCACHE=" + filepath.Join(root, "cache"), "GOPROXY=off", "GOTOOLCHAIN=" + goEnv(t, "GOTOOLCHAIN"),
		"TZ=Pacific/Kiritimati", "LC_ALL=C.UTF-8", "USER=nobody",
		"GOFLAGS=-tags=purego -buildvcs=true", "CGO_ENABLED=1", "GOAMD64=v3", "CC=false", "CGO_CFLAGS=-O0",
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"airlock", "airlock-signer"} {
		have, want := readRelease(t, dist, name), readRelease(t, release, name)
		if i := firstDifference(have, want); i >= 0 {
			t.Errorf("%s differs from byte %d on: %.80q and %.80q", name, i, have[i:], want[i:])
		}
	}
	sums, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(sums, []byte("\n")); n != 2 {
		t.Errorf("SHA256SUMS has %d lines, want one of each program:\n%s", n, sums)
	}
	check := exec.Command("sha256sum", "--check", "--strict", filepath.Join(dist, "SHA256SUMS"))
	check.Dir = release
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("the checksums of one build do not hold for the other: %v\n%s", err, out)
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

// copySources copies what a build reads. That it reads every file itself makes
// go test run again when one of them changes.
func copySources(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(sources, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(sources, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case path == sources:
			case strings.HasPrefix(name, ".") && rel != ".ci", name == "node_modules", name == "testdata", rel == "bin", rel == "dist", rel == "docs":
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), raw, 0o700) // one of them is a program
	})
	if err != nil {
		t.Fatal(err)
	}
}
