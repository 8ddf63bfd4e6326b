// Package rebalance keeps what lies on the addresses that pay between two marks:
// below the low one they are filled from the treasury, above the high one the
// surplus goes back there, either way to the middle between the marks.
//
//   - mark: low and high for one asset on each address of a role, which is payout,
//     gas or float.
//   - place: one asset on one such address.
//   - move: a transaction of a rebalance.
//
// What fills a place is sent by the treasury, what goes back by the place itself.
// So a batch of the cold vault fills all places, the float too, and brings back
// what is too much on payout and gas addresses; the float's surplus is a batch of
// the float.
//
// A plan is made by a planner, which decides from facts alone. Only what is certain
// leaves: the least of what the ledger says and what the chain shows, without what
// transactions on their way may still take, at their highest fees. What is on its
// way to a place counts as if it lay there, so that nothing is filled twice. A slot
// that a discarded batch left is built again first, with the same payload.
//
// Low is the alarm of a place below its low mark. It goes by the ledger alone.
package rebalance
