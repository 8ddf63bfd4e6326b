package secretfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// assertOnly checks that a directory holds nothing but the named files, so
// that no temporary file was left behind.
func assertOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("directory holds %q, want %q", got, names)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.json")
	if err := Create(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	if err := Create(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v, want fs.ErrExist", err)
	}
	if got := read(t, path); got != "one" {
		t.Errorf("contents %q, want the first ones", got)
	}
	assertOnly(t, dir, "vault.json")
}

func TestCreateLeavesDanglingLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.json")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), path); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("one")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a link: %v, want fs.ErrExist", err)
	}
}

// Of many writers at once exactly one creates the file, with its contents.
func TestCreateOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { errs[i] = Create(path, bytes.Repeat([]byte{byte('a' + i)}, 4096)) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		if err == nil && winner >= 0 {
			t.Fatalf("writers %d and %d both created the file", winner, i)
		}
		if err == nil {
			winner = i
			continue
		}
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("writer %d: %v, want fs.ErrExist", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody created the file")
	}
	if want := strings.Repeat(string(rune('a'+winner)), 4096); read(t, path) != want {
		t.Error("the file does not hold the winner's contents")
	}
	assertOnly(t, dir, "out")
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	for _, contents := range []string{"one", "two"} {
		if err := Replace(path, []byte(contents)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != contents {
			t.Errorf("contents %q, want %q", got, contents)
		}
	}
	assertOnly(t, dir, "out")
}

func TestReplaceFollowsLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "a-target"), filepath.Join(dir, "b-link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, target); got != "new" {
		t.Errorf("target holds %q, want %q", got, "new")
	}
	assertOnly(t, dir, "a-target", "b-link")
}

func TestReplaceRefusesDirectory(t *testing.T) {
	if err := Replace(t.TempDir(), []byte("x")); err == nil {
		t.Error("a directory was replaced")
	}
}

// A failure at the last step leaves the old contents and no temporary file.
func TestWriteFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := Replace(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("power cut")
	if err := write(path, []byte("new"), func(string) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("contents %q, want the old ones", got)
	}
	assertOnly(t, dir, "out")
}

// TestKill kills a process that replaces a file over and over: whenever it
// dies, the file holds one of the two contents, whole.
func TestKill(t *testing.T) {
	contents := []string{strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<17)}
	if path := os.Getenv("SECRETFILE_VICTIM"); path != "" {
		for i := 0; ; i++ {
			if err := Replace(path, []byte(contents[i%2])); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "out")
	if err := Create(path, []byte(contents[0])); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		victim := exec.Command(os.Args[0], "-test.run=^TestKill$")
		victim.Env = append(os.Environ(), "SECRETFILE_VICTIM="+path)
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		for before := read(t, path); read(t, path) == before; { // until it is at it
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(7*(i%10)) * time.Millisecond)
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = victim.Wait() // reports the kill
		if got := read(t, path); got != contents[0] && got != contents[1] {
			t.Fatalf("after kill %d the file holds %d bytes of neither contents", i, len(got))
		}
	}
}

func TestReadSecret(t *testing.T) {
	tests := []struct {
		name, contents, want string
	}{
		{"bare", "secret", "secret"},
		{"newline", "secret\n", "secret"},
		{"carriage return", "secret\r\n", "secret"},
		{"one newline only", "secret\n\n", "secret\n"},
		{"spaces are kept", " secret \n", " secret "},
		{"lone carriage return is kept", "secret\r", "secret\r"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.contents), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadSecret(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("read %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadSecretRefuses(t *testing.T) {
	tests := []struct {
		name, contents string
		mode           fs.FileMode
		want           string
	}{
		{"empty", "", 0o600, "empty"},
		{"newline alone", "\n", 0o600, "empty"},
		{"group readable", "hunter2", 0o640, "chmod 600"},
		{"world readable", "hunter2", 0o604, "chmod 600"},
		{"group writable", "hunter2", 0o620, "chmod 600"},
		{"too long", strings.Repeat("x", maxSecret+1), 0o600, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte(tt.contents), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := ReadSecret(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("error %v, want one that names %s and says %q", err, path, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error tells the contents: %v", err)
			}
		})
	}
}
