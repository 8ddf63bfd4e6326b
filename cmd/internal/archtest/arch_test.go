package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/airlock-wallet/airlock"
	geth   = "github.com/ethereum/go-ethereum"
)

// A listed is a package as the go command lists it, without its tests.
type listed struct {
	ImportPath string
	Imports    []string // direct
	Deps       []string // all that it links
}

// rows are the layers from the lowest up; a path stands for the folder and all
// below it, unless a longer path of the table says otherwise.
var rows = [][]string{
	{"wallet"},
	{"wallet/store", "wallet/chain", "wallet/batch", "wallet/hd", "wallet/ur", "wallet/erc4527", "wallet/multipay", "wallet/outgoing", "wallet/secretfile", "wallet/csvfile"},
	{"scanner", "signer", "notifier", "wallet/payout", "wallet/sweep", "wallet/book", "wallet/reconcile", "wallet/rebalance"},
	{"cmd"},
}

const componentRow = 2 // the row that does not import within itself

// reserved are packages that only some of ours may import.
var reserved = []struct {
	pkg  string // and what is below it
	only []string
}{
	{"go.etcd.io/bbolt", []string{"wallet/store/bolt"}},
	{geth + "/ethclient", []string{"wallet/chain"}},
	{geth + "/rpc", []string{"wallet/chain"}},
}

// unlinked are packages that some of ours may not even link.
var unlinked = []struct {
	who  []string // and what is below them
	pkgs []string
}{
	{
		who:  []string{"cmd/airlock-signer", "signer", "cmd/internal/cli", "cmd/internal/station", "cmd/internal/review", "cmd/internal/tui", "cmd/internal/qrcode"},
		pkgs: []string{"net/http", geth + "/rpc", geth + "/ethclient"},
	},
	{
		who:  []string{"cmd/airlock", "cmd/airlock-signer"},
		pkgs: []string{"testing", module + "/wallet/chain/chaintest"},
	},
}

// unimported are packages of ours that others of ours may not import, though they
// lie above.
var unimported = []struct {
	who  string
	pkgs []string
}{
	{"cmd/internal/tui", []string{"wallet/store", "wallet/chain"}},
	{"cmd/internal/review", []string{"wallet/store", "wallet/chain"}},
}

// under tells whether path is dir or lies below it.
func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// underAny tells whether path is one of the dirs or lies below one.
func underAny(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return under(path, dir) })
}

// place returns the row of a path inside the module and the entry that puts it
// there.
func place(path string) (row int, entry string, ok bool) {
	for i, entries := range rows {
		for _, e := range entries {
			if under(path, e) && len(e) > len(entry) {
				row, entry, ok = i, e, true
			}
		}
	}
	// The domain is one package: a folder below it has to be placed by name.
	if entry == "wallet" && path != "wallet" {
		return 0, "", false
	}
	return row, entry, ok
}

// own returns the path of an import inside the module.
func own(path string) (string, bool) {
	return strings.CutPrefix(path, module+"/")
}

// violations tells what is wrong with the dependencies of the packages.
func violations(pkgs []listed) []string {
	var found []string
	report := func(format string, args ...any) {
		found = append(found, fmt.Sprintf(format, args...))
	}
	for _, p := range pkgs {
		from, ok := own(p.ImportPath)
		if !ok {
			continue
		}
		row, entry, ok := place(from)
		if !ok {
			report("%s has no row: give it one", from)
			continue
		}
		for _, path := range p.Imports {
			for _, r := range reserved {
				if under(path, r.pkg) && !underAny(from, r.only) {
					report("%s imports %s, which is for %s", from, path, strings.Join(r.only, " and "))
				}
			}
			to, ok := own(path)
			if !ok {
				continue
			}
			toRow, toEntry, ok := place(to)
			switch {
			case !ok: // reported at the package itself
			case toRow > row:
				report("%s imports %s, which lies above it", from, to)
			case toRow == row && row == componentRow && toEntry != entry:
				report("%s imports %s, which lies beside it", from, to)
			}
			for _, u := range unimported {
				if under(from, u.who) && underAny(to, u.pkgs) {
					report("%s imports %s", from, to)
				}
			}
		}
		for _, u := range unlinked {
			for _, path := range p.Deps {
				if underAny(from, u.who) && underAny(path, u.pkgs) {
					report("%s links %s", from, path)
				}
			}
		}
	}
	return found
}

