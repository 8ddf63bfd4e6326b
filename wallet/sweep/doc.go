// Package sweep brings what lies on deposit addresses to the treasury.
//
//   - source: a deposit address on which the ledger says that something lies.
//   - holding: one asset on a source.
//   - top-up: coin sent from the gas address to a source that has not enough
//     for the gas of its tokens. It is exactly the difference.
//   - reserve: gas limit × highest fee that is signed, per transaction. What a
//     transaction leaves of it stays on the source and is booked as dust.
//
// A plan is made by a Planner, which decides from facts alone. Sweeper gathers
// the facts and hands the plan to wallet/outgoing, which binds it to nonces in
// one store transaction.
//
// The plan holds to these rules:
//
//   - Only what is certain leaves: the least of what the ledger says, what the
//     chain proves at the final block and what the chain shows at its head.
//   - A source is planned as a whole. Its tokens go first and its coin last, by
//     rising nonces, and the sum of all values and reserves is never above the
//     coin that lies there plus the top-up.
//   - A top-up stands before what it pays for, in the same batch, and what it
//     pays for is sent only once it is mined.
//   - A slot that a discarded batch left bound is built again at its nonce, with
//     the same payload, before anything new.
package sweep
