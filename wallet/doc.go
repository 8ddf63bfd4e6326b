// Package wallet is the domain of airlock: the words that every other package
// uses, without any I/O.
//
//   - asset: the chain's coin, or a token contract on a chain. Amounts are
//     integers in base units.
//   - account: whom funds belong to; an id of the business's choosing. The
//     empty account is the house.
//   - address: a place on chain, with a Role.
//   - deposit: value that reached an address of ours.
//   - withdrawal: a request to pay, whose id is unique for ever.
//   - intent: why a transaction of ours exists.
//   - outgoing: the one transaction of a (chain, sender, nonce), with all its
//     signatures (rungs).
//   - movement: value that our own sweeps, top-ups and rebalances move between
//     our addresses. Never a deposit.
//   - entry: a set of postings that sums to zero per asset.
//   - event: something that happened to a deposit, withdrawal or sweep.
//
// Everything is keyed by chain id (EIP-155), because one home serves several
// chains.
package wallet
