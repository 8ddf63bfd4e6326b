package notifier

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Leases name who took them: the process, where the system can tell later
// whether it is gone, and a number that is unique in it.
var (
	process = sync.OnceValue(processName)
	serial  atomic.Uint64
	active  sync.Map // owners of this process whose rounds are not over
)

// newOwner is a name for leases that nobody else uses. Once end is called, the
// leases that are left are void: what they were for could not be recorded.
func newOwner() (owner string, end func()) {
	owner = process() + "#" + strconv.FormatUint(serial.Add(1), 10)
	active.Store(owner, nil)
	return owner, func() { active.Delete(owner) }
}

// gone reports whether whoever took a lease is known to be gone.
func gone(owner string) bool {
	name, _, _ := strings.Cut(owner, "#")
	if name == process() {
		_, alive := active.Load(owner)
		return !alive
	}
	return processGone(name)
}

// anonymous is a process name of which nobody can tell whether it is gone.
func anonymous() string { return "random/" + rand.Text() }
