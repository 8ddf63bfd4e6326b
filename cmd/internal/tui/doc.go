// Package tui has the full-screen pages that people use at a terminal.
//
// A page is a pure model: Update and View touch nothing but their arguments,
// so that tests drive them without a terminal. A page sees domain types and
// what services computed, never the store, a file or a network. Whatever comes
// from a batch is written with control and bidirectional characters escaped.
// Nothing is told by color alone, and every page works at 80 by 24.
package tui
