// Package outgoing is what payouts and sweeps share: a transaction of ours
// from the moment it is bound to a slot until it is booked.
//
//   - Write binds the items of a batch to their slots. A slot belongs to its
//     intent for ever: what was discarded is built again at the same nonce with
//     the same payload, so that at most one of all its signatures is ever mined.
//   - TakeIn stores the signatures of a batch before the first is offered.
//   - Due, MarkOffered and RecordAnswers decide what a node is given, and keep
//     what it said.
//   - Observe and Settle read what scanning found, and nothing else. Funds move
//     in the books only for what is mined at or below the final block.
//   - Doubts and Accept are for what airlock did not make itself.
//
// A mined transaction is judged by its content (recipient, value, call data),
// never by its hash alone: a payment whose fees somebody altered, or whose
// signed file was lost here and sent elsewhere, is still that payment.
//
// Every function that takes a transaction of the store does all of its writing
// in it and none of it calls the world.
package outgoing
