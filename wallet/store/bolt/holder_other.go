//go:build !linux

package bolt

// holder cannot name the process on this platform.
func holder(string) string { return "" }
