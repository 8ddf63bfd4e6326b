// Package harden keeps what a process has in memory from being written to a
// disk: no core dumps, and where the system allows it no swapping. It keeps
// nobody out who controls the system.
package harden
