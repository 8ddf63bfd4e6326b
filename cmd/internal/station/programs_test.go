package station

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built builds both programs into a folder, once for all tests that run them.
var built = sync.OnceValues(func() (dir string, err error) {
	if builtDir, err = os.MkdirTemp("", "airlock-bin-"); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", builtDir, "../../airlock", "../../airlock-signer")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return builtDir, nil
})

var builtDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if builtDir != "" {
		os.RemoveAll(builtDir)
	}
	os.Exit(code)
}

// programs are the paths of both programs.
func programs(t testing.TB) (online, signer string) {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "airlock"), filepath.Join(dir, "airlock-signer")
}
