// Package payout pays withdrawals: it takes requests, builds batches of them,
// offers signed batches of any kind to nodes, and confirms what was mined.
//
// Every method of Service is a unit of work that may be killed at any instant
// and run again. Each goes through the same three steps: look at the store,
// ask the world, and write in one transaction that checks again what it saw.
//
// A withdrawal is paid at most once because wallet/outgoing binds it to one
// (chain, sender, nonce); nothing in this package releases it from there.
package payout
