// Package cli is what all commands of both programs share: the streams, the
// terminal, rendering for people and for programs, and the exit codes.
//
// Standard output carries results alone: a table or a few lines for people,
// or with --json exactly one JSON document. Everything said to people about
// the work (notes, progress, errors) goes to standard error. What people are
// asked, and secrets that they are shown, go through the controlling
// terminal, so that neither a pipe nor a log can take part.
//
// The package links nothing that can reach a network.
package cli
