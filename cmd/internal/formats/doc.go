// Package formats holds a test that reads docs/formats.md: every example on that
// page is taken from it as it stands and held against the code that reads and
// writes the format, and where a second way is short, against one that shares
// nothing with it.
//
// Run with -update, the test writes the examples that the code produces anew.
package formats
