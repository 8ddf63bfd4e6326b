// Package reconcile compares the books of a home with the chain, to the wei,
// and tells in what state the home is.
//
// The comparison is made at one block, the last that scanning knows to be
// beyond reorg. What the ledger says of a location there is
//
//   - the location's balance now,
//   - less the entries that moved value in later blocks,
//   - with what was mined up to that block and is not settled yet,
//   - with the deposits up to that block that are not credited yet.
//
// An address whose opening balance was not read, or was read in a later block,
// cannot be compared yet; such are counted, not passed over in silence.
//
// The books are also compared with themselves: for each asset, what all owners
// have is what lies on all addresses.
package reconcile
