// Package scanner follows a chain and records what concerns the home: deposits,
// every transaction that an address of ours sent, and what others moved away
// from our addresses.
//
// It reads blocks in steps. A step fetches proven blocks, each the child of the
// one before, the first the child of the last block in the store; finds out
// what in them is ours; and writes all of that, with the events it causes and
// the cursor, in one store transaction, provided that the cursor is still where
// it was. So a scan that is killed anywhere, or runs twice at once, ends as if
// it had run once.
//
// A block whose parent is not the last block in the store means that the chain
// was reorganised: what was read above the fork is undone in one transaction,
// and reading goes on from there.
//
// A deposit is pending when it was seen, confirmed and in the ledger when its
// block is final enough for the chain's wallet.Finality, and orphaned when its
// block left the chain. It keeps its id when it is mined again.
//
// What extracting decides (extract.go) is a pure function of a block and of
// what the store knows. Coin that calls inside transactions moved, and what a fee
// recipient earned, is only claimed there (coin.go): the balances before and
// after the block have to prove it (prove.go).
package scanner