// look looks at every source file of the module. The result of a test is cached
// until a file that it looked at changes, and what the go command reads for it does
// not count.
func look(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".go":
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process may tidy up
		t.Fatal(err)
	}
}

// list asks the go command for the packages of the module.
func list(t *testing.T) []listed {
	t.Helper()
	look(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestArchitecture(t *testing.T) {
	pkgs := list(t)
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
	has := func(path string) bool {
		return slices.ContainsFunc(pkgs, func(p listed) bool { return p.ImportPath == module+"/"+path })
	}
	if !has("wallet") {
		t.Error("the domain was not among the packages looked at")
	}
	if has("cmd/airlock") != has("cmd/airlock-signer") {
		t.Error("only one of the two programs was among the packages looked at")
	}
}

func TestViolations(t *testing.T) {
	own := func(path string) string { return module + "/" + path }
	for _, test := range []struct {
		name string
		pkg  listed
		want string // "" is no violation
	}{
		{"down", listed{ImportPath: own("scanner"), Imports: []string{own("wallet"), own("wallet/store")}}, ""},
		{"across rows", listed{ImportPath: own("cmd/airlock"), Imports: []string{own("wallet"), own("scanner")}}, ""},
		{"beside, low", listed{ImportPath: own("wallet/outgoing"), Imports: []string{own("wallet/batch")}}, ""},
		{"within a component", listed{ImportPath: own("signer"), Imports: []string{own("signer/vault")}}, ""},
		{"the chain dials", listed{ImportPath: own("wallet/chain"), Imports: []string{geth + "/ethclient", geth + "/rpc"}}, ""},
		{"the store stores", listed{ImportPath: own("wallet/store/bolt"), Imports: []string{"go.etcd.io/bbolt"}}, ""},
		{"the online station dials", listed{ImportPath: own("cmd/airlock"), Deps: []string{"net/http"}}, ""},

		{"up", listed{ImportPath: own("wallet/store"), Imports: []string{own("scanner")}}, "wallet/store imports scanner, which lies above it"},
		{"up to a command", listed{ImportPath: own("signer/vault"), Imports: []string{own("cmd/internal/cli")}}, "lies above"},
		{"the domain imports", listed{ImportPath: own("wallet"), Imports: []string{own("wallet/hd")}}, "wallet imports wallet/hd"},
		{"beside", listed{ImportPath: own("scanner"), Imports: []string{own("notifier")}}, "scanner imports notifier, which lies beside it"},
		{"beside, deeper", listed{ImportPath: own("wallet/payout"), Imports: []string{own("signer/policy")}}, "lies beside"},
		{"unplaced", listed{ImportPath: own("wallet/misc")}, "wallet/misc has no row"},
		{"unplaced at the top", listed{ImportPath: own("util")}, "util has no row"},
		{"a second store", listed{ImportPath: own("wallet/store"), Imports: []string{"go.etcd.io/bbolt"}}, "which is for wallet/store/bolt"},
		{"a second dialer", listed{ImportPath: own("scanner"), Imports: []string{geth + "/ethclient/gethclient"}}, "which is for wallet/chain"},
		{"rpc", listed{ImportPath: own("cmd/airlock"), Imports: []string{geth + "/rpc"}}, "which is for wallet/chain"},
		{"a page reads the store", listed{ImportPath: own("cmd/internal/tui"), Imports: []string{own("wallet/store")}}, "cmd/internal/tui imports wallet/store"},
		{"the signer links HTTP", listed{ImportPath: own("cmd/airlock-signer"), Deps: []string{"fmt", "net/http"}}, "cmd/airlock-signer links net/http"},
		{"the vault links RPC", listed{ImportPath: own("signer/vault"), Deps: []string{geth + "/rpc"}}, "signer/vault links " + geth + "/rpc"},
		{"test code ships", listed{ImportPath: own("cmd/airlock"), Deps: []string{own("wallet/chain/chaintest")}}, "cmd/airlock links"},
	} {
		got := strings.Join(violations([]listed{test.pkg}), "; ")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
