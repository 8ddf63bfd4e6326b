// Package crash holds the crash matrix: a test that kills the programs with SIGKILL
// before and after everything that they write, every call of a node and every
// delivery of an event, one place at a time, runs the same command again and all
// that follows to finality, and holds what came of it against the run that nobody
// disturbed: paid exactly once, or canceled, told in order, books balanced.
//
// The programs are those that ship. Nothing in them knows of the test: it follows
// their system calls (ptrace), stands between them and the node, and receives their
// webhooks. The places are enumerated, not drawn: number 1, 2, 3 and so on of each
// command until the command ends before the number is reached. So whatever a command
// comes to write or to ask is killed at from then on.
//
// It runs on Linux.
package crash
