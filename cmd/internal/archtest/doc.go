// Package archtest holds a test of how the packages of the module may depend on
// one another. It looks at what the go command says of the real packages, so it
// sees what a linter that reads one file at a time does not: what a program links.
//
// Arrows go down only, from row to row or across several rows:
//
//	cmd/...
//	scanner  signer  notifier  wallet/payout  wallet/sweep  wallet/book  wallet/reconcile
//	wallet/store  wallet/chain  wallet/batch  wallet/hd  wallet/outgoing  wallet/secretfile
//	wallet
//
// A component of the second row imports no other one of that row. What the signing
// station runs links neither HTTP nor an RPC client.
package archtest
