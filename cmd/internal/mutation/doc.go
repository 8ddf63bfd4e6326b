// Package mutation holds a test that changes every file which crosses the gap or
// lies on the signing station, in every way that it knows of, and hands it to the
// code that reads it. Whatever is done to a file, it is refused, at a place that
// is named, or it means what an independent reading says that it means; a file
// that is sealed (by a signature, a fingerprint or a passphrase) means what it
// meant before, or is refused.
//
// The originals in testdata are the examples of docs/formats.md and fuller ones
// made of them. Changes are made by walking what a file holds, so that a new field
// is changed like the others; a test fails if no original has it, and -update
// makes them anew. A new kind of file is another subject.
package mutation
