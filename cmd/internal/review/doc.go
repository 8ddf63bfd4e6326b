// Package review tells what a report says of a batch: as facts, which the page
// of package tui shows too, as plain text, and as a document for programs. All of
// them tell the same, and whatever comes from a batch is written with characters
// escaped that a terminal would obey, or that would push others out of their
// columns.
package review
