// Package erc4527 has a withdrawal signed by a QR hardware wallet (ERC-4527):
// it writes one rung of a batch with a single item as an eth-sign-request, and
// makes a signed batch of the eth-signatures that come back.
//
// A wallet signs outside of airlock: no policy of ours held it back and no
// record of ours knows of it. The signed batch says so by empty policy hash
// and record head. Its bytes are proven like any other's: each signature must
// recover to the item's sender over exactly the item's transaction.
package erc4527
