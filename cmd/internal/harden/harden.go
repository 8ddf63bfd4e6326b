package harden

import (
	"fmt"
	"sync"
)

var once sync.Once

// Process hardens this process, the first time that it is called, and returns
// in words what could not be done and matters. It is called before the first
// secret is read.
func Process() (notes []string) {
	once.Do(func() {
		if err := noDumps(); err != nil {
			notes = append(notes, fmt.Sprintf("a crash may write the memory of this process to a disk: core dumps cannot be turned off: %v", err))
		}
		if err := lockMemory(); err != nil && swaps() {
			notes = append(notes, fmt.Sprintf("memory may be swapped to a disk, since it cannot be locked: %v; turn swap off, or allow locking with ulimit -l unlimited", err))
		}
	})
	return notes
}
