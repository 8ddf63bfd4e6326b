// Package slip39 splits a secret into shares of which some are enough to have
// it again, as words that people can write down (SLIP-0039). Fewer of them
// tell nothing about it.
//
// # Words
//
// A set of shares comes from one [Split] and has an identifier, which the
// first two words of every share spell. A share has an index within its set
// and says how many are needed.
//
// # Scope
//
// [Split] makes one group of shares, "extendable" as the standard recommends,
// without a passphrase: it would be one more thing to lose, and a wrong one is
// not noticed. [Combine] takes whatever the standard describes, groups and
// passphrases included.
//
// The word list and the test vectors are SatoshiLabs' own. Errors name shares
// and places, never words.
package slip39
