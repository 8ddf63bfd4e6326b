package bolt

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// holder names the process that holds the lock of the file at path, or "".
// The kernel lists locks as
//
//	1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234567 0 EOF
//
// Of a process it tells the number, the program and the subcommand, never the
// other arguments: they may be URLs with keys.
func holder(path string) string {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return ""
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer f.Close()
	inode := fmt.Sprintf(":%d", st.Ino)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		pid := fields[4]
		args, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err != nil {
			return "process " + pid
		}
		words := strings.Split(string(args), "\x00")
		name := filepath.Base(words[0])
		if len(words) > 1 && words[1] != "" && !strings.HasPrefix(words[1], "-") {
			name += " " + words[1]
		}
		return fmt.Sprintf("process %s (%s)", pid, name)
	}
	return ""
}
